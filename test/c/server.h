/*
 * server.h - what the test servers have in common: loading the library,
 * listening, threads, the end.
 */

#ifndef SERVER_H
#define SERVER_H

#include "http.h"
#include "pillion_loader.h"

typedef struct server {
    pillion_api api;
    uint64_t    behave;             /* the applications' handles               */
    uint64_t    other;
    int         listener;
} server;

/*
 * Loads and starts the library that argv[1] names, listens on a free port of
 * 127.0.0.1 and prints "PORT n". SIGTERM and SIGINT are blocked, for
 * server_wait(). Ends the process on a failure.
 */
void server_start(server *s, int argc, char **argv);

/* The handle of the application a request is for. */
uint64_t server_app(const server *s, const http_head *h);

/* Takes a new connection's socket options in hand. */
void server_setup(int fd, http_peers *peers);

/* Waits for SIGTERM or SIGINT. */
void server_wait(void);

/*
 * Runs serve on a thread of its own for each connection, until SIGTERM. serve
 * need not close fd. Returns when all threads have ended.
 */
void server_run_threads(server *s, void (*serve)(server *s, int fd, const http_peers *peers));

/* Stops the library and prints what it still holds, as "STATS {...}". Returns
 * what main() should return. */
int server_stop(server *s);


/* A connection that is read and written by a thread that may block. */
typedef struct conn {
    int    fd;
    int    reset;                   /* its close will be a reset               */
    size_t pos;
    size_t len;
    char   in[HTTP_HEAD_MAX];
} conn;

conn *conn_new(int fd);

/* Reads a head: 1, 0 at the end of the connection, or -1 if it is malformed,
 * which has been answered. */
int conn_read_head(conn *c, http_head *h, const http_peers *peers);

/* Reads up to cap bytes of body: how many, 0 at its end, -1 on a failure. */
ssize_t conn_read_body(conn *c, http_body *b, char *buf, size_t cap);

/* Reads what the client sends after its request, without waiting: how many
 * bytes, 0 at the end, PILLION_IO_AGAIN, or -1 on a failure. */
int64_t conn_read_raw(conn *c, char *buf, size_t cap);

/* Sends a stretch of a file. Returns 0, or -1, also if the file is shorter. */
int conn_send_file(conn *c, int fd, uint64_t offset, uint64_t len);

/* Sends all bytes. Returns 0 or -1. */
int conn_send(conn *c, const char *bytes, size_t len);

/* Whether the other end has closed the connection. */
int conn_gone(conn *c);

/* Says that nothing more will be sent, and waits a moment for the client to
 * have taken it: a close with bytes unread would take it away. */
void conn_linger(conn *c);

/* Makes the close that follows a reset. */
void conn_reset(conn *c);

#endif
