// Which goroutine a handler runs on.

package behave

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
)

// serveRunner tells KEY/in who runs it, "consumer" or "goroutine". Then it does
// what ?how= says: it waits for KEY/go, or computes until then, reads the body,
// ends its goroutine or panics.
func serveRunner(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	runner := "goroutine"
	if bytes.Contains(debug.Stack(), []byte(".runHere(")) {
		runner = "consumer"
	}
	tell(key+"/in", runner)
	switch r.URL.Query().Get("how") {
	case "wait":
		await(context.Background(), key+"/go")
	case "compute":
		told := make(chan struct{})
		go func() {
			await(context.Background(), key+"/go")
			close(told)
		}()
		for {
			select {
			case <-told:
				return
			default:
			}
		}
	case "read":
		if _, err := io.ReadAll(r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	case "goexit":
		runtime.Goexit()
	case "panic":
		panic("behave: a panic to order " + key)
	}
}
