/*
 * stress.c - several threads, each with a queue of its own, do to it whatever
 * the contract allows, in an order that depends on a seed.
 *
 *     stress LIBRARY SEED ROUNDS
 *
 * Fails with a sentence if a function returns what pillion.h does not say, if
 * an event is of a request that was released, or if memory is left at the end.
 */

#include <pillion_loader.h>

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define THREADS  4
#define REQUESTS 64
#define STEPS    4000

#define PAIR(name, value) { name, value, sizeof(name) - 1, sizeof(value) - 1 }

#define CHECK(what, ok)                                                                            \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "stress: seed %u: %s\n", seed, what);                                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static pillion_api api;
static uint64_t    app;
static uint32_t    seed;
static int         rounds;
static char        junk[200000];

static const char *const targets[] = {
    "/", "/hash", "/echo", "/fill?n=500000&key=stress", "/hold?key=stress", "/hold?key=stress&send=x",
    "/panic?n=1&flush=1&abort=1", "/panic?abort=1", "/unread", "/bytes?n=100000&write=100",
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))

typedef struct {
    uint64_t queue;
    int32_t  fd;
    uint32_t random;
    uint64_t handles[REQUESTS];
    uint64_t borrowed[REQUESTS];    /* handed out and not credited             */
} side;

static uint32_t choose(side *s, uint32_t n)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 17;
    s->random ^= s->random << 5;
    return s->random % n;
}

static void submit(side *s, uint32_t i)
{
    const char     *target = targets[choose(s, TARGETS)];
    pillion_pair    environ_pairs[] = {
        PAIR("REQUEST_METHOD", "POST"),
        { "REQUEST_URI", target, 11, (uint32_t) strlen(target) },
        PAIR("SERVER_PROTOCOL", "HTTP/1.1"),
    };
    pillion_pair    headers[] = { PAIR("Host", "stress") };
    pillion_request request = PILLION_REQUEST_INIT;
    int32_t         rc;

    request.app = app;
    request.environ = environ_pairs;
    request.environ_len = 3;
    request.headers = headers;
    request.headers_len = 1;
    request.flags = choose(s, 2) ? PILLION_REQUEST_MORE : 0;
    request.body = junk;
    request.body_len = choose(s, 3000);
    request.data = &s->handles[i];
    request.credit = choose(s, 5) ? 1 + choose(s, 3000) : 0;
    request.window = choose(s, 3) ? 0 : 1 + choose(s, 5000);
    rc = api.submit(s->queue, &request, &s->handles[i]);
    CHECK("submit", rc == PILLION_OK || rc == PILLION_E_FULL);
    s->borrowed[i] = 0;
}

static void release(side *s, uint32_t i)
{
    uint64_t handle = s->handles[i], taken;

    CHECK("release", api.release(handle) == PILLION_OK);
    CHECK("release of a released request", api.release(handle) == PILLION_E_GONE);
    CHECK("cancel of a released request", api.cancel(handle) == PILLION_E_GONE);
    CHECK("feed of a released request", api.feed(handle, junk, 1, 0, &taken) == PILLION_E_GONE);
    s->handles[i] = 0;
}

/* Reads the ends, so that a sanitizer or the kernel may object. */
static void touch(const char *bytes, uint64_t len)
{
    const volatile char *at = bytes;

    if (len != 0) {
        (void) at[0];
        (void) at[len - 1];
    }
}

static void take(side *s, const pillion_event *e)
{
    uint64_t *handle = e->data;
    uint32_t  i = (uint32_t) (handle - s->handles), k;

    CHECK("an event of a released request", *handle == e->request);
    s->borrowed[i] += e->body_len;
    touch(e->body, e->body_len);
    for (k = 0; k < e->headers_len; k++) {
        touch(e->headers[k].name, e->headers[k].name_len);
        touch(e->headers[k].value, e->headers[k].value_len);
    }
    if ((e->flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0 && choose(s, 2)) {
        release(s, i);
    }
}

static void poll_some(side *s)
{
    pillion_event events[17];
    struct pollfd p = { s->fd, POLLIN, 0 };
    uint32_t      n, i, cap = 1 + choose(s, 17);

    if (choose(s, 50) == 0) {
        CHECK("flush", api.flush(s->queue) == PILLION_OK);
        poll(&p, 1, 2);
    }
    do {
        CHECK("poll", api.poll(s->queue, events, sizeof(events[0]), cap, &n) == PILLION_OK);
        for (i = 0; i < n; i++) {
            take(s, &events[i]);
        }
    } while (n == cap && choose(s, 8) != 0);
}

static void step(side *s)
{
    uint32_t i = choose(s, REQUESTS);
    uint64_t taken, n;
    int32_t  rc;

    if (s->handles[i] == 0) {
        submit(s, i);
        return;
    }
    switch (choose(s, 10)) {
    case 0:
    case 1:
    case 2:
        rc = api.feed(s->handles[i], junk, choose(s, 100000), choose(s, 4) == 0, &taken);
        CHECK("feed", rc == PILLION_OK || rc == PILLION_E_STATE);
        break;
    case 3:
    case 4:
        if (s->borrowed[i] != 0) {
            n = 1 + choose(s, (uint32_t) s->borrowed[i]);
            CHECK("credit", api.credit(s->handles[i], n) == PILLION_OK);
            s->borrowed[i] -= n;
        }
        break;
    case 5:
        CHECK("credit of too much",
              api.credit(s->handles[i], s->borrowed[i] + 1) == PILLION_E_ARG);
        break;
    case 6:
        if (choose(s, 4) == 0) {
            CHECK("cancel", api.cancel(s->handles[i]) == PILLION_OK);
        }
        break;
    case 7:
        if (choose(s, 4) == 0) {
            release(s, i);
        }
        break;
    case 8:
        CHECK("flush", api.flush(s->queue) == PILLION_OK);
        break;
    default:
        poll_some(s);
    }
    if (choose(s, 3) == 0) {
        poll_some(s);
    }
}

static void *run(void *number)
{
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    side                 s;
    int                  round, i;

    memset(&s, 0, sizeof(s));
    s.random = (seed * THREADS + (uint32_t) (uintptr_t) number) * 2654435761u | 1u;
    for (round = 0; round < rounds; round++) {
        memset(s.handles, 0, sizeof(s.handles));
        config.flags = choose(&s, 2) ? PILLION_QUEUE_BATCH : 0;
        config.max_in_flight = 1 + choose(&s, 100);
        CHECK("queue_new", api.queue_new(&config, &s.queue) == PILLION_OK);
        CHECK("queue_fd", api.queue_fd(s.queue, &s.fd) == PILLION_OK);
        for (i = 0; i < STEPS; i++) {
            step(&s);
        }
        CHECK("queue_free", api.queue_free(s.queue) == PILLION_OK);
        CHECK("queue_free of a freed queue", api.queue_free(s.queue) == PILLION_E_GONE);
    }
    return NULL;
}

/* Handlers that were left running end when their contexts do. */
static int nothing_left(void)
{
    pillion_stats_t stats = PILLION_STATS_INIT;
    struct timespec moment = { 0, 1000000 };
    int             i;

    for (i = 0; i < 20000; i++) {
        CHECK("stats", api.stats(&stats) == PILLION_OK);
        if (stats.running == 0 && stats.buffered == 0 && stats.requests == 0 && stats.queues == 0) {
            return 1;
        }
        nanosleep(&moment, NULL);
    }
    fprintf(stderr, "left: %llu running, %llu bytes, %llu requests\n",
            (unsigned long long) stats.running, (unsigned long long) stats.buffered,
            (unsigned long long) stats.requests);
    return 0;
}

int main(int argc, char **argv)
{
    pillion_config config = PILLION_CONFIG_INIT;
    pthread_t      threads[THREADS];
    char           err[512];
    intptr_t       i;

    if (argc != 4) {
        fprintf(stderr, "usage: stress LIBRARY SEED ROUNDS\n");
        return 2;
    }
    seed = (uint32_t) atoi(argv[2]);
    rounds = atoi(argv[3]);
    if (pillion_loader_open(argv[1], &api, err, sizeof(err)) == -1) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    config.log_level = PILLION_LOG_ERROR + 1;
    CHECK("init", api.init(&config) == PILLION_OK);
    CHECK("app_find", api.app_find("behave", 6, &app) == PILLION_OK);
    for (i = 0; i < THREADS; i++) {
        CHECK("pthread_create", pthread_create(&threads[i], NULL, run, (void *) i) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK("something is left", nothing_left());
    CHECK("stop", api.stop(20000, 20000) == PILLION_OK);
    return 0;
}
