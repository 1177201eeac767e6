package soak

import "fmt"

// Holding is something of which a server must not have more and more. S is what
// is seen of a server at one time.
type Holding[S any] struct {
	Name      string
	Tolerance float64 // what may be between the first value and the last without being a trend
	Of        func(S) int64
}

// Samples is how many it takes for a judgement: the first WarmUp are not judged,
// in which heaps find their size, and of the others it takes four.
const (
	WarmUp  = 2
	Samples = WarmUp + 4
)

// Judge tells of each holding that grows from sample to sample. It is an error
// to have too few of them.
func Judge[S any](samples []S, holdings []Holding[S]) (growing []string, err error) {
	if len(samples) < Samples {
		return nil, fmt.Errorf("%d samples show no trend: it takes %d, the first %d of which are not judged", len(samples), Samples, WarmUp)
	}
	for _, h := range holdings {
		var values []int64
		var series []float64
		for _, s := range samples[WarmUp:] {
			v := h.Of(s)
			values, series = append(values, v), append(series, float64(v))
		}
		if Grows(series, h.Tolerance) {
			growing = append(growing, fmt.Sprintf("%s: %v", h.Name, values))
		}
	}
	return growing, nil
}
