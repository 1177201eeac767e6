// Plots as SVG.

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

type point struct{ x, y float64 }

// line is a series of points, in order of x.
type line struct {
	name   string
	points []point
}

type bar struct {
	name  string
	value float64
}

var colours = []string{"#0a7cba", "#c2571a", "#5b8c2a", "#8e4a9e", "#8a6d00"}

const (
	svgWidth, svgHeight     = 760, 420
	svgLeft, svgRight       = 70, 20
	svgTop, svgBottom       = 50, 60
	plotWidth, plotHeight   = svgWidth - svgLeft - svgRight, svgHeight - svgTop - svgBottom
	barHeight, barGap       = 22, 10
	barLeft, barFigureSpace = 260, 80
)

func openSVG(b *strings.Builder, width, height int, title string) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text x="16" y="26" font-size="15" font-weight="bold">%s</text>`+"\n", html.EscapeString(title))
}

// drawLines draws series over a common x, from 0 or, if it is logarithmic, from
// 1; y begins at 0.
func drawLines(title, x, y string, logarithmic bool, lines []line) string {
	var most point
	for _, l := range lines {
		for _, p := range l.points {
			most.x, most.y = max(most.x, p.x), max(most.y, p.y)
		}
	}
	scale := func(v float64) float64 { return v }
	if logarithmic {
		scale = func(v float64) float64 { return math.Log10(max(v, 1)) }
	}
	top := ceiling(most.y)
	across := func(v float64) float64 { return svgLeft + plotWidth*scale(v)/max(scale(most.x), 1e-9) }
	down := func(v float64) float64 { return svgTop + plotHeight*(1-v/top) }

	var b strings.Builder
	openSVG(&b, svgWidth, svgHeight, title)
	for i := range 6 {
		v := top * float64(i) / 5
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`, svgLeft, down(v), svgWidth-svgRight, down(v))
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", svgLeft-8, down(v)+4, tickLabel(v))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", svgLeft-8, svgTop-12, html.EscapeString(y))
	if len(lines) > 0 {
		free := 0.0 // from here on there is room for a label
		for _, p := range lines[0].points {
			if x := across(p.x); x >= free {
				fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x, svgHeight-svgBottom+18, tickLabel(p.x))
				free = x + 36
			}
		}
	}
	fmt.Fprintf(&b, "\n"+`<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", svgLeft+plotWidth/2, svgHeight-svgBottom+40, html.EscapeString(x))
	for i, l := range lines {
		colour := colours[i%len(colours)]
		var path strings.Builder
		for _, p := range l.points {
			fmt.Fprintf(&path, "%.1f,%.1f ", across(p.x), down(p.y))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, across(p.x), down(p.y), colour)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.TrimSpace(path.String()), colour)
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", svgLeft+12, svgTop+16+18*i, colour, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawBars draws a bar for each value, with its figure.
func drawBars(title string, bars []bar) string {
	most := 0.0
	for _, v := range bars {
		most = max(most, v.value)
	}
	var b strings.Builder
	openSVG(&b, svgWidth, svgTop+len(bars)*(barHeight+barGap)+barGap, title)
	for i, v := range bars {
		y := svgTop + i*(barHeight+barGap)
		width := (svgWidth - barLeft - barFigureSpace) * v.value / max(most, 1e-9)
		colour := "#9ab"
		if strings.HasPrefix(v.name, "Pillion") {
			colour = colours[0]
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, barLeft-10, y+barHeight-6, html.EscapeString(v.name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, barLeft, y, width, barHeight, colour)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.0f</text>`+"\n", barLeft+width+8, y+barHeight-6, v.value)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// ceiling is the next of 1, 2, 5, 10, 20, … that is not below v.
func ceiling(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if v <= step*unit {
			return step * unit
		}
	}
	return 10 * unit
}

func tickLabel(v float64) string {
	switch {
	case v >= 1<<20:
		return fmt.Sprintf("%gM", v/(1<<20))
	case v >= 10000:
		return fmt.Sprintf("%.0fk", v/1000)
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}
