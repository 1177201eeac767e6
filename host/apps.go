// The registry of applications.

package host

import (
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
)

// apps is the registry. Lookups read the snapshot in byName without a lock;
// mu guards everything else and orders the calls of watchers.
var apps struct {
	byName   atomic.Pointer[map[string]http.Handler]
	mu       sync.Mutex
	order    []string
	watchers []func(name string)
}

// Handle registers h as the application name, under which servers ask for it.
// It is meant for init functions and may be called at any time. It panics if
// name is empty or taken, or if h is nil.
func Handle(name string, h http.Handler) {
	if name == "" {
		panic("host: Handle: the name is empty")
	}
	if h == nil {
		panic(fmt.Sprintf("host: Handle: the handler of %q is nil", name))
	}
	apps.mu.Lock()
	defer apps.mu.Unlock()
	known := map[string]http.Handler{}
	if m := apps.byName.Load(); m != nil {
		known = maps.Clone(*m)
	}
	if _, taken := known[name]; taken {
		panic(fmt.Sprintf("host: Handle: the name %q is taken", name))
	}
	known[name] = h
	apps.byName.Store(&known)
	apps.order = append(apps.order, name)
	for _, f := range apps.watchers {
		f(name)
	}
}

// HandleFunc registers f as Handle does. It panics also if f is nil.
func HandleFunc(name string, f func(http.ResponseWriter, *http.Request)) {
	if f == nil {
		panic(fmt.Sprintf("host: HandleFunc: the handler of %q is nil", name))
	}
	Handle(name, http.HandlerFunc(f))
}

// Watch calls f with the name of every application in the order of
// registration: now for those there are, later for each that is added. Calls
// do not overlap. f must not call Handle, HandleFunc or Watch.
func Watch(f func(name string)) {
	apps.mu.Lock()
	defer apps.mu.Unlock()
	for _, name := range apps.order {
		f(name)
	}
	apps.watchers = append(apps.watchers, f)
}

// lookup returns the application name, nil if there is none.
func lookup(name string) http.Handler {
	m := apps.byName.Load()
	if m == nil {
		return nil
	}
	return (*m)[name]
}

// names returns the applications' names in the order of registration.
func names() []string {
	apps.mu.Lock()
	defer apps.mu.Unlock()
	return append([]string(nil), apps.order...)
}
