// Several applications behind one, by the beginning of the path.

package middleware

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pillion/host"
)

// Router returns an application that hands each request to the application of
// the longest prefix that its PATH_INFO begins with, whole segments only. The
// prefix moves from PATH_INFO to the end of SCRIPT_NAME. Prefixes are decoded and
// begin with a slash, as in "/api"; "" takes what no other takes. Without it that
// is a 404.
//
// It panics if a prefix is malformed or named twice, or an application is nil.
func Router(apps map[string]host.App) host.App {
	byPrefix := make(map[string]host.App, len(apps))
	for prefix, app := range apps {
		trimmed := strings.TrimSuffix(prefix, "/")
		_, again := byPrefix[trimmed]
		switch {
		case trimmed != "" && trimmed[0] != '/':
			panic("middleware: Router: the prefix " + strconv.Quote(prefix) + " does not begin with a slash")
		case again:
			panic("middleware: Router: the prefix " + strconv.Quote(trimmed) + " is there twice")
		case app == nil:
			panic("middleware: Router: the application of " + strconv.Quote(prefix) + " is nil")
		}
		byPrefix[trimmed] = app
	}
	longest := slices.SortedFunc(maps.Keys(byPrefix), func(a, b string) int { return cmp.Compare(len(b), len(a)) })

	return func(env *host.Env, start host.StartResponse) iter.Seq2[[]byte, error] {
		path := env.Vars["PATH_INFO"]
		for _, prefix := range longest {
			rest, ok := strings.CutPrefix(path, prefix)
			if !ok || rest != "" && rest[0] != '/' {
				continue
			}
			if prefix != "" {
				env = env.Clone()
				env.Vars["SCRIPT_NAME"] += prefix
				env.Vars["PATH_INFO"] = rest
			}
			return byPrefix[prefix](env, start)
		}
		start("404 Not Found", []host.Pair{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, nil)
		return host.Blocks([]byte("404 page not found\n"))
	}
}
