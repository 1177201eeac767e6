// Measuring: contenders in turns, round by round.

package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// sample is what one load of one contender gave.
type sample struct {
	rps, cpu, rss float64 // cpu in µs for a request, rss in MiB
	p50, p99      float64 // µs
	errors        int
}

// row is an entry of a scenario with all its samples.
type row struct {
	scenario *scenario
	entry    entry
	samples  []sample
	missing  string // why there are no samples
}

// metric takes one figure out of a sample.
type metric func(sample) float64

func rps(s sample) float64 { return s.rps }
func cpu(s sample) float64 { return s.cpu }
func rss(s sample) float64 { return s.rss }
func p50(s sample) float64 { return s.p50 }
func p99(s sample) float64 { return s.p99 }

// median is the row's figure for m, over its rounds.
func (r *row) median(m metric) float64 {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = m(s)
	}
	return median(values)
}

// run measures a scenario. A contender that cannot be had is a row without
// samples; one that answers wrongly is an error.
func (s *scenario) run(ctx context.Context, k *kit, p plan, progress io.Writer) ([]*row, error) {
	conditions := *k
	conditions.pillion = s.pillion
	// nginx closes what it thinks idle when a sixteenth is left.
	conditions.connections = 1024 + 5*s.connections/2

	all := make([]*row, len(s.entries))
	targets := map[string]*target{}
	defer func() {
		for _, t := range targets {
			t.stop()
		}
	}()
	for i, e := range s.entries {
		all[i] = &row{scenario: s, entry: e}
		c := contenderNamed(e.contender)
		all[i].missing = c.missing(k, s.connections)
		if all[i].missing != "" || targets[e.contender] != nil {
			continue
		}
		t, err := c.launch(ctx, &conditions)
		if err != nil {
			return nil, err
		}
		targets[e.contender] = t
		if err := s.expect.verify(ctx, t); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.name, c.title, err)
		}
	}
	rounds := p.rounds
	if s.rounds > 0 {
		rounds = s.rounds
	}
	for round := range rounds {
		fmt.Fprintf(progress, "%s, round %d of %d\n", s.name, round+1, rounds)
		// Each begins another time, so that none always follows the same.
		for i := range all {
			r := all[(i+round)%len(all)]
			if r.missing != "" {
				continue
			}
			one, err := r.sample(ctx, targets[r.entry.contender])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.name, r.entry.label, err)
			}
			r.samples = append(r.samples, one)
		}
	}
	return all, nil
}

func (r *row) sample(ctx context.Context, t *target) (sample, error) {
	before := measure(t.processes)
	res, err := r.entry.load.run(ctx, t)
	if err != nil {
		return sample{}, err
	}
	after := measure(t.processes)
	if res.rss == 0 {
		res.rss = after.rss
	}
	return sample{
		rps:    res.rps(),
		cpu:    micros(after.cpu-before.cpu) / float64(res.requests),
		rss:    float64(res.rss) / (1 << 20),
		p50:    micros(res.p50),
		p99:    micros(res.p99),
		errors: res.errors,
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
