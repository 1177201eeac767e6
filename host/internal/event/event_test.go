package event

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse_TellsTheKindsApart(t *testing.T) {
	for text, want := range map[string]Kind{
		`{"version":"2.0","requestContext":{"accountId":"1","http":{"method":"GET"}}}`: GatewayV2,
		`{"version":"1.0","httpMethod":"GET","requestContext":{"accountId":"1"}}`:      GatewayV1,
		`{"httpMethod":"GET","requestContext":{"elb":{"targetGroupArn":"a"}}}`:         LoadBalancer,
		`{"detailType":"ApiGatewayReceived","detail":{"httpMethod":"GET"}}`:            JDCloud,
	} {
		r, err := Parse([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, r.Kind)
		assert.Equal(t, []string{"GET", "/", "HTTP/1.1", "localhost"}, []string{r.Method, r.Path, r.Proto, r.Host})
	}
	for _, text := range []string{`{}`, `{"version":"2.0"}`, `{"requestContext":{}}`, `{"Records":[]}`} {
		_, err := Parse([]byte(text))
		assert.ErrorIs(t, err, ErrUnknown, text)
	}
}

func TestEscapePath_LeavesEscapesAlone(t *testing.T) {
	for path, want := range map[string]string{
		"": "/", "a": "/a", "/a%2Fb": "/a%2Fb", "/100%": "/100%25", "/%zz": "/%25zz", "/a b?#\xe4": "/a%20b%3F%23%E4",
	} {
		assert.Equal(t, want, escapePath(path))
	}
}

func TestSpelling_IsAnotherNameEachTime(t *testing.T) {
	seen := map[string]bool{}
	for n := range 512 { // the letters of Set-Cookie
		s := spelling("Set-Cookie", n)
		assert.True(t, strings.EqualFold(s, "Set-Cookie"))
		seen[s] = true
	}
	assert.Len(t, seen, 512)
}

// FuzzParse finds requests whose parts may be sent on, and makes replies that are
// JSON, of anything.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/events/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no events", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b), "X-A", "1", []byte("body"))
	}
	f.Fuzz(func(t *testing.T, text, name, value string, body []byte) {
		r, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if r.Kind == 0 || r.Method == "" || r.Path[0] != '/' || strings.ContainsAny(r.Path, " ?#\n") {
			t.Fatalf("%+v", r)
		}
		reply, err := r.Reply(200, Fields{{name, value}, {"Set-Cookie", value}, {"Set-Cookie", value}}, body)
		if err == ErrBinary {
			return
		}
		if err != nil || !json.Valid(reply) {
			t.Fatal(err, string(reply))
		}
	})
}
