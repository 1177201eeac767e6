/*
 * abi_hijack.c - connections that the application takes over.
 */

#include "abi.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"


static uint64_t submit(abi_queue q, const char *target, uint32_t flags)
{
    pillion_pair    e[4];
    pillion_request req = get(e, target);
    uint64_t        handle;

    req.flags = PILLION_REQUEST_HIJACK | flags;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &handle));
    return handle;
}


/* Takes events until that text has come as raw bytes. */
static void queue_expect(abi_queue q, const char *text)
{
    size_t        len = strlen(text), n = 0;
    pillion_event e;

    while (n < len) {
        e = queue_event(q);
        CHECK(PILLION_EVENT_BODY, e.flags);
        TRUE(n + e.body_len <= len);
        CHECK(0, memcmp(text + n, e.body, e.body_len));
        n += e.body_len;
        CHECK(PILLION_OK, api.credit(e.request, e.body_len));
    }
}


static void connection_is_handed_out(void)
{
    abi_queue     q;
    pillion_event e;
    uint64_t      h, taken;

    start();
    q = queue_make(0, 0);
    h = submit(q, "/hijack?key=a&how=echo", 0);
    CHECK(PILLION_E_STATE, api.feed(h, "early", 5, 0, &taken));
    e = queue_event(q);
    CHECK(PILLION_EVENT_HIJACK, e.flags);
    CHECK(h, e.request);
    CHECK(0, e.status);
    queue_expect(q, SWITCHED);
    CHECK(PILLION_E_STATE, api.feed_trailers(h, NULL, 0));
    CHECK(PILLION_OK, api.feed(h, "hello", 5, 0, &taken));
    CHECK(5, taken);
    queue_expect(q, "hello");
    CHECK(PILLION_OK, api.feed(h, " you", 4, 1, &taken));
    queue_expect(q, " you");
    e = queue_event(q);
    CHECK(PILLION_EVENT_COMPLETE, e.flags);
    CHECK(PILLION_E_STATE, api.feed(h, "late", 4, 0, &taken));
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* The end of the request body is not the end of the connection. */
static void feed_starts_anew(void)
{
    abi_queue     q;
    pillion_event e;
    uint64_t      h, taken;
    int           i;

    start();
    q = queue_make(0, 0);
    for (i = 0; i < 50; i++) {
        h = submit(q, "/hijack?key=b&how=echo", PILLION_REQUEST_MORE);
        CHECK(PILLION_OK, api.feed(h, "body", 4, 1, &taken));
        CHECK(PILLION_E_STATE, api.feed(h, "x", 1, 0, &taken));
        e = queue_event(q);
        CHECK(PILLION_EVENT_HIJACK, e.flags);
        queue_expect(q, SWITCHED "body");
        CHECK(PILLION_OK, api.feed(h, "raw", 3, 0, &taken));
        queue_expect(q, "raw");
        CHECK(PILLION_OK, api.feed(h, NULL, 0, 1, &taken));
        e = queue_event(q);
        CHECK(PILLION_EVENT_COMPLETE, e.flags);
        CHECK(PILLION_OK, api.release(h));
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void release_ends_a_connection_left_behind(void)
{
    abi_queue     q;
    pillion_event e;
    uint64_t      left, held;
    char          said[256];

    start();
    q = queue_make(0, 0);
    left = submit(q, "/hijack?key=left&how=leave", 0);
    e = queue_event(q);
    CHECK(PILLION_EVENT_HIJACK, e.flags);
    queue_expect(q, SWITCHED);
    await("left/in", NULL, 0);
    CHECK(PILLION_OK, api.release(left));
    await("left/out", said, sizeof(said));
    TRUE(strcmp(said, "<nil>") != 0);

    held = submit(q, "/hijack?key=held&how=lines", 0);
    e = queue_event(q);
    CHECK(PILLION_EVENT_HIJACK, e.flags);
    CHECK(PILLION_OK, api.cancel(held));
    await("held/out", said, sizeof(said));
    TRUE(strcmp(said, "<nil>") != 0);
    do {
        e = queue_event(q);
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    CHECK(PILLION_OK, api.release(held));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void stop_closes_connections(void)
{
    abi_queue       q;
    pillion_event   e;
    pillion_stats_t stats = PILLION_STATS_INIT;
    uint64_t        h[2];
    char            said[256];
    int             i, ended = 0;

    start();
    q = queue_make(0, 0);
    h[0] = submit(q, "/hijack?key=run&how=lines", 0);
    h[1] = submit(q, "/hijack?key=left&how=leave", 0);
    await("run/in", NULL, 0);
    await("left/in", said, sizeof(said));
    do {                                /* what await() ran ends, too */
        CHECK(PILLION_OK, api.stats(&stats));
        TRUE(stats.running >= 2);
    } while (stats.running > 2);
    CHECK(PILLION_OK, api.stop(20, 20000));
    while (ended < 2) {
        e = queue_event(q);
        ended += (e.flags & PILLION_EVENT_COMPLETE) != 0;
        CHECK(0, e.flags & PILLION_EVENT_ABORTED);
    }
    for (i = 0; i < 2; i++) {
        CHECK(PILLION_OK, api.release(h[i]));
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
}


/* A client that is the other end of a pair of sockets. */
typedef struct peer {
    int     fd[2];                  /* the server's, the client's              */
    int     fail_at;                /* j, r or w                               */
    int     heads;
    int     taken;                  /* the connection was handed over          */
    int64_t read;
    int     reads;
} peer;


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    (void) status, (void) headers, (void) n;
    ((peer *) data)->heads++;
    return 0;
}


static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    peer *p = data;

    if (!p->taken) {
        return 0;
    }
    return p->fail_at == 'w' || send(p->fd[0], buf, len, MSG_NOSIGNAL) != (ssize_t) len ? -1 : 0;
}


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    peer   *p = data;
    ssize_t n;

    TRUE(p->taken && cap > 0);
    p->reads++;
    n = recv(p->fd[0], buf, cap, MSG_DONTWAIT);
    if (n > 0) {
        p->read += n;
    }
    return p->fail_at == 'r' ? -1 : n == -1 ? PILLION_IO_AGAIN : n;
}


static int32_t on_hijack(void *data, int32_t *fd)
{
    peer *p = data;

    CHECK(0, p->taken);
    p->taken = 1;
    *fd = p->fd[0];
    return p->fail_at == 'j' ? -1 : 0;
}


static int32_t on_alive(void *data)
{
    CHECK(0, ((peer *) data)->taken);
    return 1;
}


static pillion_io peer_io(peer *p, int fail_at)
{
    pillion_io io = PILLION_IO_INIT;

    memset(p, 0, sizeof(*p));
    p->fail_at = fail_at;
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->fd));
    io.data = p;
    io.head = on_head;
    io.write = on_write;
    io.read = on_read;
    io.hijack = on_hijack;
    io.alive = on_alive;
    io.alive_ms = 1;
    return io;
}


static int32_t serve_peer(peer *p, const pillion_io *io, const char *target)
{
    pillion_pair    e[4];
    pillion_request req = get(e, target);
    int32_t         rc;

    req.flags = PILLION_REQUEST_HIJACK;
    rc = api.serve(&req, io);
    close(p->fd[0]);
    return rc;
}


static void expect(int fd, const char *text)
{
    char   buf[256];
    size_t len = strlen(text);

    CHECK(len, recv(fd, buf, len, MSG_WAITALL));
    CHECK(0, memcmp(buf, text, len));
}


static void *talk(void *arg)
{
    int fd = *(int *) arg;
    int i;

    expect(fd, SWITCHED);
    for (i = 0; i < 1000; i++) {
        CHECK(6, send(fd, "hello\n", 6, 0));
        expect(fd, "you said hello\n");
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}


static void connection_is_called_back(void)
{
    peer       p;
    pillion_io io;
    pthread_t  t;
    char       byte;

    start();
    io = peer_io(&p, 0);
    CHECK(0, pthread_create(&t, NULL, talk, &p.fd[1]));
    CHECK(PILLION_OK, serve_peer(&p, &io, "/hijack?how=lines"));
    pthread_join(t, NULL);
    CHECK(0, p.heads);
    CHECK(6000, p.read);
    CHECK(0, recv(p.fd[1], &byte, 1, 0));
    close(p.fd[1]);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void failures_end_the_connection(void)
{
    peer            p;
    pillion_io      io, lacking;
    pillion_pair    e[4];
    pillion_request req;
    char            said[256];
    const char     *at;

    start();
    for (at = "jrw"; *at != 0; at++) {
        char target[64];

        snprintf(target, sizeof(target), "/hijack?key=%c&how=lines", *at);
        io = peer_io(&p, *at);
        CHECK(PILLION_E_IO, serve_peer(&p, &io, target));
        snprintf(target, sizeof(target), "%c/out", *at);
        await(target, said, sizeof(said));
        TRUE(strcmp(said, "<nil>") != 0);
        close(p.fd[1]);
    }

    /* The client has left. */
    io = peer_io(&p, 0);
    close(p.fd[1]);
    CHECK(PILLION_E_IO, serve_peer(&p, &io, "/hijack?key=gone&how=leave"));

    req = get(e, "/");
    req.flags = PILLION_REQUEST_HIJACK;
    lacking = io;
    lacking.read = NULL;
    CHECK(PILLION_E_ARG, api.serve(&req, &lacking));
    lacking = io;
    lacking.hijack = NULL;
    CHECK(PILLION_E_ARG, api.serve(&req, &lacking));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}


/* Sends more than a window, of which nothing is read, and lets time pass. */
static void *press(void *arg)
{
    static char bytes[150000];
    int         fd = *(int *) arg, size = 1 << 20;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    expect(fd, SWITCHED);
    CHECK(sizeof(bytes), send(fd, bytes, sizeof(bytes), 0));
    usleep(1000000);
    tell("hold/go");
    return NULL;
}


static void waiting_costs_nothing(void)
{
    peer       p;
    pillion_io io;
    pthread_t  t;
    int64_t    cpu;
    char       byte;

    start();
    io = peer_io(&p, 0);
    CHECK(0, pthread_create(&t, NULL, press, &p.fd[1]));
    cpu = cpu_ms();
    CHECK(PILLION_OK, serve_peer(&p, &io, "/hijack?key=hold&how=hold"));
    TRUE(cpu_ms() - cpu < 250);
    CHECK(65536, p.read);
    TRUE(p.reads < 100);
    pthread_join(t, NULL);
    while (recv(p.fd[1], &byte, 1, 0) > 0) {
    }
    close(p.fd[1]);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void *stop_thread(void *arg)
{
    await("stop/in", NULL, 0);
    *(int32_t *) arg = api.stop(20, 20000);
    return NULL;
}


static void stop_ends_a_call_that_waits(void)
{
    peer       p;
    pillion_io io;
    pthread_t  t;
    int32_t    stopped = 1;

    start();
    io = peer_io(&p, 0);
    CHECK(0, pthread_create(&t, NULL, stop_thread, &stopped));
    CHECK(PILLION_OK, serve_peer(&p, &io, "/hijack?key=stop&how=leave"));
    pthread_join(t, NULL);
    CHECK(PILLION_OK, stopped);
    close(p.fd[1]);
    nothing_left();
}


static void call_hands_nothing_over(void)
{
    pillion_pair     e[4];
    pillion_request  req;
    pillion_response res = PILLION_RESPONSE_INIT;

    start();
    req = get(e, "/");
    req.flags = PILLION_REQUEST_HIJACK;
    CHECK(PILLION_E_ARG, api.call(&req, &res));
    CHECK(501, call("/hijack").status);
    CHECK(501, serve("/hijack").status);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_hijack[] = {
    { "connection_is_handed_out", connection_is_handed_out },
    { "feed_starts_anew", feed_starts_anew },
    { "release_ends_a_connection_left_behind", release_ends_a_connection_left_behind },
    { "stop_closes_connections", stop_closes_connections },
    { "connection_is_called_back", connection_is_called_back },
    { "failures_end_the_connection", failures_end_the_connection },
    { "waiting_costs_nothing", waiting_costs_nothing },
    { "stop_ends_a_call_that_waits", stop_ends_a_call_that_waits },
    { "call_hands_nothing_over", call_hands_nothing_over },
    { NULL, NULL },
};
