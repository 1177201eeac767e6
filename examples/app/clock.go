// The clock: server-sent events, one a second until the client leaves.

package main

import (
	"fmt"
	"net/http"
	"runtime"
	"time"
)

func (d *demo) clock(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		fmt.Fprintf(w, "data: {\"time\":%q,\"goroutines\":%d,\"requests\":%d}\n\n",
			time.Now().Format(time.TimeOnly), runtime.NumGoroutine(), d.requests.Load())
		if out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
