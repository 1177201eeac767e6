// Handlers that panic, end their goroutine, or overstay.

package conform

import (
	"net/http"
	"runtime"
	"sync"
)

// ends is a row whose handler ends badly after n bytes.
func ends(name string, n int, flushed bool, end func()) Row {
	return does("trouble: "+name, func(w http.ResponseWriter, r *http.Request, run *Run) {
		ctx := r.Context()
		run.Later(func() {
			<-ctx.Done()
			run.Note("context", ctx.Err())
		})
		if n > 0 {
			write(w, n)
		}
		if flushed {
			flush(w)
			write(w, 3)
		}
		end()
	})
}

var (
	aPanic   = func() { panic("conform: to order") }
	anAbort  = func() { panic(http.ErrAbortHandler) }
	aGoexit  = runtime.Goexit
	aRuntime = func() { var m map[string]int; m["a"] = 1 }
)

var troubleRows = append(withHeads(
	ends("panic before a byte", 0, false, aPanic),
	ends("panic after bytes that were not sent", 10, false, aPanic),
	ends("panic after a Flush", 10, true, aPanic),
	ends("panic after 100000 bytes", 100000, false, aPanic),
	ends("runtime error", 10, true, aRuntime),
	ends("nil pointer", 0, false, func() { var r *http.Request; _ = r.URL }),
	ends("abort before a byte", 0, false, anAbort),
	ends("abort after bytes that were not sent", 10, false, anAbort),
	ends("abort after a Flush", 10, true, anAbort),
	ends("Goexit before a byte", 0, false, aGoexit),
	ends("Goexit after a Flush", 10, true, aGoexit),
),
	does("trouble: panic within a declared length", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "100000")
		write(w, 50000)
		panic(http.ErrAbortHandler)
	}),
	does("trouble: panic after the whole declared length", func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "10")
		write(w, 10)
		flush(w)
		panic(http.ErrAbortHandler)
	}),
	Row{Name: "trouble: panic in 1.0 after a Flush", OneOnly: version, Request: ask("GET / HTTP/1.0"), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		set(w, "Content-Length", "100")
		write(w, 10)
		flush(w)
		panic(http.ErrAbortHandler)
	}},
	Row{Name: "trouble: panic with half of the body read", Request: ask("POST / HTTP/1.1", "Content-Length: 11") + "hello world", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		r.Body.Read(make([]byte, 5))
		write(w, 10)
		flush(w)
		panic(http.ErrAbortHandler)
	}},
	does("trouble: a panic that is recovered", func(w http.ResponseWriter, r *http.Request, run *Run) {
		defer func() {
			run.Note("recovered", recover() != nil)
			http.Error(w, "sorry", http.StatusInternalServerError)
		}()
		panic("conform: to order")
	}),
	does("trouble: a goroutine that writes while the handler waits", func(w http.ResponseWriter, r *http.Request, run *Run) {
		var wg sync.WaitGroup
		wg.Go(func() {
			write(w, 3000)
			flush(w)
			write(w, 3000)
		})
		wg.Wait()
	}),
	does("trouble: Header after WriteHeader from a goroutine", func(w http.ResponseWriter, r *http.Request, run *Run) {
		w.WriteHeader(200)
		var wg sync.WaitGroup
		wg.Go(func() { set(w, "X-A", "late") })
		wg.Wait()
		write(w, 3)
	}),
)
