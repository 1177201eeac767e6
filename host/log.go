// Logging: one sink, and what leads to it.

package host

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// sink is where messages go.
type sink struct {
	level slog.Level
	write func(level slog.Level, msg string)
}

var currentSink atomic.Pointer[sink]

var standardError = &sink{slog.LevelInfo, writeStandardError}

func init() { currentSink.Store(standardError) }

func writeStandardError(level slog.Level, msg string) {
	b := time.Now().AppendFormat(make([]byte, 0, 40+len(msg)), "2006/01/02 15:04:05 ")
	b = append(append(b, '['), strings.ToLower(level.String())...)
	b = append(append(append(b, "] "...), msg...), '\n')
	os.Stderr.Write(b)
}

func logTo(write func(slog.Level, string), level slog.Level) {
	if write == nil {
		write = writeStandardError
	}
	currentSink.Store(&sink{level, write})
}

func logEnabled(level slog.Level) bool { return level >= currentSink.Load().level }

// logLine hands a message to the sink. Lines stay lines: control characters
// but line feed and tab are escaped, final line feeds are taken off.
func logLine(level slog.Level, msg []byte) {
	to := currentSink.Load()
	if level < to.level {
		return
	}
	to.write(level, escapeControls(strings.TrimRight(string(msg), "\n")))
}

func escapeControls(s string) string {
	control := func(c byte) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f }
	for i := range len(s) {
		if !control(s[i]) {
			continue
		}
		b := append(make([]byte, 0, len(s)+16), s[:i]...)
		for j := i; j < len(s); j++ {
			if control(s[j]) {
				b = fmt.Appendf(b, `\x%02x`, s[j])
			} else {
				b = append(b, s[j])
			}
		}
		return string(b)
	}
	return s
}

// LogHandler returns a slog.Handler that writes to the server's log, or to
// standard error in a program of its own. A record becomes its message and its
// attributes as key=value; time and level are the server's to write. If the
// context is a request's, what nginx tells of a request follows: app, client,
// request line, host.
//
// Unless the application has set a default of its own, this handler is slog's
// default from the start on, and package log's output comes through it at
// level Info (see slog.SetLogLoggerLevel).
func LogHandler() slog.Handler { return logHandler{} }

// logHandler formats attributes as they are added, so that a record only adds
// its own.
type logHandler struct {
	attrs  string // formatted, each with a space before it
	groups string // the open groups, each followed by a dot
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool { return logEnabled(level) }

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	b := append(append(make([]byte, 0, 256), r.Message...), h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.groups, a)
		return true
	})
	if sc := scopeOf(ctx); sc != nil {
		b = sc.appendTo(b)
	}
	logLine(r.Level, b)
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := []byte(h.attrs)
	for _, a := range attrs {
		b = appendAttr(b, h.groups, a)
	}
	h.attrs = string(b)
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.groups += name + "."
	}
	return h
}

func appendAttr(b []byte, groups string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, groups, member)
		}
		return b
	}
	b = appendQuoted(append(b, ' '), groups+a.Key)
	return appendQuoted(append(b, '='), v.String())
}

// appendQuoted appends s, in quotes if it would not be told apart otherwise.
func appendQuoted(b []byte, s string) []byte {
	if s == "" || slices.ContainsFunc([]rune(s), func(r rune) bool {
		return r == '"' || r == '=' || r == ',' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// errorLog is for net/http's own messages.
var errorLog = log.New(errorWriter{}, "PILLION-1308: ", 0)

type errorWriter struct{}

func (errorWriter) Write(p []byte) (int, error) {
	logLine(slog.LevelError, p)
	return len(p), nil
}

// bridgeLogs leads slog's default logger and package log's to the sink, except
// what the application has set up for itself.
func bridgeLogs() {
	if fmt.Sprintf("%T", slog.Default().Handler()) != "*slog.defaultHandler" {
		return
	}
	writer, flags := log.Writer(), log.Flags()
	slog.SetDefault(slog.New(LogHandler())) // takes package log along
	if writer != os.Stderr {
		log.SetOutput(writer)
		log.SetFlags(flags)
	}
}

// logRequest logs msg with what ctx tells of its request.
func logRequest(ctx context.Context, level slog.Level, msg string) {
	line := []byte(msg)
	if sc := scopeOf(ctx); sc != nil {
		line = sc.appendTo(line)
	}
	logLine(level, line)
}
