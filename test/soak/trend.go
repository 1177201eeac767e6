// Package soak judges what a server holds over a long time: whether it grows.
package soak

import "slices"

// Slope is how much a series rises from one value to the next: the median of
// the slopes between all pairs of values (Theil and Sen), which a few outliers
// do not move. It is 0 for less than two values.
func Slope(series []float64) float64 {
	var slopes []float64
	for i := range series {
		for j := i + 1; j < len(series); j++ {
			slopes = append(slopes, (series[j]-series[i])/float64(j-i))
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	half := len(slopes) / 2
	if len(slopes)%2 == 1 {
		return slopes[half]
	}
	return (slopes[half-1] + slopes[half]) / 2
}

// Agreement is how much of a series goes up: the share of its pairs that rise
// less the share of those that fall (Kendall's tau), from -1 to 1.
func Agreement(series []float64) float64 {
	sum, pairs := 0, 0
	for i := range series {
		for j := i + 1; j < len(series); j++ {
			pairs++
			switch {
			case series[j] > series[i]:
				sum++
			case series[j] < series[i]:
				sum--
			}
		}
	}
	if pairs == 0 {
		return 0
	}
	return float64(sum) / float64(pairs)
}

// agreed is the agreement from which on a series of seven values or more goes up
// by chance in less than one case out of twenty.
const agreed = 0.6

// Grows says whether a series trends upwards: by more than tolerance from its
// first value to its last along its slope, and steadily. What jumps up and down
// by more than the tolerance, or rises once and stays, as a heap does that has
// found its size, does not.
func Grows(series []float64, tolerance float64) bool {
	return Slope(series)*float64(len(series)-1) > tolerance && Agreement(series) >= agreed
}
