// What goes wrong: panics, clients that leave, handlers that overstay.

package behave

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pillion/host"
)

// serveHold tells KEY/in, then waits for KEY/go or the end of its context,
// which it tells as KEY/done with the cause. With ?send= it first sends and
// flushes that, with ?read= it reads the body. With ?file= it waits for a file
// instead of KEY/go, for when nobody can be told anything any more.
func serveHold(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key := q.Get("key")
	w.Header().Set("X-Pid", strconv.Itoa(os.Getpid()))
	if s := q.Get("send"); s != "" {
		io.WriteString(w, s)
		http.NewResponseController(w).Flush()
	}
	if q.Get("read") != "" {
		io.Copy(io.Discard, r.Body)
	}
	tell(key+"/in", "")
	if name := q.Get("file"); name != "" {
		go func() {
			for r.Context().Err() == nil {
				if _, err := os.Stat(name); err == nil {
					tell(key+"/go", "")
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
	if _, err := await(r.Context(), key+"/go"); err != nil {
		tell(key+"/done", "cancelled: "+err.Error())
		if q.Get("linger") != "" {
			await(context.Background(), key+"/leave")
		}
		n, err := w.Write([]byte("too late"))
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		if err != nil {
			tell(key+"/write", "error: "+err.Error())
		} else {
			tell(key+"/write", "wrote "+string(rune('0'+n)))
		}
		return
	}
	tell(key+"/done", "went on")
	io.WriteString(w, "held")
}

// servePanic panics after writing ?n= bytes, flushed if ?flush=1; with
// http.ErrAbortHandler if ?abort=1, and not before KEY/go if ?wait=1.
func servePanic(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("length") != "" {
		w.Header().Set("Content-Length", q.Get("length"))
	}
	if n := number(r, "n"); n > 0 {
		io.WriteString(w, strings.Repeat("p", int(n)))
	}
	if q.Get("flush") != "" {
		http.NewResponseController(w).Flush()
	}
	if q.Get("wait") != "" {
		await(r.Context(), q.Get("key")+"/go")
	}
	if q.Get("abort") != "" {
		panic(http.ErrAbortHandler)
	}
	panic("behave: a panic to order " + q.Get("key"))
}

// serveGoexit ends its goroutine.
func serveGoexit(w http.ResponseWriter, r *http.Request) {
	if n := number(r, "n"); n > 0 {
		io.WriteString(w, strings.Repeat("g", int(n)))
		http.NewResponseController(w).Flush()
	}
	runtime.Goexit()
}

// serveLate returns, having left a goroutine that waits for KEY/go and then
// does all that a handler might do with what it was given; KEY/late tells how
// that went.
func serveLate(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	io.WriteString(w, "in time")
	go func() {
		await(context.Background(), key+"/go")
		_, err := w.Write([]byte("too late"))
		_, readErr := r.Body.Read(make([]byte, 1))
		control := http.NewResponseController(w)
		flushErr := control.Flush()
		w.Header().Set("X-Late", "1")
		w.WriteHeader(http.StatusTeapot)
		switch {
		case err == nil:
			tell(key+"/late", "Write took the bytes")
		case flushErr == nil:
			tell(key+"/late", "Flush did not fail")
		case readErr == nil:
			tell(key+"/late", "Read did not fail")
		case r.Context().Err() == nil:
			tell(key+"/late", "the context goes on")
		default:
			tell(key+"/late", "refused")
		}
	}()
}

// Segfault faults in C; nil outside of a library.
var Segfault func()

// serveCrash ends the process, unless it is ?but=.
func serveCrash(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("but") == strconv.Itoa(os.Getpid()) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	switch r.URL.Query().Get("how") {
	case "panic":
		go panic("behave: a panic in a goroutine of its own")
		select {}
	case "exit":
		os.Exit(3)
	case "map":
		m := map[int]int{}
		for range 8 {
			go func() {
				for {
					m[1]++
				}
			}()
		}
		select {}
	case "stack":
		var f func(n int) int
		f = func(n int) int { return f(n+1) + 1 }
		f(0)
	case "cgo":
		Segfault()
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

// serveExec runs a program and answers with what it prints.
func serveExec(w http.ResponseWriter, r *http.Request) {
	out, err := exec.CommandContext(r.Context(), "/bin/sh", "-c", "echo child says hello").CombinedOutput()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(out)
}

// serveLog logs ?msg= at ?level= with the request's context.
func serveLog(w http.ResponseWriter, r *http.Request) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(r.URL.Query().Get("level"))); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	slog.Log(r.Context(), level, r.URL.Query().Get("msg"), "attr", "a value")
	w.WriteHeader(http.StatusNoContent)
}

// registerHooks registers hooks that do what the environment says:
// BEHAVE_START=error|panic|exit, BEHAVE_STOP=hang|panic and BEHAVE_STOP_FILE,
// a file that OnStop leaves as its mark.
func registerHooks() {
	host.OnStart(func(context.Context) error {
		switch os.Getenv("BEHAVE_START") {
		case "error":
			return errors.New("behave: an error to order")
		case "panic":
			panic("behave: a panic to order in OnStart")
		case "exit":
			os.Exit(3)
		}
		return nil
	})
	host.OnStop(func(ctx context.Context) error {
		if name := os.Getenv("BEHAVE_STOP_FILE"); name != "" {
			f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
			if err != nil {
				return err
			}
			io.WriteString(f, "stopped "+Version+"\n")
			f.Close()
		}
		switch os.Getenv("BEHAVE_STOP") {
		case "hang":
			select {}
		case "panic":
			panic("behave: a panic to order in OnStop")
		}
		return nil
	})
}
