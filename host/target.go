// The request target: from CGI variables to a URL.

package host

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

var errTarget = errors.New("host: malformed request target")

// parseTarget writes the URL of a request target (RFC 9112, section 3.2) to u,
// as net/http's server parses it.
func parseTarget(u *url.URL, method, target string) error {
	if plainTarget(u, target) {
		return nil
	}
	if strings.Contains(target, " ") {
		return errTarget // it would have ended the target
	}
	authority := method == http.MethodConnect && !strings.HasPrefix(target, "/")
	if authority {
		target = "http://" + target
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return err
	}
	*u = *parsed
	if authority {
		u.Scheme = ""
	}
	return nil
}

// plainTarget does the work of url.ParseRequestURI for a target in origin form
// whose path holds nothing that is or should be escaped.
func plainTarget(u *url.URL, target string) bool {
	if target == "" || target[0] != '/' {
		return false
	}
	path, query, found := strings.Cut(target, "?")
	if !all(path, octetPath) || found && query == "" {
		return false
	}
	for i := range len(query) {
		if query[i] <= ' ' || query[i] == 0x7f {
			return false
		}
	}
	u.Path, u.RawQuery = path, query
	return true
}

// rebuildTarget makes the target of a request whose server only told its
// decoded path and its query.
func rebuildTarget(path, query string) string {
	target := path
	if !all(path, octetPath) {
		target = (&url.URL{Path: path}).EscapedPath()
	}
	if target == "" {
		target = "/"
	}
	if query != "" {
		target += "?" + query
	}
	return target
}

// mount takes the decoded prefix script, where the application is mounted, off
// the path of target, so that the rest keeps its escapes. If the target does
// not lie below it (the server has rewritten the request) the decoded path and
// the query are what the server says.
func mount(u *url.URL, target, script, path, query string) {
	script = strings.TrimSuffix(script, "/")
	if script == "" || u.Opaque != "" {
		return
	}
	raw := u.Path
	if u.RawPath != "" {
		raw = u.RawPath
	}
	rest, ok := "", false
	if u.RawPath == "" && all(raw, octetPath) {
		rest, ok = strings.CutPrefix(raw, script)
	} else {
		if u.RawPath == "" {
			raw = u.EscapedPath()
		}
		rest, ok = cutEscaped(raw, script)
	}
	if ok && (rest == "" || rest[0] == '/') {
		if rest == "" {
			rest = "/"
		}
		if decoded, err := url.PathUnescape(rest); err == nil {
			u.Path, u.RawPath = decoded, ""
			if all(rest, octetPath) {
				return
			}
			if u.EscapedPath() != rest {
				u.RawPath = rest
			}
			return
		}
	}
	if path == "" {
		path = "/"
	}
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, "", query, false
}

// cutEscaped takes a decoded prefix off an escaped path.
func cutEscaped(raw, prefix string) (rest string, ok bool) {
	for i := range len(prefix) {
		if raw == "" {
			return "", false
		}
		c, n := raw[0], 1
		if c == '%' {
			if len(raw) < 3 {
				return "", false
			}
			hi, lo := unhex(raw[1]), unhex(raw[2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			c, n = byte(hi<<4|lo), 3
		}
		if c != prefix[i] {
			return "", false
		}
		raw = raw[n:]
	}
	return raw, true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
