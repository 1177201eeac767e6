"""Serves a Go application with Python's own WSGI server. Build and run it, from the top of the tree:

    make library
    python3 examples/python/serve.py build/libpillion.so hello 8000
"""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from pillion_wsgi import Application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


path, name, port = sys.argv[1:]
application = Application(path, name)
application.load()
with make_server("127.0.0.1", int(port), application, Server) as server:
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
