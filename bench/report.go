// What is told of the rows: tables, bench.json, plots.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// printRows prints the table of a scenario.
func printRows(w io.Writer, rows []*row) {
	s := rows[0].scenario
	fmt.Fprintf(w, "\n%s: %s\n", s.name, s.title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "requests/s\tMiB/s\tp50 µs\tp99 µs\tCPU µs\tRSS MiB\terrors\t")
	for _, r := range rows {
		f := r.figures()
		if f.Missing != "" {
			fmt.Fprintf(t, "\t\t\t\t\t\t\t  %s: missing, %s\n", f.Title, f.Missing)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t  %s\n", number(f.RPS), number(f.MiBps),
			number(f.P50), number(f.P99), number(f.CPU), number(f.RSS), f.Errors, f.Title)
	}
	t.Flush()
}

// number has three digits, or none for 0.
func number(x float64) string {
	switch {
	case x == 0:
		return ""
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// figures is a row of bench.json: medians over the rounds.
type figures struct {
	Scenario  string  `json:"scenario"`
	Contender string  `json:"contender"`
	Title     string  `json:"title"`
	Rounds    int     `json:"rounds"`
	RPS       float64 `json:"rps,omitempty"`
	MiBps     float64 `json:"mib_per_s,omitempty"`
	P50       float64 `json:"p50_us,omitempty"`
	P99       float64 `json:"p99_us,omitempty"`
	CPU       float64 `json:"cpu_us_per_request,omitempty"`
	RSS       float64 `json:"rss_mib,omitempty"`
	Errors    int     `json:"errors,omitempty"`
	Missing   string  `json:"missing,omitempty"`
}

func (r *row) figures() figures {
	title := contenderNamed(r.entry.contender).title
	if r.entry.note != "" {
		title += " (" + r.entry.note + ")"
	}
	f := figures{
		Scenario: r.scenario.name, Contender: r.entry.label, Title: title, Rounds: len(r.samples),
		RPS: r.median(rps), P50: r.median(p50), P99: r.median(p99), CPU: r.median(cpu), RSS: r.median(rss),
		Missing: r.missing,
	}
	f.MiBps = f.RPS * float64(r.scenario.size) / (1 << 20)
	for _, s := range r.samples {
		f.Errors += s.errors
	}
	return f
}

// writeJSON writes bench.json.
func writeJSON(path string, rows []*row) error {
	report := struct {
		Ratios map[string]float64 `json:"ratios"`
		Rows   []figures          `json:"rows"`
	}{Ratios: ratios(rows), Rows: []figures{}}
	for _, r := range rows {
		report.Rows = append(report.Rows, r.figures())
	}
	b, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// chart is a plot that several scenarios have a point on.
type chart struct {
	name, title, x string
	logarithmic    bool
}

var charts = []chart{
	{"headers", "CPU for a request, by the number of additional request headers", "additional headers", false},
	{"body", "CPU for a request, by the size of the response", "bytes", false},
	{"connections", "CPU for a request, by the number of connections", "connections", true},
}

// writeCharts writes the plots to dir, those that there are points for.
func writeCharts(dir string, rows []*row) error {
	for _, c := range charts {
		var lines []line
		at := map[string]int{}
		for _, r := range rows {
			if r.scenario.plot.name != c.name || len(r.samples) == 0 {
				continue
			}
			i, ok := at[r.entry.label]
			if !ok {
				i = len(lines)
				at[r.entry.label] = i
				lines = append(lines, line{name: contenderNamed(r.entry.contender).title})
			}
			lines[i].points = append(lines[i].points, point{r.scenario.plot.x, r.median(cpu)})
		}
		if len(lines) == 0 {
			continue
		}
		svg := drawLines(c.title, c.x, "µs", c.logarithmic, lines)
		if err := os.WriteFile(filepath.Join(dir, "bench-"+c.name+".svg"), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"hello_c64", "apache_hello_c64"} {
		var bars []bar
		for _, r := range rows {
			if r.scenario.name == name && len(r.samples) > 0 {
				bars = append(bars, bar{r.figures().Title, r.median(rps)})
			}
		}
		if len(bars) == 0 {
			continue
		}
		svg := drawBars("Requests per second, 1 KiB, 64 connections", bars)
		if err := os.WriteFile(filepath.Join(dir, "bench-"+name+".svg"), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}
