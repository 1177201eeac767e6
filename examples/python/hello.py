"""A request from Python to a Go application. Build and run it, from the top of the tree:

    make library
    python3 examples/python/hello.py build/libpillion.so hello '/?name=Python'
"""

import sys

import pillion

path, name, target = sys.argv[1:]

try:
    library = pillion.Library(path)
    library.init()
    response = library.call(library.app(name), {
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": target,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": "11",
    }, b"color=green")
    library.stop()
except pillion.Aborted as e:
    sys.exit(f"{e}, after {len(e.response.body)} bytes")
except pillion.Error as e:
    sys.exit(f"{e}")

print(response.status)
for field, value in response.headers:
    print(f"{field}: {value}")
print()
sys.stdout.flush()
sys.stdout.buffer.write(response.body)
