// Which rows of the behaviour table do not apply to Apache.

package test

const (
	joins        = "httpd joins repeated header fields of a request with a comma"
	httpdRefuses = "httpd itself answers such a request"
	oneByOne     = "a process of prefork serves one request at a time: so many at once would need as many processes"
	elsewhere    = "whoever asks for the descriptors of a process of prefork asks another one"
	someStreams  = "mod_http2 runs only some of the streams of a connection at once, the others wait"
	overtaken    = "a reset by mod_http2 overtakes a head sent an instant before; see TestApache_HTTP2StreamsAreCutAlone"
)

func init() {
	for _, host := range []string{"apache-event", "apache-worker", "apache-prefork"} {
		exceptions[host] = map[string]string{
			"repeated_request_headers_keep_their_order":        joins, // TestApache_RepeatedRequestHeadersAreJoined
			"cookies_are_one_header_or_many":                   joins,
			"request_trailers_arrive_with_the_end_of_the_body": joins, // TestApache_RequestTrailersArrive
			"unknown_expectation_is_417":                       httpdRefuses,
			"what_is_no_uri_arrives_verbatim_too":              httpdRefuses,
		}
	}
	exceptions["apache-prefork"]["thousand_concurrent_requests_do_not_mix"] = oneByOne
	exceptions["apache-prefork"]["many_hijacked_connections_at_once"] = oneByOne
	exceptions["apache-prefork"]["file_that_was_sent_is_closed_though_the_handler_goes_on"] = elsewhere

	exceptions["apache-http2"] = map[string]string{
		"thousand_concurrent_requests_do_not_mix":          someStreams,
		"panic_after_the_first_byte_is_a_cut":              overtaken,
		"abort_is_a_cut_without_a_stack":                   overtaken,
		"too_few_bytes_are_a_cut":                          overtaken,
		"goexit_after_the_first_byte_is_a_cut":             overtaken,
		"chunked_upload_has_no_length_while_it_lasts":      noHop,
		"request_trailers_arrive_with_the_end_of_the_body": byHand,
	}
	for _, name := range []string{
		"request_line_arrives_verbatim", "repeated_request_headers_keep_their_order", "what_is_no_uri_arrives_verbatim_too",
		"keepalive_connection_serves_many_requests", "http10_response_ends_with_the_connection",
		"http10_abort_is_a_reset", "pipelined_requests_are_answered_in_order", "http10_file_ends_with_the_connection",
		"expect_is_answered_by_the_read", "expect_without_a_read_gets_no_100", "unknown_expectation_is_417",
		"cookies_are_one_header_or_many", "client_leaving_in_an_upload_is_an_error", "chunked_upload_arrives_whole",
		"growing_file_is_sent_as_it_grows", "file_that_shrinks_while_it_is_sent_is_a_cut",
		"client_leaving_in_a_file_is_an_error", "write_deadline_ends_the_sending_of_a_file",
		"two_lengths_are_refused", "slow_reader_stops_the_handler", "slow_handler_stops_the_upload",
	} {
		exceptions["apache-http2"][name] = byHand
	}
	for _, r := range hijackRows {
		if r.name != "hijack_after_the_head_fails" {
			exceptions["apache-http2"][r.name] = noConnection
		}
	}
}
