/*
 * races.c - what goes wrong only between two threads, often enough to be seen.
 *
 *     races LIBRARY free     queues freed while their handlers start and end,
 *                            beside a thread that opens and closes descriptors
 *     races LIBRARY log      lines of several threads on one descriptor
 *     races LIBRARY blocked  handlers that block, before others in one batch,
 *                            with one processor for all
 *     races LIBRARY read     a read that comes too late for its deadline is not
 *                            asked for again
 */

#include <pillion_loader.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define QUEUES    60000
#define THREADS   4
#define LINES     200
#define LINE_LEN  9000

#define BATCH     64
#define PATIENCE  60000             /* milliseconds                            */

#define PAIR(name, value) { name, value, sizeof(name) - 1, sizeof(value) - 1 }

#define CHECK(what, ok)                                                                            \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "races: %s\n", what);                                                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static pillion_api api;
static uint64_t    app;
static int         over;

static pillion_pair    environ_pairs[3] = { PAIR("REQUEST_METHOD", "GET"), PAIR("REQUEST_URI", "") };
static pillion_request request = PILLION_REQUEST_INIT;

static const pillion_request *to(const char *target)
{
    environ_pairs[1].value = target;
    environ_pairs[1].value_len = (uint32_t) strlen(target);
    request.app = app;
    request.environ = environ_pairs;
    request.environ_len = 2;
    return &request;
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int  n = 0;

    CHECK("opendir", dir != NULL);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* Another part of the server, whose pipes hold only what it writes: nothing. */
static void *pipes(void *unused)
{
    char byte;
    int  p[2];

    (void) unused;
    while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
        CHECK("pipe2", pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0);
        CHECK("somebody wrote to a descriptor that is not his", read(p[0], &byte, 1) == -1);
        close(p[0]);
        close(p[1]);
    }
    return NULL;
}

static void free_while_running(void)
{
    const char     *targets[] = { "/hold?key=races", "/" };
    pillion_stats_t stats = PILLION_STATS_INIT;
    struct timespec moment = { 0, 1000000 };
    pthread_t       thread;
    uint64_t        queue, handle;
    int             i, before;

    /* The first queue may bring descriptors of Go's own. */
    CHECK("queue_new", api.queue_new(NULL, &queue) == PILLION_OK);
    before = descriptors();
    CHECK("pthread_create", pthread_create(&thread, NULL, pipes, NULL) == 0);
    for (i = 0; i < QUEUES; i++) {
        volatile int pause = rand() % 40000;

        CHECK("queue_new", api.queue_new(NULL, &queue) == PILLION_OK);
        CHECK("submit", api.submit(queue, to(targets[i % 2]), &handle) == PILLION_OK);
        while (pause > 0) {
            pause--;
        }
        CHECK("queue_free", api.queue_free(queue) == PILLION_OK);
    }
    __atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);

    for (i = 0; i < 20000; i++) {
        CHECK("stats", api.stats(&stats) == PILLION_OK);
        if (stats.running == 0 && stats.buffered == 0 && descriptors() == before) {
            return;
        }
        nanosleep(&moment, NULL);
    }
    fprintf(stderr, "races: left: %llu running, %llu bytes, %d descriptors\n",
            (unsigned long long) stats.running, (unsigned long long) stats.buffered,
            descriptors() - before);
    exit(1);
}

static void *log_lines(void *letter)
{
    char             target[LINE_LEN + 64];
    pillion_pair     own[2] = { PAIR("REQUEST_METHOD", "GET"), PAIR("REQUEST_URI", "") };
    pillion_request  req = PILLION_REQUEST_INIT;
    pillion_response res = PILLION_RESPONSE_INIT;
    int              i, n = snprintf(target, sizeof(target), "/log?level=ERROR&msg=");

    memset(target + n, (int) (intptr_t) letter, LINE_LEN);
    own[1].value = target;
    own[1].value_len = (uint32_t) (n + LINE_LEN);
    req.app = app;
    req.environ = own;
    req.environ_len = 2;
    for (i = 0; i < LINES; i++) {
        CHECK("call", api.call(&req, &res) == PILLION_OK && res.status == 204);
        api.response_free(res.handle);
    }
    return NULL;
}

static void log_together(int fd)
{
    pthread_t threads[THREADS];
    FILE     *f;
    char      line[4 * LINE_LEN], *at;
    intptr_t  i;
    int       n = 0;

    for (i = 0; i < THREADS; i++) {
        CHECK("pthread_create", pthread_create(&threads[i], NULL, log_lines, (void *) ('a' + i)) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK("lseek", lseek(fd, 0, SEEK_SET) == 0);
    f = fdopen(fd, "r");
    CHECK("fdopen", f != NULL);
    while (fgets(line, sizeof(line), f) != NULL) {
        at = strstr(line, "[error] ");
        CHECK("a line of the log is broken", at != NULL && strncmp(line, "pillion: ", 9) == 0);
        at += 8;
        for (i = 0; i < LINE_LEN; i++) {
            CHECK("lines of the log are mixed", at[i] == at[0]);
        }
        n++;
    }
    CHECK("the log is not whole", n == THREADS * LINES);
}

static int reads;

/* Comes too late for the first deadline of /retry. */
static int64_t read_late(void *data, char *buf, uint64_t cap)
{
    struct timespec late = { 0, 500000000 };

    (void) data;
    (void) cap;
    if (++reads == 1) {
        nanosleep(&late, NULL);
    }
    buf[0] = 'x';
    return 1;
}

static int32_t take_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    (void) data;
    (void) headers;
    (void) n;
    return status == 200 ? 0 : -1;
}

static int32_t take_body(void *data, const char *bytes, uint64_t len)
{
    (void) data;
    (void) bytes;
    (void) len;
    return 0;
}

static void read_once(void)
{
    pillion_io      io = PILLION_IO_INIT;
    pillion_request req = *to("/retry");
    int             i;

    io.read = read_late;
    io.head = take_head;
    io.write = take_body;
    req.flags = PILLION_REQUEST_MORE;
    for (i = 0; i < 4; i++) {
        reads = 0;
        CHECK("serve", api.serve(&req, &io) == PILLION_OK);
        CHECK("more was read than the handler asked for", reads == 1);
    }
}

/* Submits a batch whose first requests block, and waits for the others. */
static void answer_behind(uint64_t queue, int blocked)
{
    pillion_event events[BATCH];
    uint64_t      handles[BATCH];
    struct pollfd p = { .events = POLLIN };
    uint32_t      n;
    int           i, answered = 0;

    CHECK("queue_fd", api.queue_fd(queue, &p.fd) == PILLION_OK);
    for (i = 0; i < BATCH; i++) {
        CHECK("submit", api.submit(queue, to(i < blocked ? "/hold?key=blocked" : "/"), &handles[i]) == PILLION_OK);
    }
    CHECK("flush", api.flush(queue) == PILLION_OK);
    while (answered < BATCH - blocked) {
        CHECK("a handler that blocks holds up others", poll(&p, 1, PATIENCE) == 1);
        CHECK("poll", api.poll(queue, events, sizeof(*events), BATCH, &n) == PILLION_OK);
        for (i = 0; i < (int) n; i++) {
            CHECK("an event of a request that blocks", events[i].request != handles[0]);
            answered += (events[i].flags & PILLION_EVENT_COMPLETE) != 0;
        }
    }
    for (i = 0; i < BATCH; i++) {
        CHECK("release", api.release(handles[i]) == PILLION_OK);
    }
    CHECK("flush", api.flush(queue) == PILLION_OK);
}

static void answer_behind_blocked(void)
{
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    uint64_t             queue;
    int                  i;

    config.flags = PILLION_QUEUE_BATCH;
    CHECK("queue_new", api.queue_new(&config, &queue) == PILLION_OK);
    for (i = 0; i < 50; i++) {
        answer_behind(queue, 1);
        answer_behind(queue, BATCH / 2);
        answer_behind(queue, BATCH - 1);
    }
    CHECK("queue_free", api.queue_free(queue) == PILLION_OK);
}

int main(int argc, char **argv)
{
    pillion_config config = PILLION_CONFIG_INIT;
    char           err[512], name[] = "/tmp/pillion-races-XXXXXX";
    int            fd = mkstemp(name);

    if (argc != 3 || fd == -1 || unlink(name) == -1) {
        fprintf(stderr, "usage: races LIBRARY free|log|blocked|read\n");
        return 2;
    }
    CHECK("fcntl", fcntl(fd, F_SETFL, O_APPEND) == 0);
    if (pillion_loader_open(argv[1], &api, err, sizeof(err)) == -1) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    config.log_fd = fd;
    config.gomaxprocs = strcmp(argv[2], "blocked") == 0 ? 1 : 0;
    config.log_level = PILLION_LOG_ERROR;
    CHECK("init", api.init(&config) == PILLION_OK);
    CHECK("app_find", api.app_find("behave", 6, &app) == PILLION_OK);
    if (strcmp(argv[2], "free") == 0) {
        free_while_running();
    } else if (strcmp(argv[2], "log") == 0) {
        log_together(fd);
    } else if (strcmp(argv[2], "blocked") == 0) {
        answer_behind_blocked();
    } else {
        read_once();
    }
    CHECK("stop", api.stop(20000, 20000) == PILLION_OK);
    return 0;
}
