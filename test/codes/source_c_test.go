package codes

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// cLoggers are the functions that log.
var cLoggers = []string{
	"ngx_log_error", "ngx_log_error_core", "ngx_conf_log_error", "ngx_log_stderr", "ngx_log_abort",
	"ap_log_error", "ap_log_rerror", "ap_log_perror", "ap_log_cerror",
	"pillion_loader_say", "fprintf", "perror", "syslog", "puts", "printf", "dprintf",
}

// cPassOn are the functions that pass on what the library logs, which has its
// code, or is the application's own.
var cPassOn = []string{"ngx_http_pillion_log", "log_message"}

// cSetters are the parameters of the functions that say what is wrong with a
// directive by returning it.
var cSetters = []string{"ngx_command_t", "cmd_parms"}

var cToken = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|#[^\n]*(?:\\\n[^\n]*)*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[A-Za-z_0-9]+|[^\s]`)

type cWord struct {
	text string
	line int
}

// cWords are the words of a source, without comments and the preprocessor's
// lines.
func cWords(text string) (words []cWord) {
	line, from := 1, 0
	for _, at := range cToken.FindAllStringIndex(text, -1) {
		line += strings.Count(text[from:at[0]], "\n")
		from = at[0]
		s := text[at[0]:at[1]]
		if s[0] != '#' && !strings.HasPrefix(s, "/*") && !strings.HasPrefix(s, "//") {
			words = append(words, cWord{s, line})
		}
	}
	return words
}

func scanC(t *testing.T, path, text string) (found source) {
	t.Helper()
	words := cWords(text)
	function, setter, depth := "", false, 0
	for i, w := range words {
		switch w.text {
		case "{":
			if depth == 0 && i > 0 && words[i-1].text == ")" {
				from := opening(words, i-1)
				function = words[from-1].text
				setter = slices.ContainsFunc(words[from:i], func(w cWord) bool { return slices.Contains(cSetters, w.text) })
			}
			depth++
		case "}":
			if depth--; depth == 0 {
				function, setter = "", false
			}
		}
		place := path + ":" + strconv.Itoa(w.line)
		if depth > 0 && (w.text == "return" && setter || slices.Contains(cLoggers, w.text) && !slices.Contains(cPassOn, function)) {
			literals := strings.Join(literalsOf(words[i+1:]), "")
			if at := code.FindStringIndex(literals); (w.text != "return" || literals != "") && (at == nil || !stands(literals, at)) {
				found.uncoded = append(found.uncoded, place)
			}
		}
		if w.text[0] == '"' && code.MatchString(w.text) {
			from := i
			for from > 0 && part(words[from-1].text) {
				from--
			}
			m := cMessage(strings.Join(run(words[from:]), ""))
			m.place = place
			found.messages = append(found.messages, m)
		}
	}
	return found
}

// stands says whether a code is at the beginning of a message, or at its end in
// parentheses.
func stands(literals string, at []int) bool {
	return at[0] == 0 && strings.HasPrefix(literals[at[1]:], ": ") ||
		literals[at[0]-1] == '(' && literals[at[1]:] == ")"
}

// opening is where the parenthesis opens that closes at i.
func opening(words []cWord, i int) int {
	for depth := 0; ; i-- {
		switch words[i].text {
		case ")":
			depth++
		case "(":
			if depth--; depth == 0 {
				return i
			}
		}
	}
}

// literalsOf are the string literals up to the end of the statement.
func literalsOf(words []cWord) (list []string) {
	for _, w := range words {
		if w.text == ";" {
			break
		}
		if w.text[0] == '"' {
			list = append(list, unquoteC(w.text))
		}
	}
	return list
}

// part says whether a word may be part of a string that is put together: a
// literal, or a macro between two.
func part(word string) bool {
	return word[0] == '"' || word != "NULL" && word == strings.ToUpper(word) && word != strings.ToLower(word)
}

// run is the string that words begin with, with a conversion for a macro.
func run(words []cWord) (list []string) {
	for _, w := range words {
		switch {
		case !part(w.text):
			return list
		case w.text[0] == '"':
			list = append(list, unquoteC(w.text))
		case len(list) > 0 && strings.HasSuffix(list[len(list)-1], "%"): // "%" PRIu64
			list = append(list, "s")
		default:
			list = append(list, "%s")
		}
	}
	return list
}

func unquoteC(literal string) string {
	s, err := strconv.Unquote(literal)
	if err != nil { // an octal escape, as in "\177ELF", is none of Go's in all forms
		return strings.Trim(literal, `"`)
	}
	return s
}

// conversions of printf, and those of nginx.
var cConversion = regexp.MustCompile(`%(?:\.?\*)?(?:u[diADOL]|[VsdiOcDuTMPRA])`)

func cMessage(text string) (m message) {
	m.code = code.FindString(text)
	text = strings.TrimPrefix(strings.TrimPrefix(text, "!"), m.code+":")
	text = strings.TrimSuffix(text, "("+m.code+")")
	for _, words := range cConversion.Split(text, -1) {
		if words = strings.TrimSpace(words); words != "" {
			m.words = append(m.words, words)
		}
	}
	return m
}

func TestScanC(t *testing.T) {
	scan := func(body string) source {
		return scanC(t, "x.c", "#define LOG(x) perror(\"no\")\nstatic char *\nf(ngx_conf_t *cf, ngx_command_t *cmd)\n{\n"+body+"\n}\n")
	}
	for name, body := range map[string]string{
		"nginx":          `ngx_log_error(NGX_LOG_ERR, log, 0, "pillion: %V", &a);`,
		"several lines":  "ngx_log_error(NGX_LOG_ERR, log, 0,\n \"without\" \"one\");",
		"not in front":   `ngx_log_error(NGX_LOG_ERR, log, 0, "a PILLION-4001: b");`,
		"no literal":     `ngx_log_error(NGX_LOG_ERR, log, 0, err);`,
		"apache":         `ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "without");`,
		"a setter":       `return "is duplicate";`,
		"a setter's sum": `return apr_psprintf(cmd->pool, "%s is wrong", x);`,
		"after another":  `/* a "PILLION-4001: x" */ perror("without");`,
	} {
		assert.Equal(t, []string{"x.c:5"}, scan(body).uncoded, name)
	}
	for name, c := range map[string]struct {
		body  string
		words []string
	}{
		"nginx":       {`ngx_log_error(NGX_LOG_ERR, log, 0, "PILLION-4001: a %V b " "c in %V:%ui", &a);`, []string{"a", "b c in", ":"}},
		"a macro":     {`return "PILLION-4001: the " NAME " needs";`, []string{"the", "needs"}},
		"a setter":    {`return "must be \"off\" (PILLION-4001)";`, []string{`must be "off"`}},
		"a condition": {`ngx_log_error(E, log, 0, "PILLION-4001: a %s", x ? "b" : "c");`, []string{"a"}},
		"its size":    {`ap_log_error(M, 0, s, "PILLION-4001: a %" APR_PID_T_FMT " b", n);`, []string{"a", "b"}},
		"a report":    {`puts_to(&report, "!PILLION-4001: a");`, []string{"a"}},
	} {
		found := scan(c.body)
		assert.Empty(t, found.uncoded, name)
		assert.Equal(t, []message{{"PILLION-4001", "x.c:5", c.words}}, found.messages, name)
	}
	passed := scanC(t, "x.c", "static void\nlog_message(void *data)\n{\n ap_log_error(M, 0, s, \"%s\", msg);\n}\n")
	assert.Empty(t, passed.uncoded)
	assert.Empty(t, scan(`return NGX_CONF_OK;`).uncoded)
}
