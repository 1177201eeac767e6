// The load that shares the machine with something busy.

package main

import (
	"context"
	"fmt"
	"net/http"
)

// besides runs a load while something else keeps a number of CPUs busy.
type besides struct {
	load
	cpus int
	burn func(ctx context.Context, t *target) (stop func(), err error)
}

func (l besides) run(ctx context.Context, t *target) (result, error) {
	for range l.cpus {
		stop, err := l.burn(ctx, t)
		if err != nil {
			return result{}, err
		}
		defer stop()
	}
	return l.load.run(ctx, t)
}

// burnInHandlers has a handler of t keep one of Go's processors busy until it
// is stopped.
func burnInHandlers(ctx context.Context, t *target) (func(), error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+t.address+"/burn", nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("/burn is answered with %s", res.Status)
	}
	return func() { res.Body.Close() }, nil
}

// burnInProcesses has a process that has nothing to do with t do the same.
func burnInProcesses(_ context.Context, t *target) (func(), error) {
	p, err := start(t.dir, nil, "/bin/sh", "-c", "while :; do :; done")
	if err != nil {
		return nil, err
	}
	return p.stop, nil
}
