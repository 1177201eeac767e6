// Command bench compares Pillion with other ways to have requests answered
// behind nginx and Apache, all on this machine and in one run. make bench runs
// it; docs/performance.md says how to read what it prints.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
)

// root is the top of the source tree, as seen from where this program runs.
var root = "."

func main() {
	short := flag.Bool("quick", false, "measure less, for at most five minutes")
	only := flag.String("only", "", "run only the scenarios whose names match `regexp`")
	out := flag.String("out", "build", "`directory` with the server modules, which the report is written to")
	flag.Parse()
	p := full
	if *short {
		p = quick
	}
	pattern, err := regexp.Compile(*only)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = compare(ctx, p, pattern, *out, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// compare runs the scenarios, with the server modules in one directory, and
// writes the report to another.
func compare(ctx context.Context, p plan, only *regexp.Regexp, modules, out string) error {
	for _, tool := range []string{"wrk", "h2load", nginxBinary} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	k, remove, err := newKit(ctx, modules)
	if err != nil {
		return err
	}
	defer remove()
	var rows []*row
	for _, s := range scenarios(p, k) {
		if !only.MatchString(s.name) {
			continue
		}
		more, err := s.run(ctx, k, p, os.Stderr)
		if err != nil {
			return err
		}
		printRows(os.Stdout, more)
		rows = append(rows, more...)
	}
	fmt.Println()
	printAims(os.Stdout, ratios(rows))
	if err := writeCharts(out, rows); err != nil {
		return err
	}
	return writeJSON(filepath.Join(out, "bench.json"), rows)
}
