//go:build cgo

package capi

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func addWorkers(t *testing.T, p *workers, n int) (all []*worker) {
	t.Helper()
	p.trimming = true // by hand, here
	for range n {
		w := new(worker)
		require.True(t, p.add(w))
		all = append(all, w)
	}
	return all
}

func ended(w *worker) bool {
	select {
	case _, ok := <-w.wake:
		return !ok
	default:
		return false
	}
}

func called(all ...*worker) (n int) {
	for _, w := range all {
		n += len(w.wake)
	}
	return n
}

func TestWorkers_OneAtATimeIsSentFor(t *testing.T) {
	var p workers
	all := addWorkers(t, &p, 3)
	xs := []*exchange{{}, {}, {}, {}}
	for _, x := range xs {
		p.start(x)
	}
	assert.Equal(t, 1, called(all...), "the first sends for the others")
	assert.Len(t, all[2].wake, 1, "the latest is taken first")

	<-all[2].wake
	x, _ := p.take(all[2], true)
	assert.Same(t, xs[0], x, "the oldest comes first")
	assert.Len(t, all[1].wake, 1, "it left others: somebody must come, should it be held up")

	x, _ = p.take(all[2], false)
	assert.Same(t, xs[1], x)
	assert.Empty(t, all[0].wake, "somebody is on the way")

	<-all[1].wake
	x, _ = p.take(all[1], true)
	assert.Same(t, xs[2], x)
	assert.Len(t, all[0].wake, 1)

	x, _ = p.take(all[2], false)
	assert.Same(t, xs[3], x)
	x, stay := p.take(all[2], false)
	assert.Nil(t, x)
	assert.True(t, stay)

	<-all[0].wake
	x, stay = p.take(all[0], true)
	assert.Nil(t, x, "others were faster")
	assert.True(t, stay)
	p.start(xs[0])
	assert.Len(t, all[0].wake, 1, "who found nothing is not on the way any more")
}

func TestWorkers_EndByAndByOldestFirst(t *testing.T) {
	var p workers
	all := addWorkers(t, &p, 3)
	assert.True(t, p.shrink())
	assert.Equal(t, []bool{true, true, false}, []bool{ended(all[0]), ended(all[1]), ended(all[2])})
	assert.False(t, p.shrink(), "an idle process has no timer")
	assert.True(t, ended(all[2]))
	assert.Empty(t, p.idle)
}

func TestWorkers_IdleOnesAreLimited(t *testing.T) {
	var p workers
	addWorkers(t, &p, maxIdle)
	_, stay := p.take(&worker{}, false)
	assert.False(t, stay)
}
