// The smallest application there is.

package main

import (
	"cmp"
	"fmt"
	"net/http"
)

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello, %s!\n", cmp.Or(r.FormValue("name"), "world"))
}
