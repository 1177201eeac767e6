// The applications in the form of package host's App, under the validator.

package behave

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"pillion/host"
	"pillion/host/middleware"
)

// FormVariable is the environment variable that, set to "app", gives a process
// its applications as Apps.
const FormVariable = "BEHAVE_FORM"

var asApp atomic.Bool

// AsApp says whether the applications of this process are Apps from now on.
func AsApp(on bool) { asApp.Store(on) }

// forms is a handler in both of its forms.
type forms struct {
	plain http.Handler
	app   host.App
}

func bothForms(h http.Handler) http.Handler {
	return forms{h, middleware.Validate(reportViolation)(host.FromHandler(h))}
}

func (f forms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if asApp.Load() {
		f.app.ServeHTTP(w, r)
		return
	}
	f.plain.ServeHTTP(w, r)
}

// reportViolation puts it where the tests look at the end.
func reportViolation(v *middleware.Violation) { slog.Error(v.Error()) }

// chooseForm does what the environment says.
func chooseForm(context.Context) error {
	AsApp(os.Getenv(FormVariable) == "app")
	return nil
}
