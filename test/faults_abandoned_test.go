package test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A handler that heeds nothing: the client has its answer in time, the operator
// a line that says where the handler is, and the memory is shown until it goes.
func TestFaults_HandlerThatNeverReturnsIsA504AndALine(t *testing.T) {
	onEachServer(t, func(t *testing.T, s *server) {
		before := s.runtime(t, "").Counts
		// What is kept for the next request is not that request's.
		s.whole(t, "/facts/x?"+strings.Repeat("a", 1200))
		key := newKey()
		begin := time.Now()
		a := s.get(t, "/quick/hold?linger=1&key="+key)
		assert.Equal(t, 504, a.StatusCode)
		assert.Less(t, time.Since(begin), patience)
		assert.Contains(t, s.await(t, key+"/done"), "cancelled: ")

		eventually(t, "it is counted, and its request's memory as part of all", func() bool {
			now := s.runtime(t, "").Counts
			return now.Abandoned == 1 && now.AbandonedBytes > 100 && now.Buffered >= now.AbandonedBytes
		})
		for range 20 {
			s.whole(t, "/facts/x")
		}

		log := s.awaitLog(t, "PILLION-1080")
		var lines []string
		for line := range strings.Lines(log) {
			if strings.Contains(line, "PILLION-1080") {
				lines = append(lines, line)
			}
		}
		assert.Len(t, lines, 1)
		assert.Regexp(t, `error\].*app: "behave".*request: "GET /quick/hold\?linger=1&key=.*", host: "127\.0\.0\.1:\d+", `+
			`stack: goroutine \d+ \[select\]: pillion/test/behave\.await \(events\.go:\d+\) < pillion/test/behave\.serveHold`, lines[0])
		assert.Contains(t, log, "timed out")

		s.tell(t, key+"/leave")
		assert.Contains(t, s.await(t, key+"/write"), "error: ")
		eventually(t, "the memory is back", func() bool {
			now := s.runtime(t, "").Counts
			return now.Abandoned == 0 && now.AbandonedBytes == 0 && now.Buffered <= before.Buffered+1024
		})
	})
}
