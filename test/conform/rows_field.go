// Request header fields.

package conform

import (
	"net/http"
	"strings"
)

// long is that many letters.
func long(n int) string { return strings.Repeat("A", n) }

var fieldRows = []Row{
	seen("field: names in any case", "GET / HTTP/1.1", "x-one: 1", "X-TWO: 2", "aCCept: */*"),
	seen("field: repeated", "GET / HTTP/1.1", "X-A: 2", "X-B: 9", "x-a: 1", "X-A: 3"),
	seen("field: repeated, a list", "GET / HTTP/1.1", "Accept: a/b", "Accept: c/d, e/f"),
	seen("field: X-Forwarded-For repeated", "GET / HTTP/1.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"),
	seen("field: User-Agent and Referer", "GET / HTTP/1.1", "User-Agent: me", "Referer: http://a/"),
	seen("field: Authorization", "GET / HTTP/1.1", "Authorization: Basic dTpw"),
	seen("field: underscore", "GET / HTTP/1.1", "X_Y: z"),
	seen("field: dot", "GET / HTTP/1.1", "X.Y: z"),
	seen("field: odd bytes", "GET / HTTP/1.1", "X!#$%&'*+^`|~: z"),
	seen("field: digits", "GET / HTTP/1.1", "1-2-3: z"),
	seen("field: Proxy", "GET / HTTP/1.1", "Proxy: http://evil.example/"),
	seen("field: X-Real-IP is not trusted", "GET / HTTP/1.1", "X-Real-IP: 192.0.2.9"),
	seen("field: empty value", "GET / HTTP/1.1", "X-A:"),
	one(syntax, seen("field: spaces around the value", "GET / HTTP/1.1", "X-A:   a b \t ")),
	one(syntax, seen("field: no space before the value", "GET / HTTP/1.1", "X-A:b")),
	seen("field: colon in the value", "GET / HTTP/1.1", "X-A: a:b:c"),
	seen("field: tab in the value", "GET / HTTP/1.1", "X-A: a\tb"),
	one(syntax, seen("field: high bytes in the value", "GET / HTTP/1.1", "X-A: \xff\xe4")),
	seen("field: UTF-8 in the value", "GET / HTTP/1.1", "X-A: ä"),
	one(syntax, seen("field: control byte in the value", "GET / HTTP/1.1", "X-A: a\x01b")),
	one(syntax, seen("field: DEL in the value", "GET / HTTP/1.1", "X-A: a\x7fb")),
	one(syntax, seen("field: zero byte in the value", "GET / HTTP/1.1", "X-A: a\x00b")),
	one(syntax, seen("field: CR in the value", "GET / HTTP/1.1", "X-A: a\rb")),
	one(syntax, seen("field: no token", "GET / HTTP/1.1", "X@A: 1")),
	one(syntax, seen("field: space in the name", "GET / HTTP/1.1", "X A: 1")),
	one(syntax, seen("field: space before the colon", "GET / HTTP/1.1", "X-A : 1")),
	one(syntax, seen("field: high bytes in the name", "GET / HTTP/1.1", "X-\xc3\xa4: 1")),
	one(syntax, seen("field: no name", "GET / HTTP/1.1", ": 1")),
	one(syntax, seen("field: no colon", "GET / HTTP/1.1", "nonsense")),
	one(syntax, seen("field: colon only", "GET / HTTP/1.1", "nonsense:")),
	one(syntax, seen("field: folded", "GET / HTTP/1.1", "X-A: a", " b")),
	one(syntax, Row{Name: "field: first line is folded", Request: "GET / HTTP/1.1\r\n X-A: b\r\nHost: a\r\n{row}\r\n", Handler: notesFacts}),
	seen("field: value of 4000 bytes", "GET / HTTP/1.1", "X-A: "+long(4000)),
	seen("field: 90 of them", "GET / HTTP/1.1", numbered(90)...),
	seen("field: Pragma", "GET / HTTP/1.1", "Pragma: no-cache"),
	seen("field: Pragma and Cache-Control", "GET / HTTP/1.1", "Pragma: no-cache", "Cache-Control: max-age=0"),
	one(framing, seen("field: Connection names others", "GET / HTTP/1.1", "Connection: X-A", "X-A: hop")),
	one(framing, seen("field: Keep-Alive and Te", "GET / HTTP/1.1", "Keep-Alive: timeout=5", "TE: trailers", "Connection: TE")),
	one(framing, seen("field: Upgrade nobody heeds", "GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c, websocket")),
	seen("field: Range is the handler's", "GET / HTTP/1.1", "Range: bytes=0-1"),
	seen("field: If-Modified-Since is the handler's", "GET / HTTP/1.1", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"),
	seen("field: Accept-Encoding", "GET / HTTP/1.1", "Accept-Encoding: gzip;q=1.0, identity"),

	seen("cookie: one", "GET / HTTP/1.1", "Cookie: a=1; b=2"),
	one(syntax, seen("cookie: two fields", "GET / HTTP/1.1", "Cookie: a=1", "Cookie: b=2; c=3")),
	seen("cookie: quoted, empty and odd", "GET / HTTP/1.1", `Cookie: a="x y"; b=; =c; d`),
	{Name: "cookie: parsed", Request: ask("GET / HTTP/1.1", `Cookie: a=1; b="2"; a=3; bad name=4`), Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		for _, c := range r.Cookies() {
			run.Note("cookie", c.Name, c.Value, c.Quoted)
		}
		c, err := r.Cookie("a")
		run.Note("a", c.Value, err)
		_, err = r.Cookie("none")
		run.Note("none", err)
		run.Note("named a", len(r.CookiesNamed("a")))
	}},
	{Name: "cookie: set", Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "with space", MaxAge: -1})
		http.SetCookie(w, &http.Cookie{Name: "bad name", Value: "1"})
	}},
	{Name: "field: BasicAuth, UserAgent, Referer", Request: ask("GET / HTTP/1.1", "Authorization: basic dTpwOnE=", "User-Agent: me", "Referer: http://a/"),
		Handler: func(w http.ResponseWriter, r *http.Request, run *Run) {
			user, password, ok := r.BasicAuth()
			run.Note("authorized", user, password, ok)
			run.Note("agent", r.UserAgent(), r.Referer())
		}},
}

// numbered are that many fields.
func numbered(n int) (fields []string) {
	for i := range n {
		fields = append(fields, "X-N"+string(rune('A'+i%26))+string(rune('A'+i/26))+": v")
	}
	return fields
}
