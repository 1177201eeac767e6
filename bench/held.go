// The load of requests that wait in handlers.

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"pillion/bench/app"
)

// held has a number of requests wait in handlers all at once, looks at the
// memory, lets them go and reads every answer.
type held struct{ requests int }

func (l held) run(ctx context.Context, t *target) (result, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	connections := make([]net.Conn, 0, l.requests)
	defer func() {
		for _, c := range connections {
			c.Close()
		}
	}()
	for range l.requests {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address)
		if err != nil {
			return result{}, err
		}
		connections = append(connections, c)
		if _, err := fmt.Fprintf(c, "GET /wait HTTP/1.1\r\nHost: %s\r\n\r\n", t.address); err != nil {
			return result{}, err
		}
	}
	if err := ask(ctx, t, fmt.Sprintf("/waiting?%d", l.requests)); err != nil {
		return result{}, err
	}
	memory := measure(t.processes).rss
	if err := ask(ctx, t, "/release"); err != nil {
		return result{}, err
	}
	for i, c := range connections {
		c.SetDeadline(time.Now().Add(patience))
		if err := readHello(c); err != nil {
			return result{}, fmt.Errorf("request %d of %d: %w", i+1, l.requests, err)
		}
	}
	return result{requests: l.requests, seconds: time.Since(began).Seconds(), rss: memory}, nil
}

func readHello(c net.Conn) error {
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 2048), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || string(body) != app.Hello {
		return fmt.Errorf("answered with %s and %d bytes", res.Status, len(body))
	}
	return nil
}

// ask sends a request that is answered with nothing of interest.
func ask(ctx context.Context, t *target, path string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+t.address+path, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is answered with %s", path, res.Status)
	}
	return nil
}
