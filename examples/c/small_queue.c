/*
 * small_queue.c - a server over the queue drive: one thread, one epoll, nothing
 * blocks.
 *
 *     make build
 *     cc -Ibuild/include examples/c/small_queue.c build/libpillion.a -o build/small_queue
 *     build/small_queue 8080 demo
 */

#include "small.h"

#define CREDIT 65536

typedef struct client {
    int      fd, headed, ended;
    size_t   in_len, out_len, body;     /* body: bytes in out to be credited */
    uint64_t request;
    char     in[SMALL_HEAD], out[SMALL_HEAD + CREDIT];
} client;

static uint64_t app, queue;
static int      epfd;

static void end(client *c)
{
    pillion_release(c->request);
    close(c->fd);
    free(c);
}

static void send_out(client *c)
{
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT);

    if (n > 0) {
        memmove(c->out, c->out + n, c->out_len -= (size_t) n);
    }
    if (c->out_len == 0 && c->ended) {
        end(c);
        return;
    }
    if (c->out_len == 0) {
        pillion_credit(c->request, c->body);
        c->body = 0;
    }
    small_watch(epfd, c->fd, (c->out_len > 0 ? EPOLLOUT : 0) | EPOLLRDHUP, c);
}

static void read_head(client *c)
{
    pillion_request request = PILLION_REQUEST_INIT;
    small_request   s;
    ssize_t         head = small_read(c->fd, c->in, &c->in_len);

    if (head == 0) {
        return;
    }
    if (head > 0 && small_parse(c->in, &s, &request) == 0) {
        request.app = app;
        request.environ_len = 3;        /* GET: no body, no length */
        request.credit = CREDIT;
        request.data = c;
        if (pillion_submit(queue, &request, &c->request) == PILLION_OK) {
            small_watch(epfd, c->fd, EPOLLRDHUP, c);
            return;
        }
    }
    end(c);
}

static void on_event(const pillion_event *e)
{
    client *c = e->data;

    if (e->flags & PILLION_EVENT_HEAD) {
        c->out_len = small_head(c->out, e->status, e->headers, e->headers_len);
        c->headed = 1;
    }
    if (e->flags & PILLION_EVENT_BODY) {
        memcpy(c->out + c->out_len, e->body, e->body_len);
        c->out_len += e->body_len;
        c->body += e->body_len;
    }
    if (e->flags & PILLION_EVENT_ABORTED) {
        if (c->headed) {
            small_cut(c->fd);
        } else {
            c->out_len = small_head(c->out, 500, NULL, 0);
        }
    }
    c->ended = (e->flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0;
    send_out(c);
}

int main(int argc, char **argv)
{
    struct epoll_event ready;
    pillion_event      event;
    uint32_t           n;
    int32_t            wake;
    int                listener = small_start(argc, argv, &app);

    epfd = epoll_create1(0);
    if (pillion_queue_new(NULL, &queue) != PILLION_OK || pillion_queue_fd(queue, &wake) != PILLION_OK) {
        return 1;
    }
    small_watch(epfd, listener, EPOLLIN, &listener);
    small_watch(epfd, wake, EPOLLIN, &queue);
    while (epoll_wait(epfd, &ready, 1, -1) != -1) {
        client *c = ready.data.ptr;

        if (ready.data.ptr == &queue) {
            while (pillion_poll(queue, &event, sizeof(event), 1, &n) == PILLION_OK && n == 1) {
                on_event(&event);
            }
        } else if (ready.data.ptr == &listener) {
            int fd = accept(listener, NULL, NULL);

            c = fd == -1 ? NULL : calloc(1, sizeof(*c));
            if (c != NULL) {
                c->fd = fd;
                small_watch(epfd, fd, EPOLLIN, c);
            }
        } else if (c->request == 0) {
            read_head(c);
        } else if (ready.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            end(c);                     /* the client has left */
        } else {
            send_out(c);
        }
    }
    return 1;
}
