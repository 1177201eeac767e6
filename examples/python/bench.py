"""What a call costs, and whether calls leave something behind:

    make library
    python3 examples/python/bench.py build/libpillion.so 100000
"""

import gc
import re
import sys
import time

import pillion

path, calls = sys.argv[1], int(sys.argv[2])

body = b"name=" + b"x" * 1000
environ = {
    "REQUEST_METHOD": "POST", "REQUEST_URI": "/", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
    "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)),
}

library = pillion.Library(path)
library.init(log_level=8)
hello = library.app("hello")


def run(n):
    for _ in range(n):
        response = library.call(hello, environ, body)
        assert response.status == 200 and len(response.body) == 1009
        try:
            library.call(0, environ, body)
        except pillion.Error:
            continue
        raise AssertionError("0 is no application")


def resident():
    gc.collect()
    with open("/proc/self/status") as status:
        return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M)[1])


run(calls // 10)
before, start = resident(), time.monotonic()
run(calls)
micros = (time.monotonic() - start) * 1e6 / calls
print(f"python: {calls} calls, {micros:.1f} us each, resident {before} KiB, then {resident()} KiB")
library.stop()
