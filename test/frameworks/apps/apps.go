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
		"chi":               chiApp(),
		"gin":               ginApp(),
		"echo":              echoApp(),
		"gorilla-mux":       gorillaMux(),
		"webdav":            webDAV("/with/webdav"),
		"connect":           connectApp(),
		"gorilla-websocket": gorillaWebSocket(),
		"coder-websocket":   coderWebSocket(),
	} {
		prefix := "/with/" + name
		if name != "webdav" { // which wants to know its prefix
			h = http.StripPrefix(prefix, h)
		}
		mux.Handle(prefix+"/", h)
	}
	return mux
}

// note is what the applications take and give as JSON.
type note struct {
	Text string `json:"text" binding:"required"`
	Tags []string
}

// page is a page that is worth to be compressed.
func page() []byte {
	b := []byte("<!DOCTYPE html>\n")
	for range 500 {
		b = append(b, "<p>the same again\n"...)
	}
	return b
}
