// From a header to a page: comments become text, declarations stay as they are.

package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// page is a manual page in the making.
type page struct {
	strings.Builder
	headed     bool // nothing follows the last heading yet
	functions  []string
	prototypes []string
}

// piece is a comment at the margin, or what stands between two of them.
type piece struct {
	comment bool
	public  bool // the comment has its signs on lines of their own: it is for all
	text    string
}

var (
	titleLine = regexp.MustCompile(`^(\w+\.h) - (.+)\.\n`)
	heading   = regexp.MustCompile(`^[A-Z][A-Z ]+$`)
	prototype = regexp.MustCompile(`(?m)^(?:PILLION_EXPORT|static inline)\s[^;{]*?\b(pillion_\w+)\([^;{]*`)
	directive = regexp.MustCompile(`(?m)^#(if|ifdef|ifndef|else|elif|endif|undef|include|define PILLION_(LOADER_)?H\b|define _|define PILLION_EXPORT).*\n|^extern "C" \{\n|^\}\n`)
)

var errNoTitle = errors.New("the header does not begin with \"name.h - what it is.\"")

// makePage is the page, and the functions it describes.
func makePage(name, date, header string) (string, []string, error) {
	pieces := split(header)
	if len(pieces) == 0 || !titleLine.MatchString(pieces[0].text) {
		return "", nil, errNoTitle
	}
	title := titleLine.FindStringSubmatch(pieces[0].text)
	pieces[0].text = pieces[0].text[len(title[0]):]

	body := new(page)
	body.heading(".SH DESCRIPTION")
	for i := 0; i < len(pieces); i++ {
		p := pieces[i]
		switch {
		case !p.comment:
			body.code(p.text)
		case i+1 < len(pieces) && prototype.MatchString(pieces[i+1].text):
			i++
			if p.public {
				body.function(pieces[i].text, p.text)
			}
		default:
			body.prose(p.text)
		}
	}

	p := new(page)
	p.line(fmt.Sprintf(".TH %s 3 %s Pillion", strings.ToUpper(name), date))
	p.heading(".SH NAME")
	p.line(name + ` \- ` + escape(title[2]))
	p.heading(".SH SYNOPSIS")
	p.verbatim("#include <" + title[1] + ">\n\n" + strings.Join(body.prototypes, "\n"))
	p.WriteString(body.String())
	return p.String(), body.functions, nil
}

// split cuts a header at its comments. The signs of the comment are taken off.
func split(header string) (pieces []piece) {
	for header != "" {
		at := 0
		if !strings.HasPrefix(header, "/*") {
			if at = strings.Index(header, "\n/*"); at < 0 {
				at = len(header)
			} else {
				at++
			}
			pieces = append(pieces, piece{text: header[:at]})
			header = header[at:]
			continue
		}
		end := strings.Index(header, "*/") + len("*/")
		var text strings.Builder
		for line := range strings.Lines(strings.TrimSuffix(header[:end], "*/")) {
			line = strings.TrimPrefix(strings.TrimPrefix(strings.TrimRight(line, " \n"), "/*"), " *")
			text.WriteString(strings.TrimPrefix(line, " ") + "\n")
		}
		pieces = append(pieces, piece{true, strings.HasPrefix(header, "/*\n"), strings.Trim(text.String(), "\n") + "\n"})
		header = strings.TrimPrefix(header[end:], "\n")
	}
	return pieces
}

func (p *page) line(s string) { p.WriteString(s + "\n") }

func (p *page) heading(s string) {
	p.line(s)
	p.headed = true
}

// paragraph begins a paragraph, which a heading has done already.
func (p *page) paragraph() {
	if !p.headed {
		p.line(".PP")
	}
	p.headed = false
}

// function is a function's section: what it is called, then what is said of it.
func (p *page) function(code, text string) {
	m := prototype.FindStringSubmatch(code)
	declaration := strings.TrimSpace(m[0])
	declaration = strings.TrimPrefix(strings.TrimPrefix(declaration, "PILLION_EXPORT "), "static inline ")
	p.functions = append(p.functions, m[1])
	p.prototypes = append(p.prototypes, declaration+";")
	p.heading(".SS " + m[1])
	p.verbatim(declaration + ";")
	p.prose(text)
	if rest, ok := strings.CutPrefix(code[len(m[0]):], ";"); ok {
		p.code(rest)
	}
}

// prose is a comment's text: paragraphs, headings, and what is laid out by hand.
func (p *page) prose(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		paragraph = strings.Trim(paragraph, "\n")
		switch {
		case paragraph == "":
		case heading.MatchString(paragraph):
			p.heading(".SH " + paragraph)
		case laidOut(paragraph):
			p.verbatim(paragraph)
		default:
			p.paragraph()
			for line := range strings.SplitSeq(paragraph, "\n") {
				p.line(escape(line))
			}
		}
	}
}

// laidOut says whether the lines of a paragraph must stay as they are.
func laidOut(paragraph string) bool {
	return strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") ||
		regexp.MustCompile(`\S {2,}\S`).MatchString(paragraph)
}

// code is a block of C, without what is only there for the compiler.
func (p *page) code(text string) {
	text = strings.ReplaceAll(directive.ReplaceAllString(text, ""), "PILLION_EXPORT ", "")
	text = strings.Trim(regexp.MustCompile(`\n{3,}`).ReplaceAllString(text, "\n\n"), "\n")
	if strings.TrimSpace(text) == "" {
		return
	}
	p.verbatim(text)
}

// verbatim is a block as it is.
func (p *page) verbatim(text string) {
	p.paragraph()
	p.line(".EX")
	for line := range strings.SplitSeq(text, "\n") {
		p.line(escape(line))
	}
	p.line(".EE")
}

func escape(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
