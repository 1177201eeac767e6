/*
 * fuzz_serve.c - the serve drive, with callbacks that fail, say what they must
 * not, and call back into the library.
 */

#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define IO_1_0 64                       /* the size in the first version          */

/* The caller's side of one pillion_serve(). */
typedef struct server {
    sequence *z;
    uint32_t  calls;                    /* how many callbacks until one fails     */
    uint32_t  reads;
    uint32_t  again;
    uint32_t  asks;
    uint32_t  flags;
    int       infos;
    int       head;
    int       trailers;
    int       raw;
    int       failed;
    int       lied;                     /* wrote what is refused with more than IO */
    int       fd[2];
} server;


/* Every callback begins with this: whether it fails. */
static int fails(server *s)
{
    MUST(s->z, !s->failed, 0);
    if (s->z->depth < 2 && once_in(s->z, 60)) {
        sequence *z = s->z;
        uint32_t  refuse = z->refuse;

        z->depth++;
        any_export(z);
        z->depth--;
        z->refuse = refuse;
        enter(z, EXPORT_serve);
    }
    s->failed = s->calls-- == 0;
    return s->failed;
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    server *s = data;

    MUST(s->z, !s->head && !s->raw && status >= 100 && status != 101, status);
    if (status < 200) {
        MUST(s->z, ++s->infos <= 64, s->infos);
    } else {
        s->head = 1;
    }
    touch_pairs(headers, n);
    return fails(s) ? -1 : 0;
}


static int32_t on_write(void *data, const char *bytes, uint64_t len)
{
    server *s = data;

    MUST(s->z, (s->head || s->raw) && !s->trailers && len > 0, len);
    touch(bytes, len);
    if (s->raw && send(s->fd[0], bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 && errno == EBADF) {
        fail(s->z, "the descriptor of the connection is closed", s->fd[0]);
    }
    return fails(s) ? INT32_MIN : 0;
}


static int32_t on_flush(void *data)
{
    server *s = data;

    MUST(s->z, (s->head || s->infos > 0) && !s->raw, s->raw);
    return fails(s) ? -1 : 0;
}


static int32_t on_trailers(void *data, const pillion_pair *trailers, uint32_t n)
{
    server *s = data;

    MUST(s->z, s->head && !s->trailers && n > 0, n);
    s->trailers = 1;
    touch_pairs(trailers, n);
    return fails(s) ? -1 : 0;
}


static int32_t on_alive(void *data)
{
    server *s = data;

    MUST(s->z, !s->raw && !s->failed, 0);
    if (s->asks-- == 0) {
        s->failed = 1;
    }
    return !s->failed;
}


/* Bytes, no bytes, too many, a failure; after hijack those of a socket. */
static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    server *s = data;

    MUST(s->z, cap > 0 && ((s->flags & PILLION_REQUEST_MORE) != 0 || s->raw), cap);
    memset(buf, 'r', cap < 100 ? cap : 100);
    buf[cap - 1] = 'r';
    if (fails(s)) {
        return once_in(s->z, 2) ? -1 - (int64_t) choose(s->z, 10) : (int64_t) cap + 1 + choose(s->z, 10);
    }
    if (s->reads-- == 0) {
        s->reads = 0;
        return 0;
    }
    if (s->raw && s->again > 0 && once_in(s->z, 3)) {
        s->again--;
        return PILLION_IO_AGAIN;
    }
    return 1 + choose(s->z, cap < 5000 ? (uint32_t) cap : 5000);
}


static int32_t on_file(void *data, int32_t fd, uint64_t offset, uint64_t len)
{
    server *s = data;
    char    byte;

    MUST(s->z, s->head && len > 0 && (s->flags & PILLION_REQUEST_FILES) != 0, len);
    MUST(s->z, pread(fd, &byte, 1, (off_t) (offset + len - 1)) == 1, fd);
    return fails(s) ? -1 : 0;
}


static int32_t on_request_trailers(void *data, const pillion_pair **trailers, uint32_t *n)
{
    static const pillion_pair two[2] = { { "X-End", "1", 5, 1 }, { "Host", "\r\n", 4, 2 } };
    server                   *s = data;

    if (fails(s)) {
        return -1;
    }
    *trailers = two;
    *n = choose(s->z, 3);
    if (once_in(s->z, 10)) {
        *trailers = NULL;
        *n = once_in(s->z, 2) ? 1 : PILLION_MAX_PAIRS + 1;
        s->failed = s->lied = 1;
    }
    return 0;
}


static int32_t on_hijack(void *data, int32_t *fd)
{
    server *s = data;

    MUST(s->z, !s->head && (s->flags & PILLION_REQUEST_HIJACK) != 0, 0);
    if (fails(s)) {
        return -1;
    }
    s->raw = 1;
    *fd = s->fd[0];
    if (once_in(s->z, 10)) {
        *fd = once_in(s->z, 2) ? -1 - (int32_t) choose(s->z, 100) : 1000000;
    }
    return 0;
}


static pillion_io make_io(sequence *z, server *s)
{
    pillion_io io = PILLION_IO_INIT;

    io.data = s;
    io.head = on_head;
    io.write = on_write;
    io.read = on_read;
    io.flush = once_in(z, 4) ? NULL : on_flush;
    io.trailers = once_in(z, 4) ? NULL : on_trailers;
    io.file = on_file;
    io.request_trailers = once_in(z, 3) ? on_request_trailers : NULL;
    io.hijack = on_hijack;
    io.alive = on_alive;
    io.alive_ms = 1 + choose(z, 3);
    switch (choose(z, 60)) {
    case 0: io.head = NULL; break;
    case 1: io.write = NULL; break;
    case 2: io.read = NULL; break;
    case 3: io.file = NULL; break;
    case 4: io.hijack = NULL; break;
    }
    return io;
}


void fuzz_serve(sequence *z)
{
    server                 s = { 0 };
    pillion_io             io = make_io(z, &s), *given_io;
    pillion_request        req;
    const pillion_request *request;
    int32_t                rc;

    s.z = z;
    s.calls = once_in(z, 4) ? choose(z, 20) : UINT32_MAX;
    s.reads = choose(z, 20);
    s.again = 20;
    s.asks = choose(z, 10);
    given_io = placed(z, 4, &io, sizeof(io), IO_1_0);
    z->refuse |= io.size % sizeof(void *) != 0 ? S(E_SIZE) : 0;
    request = make_request(z, BY_SERVE, &req);
    if (once_in(z, 100)) {
        given_io = NULL;
        z->refuse |= S(E_ARG);
    }
    s.flags = request == NULL ? 0 : req.flags;
    if (io.head == NULL || io.write == NULL
        || ((s.flags & (PILLION_REQUEST_MORE | PILLION_REQUEST_HIJACK)) != 0 && io.read == NULL)
        || ((s.flags & PILLION_REQUEST_FILES) != 0 && io.file == NULL)
        || ((s.flags & PILLION_REQUEST_HIJACK) != 0 && io.hijack == NULL))
    {
        z->refuse |= S(E_ARG);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.fd) == -1) {
        fail(z, "socketpair", errno);
    }
    if (once_in(z, 2)) {
        MUST(z, send(s.fd[1], "hello\n", 6, MSG_NOSIGNAL) == 6, errno);
    }
    if (once_in(z, 4)) {
        close(s.fd[1]);
        s.fd[1] = -1;
    } else {
        shutdown(s.fd[1], SHUT_WR);
    }
    rc = CALL(z, serve, request, given_io);
    expect(z, rc, s.lied ? S(E_ARG) | S(E_LIMIT)
                  : s.failed ? S(E_IO) : S(OK) | S(E_ABORTED) | (s.raw ? S(E_IO) : 0));
    MUST(z, rc != PILLION_OK || s.head || s.raw, rc);
    close(s.fd[0]);
    if (s.fd[1] != -1) {
        close(s.fd[1]);
    }
}
