/*
 * httpd_serve.c - a small HTTP/1.1 server over the serve drive: a thread for
 * each connection, bodies as they come, both ways.
 *
 *     httpd_serve LIBRARY
 */

#include "server.h"

#include <stdlib.h>

#define ALIVE_MS 20


/* A request in the hands of pillion_serve(). */
typedef struct exchange {
    conn      *c;
    http_head *h;
    http_body  body;
    int        continued;           /* 100 Continue has been sent, or need not */
    int        framing;
    int        keepalive;
    int        sent;                /* the final head has been                 */
    int        trailed;             /* the last chunk has been                 */
    int        raw;                 /* the application has the connection      */
    size_t     held;                /* bytes in out                            */
    char       out[16384];
} exchange;


static int send_held(exchange *x)
{
    size_t n = x->held;

    x->held = 0;
    return conn_send(x->c, x->out, n);
}


static int hold(exchange *x, const char *bytes, size_t len)
{
    if (x->held + len > sizeof(x->out) && send_held(x) == -1) {
        return -1;
    }
    if (len > sizeof(x->out)) {
        return conn_send(x->c, bytes, len);
    }
    memcpy(x->out + x->held, bytes, len);
    x->held += len;
    return 0;
}


/* Holds malloc()ed bytes and frees them. */
static int hold_and_free(exchange *x, char *bytes, size_t len)
{
    int rc = bytes == NULL ? -1 : hold(x, bytes, len);

    free(bytes);
    return rc;
}


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    exchange *x = data;

    if (x->raw) {
        return conn_read_raw(x->c, buf, cap);
    }
    if (!x->continued) {
        x->continued = 1;
        if (!x->sent && conn_send(x->c, HTTP_CONTINUE, sizeof(HTTP_CONTINUE) - 1) == -1) {
            return -1;
        }
    }
    return conn_read_body(x->c, &x->body, buf, cap);
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    exchange *x = data;
    char     *head;
    size_t    len;

    if (status < 200) {
        if (x->h->minor == 0) {
            return 0;
        }
        head = http_info_format(status, headers, n, &len);
        return hold_and_free(x, head, len);
    }
    x->sent = 1;
    /* Nobody has asked for the body, and now nobody can. */
    x->keepalive = x->continued || x->body.done;
    head = http_head_format(x->h, status, headers, n, &len, &x->framing, &x->keepalive);
    return hold_and_free(x, head, len);
}


static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    exchange *x = data;
    char      line[HTTP_CHUNK_MAX];

    if (x->raw) {
        return conn_send(x->c, buf, len);
    }
    if (x->framing != HTTP_CHUNKED) {
        return hold(x, buf, len);
    }
    return hold(x, line, http_chunk_format(line, len)) == -1 || hold(x, buf, len) == -1
                   || hold(x, "\r\n", 2) == -1
               ? -1
               : 0;
}


static int32_t on_file(void *data, int32_t fd, uint64_t offset, uint64_t len)
{
    exchange *x = data;
    char      line[HTTP_CHUNK_MAX];
    int       chunked = x->framing == HTTP_CHUNKED;

    if (chunked && hold(x, line, http_chunk_format(line, len)) == -1) {
        return -1;
    }
    if (send_held(x) == -1 || conn_send_file(x->c, fd, offset, len) == -1) {
        return -1;
    }
    return chunked ? hold(x, "\r\n", 2) : 0;
}


static int32_t on_request_trailers(void *data, const pillion_pair **trailers, uint32_t *n)
{
    exchange *x = data;

    *trailers = x->body.trailers;
    *n = x->body.trailers_len;
    return 0;
}


static int32_t on_hijack(void *data, int32_t *fd)
{
    exchange *x = data;

    x->raw = 1;
    *fd = x->c->fd;
    return send_held(x);
}


static int32_t on_flush(void *data)
{
    return send_held(data);
}


static int32_t on_trailers(void *data, const pillion_pair *trailers, uint32_t n)
{
    exchange *x = data;
    char     *last;
    size_t    len;

    if (x->framing != HTTP_CHUNKED) {
        return 0;
    }
    x->trailed = 1;
    last = http_last_format(trailers, n, &len);
    return hold_and_free(x, last, len);
}


static int32_t on_alive(void *data)
{
    exchange *x = data;

    return !conn_gone(x->c);
}


/* Ends a whole response. Returns 0 if the connection lives on. */
static int finish(exchange *x)
{
    if (x->framing == HTTP_CHUNKED && !x->trailed && on_trailers(x, NULL, 0) == -1) {
        return -1;
    }
    return send_held(x) == 0 && x->keepalive && x->body.done ? 0 : -1;
}


/* Serves one request. Returns 0 if the connection lives on. */
static int serve_one(server *s, exchange *x)
{
    pillion_request req = PILLION_REQUEST_INIT;
    pillion_io      io = PILLION_IO_INIT;
    int32_t         status;

    http_body_init(&x->body, x->h);
    x->continued = !x->h->expect_continue || x->body.done;
    x->sent = x->trailed = x->raw = 0;
    x->held = 0;
    x->framing = HTTP_NONE;

    req.app = server_app(s, x->h);
    req.environ = x->h->environ;
    req.environ_len = x->h->environ_len;
    req.headers = x->h->headers;
    req.headers_len = x->h->headers_len;
    req.flags = PILLION_REQUEST_FILES | PILLION_REQUEST_HIJACK
                | (x->body.done ? 0 : PILLION_REQUEST_MORE);

    io.data = x;
    io.read = on_read;
    io.head = on_head;
    io.write = on_write;
    io.flush = on_flush;
    io.trailers = on_trailers;
    io.alive = on_alive;
    io.file = on_file;
    io.request_trailers = on_request_trailers;
    io.hijack = on_hijack;
    io.alive_ms = ALIVE_MS;

    status = s->api.serve(&req, &io);

    if (x->raw) {
        return -1;
    }
    switch (status) {
    case PILLION_OK:
        return finish(x);
    case PILLION_E_IO:
        if (x->sent && x->framing == HTTP_CLOSE) {
            conn_reset(x->c);
        }
        return -1;
    default:
        if (!x->sent) {
            conn_send(x->c, http_error(500), strlen(http_error(500)));
        } else {
            send_held(x);
            if (x->framing == HTTP_CLOSE) {
                conn_reset(x->c);
            }
        }
        return -1;
    }
}


static void serve(server *s, int fd, const http_peers *peers)
{
    exchange *x = malloc(sizeof(exchange));
    int       rc = 0;

    if (x == NULL) {
        return;
    }
    x->h = malloc(sizeof(http_head));
    x->c = conn_new(fd);
    if (x->h != NULL && x->c != NULL) {
        while (rc == 0 && (rc = conn_read_head(x->c, x->h, peers)) == 1) {
            rc = serve_one(s, x);
        }
        if (rc == -1) {
            conn_linger(x->c);
        }
    }
    free(x->c);
    free(x->h);
    free(x);
}


int main(int argc, char **argv)
{
    server s;

    server_start(&s, argc, argv);
    server_run_threads(&s, serve);
    return server_stop(&s);
}
