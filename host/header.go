// Header names and values: canonical forms, interning, validity.

package host

import (
	"encoding/binary"
	"net/textproto"
	"slices"
	"strings"
	"unsafe"
)

// Bits of octets, what a byte may be part of.
const (
	octetToken = 1 << iota // RFC 9110 token
	octetHost              // uri-host and port, as lenient as net/http
	octetLower
	octetUpper
	octetPath // stands for itself in a path, and URL.EscapedPath writes it as it is
)

var octets = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] = octetToken | octetHost | octetPath
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] = octetToken | octetHost | octetPath
		t[c-'a'+'A'] = t[c] | octetUpper
		t[c] |= octetLower
	}
	for set, bit := range map[string]uint8{
		"!#$%&'*+-.^_`|~":     octetToken,
		"!$%&()*+,-.:;=['_~]": octetHost,
		"-_.~$&+,/:;=@":       octetPath,
	} {
		for _, c := range set {
			t[c] |= bit
		}
	}
	return t
}()

func all(s string, bit uint8) bool {
	for i := range len(s) {
		if octets[s[i]]&bit == 0 {
			return false
		}
	}
	return true
}

// fieldName returns the canonical form of a header name as it came over the
// wire, and whether it is a valid name.
func fieldName(s string) (name string, ok bool) {
	if name = usualName(s); name != "" {
		return name, true
	}
	if len(s) >= 8 && plainName(s) {
		return s, true
	}
	start, same := true, s != ""
	for i := range len(s) {
		bits := octets[s[i]]
		if bits&octetToken == 0 {
			return s, false
		}
		if start {
			same = same && bits&octetLower == 0
		} else {
			same = same && bits&octetUpper == 0
		}
		start = s[i] == '-'
	}
	if same {
		return s, true
	}
	return canonical(s), s != ""
}

// plainName reports whether a name of at least eight octets is in its canonical
// form and made of letters, digits and dashes, as nearly all are.
func plainName(s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	good, start := plainWord(binary.LittleEndian.Uint64(b), 0x80)
	i := 8
	for ; i <= len(b)-8; i += 8 {
		var g uint64
		g, start = plainWord(binary.LittleEndian.Uint64(b[i:]), start)
		good &= g
	}
	if left := len(b) - i; left > 0 {
		// What is not there of the last eight is as if it were digits.
		last := binary.LittleEndian.Uint64(b[len(b)-8:])
		g, _ := plainWord(last>>(64-8*left&63)|ones*'0'<<(8*left&63), start)
		good &= g
	}
	return good&highs == highs
}

// plainWord sets the highest bit of each of eight octets of a name that is as
// plainName wants it. start is 0x80 if the first octet begins a word, next is
// for the octet that follows.
func plainWord(x, start uint64) (good, next uint64) {
	folded := x | ones*0x20
	letters := (folded + ones*(0x80-'a')) & (ones*(0x80+'z') - folded)
	digits := (x + ones*(0x80-'0')) & (ones*(0x80+'9') - x)
	dashes := (x + ones*(0x80-'-')) & (ones*(0x80+'-') - x) & highs
	lower := x << 2
	return (letters&(lower^(dashes<<8|start)) | digits | dashes) &^ x, dashes >> 56
}

// usualName is the canonical form of the names that nearly every request has,
// as HTTP/1 and later versions spell them, without a look at each letter.
func usualName(s string) string {
	switch s {
	case "Host", "host":
		return "Host"
	case "Accept", "accept":
		return "Accept"
	case "Cookie", "cookie":
		return "Cookie"
	case "Origin", "origin":
		return "Origin"
	case "Referer", "referer":
		return "Referer"
	case "Connection", "connection":
		return "Connection"
	case "User-Agent", "user-agent":
		return "User-Agent"
	case "Content-Type", "content-type":
		return "Content-Type"
	case "Cache-Control", "cache-control":
		return "Cache-Control"
	case "Authorization", "authorization":
		return "Authorization"
	case "If-None-Match", "if-none-match":
		return "If-None-Match"
	case "Sec-Fetch-Mode", "sec-fetch-mode":
		return "Sec-Fetch-Mode"
	case "Sec-Fetch-Site", "sec-fetch-site":
		return "Sec-Fetch-Site"
	case "Sec-Fetch-Dest", "sec-fetch-dest":
		return "Sec-Fetch-Dest"
	case "Content-Length", "content-length":
		return "Content-Length"
	case "Accept-Encoding", "accept-encoding":
		return "Accept-Encoding"
	case "Accept-Language", "accept-language":
		return "Accept-Language"
	case "X-Forwarded-For", "x-forwarded-for":
		return "X-Forwarded-For"
	}
	return ""
}

func validToken(s string) bool { return s != "" && all(s, octetToken) }

func validHost(s string) bool { return all(s, octetHost) }

// trim takes the white space off both ends of a header value.
func trim(s string) string {
	if s != "" && (s[0] <= ' ' || s[len(s)-1] <= ' ') {
		return textproto.TrimString(s)
	}
	return s
}

// For eight octets at a time: something in each of them.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// validValue reports whether s may be a field value: no control characters
// but the tab.
func validValue(s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	if len(b) < 8 {
		return validBytes(b)
	}
	// What finds a control character may have found a tab.
	found := controls(binary.LittleEndian.Uint64(b[len(b)-8:]))
	for i := 0; i < len(b)-8; i += 8 {
		found |= controls(binary.LittleEndian.Uint64(b[i:]))
	}
	return found&highs == 0 || validBytes(b)
}

// controls sets the highest bit of each octet that is below 0x20, or DEL.
func controls(x uint64) uint64 {
	low := x &^ highs
	return (low + ones | ^(low + 0x60*ones)) &^ x
}

func validBytes(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// commonNames are header names that are worth a table entry.
var commonNames = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges",
	"Access-Control-Request-Headers", "Access-Control-Request-Method", "Age", "Alt-Used",
	"Authorization", "Cache-Control", "Cdn-Loop", "Connection", "Content-Disposition",
	"Content-Encoding", "Content-Language", "Content-Length", "Content-Range", "Content-Type",
	"Cookie", "Date", "Dnt", "Etag", "Expect", "Forwarded", "From", "Host", "If-Match",
	"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive",
	"Last-Event-Id", "Last-Modified", "Max-Forwards", "Origin", "Pragma", "Priority", "Proxy",
	"Proxy-Authorization", "Proxy-Connection", "Purpose", "Range", "Referer",
	"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode",
	"Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc", "Sec-Websocket-Extensions",
	"Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Version", "Te", "Traceparent",
	"Tracestate", "Trailer", "Transfer-Encoding", "Upgrade", "Upgrade-Insecure-Requests",
	"User-Agent", "Via", "X-Csrf-Token", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Port", "X-Forwarded-Proto", "X-Http-Method-Override", "X-Real-Ip",
	"X-Request-Id", "X-Requested-With",
}

// interned leads from the usual spellings of common names, as they are and in
// lower case, to the canonical form; internedVariables from the CGI variable's
// name without its HTTP_.
var interned, internedVariables = func() (names, variables map[string]string) {
	names = make(map[string]string, 2*len(commonNames))
	variables = make(map[string]string, len(commonNames))
	for _, name := range commonNames {
		names[name] = name
		names[strings.ToLower(name)] = name
		variables[strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = name
	}
	return names, variables
}()

// canonical returns the canonical form of a header name as it came over the
// wire, as net/http has it.
func canonical(name string) string {
	if c, ok := interned[name]; ok {
		return c
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// variableName returns the canonical header name for a CGI variable's name
// without its HTTP_, and whether it is a valid name.
func variableName(s string) (name string, ok bool) {
	switch s { // the most usual need no hash
	case "HOST":
		return "Host", true
	case "ACCEPT":
		return "Accept", true
	case "COOKIE":
		return "Cookie", true
	case "REFERER":
		return "Referer", true
	case "CONNECTION":
		return "Connection", true
	case "USER_AGENT":
		return "User-Agent", true
	case "ACCEPT_ENCODING":
		return "Accept-Encoding", true
	case "ACCEPT_LANGUAGE":
		return "Accept-Language", true
	}
	if name, ok = internedVariables[s]; ok {
		return name, true
	}
	name = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(s, "_", "-"))
	return name, validToken(name)
}

// hopByHop reports whether a header concerns one connection only, or the
// message's framing on it, and so is the server's business (RFC 9110, 7.6.1).
func hopByHop(name string) bool {
	switch len(name) {
	case len("Upgrade"):
		return strings.EqualFold(name, "Upgrade")
	case len("Connection"): // and of Keep-Alive
		return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Keep-Alive")
	case len("Proxy-Connection"):
		return strings.EqualFold(name, "Proxy-Connection")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// notInTrailers are names that may not be trailers (RFC 9110, 6.5.1), those
// net/http refuses.
var notInTrailers = []string{
	"Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
	"Content-Range", "Content-Type", "Expect", "Host", "Keep-Alive", "Max-Forwards", "Pragma",
	"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "Realm", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade", "Www-Authenticate",
}

// validTrailer reports whether a canonical name may be a trailer's.
func validTrailer(name string) bool {
	return !strings.HasPrefix(name, "If-") && !slices.Contains(notInTrailers, name)
}

// elements calls f for each non-empty element of a comma-separated list.
func elements(list string, f func(element string)) {
	for e := range strings.SplitSeq(list, ",") {
		if e = textproto.TrimString(e); e != "" {
			f(e)
		}
	}
}

// hasToken reports whether one of the comma-separated lists has the element
// token, whatever its case.
func hasToken(lists []string, token string) bool {
	found := false
	for _, list := range lists {
		elements(list, func(e string) { found = found || strings.EqualFold(e, token) })
	}
	return found
}
