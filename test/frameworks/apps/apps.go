// Package apps holds applications written with other people's packages, the
// way the users of those packages write them: none of them knows of Pillion.
//
// They are in a module of their own so that nobody who uses Pillion gets their
// dependencies.
package apps

import "net/http"

// Name is the name of the one application that they all are behind; below
// /with/ the path's next element chooses between them.
const Name = "with"

// Handler is that application.
func Handler() http.Handler {
	mux := http.NewServeMux()
	for name, h := range map[string]http.Handler{
		"gorilla-websocket": gorillaWebSocket(),
		"coder-websocket":   coderWebSocket(),
	} {
		mux.Handle("/with/"+name+"/", http.StripPrefix("/with/"+name, h))
	}
	return mux
}
