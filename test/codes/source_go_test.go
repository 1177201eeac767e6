package codes

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goLoggers are the functions that log, with the place of the message among
// their arguments.
var goLoggers = map[string]int{
	"logLine": 1, "logRequest": 2, "logError": 0, "logMessage": 1, "log": 1,
	"Debug": 0, "Info": 0, "Warn": 0, "Error": 0,
	"DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
	"Print": 0, "Printf": 0, "Println": 0, "Fatal": 0, "Fatalf": 0, "Fatalln": 0,
	"Fprint": 1, "Fprintf": 1, "Fprintln": 1, "New": 1, "print": 0, "println": 0,
}

// goPackages are the packages that some of these are of.
var goPackages = map[string]string{
	"Debug": "slog", "Info": "slog", "Warn": "slog", "Error": "slog",
	"DebugContext": "slog", "InfoContext": "slog", "WarnContext": "slog", "ErrorContext": "slog",
	"Print": "log", "Printf": "log", "Println": "log", "Fatal": "log", "Fatalf": "log", "Fatalln": "log",
	"New": "log", "Fprint": "fmt", "Fprintf": "fmt", "Fprintln": "fmt",
}

// goPassOn are the functions that pass on what their callers log.
var goPassOn = map[string]string{
	"logLine":            "its callers have the code",
	"logRequest":         "its callers have the code",
	"logError":           "its callers have the code",
	"logMessage":         "its callers have the code; the application's own messages come this way, too",
	"serving.log":        "its callers have the code",
	"logHandler.Handle":  "the application's own messages",
	"errorStream.log":    "what an App writes to its error stream",
	"errorWriter.Write":  "the logger that writes to it has the code",
	"writeStandardError": "the sink",
	"AccessLog":          "a function of that name makes a line of an access log",
}

func scanGo(t *testing.T, path, text string) (found source) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	require.NoError(t, err)
	place := func(n ast.Node) string {
		at := files.Position(n.Pos())
		return at.Filename + ":" + strconv.Itoa(at.Line)
	}
	for _, d := range f.Decls {
		name := ""
		if fn, ok := d.(*ast.FuncDecl); ok {
			name = fn.Name.Name
			if fn.Recv != nil {
				name = receiver(fn) + "." + name
			}
		}
		defined := definitions(d)
		ast.Inspect(d, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if msg := logged(call); msg != nil && goPassOn[name] == "" && !reaches(msg, defined, nil) {
					found.uncoded = append(found.uncoded, place(call))
				}
			}
			return true
		})
		ast.PreorderStack(d, nil, func(n ast.Node, above []ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && code.MatchString(l.Value) {
				m := goMessage(whole(l, above))
				m.place = place(l)
				found.messages = append(found.messages, m)
			}
			return true
		})
	}
	return found
}

func receiver(fn *ast.FuncDecl) string {
	of := fn.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	return of.(*ast.Ident).Name
}

// logged is the message that call logs, nil if it logs none.
func logged(call *ast.CallExpr) ast.Expr {
	name, of := "", ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
		if x, ok := f.X.(*ast.Ident); ok {
			of = x.Name
		}
		if x, ok := f.X.(*ast.SelectorExpr); ok && x.Sel.Name == "Stderr" && strings.HasPrefix(name, "Write") {
			return call.Args[0]
		}
	}
	n, logs := goLoggers[name]
	switch want := goPackages[name]; {
	case !logs || len(call.Args) <= n:
		return nil
	case want != "" && want != of:
		return nil
	case want == "fmt":
		if to, ok := call.Args[0].(*ast.SelectorExpr); !ok || to.Sel.Name != "Stderr" {
			return nil
		}
	}
	return call.Args[n]
}

// definitions are what a function gives its variables.
func definitions(d ast.Decl) map[string][]ast.Expr {
	all := map[string][]ast.Expr{}
	ast.Inspect(d, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok {
			for i, to := range a.Lhs {
				if name, ok := to.(*ast.Ident); ok {
					all[name.Name] = append(all[name.Name], a.Rhs[min(i, len(a.Rhs)-1)])
				}
			}
		}
		return true
	})
	return all
}

// reaches says whether a message has a code, perhaps by way of variables.
func reaches(msg ast.Expr, defined map[string][]ast.Expr, seen []string) (yes bool) {
	ast.Inspect(msg, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			s, _ := strconv.Unquote(n.Value)
			at := code.FindStringIndex(s)
			yes = yes || at != nil && at[0] == 0 && strings.HasPrefix(s[at[1]:], ":")
		case *ast.Ident:
			if slices.Contains(seen, n.Name) {
				return true
			}
			for _, value := range defined[n.Name] {
				yes = yes || reaches(value, defined, append(seen, n.Name))
			}
		}
		return !yes
	})
	return yes
}

// whole is the expression that makes one message of l and what is joined to it.
func whole(l *ast.BasicLit, above []ast.Node) ast.Node {
	var top ast.Node = l
	for _, n := range slices.Backward(above) {
		switch n := n.(type) {
		case *ast.BinaryExpr:
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(f.Sel.Name, "Sprint") && !strings.HasPrefix(f.Sel.Name, "Append") {
				return top
			}
		default:
			return top
		}
		top = n
	}
	return top
}

var goVerb = regexp.MustCompile(`%[a-z]`)

// goMessage is the message that an expression puts together.
func goMessage(e ast.Node) (m message) {
	ast.Inspect(e, func(n ast.Node) bool {
		l, literal := n.(*ast.BasicLit)
		if !literal || l.Kind != token.STRING {
			return true
		}
		s, _ := strconv.Unquote(l.Value)
		if at := code.FindString(s); at != "" {
			m.code = at
			s = strings.TrimPrefix(s, at+":")
		}
		for _, words := range goVerb.Split(s, -1) {
			if words = strings.TrimSpace(words); words != "" {
				m.words = append(m.words, words)
			}
		}
		return true
	})
	return m
}

func TestScanGo(t *testing.T) {
	scan := func(body string) source {
		return scanGo(t, "x.go", "package p\nfunc f(s string, v any) {\n"+body+"\n}")
	}
	for name, body := range map[string]string{
		"plain":              `logLine(1, []byte("without"))`,
		"of a variable":      `w := "without" + s; logError(w)`,
		"of a parameter":     `logError(s)`,
		"of slog":            `slog.ErrorContext(nil, "without")`,
		"to standard error":  `fmt.Fprintln(os.Stderr, v)`,
		"not in front":       `logError(s + "x PILLION-1001: y")`,
		"a method":           `x.s.log(1, "without")`,
		"a logger":           `_ = log.New(nil, "", 0)`,
		"in a closure":       `go func() { log.Print("without") }()`,
		"raw standard error": `os.Stderr.WriteString("without")`,
	} {
		found := scan(body)
		assert.Equal(t, []string{"x.go:3"}, found.uncoded, name)
	}
	for name, c := range map[string]struct {
		body  string
		words []string
	}{
		"a sum":         {`x.log(1, "PILLION-1001: a "+s+" b")`, []string{"a", "b"}},
		"a format":      {`logError(fmt.Sprintf("PILLION-1001: a %s b %v\n", s, v))`, []string{"a", "b"}},
		"bytes":         {`logLine(1, append(fmt.Appendf(nil, "PILLION-1001: a\n"), s...))`, []string{"a"}},
		"a variable":    {`w := "PILLION-1001: a " + s; logLine(1, append([]byte(w), "x"...))`, []string{"a"}},
		"a logger":      {`e = log.New(nil, "PILLION-1001: ", 0)`, nil},
		"more than one": {`fmt.Fprintln(os.Stderr, "PILLION-1001: a", v)`, []string{"a"}},
	} {
		found := scan(c.body)
		assert.Empty(t, found.uncoded, name)
		if assert.Len(t, found.messages, 1, name) {
			assert.Equal(t, message{"PILLION-1001", "x.go:3", c.words}, found.messages[0], name)
		}
	}
}
