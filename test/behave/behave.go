// Package behave holds the applications of the behaviour table. They are told
// what to do by the request, and tell what they see by the response or by
// events that other requests wait for, so that a test never has to sleep.
package behave

import (
	"io"
	"net/http"

	"pillion/host"
)

// The names of the applications.
const (
	App   = "behave"
	Other = "other"
)

// Version tells builds of the test library apart; set with -ldflags -X.
var Version = "one"

// Register registers the applications and their hooks with package host.
func Register() {
	host.Handle(App, bothForms(Handler()))
	host.Handle(Other, bothForms(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "the other application: "+r.URL.Path)
	})))
	host.OnStart(chooseForm)
	registerHooks()
}

// Handler is the application "behave".
func Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]http.HandlerFunc{
		"/":                serveFacts, // whatever the path
		"/{$}":             serveFacts,
		"/tell":            serveTell,
		"/await":           serveAwait,
		"/count":           serveCount,
		"/hash":            serveHash,
		"/echo":            serveEcho,
		"/bytes":           serveBytes,
		"/bytes/{name...}": serveBytes,
		"/fill":            serveFill,
		"/slow-upload":     serveSlowUpload,
		"/file":            serveFile,
		"/content":         serveContent,
		"/growing":         serveGrowing,
		"/open-files":      serveOpenFiles,
		"/hijack":          serveHijack,
		"/trailers":        serveTrailers,
		"/pieces":          servePieces,
		"/respond":         serveRespond,
		"/cross/{token}":   serveCross,
		"/retry":           serveRetry,
		"/hold":            serveHold,
		"/unread":          serveUnread,
		"/panic":           servePanic,
		"/goexit":          serveGoexit,
		"/late":            serveLate,
		"/crash":           serveCrash,
		"/exec":            serveExec,
		"/log":             serveLog,
		"/runtime":         serveRuntime,
		"/stacks":          serveStacks,
		"/runner":          serveRunner,
		"/tls":             serveTLS,
		"/limited":         serveLimited,
	} {
		mux.HandleFunc(pattern, f)
	}
	return verbatim{mux}
}

// verbatim keeps ServeMux from redirecting paths that it would clean: those
// are for serveFacts.
type verbatim struct{ mux *http.ServeMux }

func (v verbatim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.Path) > 6 && r.URL.Path[:7] == "/facts/" || r.Method == http.MethodConnect {
		serveFacts(w, r)
		return
	}
	v.mux.ServeHTTP(w, r)
}
