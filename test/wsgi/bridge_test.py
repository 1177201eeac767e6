"""What the bridge promises that no WSGI server shows. BEHAVE_LIBRARY is the library."""

import io
import json
import os
import unittest
import urllib.parse
import wsgiref.util
from wsgiref.validate import validator

import pillion
from pillion_wsgi import Application

LIBRARY = os.environ["BEHAVE_LIBRARY"]
application = Application(LIBRARY, "behave", {"BEHAVE_X": "x"}, log_level=99)


class Call:
    """A request as a server would make it."""

    def __init__(self, path, body=b"", app=application, **environ):
        path, _, query = path.partition("?")
        self.environ = {"SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO(body),
                        "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "h"}
        if body:
            self.environ.update(REQUEST_METHOD="POST", CONTENT_LENGTH=str(len(body)))
        self.environ.update(environ)
        wsgiref.util.setup_testing_defaults(self.environ)
        self.starts = []
        self.body = app(self.environ, self.start_response)

    def start_response(self, status, headers, exc_info=None):
        self.starts.append((status, dict(headers)))

    def read(self):
        try:
            return b"".join(self.body)
        finally:
            self.body.close()


def spec(**fields):
    return "/respond?spec=" + urllib.parse.quote(json.dumps(fields))


class Bridge(unittest.TestCase):
    def facts(self, path, **environ):
        return json.loads(Call(path, **environ).read())

    def test_request_target_is_taken_verbatim(self):
        for name in "REQUEST_URI", "RAW_URI":
            facts = self.facts("/facts/a/b?q", **{name: "/facts/a%2Fb?q"})
            self.assertEqual('"/facts/a%2Fb?q"', facts["URI"])

    def test_rewritten_path_is_heeded(self):
        facts = self.facts("/facts/new?q", REQUEST_URI="/facts/old?q")
        self.assertEqual('"/facts/new?q"', facts["URI"])
        facts = self.facts("/facts/x?new", REQUEST_URI="/facts/x?old")
        self.assertEqual('"/facts/x?new"', facts["URI"])

    def test_variables_of_the_process_stay_out(self):
        names = [name for name, _ in self.facts("/facts/x", PATH=os.environ["PATH"], OWN="own", **{"wsgi.own": "x"})["Environ"]]
        self.assertNotIn('"PATH"', names)
        self.assertNotIn('"wsgi.own"', names)
        self.assertIn('"OWN"', names)

    def test_scheme_is_that_of_wsgi(self):
        self.assertTrue(self.facts("/facts/x", **{"wsgi.url_scheme": "https", "REQUEST_SCHEME": "http"})["TLS"])

    def test_hop_by_hop_and_status_headers_are_not_passed_on(self):
        call = Call(spec(Headers=[["Connection", "close"], ["Status", "200"], ["X-Tab", "a\tb"]], Pieces=["x"]))
        self.assertEqual(b"x", call.read())
        (status, headers), = call.starts
        self.assertEqual("200 OK", status)
        self.assertEqual("a b", headers["X-Tab"])
        self.assertNotIn("Connection", headers)
        self.assertNotIn("Status", headers)

    def test_statuses_have_a_reason(self):
        for status, line in (404, "404 Not Found"), (599, "599 Unknown"):
            call = Call(spec(Status=status, Pieces=["x"]))
            call.read()
            self.assertEqual(line, call.starts[0][0])

    def test_break_before_the_first_block_is_500(self):
        call = Call("/panic?n=10")
        self.assertIn(b"PILLION_E_ABORTED", call.read())
        self.assertEqual(["500 Internal Server Error"], [status for status, _ in call.starts])

    def test_break_after_the_first_block_is_raised(self):
        call = Call("/panic?n=10&flush=1")
        self.assertEqual(b"p" * 10, next(call.body))
        with self.assertRaises(pillion.Error) as raised:
            next(call.body)
        self.assertEqual("PILLION_E_ABORTED", raised.exception.name)
        call.body.close()

    def test_close_cancels_the_context(self):
        call = Call("/hold?key=close&send=begin")
        self.assertEqual(b"begin", next(call.body))
        call.body.close()
        self.assertIn(b"cancelled", Call("/await?key=close/done").read())

    def test_failing_start_response_cancels_the_context(self):
        def refuse(status, headers):
            raise AssertionError("no")

        call = Call("/hold?key=refused&send=begin", app=lambda *_: None)
        with self.assertRaises(AssertionError):
            application(call.environ, refuse)
        self.assertIn(b"cancelled", Call("/await?key=refused/done").read())

    def test_body_that_ends_too_early_is_an_error(self):
        with self.assertRaises(ConnectionResetError):
            Call("/slow-upload?key=short&first=100", b"short", CONTENT_LENGTH="100")
        self.assertNotEqual(b"", Call("/await?key=short/end").read())

    def test_body_that_nobody_reads_is_not_read(self):
        call = Call("/unread", b"x" * 100000)
        call.read()
        self.assertEqual(0, call.environ["wsgi.input"].tell())

    def test_body_without_length_is_read_only_if_its_end_is_marked(self):
        for marked, want in ({"wsgi.input_terminated": True}, b"whole"), ({}, b""):
            call = Call("/echo", REQUEST_METHOD="POST", **{"wsgi.input": io.BytesIO(b"whole"), **marked})
            self.assertEqual(want, call.read())

    def test_whole_file_goes_to_the_servers_file_wrapper(self):
        with open("file.bin", "wb") as f:
            f.write(b"0123456789" * 10000)
        given = []

        class Wrapper(wsgiref.util.FileWrapper):
            def __init__(self, file, size):
                given.append(os.pread(file.fileno(), 10, 0))
                super().__init__(file, size)

        wrapper = {"wsgi.file_wrapper": Wrapper}
        path = "/content?path=" + os.path.abspath("file.bin")
        self.assertEqual(b"0123456789" * 10000, Call(path, **wrapper).read())
        self.assertEqual([b"0123456789"], given)
        self.assertEqual((b"0123456789" * 10000)[5:90000], Call(path, HTTP_RANGE="bytes=5-89999", **wrapper).read())
        self.assertEqual(1, len(given), "a part is read")
        self.assertEqual(b"0", Call("/open-files?path=" + os.path.abspath("file.bin")).read())

    def test_applications_share_the_library(self):
        call = Call("/x", app=validator(Application(LIBRARY, "other")))
        self.assertEqual(b"the other application: /x", call.read())

    def test_unknown_application_has_a_name(self):
        with self.assertRaisesRegex(pillion.Error, "PILLION_E_APP"):
            Call("/", app=Application(LIBRARY, "nobody"))

    def test_nothing_is_left(self):
        runtime = json.loads(Call("/runtime").read())
        self.assertLessEqual(runtime["Counts"]["Queues"], 1)
        self.assertLessEqual(runtime["Counts"]["Requests"], 1)


class Failure(unittest.TestCase):
    def test_start_that_failed_is_not_tried_again(self):
        missing = Application("no-such-library.so", "x")
        for _ in range(2):
            with self.assertRaisesRegex(RuntimeError, "no-such-library.so has not started") as raised:
                Call("/", app=missing)
            self.assertIsInstance(raised.exception.__cause__, pillion.Error)


if __name__ == "__main__":
    unittest.main()
