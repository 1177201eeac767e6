package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// view is what an application sees of an event's request.
func eventView(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	vars := map[string]string{}
	for _, p := range Environ(r) {
		if p.Name == "function.event" || p.Name == "function.context" {
			if !json.Valid([]byte(p.Value)) {
				panic(p.Name + " is no JSON")
			}
			p.Value = fmt.Sprintf("%d bytes", len(p.Value))
		}
		vars[p.Name] = p.Value
	}
	b, _ := json.MarshalIndent(map[string]any{
		"line": r.Method + " " + r.RequestURI + " " + r.Proto, "path": r.URL.Path, "query": r.URL.Query(), "host": r.Host,
		"remote": r.RemoteAddr, "tls": r.TLS != nil, "header": r.Header, "length": r.ContentLength,
		"body": fmt.Sprintf("%q %v", body, err), "environ": vars,
	}, "", "  ")
	w.Header().Set("Content-Type", "application/json")
	w.Write(b)
}

// TestEvents_AreRequestsAndResponses compares what applications see of the events
// in testdata/events, and the replies, with the golden files there.
func TestEvents_AreRequestsAndResponses(t *testing.T) {
	name := app(eventView)
	files, err := filepath.Glob("testdata/events/*.json")
	require.NoError(t, err)
	require.Len(t, files, 7)
	for _, file := range files {
		event, err := os.ReadFile(file)
		require.NoError(t, err)
		reply, err := ServeEvent(context.Background(), name, event, []byte(`{"awsRequestId":"id-1"}`))
		got := ""
		if err != nil {
			got = err.Error() + "\n"
		} else {
			var r map[string]any
			require.NoError(t, json.Unmarshal(reply, &r))
			body := r["body"]
			delete(r, "body")
			head, err := json.MarshalIndent(r, "", "  ")
			require.NoError(t, err)
			got = fmt.Sprintf("%s\n\n%s\n", head, body)
		}
		golden := strings.TrimSuffix(file, ".json") + ".golden"
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
}

// sent is a reply as the services read it.
type sent struct {
	StatusCode        int
	StatusDescription string
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Cookies           []string
	Body              string
	IsBase64Encoded   *bool
}

func eventReply(t *testing.T, kind string, h http.HandlerFunc) (s sent) {
	t.Helper()
	event, err := os.ReadFile("testdata/events/" + kind + ".json")
	require.NoError(t, err)
	reply, err := ServeEvent(context.Background(), app(h), event, nil)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(reply, &s))
	return s
}

func TestEvents_BinaryBodiesMakeTheRoundTrip(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, kind := range []string{"v1", "v2", "alb", "alb-multi"} {
		s := eventReply(t, kind, func(w http.ResponseWriter, r *http.Request) { w.Write(every) })
		require.NotNil(t, s.IsBase64Encoded)
		assert.True(t, *s.IsBase64Encoded, kind)
		b, err := base64.StdEncoding.DecodeString(s.Body)
		require.NoError(t, err)
		assert.Equal(t, every, b, kind)

		s = eventReply(t, kind, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "täxt </b>\x00") })
		assert.False(t, *s.IsBase64Encoded, kind)
		assert.Equal(t, "täxt </b>\x00", s.Body)
	}
	s := eventReply(t, "v2", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		assert.Equal(t, "hello\xff\xf0!", string(b))
		w.Write(b)
	})
	b, err := base64.StdEncoding.DecodeString(s.Body)
	require.NoError(t, err)
	assert.Equal(t, "hello\xff\xf0!", string(b))

	event, err := os.ReadFile("testdata/events/jdcloud.json")
	require.NoError(t, err)
	_, err = ServeEvent(context.Background(), app(func(w http.ResponseWriter, r *http.Request) { w.Write(every) }), event, nil)
	assert.ErrorContains(t, err, "text only", "a format that has no base64")
	assert.Nil(t, eventReply(t, "jdcloud", func(w http.ResponseWriter, r *http.Request) {}).IsBase64Encoded)
}

func TestEvents_RepeatedHeadersAndCookiesMakeTheRoundTrip(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2", "c=3"}
		w.Header()["Vary"] = []string{"A", "B"}
		w.Header().Set("Connection", "close")
		w.WriteHeader(201)
	}
	s := eventReply(t, "v2", answer)
	assert.Equal(t, 201, s.StatusCode)
	assert.Equal(t, []string{"a=1; Path=/", "b=2", "c=3"}, s.Cookies)
	assert.Equal(t, map[string]string{"Vary": "A, B", "Content-Length": "0"}, s.Headers)

	for _, kind := range []string{"v1", "alb-multi"} {
		s = eventReply(t, kind, answer)
		assert.Equal(t, map[string][]string{
			"Set-Cookie": {"a=1; Path=/", "b=2", "c=3"}, "Vary": {"A", "B"}, "Content-Length": {"0"},
		}, s.MultiValueHeaders, kind)
	}
	assert.Equal(t, "201 Created", eventReply(t, "alb", answer).StatusDescription)
	for _, kind := range []string{"alb", "jdcloud"} {
		s = eventReply(t, kind, answer)
		cookies := map[string]bool{}
		for name, value := range s.Headers {
			if strings.EqualFold(name, "Set-Cookie") {
				cookies[value] = true
			}
		}
		assert.Equal(t, map[string]bool{"a=1; Path=/": true, "b=2": true, "c=3": true}, cookies, kind)
		assert.Equal(t, "A, B", s.Headers["Vary"])
	}
}

func TestEvents_ApplicationFindsEventAndContext(t *testing.T) {
	event, err := os.ReadFile("testdata/events/jdcloud.json")
	require.NoError(t, err)
	x := app(App(func(env *Env, start StartResponse) (none iter.Seq2[[]byte, error]) {
		assert.JSONEq(t, string(event), env.Vars["function.event"])
		assert.JSONEq(t, `{"requestId":"7"}`, env.Vars["function.context"])
		assert.Equal(t, "alice", env.Vars["REMOTE_USER"])
		start("204 No Content", nil, nil)
		return nil
	}).ServeHTTP)
	_, err = ServeEvent(context.Background(), x, event, []byte(`{"requestId":"7"}`))
	assert.NoError(t, err)
}

func TestEvents_FailuresAreErrors(t *testing.T) {
	log := captureLog(t)
	event, err := os.ReadFile("testdata/events/v2.json")
	require.NoError(t, err)
	_, err = ServeEvent(context.Background(), "nobody", event, nil)
	assert.ErrorContains(t, err, `no application is named "nobody"`)
	_, err = ServeEvent(context.Background(), app(func(w http.ResponseWriter, r *http.Request) { panic("to order") }), event, nil)
	assert.ErrorIs(t, err, ErrAborted)
	assert.Contains(t, log.String(), "to order")
	for _, bad := range []string{"", "null", "[]", "{", `{"version":"2.0","requestContext":{}}`, `{"httpMethod":"GET","requestContext":{"elb":{}},"body":"*","isBase64Encoded":true}`,
		`{"httpMethod":"GET","requestContext":{"elb":{}},"headers":{"a":{}}}`, `{"detailType":"ApiGatewayReceived"}`} {
		_, err := ServeEvent(context.Background(), app(eventView), []byte(bad), nil)
		assert.Error(t, err, bad)
	}
}

func TestEvents_ContextIsTheCallers(t *testing.T) {
	event, err := os.ReadFile("testdata/events/v2.json")
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(context.Background())
	_, err = ServeEvent(ctx, app(func(w http.ResponseWriter, r *http.Request) {
		cancel(errors.New("out of time"))
		<-r.Context().Done()
		assert.EqualError(t, context.Cause(r.Context()), "out of time")
	}), event, nil)
	assert.NoError(t, err, "an answer that comes all the same")
}
