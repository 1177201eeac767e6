package middleware

import (
	"errors"
	"io"
	"iter"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/host"
)

// loose is a host that takes anything.
func loose(app host.App, env *host.Env) {
	body := app(env, func(string, []host.Pair, error) io.Writer { return io.Discard })
	if body != nil {
		for range body {
		}
	}
}

// found runs an application under a loose host and returns what was reported.
func found(app host.App, change func(env *host.Env)) (list []string) {
	env := host.NewEnv(httptest.NewRequest("POST", "/a", strings.NewReader("body")))
	if change != nil {
		change(env)
	}
	loose(Validate(func(v *Violation) { list = append(list, v.Side+" "+string(v.Rule)) })(app), env)
	return list
}

// head is an application that only starts a response.
func head(status string, headers ...host.Pair) host.App {
	return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start(status, headers, nil)
		return nil
	}
}

func TestValidate_NamesTheRuleThatTheApplicationBreaks(t *testing.T) {
	pair := func(name, value string) host.Pair { return host.Pair{Name: name, Value: value} }
	typed := pair("Content-Type", "text/plain")
	started := func(body func(w io.Writer, yield func([]byte, error) bool), status string, headers ...host.Pair) host.App {
		return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			w := start(status, headers, nil)
			return func(yield func([]byte, error) bool) { body(w, yield) }
		}
	}
	one := func(w io.Writer, yield func([]byte, error) bool) { yield([]byte("four"), nil) }
	write := func(w io.Writer, yield func([]byte, error) bool) { io.WriteString(w, "four") }
	for name, c := range map[string]struct {
		app  host.App
		rule Rule
	}{
		"short status":            {head("200"), Status},
		"status without a space":  {head("200OK!"), Status},
		"status with a line":      {head("200 OK\r\n"), Status},
		"low status":              {head("099 No"), Status},
		"bad name":                {head("200 OK", pair("X A", "1")), Headers},
		"bad value":               {head("200 OK", pair("X-A", "1\n")), Headers},
		"Status header":           {head("200 OK", pair("Status", "200")), Headers},
		"Connection":              {head("200 OK", pair("Connection", "close")), HopByHop},
		"Transfer-Encoding":       {head("200 OK", pair("transfer-encoding", "chunked")), HopByHop},
		"bad length":              {head("200 OK", pair("Content-Length", "+1")), ContentLength},
		"type with 204":           {head("204 No Content", typed), ContentType},
		"type with 304":           {head("304 Not Modified", typed), ContentType},
		"no type":                 {started(one, "200 OK"), ContentType},
		"no type, written":        {started(write, "200 OK"), ContentType},
		"too many bytes":          {started(one, "200 OK", typed, pair("Content-Length", "3")), ContentLength},
		"too many bytes, written": {started(write, "200 OK", typed, pair("Content-Length", "3")), ContentLength},
		"too few bytes":           {started(one, "200 OK", typed, pair("Content-Length", "5")), ContentLength},
		"body with 204":           {started(one, "204 No Content"), NoBody},
		"not started":             {func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] { return nil }, StartFirst},
		"block before the start": {func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				yield([]byte("x"), nil)
				start("200 OK", []host.Pair{typed}, nil)
			}
		}, StartFirst},
		"started twice": {func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", nil, nil)
			start("200 OK", nil, nil)
			return nil
		}, StartOnce},
		"101": {func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("101 Switching Protocols", nil, nil)
			start("200 OK", nil, nil)
			return nil
		}, Informational},
		"103 in the body": {func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			w := start("200 OK", []host.Pair{typed}, nil)
			w.Write([]byte("x"))
			start("103 Early Hints", nil, nil)
			return nil
		}, Informational},
		"block and error": {started(func(w io.Writer, yield func([]byte, error) bool) {
			yield([]byte("x"), errors.New("x"))
		}, "200 OK", typed), BlockOrError},
		"bad trailer": {started(func(w io.Writer, yield func([]byte, error) bool) {
			host.SetTrailers(w, []host.Pair{pair("X A", "1")})
		}, "200 OK", typed), Headers},
	} {
		assert.Equal(t, []string{"application " + string(c.rule)}, found(c.app, nil), name)
	}

	var late io.Writer
	list := found(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		late = start("200 OK", []host.Pair{typed}, nil)
		return nil
	}, nil)
	assert.Empty(t, list)
	var after []Rule
	loose(Validate(func(v *Violation) { after = append(after, v.Rule) })(func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		late = start("200 OK", []host.Pair{typed}, nil)
		return nil
	}), host.NewEnv(httptest.NewRequest("GET", "/", nil)))
	late.Write([]byte("late"))
	assert.Equal(t, []Rule{WriteAfterwards}, after)
}

// endless is an input that does not keep to its end.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n++
	if e.n == 2 {
		return 0, io.EOF
	}
	return copy(p, "more"), nil
}

type badErrors struct{}

func (badErrors) Write(p []byte) (int, error) { return 0, errors.New("full") }
func (badErrors) Flush() error                { return errors.New("full") }

func TestValidate_NamesTheRuleThatTheHostBreaks(t *testing.T) {
	fine := head("200 OK")
	reads := func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		start("200 OK", nil, nil)
		for range 3 {
			env.Input.Read(make([]byte, 100))
		}
		return nil
	}
	for name, c := range map[string]struct {
		change func(env *host.Env)
		app    host.App
		rule   Rule
	}{
		"no port":            {func(env *host.Env) { env.Vars["SERVER_PORT"] = "" }, fine, EnvironRequired},
		"no query":           {func(env *host.Env) { delete(env.Vars, "QUERY_STRING") }, fine, EnvironRequired},
		"bad method":         {func(env *host.Env) { env.Vars["REQUEST_METHOD"] = "GE T" }, fine, EnvironRequired},
		"script is a slash":  {func(env *host.Env) { env.Vars["SCRIPT_NAME"] = "/" }, fine, EnvironPath},
		"script is relative": {func(env *host.Env) { env.Vars["SCRIPT_NAME"] = "app" }, fine, EnvironPath},
		"path is relative":   {func(env *host.Env) { env.Vars["PATH_INFO"] = "x" }, fine, EnvironPath},
		"no path": {func(env *host.Env) {
			delete(env.Vars, "PATH_INFO")
			delete(env.Vars, "SCRIPT_NAME")
		}, fine, EnvironPath},
		"bad length":     {func(env *host.Env) { env.Vars["CONTENT_LENGTH"] = "-1" }, fine, EnvironContent},
		"length as HTTP": {func(env *host.Env) { env.Vars["HTTP_CONTENT_LENGTH"] = "1" }, fine, EnvironContent},
		"proxy":          {func(env *host.Env) { env.Vars["HTTP_PROXY"] = "x" }, fine, EnvironFields},
		"proxy header":   {func(env *host.Env) { env.Header.Set("Proxy", "x") }, fine, EnvironFields},
		"variable alone": {func(env *host.Env) { env.Vars["HTTP_X"] = "x" }, fine, EnvironFields},
		"header alone":   {func(env *host.Env) { env.Header.Set("X", "x") }, fine, EnvironFields},
		"bad header":     {func(env *host.Env) { env.Header["X Y"] = nil; env.Vars["HTTP_X Y"] = "" }, fine, EnvironFields},
		"version":        {func(env *host.Env) { env.Version = [2]int{2, 0} }, fine, EnvironFacts},
		"scheme":         {func(env *host.Env) { env.URLScheme = "ftp" }, fine, EnvironFacts},
		"values":         {func(env *host.Env) { env.Values = nil }, fine, EnvironFacts},
		"input too long": {func(env *host.Env) { env.Input = strings.NewReader("longer body") }, reads, InputLength},
		"input too short": {func(env *host.Env) { env.Input = strings.NewReader("b") }, func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", nil, nil)
			io.ReadAll(env.Input)
			return nil
		}, InputLength},
		"input after its end": {func(env *host.Env) { env.Input = &endless{}; delete(env.Vars, "CONTENT_LENGTH") }, reads, InputEnd},
		"errors": {func(env *host.Env) { env.Errors = badErrors{} }, func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", nil, nil)
			io.WriteString(env.Errors, "x")
			return nil
		}, ErrorsStream},
	} {
		list := found(c.app, c.change)
		require.NotEmpty(t, list, name)
		assert.Equal(t, "host "+string(c.rule), list[0], name)
	}
	var rules []Rule
	for range Validate(func(v *Violation) { rules = append(rules, v.Rule) })(head("200 OK"))(host.NewEnv(httptest.NewRequest("GET", "/", nil)),
		func(string, []host.Pair, error) io.Writer { return nil }) {
	}
	assert.Equal(t, []Rule{StartWriter}, rules)
}

func TestValidate_SaysNothingOfGoodOnes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	for _, app := range []host.App{
		say("a", "", "b"),
		head("204 No Content"),
		host.FromHandler(compress(say("x"))),
		func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			io.ReadAll(env.Input)
			io.WriteString(env.Errors, "")
			start("103 Early Hints", nil, nil)
			start("200 OK", text, nil)
			start("500 Error", append(text, host.Pair{Name: "Content-Length", Value: "4"}), errors.New("replaced"))
			return host.Blocks([]byte("fo"), []byte("ur"))
		},
		func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			f, err := os.Open(name)
			require.NoError(t, err)
			return host.FileWrapper(start("200 OK", append(text, host.Pair{Name: "Content-Length", Value: "10"}), nil), f)
		},
		func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
			start("200 OK", append(text, host.Pair{Name: "Content-Length", Value: "10"}), nil)
			return host.Fail(errors.New("no more"))
		},
	} {
		quiet(t)
		ask(Validate(nil)(app), "GET", "/x?y")
	}
}

func TestValidate_PanicsWithoutAReport(t *testing.T) {
	assert.PanicsWithError(t, "validate: the application breaks the rule status: \"200\"", func() {
		loose(Validate(nil)(head("200")), host.NewEnv(httptest.NewRequest("GET", "/", nil)))
	})
}
