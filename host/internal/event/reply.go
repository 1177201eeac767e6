// The reply to an event.

package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrBinary is what Reply returns for a body that its format cannot hold.
var ErrBinary = errors.New("the body is not UTF-8, and this kind of reply knows text only")

// reply has the fields of all kinds.
type reply struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription string              `json:"statusDescription,omitempty"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"`
	Body              string              `json:"body"`
	IsBase64Encoded   *bool               `json:"isBase64Encoded,omitempty"`
}

// Reply makes the reply to r. A body that is not UTF-8 becomes base64 where the
// format has it. Repeated fields become one, joined by commas, where it has no
// lists; cookies, which cannot be joined, then take names that differ in case.
func (r *Request) Reply(status int, headers Fields, body []byte) ([]byte, error) {
	out := reply{StatusCode: status, Body: string(body)}
	binary := !utf8.Valid(body)
	switch {
	case r.Kind != JDCloud:
		out.IsBase64Encoded = &binary
		if binary {
			out.Body = base64.StdEncoding.EncodeToString(body)
		}
	case binary:
		return nil, ErrBinary
	}
	if r.Kind == LoadBalancer {
		out.StatusDescription = strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
	}
	if r.multi {
		out.MultiValueHeaders = map[string][]string{}
		for _, f := range headers {
			out.MultiValueHeaders[f[0]] = append(out.MultiValueHeaders[f[0]], f[1])
		}
	} else {
		out.single(headers, r.Kind == GatewayV2)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// single takes headers for a format without lists.
func (out *reply) single(headers Fields, cookies bool) {
	out.Headers = map[string]string{}
	repeated := 0
	for _, f := range headers {
		name := textproto.CanonicalMIMEHeaderKey(f[0])
		earlier, again := out.Headers[name]
		switch {
		case name == "Set-Cookie" && cookies:
			out.Cookies = append(out.Cookies, f[1])
		case name == "Set-Cookie":
			out.Headers[spelling(name, repeated)] = f[1]
			repeated++
		case again:
			out.Headers[name] = earlier + ", " + f[1]
		default:
			out.Headers[name] = f[1]
		}
	}
}

// spelling is the n-th way of writing name: the bits of n change the case of
// letters.
func spelling(name string, n int) string {
	b := []byte(name)
	for i := 0; n > 0 && i < len(b); i++ {
		if b[i]|0x20 < 'a' || b[i]|0x20 > 'z' {
			continue
		}
		if n&1 != 0 {
			b[i] ^= 0x20
		}
		n >>= 1
	}
	return string(b)
}
