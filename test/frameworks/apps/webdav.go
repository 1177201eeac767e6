package apps

import (
	"net/http"

	"golang.org/x/net/webdav"
)

func webDAV(prefix string) http.Handler {
	return &webdav.Handler{Prefix: prefix, FileSystem: webdav.NewMemFS(), LockSystem: webdav.NewMemLS()}
}
