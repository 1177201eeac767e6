/*
 * abi_machine.c - the machine runs out of descriptors, threads, memory.
 */

#include "abi.h"
#include "abi_fail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>


static void all_drives_work(void)
{
    abi_queue q = queue_make(0, 0);
    result    r;

    queue_submit(q, "/", &r);
    queue_finish(q, &r);
    CHECK(200, r.status);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    CHECK(200, serve("/").status);
    CHECK(200, call("/").status);
}


static void eventfds_run_out(void)
{
    uint64_t queue;
    int      n;

    for (n = 0; n < 4; n++) {
        fail_after(FAIL_EVENTFD, n, 1);
        CHECK(PILLION_E_OS, api.init(NULL));
        CHECK(EMFILE, errno);
        CHECK(1, fail_no_more(FAIL_EVENTFD));
    }
    start();
    for (n = 0; n < 2; n++) {
        fail_after(FAIL_EVENTFD, n, 1);
        CHECK(PILLION_E_OS, api.queue_new(NULL, &queue));
        CHECK(EMFILE, errno);
        CHECK(1, fail_no_more(FAIL_EVENTFD));
        fail_after(FAIL_EVENTFD, n, 1);
        CHECK(PILLION_E_OS, serve("/").rc);
        CHECK(1, fail_no_more(FAIL_EVENTFD));
    }
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    (void) data, (void) status, (void) headers, (void) n;
    return 0;
}


static int32_t on_write(void *data, const char *bytes, uint64_t len)
{
    (void) data, (void) bytes, (void) len;
    return 0;
}


static int64_t on_no_read(void *data, char *buf, uint64_t cap)
{
    (void) data, (void) buf, (void) cap;
    exit(1);
}


static int32_t on_no_hijack(void *data, int32_t *fd)
{
    (void) data, (void) fd;
    exit(1);
}


/* The connection is not handed over; the application learns that it has gone. */
static void no_eventfd_for_a_connection(void)
{
    pillion_pair    e[4];
    pillion_request req;
    pillion_io      io = PILLION_IO_INIT;
    char            said[256];

    start();
    CHECK(200, serve("/").status);
    req = get(e, "/hijack?how=lines&key=n");
    req.flags = PILLION_REQUEST_HIJACK;
    io.head = on_head;
    io.write = on_write;
    io.read = on_no_read;
    io.hijack = on_no_hijack;
    fail_after(FAIL_EVENTFD, 0, 1);
    CHECK(PILLION_E_OS, api.serve(&req, &io));
    CHECK(1, fail_no_more(FAIL_EVENTFD));
    await("n/out", said, sizeof(said));
    TRUE(strcmp(said, "<nil>") != 0);
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* Lets the process have no descriptor more than it has. */
static void no_more_descriptors(struct rlimit *before)
{
    struct rlimit none;
    int           next = dup(STDERR_FILENO);

    CHECK(0, close(next));
    CHECK(0, getrlimit(RLIMIT_NOFILE, before));
    none = *before;
    none.rlim_cur = (rlim_t) next;
    CHECK(0, setrlimit(RLIMIT_NOFILE, &none));
}


/* What has its descriptors goes on; what needs new ones says so. */
static void descriptors_run_out(void)
{
    struct rlimit before;
    abi_queue     q;
    result        r;
    uint64_t      queue;
    int           i;

    no_more_descriptors(&before);
    CHECK(PILLION_E_OS, api.init(NULL));
    CHECK(EMFILE, errno);
    CHECK(0, setrlimit(RLIMIT_NOFILE, &before));
    start();
    q = queue_make(0, 0);
    queue_submit(q, "/", &r);
    queue_finish(q, &r);

    no_more_descriptors(&before);
    CHECK(PILLION_E_OS, serve("/").rc);
    for (i = 0; i < 100; i++) {
        CHECK(PILLION_E_OS, api.queue_new(NULL, &queue));
        queue_submit(q, "/", &r);
        queue_finish(q, &r);
        CHECK(200, r.status);
        CHECK(200, call("/").status);
    }
    CHECK(0, setrlimit(RLIMIT_NOFILE, &before));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void no_threads_to_load(void)
{
    pillion_api other;
    Dl_info     some;
    char        err[512];
    int         n, tries;

    TRUE(dladdr((void *) gnu_get_libc_version, &some) != 0);
    for (n = 0; n < 4; n++) {
        tries = 0;
        do {
            /* Go may have started the thread that failed, and tries again. */
            TRUE(tries++ < 100);
            fail_after(FAIL_THREAD, n, 1);
            CHECK(-1, pillion_loader_open(some.dli_fname, &other, err, sizeof(err)));
            CHECK(1, fail_no_more(FAIL_THREAD));
            TRUE(other.abi == NULL);
        } while (strstr(err, "it needs threads: Resource temporarily unavailable") == NULL);
    }
    start();
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static int threads_now(void)
{
    DIR *dir = opendir("/proc/self/task");
    int  n = 0;

    TRUE(dir != NULL);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}


/* Go has come up, and starts no more threads of its own. */
static void settled(void)
{
    int64_t since = now_ms();
    int     n = 0, now;

    CHECK(PILLION_OK, api.app_find("behave", 6, &app));
    do {
        now = threads_now();
        if (now != n) {
            n = now;
            since = now_ms();
        }
        usleep(5000);
    } while (now_ms() - since < 200);
}


static void no_threads_to_start(void)
{
    int n;

    settled();
    for (n = 0; n < 4; n++) {
        fail_after(FAIL_THREAD, n, 1);
        CHECK(PILLION_E_OS, api.init(NULL));
        CHECK(EAGAIN, errno);
        CHECK(1, fail_no_more(FAIL_THREAD));
    }
    start();
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


#define BLOCKED 12

/* Handlers block in system calls, for which Go makes threads: a while of
 * failures is waited out. */
static void threads_are_waited_for(void)
{
    char      fifo[64], target[128];
    result    r[BLOCKED];
    abi_queue q;
    int64_t   end;
    int       i, fd;

    start();
    all_drives_work();
    snprintf(fifo, sizeof(fifo), "/tmp/pillion-fifo-%d", (int) getpid());
    CHECK(0, mkfifo(fifo, 0600));
    snprintf(target, sizeof(target), "/file?key=t&path=%s", fifo);
    q = queue_make(0, 0);
    fail_after(FAIL_THREAD, 0, 5);
    for (i = 0; i < BLOCKED; i++) {
        queue_submit(q, target, &r[i]);
    }
    for (end = now_ms() + 20000; fail_count(FAIL_THREAD) < 5; usleep(1000)) {
        TRUE(now_ms() < end);
    }
    fd = open(fifo, O_RDWR);
    for (i = 0; i < BLOCKED; i++) {
        queue_finish(q, &r[i]);
        TRUE(r[i].complete);
    }
    CHECK(5, fail_no_more(FAIL_THREAD));
    close(fd);
    unlink(fifo);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static uint64_t to_read;

static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    uint64_t n = cap < to_read ? cap : to_read;

    (void) data;
    memset(buf, 'b', n);
    to_read -= n;
    return (int64_t) n;
}


/* A body of many times the memory limit passes through a window. */
static void bodies_may_exceed_memory(void)
{
    static char     piece[100000];
    uint64_t        size = sanitized ? 32u << 20 : 256u << 20, fed = 0, taken;
    pillion_config  config = PILLION_CONFIG_INIT;
    pillion_pair    e[4];
    pillion_request req;
    pillion_io      io = PILLION_IO_INIT;
    pillion_event   event;
    abi_queue       q;
    uint64_t        h;
    int64_t         before;

    config.memory_limit = 16 << 20;
    start_with(&config);
    all_drives_work();
    before = resident();

    req = get(e, "/trailers");
    req.flags = PILLION_REQUEST_MORE;
    io.head = on_head;
    io.write = on_write;
    io.read = on_read;
    to_read = size;
    CHECK(PILLION_OK, api.serve(&req, &io));
    CHECK(0, to_read);

    q = queue_make(0, 0);
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    while (fed < size) {
        CHECK(PILLION_OK, api.feed(h, piece, sizeof(piece), 0, &taken));
        fed += taken;
        if (taken < sizeof(piece)) {
            CHECK(PILLION_EVENT_ROOM, queue_event(q).flags);
        }
    }
    CHECK(PILLION_OK, api.feed(h, NULL, 0, 1, &taken));
    do {
        event = queue_event(q);
    } while ((event.flags & PILLION_EVENT_COMPLETE) == 0);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    printf("resident memory %+ld KiB\n", (long) ((resident() - before) / 1024));
    TRUE(sanitized || resident() - before < 24 << 20);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


#ifndef __SANITIZE_ADDRESS__

#define HUGE (256u << 20)

static int had_memory(uint64_t room, int32_t rc)
{
    if (rc == PILLION_E_MEMORY) {
        return 0;
    }
    CHECK(PILLION_OK, rc);
    TRUE(room > HUGE);
    return 1;
}


/* A whole body that there is no memory for is refused before Go is asked for it:
 * Go would end the process. */
static void whole_bodies_need_memory(void)
{
    pillion_pair     e[4];
    pillion_request  req;
    pillion_response res = PILLION_RESPONSE_INIT;
    pillion_io       io = PILLION_IO_INIT;
    pillion_event    event;
    struct rlimit    before, less;
    abi_queue        q;
    uint64_t         h;
    long             pages;
    int              ended = 0, queued, done;
    FILE            *f;
    char            *body = mmap(NULL, HUGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t         room;

    TRUE(body != MAP_FAILED);
    start();
    all_drives_work();
    q = queue_make(0, 0);
    req = get(e, "/trailers");
    req.body = body;
    req.body_len = HUGE;
    io.head = on_head;
    io.write = on_write;
    for (room = 100u << 20; ended < 3; room += 100u << 20) {
        f = fopen("/proc/self/statm", "r");
        CHECK(1, fscanf(f, "%ld", &pages));
        fclose(f);
        CHECK(0, getrlimit(RLIMIT_AS, &before));
        less = before;
        less.rlim_cur = (rlim_t) pages * (rlim_t) sysconf(_SC_PAGESIZE) + room;
        CHECK(0, setrlimit(RLIMIT_AS, &less));
        ended = had_memory(room, api.call(&req, &res)) + had_memory(room, api.serve(&req, &io));
        if (res.handle != 0) {
            CHECK(PILLION_OK, api.response_free(res.handle));
            res.handle = 0;
        }
        queued = had_memory(room, api.submit(q.handle, &req, &h));
        for (done = !queued; !done;) {
            event = queue_event(q);
            done = (event.flags & PILLION_EVENT_COMPLETE) != 0;
        }
        CHECK(PILLION_OK, api.release(queued ? h : 0));
        ended += queued;
        CHECK(0, setrlimit(RLIMIT_AS, &before));
        all_drives_work();
    }
    printf("with %d MiB all drives took %d MiB\n", (int) (room >> 20), (int) (HUGE >> 20));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    all_drives_work();
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}

#endif


const scenario abi_machine[] = {
    { "eventfds_run_out", eventfds_run_out },
    { "no_eventfd_for_a_connection", no_eventfd_for_a_connection },
    { "descriptors_run_out", descriptors_run_out },
    { "no_threads_to_load", no_threads_to_load },
    { "no_threads_to_start", no_threads_to_start },
    { "threads_are_waited_for", threads_are_waited_for },
    { "bodies_may_exceed_memory", bodies_may_exceed_memory },
#ifndef __SANITIZE_ADDRESS__
    { "whole_bodies_need_memory", whole_bodies_need_memory },
#endif
    { NULL, NULL },
};
