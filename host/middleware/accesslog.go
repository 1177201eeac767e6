// The access log.

package middleware

import (
	"cmp"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"pillion/host"
)

// AccessLog returns middleware that writes a line to out for each request when it
// has ended, in the combined log format of Apache and nginx: client, user, time,
// request line, status, bytes of the body, Referer and User-Agent. A response
// that was broken off has the status and the bytes it had by then, or 500; a
// connection that was taken over has 101.
// Lines are written one at a time.
func AccessLog(out io.Writer) host.Middleware {
	var mu sync.Mutex
	return func(app host.App) host.App {
		return within(func(env *host.Env, start host.StartResponse, yield func([]byte, error) bool) {
			begun := time.Now()
			status, sent := "500", int64(0)
			defer func() {
				line := logLine(env, begun, status, sent)
				mu.Lock()
				defer mu.Unlock()
				out.Write(line)
			}()
			env = watchTakeover(env, func() { status = "101" })
			body := app(env, func(s string, headers []host.Pair, err error) io.Writer {
				w := start(s, headers, err)
				if !strings.HasPrefix(s, "1") {
					status = s[:3]
				}
				return watched(w, func(n int64) { sent += n })
			})
			each(body, func(block []byte, err error) bool {
				sent += int64(len(block))
				return yield(block, err)
			})
		})
	}
}

// logLine is a line of the combined log format.
func logLine(env *host.Env, begun time.Time, status string, sent int64) []byte {
	target := env.Vars["REQUEST_URI"]
	if target == "" {
		target = env.Vars["SCRIPT_NAME"] + env.Vars["PATH_INFO"]
	}
	b := make([]byte, 0, 256)
	b = appendText(b, cmp.Or(env.Vars["REMOTE_ADDR"], "-"))
	b = append(b, " - "...)
	b = appendText(b, cmp.Or(env.Vars["REMOTE_USER"], "-"))
	b = begun.AppendFormat(b, " [02/Jan/2006:15:04:05 -0700] \"")
	b = appendText(b, env.Vars["REQUEST_METHOD"]+" "+target+" "+env.Vars["SERVER_PROTOCOL"])
	b = append(b, "\" "+status+" "...)
	b = strconv.AppendInt(b, sent, 10)
	for _, name := range []string{"Referer", "User-Agent"} {
		b = append(b, " \""...)
		b = appendText(b, cmp.Or(env.Header.Get(name), "-"))
		b = append(b, '"')
	}
	return append(b, '\n')
}

// appendText appends s with what could end a field or a line escaped.
func appendText(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '\\', 'x', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}
