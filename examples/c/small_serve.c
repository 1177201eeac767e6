/*
 * small_serve.c - a server over the serve drive: a thread for each connection,
 * bodies as they come, both ways.
 *
 *     make build
 *     cc -Ibuild/include examples/c/small_serve.c build/libpillion.a -o build/small_serve
 *     build/small_serve 8080 demo
 */

#include <pthread.h>

#include "small.h"

typedef struct client {
    int       fd, headed;
    size_t    from, to;                 /* body bytes that came with the head */
    long long left;                     /* body bytes that the application has not read */
    char      in[SMALL_HEAD];
} client;

static uint64_t app;

static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    client *c = data;
    ssize_t n = c->left < (long long) cap ? c->left : (ssize_t) cap;

    if (c->from < c->to) {
        n = n < (ssize_t) (c->to - c->from) ? n : (ssize_t) (c->to - c->from);
        memcpy(buf, c->in + c->from, (size_t) n);
        c->from += (size_t) n;
    } else if (n > 0 && (n = read(c->fd, buf, (size_t) n)) <= 0) {
        return -1;                      /* the client left before the end */
    }
    c->left -= n;
    return n;
}

static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t len)
{
    client *c = data;
    char    out[SMALL_HEAD];

    c->headed = status >= 200;
    return c->headed ? small_send(c->fd, out, small_head(out, status, headers, len)) : 0;
}

static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    return small_send(((client *) data)->fd, buf, len);
}

static void *serve(void *data)
{
    client         *c = data;
    small_request   s;
    pillion_request request = PILLION_REQUEST_INIT;
    pillion_io      io = { .size = sizeof(io), .data = c, .read = on_read, .head = on_head,
                           .write = on_write };
    ssize_t         head = 0;

    while (head == 0) {
        head = small_read(c->fd, c->in, &c->to);
    }
    if (head != -1 && small_parse(c->in, &s, &request) == 0) {
        c->from = (size_t) head;
        c->left = atoll(s.length);
        request.app = app;
        request.flags = c->left > 0 ? PILLION_REQUEST_MORE : 0;
        if (pillion_serve(&request, &io) == PILLION_OK) {
            shutdown(c->fd, SHUT_WR);
        } else if (c->headed) {
            small_cut(c->fd);
        } else {
            on_head(c, 500, NULL, 0);
        }
    }
    close(c->fd);
    free(c);
    return NULL;
}

int main(int argc, char **argv)
{
    int       fd, listener = small_start(argc, argv, &app);
    pthread_t thread;

    while ((fd = accept(listener, NULL, NULL)) != -1) {
        client *c = calloc(1, sizeof(*c));

        if (c == NULL) {
            return 1;
        }
        c->fd = fd;
        if (pthread_create(&thread, NULL, serve, c) == 0) {
            pthread_detach(thread);
        }
    }
    return 1;
}
