/*
 * drive.c - runs operations of one kind, as many as each line of its input
 * says, and answers each line with the objects and the bytes that Go has
 * allocated for them. hops1 and hops64, which are queue and inflight with a
 * clock, add the nanoseconds of each hop, all operations together.
 *
 * fields is call with a hundred header fields more; floor and fieldsfloor are a
 * call into Go that only makes the objects that an application may keep of one.
 *
 *     drive LIBRARY call|fields|floor|fieldsfloor|queue|inflight|feed|release|hops1|hops64
 */

#include <pillion_loader.h>

#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define PAIR(name, value) { name, value, sizeof(name) - 1, sizeof(value) - 1 }
#define LENGTH(array)     (sizeof(array) / sizeof(array[0]))
#define INFLIGHT          64
#define CHUNK             16384
#define FIELDS            100

#define CHECK(what, ok)                                                        \
    do {                                                                       \
        if (!(ok)) {                                                           \
            fprintf(stderr, "drive: %s\n", what);                              \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static pillion_api api;
static uint64_t    queue;
static int32_t     fd;
static char        chunk[CHUNK];

static uint64_t find(const char *name)
{
    uint64_t app;

    CHECK("no such application", api.app_find(name, strlen(name), &app) == PILLION_OK);
    return app;
}

/* A request with 12 variables. */
static pillion_request request(pillion_pair *pairs, const char *app, const char *method, const char *target)
{
    static const pillion_pair usual[] = {
        PAIR("REQUEST_METHOD", ""),         PAIR("REQUEST_URI", ""),
        PAIR("SERVER_PROTOCOL", "HTTP/1.1"), PAIR("SERVER_NAME", "localhost"),
        PAIR("SERVER_ADDR", "127.0.0.1"),   PAIR("SERVER_PORT", "8080"),
        PAIR("HTTP_HOST", "localhost"),      PAIR("REMOTE_ADDR", "127.0.0.1"),
        PAIR("REMOTE_PORT", "40000"),       PAIR("REQUEST_SCHEME", "http"),
        PAIR("QUERY_STRING", ""),           PAIR("SCRIPT_NAME", ""),
    };
    pillion_request r = PILLION_REQUEST_INIT;

    memcpy(pairs, usual, sizeof(usual));
    pairs[0].value = method;
    pairs[0].value_len = (uint32_t) strlen(method);
    pairs[1].value = target;
    pairs[1].value_len = (uint32_t) strlen(target);
    r.app = find(app);
    r.environ = pairs;
    r.environ_len = LENGTH(usual);
    return r;
}

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static void allocated(unsigned long long *objects, unsigned long long *bytes)
{
    pillion_pair     pairs[12];
    pillion_request  r = request(pairs, "bench", "GET", "/mallocs");
    pillion_response response = PILLION_RESPONSE_INIT;
    char             text[64];

    CHECK("/mallocs failed", api.call(&r, &response) == PILLION_OK && response.body_len < sizeof(text));
    memcpy(text, response.body, response.body_len);
    text[response.body_len] = 0;
    CHECK("/mallocs answers no numbers", sscanf(text, "%llu %llu", objects, bytes) == 2);
    api.response_free(response.handle);
}

static void calls(const pillion_request *r, long n)
{
    while (n-- > 0) {
        pillion_response response = PILLION_RESPONSE_INIT;

        CHECK("pillion_call failed", api.call(r, &response) == PILLION_OK && response.body_len == 1024);
        api.response_free(response.handle);
    }
}

static void call(long n)
{
    pillion_pair    pairs[12];
    pillion_request r = request(pairs, "hello", "GET", "/hello");

    calls(&r, n);
}

static void fields(long n)
{
    static char     names[FIELDS][16], values[FIELDS][32];
    pillion_pair    pairs[12], headers[FIELDS + 1] = { PAIR("Host", "localhost") };
    pillion_request r = request(pairs, "hello", "GET", "/hello");

    for (int i = 0; i < FIELDS; i++) {
        pillion_pair *p = &headers[i + 1];

        p->name = names[i];
        p->name_len = (uint32_t) sprintf(names[i], "X-Header-%d", i);
        p->value = values[i];
        p->value_len = (uint32_t) sprintf(values[i], "a value of some length %d", i);
    }
    r.headers = headers;
    r.headers_len = LENGTH(headers);
    calls(&r, n);
}

static void (*make)(int32_t fields); /* the library's bench_make() */

static void makes(int32_t fields, long n)
{
    CHECK("the library has no bench_make()", make != NULL);
    while (n-- > 0) {
        make(fields);
    }
}

static void call_floor(long n)   { makes(1, n); }
static void fields_floor(long n) { makes(FIELDS + 1, n); }

static uint32_t events(pillion_event *e, uint32_t cap)
{
    uint32_t n;

    for (;;) {
        CHECK("pillion_poll failed", api.poll(queue, e, sizeof(*e), cap, &n) == PILLION_OK);
        if (n > 0) {
            return n;
        }
        struct pollfd p = { fd, POLLIN, 0 };
        poll(&p, 1, -1);
    }
}

/* Keeps that many requests under way until n have ended. */
static void round_trips(long n, long inflight)
{
    pillion_pair    pairs[12];
    pillion_request r = request(pairs, "hello", "GET", "/hello");
    pillion_event   e[INFLIGHT];
    uint64_t        handle;
    long            submitted = 0, ended = 0;

    while (ended < n) {
        while (submitted < n && submitted - ended < inflight) {
            CHECK("pillion_submit failed", api.submit(queue, &r, &handle) == PILLION_OK);
            submitted++;
        }
        api.flush(queue);
        uint32_t got = events(e, INFLIGHT);
        for (uint32_t i = 0; i < got; i++) {
            if (e[i].flags & PILLION_EVENT_COMPLETE) {
                api.release(e[i].request);
                ended++;
            }
        }
    }
}

static void queued(long n)   { round_trips(n, 1); }
static void inflight(long n) { round_trips(n, INFLIGHT); }

/* In the order in which the line has them. */
enum { SUBMIT, FLUSH, THERE, HANDLER, BACK, POLL, RELEASE, OWNER, ALL, HOPS };

static int64_t hops[HOPS];

/* Adds the time since *at to a hop. */
static void hop(int which, int64_t *at)
{
    int64_t now = nanoseconds(CLOCK_REALTIME);

    hops[which] += now - *at;
    *at = now;
}

/* The way of a request whose answer tells when its handler began and ended:
 * there and back are from the flush to the handler and from the handler to
 * pillion_poll(). OWNER and ALL are CPU time, of this thread and of all. */
static void timed_trips(long n, long inflight)
{
    pillion_pair    pairs[12];
    pillion_request r = request(pairs, "hops", "GET", "/");
    pillion_event   e[INFLIGHT + 1]; /* never full: what is left would not be announced */
    uint64_t        handle;
    int64_t         at, flushed, in_handler[2];
    long            submitted, ended;

    memset(hops, 0, sizeof(hops));
    hops[OWNER] -= nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    hops[ALL] -= nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    while (n > 0) {
        at = nanoseconds(CLOCK_REALTIME);
        for (submitted = 0; submitted < inflight && submitted < n; submitted++) {
            CHECK("pillion_submit failed", api.submit(queue, &r, &handle) == PILLION_OK);
        }
        hop(SUBMIT, &at);
        flushed = at;
        api.flush(queue);
        hop(FLUSH, &at);
        for (ended = 0; ended < submitted;) {
            struct pollfd p = { fd, POLLIN, 0 };
            uint32_t      got;

            poll(&p, 1, -1);
            at = nanoseconds(CLOCK_REALTIME);
            CHECK("pillion_poll failed", api.poll(queue, e, sizeof(*e), INFLIGHT + 1, &got) == PILLION_OK);
            for (uint32_t i = 0; i < got; i++) {
                CHECK("no times", e[i].body_len == sizeof(in_handler));
                memcpy(in_handler, e[i].body, sizeof(in_handler));
                hops[THERE] += in_handler[0] - flushed;
                hops[HANDLER] += in_handler[1] - in_handler[0];
                hops[BACK] += at - in_handler[1];
            }
            hop(POLL, &at);
            for (uint32_t i = 0; i < got; i++) {
                api.release(e[i].request);
            }
            hop(RELEASE, &at);
            ended += got;
        }
        n -= submitted;
    }
    hops[OWNER] += nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    hops[ALL] += nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void hops1(long n)  { timed_trips(n, 1); }
static void hops64(long n) { timed_trips(n, INFLIGHT); }

/* Has one request take n chunks of body. */
static void feed(long n)
{
    pillion_pair    pairs[12];
    pillion_request r = request(pairs, "bench", "POST", "/upload");
    pillion_event   e;
    uint64_t        handle, taken, at = 0;

    r.flags = PILLION_REQUEST_MORE;
    CHECK("pillion_submit failed", api.submit(queue, &r, &handle) == PILLION_OK);
    while (n > 0) {
        CHECK("pillion_feed failed", api.feed(handle, chunk + at, CHUNK - at, n == 1, &taken) == PILLION_OK);
        at += taken;
        if (at == CHUNK) {
            at = 0;
            n--;
        } else {
            api.flush(queue);
            events(&e, 1);
        }
    }
    do {
        events(&e, 1);
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    api.release(handle);
}

/* Has requests answer n pieces of body, and credits each. */
static void release(long n)
{
    pillion_pair    pairs[12];
    pillion_request r = request(pairs, "bench", "GET", "/stream");
    pillion_event   e[INFLIGHT];
    uint64_t        handle;

    while (n > 0) {
        int ended = 0;

        CHECK("pillion_submit failed", api.submit(queue, &r, &handle) == PILLION_OK);
        while (!ended) {
            uint32_t got = events(e, INFLIGHT);
            for (uint32_t i = 0; i < got; i++) {
                if (e[i].body_len != 0) {
                    api.credit(handle, e[i].body_len);
                    n--;
                }
                ended |= (e[i].flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0;
            }
        }
        api.release(handle);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void      (*run)(long n);
    } kinds[] = {
        { "call", call }, { "fields", fields }, { "floor", call_floor }, { "fieldsfloor", fields_floor },
        { "queue", queued }, { "inflight", inflight }, { "feed", feed }, { "release", release },
        { "hops1", hops1 }, { "hops64", hops64 },
    };
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    unsigned long long   objects, bytes, objects_after, bytes_after;
    char                 err[512], line[64];
    size_t               i;

    CHECK("usage: drive LIBRARY KIND", argc == 3);
    for (i = 0; i < LENGTH(kinds) && strcmp(kinds[i].name, argv[2]) != 0; i++) {
    }
    CHECK("no such kind", i < LENGTH(kinds));
    CHECK(err, pillion_loader_open(argv[1], &api, err, sizeof(err)) == 0);
    *(void **) &make = dlsym(dlopen(argv[1], RTLD_NOW), "bench_make");
    CHECK("pillion_init failed", api.init(NULL) == PILLION_OK);
    config.flags = PILLION_QUEUE_BATCH;
    CHECK("pillion_queue_new failed", api.queue_new(&config, &queue) == PILLION_OK);
    CHECK("pillion_queue_fd failed", api.queue_fd(queue, &fd) == PILLION_OK);

    while (fgets(line, sizeof(line), stdin) != NULL) {
        allocated(&objects, &bytes);
        kinds[i].run(atol(line));
        allocated(&objects_after, &bytes_after);
        printf("%llu %llu", objects_after - objects, bytes_after - bytes);
        for (int h = 0; hops[ALL] != 0 && h < HOPS; h++) {
            printf(" %lld", (long long) hops[h]);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
