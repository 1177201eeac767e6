/*
 * abi_files.c - sending from files, and request trailers.
 */

#include "abi.h"

#include <fcntl.h>
#include <unistd.h>

#define SIZE 200000

/* The sizes of the first version's structures. */
#define IO_1_0    64
#define EVENT_1_0 56

static char path[64];


/* A file of SIZE bytes, each of them its offset. */
static void file_make(void)
{
    char *bytes = malloc(SIZE);
    int   fd, i;

    for (i = 0; i < SIZE; i++) {
        bytes[i] = (char) i;
    }
    snprintf(path, sizeof(path), "/tmp/pillion-abi-%d", (int) getpid());
    fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK(SIZE, write(fd, bytes, SIZE));
    close(fd);
    free(bytes);
}


static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}


static uint64_t submit(abi_queue q, const char *format, uint32_t flags)
{
    static char     target[256];
    pillion_pair    e[4];
    pillion_request req;
    uint64_t        handle;

    snprintf(target, sizeof(target), format, path);
    req = get(e, target);
    req.flags = flags;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &handle));
    return handle;
}


static void files_are_handed_out(void)
{
    abi_queue     q;
    pillion_event e;
    uint64_t      h;
    char          byte, said[256];

    start();
    file_make();
    q = queue_make(0, 0);
    h = submit(q, "/file?key=f&offset=1000&n=150000&path=%s", PILLION_REQUEST_FILES);
    e = queue_event(q);
    CHECK(PILLION_EVENT_HEAD, e.flags);
    CHECK(0, e.file_len);
    e = queue_event(q);
    CHECK(PILLION_EVENT_FILE, e.flags);
    CHECK(1000, e.file_offset);
    CHECK(150000, e.file_len);         /* more than credit */
    CHECK(0, e.body_len);
    TRUE((fcntl(e.file, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(1, pread(e.file, &byte, 1, 1234));
    CHECK((char) 1234, byte);

    CHECK(PILLION_E_ARG, api.credit(h, 150001));
    CHECK(PILLION_OK, api.credit(h, 100000));
    TRUE(is_open(e.file));
    CHECK(PILLION_OK, api.credit(h, 50000));
    CHECK(0, is_open(e.file));
    CHECK(PILLION_E_ARG, api.credit(h, 1));
    e = queue_event(q);
    CHECK(PILLION_EVENT_COMPLETE, e.flags);
    CHECK(PILLION_OK, api.release(h));
    await("f/end", said, sizeof(said));
    CHECK(0, strcmp(said, "{\"N\":150000,\"At\":151000,\"Err\":\"\"}"));

    CHECK(PILLION_OK, api.queue_free(q.handle));
    unlink(path);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void released_files_are_closed(void)
{
    abi_queue     q;
    pillion_event e;
    uint64_t      h;
    char          said[256];
    int64_t       end;

    start();
    file_make();
    q = queue_make(0, 0);
    h = submit(q, "/file?key=f&path=%s", PILLION_REQUEST_FILES);
    do {
        e = queue_event(q);
    } while ((e.flags & PILLION_EVENT_FILE) == 0);
    CHECK(PILLION_OK, api.credit(h, 12345));
    CHECK(PILLION_OK, api.release(h));
    await("f/end", said, sizeof(said));
    TRUE(strstr(said, "\"N\":12345,\"At\":12345,\"Err\":\"pillion: the client has left") != NULL);

    /* The handler's own has been closed, or is about to be. */
    for (end = now_ms() + 20000; is_open(e.file); usleep(1000)) {
        uint32_t n;

        CHECK(PILLION_OK, api.poll(q.handle, &e, sizeof(e), 1, &n));
        CHECK(0, n);
        TRUE(now_ms() < end);
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    unlink(path);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void without_the_flag_files_are_read(void)
{
    char      target[256];
    abi_queue q;
    result    r;

    start();
    file_make();
    snprintf(target, sizeof(target), "/file?path=%s", path);
    q = queue_make(0, 0);
    queue_submit(q, target, &r);
    queue_finish(q, &r);
    CHECK(SIZE, r.len);
    CHECK(SIZE, call(target).len);
    CHECK(SIZE, serve(target).len);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    unlink(path);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* What the callbacks of a serve have been given. */
typedef struct taken {
    uint64_t bytes;
    uint64_t fail_at;
    int      files;
    int      last;
} taken;


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    (void) data, (void) status, (void) headers, (void) n;
    return 0;
}


static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    (void) buf;
    ((taken *) data)->bytes += len;
    return 0;
}


static int32_t on_file(void *data, int32_t fd, uint64_t offset, uint64_t len)
{
    taken *t = data;
    char   byte;

    TRUE(len > 0);
    CHECK(1, pread(fd, &byte, 1, (off_t) offset));
    CHECK((char) offset, byte);
    t->bytes += len;
    t->files++;
    t->last = fd;
    return t->fail_at != 0 && t->bytes >= t->fail_at ? -1 : 0;
}


static pillion_io taking(taken *t)
{
    pillion_io io = PILLION_IO_INIT;

    memset(t, 0, sizeof(*t));
    io.data = t;
    io.head = on_head;
    io.write = on_write;
    io.file = on_file;
    return io;
}


static void files_are_called_back(void)
{
    pillion_pair    e[4];
    pillion_request req;
    pillion_io      io;
    taken           t;
    char            target[256], said[256];

    start();
    file_make();
    snprintf(target, sizeof(target), "/file?key=f&first=10&path=%s", path);
    req = get(e, target);
    req.flags = PILLION_REQUEST_FILES;
    io = taking(&t);
    CHECK(PILLION_OK, api.serve(&req, &io));
    CHECK(SIZE + 10, t.bytes);
    CHECK(1, t.files);
    CHECK(0, is_open(t.last));

    snprintf(target, sizeof(target), "/file?key=g&path=%s", path);
    req = get(e, target);
    req.flags = PILLION_REQUEST_FILES;
    io = taking(&t);
    t.fail_at = 1;
    CHECK(PILLION_E_IO, api.serve(&req, &io));
    await("g/end", said, sizeof(said));
    TRUE(strstr(said, "the client has left") != NULL);
    unlink(path);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void callers_of_1_0_are_served(void)
{
    pillion_pair     e[4];
    pillion_request  req;
    pillion_response res = PILLION_RESPONSE_INIT;
    pillion_io       io;
    taken            t;
    char             target[256];
    abi_queue        q;
    struct {
        char     event[EVENT_1_0];
        uint64_t guard;
    } small;
    uint64_t h, len = 0;
    uint32_t n, flags = 0;

    start();
    file_make();
    snprintf(target, sizeof(target), "/file?path=%s", path);
    req = get(e, target);

    io = taking(&t);
    io.size = IO_1_0;
    CHECK(PILLION_OK, api.serve(&req, &io));
    CHECK(SIZE, t.bytes);
    CHECK(0, t.files);

    q = queue_make(0, 0);
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    small.guard = 0x0123456789abcdef;
    while ((flags & PILLION_EVENT_COMPLETE) == 0) {
        CHECK(PILLION_OK, api.poll(q.handle, (pillion_event *) (void *) &small, EVENT_1_0, 1, &n));
        CHECK(0x0123456789abcdef, small.guard);
        if (n == 1) {
            memcpy(&flags, small.event + 16, sizeof(flags));
            memcpy(&len, small.event + 40, sizeof(len));
            CHECK(PILLION_OK, api.credit(h, len));
        }
    }
    CHECK(PILLION_OK, api.release(h));

    /* What 1.1 asks for has to be there. */
    req.flags = PILLION_REQUEST_FILES;
    CHECK(PILLION_E_ARG, api.serve(&req, &io));
    CHECK(PILLION_E_ARG, api.call(&req, &res));
    io.size = sizeof(io);
    io.file = NULL;
    CHECK(PILLION_E_ARG, api.serve(&req, &io));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    unlink(path);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static pillion_pair two_trailers[] = { { "X-One", "1", 5, 1 }, { "x-two", "22", 5, 2 } };

static void response_to_trailers(abi_queue q, uint64_t h, const char *want)
{
    pillion_event e;
    char          body[256];
    size_t        len = 0;

    do {
        e = queue_event(q);
        CHECK(h, e.request);
        TRUE(len + e.body_len < sizeof(body));
        if (e.body_len > 0) {
            memcpy(body + len, e.body, e.body_len);
        }
        len += e.body_len;
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    body[len] = 0;
    CHECK(0, strcmp(body, want));
    CHECK(PILLION_OK, api.release(h));
}


static void trailers_are_fed(void)
{
    static pillion_pair many[PILLION_MAX_PAIRS + 1];
    pillion_pair        bad = { NULL, "x", 1, 1 }, huge = { "x", "y", UINT32_MAX, 1 };
    abi_queue           q;
    uint64_t            h, taken_bytes;
    pillion_event       e;

    start();
    q = queue_make(0, 0);
    h = submit(q, "/trailers", PILLION_REQUEST_MORE);
    CHECK(PILLION_OK, api.feed(h, "abc", 3, 0, &taken_bytes));
    CHECK(PILLION_E_ARG, api.feed_trailers(h, NULL, 1));
    CHECK(PILLION_E_ARG, api.feed_trailers(h, &bad, 1));
    CHECK(PILLION_E_LIMIT, api.feed_trailers(h, &huge, 1));
    CHECK(PILLION_E_LIMIT, api.feed_trailers(h, many, PILLION_MAX_PAIRS + 1));
    CHECK(PILLION_OK, api.feed_trailers(h, two_trailers, 2));
    CHECK(PILLION_E_STATE, api.feed_trailers(h, two_trailers, 2));
    CHECK(PILLION_E_STATE, api.feed(h, "d", 1, 0, &taken_bytes));
    response_to_trailers(q, h, " 3 <nil>\nX-One: 1\r\nX-Two: 22\r\n");
    CHECK(PILLION_E_GONE, api.feed_trailers(h, NULL, 0));

    /* None is an end, too. */
    h = submit(q, "/trailers", PILLION_REQUEST_MORE);
    CHECK(PILLION_OK, api.feed_trailers(h, NULL, 0));
    response_to_trailers(q, h, " 0 <nil>\n");

    h = submit(q, "/trailers", 0);
    CHECK(PILLION_E_STATE, api.feed_trailers(h, two_trailers, 2));
    response_to_trailers(q, h, " 0 <nil>\n");

    h = submit(q, "/trailers", PILLION_REQUEST_MORE);
    CHECK(PILLION_OK, api.feed(h, "abc", 3, 1, &taken_bytes));
    CHECK(PILLION_E_STATE, api.feed_trailers(h, two_trailers, 2));
    response_to_trailers(q, h, " 3 <nil>\n");

    /* Nobody reads them any more. */
    h = submit(q, "/unread", PILLION_REQUEST_MORE);
    do {
        e = queue_event(q);
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    CHECK(PILLION_OK, api.feed_trailers(h, two_trailers, 2));
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    taken *t = data;

    (void) cap;
    if (t->files++ > 0) {
        return 0;
    }
    memcpy(buf, "abc", 3);
    return 3;
}


static int32_t on_trailers(void *data, const pillion_pair **trailers, uint32_t *n)
{
    CHECK(2, ((taken *) data)->files);      /* after the end of the body */
    *trailers = two_trailers;
    *n = 2;
    return 0;
}


static int32_t on_no_trailers(void *data, const pillion_pair **trailers, uint32_t *n)
{
    (void) data, (void) trailers, (void) n;
    return -1;
}


static int32_t on_bad_trailers(void *data, const pillion_pair **trailers, uint32_t *n)
{
    (void) data;
    *trailers = NULL;
    *n = 1;
    return 0;
}


static void trailers_are_called_back(void)
{
    pillion_pair    e[4];
    pillion_request req;
    pillion_io      io;
    taken           t;

    start();
    req = get(e, "/trailers");
    req.flags = PILLION_REQUEST_MORE;
    io = taking(&t);
    io.read = on_read;
    io.request_trailers = on_trailers;
    CHECK(PILLION_OK, api.serve(&req, &io));
    CHECK(strlen(" 3 <nil>\nX-One: 1\r\nX-Two: 22\r\n"), t.bytes);

    io = taking(&t);
    io.read = on_read;
    io.request_trailers = on_no_trailers;
    CHECK(PILLION_E_IO, api.serve(&req, &io));

    io = taking(&t);
    io.read = on_read;
    io.request_trailers = on_bad_trailers;
    CHECK(PILLION_E_ARG, api.serve(&req, &io));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_files[] = {
    { "files_are_handed_out", files_are_handed_out },
    { "released_files_are_closed", released_files_are_closed },
    { "without_the_flag_files_are_read", without_the_flag_files_are_read },
    { "files_are_called_back", files_are_called_back },
    { "callers_of_1_0_are_served", callers_of_1_0_are_served },
    { "trailers_are_fed", trailers_are_fed },
    { "trailers_are_called_back", trailers_are_called_back },
    { NULL, NULL },
};
