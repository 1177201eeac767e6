// The behaviour table: what every host has to do, the same rows against each.

package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hosts are all there are.
var hosts = []struct {
	name  string
	start func(*testing.T) *server
}{
	{"memory", startMemory},
	{"call", func(t *testing.T) *server { return startC(t, "call") }},
	{"serve", func(t *testing.T) *server { return startC(t, "serve") }},
	{"queue", func(t *testing.T) *server { return startC(t, "queue") }},
	{"microhttpd", func(t *testing.T) *server { return startExample(t, "microhttpd") }},
	{"libevent", func(t *testing.T) *server { return startExample(t, "libevent") }},
	{"nginx", startNginx},
	{"nginx-tls", startNginxTLS},
	{"nginx-buffering", startNginxBuffering},
	{"nginx-http2", startNginxHTTP2},
	{"apache-event", func(t *testing.T) *server { return startApache(t, "event") }},
	{"apache-worker", func(t *testing.T) *server { return startApache(t, "worker") }},
	{"apache-prefork", func(t *testing.T) *server { return startApache(t, "prefork") }},
	{"apache-http2", startApacheHTTP2},
	{"fastcgi", startFastCGI},
	{"scgi", startSCGI},
}

// row is a behaviour.
type row struct {
	name string
	run  func(t *testing.T, s *server)
}

// Why a row does not apply to a host.
const (
	wholeOnly   = "call takes the whole body and gives the whole response"
	noGoexit    = "Go cannot catch runtime.Goexit on a foreign thread: pillion.h, pillion_call"
	noWatch     = "call runs on the thread that would have to look whether the client is there"
	bufferFirst = "the server reads the whole request body before it submits the request"
	byHand      = "the row speaks HTTP/1 by hand"
	noHop       = "HTTP/2 has no chunked coding, nor Connection header"
	noInfo      = "this nginx has no early hints: they came with 1.29"
	atOnce      = "the in-memory host reads the file at once"
	noTrailers  = "nginx reads over the trailers of a request"
	refuses     = "nginx itself answers such a request"

	noHijack     = "the host does not hand connections over"
	noConnection = "an HTTP/2 stream is no connection to take over: nor has net/http one there"
)

// exceptions says, in one place, which rows do not apply to which hosts.
var exceptions = map[string]map[string]string{
	"call": {
		"chunked_upload_has_no_length_while_it_lasts": wholeOnly,
		"flush_is_seen_at_once":                       wholeOnly,
		"upload_and_download_at_the_same_time":        wholeOnly,
		"slow_reader_stops_the_handler":               wholeOnly,
		"growing_file_is_sent_as_it_grows":            wholeOnly,
		"file_that_shrinks_while_it_is_sent_is_a_cut": wholeOnly,
		"client_leaving_in_a_file_is_an_error":        wholeOnly,
		"write_deadline_ends_the_sending_of_a_file":   wholeOnly,
		"slow_handler_stops_the_upload":               wholeOnly,
		"early_answer_to_an_upload":                   wholeOnly,
		"client_leaving_in_an_upload_is_an_error":     wholeOnly,
		"expect_is_answered_by_the_read":              wholeOnly,
		"expect_without_a_read_gets_no_100":           wholeOnly,
		"client_leaving_cancels_the_context":          noWatch,
		"handler_may_outlive_its_client":              noWatch,
		"client_leaving_fails_the_write":              noWatch,
		"goexit_before_the_first_byte_is_500":         noGoexit,
		"goexit_after_the_first_byte_is_a_cut":        noGoexit,
		"informational_heads_precede_the_final":       "informational responses are not handed out: pillion.h, pillion_call",
	},
	"memory": {
		"file_that_shrinks_while_it_is_sent_is_a_cut": atOnce,
		"client_leaving_in_a_file_is_an_error":        atOnce,
		"write_deadline_ends_the_sending_of_a_file":   atOnce,
	},
	"microhttpd": {
		"chunked_upload_has_no_length_while_it_lasts":  bufferFirst,
		"upload_and_download_at_the_same_time":         bufferFirst,
		"slow_handler_stops_the_upload":                bufferFirst,
		"early_answer_to_an_upload":                    bufferFirst,
		"client_leaving_in_an_upload_is_an_error":      bufferFirst,
		"expect_without_a_read_gets_no_100":            bufferFirst,
		"unknown_expectation_is_417":                   bufferFirst,
		"informational_heads_precede_the_final":        "libmicrohttpd sends none but its own 100",
		"repeated_response_headers_and_cookies_arrive": "libmicrohttpd refuses headers without a value",
	},
	"libevent": {
		"chunked_upload_has_no_length_while_it_lasts": bufferFirst,
		"upload_and_download_at_the_same_time":        bufferFirst,
		"slow_handler_stops_the_upload":               bufferFirst,
		"early_answer_to_an_upload":                   bufferFirst,
		"client_leaving_in_an_upload_is_an_error":     bufferFirst,
		"expect_without_a_read_gets_no_100":           bufferFirst,
		"informational_heads_precede_the_final":       "evhttp sends none but its own 100",
		"trailers_arrive":                             "evhttp ends a chunked response without trailers",
		"methods_arrive":                              "evhttp answers PROPFIND, which it does not know, itself",
		"chunked_upload_arrives_whole":                "evhttp refuses chunk extensions",
	},
	"nginx": {
		"informational_heads_precede_the_final": noInfo,
		"unknown_expectation_is_417":            refuses,
	},
	"nginx-tls": {
		"informational_heads_precede_the_final": noInfo,
		"unknown_expectation_is_417":            refuses,
	},
	"nginx-buffering": {
		"upload_and_download_at_the_same_time":        bufferFirst,
		"slow_handler_stops_the_upload":               bufferFirst,
		"early_answer_to_an_upload":                   bufferFirst,
		"client_leaving_in_an_upload_is_an_error":     bufferFirst,
		"chunked_upload_has_no_length_while_it_lasts": bufferFirst,
		"expect_is_answered_by_the_read":              bufferFirst,
		"expect_without_a_read_gets_no_100":           bufferFirst,
		"informational_heads_precede_the_final":       noInfo,
		"unknown_expectation_is_417":                  refuses,
	},
	"nginx-http2": {
		"informational_heads_precede_the_final": noInfo,
	},
}

func init() {
	for _, name := range []string{
		"request_line_arrives_verbatim", "repeated_request_headers_keep_their_order",
		"keepalive_connection_serves_many_requests", "http10_response_ends_with_the_connection",
		"http10_abort_is_a_reset", "pipelined_requests_are_answered_in_order",
		"expect_is_answered_by_the_read", "expect_without_a_read_gets_no_100", "unknown_expectation_is_417",
		"cookies_are_one_header_or_many", "client_leaving_in_an_upload_is_an_error",
		"growing_file_is_sent_as_it_grows", "file_that_shrinks_while_it_is_sent_is_a_cut",
		"client_leaving_in_a_file_is_an_error", "write_deadline_ends_the_sending_of_a_file", "http10_file_ends_with_the_connection",
		"two_lengths_are_refused", "slow_reader_stops_the_handler", "slow_handler_stops_the_upload",
		"what_is_no_uri_arrives_verbatim_too",
	} {
		exceptions["nginx-http2"][name] = byHand
	}
	for _, r := range hijackRows {
		if r.name != "hijack_after_the_head_fails" {
			exceptions["call"][r.name] = wholeOnly
			exceptions["microhttpd"][r.name] = noHijack
			exceptions["libevent"][r.name] = noHijack
			exceptions["nginx-http2"][r.name] = noConnection
		}
	}
	exceptions["call"]["request_trailers_arrive_with_the_end_of_the_body"] = wholeOnly
	for _, host := range []string{"microhttpd", "libevent", "nginx", "nginx-tls", "nginx-buffering", "nginx-http2"} {
		exceptions[host]["request_trailers_arrive_with_the_end_of_the_body"] = noTrailers
	}
	exceptions["nginx-http2"]["chunked_upload_arrives_whole"] = byHand
	exceptions["nginx-http2"]["chunked_upload_has_no_length_while_it_lasts"] = noHop
}

func TestBehaviour(t *testing.T) {
	rows := slices.Concat(bodyRows, fileRows, streamRows, requestRows, trailerRows, responseRows, troubleRows, hijackRows)
	known := map[string]bool{}
	for _, r := range rows {
		known[r.name] = true
	}
	for host, names := range exceptions {
		for name := range names {
			if !known[name] {
				t.Errorf("exceptions of %s: there is no row %s", host, name)
			}
		}
	}
	for _, h := range hosts {
		for _, form := range []string{"", "-app"} {
			if sanitizing() && form != "" && !strings.HasPrefix(h.name, "nginx") {
				continue // the applications' form is no matter for what C does, but for when
			}
			t.Run(h.name+form, func(t *testing.T) {
				if h.name != "memory" { // whose goroutines are this process's, and are counted
					t.Parallel()
				}
				if form != "" {
					asApps(t)
				}
				againstHost(t, h.name, h.start, rows)
			})
		}
	}
}

// againstHost runs the rows that apply to a host.
func againstHost(t *testing.T, name string, start func(*testing.T) *server, rows []row) {
	s := start(t)
	require.Equal(t, formOf(t) == "app", s.runtime(t, "").AsApp)
	returnsToBaseline(t, s)
	for _, r := range rows {
		if why, ok := exceptions[name][r.name]; ok {
			t.Logf("%s does not apply: %s", r.name, why)
			continue
		}
		t.Run(r.name, func(t *testing.T) { r.run(t, s) })
	}
}
