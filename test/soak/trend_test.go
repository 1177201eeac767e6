package soak

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func series(n int, f func(i int) float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = f(i)
	}
	return s
}

func TestGrows(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	jitter := func(size float64) float64 { return (noise.Float64() - 0.5) * size }
	const tolerance = 8
	for _, c := range []struct {
		name string
		of   []float64
		want bool
	}{
		{"steady_leak", series(10, func(i int) float64 { return 100 + 2*float64(i) }), true},
		{"leak_under_noise", series(10, func(i int) float64 { return 100 + 2*float64(i) + jitter(6) }), true},
		{"leak_with_an_outlier", series(10, func(i int) float64 { return map[bool]float64{true: 500, false: 100 + 2*float64(i)}[i == 4] }), true},
		{"leak_of_a_long_run", series(60, func(i int) float64 { return 100 + 0.5*float64(i) + jitter(10) }), true},
		{"growth_that_speeds_up", series(10, func(i int) float64 { return 100 + float64(i*i)/3 }), true},
		{"constant", series(10, func(int) float64 { return 100 }), false},
		{"within_the_tolerance", series(10, func(i int) float64 { return 100 + 0.5*float64(i) }), false},
		{"an_outlier_at_the_end", series(10, func(i int) float64 { return map[bool]float64{true: 500, false: 100}[i == 9] }), false},
		{"a_step_and_then_level", series(10, func(i int) float64 { return map[bool]float64{true: 150, false: 100}[i >= 3] }), false},
		{"up_and_down", series(10, func(i int) float64 { return 100 + 40*float64(i%2) }), false},
		{"falling", series(10, func(i int) float64 { return 100 - 2*float64(i) }), false},
		{"one_value", series(1, func(int) float64 { return 100 }), false},
		{"none", nil, false},
	} {
		assert.Equal(t, c.want, Grows(c.of, tolerance), c.name)
	}
}

func TestGrows_NoiseAloneSeldomDoes(t *testing.T) {
	noise := rand.New(rand.NewPCG(3, 4))
	wrong := 0
	for range 2000 {
		if Grows(series(8, func(int) float64 { return noise.NormFloat64() * 20 }), 8) {
			wrong++
		}
	}
	assert.Less(t, wrong, 100)
}

func TestSlope_OutliersDoNotMoveIt(t *testing.T) {
	assert.InDelta(t, 3, Slope([]float64{0, 3, 6, 900, 12, 15, 18}), 0.01)
	assert.Zero(t, Slope([]float64{7}))
}

func TestAgreement(t *testing.T) {
	assert.EqualValues(t, 1, Agreement([]float64{1, 2, 3}))
	assert.EqualValues(t, -1, Agreement([]float64{3, 2, 1}))
	assert.Zero(t, Agreement([]float64{5, 5, 5}))
}
