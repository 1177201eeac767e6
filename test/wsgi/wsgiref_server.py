"""Python's own server on 127.0.0.1 and the port given, a thread for each request."""

import signal
import socket
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from app import application


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, buffer, 128 << 10)
        super().server_bind()


server = make_server("127.0.0.1", int(sys.argv[1]), application, Server)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
