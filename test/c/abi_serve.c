/*
 * abi_serve.c - the serve drive: which callbacks run, and what their failures
 * come to.
 */

#include "abi.h"

#include <stdatomic.h>
#include <stddef.h>


/* Callbacks that keep a record and fail where they are told to. */
typedef struct record {
    char       calls[256];          /* a letter each: h i w f t r              */
    int        fail_at;             /* the letter                              */
    pthread_t  thread;
    int        strange;             /* called on another thread                */
    const char *body;               /* what is left to read                    */
    _Atomic int alive;
    int        asked;
    int32_t    status;
    uint64_t   len;
} record;


static int note(record *r, char letter)
{
    size_t n = strlen(r->calls);

    r->strange += !pthread_equal(pthread_self(), r->thread);
    if (n + 1 < sizeof(r->calls)) {
        r->calls[n] = letter;
    }
    return letter == r->fail_at ? -1 : 0;
}


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    record *r = data;
    size_t  n = strlen(r->body);

    if (note(r, 'r') == -1) {
        return -1;
    }
    n = n < cap ? n : (size_t) cap;
    n = n < 3 ? n : 3;
    memcpy(buf, r->body, n);
    r->body += n;
    return (int64_t) n;
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t n)
{
    record *r = data;

    (void) headers;
    (void) n;
    r->status = status;
    return note(r, status < 200 ? 'i' : 'h');
}


static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    record *r = data;

    TRUE(buf != NULL && len > 0);
    r->len += len;
    return note(r, 'w');
}


static int32_t on_flush(void *data)
{
    return note(data, 'f');
}


static int32_t on_trailers(void *data, const pillion_pair *trailers, uint32_t n)
{
    CHECK(1, n);
    CHECK(0, memcmp(trailers[0].name, "X-T", 3));
    CHECK(0, memcmp(trailers[0].value, "v", 1));
    return note(data, 't');
}


static int32_t on_alive(void *data)
{
    record *r = data;

    r->asked++;
    r->strange += !pthread_equal(pthread_self(), r->thread);
    return r->alive;
}


static int32_t run(record *r, const char *target, const char *body, int fail_at)
{
    pillion_pair    e[4];
    pillion_request req = get(e, target);
    pillion_io      io = PILLION_IO_INIT;

    memset(r, 0, sizeof(*r));
    r->thread = pthread_self();
    r->fail_at = fail_at;
    r->body = body;
    r->alive = fail_at != 'a';
    req.flags = body != NULL ? PILLION_REQUEST_MORE : 0;
    io.data = r;
    io.read = on_read;
    io.head = on_head;
    io.write = on_write;
    io.flush = on_flush;
    io.trailers = on_trailers;
    io.alive = on_alive;
    io.alive_ms = 5;
    return api.serve(&req, &io);
}

#define PIECES                                                                                     \
    "/respond?spec=%7B%22Infos%22:%5B103%5D,%22Pieces%22:%5B%22one%22,%22two%22%5D,"               \
    "%22Flush%22:true,%22Trailers%22:%5B%5B%22Trailer:X-T%22,%22v%22%5D%5D"
#define ORDERED  PIECES "%7D"
#define REPORTED PIECES ",%22Key%22:%22serve%22%7D"


static void callbacks_come_in_order_on_one_thread(void)
{
    record r;

    start();
    CHECK(PILLION_OK, run(&r, ORDERED, NULL, 0));
    CHECK(0, strcmp(r.calls, "ifhwfwft"));
    CHECK(6, r.len);
    CHECK(0, r.strange);

    CHECK(PILLION_OK, run(&r, "/", NULL, 0));
    CHECK(0, strcmp(r.calls, "hw"));

    CHECK(PILLION_OK, run(&r, "/echo", "some words", 0));
    CHECK(10, r.len);
    TRUE(strchr(r.calls, 'r') != NULL);
    CHECK(0, r.strange);

    /* A handler that does not read makes no reads. */
    CHECK(PILLION_OK, run(&r, "/unread", "some words", 0));
    TRUE(strchr(r.calls, 'r') == NULL);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void failures_end_the_request(void)
{
    record r;
    char   value[256];

    start();
    CHECK(PILLION_E_IO, run(&r, ORDERED, NULL, 'i'));
    CHECK(0, strcmp(r.calls, "i"));
    CHECK(PILLION_E_IO, run(&r, ORDERED, NULL, 'h'));
    CHECK(0, strcmp(r.calls, "ifh"));
    CHECK(PILLION_E_IO, run(&r, ORDERED, NULL, 'w'));
    CHECK(0, strcmp(r.calls, "ifhw"));
    CHECK(PILLION_E_IO, run(&r, ORDERED, NULL, 'f'));
    CHECK(0, strcmp(r.calls, "if"));
    CHECK(PILLION_E_IO, run(&r, ORDERED, NULL, 't'));
    CHECK(0, strcmp(r.calls, "ifhwfwft"));
    CHECK(PILLION_E_IO, run(&r, "/hash", "abc", 'r'));

    /* The application is told. */
    CHECK(PILLION_E_IO, run(&r, "/fill?key=s&n=10000000", NULL, 'w'));
    await("s/end", value, sizeof(value));
    TRUE(strncmp(value, "error: ", 7) == 0);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void aborts_are_told(void)
{
    record r;

    start();
    CHECK(PILLION_E_ABORTED, run(&r, "/panic", NULL, 0));
    CHECK(0, strcmp(r.calls, ""));
    CHECK(PILLION_E_ABORTED, run(&r, "/panic?n=10&flush=1", NULL, 0));
    CHECK(0, strcmp(r.calls, "hwf"));
    CHECK(PILLION_E_ABORTED, run(&r, "/goexit", NULL, 0));
    CHECK(PILLION_E_ABORTED, run(&r, "/goexit?n=10", NULL, 0));
    CHECK(PILLION_E_ABORTED,
          run(&r, "/respond?spec=%7B%22Headers%22:%5B%5B%22Content-Length%22,%2210%22%5D%5D,"
                  "%22Pieces%22:%5B%22few%22%5D%7D", NULL, 0));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void client_that_left_ends_the_call(void)
{
    record r;
    char   value[256];

    start();
    CHECK(PILLION_E_IO, run(&r, "/hold?linger=1&key=gone", NULL, 'a'));
    TRUE(r.asked > 0);
    CHECK(0, r.strange);
    await("gone/done", value, sizeof(value));
    TRUE(strncmp(value, "cancelled: ", 11) == 0);
    tell("gone/leave");                 /* pillion_serve() has not waited for that */
    await("gone/write", value, sizeof(value));
    TRUE(strncmp(value, "error: ", 7) == 0);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void *tell_thread(void *arg)
{
    await("alive/in", NULL, 0);
    tell(arg);
    return NULL;
}


static void client_that_stays_is_asked_after(void)
{
    record    r;
    pthread_t t;

    start();
    CHECK(0, pthread_create(&t, NULL, tell_thread, "alive/go"));
    CHECK(PILLION_OK, run(&r, "/hold?key=alive", NULL, 0));
    CHECK(0, strcmp(r.calls, "hw"));
    pthread_join(t, NULL);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void optional_callbacks_may_be_missing(void)
{
    pillion_pair    e[4];
    pillion_request req;
    pillion_io      io = PILLION_IO_INIT;
    record          r = { .thread = pthread_self() };

    start();
    req = get(e, REPORTED);
    io.data = &r;
    io.head = on_head;
    io.write = on_write;
    CHECK(PILLION_OK, api.serve(&req, &io));
    CHECK(0, strcmp(r.calls, "ihww"));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* A structure whose size ends within a callback: half its address is none. */
static void half_a_callback_is_refused(void)
{
    pillion_pair    e[4];
    pillion_request req;
    pillion_io      io = PILLION_IO_INIT;
    record          r = { .thread = pthread_self() };

    start();
    req = get(e, "/");
    io.data = &r;
    io.head = on_head;
    io.write = on_write;
    io.read = on_read;
    io.hijack = (int32_t (*)(void *, int32_t *)) abort;
    io.size = offsetof(pillion_io, hijack) + sizeof(io.hijack) / 2;
    req.flags = PILLION_REQUEST_HIJACK;
    CHECK(PILLION_E_SIZE, api.serve(&req, &io));
    io.size = offsetof(pillion_io, hijack);
    CHECK(PILLION_E_ARG, api.serve(&req, &io));
    req.flags = 0;
    CHECK(PILLION_OK, api.serve(&req, &io));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_serve[] = {
    { "callbacks_come_in_order_on_one_thread", callbacks_come_in_order_on_one_thread },
    { "failures_end_the_request", failures_end_the_request },
    { "aborts_are_told", aborts_are_told },
    { "client_that_left_ends_the_call", client_that_left_ends_the_call },
    { "client_that_stays_is_asked_after", client_that_stays_is_asked_after },
    { "optional_callbacks_may_be_missing", optional_callbacks_may_be_missing },
    { "half_a_callback_is_refused", half_a_callback_is_refused },
    { NULL, NULL },
};
