package soak

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// held is a sample of two things.
type held struct{ files, memory int64 }

var holdings = []Holding[held]{
	{"files", 3, func(h held) int64 { return h.files }},
	{"memory", 1 << 20, func(h held) int64 { return h.memory }},
}

func samples(n int, f func(i int64) held) (all []held) {
	for i := range n {
		all = append(all, f(int64(i)))
	}
	return all
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name string
		of   []held
		want []string
	}{
		{"nothing_grows", samples(10, func(i int64) held { return held{20 + i%2, 5 << 20} }), nil},
		{"one_does", samples(6, func(i int64) held { return held{20 + 2*i, 5 << 20} }), []string{"files: [24 26 28 30]"}},
		{"the_other_does", samples(6, func(i int64) held { return held{20, i << 20} }), []string{"memory: [2097152 3145728 4194304 5242880]"}},
		{"both_do", samples(6, func(i int64) held { return held{2 * i, i << 20} }),
			[]string{"files: [4 6 8 10]", "memory: [2097152 3145728 4194304 5242880]"}},
		{"each_within_its_tolerance", samples(6, func(i int64) held { return held{i, i << 10} }), nil},
		{"only_while_it_warms_up", samples(6, func(i int64) held { return held{min(i, 2) * 50, min(i, 2) << 30} }), nil},
		{"a_step_in_the_middle_of_a_long_time", samples(20, func(i int64) held { return held{20 + i/10*50, 0} }), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Judge(c.of, holdings)
			assert.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestJudge_TooFewSamplesAreNoJudgement(t *testing.T) {
	leak := func(i int64) held { return held{1000 * i, i << 30} }
	for n := range Samples {
		growing, err := Judge(samples(n, leak), holdings)
		assert.ErrorContains(t, err, "show no trend: it takes 6")
		assert.Empty(t, growing)
	}
	growing, err := Judge(samples(Samples, leak), holdings)
	assert.NoError(t, err)
	assert.Len(t, growing, 2)
}
