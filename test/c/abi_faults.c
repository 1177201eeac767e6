/*
 * abi_faults.c - every allocation of the library's C fails, one after the
 * other. A function says so, or the response is broken off; nothing is lost.
 */

#include "abi.h"
#include "abi_fail.h"

#ifndef __SANITIZE_ADDRESS__

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE  200000
#define BYTES "/bytes?seed=f&n=200000&write=9000"

static char path[64];


/* A request by each drive is answered: nothing has been lost. */
static void all_drives_work(void)
{
    abi_queue q = queue_make(0, 0);
    result    r;

    queue_submit(q, "/bytes?n=300&seed=w", &r);
    queue_finish(q, &r);
    CHECK(200, r.status);
    CHECK(300, r.len);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    r = serve("/bytes?n=300&seed=w");
    CHECK(PILLION_OK, r.rc);
    CHECK(300, r.len);
    r = call("/bytes?n=300&seed=w");
    CHECK(PILLION_OK, r.rc);
    CHECK(300, r.len);
}


/* Runs a trial again and again: its first allocation fails, its second, until
 * none does. */
static void each_allocation_fails(void (*trial)(void))
{
    int64_t n;

    for (n = 0;; n++) {
        fail_after(FAIL_MEMORY, n, 1);
        trial();
        if (fail_no_more(FAIL_MEMORY) == 0) {
            break;
        }
        all_drives_work();
    }
    TRUE(n > 0);
    printf("%d allocations failed in turn\n", (int) n);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void call_trial(void)
{
    result r = call(BYTES);

    if (r.rc != PILLION_E_MEMORY) {
        CHECK(PILLION_OK, r.rc);
        CHECK(SIZE, r.len);
    }
}


static void call_without_memory(void)
{
    start();
    each_allocation_fails(call_trial);
}


static void event_trial(void)
{
    static const char event[] = "{\"version\":\"2.0\",\"rawPath\":\"/\",\"requestContext\":{\"http\":{\"method\":\"GET\"}}}";
    pillion_response  res = PILLION_RESPONSE_INIT;
    int32_t           rc = api.call_event(app, event, strlen(event), NULL, 0, &res);

    if (rc != PILLION_E_MEMORY) {
        CHECK(PILLION_OK, rc);
        CHECK(PILLION_OK, api.response_free(res.handle));
    }
}


static void event_without_memory(void)
{
    start();
    each_allocation_fails(event_trial);
}


/* The caller's side of a serve with everything: body, trailers, file, socket. */
typedef struct peer {
    uint64_t len;
    int32_t  status;
    int      reads;
    int      raw;
    int      fd[2];
} peer;

static pillion_pair two[] = { { "X-One", "1", 5, 1 }, { "X-Two", "2", 5, 1 } };


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    (void) headers, (void) n;
    ((peer *) data)->status = status;
    return 0;
}


static int32_t on_write(void *data, const char *bytes, uint64_t len)
{
    (void) bytes;
    ((peer *) data)->len += len;
    return 0;
}


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    peer *p = data;

    if (p->reads++ == 5) {
        return 0;
    }
    memset(buf, 'b', cap < 1000 ? cap : 1000);
    return cap < 1000 ? (int64_t) cap : 1000;
}


static int32_t on_request_trailers(void *data, const pillion_pair **trailers, uint32_t *n)
{
    (void) data;
    *trailers = two;
    *n = 2;
    return 0;
}


static int32_t on_file(void *data, int32_t fd, uint64_t offset, uint64_t len)
{
    char byte;

    CHECK(1, pread(fd, &byte, 1, (off_t) (offset + len - 1)));
    ((peer *) data)->len += len;
    return 0;
}


static int32_t on_hijack(void *data, int32_t *fd)
{
    peer *p = data;

    p->raw = 1;
    p->reads = 0;
    *fd = p->fd[0];
    return 0;
}


static int32_t serve_peer(peer *p, const char *target, uint32_t flags)
{
    pillion_pair    e[4];
    pillion_request req = get(e, target);
    pillion_io      io = PILLION_IO_INIT;
    int32_t         rc;

    memset(p, 0, sizeof(*p));
    req.flags = flags;
    req.credit = 30000;
    io.data = p;
    io.head = on_head;
    io.write = on_write;
    io.read = on_read;
    io.request_trailers = on_request_trailers;
    io.file = on_file;
    io.hijack = on_hijack;
    CHECK(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->fd));
    rc = api.serve(&req, &io);
    close(p->fd[0]);
    close(p->fd[1]);
    return rc;
}


/* The whole response, or a status that says that it is not. */
static void serve_trial(void)
{
    peer    p;
    int32_t rc = serve_peer(&p, BYTES, 0);

    if (rc != PILLION_E_MEMORY && rc != PILLION_E_ABORTED) {
        CHECK(PILLION_OK, rc);
        CHECK(200, p.status);
        CHECK(SIZE, p.len);
    }
}


static void serve_without_memory(void)
{
    start();
    each_allocation_fails(serve_trial);
}


static void serve_body_trial(void)
{
    peer    p;
    int32_t rc = serve_peer(&p, "/trailers", PILLION_REQUEST_MORE);

    if (rc != PILLION_E_MEMORY && rc != PILLION_E_ABORTED) {
        CHECK(PILLION_OK, rc);
        CHECK(strlen(" 5000 <nil>\nX-One: 1\r\nX-Two: 2\r\n"), p.len);
    }
}


static void serve_a_body_without_memory(void)
{
    start();
    each_allocation_fails(serve_body_trial);
}


static void make_file(void)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/pillion-faults-%d", (int) getpid());
    fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    CHECK(0, ftruncate(fd, SIZE));
    close(fd);
}


static void serve_file_trial(void)
{
    char    target[128];
    peer    p;
    int32_t rc;

    snprintf(target, sizeof(target), "/file?key=f&path=%s", path);
    rc = serve_peer(&p, target, PILLION_REQUEST_FILES);
    if (rc != PILLION_E_MEMORY && rc != PILLION_E_ABORTED) {
        CHECK(PILLION_OK, rc);
        CHECK(SIZE, p.len);
    }
}


static void serve_a_file_without_memory(void)
{
    result r;

    start();
    make_file();
    each_allocation_fails(serve_file_trial);
    unlink(path);
    r = call("/");
    CHECK(PILLION_E_STOPPED, r.rc);
}


static void serve_hijack_trial(void)
{
    peer    p;
    int32_t rc = serve_peer(&p, "/hijack?how=echo&key=h", PILLION_REQUEST_HIJACK);

    if (rc == PILLION_OK && p.raw) {
        /* All of it, or the handler's Write failed and it closed. */
        TRUE(p.len > 5000 || fail_count(FAIL_MEMORY) > 0);
    } else if (rc == PILLION_OK) {
        CHECK(501, p.status);           /* the handler was told that it cannot */
    } else {
        TRUE(rc == PILLION_E_MEMORY || rc == PILLION_E_ABORTED);
    }
}


static void serve_a_connection_without_memory(void)
{
    start();
    each_allocation_fails(serve_hijack_trial);
}


/* Repeats what had no memory. */
#define AGAIN(call)                                                                                \
    do {                                                                                           \
        int32_t first = call;                                                                      \
        if (first == PILLION_E_MEMORY) {                                                           \
            CHECK(PILLION_OK, call);                                                               \
        } else {                                                                                   \
            CHECK(PILLION_OK, first);                                                              \
        }                                                                                          \
    } while (0)


/* Submits, feeds a body and its trailers, takes events to the end. */
static void queue_trial(void)
{
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    char                 bytes[5000];
    pillion_pair         e[4];
    pillion_request      req = get(e, "/trailers");
    pillion_event        event;
    abi_queue            q;
    uint64_t             h, taken, len = 0;
    int32_t              status = 0;

    memset(bytes, 'b', sizeof(bytes));
    AGAIN(api.queue_new(&config, &q.handle));
    CHECK(PILLION_OK, api.queue_fd(q.handle, &q.fd));
    req.flags = PILLION_REQUEST_MORE;
    AGAIN(api.submit(q.handle, &req, &h));
    AGAIN(api.feed(h, bytes, sizeof(bytes), 0, &taken));
    CHECK(sizeof(bytes), taken);
    AGAIN(api.feed_trailers(h, two, 2));
    do {
        event = queue_event(q);
        len += event.body_len;
        status = event.status != 0 ? event.status : status;
    } while ((event.flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) == 0);
    if ((event.flags & PILLION_EVENT_COMPLETE) != 0) {
        CHECK(200, status);
        CHECK(strlen(" 5000 <nil>\nX-One: 1\r\nX-Two: 2\r\n"), len);
    }
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
}


static void queue_without_memory(void)
{
    start();
    each_allocation_fails(queue_trial);
}


/* Files, large responses and connections in a queue. */
static void queue_mix_trial(void)
{
    char            target[128];
    const char     *targets[3] = { BYTES, target, "/hijack?how=bye&key=q" };
    pillion_pair    e[4];
    pillion_request req;
    pillion_event   event;
    abi_queue       q;
    uint64_t        h, len;
    int             i, raw;

    snprintf(target, sizeof(target), "/file?key=f&path=%s", path);
    AGAIN(api.queue_new(NULL, &q.handle));
    CHECK(PILLION_OK, api.queue_fd(q.handle, &q.fd));
    for (i = 0; i < 3; i++) {
        req = get(e, targets[i]);
        req.flags = PILLION_REQUEST_FILES | PILLION_REQUEST_HIJACK;
        AGAIN(api.submit(q.handle, &req, &h));
        len = 0;
        raw = 0;
        do {
            event = queue_event(q);
            len += event.body_len + event.file_len;
            raw |= (event.flags & PILLION_EVENT_HIJACK) != 0;
            CHECK(PILLION_OK, api.credit(h, event.body_len + event.file_len));
        } while ((event.flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) == 0);
        if ((event.flags & PILLION_EVENT_COMPLETE) != 0 && i < 2) {
            CHECK(SIZE, len);
        }
        CHECK(PILLION_OK, api.release(h));
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
}


static void queue_of_files_and_connections_without_memory(void)
{
    start();
    make_file();
    each_allocation_fails(queue_mix_trial);
    unlink(path);
}


/* The handler has sent a head and bytes; there is no memory for the end. */
static void end_is_told_without_memory(void)
{
    abi_queue     q;
    pillion_event e;
    result        r;
    uint64_t      h;

    start();
    q = queue_make(0, 0);
    h = queue_submit(q, "/hold?send=x&key=e", &r);
    await("e/in", NULL, 0);
    do {
        e = queue_event(q);
        TRUE((e.flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) == 0);
    } while ((e.flags & PILLION_EVENT_BODY) == 0);
    fail_after(FAIL_MEMORY, 0, FAIL_ALL);
    CHECK(PILLION_OK, api.cancel(h));
    do {
        e = queue_event(q);
    } while ((e.flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) == 0);
    TRUE(fail_no_more(FAIL_MEMORY) > 0);
    CHECK(PILLION_EVENT_ABORTED, e.flags);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* The library starts when there is memory again. */
static void start_without_memory(void)
{
    const char *name;
    uint64_t    len;

    fail_after(FAIL_MEMORY, 0, FAIL_ALL);
    CHECK(PILLION_E_MEMORY, api.app_find("behave", 6, &app));
    TRUE(fail_no_more(FAIL_MEMORY) > 0);
    fail_after(FAIL_MEMORY, 1, FAIL_ALL);
    CHECK(PILLION_E_MEMORY, api.app_name(0, &name, &len));
    TRUE(fail_no_more(FAIL_MEMORY) > 0);
    fail_after(FAIL_MEMORY, 0, FAIL_ALL);
    CHECK(PILLION_E_MEMORY, api.init(NULL));
    TRUE(fail_no_more(FAIL_MEMORY) > 0);
    start();
    CHECK(PILLION_OK, api.app_name(0, &name, &len));
    CHECK(0, memcmp(name, "behave", 6));
    CHECK(PILLION_OK, api.app_name(1, &name, &len));
    CHECK(0, memcmp(name, "other", 5));
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


#define HANDLES 1024                    /* that a table has room for at a time     */

/* A table of handles that cannot grow, where all that it has are in use. */
static void table_without_memory(void)
{
    static uint64_t  h[HANDLES];
    pillion_pair     e[4];
    pillion_request  req;
    pillion_response res = PILLION_RESPONSE_INIT;
    abi_queue        q;
    uint64_t         extra;
    int              i;

    start();
    req = get(e, "/");
    for (i = 0; i < HANDLES; i++) {
        CHECK(PILLION_OK, api.call(&req, &res));
        h[i] = res.handle;
    }
    fail_after(FAIL_MEMORY, 1, 1);
    CHECK(PILLION_E_MEMORY, api.call(&req, &res));
    CHECK(1, fail_no_more(FAIL_MEMORY));
    CHECK(PILLION_OK, api.call(&req, &res));
    CHECK(PILLION_OK, api.response_free(res.handle));
    for (i = 0; i < HANDLES; i++) {
        CHECK(PILLION_OK, api.response_free(h[i]));
    }

    q = queue_make(PILLION_QUEUE_BATCH, 0);
    for (i = 0; i < HANDLES; i++) {
        CHECK(PILLION_OK, api.submit(q.handle, &req, &h[i]));
    }
    fail_after(FAIL_MEMORY, 2, 1);
    CHECK(PILLION_E_MEMORY, api.submit(q.handle, &req, &extra));
    CHECK(1, fail_no_more(FAIL_MEMORY));
    CHECK(PILLION_OK, api.submit(q.handle, &req, &extra));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void *all_trials(void *rounds)
{
    int i;

    for (i = 0; i < (int) (intptr_t) rounds; i++) {
        call_trial();
        serve_trial();
        serve_body_trial();
        serve_file_trial();
        serve_hijack_trial();
        queue_trial();
        queue_mix_trial();
        event_trial();
    }
    return NULL;
}


/* Fills fresh memory with what points into the arena of Go's heap: the lowest
 * mapping that begins where only Go lets one begin. */
static void litter_with_pointers(void)
{
    FILE         *f = fopen("/proc/self/maps", "r");
    char          line[512], mode[8];
    unsigned long from, until;

    TRUE(f != NULL);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%lx-%lx %7s", &from, &until, mode) == 3 && from % (4 << 20) == 0
            && strcmp(mode, "rw-p") == 0 && strchr(line, '/') == NULL)
        {
            garbage_from(from, until - from);
            fclose(f);
            return;
        }
    }
    CHECK(1, 0);
}


/* What the collector would take for pointers, in memory that is written for
 * the first time; while it collects all the time. */
static void garbage_in_fresh_memory(void)
{
    pillion_config config = PILLION_CONFIG_INIT;
    pthread_t      t[4];
    int            i;

    config.gc_percent = 1;
    start_with(&config);
    make_file();
    litter_with_pointers();
    for (i = 0; i < 4; i++) {
        CHECK(0, pthread_create(&t[i], NULL, all_trials, (void *) 100));
    }
    for (i = 0; i < 4; i++) {
        CHECK(0, pthread_join(t[i], NULL));
    }
    garbage_from(0, 0);
    unlink(path);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_faults[] = {
    { "call_without_memory", call_without_memory },
    { "event_without_memory", event_without_memory },
    { "serve_without_memory", serve_without_memory },
    { "serve_a_body_without_memory", serve_a_body_without_memory },
    { "serve_a_file_without_memory", serve_a_file_without_memory },
    { "serve_a_connection_without_memory", serve_a_connection_without_memory },
    { "queue_without_memory", queue_without_memory },
    { "queue_of_files_and_connections_without_memory", queue_of_files_and_connections_without_memory },
    { "end_is_told_without_memory", end_is_told_without_memory },
    { "start_without_memory", start_without_memory },
    { "table_without_memory", table_without_memory },
    { "garbage_in_fresh_memory", garbage_in_fresh_memory },
    { NULL, NULL },
};

#else

const scenario abi_faults[] = { { NULL, NULL } };

#endif
