package host

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type secret string

func (secret) LogValue() slog.Value { return slog.StringValue("***") }

func TestLogHandler_Text(t *testing.T) {
	for name, c := range map[string]struct {
		f    func(*slog.Logger)
		want string
	}{
		"message":    {func(l *slog.Logger) { l.Info("hello, world") }, "INFO hello, world"},
		"attributes": {func(l *slog.Logger) { l.Warn("m", "a", 1, "b", true, "d", time.Second) }, "WARN m a=1 b=true d=1s"},
		"quoting": {func(l *slog.Logger) {
			l.Error("m", "a", "x y", "b", "", "c", `"`, "d e", "=", "f", "ä", "g", "\xff", "h", "a,b")
		}, `ERROR m a="x y" b="" c="\"" "d e"="=" f=ä g="\xff" h="a,b"`},
		"line feeds":     {func(l *slog.Logger) { l.Error("m\nn", "a", "x\ny") }, "ERROR m\nn a=\"x\\ny\""},
		"controls":       {func(l *slog.Logger) { l.Error("a\x1b[31m\r\x00\x7f\tb\n\n") }, `ERROR a\x1b[31m\x0d\x00\x7f` + "\tb"},
		"error":          {func(l *slog.Logger) { l.Error("m", "err", errors.New("no way")) }, `ERROR m err="no way"`},
		"valuer":         {func(l *slog.Logger) { l.Info("m", "s", secret("x")) }, "INFO m s=***"},
		"with":           {func(l *slog.Logger) { l.With("a", 1).With("b", 2).Info("m", "c", 3) }, "INFO m a=1 b=2 c=3"},
		"group":          {func(l *slog.Logger) { l.WithGroup("g").With("a", 1).WithGroup("h").Info("m", "b", 2) }, "INFO m g.a=1 g.h.b=2"},
		"group value":    {func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", 1, slog.Group("", "b", 2)), slog.Group("e")) }, "INFO m g.a=1 g.b=2"},
		"empty group":    {func(l *slog.Logger) { l.WithGroup("").Info("m", "a", 1) }, "INFO m a=1"},
		"no attribute":   {func(l *slog.Logger) { l.Info("m", slog.Attr{}) }, "INFO m"},
		"between levels": {func(l *slog.Logger) { l.Log(context.Background(), 2, "m") }, "INFO+2 m"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := captureLog(t)
			c.f(slog.New(LogHandler()))
			assert.Equal(t, c.want, lines.String())
		})
	}
}

func TestLogHandler_RequestContext(t *testing.T) {
	lines := captureLog(t)
	serve(t, request("", "GET", "/a\"b"), func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), 1, 2)
		slog.New(LogHandler()).InfoContext(ctx, "m", "a", 1)
		lines.lines[0] = strings.ReplaceAll(lines.lines[0], scopeOf(ctx).app, "APP")
	})
	assert.Equal(t, `INFO m a=1, app: "APP", client: 192.0.2.1, request: "GET /a\"b HTTP/1.1", host: "example.org"`, lines.lines[0])
}

func TestLogHandler_Level(t *testing.T) {
	before := currentSink.Load()
	defer currentSink.Store(before)
	called := 0
	logTo(func(slog.Level, string) { called++ }, slog.LevelWarn)
	l := slog.New(LogHandler())
	assert.False(t, l.Enabled(context.Background(), slog.LevelInfo))
	l.Info("m")
	logLine(slog.LevelInfo, []byte("m"))
	assert.Zero(t, called)
	l.Warn("m")
	errorLog.Print("m")
	assert.Equal(t, 2, called)
}

func TestLog_StandardError(t *testing.T) {
	before, stderr := currentSink.Load(), os.Stderr
	defer func() { os.Stderr = stderr; currentSink.Store(before) }()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	os.Stderr = w
	logTo(nil, slog.LevelInfo)
	logLine(slog.LevelWarn, []byte("hello\n"))
	w.Close()
	var out bytes.Buffer
	out.ReadFrom(r)
	assert.Regexp(t, `^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[warn\] hello\n$`, out.String())
}

func TestLog_Bridges(t *testing.T) {
	restore := func() func() {
		l, w, f := slog.Default(), log.Writer(), log.Flags()
		return func() { slog.SetDefault(l); log.SetOutput(w); log.SetFlags(f) }
	}
	t.Run("both", func(t *testing.T) {
		defer restore()()
		lines := captureLog(t)
		bridgeLogs()
		log.Print("one")
		slog.Warn("two")
		assert.Equal(t, "INFO one\nWARN two", lines.String())
	})
	t.Run("log has its own output", func(t *testing.T) {
		defer restore()()
		lines := captureLog(t)
		var own bytes.Buffer
		log.SetOutput(&own)
		log.SetFlags(log.Lmsgprefix)
		bridgeLogs()
		log.Print("one")
		slog.Warn("two")
		assert.Equal(t, "one\n", own.String())
		assert.Equal(t, "WARN two", lines.String())
	})
	t.Run("slog has its own default", func(t *testing.T) {
		defer restore()()
		lines := captureLog(t)
		var own bytes.Buffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&own, nil)))
		bridgeLogs()
		log.Print("one")
		slog.Warn("two")
		assert.Contains(t, own.String(), "one")
		assert.Contains(t, own.String(), "two")
		assert.Empty(t, lines.String())
	})
}
