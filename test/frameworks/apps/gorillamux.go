package apps

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/mux"
)

func gorillaMux() http.Handler {
	r := mux.NewRouter()
	r.StrictSlash(true)
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "recovered", http.StatusInternalServerError)
				}
			}()
			w.Header().Set("X-Route", mux.CurrentRoute(r).GetName())
			next.ServeHTTP(w, r)
		})
	})

	r.HandleFunc("/hello/{name:[a-z]+}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s, %s", r.FormValue("greeting"), mux.Vars(r)["name"])
	}).Methods("GET", "HEAD").Name("hello")
	r.HandleFunc("/tree/{path:.*}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, mux.Vars(r)["path"]) })
	r.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		var n note
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(n)
	}).Methods("POST").Headers("Content-Type", "application/json")
	r.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		f, header, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n, _ := io.Copy(io.Discard, f)
		fmt.Fprintf(w, "%s of %d bytes, %s", header.Filename, n, r.FormValue("title"))
	}).Methods("POST")
	r.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
		}
	})
	r.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) { panic("to order") })
	r.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { w.Write(page()) })
	r.Handle("/moved", http.RedirectHandler("/elsewhere", http.StatusFound))
	r.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", HttpOnly: true})
		w.WriteHeader(http.StatusNoContent)
	})
	r.Handle("/slow", http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}), 10*time.Millisecond, "too slow"))
	private := r.PathPrefix("/private").Subrouter()
	private.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "user" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, "welcome")
	})
	return r
}
