"""Go web applications in a Python process: pillion.h by ctypes.

    library = pillion.Library("build/libpillion.so")
    library.init()
    response = library.call(library.app("hello"), {"REQUEST_METHOD": "GET", "REQUEST_URI": "/"})

A str has a character for each byte here (Latin-1), as in http.client and WSGI;
bytes are taken as they are. pillion_abi.py holds the declarations, and what a
status or a field means stands in pillion.h.
"""

import ctypes
import os
import signal
import struct

import pillion_abi as abi

# Never block and never enter Go: not worth letting go of the interpreter's lock.
_SHORT = {
    "pillion_abi", "pillion_version", "pillion_strerror", "pillion_response_free", "pillion_queue_fd",
    "pillion_queue_free", "pillion_submit", "pillion_feed", "pillion_poll", "pillion_flush", "pillion_credit",
    "pillion_cancel", "pillion_release",
}

_PAIR = struct.Struct("@PPII")


class Error(Exception):
    """A status that is not PILLION_OK: .status is its number, .name PILLION_E_...; both None if loading failed."""

    def __init__(self, status, text):
        self.status = status
        self.name = None if status is None else abi.STATUSES.get(status, str(status))
        super().__init__(text if status is None else f"{self.name}: {text}")


class Aborted(Error):
    """The application broke off: .response is what it had sent, with status 0 if nothing."""

    def __init__(self, status, text, response):
        super().__init__(status, text)
        self.response = response


class Response:
    """A whole response. headers and trailers are lists of (name, value)."""

    def __init__(self, status, headers, trailers, body):
        self.status, self.headers, self.trailers, self.body = status, headers, trailers, body

    def header(self, name):
        """The first value under a name, in any case, or None."""
        return next((value for n, value in self.headers if n.lower() == name.lower()), None)


class Library:
    """A loaded library. There is one in a process, and no way to unload it: load it after the last fork."""

    def __init__(self, path):
        path = os.fsdecode(path)
        # Without a slash it would be looked for elsewhere.
        file = os.path.join(os.curdir, path)
        # Go's threads are to inherit a full mask: signals are for Python's.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            long, short = ctypes.CDLL(file), ctypes.PyDLL(file)
        except OSError as e:
            raise Error(None, f'cannot load "{path}": {e}') from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        if not hasattr(long, "pillion_abi"):
            raise Error(None, f'cannot load "{path}": it is not a Pillion library')
        self._declare("pillion_abi", short)
        has = self.abi()
        if has >> 16 != abi.PILLION_ABI_MAJOR or has & 0xFFFF < abi.PILLION_ABI_MINOR:
            raise Error(None, f'cannot load "{path}": it has the Pillion ABI {has >> 16}.{has & 0xFFFF}, '
                              f"{abi.PILLION_ABI_MAJOR}.{abi.PILLION_ABI_MINOR} is needed")
        for name in abi.FUNCTIONS:
            self._declare(name, short if name in _SHORT else long)

    def _declare(self, name, dll):
        """Makes a function a method, without pillion_ unless the name is taken by one below."""
        function = getattr(dll, name)
        function.restype, function.argtypes = abi.FUNCTIONS[name]
        setattr(self, name if hasattr(self, name[8:]) else name[8:], function)

    def check(self, status):
        if status != abi.PILLION_OK:
            raise Error(status, self.strerror(status).decode())

    def init(self, env=(), **settings):
        """pillion_init(): env are variables for the applications, settings fields of pillion_config."""
        settings.setdefault("flags", 0)
        if signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN:
            settings["flags"] |= abi.PILLION_CONFIG_IGNORE_SIGPIPE
        variables = pairs(env)
        config = abi.pillion_config(size=ctypes.sizeof(abi.pillion_config), env=variables, env_len=len(variables), **settings)
        self.check(self.pillion_init(config))

    def app(self, name):
        """The handle of the application registered under a name."""
        name, handle = as_bytes(name), ctypes.c_uint64()
        self.check(self.app_find(name, len(name), handle))
        return handle.value

    def call(self, app, environ, body=b"", headers=()):
        """pillion_call(): environ and headers are pairs, or a dict. Other Python threads run meanwhile."""
        request = new_request(app, environ, body, headers)
        raw = abi.pillion_response(size=ctypes.sizeof(abi.pillion_response))
        status = self.pillion_call(request, raw)
        if status not in (abi.PILLION_OK, abi.PILLION_E_ABORTED):
            self.check(status)
        try:
            response = Response(raw.status, read_pairs(raw.headers, raw.headers_len),
                                read_pairs(raw.trailers, raw.trailers_len), ctypes.string_at(raw.body, raw.body_len))
        finally:
            self.check(self.response_free(raw.handle))
        if status == abi.PILLION_E_ABORTED:
            raise Aborted(status, self.strerror(status).decode(), response)
        return response

    def stop(self, drain_ms=1000, stop_ms=5000):
        self.check(self.pillion_stop(drain_ms, stop_ms))


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def address(data):
    """Where the bytes lie, valid as long as the object lives."""
    return ctypes.cast(data, ctypes.c_void_p).value


def pairs(items):
    """items, pairs or a dict, as an array of pillion_pair that keeps its bytes alive."""
    items = [(as_bytes(name), as_bytes(value)) for name, value in (items.items() if isinstance(items, dict) else items)]
    block = b"".join(name + value for name, value in items)
    at, rows = address(block), []
    for name, value in items:
        rows.append((at, at + len(name), len(name), len(value)))
        at += len(name) + len(value)
    array = (abi.pillion_pair * len(rows))(*rows)
    array.block = block
    return array


def read_pairs(array, n):
    """A borrowed array of pillion_pair as a list of (name, value)."""
    if not n:
        return []
    return [(ctypes.string_at(name, name_len).decode("latin-1"), ctypes.string_at(value, value_len).decode("latin-1"))
            for name, value, name_len, value_len in _PAIR.iter_unpack(ctypes.string_at(array, n * _PAIR.size))]


def new_request(app, environ, body=b"", headers=(), **fields):
    """A pillion_request that keeps alive what it points to."""
    environ, headers = pairs(environ), pairs(headers)
    request = abi.pillion_request(
        size=ctypes.sizeof(abi.pillion_request), app=app, environ=environ, environ_len=len(environ), headers=headers,
        headers_len=len(headers), body=address(body), body_len=len(body), **fields)
    request.alive = environ, headers, body
    return request
