/*
 * httpd_call.c - a small HTTP/1.1 server over the call drive: a thread for
 * each connection, the whole body in, the whole response out.
 *
 *     httpd_call LIBRARY
 */

#include "server.h"

#include <stdlib.h>


/* Reads the whole body. Returns 0, or -1 on a failure. */
static int read_whole(conn *c, const http_head *h, char **body, size_t *len)
{
    http_body b;
    ssize_t   n;
    size_t    cap = 0;
    char     *bigger;

    http_body_init(&b, h);
    *len = 0;
    *body = NULL;
    if (h->expect && !b.done) {
        if (!h->expect_continue) {
            return 0;               /* the library refuses it */
        }
        if (conn_send(c, HTTP_CONTINUE, sizeof(HTTP_CONTINUE) - 1) == -1) {
            return -1;
        }
    }
    while (!b.done) {
        if (*len == cap) {
            cap = cap == 0 ? 65536 : cap * 2;
            bigger = realloc(*body, cap);
            if (bigger == NULL) {
                return -1;
            }
            *body = bigger;
        }
        n = conn_read_body(c, &b, *body + *len, cap - *len);
        if (n < 0) {
            return -1;
        }
        *len += (size_t) n;
    }
    return 0;
}


static int send_body(conn *c, const pillion_response *res, int framing, int whole)
{
    char   line[HTTP_CHUNK_MAX];
    char  *last;
    size_t len;
    int    rc = 0;

    if (framing == HTTP_NONE) {
        return 0;
    }
    if (framing != HTTP_CHUNKED) {
        return conn_send(c, res->body, res->body_len);
    }
    if (res->body_len > 0) {
        if (conn_send(c, line, http_chunk_format(line, res->body_len)) == -1
            || conn_send(c, res->body, res->body_len) == -1 || conn_send(c, "\r\n", 2) == -1)
        {
            return -1;
        }
    }
    if (whole) {
        last = http_last_format(res->trailers, res->trailers_len, &len);
        rc = last == NULL ? -1 : conn_send(c, last, len);
        free(last);
    }
    return rc;
}


static int send_response(conn *c, const http_head *h, const pillion_response *res, int whole)
{
    char  *head;
    size_t len;
    int    framing, keepalive = whole, rc = -1;

    head = http_head_format(h, res->status, res->headers, res->headers_len, &len, &framing,
                            &keepalive);
    if (head != NULL && conn_send(c, head, len) == 0
        && send_body(c, res, framing, whole) == 0)
    {
        rc = keepalive ? 0 : -1;
    }
    if (!whole && framing == HTTP_CLOSE) {
        conn_reset(c);
    }
    free(head);
    return rc;
}


/* Serves one request. Returns 0 if the connection lives on. */
static int serve_one(server *s, conn *c, http_head *h)
{
    pillion_request  req = PILLION_REQUEST_INIT;
    pillion_response res = PILLION_RESPONSE_INIT;
    char            *body;
    size_t           len;
    int32_t          status;
    int              rc;

    rc = read_whole(c, h, &body, &len);
    if (rc == -1) {
        free(body);
        return -1;
    }
    req.app = server_app(s, h);
    req.environ = h->environ;
    req.environ_len = h->environ_len;
    req.headers = h->headers;
    req.headers_len = h->headers_len;
    req.body = body;
    req.body_len = len;

    status = s->api.call(&req, &res);
    free(body);

    if (status == PILLION_OK || (status == PILLION_E_ABORTED && res.status != 0)) {
        rc = send_response(c, h, &res, status == PILLION_OK);
    } else {
        conn_send(c, http_error(500), strlen(http_error(500)));
        rc = -1;
    }
    if (status == PILLION_OK || status == PILLION_E_ABORTED) {
        s->api.response_free(res.handle);
    }
    return rc;
}


static void serve(server *s, int fd, const http_peers *peers)
{
    http_head *h = malloc(sizeof(http_head));
    conn      *c = conn_new(fd);
    int        rc = 0;

    if (h != NULL && c != NULL) {
        while (rc == 0 && (rc = conn_read_head(c, h, peers)) == 1) {
            rc = serve_one(s, c, h);
        }
        if (rc == -1) {
            conn_linger(c);
        }
    }
    free(c);
    free(h);
}


int main(int argc, char **argv)
{
    server s;

    server_start(&s, argc, argv);
    server_run_threads(&s, serve);
    return server_stop(&s);
}
