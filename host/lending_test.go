package host

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

// lending is a Memory that takes its Message back.
type lending struct {
	Memory
	environ []Pair
}

func (x *lending) TakeBack() {
	x.environ = x.Request.Environ
	clear(x.Request.Headers)
	x.Request = Message{}
}

func (x *lending) Environ() []Pair { return append([]Pair(nil), x.environ...) }

func TestServe_MessageIsGivenBackBeforeTheHandlerRuns(t *testing.T) {
	x := &lending{}
	x.Request = Message{
		App: "lending",
		Environ: []Pair{
			{"REQUEST_METHOD", "POST"}, {"REQUEST_URI", "/a"}, {"SERVER_PROTOCOL", "HTTP/1.1"},
			{"HTTP_PROXY", "evil"}, {"SERVER_SOFTWARE", "lender"},
		},
		Headers: []Pair{{"Host", "h"}, {"X-A", "1"}},
		Body:    []byte("body"),
	}
	serveWith(x, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, x.Request)
		assert.Equal(t, "1", r.Header.Get("X-A"))
		want := []Pair{
			{"REQUEST_METHOD", "POST"}, {"REQUEST_URI", "/a"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"SERVER_SOFTWARE", "lender"},
		}
		assert.Equal(t, want, Environ(r))
		assert.Equal(t, want, Environ(r), "as often as it is asked for")
		body := make([]byte, 5)
		n, _ := r.Body.Read(body)
		assert.Equal(t, "body", string(body[:n]))
	}))
	assert.Equal(t, Complete, x.End)
}

func TestServe_MessageOfARefusedRequestIsNotGivenBack(t *testing.T) {
	x := &lending{}
	x.Request = Message{Environ: []Pair{{"REQUEST_METHOD", "G T"}}}
	Serve(x)
	assert.Equal(t, http.StatusBadRequest, x.Status)
	assert.NotEmpty(t, x.Request)
}
