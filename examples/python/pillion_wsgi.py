"""A Go application as a WSGI application (PEP 3333), for any WSGI server. With this in wsgi.py

    from pillion_wsgi import Application
    application = Application("build/libpillion.so", "hello")

build and run it, from the top of the tree:

    make library
    python3 examples/python/serve.py build/libpillion.so hello 8000

The library is loaded at the first request, so in the process that serves, after
the server's fork; load() does it earlier. docs/ffi.md says what gunicorn, uWSGI
and mod_wsgi need.

Each request has a queue of its own, owned by the server's thread that iterates
over the response. That thread waits for the request's events, feeds it request
body, and credits each block when the server comes back for the next.
"""

import atexit
import contextlib
import ctypes
import errno
import http.client
import io
import os
import select
import threading
import urllib.parse

import pillion
import pillion_abi as abi

_BLOCK = 16 << 10  # of request body: a server's read() may wait until it has all of it
_FILE_BLOCK = 64 << 10

_VARIABLES = {
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "SERVER_NAME",
    "SERVER_PORT", "SERVER_ADDR", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "REMOTE_ADDR", "REMOTE_PORT", "HTTPS",
}

_HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade", "status",
}


class Application:
    """The application registered under a name in the library at a path.

    env are variables for it, settings fields of pillion_config. A process has
    one library: the first Application to load it settles both.
    """

    def __init__(self, library, app, env=(), **settings):
        self._path, self._name, self._env, self._settings = library, app, env, settings
        self._process = self._app = None

    def load(self):
        """Loads and starts the library, in the process that serves."""
        self._process = _Process.get(self._path, self._env, self._settings)
        self._app = self._process.library.app(self._name)

    def __call__(self, environ, start_response):
        if self._app is None:
            self.load()
        body = _Body(_Exchange(self._process, self._app, environ).blocks())
        return body.start(environ, start_response)


class _Process:
    """The library, started in this process."""

    _lock = threading.Lock()
    _started = {}  # by path; what went wrong, if it did: there is no second start

    @classmethod
    def get(cls, path, env, settings):
        with cls._lock:
            if path not in cls._started:
                try:
                    cls._started[path] = cls(path, env, settings)
                except pillion.Error as e:
                    cls._started[path] = e
        process = cls._started[path]
        if isinstance(process, Exception):
            raise RuntimeError(f"{path} has not started") from process
        return process

    def __init__(self, path, env, settings):
        self.library = pillion.Library(path)
        self.library.init(env, **settings)
        self.variables = dict(os.environ)
        atexit.register(self.stop)

    def stop(self):
        try:
            self.library.stop()
        except pillion.Error:  # a request or a hook took too long, which is logged; or a fork's child ends
            pass


class _Queue:
    """The queue of one request, whose owner is the thread that serves the request."""

    def __init__(self, library):
        handle, fd = ctypes.c_uint64(), ctypes.c_int32()
        library.check(library.queue_new(None, handle))
        library.check(library.queue_fd(handle, fd))
        self._library, self.handle, self.fd = library, handle, fd.value
        self._events, self._n = (abi.pillion_event * 16)(), ctypes.c_uint32()

    def poll(self):
        """The events there are, valid until the next poll."""
        self._library.check(self._library.poll(self.handle, self._events, ctypes.sizeof(abi.pillion_event), len(self._events), self._n))
        return self._events[:self._n.value]

    def free(self):
        """Ends the request too. Its context is cancelled if the application is not through."""
        self._library.check(self._library.queue_free(self.handle))


class _Exchange:
    """A request and its response."""

    def __init__(self, process, app, environ):
        self._process, self._library, self._app, self._environ = process, process.library, app, environ
        self._input = _Input(environ)
        self._handle = ctypes.c_uint64()
        self.status, self.headers = 0, []

    def blocks(self):
        """Yields this exchange once it knows its head, then the body. Raises pillion.Error if it is cut short."""
        library, queue = self._library, _Queue(self._library)
        try:
            flags = 0 if self._input.ended else abi.PILLION_REQUEST_MORE
            if "wsgi.file_wrapper" in self._environ:
                flags |= abi.PILLION_REQUEST_FILES
            request = pillion.new_request(self._app, _variables(self._environ, self._process.variables), flags=flags)
            library.check(library.submit(queue.handle, request, self._handle))
            poller = select.poll()
            poller.register(queue.fd, select.POLLIN)
            hungry = False
            while True:
                events = queue.poll()
                for event in events:
                    if event.flags & abi.PILLION_EVENT_HEAD:
                        self.status = event.status
                        self.headers = pillion.read_pairs(event.headers, event.headers_len)
                        yield self
                    if event.flags & abi.PILLION_EVENT_BODY:
                        yield ctypes.string_at(event.body, event.body_len)
                        library.check(library.credit(self._handle, event.body_len))
                    if event.flags & abi.PILLION_EVENT_FILE:
                        yield from self._file(_File(event.file, event.file_offset, event.file_len))
                    if event.flags & abi.PILLION_EVENT_COMPLETE:
                        return
                    if event.flags & abi.PILLION_EVENT_ABORTED:
                        library.check(abi.PILLION_E_ABORTED)
                    if event.flags & abi.PILLION_EVENT_ROOM:
                        hungry = True
                if events:
                    continue
                if hungry:  # reading may wait for the client, so only when nothing is to be sent
                    hungry = self._feed()
                else:
                    self._wait(poller)
        finally:
            queue.free()

    def _wait(self, poller):
        """Waits for events. Raises if the client leaves, which it may seem to do while its body is not read."""
        client = -1 if self._input.pending() else _client(self._environ)
        if client >= 0:
            poller.register(client, select.POLLRDHUP)
        if any(ready == client for ready, _ in poller.poll()):
            raise ConnectionResetError(errno.ECONNRESET, "the client has left")

    def _file(self, file):
        """Yields the file, for wsgi.file_wrapper, if all of it is all of the body; otherwise what is in it.

        Servers send a file from its beginning, wherever it stands.
        """
        if file.whole and ("Content-Length", str(file.left)) in self.headers:
            # The file is ours from here on, and the application may go on.
            self._library.check(self._library.credit(self._handle, file.left))
            yield file
            return
        with contextlib.closing(file):
            while file.left:
                block = file.read(_FILE_BLOCK)
                if not block:
                    raise EOFError("the file has become shorter")
                yield block
                self._library.check(self._library.credit(self._handle, len(block)))

    def _feed(self):
        """Hands over a block of request body. Returns whether there is room for another."""
        block = self._input.block()
        taken = ctypes.c_uint64()
        self._library.check(self._library.feed(self._handle, block, len(block), self._input.ended, taken))
        self._input.put_back(block[taken.value:])
        return taken.value == len(block) and not self._input.ended


class _Input:
    """wsgi.input, read no further than the request body goes."""

    def __init__(self, environ):
        stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")
        self._read = getattr(stream, "read1", stream.read)
        self._rest = b""
        if length:
            self._left = int(length) if length.isdigit() else 0
        else:  # only a server that says so marks the end of a body without a length
            self._left = None if environ.get("wsgi.input_terminated") else 0
        self.ended = self._left == 0
        self._announced = bool(length) or "HTTP_TRANSFER_ENCODING" in environ

    def pending(self):
        """Whether there is a body that has not been read to its end."""
        return self._announced and not self.ended

    def block(self):
        """The next bytes; ended says whether they are the last."""
        if self._rest:
            return self._rest
        block = self._read(_BLOCK if self._left is None else min(self._left, _BLOCK))
        if self._left is None:
            self.ended = not block
        elif not block:
            raise ConnectionResetError(errno.ECONNRESET, "the client left before the end of its request body")
        else:
            self._left -= len(block)
            self.ended = self._left == 0
        return block

    def put_back(self, rest):
        self._rest = rest


class _File(io.FileIO):
    """A part of a file, with a descriptor of its own that stands at its beginning."""

    def __init__(self, fd, offset, length):
        # Not dup: that would share, and move, the application's position.
        super().__init__(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC))
        self.seek(offset)
        self.left, self.blocks = length, ()
        self.whole = offset == 0 and os.fstat(self.fileno()).st_size == length

    def read(self, size=-1):
        block = super().read(self.left if size < 0 else min(self.left, size))
        self.left -= len(block)
        return block

    def close(self):
        """Lets the application come to its end, too."""
        super().close()
        with contextlib.suppress(pillion.Error):  # the response is whole, and the library has logged it
            for _ in self.blocks:
                pass


class _Body:
    """The response body as a WSGI server iterates over it."""

    def __init__(self, blocks):
        self._blocks, self._first = blocks, b""

    def start(self, environ, start_response):
        """Calls start_response as the first block is there, which is when WSGI sends the head, and returns the body.

        Until then a response that breaks off can still become a 500.
        """
        try:
            head = next(self._blocks)
            self._first = next(self._blocks, b"")
            start_response(_status_line(head.status), _sendable(head.headers))
            if isinstance(self._first, _File):
                self._first.blocks = self._blocks
                return environ["wsgi.file_wrapper"](self._first, _FILE_BLOCK)
        except pillion.Error as e:
            if e.status not in _ANSWERS:
                raise
            self._first = f"{e}\n".encode()
            start_response(_status_line(_ANSWERS[e.status]), [
                ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(self._first)))])
        except BaseException:
            self.close()
            raise
        return self

    def __iter__(self):
        return self

    def __next__(self):
        block, self._first = self._first, b""
        return block or next(self._blocks)

    def close(self):
        """Ends the request, whose context is cancelled if the response is not through."""
        self._blocks.close()


_ANSWERS = {abi.PILLION_E_ABORTED: 500, abi.PILLION_E_FULL: 503, abi.PILLION_E_STOPPED: 503}


def _status_line(status):
    return f"{status} {http.client.responses.get(status, 'Unknown')}"


def _sendable(headers):
    """What WSGI lets an application send: no hop-by-hop header, no control character."""
    return [(name, value.replace("\t", " ")) for name, value in headers if name.lower() not in _HOP_BY_HOP]


def _variables(environ, process):
    """environ as pillion_request has it. Some servers put all variables of the process into it: those stay out."""
    pairs = [(name, value) for name, value in environ.items()
             if isinstance(value, str) and "." not in name and name not in ("REQUEST_URI", "REQUEST_SCHEME")
             and (value or name not in ("CONTENT_LENGTH", "CONTENT_TYPE"))
             and (name in _VARIABLES or name.startswith("HTTP_") or process.get(name) != value)]
    pairs.append(("REQUEST_SCHEME", environ["wsgi.url_scheme"]))
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI", "")
    if target and _names(target, environ):
        pairs.append(("REQUEST_URI", target))
    return pairs


def _names(target, environ):
    """Whether PATH_INFO, which counts in WSGI, still says what the target of the request line does."""
    path, _, query = target.partition("?")
    path = urllib.parse.unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    return path == environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") and query == environ.get("QUERY_STRING", "")


def _client(environ):
    """The client's descriptor, -1 if the server does not show it."""
    if "gunicorn.socket" in environ:
        return environ["gunicorn.socket"].fileno()
    if "uwsgi.version" in environ:
        import uwsgi  # which there is in a uWSGI process only
        return uwsgi.connection_fd()
    return -1
