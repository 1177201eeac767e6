# Generated from include/pillion.h by go generate ./capi/abi; do not edit.

import ctypes as _c

PILLION_ABI_MAJOR = 1
PILLION_ABI_MINOR = 1
PILLION_ABI = 65537
PILLION_OK = 0
PILLION_E_ARG = -1
PILLION_E_SIZE = -2
PILLION_E_STATE = -3
PILLION_E_STOPPED = -4
PILLION_E_FORKED = -5
PILLION_E_GONE = -6
PILLION_E_FULL = -7
PILLION_E_APP = -8
PILLION_E_LIMIT = -9
PILLION_E_MEMORY = -10
PILLION_E_OS = -11
PILLION_E_START = -12
PILLION_E_ABORTED = -13
PILLION_E_IO = -14
PILLION_E_TIMEOUT = -15
PILLION_MAX_PAIRS = 65536
PILLION_MAX_BLOCK = 67108864
PILLION_MAX_INFLIGHT = 1048576
PILLION_MAX_QUEUES = 4096
PILLION_MAX_WINDOW = 1073741824
PILLION_LOG_DEBUG = -4
PILLION_LOG_INFO = 0
PILLION_LOG_WARN = 4
PILLION_LOG_ERROR = 8
PILLION_CONFIG_IGNORE_SIGPIPE = 1
PILLION_REQUEST_MORE = 1
PILLION_REQUEST_FILES = 2
PILLION_REQUEST_HIJACK = 4
PILLION_IO_AGAIN = -11
PILLION_QUEUE_BATCH = 1
PILLION_EVENT_INFO = 1
PILLION_EVENT_HEAD = 2
PILLION_EVENT_BODY = 4
PILLION_EVENT_FLUSH = 8
PILLION_EVENT_TRAILERS = 16
PILLION_EVENT_COMPLETE = 32
PILLION_EVENT_ABORTED = 64
PILLION_EVENT_ROOM = 128
PILLION_EVENT_FILE = 256
PILLION_EVENT_HIJACK = 512

STATUSES = {
    0: "PILLION_OK",
    -1: "PILLION_E_ARG",
    -2: "PILLION_E_SIZE",
    -3: "PILLION_E_STATE",
    -4: "PILLION_E_STOPPED",
    -5: "PILLION_E_FORKED",
    -6: "PILLION_E_GONE",
    -7: "PILLION_E_FULL",
    -8: "PILLION_E_APP",
    -9: "PILLION_E_LIMIT",
    -10: "PILLION_E_MEMORY",
    -11: "PILLION_E_OS",
    -12: "PILLION_E_START",
    -13: "PILLION_E_ABORTED",
    -14: "PILLION_E_IO",
    -15: "PILLION_E_TIMEOUT",
}

pillion_log_fn = _c.CFUNCTYPE(None, _c.c_void_p, _c.c_int32, _c.c_void_p, _c.c_uint64)


class pillion_pair(_c.Structure):
    _fields_ = [
        ("name", _c.c_void_p),
        ("value", _c.c_void_p),
        ("name_len", _c.c_uint32),
        ("value_len", _c.c_uint32),
    ]


class pillion_config(_c.Structure):
    _fields_ = [
        ("size", _c.c_uint32),
        ("env_len", _c.c_uint32),
        ("env", _c.POINTER(pillion_pair)),
        ("log", pillion_log_fn),
        ("log_data", _c.c_void_p),
        ("log_fd", _c.c_int32),
        ("log_level", _c.c_int32),
        ("crash_fd", _c.c_int32),
        ("gomaxprocs", _c.c_int32),
        ("gc_percent", _c.c_int32),
        ("flags", _c.c_uint32),
        ("memory_limit", _c.c_int64),
        ("server_software", _c.c_void_p),
        ("server_software_len", _c.c_uint64),
    ]


class pillion_request(_c.Structure):
    _fields_ = [
        ("size", _c.c_uint32),
        ("flags", _c.c_uint32),
        ("app", _c.c_uint64),
        ("environ", _c.POINTER(pillion_pair)),
        ("headers", _c.POINTER(pillion_pair)),
        ("environ_len", _c.c_uint32),
        ("headers_len", _c.c_uint32),
        ("body", _c.c_void_p),
        ("body_len", _c.c_uint64),
        ("data", _c.c_void_p),
        ("credit", _c.c_uint32),
        ("window", _c.c_uint32),
    ]


class pillion_stats_t(_c.Structure):
    _fields_ = [
        ("size", _c.c_uint32),
        ("queues", _c.c_uint32),
        ("requests", _c.c_uint64),
        ("responses", _c.c_uint64),
        ("running", _c.c_uint64),
        ("buffered", _c.c_uint64),
        ("goroutines", _c.c_uint64),
        ("heap", _c.c_uint64),
        ("wakes_in", _c.c_uint64),
        ("wakes_out", _c.c_uint64),
        ("completed", _c.c_uint64),
        ("abandoned", _c.c_uint64),
        ("abandoned_bytes", _c.c_uint64),
    ]


class pillion_response(_c.Structure):
    _fields_ = [
        ("size", _c.c_uint32),
        ("status", _c.c_int32),
        ("handle", _c.c_uint64),
        ("headers", _c.POINTER(pillion_pair)),
        ("trailers", _c.POINTER(pillion_pair)),
        ("headers_len", _c.c_uint32),
        ("trailers_len", _c.c_uint32),
        ("body", _c.c_void_p),
        ("body_len", _c.c_uint64),
    ]


class pillion_io(_c.Structure):
    _fields_ = [
        ("size", _c.c_uint32),
        ("alive_ms", _c.c_uint32),
        ("data", _c.c_void_p),
        ("read", _c.CFUNCTYPE(_c.c_int64, _c.c_void_p, _c.c_void_p, _c.c_uint64)),
        ("head", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p, _c.c_int32, _c.POINTER(pillion_pair), _c.c_uint32)),
        ("write", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p, _c.c_void_p, _c.c_uint64)),
        ("flush", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p)),
        ("trailers", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p, _c.POINTER(pillion_pair), _c.c_uint32)),
        ("alive", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p)),
        ("file", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p, _c.c_int32, _c.c_uint64, _c.c_uint64)),
        ("request_trailers", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p, _c.POINTER(_c.POINTER(pillion_pair)), _c.POINTER(_c.c_uint32))),
        ("hijack", _c.CFUNCTYPE(_c.c_int32, _c.c_void_p, _c.POINTER(_c.c_int32))),
    ]


class pillion_queue_config(_c.Structure):
    _fields_ = [
        ("size", _c.c_uint32),
        ("flags", _c.c_uint32),
        ("max_in_flight", _c.c_uint32),
        ("reserved", _c.c_uint32),
    ]


class pillion_event(_c.Structure):
    _fields_ = [
        ("request", _c.c_uint64),
        ("data", _c.c_void_p),
        ("flags", _c.c_uint32),
        ("status", _c.c_int32),
        ("headers", _c.POINTER(pillion_pair)),
        ("body", _c.c_void_p),
        ("body_len", _c.c_uint64),
        ("headers_len", _c.c_uint32),
        ("file", _c.c_int32),
        ("file_offset", _c.c_uint64),
        ("file_len", _c.c_uint64),
    ]


FUNCTIONS = {
    "pillion_abi": (_c.c_uint32, []),
    "pillion_version": (_c.c_char_p, []),
    "pillion_strerror": (_c.c_char_p, [_c.c_int32]),
    "pillion_init": (_c.c_int32, [_c.POINTER(pillion_config)]),
    "pillion_app_find": (_c.c_int32, [_c.c_void_p, _c.c_uint64, _c.POINTER(_c.c_uint64)]),
    "pillion_app_name": (_c.c_int32, [_c.c_uint32, _c.POINTER(_c.c_void_p), _c.POINTER(_c.c_uint64)]),
    "pillion_stop": (_c.c_int32, [_c.c_uint32, _c.c_uint32]),
    "pillion_stats": (_c.c_int32, [_c.POINTER(pillion_stats_t)]),
    "pillion_call": (_c.c_int32, [_c.POINTER(pillion_request), _c.POINTER(pillion_response)]),
    "pillion_response_free": (_c.c_int32, [_c.c_uint64]),
    "pillion_call_event": (_c.c_int32, [_c.c_uint64, _c.c_void_p, _c.c_uint64, _c.c_void_p, _c.c_uint64, _c.POINTER(pillion_response)]),
    "pillion_serve": (_c.c_int32, [_c.POINTER(pillion_request), _c.POINTER(pillion_io)]),
    "pillion_queue_new": (_c.c_int32, [_c.POINTER(pillion_queue_config), _c.POINTER(_c.c_uint64)]),
    "pillion_queue_fd": (_c.c_int32, [_c.c_uint64, _c.POINTER(_c.c_int32)]),
    "pillion_queue_free": (_c.c_int32, [_c.c_uint64]),
    "pillion_submit": (_c.c_int32, [_c.c_uint64, _c.POINTER(pillion_request), _c.POINTER(_c.c_uint64)]),
    "pillion_feed": (_c.c_int32, [_c.c_uint64, _c.c_void_p, _c.c_uint64, _c.c_int32, _c.POINTER(_c.c_uint64)]),
    "pillion_feed_trailers": (_c.c_int32, [_c.c_uint64, _c.POINTER(pillion_pair), _c.c_uint32]),
    "pillion_poll": (_c.c_int32, [_c.c_uint64, _c.POINTER(pillion_event), _c.c_uint32, _c.c_uint32, _c.POINTER(_c.c_uint32)]),
    "pillion_flush": (_c.c_int32, [_c.c_uint64]),
    "pillion_peek": (_c.c_int32, [_c.c_uint64, _c.POINTER(_c.c_uint32)]),
    "pillion_credit": (_c.c_int32, [_c.c_uint64, _c.c_uint64]),
    "pillion_cancel": (_c.c_int32, [_c.c_uint64]),
    "pillion_release": (_c.c_int32, [_c.c_uint64]),
}
