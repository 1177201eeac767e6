// From a Message to an *http.Request.

package host

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"unsafe"
)

// refusal says why a request never reaches its handler.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string {
	return strconv.Itoa(r.status) + " " + http.StatusText(r.status) + ": " + r.reason
}

func badRequest(reason string) *refusal { return &refusal{http.StatusBadRequest, reason} }

// facts are the CGI variables that make a request.
type facts struct {
	method, uri, protocol, script, path, query string
	serverName, serverAddr, serverPort         string
	remoteAddr, remotePort                     string
	contentLength, contentType                 string

	https bool
	tls   tlsFacts
	// fields counts the HTTP_* variables; first is where they begin.
	fields, first int
}

func (f *facts) read(environ []Pair) {
	for i := range environ {
		v := environ[i].Value
		switch name := environ[i].Name; name {
		case "REQUEST_METHOD":
			f.method = v
		case "REQUEST_URI":
			f.uri = v
		case "SERVER_PROTOCOL":
			f.protocol = v
		case "SCRIPT_NAME":
			f.script = v
		case "PATH_INFO":
			f.path = v
		case "QUERY_STRING":
			f.query = v
		case "SERVER_NAME":
			f.serverName = v
		case "SERVER_ADDR":
			f.serverAddr = v
		case "SERVER_PORT":
			f.serverPort = v
		case "REMOTE_ADDR":
			f.remoteAddr = v
		case "REMOTE_PORT":
			f.remotePort = v
		case "CONTENT_LENGTH":
			f.contentLength = v
		case "CONTENT_TYPE":
			f.contentType = v
		case "REQUEST_SCHEME":
			f.https = f.https || len(v) == len("https") && strings.EqualFold(v, "https")
		case "HTTPS":
			f.https = f.https || strings.EqualFold(v, "on") || v == "1"
		default:
			switch {
			case len(name) > 5 && name[:5] == "HTTP_":
				if f.fields == 0 {
					f.first = i
				}
				f.fields++
			case len(name) > 4 && name[:4] == "SSL_":
				f.tls.read(name, v)
			}
		}
	}
}

// Bits of headerSet.seen.
const (
	sawTransferEncoding = 1 << iota
	sawContentLength
	sawTrailer
	sawConnection
	sawExpect
	sawPragma
	sawCookies // more than one
)

// headerSet gathers header fields into an http.Header whose values share one
// backing array.
type headerSet struct {
	header  http.Header
	values  []string
	host    string
	hosts   int
	seen    uint
	repeats bool // names may come more than once
}

// gather takes the fields of a request.
func (h *headerSet) gather(m *Message, f *facts) *refusal {
	if len(m.Headers) > 0 {
		h.make(len(m.Headers))
	} else {
		h.make(f.fields + 2)
	}
	bad := h.take(m, f)
	if bad == nil && len(h.header) != len(h.values) {
		// To look for each name before it is entered would cost most requests,
		// which repeat none, more than it costs the others to begin anew.
		clear(h.header)
		h.values, h.hosts, h.repeats = h.values[:0], 0, true
		bad = h.take(m, f)
	}
	return bad
}

// make makes room for n fields.
func (h *headerSet) make(n int) {
	h.header = make(http.Header, n)
	if n > cap(h.values) {
		h.values = make([]string, 0, n)
	}
}

func (h *headerSet) take(m *Message, f *facts) *refusal {
	if len(m.Headers) > 0 {
		return h.addFields(m.Headers)
	}
	return h.addVariables(m.Environ, f)
}

// add takes a field under its canonical name.
func (h *headerSet) add(name, value string) *refusal {
	value = trim(value)
	if !validValue(value) {
		return badRequest("malformed header value")
	}
	switch name {
	case "Host":
		h.host = value
		h.hosts++
		return nil
	case "Proxy":
		return nil // would be HTTP_PROXY to a CGI program the application runs
	case "Transfer-Encoding":
		h.seen |= sawTransferEncoding
	case "Content-Length":
		h.seen |= sawContentLength
	case "Trailer":
		h.seen |= sawTrailer
	case "Connection":
		h.seen |= sawConnection
	case "Expect":
		h.seen |= sawExpect
	case "Pragma":
		h.seen |= sawPragma
	}
	if h.repeats {
		if earlier, ok := h.header[name]; ok {
			if name == "Cookie" {
				h.seen |= sawCookies
			}
			h.header[name] = append(earlier, value)
			return nil
		}
	}
	n := len(h.values)
	h.values = append(h.values, value)
	h.header[name] = h.values[n : n+1 : n+1]
	return nil
}

// addFields takes fields under the names they came with.
func (h *headerSet) addFields(fields []Pair) *refusal {
	for i := range fields {
		name, ok := fieldName(fields[i].Name)
		if !ok {
			return badRequest("malformed header name")
		}
		if bad := h.add(name, fields[i].Value); bad != nil {
			return bad
		}
	}
	return nil
}

// addVariables takes the fields from CGI variables.
func (h *headerSet) addVariables(environ []Pair, f *facts) *refusal {
	left := f.fields
	for i := f.first; left > 0; i++ {
		name := environ[i].Name
		if len(name) <= 5 || name[:5] != "HTTP_" {
			continue
		}
		left--
		name, ok := variableName(name[5:])
		if name == "Content-Length" || name == "Content-Type" {
			continue // CONTENT_LENGTH and CONTENT_TYPE are the ones to trust
		}
		if !ok {
			return badRequest("malformed header name")
		}
		if bad := h.add(name, environ[i].Value); bad != nil {
			return bad
		}
	}
	if f.contentType != "" {
		if bad := h.add("Content-Type", f.contentType); bad != nil {
			return bad
		}
	}
	if f.contentLength != "" {
		return h.add("Content-Length", f.contentLength)
	}
	return nil
}

// newRequest makes the request of s.msg.
func (s *serving) newRequest() (*http.Request, *refusal) {
	m := s.msg
	var f facts
	f.read(m.Environ)
	s.serverAddr, s.serverPort = f.serverAddr, f.serverPort
	s.method, s.target, s.proto = f.method, f.uri, f.protocol
	s.client = remoteAddr(m.Spare, f.remoteAddr, f.remotePort)
	if s.proto == "" || s.proto == "INCLUDED" { // not known; a server-side include
		s.proto = "HTTP/1.0"
	}
	if s.target == "" {
		s.target = rebuildTarget(f.script+f.path, f.query)
	}

	major, minor, ok := 1, 1, true
	if s.proto != "HTTP/1.1" {
		major, minor, ok = http.ParseHTTPVersion(s.proto)
	}
	switch {
	case !ok && !laterProto(&s.proto, &major, &minor):
		return nil, badRequest("malformed protocol version")
	case major < 1 || major > 3:
		return nil, &refusal{http.StatusHTTPVersionNotSupported, "protocol version not supported"}
	case !validToken(s.method):
		return nil, badRequest("malformed method")
	case parseTarget(&s.url, s.method, s.target) != nil:
		return nil, badRequest("malformed request target")
	}
	if f.script != "" {
		mount(&s.url, s.target, f.script, f.path, f.query)
	}

	h := headerSet{values: s.values[:0]}
	if bad := h.gather(m, &f); bad != nil {
		return nil, bad
	}
	if h.hosts == 0 && len(m.Headers) == 0 {
		h.host = fallbackHost(&f)
	}
	switch {
	case h.hosts > 1:
		return nil, badRequest("more than one Host header")
	case h.hosts == 0 && h.host == "" && major == 1 && minor > 0 && s.method != http.MethodConnect:
		return nil, badRequest("no Host header")
	case !validHost(h.host):
		return nil, badRequest("malformed Host header")
	}
	s.host = h.host
	if s.url.Host != "" {
		s.host = s.url.Host
	}

	// The one way to a request with a context. It allocates nothing: the
	// compiler sees that the copy that WithContext returns is copied again.
	s.request = *new(http.Request).WithContext(&s.ctx)
	r := &s.request
	r.Method, r.RequestURI, r.URL = s.method, s.target, &s.url
	r.Proto, r.ProtoMajor, r.ProtoMinor = s.proto, major, minor
	r.Host, r.RemoteAddr, r.Header = s.host, s.client, h.header
	if major == 1 {
		r.Close = minor == 0
	}
	if h.seen != 0 {
		if bad := h.settle(r); bad != nil {
			return nil, bad
		}
	}
	if f.https {
		r.TLS = f.tls.state(r, m.Environ)
	}
	return r, s.setBody(r, &f, h.seen)
}

// settle does what particular fields ask for, in net/http's ways.
func (h *headerSet) settle(r *http.Request) *refusal {
	if h.seen&sawConnection != 0 && r.ProtoMajor == 1 {
		lists := h.header["Connection"]
		r.Close = hasToken(lists, "close") || r.ProtoMinor == 0 && !hasToken(lists, "keep-alive")
	}
	if h.seen&sawPragma != 0 && r.ProtoMajor == 1 && h.header["Pragma"][0] == "no-cache" {
		if _, ok := h.header["Cache-Control"]; !ok {
			h.header["Cache-Control"] = []string{"no-cache"}
		}
	}
	if h.seen&sawCookies != 0 && r.ProtoMajor >= 2 {
		h.header["Cookie"] = []string{strings.Join(h.header["Cookie"], "; ")}
	}
	if h.seen&sawTransferEncoding != 0 {
		codings := h.header["Transfer-Encoding"]
		delete(h.header, "Transfer-Encoding")
		if r.ProtoAtLeast(1, 1) {
			if len(codings) != 1 || !strings.EqualFold(codings[0], "chunked") {
				return &refusal{http.StatusNotImplemented, "transfer coding not supported"}
			}
			r.TransferEncoding = []string{"chunked"}
		}
	}
	if h.seen&sawContentLength != 0 {
		lengths := h.header["Content-Length"]
		for _, l := range lengths[1:] {
			if l != lengths[0] {
				return badRequest("contradictory Content-Length")
			}
		}
		if _, ok := parseLength(lengths[0]); !ok {
			return badRequest("malformed Content-Length")
		}
		h.header["Content-Length"] = lengths[:1:1]
		if r.TransferEncoding != nil {
			delete(h.header, "Content-Length")
		}
	}
	if h.seen&sawTrailer != 0 && (r.TransferEncoding != nil || r.ProtoMajor >= 2) {
		if bad := announceTrailers(r); bad != nil {
			return bad
		}
	}
	if h.seen&sawExpect != 0 {
		if v := h.header["Expect"][0]; r.ProtoMajor == 1 && v != "" && !hasToken([]string{v}, "100-continue") {
			return &refusal{http.StatusExpectationFailed, "unknown expectation"}
		}
		if r.ProtoMajor >= 2 {
			delete(h.header, "Expect")
		}
	}
	return nil
}

func announceTrailers(r *http.Request) (bad *refusal) {
	trailers := http.Header{}
	for _, list := range r.Header["Trailer"] {
		elements(list, func(name string) {
			name = canonical(name)
			if name == "Transfer-Encoding" || name == "Trailer" || name == "Content-Length" {
				if r.ProtoMajor == 1 {
					bad = badRequest("trailer that may not be one")
				}
				return
			}
			trailers[name] = nil
		})
	}
	delete(r.Header, "Trailer")
	if len(trailers) > 0 {
		r.Trailer = trailers
	}
	return bad
}

// setBody gives r its body and its length.
func (s *serving) setBody(r *http.Request, f *facts, seen uint) *refusal {
	m := s.msg
	length, declared := int64(-1), false
	if f.contentLength != "" {
		if length, declared = parseLength(f.contentLength); !declared {
			return badRequest("malformed Content-Length")
		}
	}
	if lengths := r.Header["Content-Length"]; seen&sawContentLength != 0 && len(lengths) > 0 {
		n, _ := parseLength(lengths[0])
		if declared && n != length {
			return badRequest("contradictory Content-Length")
		}
		length, declared = n, true
	}
	switch {
	case r.TransferEncoding != nil:
		length, declared = -1, false
	case !declared && !m.More:
		length = int64(len(m.Body))
	}
	r.ContentLength = length
	if length == 0 {
		r.Body = http.NoBody
		return nil
	}
	s.body.lent, s.body.first, s.body.more, s.body.remain = true, m.Body, m.More, length
	r.Body = &s.body
	return nil
}

func parseLength(s string) (int64, bool) {
	n, err := strconv.ParseUint(textproto.TrimString(s), 10, 63)
	return int64(n), err == nil
}

// laterProto takes the names of later versions without a minor number, which
// http.ParseHTTPVersion does not.
func laterProto(proto *string, major, minor *int) bool {
	switch *proto {
	case "HTTP/2":
		*proto, *major, *minor = "HTTP/2.0", 2, 0
	case "HTTP/3":
		*proto, *major, *minor = "HTTP/3.0", 3, 0
	default:
		return false
	}
	return true
}

// remoteAddr is http.Request.RemoteAddr for CGI's two variables, in spare if it
// has the room.
func remoteAddr(spare []byte, addr, port string) string {
	switch {
	case addr == "":
		return ""
	case strings.HasPrefix(addr, "unix:"):
		return "@" // as net has it for a socket without a name
	case port == "":
		port = "0"
	}
	b := spare[:0]
	if n := len("[]:") + len(addr) + len(port); n > cap(b) {
		b = make([]byte, 0, n)
	}
	if strings.IndexByte(addr, ':') >= 0 && addr[0] != '[' {
		b = append(append(append(b, '['), addr...), ']')
	} else {
		b = append(b, addr...)
	}
	b = append(append(b, ':'), port...)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// fallbackHost is the host of a caller that only knows its own name.
func fallbackHost(f *facts) string {
	if f.serverName == "" || !validHost(f.serverName) || !validHost(f.serverPort) {
		return ""
	}
	if f.serverPort == "" || !f.https && f.serverPort == "80" || f.https && f.serverPort == "443" {
		return f.serverName
	}
	return f.serverName + ":" + f.serverPort
}
