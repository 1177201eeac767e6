/*
 * abi_args.c - wrong arguments to every function get their documented status.
 */

#include "abi.h"

static const uint64_t no_handles[] = {
    0, 1, 42, UINT64_MAX, UINT64_MAX / 2, 1ull << 63, 0x1000000000000000ull, 0x2fffffff00000000ull,
    0x3fffffff00000000ull, 0x4fffffff00000000ull, 0x40000001ffffffffull, 0x5000000100000000ull,
};
/* The sizes of the first version's structures. */
#define IO_1_0    64
#define EVENT_1_0 56
#define STATS_1_0 80

#define NO_HANDLES (sizeof(no_handles) / sizeof(no_handles[0]))


static void before_init(void)
{
    pillion_pair         e[4];
    pillion_request      req;
    pillion_response     res = PILLION_RESPONSE_INIT;
    pillion_stats_t      stats = PILLION_STATS_INIT;
    pillion_io           io = PILLION_IO_INIT;
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    uint64_t             handle, len;
    const char          *name;
    uint32_t             n;

    CHECK(PILLION_ABI, api.abi());
    TRUE(strlen(api.version()) >= 5);
    CHECK(PILLION_OK, api.app_find("behave", 6, &app));
    CHECK(PILLION_OK, api.app_find("behave!", 6, &app));
    CHECK(PILLION_E_APP, api.app_find("behave!", 7, &handle));
    CHECK(PILLION_E_APP, api.app_find("", 0, &handle));
    CHECK(PILLION_E_APP, api.app_find(NULL, 0, &handle));
    CHECK(PILLION_E_ARG, api.app_find(NULL, 1, &handle));
    CHECK(PILLION_E_ARG, api.app_find("behave", 6, NULL));
    CHECK(PILLION_OK, api.app_name(0, &name, &len));
    CHECK(6, len);
    CHECK(0, memcmp(name, "behave", 6));
    CHECK(PILLION_OK, api.app_name(1, &name, &len));
    CHECK(0, memcmp(name, "other", 5));
    for (n = 2; api.app_name(n, &name, &len) == PILLION_OK; n++) {
        CHECK(PILLION_OK, api.app_find(name, len, &handle));
    }
    CHECK(PILLION_E_APP, api.app_name(n, &name, &len));
    CHECK(PILLION_E_APP, api.app_name(UINT32_MAX, &name, &len));
    CHECK(PILLION_E_ARG, api.app_name(0, NULL, &len));
    CHECK(PILLION_E_ARG, api.app_name(0, &name, NULL));

    req = get(e, "/");
    io.head = (int32_t (*)(void *, int32_t, const pillion_pair *, uint32_t)) abort;
    io.write = (int32_t (*)(void *, const char *, uint64_t)) abort;
    CHECK(PILLION_E_STATE, api.call(&req, &res));
    CHECK(PILLION_E_STATE, api.serve(&req, &io));
    CHECK(PILLION_E_STATE, api.queue_new(&config, &handle));
    CHECK(PILLION_E_STATE, api.queue_new(NULL, &handle));
    CHECK(PILLION_E_STATE, api.stats(&stats));
    CHECK(PILLION_E_STATE, api.stop(0, 0));
    CHECK(PILLION_OK, api.release(0));
    CHECK(PILLION_OK, api.queue_free(0));
    CHECK(PILLION_OK, api.response_free(0));
    CHECK(PILLION_E_GONE, api.submit(1, &req, &handle));
    CHECK(PILLION_E_GONE, api.response_free(1));

    start();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void statuses_have_sentences(void)
{
    int32_t i;

#define SENTENCE(name, number, text)                                                               \
    CHECK(number, name);                                                                           \
    CHECK(0, strcmp(api.strerror(number), text));
    PILLION_STATUSES(SENTENCE)
    for (i = -100; i < 100; i++) {
        TRUE(strlen(api.strerror(i)) > 0);
    }
    CHECK(0, strcmp(api.strerror(1), "unknown status"));
    CHECK(0, strcmp(api.strerror(INT32_MIN), "unknown status"));
}


static void init_arguments(void)
{
    pillion_config config = PILLION_CONFIG_INIT;
    pillion_pair   bad = { "NAME", "value", 4, 5 };
    struct {
        pillion_config config;
        char           later[64];
    } longer = { PILLION_CONFIG_INIT, "fields of a later version" };

    config.size = 0;
    CHECK(PILLION_E_SIZE, api.init(&config));
    config.size = (uint32_t) sizeof(config) - 1;
    CHECK(PILLION_E_SIZE, api.init(&config));
    config.size = sizeof(config);

#define BAD(status, field, value)                                                                  \
    do {                                                                                           \
        pillion_config c = config;                                                                 \
                                                                                                   \
        c.field = value;                                                                           \
        CHECK(status, api.init(&c));                                                               \
    } while (0)
    BAD(PILLION_E_ARG, flags, 0x80000000u);
    BAD(PILLION_E_ARG, log_fd, -1);
    BAD(PILLION_E_ARG, log_fd, 9999);
    BAD(PILLION_E_ARG, crash_fd, 9999);
    BAD(PILLION_E_ARG, crash_fd, -2);
    BAD(PILLION_E_ARG, server_software_len, 5);
    BAD(PILLION_E_ARG, env_len, 1);
    BAD(PILLION_E_LIMIT, env_len, UINT32_MAX);

    config.env = &bad;
    config.env_len = 1;
#define BAD_PAIR(status, n, nl, v, vl)                                                             \
    bad = (pillion_pair) { n, v, nl, vl };                                                         \
    CHECK(status, api.init(&config))
    BAD_PAIR(PILLION_E_ARG, NULL, 4, "v", 1);
    BAD_PAIR(PILLION_E_ARG, "NAME", 4, NULL, 1);
    BAD_PAIR(PILLION_E_ARG, "", 0, "v", 1);
    BAD_PAIR(PILLION_E_ARG, "A=B", 3, "v", 1);
    BAD_PAIR(PILLION_E_ARG, "A\0B", 3, "v", 1);
    BAD_PAIR(PILLION_E_LIMIT, "NAME", UINT32_MAX, "v", 1);
    BAD_PAIR(PILLION_E_LIMIT, "NAME", 4, "v", UINT32_MAX);

    /* None of these has used up the one start. */
    longer.config.size = sizeof(longer);
    start_with(&longer.config);
    CHECK(PILLION_E_STATE, api.init(NULL));
    CHECK(PILLION_E_STATE, api.init(&longer.config));
    CHECK(PILLION_E_SIZE, api.init(&(pillion_config) { 0 }));
    CHECK(PILLION_OK, api.stop(20000, 20000));
    CHECK(PILLION_E_STOPPED, api.init(NULL));
}


static int32_t no_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    (void) data, (void) status, (void) headers, (void) n;
    exit(1);
}


static int32_t no_write(void *data, const char *buf, uint64_t len)
{
    (void) data, (void) buf, (void) len;
    exit(1);
}


static int64_t no_read(void *data, char *buf, uint64_t cap)
{
    (void) data, (void) buf, (void) cap;
    exit(1);
}


static uint64_t some_queue;

/* What is wrong with a request is found by all drives alike. */
static void refused(int32_t want, const pillion_request *req)
{
    pillion_response res = PILLION_RESPONSE_INIT;
    pillion_io       io = PILLION_IO_INIT;
    uint64_t         handle = 77;

    io.head = no_head;
    io.write = no_write;
    io.read = no_read;
    CHECK(want, api.call(req, &res));
    CHECK(0, res.handle);
    CHECK(want, api.serve(req, &io));
    CHECK(want, api.submit(some_queue, req, &handle));
    CHECK(77, handle);
}


static void request_arguments(void)
{
    static pillion_pair many[PILLION_MAX_PAIRS + 1];
    pillion_pair        e[4], pairs[2];
    pillion_request     good, r;
    pillion_response    res = PILLION_RESPONSE_INIT;
    pillion_io          io = PILLION_IO_INIT;
    uint64_t            handle, other;
    size_t              i;

    start();
    CHECK(PILLION_OK, api.queue_new(NULL, &some_queue));
    good = get(e, "/");

    refused(PILLION_E_ARG, NULL);
#define WITH(status, change)                                                                       \
    r = good;                                                                                      \
    change;                                                                                        \
    refused(status, &r)
    WITH(PILLION_E_SIZE, r.size = 0);
    WITH(PILLION_E_SIZE, r.size = sizeof(r) - 1);
    WITH(PILLION_E_ARG, r.flags = 8);
    WITH(PILLION_E_ARG, r.flags = 0xfffffff8);
    for (i = 0; i < NO_HANDLES; i++) {
        WITH(PILLION_E_APP, r.app = no_handles[i]);
    }
    WITH(PILLION_E_APP, r.app = some_queue);
    WITH(PILLION_E_ARG, r.environ = NULL);
    WITH(PILLION_E_ARG, r.environ_len = 0);
    WITH(PILLION_E_ARG, (r.environ = e + 1, r.environ_len = 3));
    WITH(PILLION_E_LIMIT, r.environ_len = UINT32_MAX);
    WITH(PILLION_E_LIMIT, r.headers_len = UINT32_MAX);
    WITH(PILLION_E_ARG, r.headers_len = 1);
    WITH(PILLION_E_LIMIT, (r.headers = many, r.headers_len = PILLION_MAX_PAIRS + 1));
    WITH(PILLION_E_ARG, r.body_len = 1);
    WITH(PILLION_E_LIMIT, (r.body = "x", r.body_len = UINT64_MAX));
    WITH(PILLION_E_LIMIT, r.credit = PILLION_MAX_WINDOW + 1);
    WITH(PILLION_E_LIMIT, r.window = UINT32_MAX);

    pairs[0] = (pillion_pair) { "X", "y", 1, 1 };
#define PAIR(status, n, nl, v, vl)                                                                 \
    pairs[1] = (pillion_pair) { n, v, nl, vl };                                                    \
    WITH(status, (r.headers = pairs, r.headers_len = 2))
    PAIR(PILLION_E_ARG, NULL, 1, "v", 1);
    PAIR(PILLION_E_ARG, "n", 1, NULL, 1);
    PAIR(PILLION_E_LIMIT, "n", UINT32_MAX, "v", 1);
    PAIR(PILLION_E_LIMIT, "n", 1, "v", UINT32_MAX);

    r = good;
    r.flags = PILLION_REQUEST_MORE;
    CHECK(PILLION_E_ARG, api.call(&r, &res));
    CHECK(PILLION_E_ARG, api.call(&good, NULL));
    res.size = sizeof(res) - 1;
    CHECK(PILLION_E_SIZE, api.call(&good, &res));
    res.size = 0;
    CHECK(PILLION_E_SIZE, api.call(&good, &res));

    CHECK(PILLION_E_ARG, api.serve(&good, NULL));
    CHECK(PILLION_E_ARG, api.serve(&good, &io));
    io.head = no_head;
    CHECK(PILLION_E_ARG, api.serve(&good, &io));
    io.write = no_write;
    io.head = NULL;
    CHECK(PILLION_E_ARG, api.serve(&good, &io));
    io.head = no_head;
    CHECK(PILLION_E_ARG, api.serve(&r, &io));   /* more, but no way to read it */
    io.size = IO_1_0 - 1;
    CHECK(PILLION_E_SIZE, api.serve(&good, &io));

    CHECK(PILLION_E_ARG, api.submit(some_queue, &good, NULL));
    for (i = 0; i < NO_HANDLES; i++) {
        CHECK(PILLION_E_GONE, api.submit(no_handles[i], &good, &handle));
    }
    CHECK(PILLION_OK, api.app_find("other", 5, &other));
    CHECK(PILLION_E_GONE, api.submit(other, &good, &handle));

    CHECK(PILLION_OK, api.queue_free(some_queue));
    CHECK(PILLION_E_GONE, api.submit(some_queue, &good, &handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void requests_of_a_later_version_are_taken(void)
{
    pillion_pair e[4];
    struct {
        pillion_request req;
        char            later[64];
    } longer;
    struct {
        pillion_response res;
        char             later[64];
    } res = { PILLION_RESPONSE_INIT, "untouched" };

    start();
    longer.req = get(e, "/");
    memset(longer.later, 0xff, sizeof(longer.later));
    longer.req.size = sizeof(longer);
    res.res.size = sizeof(res);
    CHECK(PILLION_OK, api.call(&longer.req, &res.res));
    CHECK(200, res.res.status);
    CHECK(sizeof(res), res.res.size);
    CHECK(0, strcmp(res.later, "untouched"));
    CHECK(PILLION_OK, api.response_free(res.res.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void nothing_is_read_past_its_end(void)
{
    pillion_pair     e[4], h = { guarded("X-Guarded"), guarded("value"), 9, 5 };
    pillion_request  r;
    pillion_response res = PILLION_RESPONSE_INIT;
    pillion_config   config = PILLION_CONFIG_INIT;
    pillion_pair     env = { guarded("GUARDED"), guarded("yes"), 7, 3 };
    size_t           i;

    config.env = &env;
    config.env_len = 1;
    config.server_software = guarded("guard/1");
    config.server_software_len = 7;
    start_with(&config);
    CHECK(PILLION_OK, api.app_find(guarded("behave"), 6, &app));
    r = get(e, "/facts/x");
    for (i = 0; i < 4; i++) {
        e[i].name = guarded(e[i].name);
        e[i].value = guarded(e[i].value);
    }
    r.headers = &h;
    r.headers_len = 1;
    r.body = guarded("body");
    r.body_len = 4;
    CHECK(PILLION_OK, api.call(&r, &res));
    CHECK(400, res.status);             /* headers, and no Host among them */
    CHECK(PILLION_OK, api.response_free(res.handle));
    r.headers_len = 0;
    CHECK(PILLION_OK, api.call(&r, &res));
    CHECK(200, res.status);
    CHECK(PILLION_OK, api.response_free(res.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void malformed_http_is_answered(void)
{
    pillion_pair     e[5];
    pillion_request  r;
    pillion_response res = PILLION_RESPONSE_INIT;
    size_t           i;
    static const struct {
        const char *name;
        const char *value;
        int32_t     status;
    } bad[] = {
        { "CONTENT_LENGTH", "many", 400 },   { "CONTENT_LENGTH", "-1", 400 },
        { "REQUEST_URI", "no slash", 400 },  { "REQUEST_METHOD", "G T", 400 },
        { "SERVER_PROTOCOL", "GOPHER", 400 }, { "SERVER_PROTOCOL", "HTTP/9.9", 505 },
        { "HTTP_HOST", "a b", 400 },
    };

    start();
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t k;

        r = get(e, "/");
        for (k = 0; k < 4 && strcmp(e[k].name, bad[i].name) != 0; k++) {
        }
        e[k] = (pillion_pair) { bad[i].name, bad[i].value, (uint32_t) strlen(bad[i].name),
                                (uint32_t) strlen(bad[i].value) };
        r.environ_len = k == 4 ? 5 : 4;
        CHECK(PILLION_OK, api.call(&r, &res));
        CHECK(bad[i].status, res.status);
        CHECK(PILLION_OK, api.response_free(res.handle));
    }
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void handles_are_checked(void)
{
    pillion_pair         e[4];
    pillion_request      r;
    pillion_response     res = PILLION_RESPONSE_INIT;
    pillion_event        event;
    pillion_stats_t      stats = PILLION_STATS_INIT;
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT;
    uint64_t             h, taken, wrong[NO_HANDLES + 3];
    abi_queue            q;
    uint32_t             n;
    int32_t              fd;
    size_t               i;

    start();
    q = queue_make(0, 0);
    r = get(e, "/hold?key=h");
    r.flags = PILLION_REQUEST_MORE;
    CHECK(PILLION_OK, api.submit(q.handle, &r, &h));
    r.flags = 0;
    e[1].value = "/facts/xxxxx";
    e[1].value_len = 12;
    CHECK(PILLION_OK, api.call(&r, &res));

    memcpy(wrong, no_handles, sizeof(no_handles));
    wrong[NO_HANDLES] = app;
    wrong[NO_HANDLES + 1] = h + 1;
    wrong[NO_HANDLES + 2] = h + (1ull << 32);
    for (i = 0; i < NO_HANDLES + 3; i++) {
        CHECK(PILLION_E_GONE, api.feed(wrong[i], "x", 1, 0, &taken));
        CHECK(PILLION_E_GONE, api.credit(wrong[i], 0));
        CHECK(PILLION_E_GONE, api.cancel(wrong[i]));
        CHECK(PILLION_E_GONE, api.flush(wrong[i]));
        CHECK(PILLION_E_GONE, api.queue_fd(wrong[i], &fd));
        CHECK(PILLION_E_GONE, api.poll(wrong[i], &event, sizeof(event), 1, &n));
        if (wrong[i] != 0) {
            CHECK(PILLION_E_GONE, api.release(wrong[i]));
            CHECK(PILLION_E_GONE, api.queue_free(wrong[i]));
            CHECK(PILLION_E_GONE, api.response_free(wrong[i]));
        }
    }
    /* Handles of another kind. */
    CHECK(PILLION_E_GONE, api.release(q.handle));
    CHECK(PILLION_E_GONE, api.release(res.handle));
    CHECK(PILLION_E_GONE, api.queue_free(h));
    CHECK(PILLION_E_GONE, api.response_free(h));
    CHECK(PILLION_E_GONE, api.flush(h));

    CHECK(PILLION_OK, api.response_free(res.handle));
    CHECK(PILLION_E_GONE, api.response_free(res.handle));

    /* Wrong arguments with the right handles. */
    CHECK(PILLION_E_ARG, api.queue_fd(q.handle, NULL));
    CHECK(PILLION_E_ARG, api.poll(q.handle, NULL, sizeof(event), 1, &n));
    CHECK(PILLION_E_ARG, api.poll(q.handle, &event, sizeof(event), 1, NULL));
    CHECK(PILLION_E_ARG, api.poll(q.handle, &event, sizeof(event), 0, &n));
    CHECK(PILLION_E_SIZE, api.poll(q.handle, &event, 0, 1, &n));
    CHECK(PILLION_E_SIZE, api.poll(q.handle, &event, EVENT_1_0 - 1, 1, &n));
    CHECK(PILLION_E_ARG, api.feed(h, "x", 1, 0, NULL));
    CHECK(PILLION_E_ARG, api.feed(h, NULL, 1, 0, &taken));
    CHECK(PILLION_E_ARG, api.credit(h, 1));
    CHECK(PILLION_E_ARG, api.credit(h, UINT64_MAX));
    CHECK(PILLION_OK, api.credit(h, 0));
    CHECK(PILLION_E_ARG, api.queue_new(NULL, NULL));
    config.flags = 2;
    CHECK(PILLION_E_ARG, api.queue_new(&config, &taken));
    config.flags = 0;
    config.max_in_flight = PILLION_MAX_INFLIGHT + 1;
    CHECK(PILLION_E_LIMIT, api.queue_new(&config, &taken));
    config.size = sizeof(config) - 1;
    CHECK(PILLION_E_SIZE, api.queue_new(&config, &taken));
    CHECK(PILLION_E_ARG, api.stats(NULL));
    stats.size = STATS_1_0 - 1;
    CHECK(PILLION_E_SIZE, api.stats(&stats));

    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_E_GONE, api.release(h));
    CHECK(PILLION_E_GONE, api.feed(h, "x", 1, 0, &taken));
    CHECK(PILLION_E_GONE, api.credit(h, 0));
    CHECK(PILLION_E_GONE, api.cancel(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    CHECK(PILLION_E_GONE, api.queue_free(q.handle));
    CHECK(PILLION_E_GONE, api.poll(q.handle, &event, sizeof(event), 1, &n));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_args[] = {
    { "before_init", before_init },
    { "statuses_have_sentences", statuses_have_sentences },
    { "init_arguments", init_arguments },
    { "request_arguments", request_arguments },
    { "requests_of_a_later_version_are_taken", requests_of_a_later_version_are_taken },
    { "nothing_is_read_past_its_end", nothing_is_read_past_its_end },
    { "malformed_http_is_answered", malformed_http_is_answered },
    { "handles_are_checked", handles_are_checked },
    { NULL, NULL },
};
