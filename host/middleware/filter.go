// A change of responses on their way.

package middleware

import (
	"io"
	"slices"
	"strings"

	"pillion/host"
)

// Head is the head of a response on its way.
type Head struct {
	Status  string // three digits, a space and a reason
	Headers []host.Pair
}

// Header returns the first value of a header, or "".
func (h *Head) Header(name string) string {
	for _, p := range h.Headers {
		if strings.EqualFold(p.Name, name) {
			return p.Value
		}
	}
	return ""
}

// Remove removes a header.
func (h *Head) Remove(name string) {
	h.Headers = slices.DeleteFunc(h.Headers, func(p host.Pair) bool { return strings.EqualFold(p.Name, name) })
}

// Filter returns middleware that changes responses. f is called with the head of
// each final response, which it may change, before it is sent. If it returns a
// function, the body goes through the writer that this makes of the one that
// leads to the client; it is closed at the end of the body, unless that has
// failed. If the writer has a method Flush() error, a flush, and the end of each
// block, is a flush of its too. The response's Content-Length is dropped then.
// Responses that have no body (204, 304) keep theirs.
//
//	compress := middleware.Filter(func(env *host.Env, head *middleware.Head) func(io.Writer) io.WriteCloser {
//		head.Headers = append(head.Headers, host.Pair{Name: "Content-Encoding", Value: "gzip"})
//		return func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
//	})
func Filter(f func(env *host.Env, head *Head) func(io.Writer) io.WriteCloser) host.Middleware {
	return func(app host.App) host.App {
		return within(func(env *host.Env, start host.StartResponse, yield func([]byte, error) bool) {
			var now *filtered // nil as long as the body stays as it is
			body := app(env, func(status string, headers []host.Pair, err error) io.Writer {
				if strings.HasPrefix(status, "1") {
					return start(status, headers, err)
				}
				head := Head{status, slices.Clone(headers)}
				change := f(env, &head)
				if change != nil && !strings.HasPrefix(status, "204") && !strings.HasPrefix(status, "304") {
					head.Remove("Content-Length")
				} else {
					change = nil
				}
				w := start(head.Status, head.Headers, err)
				if change == nil {
					now = nil
					return w
				}
				now = &filtered{w: w, through: change(w)}
				return now
			})
			if pass(body, &now, yield) && now != nil {
				if err := now.through.Close(); err != nil {
					yield(nil, err)
				}
			}
		})
	}
}

// pass passes the blocks on, through *now if it is there, and says whether the
// body is whole.
func pass(body blocks, now **filtered, yield func([]byte, error) bool) bool {
	whole := true
	each(body, func(block []byte, err error) bool {
		if err == nil && len(block) > 0 && *now != nil {
			if _, err = (*now).Write(block); err == nil {
				err = (*now).Flush()
			}
			block = nil
		}
		whole = yield(block, err) && err == nil
		return whole
	})
	return whole
}

// filtered is the writer that the application gets.
type filtered struct {
	w       io.Writer
	through io.WriteCloser
}

func (f *filtered) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return f.through.Write(p)
}

func (f *filtered) Flush() error {
	if inner, ok := f.through.(interface{ Flush() error }); ok {
		if err := inner.Flush(); err != nil {
			return err
		}
	}
	return host.Flush(f.w)
}

func (f *filtered) SetTrailers(trailers []host.Pair) error { return host.SetTrailers(f.w, trailers) }
