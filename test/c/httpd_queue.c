/*
 * httpd_queue.c - a small HTTP/1.1 server over the queue drive: one thread, one
 * epoll, any number of connections, bodies as they come, both ways.
 *
 *     httpd_queue LIBRARY
 *
 * Response bodies are sent from where they lie in the library's memory: each
 * piece is credited when the socket has taken it.
 */

#include "pieces.h"
#include "server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS    64
#define LINGER_MS 2000


enum { READING, SERVING, SENDING, LINGERING };

typedef struct client {
    int        fd;
    int        state;
    uint32_t   watched;             /* by epoll                                */
    uint32_t   generation;
    uint64_t   request;             /* its handle                              */
    http_peers peers;
    http_head  head;
    http_body  body;
    int        more;                /* the body is fed                         */
    int        expecting;           /* and 100 Continue is to come first       */
    int        full;                /* the library takes no more for now       */
    int        half_closed;         /* the client will send no more            */
    int        raw;                 /* the application has the connection      */
    int        framing;
    int        keepalive;
    int        has_head;            /* the final one has been put into pieces  */
    int        cut;                 /* close the connection, visibly           */
    int64_t    linger_end;
    pieces     out;
    size_t     in_pos;
    size_t     in_len;
    char       in[HTTP_HEAD_MAX];
    struct client *next;            /* of all                                  */
    struct client *prev;
} client;

static server   srv;
static uint64_t queue;
static int      epfd;
static client   all = { .next = &all, .prev = &all };
static int      wake_marker, signal_marker;
static int64_t  next_linger;

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}


static void watch(client *c, uint32_t events)
{
    struct epoll_event e = { .events = events, .data = { .ptr = c } };

    if (c->watched != events) {
        epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &e);
        c->watched = events;
    }
}


static void release(client *c)
{
    srv.api.release(c->request);
    c->request = 0;
}


/* Clients that are closed while events of theirs may be at hand are freed at
 * the end of the turn. */
static client *closed;

static void close_client(client *c)
{
    if (c->fd == -1) {
        return;
    }
    release(c);
    pieces_drop(&c->out);
    close(c->fd);
    c->fd = -1;
    c->prev->next = c->next;
    c->next->prev = c->prev;
    c->next = closed;
    closed = c;
}


static void free_closed(void)
{
    client *c;

    while ((c = closed) != NULL) {
        closed = c->next;
        free(c->out.at);
        free(c);
    }
}


/* Sends what it can. Returns 0, or -1 if the client has left. */
static int send_some(client *c)
{
    uint64_t credit;
    int      rc = pieces_send(&c->out, c->fd, &credit);

    if (credit > 0 && c->request != 0) {
        srv.api.credit(c->request, credit);
    }
    if (rc == 0) {                  /* a file has become shorter */
        pieces_drop(&c->out);
        c->cut = 1;
        c->state = SENDING;
    }
    return rc == -1 ? -1 : 0;
}


/* Ends the body, with the trailers that came after it. */
static int feed_end(client *c)
{
    uint64_t taken;

    return c->body.trailers_len > 0
               ? srv.api.feed_trailers(c->request, c->body.trailers, c->body.trailers_len)
               : srv.api.feed(c->request, NULL, 0, 1, &taken);
}


/* Feeds what the client has sent to the application that has its connection. */
static int feed_raw(client *c)
{
    uint64_t taken;
    size_t   len = c->in_len - c->in_pos;

    if (!c->more || c->full || (len == 0 && !c->half_closed)) {
        return 0;
    }
    if (srv.api.feed(c->request, c->in + c->in_pos, len, c->half_closed, &taken) != PILLION_OK) {
        return -1;
    }
    c->in_pos += taken;
    c->full = taken < len;
    c->more = c->full || !c->half_closed;
    return 0;
}


/* Feeds body bytes until there are none, the window is full or the body ends.
 * Returns 0, or -1 if the connection is no good any more. */
static int feed(client *c)
{
    const char *data;
    size_t      len;
    uint64_t    taken;
    ssize_t     used;

    while (c->more && !c->full && c->in_pos < c->in_len) {
        used = http_body_next(&c->body, c->in + c->in_pos, c->in_len - c->in_pos, &data, &len);
        if (used < 0) {
            return -1;
        }
        taken = 0;
        if (len == 0 && !c->body.done) {
            c->in_pos += (size_t) used;
            continue;
        }
        if ((len == 0 ? feed_end(c) : srv.api.feed(c->request, data, len, c->body.done, &taken))
            != PILLION_OK)
        {
            return -1;
        }
        if (taken < len) {
            http_body_back(&c->body, len - taken);
            c->in_pos = (size_t) (data - c->in) + taken;
            c->full = 1;
            return 0;
        }
        c->in_pos += (size_t) used;
        c->more = !c->body.done;
    }
    return 0;
}


/* Reads what has come. Returns 0, or -1 if the client has left. */
static int read_some(client *c)
{
    ssize_t n;

    if (c->in_pos == c->in_len) {
        c->in_pos = c->in_len = 0;
    } else if (c->in_len == sizeof(c->in)) {
        memmove(c->in, c->in + c->in_pos, c->in_len - c->in_pos);
        c->in_len -= c->in_pos;
        c->in_pos = 0;
    }
    n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (n > 0) {
        c->in_len += (size_t) n;
        return 0;
    }
    if (n == 0 && c->raw) {
        c->half_closed = 1;
        return 0;
    }
    return n == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}


static void linger(client *c)
{
    c->state = LINGERING;
    c->linger_end = now_ms() + LINGER_MS;
    if (next_linger == 0 || c->linger_end < next_linger) {
        next_linger = c->linger_end;
    }
    shutdown(c->fd, SHUT_WR);
    watch(c, EPOLLIN);
}


/* The response has been sent to its end. */
static void end_request(client *c)
{
    struct linger reset = { 1, 0 };

    release(c);
    if (c->raw) {
        linger(c);
        return;
    }
    if (c->cut && c->framing == HTTP_CLOSE && c->has_head) {
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close_client(c);
        return;
    }
    if (c->cut || !c->keepalive || c->more) {
        linger(c);
        return;
    }
    c->state = READING;
}


/* Submits the request whose head has been read. */
static void submit(client *c)
{
    pillion_request req = PILLION_REQUEST_INIT;
    int32_t         rc;

    http_body_init(&c->body, &c->head);
    c->more = !c->body.done;
    c->expecting = c->more && c->head.expect_continue;
    c->full = c->expecting;         /* until it is asked for */
    c->has_head = c->cut = c->raw = 0;
    c->keepalive = 1;
    c->framing = HTTP_NONE;

    req.app = server_app(&srv, &c->head);
    req.environ = c->head.environ;
    req.environ_len = c->head.environ_len;
    req.headers = c->head.headers;
    req.headers_len = c->head.headers_len;
    req.flags = PILLION_REQUEST_FILES | PILLION_REQUEST_HIJACK
                | (c->more ? PILLION_REQUEST_MORE : 0);
    req.data = c;

    rc = srv.api.submit(queue, &req, &c->request);
    if (rc == PILLION_OK) {
        c->state = SERVING;
        return;
    }
    c->cut = 1;
    c->state = SENDING;
    rc = rc == PILLION_E_FULL || rc == PILLION_E_STOPPED ? 503 : 500;
    if (pieces_add_text(&c->out, http_error(rc)) == -1) {
        close_client(c);
    }
}


/* Reads the next head, if it is there. Returns 1 if it was. */
static int next_head(client *c)
{
    ssize_t n = http_head_parse(&c->head, c->in + c->in_pos, c->in_len - c->in_pos, &c->peers);

    if (n == 0) {
        return 0;
    }
    if (n > 0) {
        c->in_pos += (size_t) n;
        submit(c);
        return c->fd != -1;
    }
    c->cut = 1;
    c->framing = HTTP_LENGTH;
    c->state = SENDING;
    if (pieces_add_text(&c->out, http_error(400)) == -1) {
        close_client(c);
        return 0;
    }
    return 1;
}


/* Does whatever can be done for a connection without waiting, then says what
 * to wait for. */
static void proceed(client *c)
{
    while (c->fd != -1 && c->state != LINGERING) {
        if (c->request != 0 && (c->raw ? feed_raw(c) : feed(c)) == -1) {
            close_client(c);
            return;
        }
        if (send_some(c) == -1) {
            close_client(c);
            return;
        }
        if (c->state == SENDING && !pieces_left(&c->out)) {
            end_request(c);
            continue;
        }
        if (c->state != READING || !next_head(c)) {
            break;
        }
    }
    if (c->fd == -1 || c->state == LINGERING) {
        return;
    }
    if (c->raw) {
        watch(c, (pieces_left(&c->out) ? EPOLLOUT : 0)
                 | (!c->half_closed && !c->full ? EPOLLIN : 0));
        return;
    }
    watch(c, (pieces_left(&c->out) ? EPOLLOUT : 0)
             | (c->state == READING || (c->more && !c->full) ? EPOLLIN
                : c->half_closed                             ? 0
                                                             : EPOLLRDHUP));
}


static int append_event(client *c, const pillion_event *e)
{
    char   line[HTTP_CHUNK_MAX];
    char  *text;
    size_t len;

    if ((e->flags & PILLION_EVENT_INFO) != 0 && c->head.minor == 1) {
        text = http_info_format(e->status, e->headers, e->headers_len, &len);
        if (pieces_add_owned(&c->out, text, len) == -1) {
            return -1;
        }
    }
    if ((e->flags & PILLION_EVENT_HEAD) != 0) {
        c->has_head = 1;
        c->keepalive = !c->expecting;
        text = http_head_format(&c->head, e->status, e->headers, e->headers_len, &len,
                                &c->framing, &c->keepalive);
        if (pieces_add_owned(&c->out, text, len) == -1) {
            return -1;
        }
    }
    if ((e->flags & PILLION_EVENT_BODY) != 0) {
        len = http_chunk_format(line, e->body_len);
        if ((c->framing == HTTP_CHUNKED && pieces_add_owned(&c->out, strdup(line), len) == -1)
            || pieces_add_lent(&c->out, e->body, e->body_len) == -1
            || (c->framing == HTTP_CHUNKED && pieces_add_text(&c->out, "\r\n") == -1))
        {
            return -1;
        }
    }
    if ((e->flags & PILLION_EVENT_FILE) != 0) {
        len = http_chunk_format(line, e->file_len);
        if ((c->framing == HTTP_CHUNKED && pieces_add_owned(&c->out, strdup(line), len) == -1)
            || pieces_add_file(&c->out, e->file, e->file_offset, e->file_len) == -1
            || (c->framing == HTTP_CHUNKED && pieces_add_text(&c->out, "\r\n") == -1))
        {
            return -1;
        }
    }
    if ((e->flags & PILLION_EVENT_HIJACK) != 0) {
        c->raw = c->more = 1;
        c->full = c->expecting = 0;
    }
    if ((e->flags & PILLION_EVENT_ABORTED) != 0) {
        c->cut = 1;
        pieces_drop_files(&c->out);
        if (!c->has_head && !c->raw && pieces_add_text(&c->out, http_error(500)) == -1) {
            return -1;
        }
    }
    if (c->framing == HTTP_CHUNKED && (e->flags & PILLION_EVENT_COMPLETE) != 0) {
        text = http_last_format(e->headers, (e->flags & PILLION_EVENT_TRAILERS) ? e->headers_len : 0,
                                &len);
        if (pieces_add_owned(&c->out, text, len) == -1) {
            return -1;
        }
    }
    if ((e->flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0) {
        c->state = SENDING;
    }
    return 0;
}


static void take_event(const pillion_event *e)
{
    client *c = e->data;

    /* No event follows the release of a request, but some may be at hand. */
    if (c->fd == -1 || c->request != e->request) {
        return;
    }
    if ((e->flags & PILLION_EVENT_ROOM) != 0) {
        c->full = 0;
        if (c->expecting) {
            c->expecting = 0;
            if (!c->has_head && pieces_add_text(&c->out, HTTP_CONTINUE) == -1) {
                close_client(c);
                return;
            }
        }
    }
    if (append_event(c, e) == -1) {
        close_client(c);
        return;
    }
    proceed(c);
}


static void take_events(void)
{
    pillion_event events[EVENTS];
    uint32_t      i, n;

    do {
        if (srv.api.poll(queue, events, sizeof(events[0]), EVENTS, &n) != PILLION_OK) {
            abort();
        }
        for (i = 0; i < n; i++) {
            take_event(&events[i]);
        }
    } while (n == EVENTS);
}


/* The client has shut its side down: it has left, unless all of its request is
 * on the way. */
static void on_hangup(client *c)
{
    int unread = 0;

    if (c->more && c->state != LINGERING) {
        ioctl(c->fd, FIONREAD, &unread);
        if (c->body.chunked || (uint64_t) unread + (c->in_len - c->in_pos) >= c->body.left) {
            c->half_closed = 1;
            return;
        }
    }
    close_client(c);
}


static void on_ready(client *c, uint32_t events)
{
    if (c->state == LINGERING) {
        if (recv(c->fd, c->in, sizeof(c->in), 0) <= 0) {
            close_client(c);
        }
        return;
    }
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        close_client(c);
        return;
    }
    if ((events & EPOLLRDHUP) != 0 && !c->raw) {
        on_hangup(c);
        if (c->fd == -1) {
            return;
        }
    }
    if ((events & EPOLLIN) != 0 && read_some(c) == -1) {
        close_client(c);
        return;
    }
    proceed(c);
}


static void accept_all(void)
{
    struct epoll_event e = { .events = EPOLLIN };
    client            *c;
    int                fd;

    while ((fd = accept4(srv.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) != -1) {
        c = calloc(1, sizeof(client));
        if (c == NULL) {
            close(fd);
            return;
        }
        c->fd = fd;
        c->watched = EPOLLIN;
        server_setup(fd, &c->peers);
        c->next = all.next;
        c->prev = &all;
        c->next->prev = c;
        all.next = c;
        e.data.ptr = c;
        epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
    }
}


static int close_lingering(void)
{
    client *c, *next;
    int64_t now = now_ms();

    next_linger = 0;
    for (c = all.next; c != &all; c = next) {
        next = c->next;
        if (c->state != LINGERING) {
            continue;
        }
        if (c->linger_end <= now) {
            close_client(c);
        } else if (next_linger == 0 || c->linger_end < next_linger) {
            next_linger = c->linger_end;
        }
    }
    return next_linger == 0 ? -1 : (int) (next_linger - now);
}


static void watch_new(int fd, void *marker)
{
    struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = marker } };

    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e) == -1) {
        perror("epoll_ctl");
        exit(1);
    }
}


static void run(void)
{
    struct epoll_event ready[EVENTS];
    int                i, n, timeout = -1;

    for (;;) {
        n = epoll_wait(epfd, ready, EVENTS, timeout);
        for (i = 0; i < n; i++) {
            void *what = ready[i].data.ptr;

            if (what == &signal_marker) {
                return;
            }
            if (what == &wake_marker) {
                take_events();
            } else if (what == &srv) {
                accept_all();
            } else if (((client *) what)->fd != -1) {
                on_ready(what, ready[i].events);
            }
        }
        srv.api.flush(queue);
        timeout = next_linger == 0 ? -1 : close_lingering();
        free_closed();
    }
}


int main(int argc, char **argv)
{
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    sigset_t             set;
    int32_t              wake;

    server_start(&srv, argc, argv);
    config.flags = PILLION_QUEUE_BATCH;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (srv.api.queue_new(&config, &queue) != PILLION_OK
        || srv.api.queue_fd(queue, &wake) != PILLION_OK)
    {
        fprintf(stderr, "cannot make a queue\n");
        return 1;
    }
    watch_new(wake, &wake_marker);
    watch_new(signalfd(-1, &set, SFD_CLOEXEC), &signal_marker);
    watch_new(srv.listener, &srv);
    fcntl(srv.listener, F_SETFL, O_NONBLOCK);

    run();

    close(srv.listener);
    while (all.next != &all) {
        close_client(all.next);
    }
    free_closed();
    epoll_ctl(epfd, EPOLL_CTL_DEL, wake, NULL);
    srv.api.queue_free(queue);
    return server_stop(&srv);
}
