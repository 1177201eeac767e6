// Handlers that do what they should not, many at once.

package conform

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// MixApp is the name of the application Mix.
const MixApp = "mix"

// Deeds are what ?do= may ask of Mix.
var Deeds = []string{"echo", "write", "two", "unread", "closed", "late", "leak", "panic", "abort", "hang"}

// left is closed when all goroutines that handlers have left behind may end.
var left = make(chan struct{})

// Mix answers with the ?token=, ?n= times, or with the body, and does what ?do=
// says meanwhile or afterwards. Nobody is to get another request's token,
// whatever it does.
func Mix() http.Handler {
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		token := q.Get("token")
		n, _ := strconv.Atoi(q.Get("n"))
		tokens := func(w io.Writer, n int) {
			for range n {
				io.WriteString(w, token)
			}
		}
		switch q.Get("do") {
		case "release":
			once.Do(func() { close(left) })
		case "echo":
			http.NewResponseController(w).EnableFullDuplex()
			io.Copy(w, r.Body)
		case "write":
			io.Copy(io.Discard, r.Body)
			tokens(w, n)
		case "two":
			var lock sync.Mutex
			var wg sync.WaitGroup
			for _, share := range []int{n / 2, n - n/2} {
				wg.Go(func() {
					for i := range share {
						lock.Lock()
						tokens(w, 1)
						if i%100 == 99 {
							flush(w)
						}
						lock.Unlock()
					}
				})
			}
			wg.Wait()
		case "unread":
			tokens(w, n)
		case "closed":
			r.Body.Close()
			r.Body.Read(make([]byte, 10))
			tokens(w, n)
			r.Body.Read(make([]byte, 10))
		case "late":
			tokens(w, n)
			go func() {
				<-r.Context().Done()
				overstay(w, r, token)
			}()
		case "leak":
			tokens(w, n)
			go func() {
				<-left
				overstay(w, r, token)
			}()
		case "panic":
			tokens(w, n)
			panic("conform: to order")
		case "abort":
			tokens(w, n)
			flush(w)
			panic(http.ErrAbortHandler)
		case "hang":
			io.Copy(io.Discard, r.Body) // before its end nobody can tell that the client has left
			tokens(w, n)
			flush(w)
			<-r.Context().Done()
			overstay(w, r, token)
		}
	})
}

// overstay does all that a handler might do with what it was given.
func overstay(w http.ResponseWriter, r *http.Request, token string) {
	control := http.NewResponseController(w)
	w.Header().Set("X-Token", token)
	w.WriteHeader(http.StatusTeapot)
	for range 20 {
		io.WriteString(w, token)
		w.Write([]byte(strings.Repeat(token, 500)))
		control.Flush()
		io.Copy(w, strings.NewReader(token))
		r.Body.Read(make([]byte, 100))
		r.Body.Close()
		control.EnableFullDuplex()
		control.Hijack()
	}
}
