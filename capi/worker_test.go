package capi

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func addWorkers(t *testing.T, p *idleWorkers, n int) (all []*worker) {
	t.Helper()
	p.trimming = true // by hand, here
	for range n {
		w := &worker{make(chan *exchange, 1)}
		require.True(t, p.add(w))
		all = append(all, w)
	}
	return all
}

func ended(w *worker) bool {
	select {
	case _, ok := <-w.next:
		return !ok
	default:
		return false
	}
}

func TestIdleWorkers_LatestIsTakenFirst(t *testing.T) {
	var p idleWorkers
	all := addWorkers(t, &p, 3)
	assert.Same(t, all[2], p.take())
	assert.Same(t, all[1], p.take())
	assert.Same(t, all[0], p.take())
	assert.Nil(t, p.take())
}

func TestIdleWorkers_EndByAndByOldestFirst(t *testing.T) {
	var p idleWorkers
	all := addWorkers(t, &p, 3)
	assert.True(t, p.shrink())
	assert.Equal(t, []bool{true, true, false}, []bool{ended(all[0]), ended(all[1]), ended(all[2])})
	assert.False(t, p.shrink(), "an idle process has no timer")
	assert.True(t, ended(all[2]))
	assert.Empty(t, p.workers)
}

func TestIdleWorkers_AreLimited(t *testing.T) {
	var p idleWorkers
	addWorkers(t, &p, maxIdle)
	assert.False(t, p.add(&worker{}))
}
