import os
import socket


def when_ready(server):
    for listener in server.LISTENERS:
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            listener.sock.setsockopt(socket.SOL_SOCKET, buffer, 128 << 10)


if os.environ.get("BEHAVE_POST_WORKER_INIT"):
    def post_worker_init(worker):
        import app
        app.behave.load()
