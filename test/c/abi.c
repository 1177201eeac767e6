/*
 * abi.c - the tests of the C ABI.
 *
 *     abi LIBRARY SCENARIO     runs one
 *     abi LIBRARY              prints their names
 */

#include "abi.h"
#include "abi_fail.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

pillion_api api;
uint64_t    app;
int         sanitized;


void check(const char *file, int line, const char *what, int64_t want, int64_t got)
{
    if (want != got) {
        fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", file, line, what, got, want);
        exit(1);
    }
}


void start_with(const pillion_config *config)
{
    CHECK(PILLION_OK, api.init(config));
    CHECK(PILLION_OK, api.app_find("behave", 6, &app));
}


void start(void)
{
    start_with(NULL);
}


int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}


int64_t resident(void)
{
    long  total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2) {
        exit(1);
    }
    fclose(f);
    return (int64_t) pages * sysconf(_SC_PAGESIZE);
}


void nothing_left(void)
{
    pillion_stats_t t = PILLION_STATS_INIT;
    struct timespec moment = { 0, 1000000 };
    int64_t         end = now_ms() + 20000;

    do {
        CHECK(PILLION_OK, api.stats(&t));
        if (t.requests == 0 && t.responses == 0 && t.running == 0 && t.buffered == 0
            && t.queues == 0)
        {
            return;
        }
        nanosleep(&moment, NULL);
    } while (now_ms() < end);
    CHECK(0, t.queues);
    CHECK(0, t.requests);
    CHECK(0, t.responses);
    CHECK(0, t.running);
    CHECK(0, t.buffered);
}


static pillion_pair pair(const char *name, const char *value)
{
    return (pillion_pair) { name, value, (uint32_t) strlen(name), (uint32_t) strlen(value) };
}


pillion_request get(pillion_pair *e, const char *target)
{
    pillion_request r = PILLION_REQUEST_INIT;

    e[0] = pair("REQUEST_METHOD", "GET");
    e[1] = pair("REQUEST_URI", target);
    e[2] = pair("SERVER_PROTOCOL", "HTTP/1.1");
    e[3] = pair("HTTP_HOST", "localhost");
    r.app = app;
    r.environ = e;
    r.environ_len = 4;
    return r;
}


static void add_body(result *r, const char *body, uint64_t len)
{
    uint64_t room = r->len < sizeof(r->body) - 1 ? sizeof(r->body) - 1 - r->len : 0;

    if (room > 0 && len > 0) {
        memcpy(r->body + r->len, body, len < room ? len : room);
    }
    r->len += len;
}


result call(const char *target)
{
    pillion_pair     e[4];
    pillion_request  req = get(e, target);
    pillion_response res = PILLION_RESPONSE_INIT;
    result           r = { 0 };

    r.rc = api.call(&req, &res);
    if (r.rc == PILLION_OK || r.rc == PILLION_E_ABORTED) {
        r.status = res.status;
        add_body(&r, res.body, res.body_len);
        CHECK(PILLION_OK, api.response_free(res.handle));
    }
    return r;
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    result *r = data;

    (void) headers;
    (void) n;
    if (status < 200) {
        r->infos++;
    } else {
        r->status = status;
    }
    return 0;
}


static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    add_body(data, buf, len);
    return 0;
}


result serve(const char *target)
{
    pillion_pair    e[4];
    pillion_request req = get(e, target);
    pillion_io      io = PILLION_IO_INIT;
    result          r = { 0 };

    io.data = &r;
    io.head = on_head;
    io.write = on_write;
    r.rc = api.serve(&req, &io);
    return r;
}


abi_queue queue_make(uint32_t flags, uint32_t max_in_flight)
{
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    abi_queue            q;

    config.flags = flags;
    config.max_in_flight = max_in_flight;
    CHECK(PILLION_OK, api.queue_new(&config, &q.handle));
    CHECK(PILLION_OK, api.queue_fd(q.handle, &q.fd));
    return q;
}


uint64_t queue_submit(abi_queue q, const char *target, result *r)
{
    pillion_pair    e[4];
    pillion_request req = get(e, target);
    uint64_t        handle;

    memset(r, 0, sizeof(*r));
    req.data = r;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &handle));
    return handle;
}


int queue_turn(abi_queue q)
{
    pillion_event events[64];
    struct pollfd p = { q.fd, POLLIN, 0 };
    uint32_t      i, n;
    int           ended = 0;

    CHECK(PILLION_OK, api.poll(q.handle, events, sizeof(events[0]), 64, &n));
    if (n == 0) {
        CHECK(1, poll(&p, 1, 20000));
        CHECK(PILLION_OK, api.poll(q.handle, events, sizeof(events[0]), 64, &n));
    }
    for (i = 0; i < n; i++) {
        pillion_event *e = &events[i];
        result        *r = e->data;

        CHECK(0, r->complete + r->aborted);
        r->infos += (e->flags & PILLION_EVENT_INFO) != 0;
        if ((e->flags & PILLION_EVENT_HEAD) != 0) {
            CHECK(0, r->status);
            r->status = e->status;
        }
        if ((e->flags & PILLION_EVENT_BODY) != 0) {
            TRUE(r->status != 0 && e->body_len > 0);
            add_body(r, e->body, e->body_len);
            CHECK(PILLION_OK, api.credit(e->request, e->body_len));
        }
        r->complete = (e->flags & PILLION_EVENT_COMPLETE) != 0;
        r->aborted = (e->flags & PILLION_EVENT_ABORTED) != 0;
        if (r->complete || r->aborted) {
            CHECK(PILLION_OK, api.release(e->request));
            ended++;
        }
    }
    return ended;
}


pillion_event queue_event(abi_queue q)
{
    pillion_event e;
    struct pollfd p = { q.fd, POLLIN, 0 };
    uint32_t      n;

    for (;;) {
        CHECK(PILLION_OK, api.poll(q.handle, &e, sizeof(e), 1, &n));
        if (n == 1) {
            return e;
        }
        CHECK(1, poll(&p, 1, 20000));
    }
}


void queue_finish(abi_queue q, const result *r)
{
    while (!r->complete && !r->aborted) {
        queue_turn(q);
    }
}


void tell(const char *key)
{
    char   target[256];
    result r;

    snprintf(target, sizeof(target), "/tell?key=%s", key);
    r = serve(target);
    CHECK(PILLION_OK, r.rc);
    CHECK(204, r.status);
}


void await(const char *key, char *value, size_t size)
{
    char   target[256];
    result r;

    snprintf(target, sizeof(target), "/await?key=%s", key);
    r = serve(target);
    CHECK(PILLION_OK, r.rc);
    CHECK(200, r.status);
    if (value != NULL) {
        snprintf(value, size, "%s", r.body);
    }
}


char *guarded(const char *s)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t len = strlen(s);
    char  *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || len > page || mprotect(p + page, page, PROT_NONE) == -1) {
        exit(1);
    }
    memcpy(p + page - len, s, len);
    return p + page - len;
}


static const scenario *const tables[] = { abi_args, abi_life, abi_queues, abi_serve,
                                         abi_event, abi_files, abi_hijack, abi_hot,
                                         abi_load, abi_faults, abi_machine };

int main(int argc, char **argv)
{
    char   err[512];
    size_t i;

    sanitized = getenv("ABI_SANITIZED") != NULL;
    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const scenario *s;

        for (s = tables[i]; s->name != NULL; s++) {
            if (argc == 2) {
                puts(s->name);
            } else if (argc == 3 && strcmp(s->name, argv[2]) == 0) {
                alarm(120);
                if (pillion_loader_open(argv[1], &api, err, sizeof(err)) == -1) {
                    fprintf(stderr, "%s\n", err);
                    return 1;
                }
                fail_where(argv[1]);
                s->run();
                puts("passed");
                return 0;
            }
        }
    }
    return argc == 2 ? 0 : 2;
}
