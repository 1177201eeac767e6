//go:build cgo

package capi

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func receive(t *testing.T, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(10 * time.Second):
		require.FailNow(t, "the gate was not woken")
	}
}

func TestGate_WakeBeforeTheWaitIsNotLost(t *testing.T) {
	var g gate
	ch, err := g.prepare()
	require.NoError(t, err)
	g.wake()
	g.wake()
	receive(t, ch)
	assert.Empty(t, ch, "two wakes are one signal")
}

func TestGate_WakeWithoutWaiterDoesNothing(t *testing.T) {
	var g gate
	g.wake()
	assert.Nil(t, g.ch)
}

func TestGate_DeadlineEndsABlockedWait(t *testing.T) {
	var g gate
	ch, err := g.prepare()
	require.NoError(t, err)
	g.setDeadline(time.Now().Add(time.Millisecond))
	receive(t, ch)
	_, err = g.prepare()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestGate_PastDeadlineEndsAWaitAtOnce(t *testing.T) {
	var g gate
	ch, err := g.prepare()
	require.NoError(t, err)
	g.setDeadline(time.Unix(1, 0))
	receive(t, ch)
	assert.True(t, g.passed())
}

func TestGate_LaterDeadlineReplacesAPassedOne(t *testing.T) {
	var g gate
	g.setDeadline(time.Unix(1, 0))
	g.setDeadline(time.Now().Add(time.Hour))
	assert.False(t, g.passed())
	g.stop()
	assert.Nil(t, g.timer)
}

func TestGate_ReplacedTimerDoesNotExpireTheGate(t *testing.T) {
	var g gate
	fired := make(chan struct{})
	g.setDeadline(time.Now().Add(time.Millisecond))
	g.setDeadline(time.Time{})
	// A timer set later fires later: by then the first has had its chance.
	time.AfterFunc(20*time.Millisecond, func() { close(fired) })
	receive(t, fired)
	assert.False(t, g.passed())
}
