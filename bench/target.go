// The ratios that are aimed at.

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// aim is a ratio between two rows of a scenario, ours over the other's.
type aim struct {
	key      string
	scenario string
	ours     string
	other    string
	metric   metric
	most     bool // limit is the most it may be, not the least
	limit    float64
}

var aims = []aim{
	{"nginx_hello_c64_rps_vs_proxy_unix", "hello_c64", "nginx_pillion", "nginx_proxy_unix", rps, false, 2.2},
	{"nginx_hello_c8_rps_vs_proxy_unix", "hello_c8", "nginx_pillion", "nginx_proxy_unix", rps, false, 2.0},
	{"nginx_hello_c1_p50_vs_proxy_unix", "hello_c1", "nginx_pillion", "nginx_proxy_unix", p50, true, 0.55},
	{"nginx_hello_c64_cpu_vs_proxy_unix", "hello_c64", "nginx_pillion", "nginx_proxy_unix", cpu, true, 0.38},
	{"nginx_hello_c64_rps_vs_nethttp", "hello_c64", "nginx_pillion", "nethttp", rps, false, 1.2},
	{"nginx_hello_c64_cpu_vs_return", "hello_c64", "nginx_pillion", "nginx_return", cpu, true, 1.45},
	{"nginx_hello_c64_rps_vs_fastcgi", "hello_c64", "nginx_pillion", "nginx_fastcgi", rps, false, 4},
	{"nginx_file_256m_throughput_vs_static", "file_256m", "nginx_pillion", "nginx_static", rps, false, 0.95},
	{"nginx_upload_256m_throughput_vs_proxy_unix", "upload_256m", "nginx_pillion", "nginx_proxy_unix", rps, false, 2.0},
	{"nginx_stream_1m_rps_vs_proxy_unix", "stream_1m", "nginx_pillion", "nginx_proxy_unix", rps, false, 1.7},
	{"nginx_blocked_10k_rss_vs_proxy_unix", "blocked_10k", "nginx_pillion", "nginx_proxy_unix", rss, true, 0.5},
	{"nginx_static_p99_while_go_busy", "static_busy", "busy_handlers", "busy_process", p99, true, 1.5},
	{"nginx_hello_100headers_rps_vs_proxy_unix", "hello_100headers", "nginx_pillion", "nginx_proxy_unix", rps, false, 2.0},
	{"apache_hello_c64_rps_vs_proxy_unix", "apache_hello_c64", "apache_pillion", "apache_proxy_unix", rps, false, 1.55},
	{"apache_hello_c64_rps_vs_modwsgi_embedded", "apache_hello_c64", "apache_pillion", "apache_wsgi_embedded", rps, false, 1.1},
	{"apache_hello_c64_cpu_vs_static", "apache_hello_c64", "apache_pillion", "apache_static", cpu, true, 1.1},
}

// ratio is the median of the ratios of the rounds: a machine that changes its
// pace from one round to the next changes both sides'. It is false if one of
// the rows is missing.
func (a aim) ratio(rows []*row) (float64, bool) {
	var ours, other *row
	for _, r := range rows {
		switch {
		case r.scenario.name != a.scenario:
		case r.entry.label == a.ours:
			ours = r
		case r.entry.label == a.other:
			other = r
		}
	}
	if ours == nil || other == nil {
		return 0, false
	}
	var ratios []float64
	for i := range min(len(ours.samples), len(other.samples)) {
		if d := a.metric(other.samples[i]); d > 0 {
			ratios = append(ratios, a.metric(ours.samples[i])/d)
		}
	}
	return median(ratios), len(ratios) > 0
}

func (a aim) met(ratio float64) bool {
	if a.most {
		return ratio <= a.limit
	}
	return ratio >= a.limit
}

// ratios are those that could be measured, by key.
func ratios(rows []*row) map[string]float64 {
	measured := map[string]float64{}
	for _, a := range aims {
		if ratio, ok := a.ratio(rows); ok {
			measured[a.key] = ratio
		}
	}
	return measured
}

// printAims prints each target next to what was measured.
func printAims(w io.Writer, measured map[string]float64) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ratio\ttarget\tmeasured\t")
	for _, a := range aims {
		sign := "≥"
		if a.most {
			sign = "≤"
		}
		figure, verdict := "-", "not measured"
		if ratio, ok := measured[a.key]; ok {
			figure, verdict = fmt.Sprintf("%.2f", ratio), "missed"
			if a.met(ratio) {
				verdict = "met"
			}
		}
		fmt.Fprintf(t, "%s\t%s %g\t%s\t%s\n", a.key, sign, a.limit, figure, verdict)
	}
	t.Flush()
}
