/*
 * abi_queues.c - the queue drive: events, credit, window, ends, limits.
 */

#include "abi.h"

#include <poll.h>
#include <sys/resource.h>


static void a_request_and_its_events(void)
{
    abi_queue q;
    result    r;

    start();
    q = queue_make(0, 0);
    queue_submit(q, "/bytes?n=3000&seed=x", &r);
    queue_finish(q, &r);
    TRUE(r.complete);
    CHECK(200, r.status);
    CHECK(3000, r.len);

    queue_submit(q, "/panic", &r);
    queue_finish(q, &r);
    TRUE(r.aborted);
    CHECK(0, r.status);

    queue_submit(q, "/panic?n=5000", &r);
    queue_finish(q, &r);
    TRUE(r.aborted);
    CHECK(200, r.status);

    queue_submit(q, "/goexit", &r);
    queue_finish(q, &r);
    TRUE(r.aborted);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void infos_are_bounded(void)
{
    static char target[2048] = "/respond?spec=%7B%22Infos%22:%5B103";
    abi_queue   q;
    result      r;
    int         i;

    start();
    for (i = 1; i < 200; i++) {
        strcat(target, ",103");
    }
    strcat(target, "%5D%7D");
    q = queue_make(0, 0);
    queue_submit(q, target, &r);
    queue_finish(q, &r);
    CHECK(64, r.infos);
    CHECK(200, r.status);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* One event at a time, in a structure of a later version. */
static void small_polls_lose_nothing(void)
{
    struct {
        pillion_event event;
        char          later[32];
    } e;
    pillion_pair    pairs[4];
    pillion_request req;
    struct pollfd   p;
    uint64_t        h, len = 0;
    uint32_t        n, seen = 0, order = 0;
    abi_queue       q;

    start();
    q = queue_make(0, 0);
    req = get(pairs, "/respond?spec=%7B%22Infos%22:%5B103%5D,%22Pieces%22:%5B%22one%22,%22two%22%5D,"
                     "%22Flush%22:true,%22Trailers%22:%5B%5B%22Trailer:X-T%22,%22v%22%5D%5D%7D");
    req.data = &p;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    p = (struct pollfd) { q.fd, POLLIN, 0 };
    while ((seen & PILLION_EVENT_COMPLETE) == 0) {
        CHECK(PILLION_OK, api.poll(q.handle, &e.event, sizeof(e), 1, &n));
        if (n == 0) {
            CHECK(1, poll(&p, 1, 20000));
            continue;
        }
        CHECK(1, n);
        CHECK(h, e.event.request);
        TRUE(e.event.data == &p);
        TRUE(e.event.flags >= order || (e.event.flags & PILLION_EVENT_BODY) != 0);
        order = e.event.flags & (PILLION_EVENT_HEAD | PILLION_EVENT_TRAILERS);
        seen |= e.event.flags;
        if ((e.event.flags & PILLION_EVENT_HEAD) != 0) {
            CHECK(200, e.event.status);
        }
        len += e.event.body_len;
    }
    CHECK(6, len);
    TRUE((seen & PILLION_EVENT_INFO) != 0);
    TRUE((seen & PILLION_EVENT_FLUSH) != 0);
    TRUE((seen & PILLION_EVENT_TRAILERS) != 0);
    CHECK(PILLION_OK, api.poll(q.handle, &e.event, sizeof(e), 1, &n));
    CHECK(0, n);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void credit_bounds_the_response(void)
{
    pillion_pair    pairs[4];
    pillion_request req;
    pillion_event   e;
    pillion_stats_t stats = PILLION_STATS_INIT;
    uint64_t        h, out = 0, total = 0;
    uint32_t        n;
    abi_queue       q;
    struct pollfd   p;
    result          r;

    start();
    q = queue_make(0, 0);
    p = (struct pollfd) { q.fd, POLLIN, 0 };
    req = get(pairs, "/fill?key=c&n=200000");
    req.credit = 10000;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    do {
        e = queue_event(q);
        out += e.body_len;
        TRUE(out <= 10000);
        if (out == 10000) {
            /* The handler waits: nothing may come until something is credited. */
            poll(&p, 1, 20);
            CHECK(PILLION_OK, api.poll(q.handle, &e, sizeof(e), 1, &n));
            CHECK(0, n);
            CHECK(PILLION_E_ARG, api.credit(h, out + 1));
            r = serve("/count?key=c");
            TRUE(atol(r.body) <= (long) (total + 10000 + 8192));
            CHECK(PILLION_OK, api.stats(&stats));
            TRUE(stats.buffered < 64 << 10);
            CHECK(PILLION_OK, api.credit(h, 1));
            CHECK(PILLION_OK, api.credit(h, 9999));
            total += out;
            out = 0;
        }
    } while ((e.flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) == 0);
    TRUE((e.flags & PILLION_EVENT_COMPLETE) != 0);
    CHECK(200000, total + out);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void window_bounds_the_body(void)
{
    static char     bytes[65536];
    pillion_pair    pairs[4];
    pillion_request req;
    pillion_event   e;
    uint64_t        h, taken, fed = 0;
    abi_queue       q;
    char            value[64];

    start();
    q = queue_make(0, 0);
    req = get(pairs, "/slow-upload?key=w&first=100");
    pairs[0].value = "PUT";
    req.flags = PILLION_REQUEST_MORE;
    req.window = 4096;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    e = queue_event(q);                  /* the handler reads, and nothing was fed */
    CHECK(PILLION_EVENT_ROOM, e.flags);

    CHECK(PILLION_OK, api.feed(h, bytes, 60, 0, &taken));
    CHECK(60, taken);
    CHECK(PILLION_OK, api.feed(h, bytes, 40, 0, &taken));
    CHECK(40, taken);
    await("w/first", value, sizeof(value));
    CHECK(100, atol(value));

    CHECK(PILLION_OK, api.feed(h, bytes, sizeof(bytes), 0, &taken));
    TRUE(taken >= 4000 && taken <= 8192);
    fed = 100 + taken;
    CHECK(PILLION_OK, api.feed(h, bytes, 10, 1, &taken));
    CHECK(0, taken);                    /* nor has last counted */
    tell("w/go");
    while (fed < 1000000) {
        e = queue_event(q);
        CHECK(PILLION_EVENT_ROOM, e.flags);
        do {
            CHECK(PILLION_OK, api.feed(h, bytes, sizeof(bytes), 0, &taken));
            fed += taken;
        } while (taken == sizeof(bytes));
        TRUE(taken <= 8192);
    }
    for (;;) {
        CHECK(PILLION_OK, api.feed(h, NULL, 0, 1, &taken));
        CHECK(0, taken);
        break;
    }
    CHECK(PILLION_E_STATE, api.feed(h, "x", 1, 0, &taken));
    CHECK(PILLION_E_STATE, api.feed(h, NULL, 0, 1, &taken));
    do {
        e = queue_event(q);
        if (e.body_len > 0) {
            snprintf(value, sizeof(value), "{\"Bytes\":%lu,", (unsigned long) fed);
            CHECK(0, strncmp(e.body, value, strlen(value)));
        }
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void bytes_for_a_handler_that_is_gone_are_dropped(void)
{
    static char     bytes[100000];
    pillion_pair    pairs[4];
    pillion_request req;
    pillion_event   e;
    uint64_t        h, taken;
    abi_queue       q;

    start();
    q = queue_make(0, 0);
    req = get(pairs, "/unread");
    pairs[0].value = "PUT";
    req.flags = PILLION_REQUEST_MORE;
    req.window = 4096;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    do {
        e = queue_event(q);
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    CHECK(PILLION_OK, api.feed(h, bytes, sizeof(bytes), 0, &taken));
    CHECK(sizeof(bytes), taken);
    CHECK(PILLION_OK, api.feed(h, bytes, sizeof(bytes), 1, &taken));
    CHECK(sizeof(bytes), taken);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void body_may_come_with_the_request(void)
{
    pillion_pair    pairs[4];
    pillion_request req;
    pillion_event   e;
    uint64_t        h, taken;
    abi_queue       q;
    char            body[64];
    size_t          len = 0;

    start();
    q = queue_make(0, 0);
    req = get(pairs, "/echo");
    pairs[0].value = "PUT";
    req.body = "first, ";
    req.body_len = 7;
    req.flags = PILLION_REQUEST_MORE;
    CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
    CHECK(PILLION_OK, api.feed(h, "second, ", 8, 0, &taken));
    CHECK(PILLION_OK, api.feed(h, "last", 4, 1, &taken));
    CHECK(4, taken);
    do {
        e = queue_event(q);
        TRUE(len + e.body_len < sizeof(body));
        memcpy(body + len, e.body == NULL ? "" : e.body, e.body_len);
        len += e.body_len;
    } while ((e.flags & PILLION_EVENT_COMPLETE) == 0);
    CHECK(19, len);
    CHECK(0, memcmp(body, "first, second, last", 19));
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void cancel_ends_the_context(void)
{
    abi_queue q;
    result    r;
    uint64_t  h;
    char      value[256];

    start();
    q = queue_make(0, 0);
    h = queue_submit(q, "/hold?key=x", &r);
    await("x/in", NULL, 0);
    CHECK(PILLION_OK, api.cancel(h));
    CHECK(PILLION_OK, api.cancel(h));
    await("x/done", value, sizeof(value));
    TRUE(strncmp(value, "cancelled: ", 11) == 0);
    await("x/write", value, sizeof(value));
    TRUE(strncmp(value, "error: ", 7) == 0);
    queue_finish(q, &r);
    TRUE(r.complete || r.aborted);

    /* Before anything has run. */
    h = queue_submit(q, "/hold?key=y", &r);
    CHECK(PILLION_OK, api.cancel(h));
    queue_finish(q, &r);

    /* A write that waits for credit. */
    {
        pillion_pair    pairs[4];
        pillion_request req = get(pairs, "/fill?key=z&n=1000000");
        pillion_event   e;

        CHECK(PILLION_OK, api.submit(q.handle, &req, &h));
        e = queue_event(q);
        CHECK(PILLION_OK, api.cancel(h));
        await("z/end", value, sizeof(value));
        TRUE(strncmp(value, "error: ", 7) == 0);
        while ((e.flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) == 0) {
            e = queue_event(q);
        }
        CHECK(PILLION_OK, api.release(h));
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void release_while_the_handler_runs(void)
{
    abi_queue     q;
    result        r;
    uint64_t      h;
    pillion_event e;
    uint32_t      n;
    char          value[256];

    start();
    q = queue_make(0, 0);
    h = queue_submit(q, "/hold?linger=1&send=begin&key=r", &r);
    await("r/in", NULL, 0);
    CHECK(PILLION_OK, api.release(h));
    CHECK(PILLION_E_GONE, api.release(h));
    await("r/done", value, sizeof(value));
    TRUE(strncmp(value, "cancelled: ", 11) == 0);
    CHECK(PILLION_OK, api.poll(q.handle, &e, sizeof(e), 1, &n));
    CHECK(0, n);                        /* not even what happened before */
    tell("r/leave");
    await("r/write", value, sizeof(value));
    TRUE(strncmp(value, "error: ", 7) == 0);
    CHECK(PILLION_OK, api.poll(q.handle, &e, sizeof(e), 1, &n));
    CHECK(0, n);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void queue_goes_while_handlers_run(void)
{
    abi_queue q;
    result    r[20];
    char      key[32], target[64];
    int       i;

    start();
    q = queue_make(PILLION_QUEUE_BATCH, 0);
    for (i = 0; i < 20; i++) {
        snprintf(target, sizeof(target), "/hold?linger=1&key=q%d", i);
        queue_submit(q, target, &r[i]);
    }
    CHECK(PILLION_OK, api.flush(q.handle));
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "q%d/in", i);
        await(key, NULL, 0);
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "q%d/done", i);
        await(key, NULL, 0);
        snprintf(key, sizeof(key), "q%d/leave", i);
        tell(key);
    }
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void queue_can_be_full(void)
{
    pillion_pair    pairs[4];
    pillion_request req;
    pillion_event   e;
    uint64_t        h[4], extra;
    uint32_t        n;
    result          r[4];
    abi_queue       q;
    int             i;
    int64_t         end;

    start();
    q = queue_make(0, 4);
    for (i = 0; i < 4; i++) {
        h[i] = queue_submit(q, "/hold?linger=1&key=full", &r[i]);
    }
    req = get(pairs, "/");
    CHECK(PILLION_E_FULL, api.submit(q.handle, &req, &extra));

    /* A request is in flight until its handler has returned. */
    await("full/in", NULL, 0);
    CHECK(PILLION_OK, api.release(h[0]));
    CHECK(PILLION_E_FULL, api.submit(q.handle, &req, &extra));
    tell("full/leave");
    end = now_ms() + 20000;
    while (api.submit(q.handle, &req, &extra) == PILLION_E_FULL) {
        TRUE(now_ms() < end);
        CHECK(PILLION_OK, api.poll(q.handle, &e, sizeof(e), 1, &n));
    }
    for (i = 1; i < 4; i++) {
        CHECK(PILLION_OK, api.release(h[i]));
    }
    CHECK(PILLION_OK, api.release(extra));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void queues_are_limited(void)
{
    static uint64_t queues[PILLION_MAX_QUEUES];
    struct rlimit   files = { 20000, 20000 };
    uint64_t        extra;
    int32_t         rc = PILLION_OK;
    uint32_t        n, round;

    start();
    setrlimit(RLIMIT_NOFILE, &files);
    for (round = 0; round < 2; round++) {
        for (n = 0; n < PILLION_MAX_QUEUES && rc == PILLION_OK; n++) {
            rc = api.queue_new(NULL, &queues[n]);
        }
        if (rc == PILLION_OK) {
            CHECK(PILLION_E_LIMIT, api.queue_new(NULL, &extra));
        } else {
            CHECK(PILLION_E_OS, rc);    /* too few descriptors are allowed here */
            n--;
        }
        TRUE(n > 100);
        while (n > 0) {
            CHECK(PILLION_OK, api.queue_free(queues[--n]));
        }
        nothing_left();
        rc = PILLION_OK;
    }
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void batches_wait_for_the_flush(void)
{
    abi_queue     q;
    struct pollfd p;
    result        r;
    pillion_stats_t before = PILLION_STATS_INIT, after = PILLION_STATS_INIT;

    start();
    q = queue_make(PILLION_QUEUE_BATCH, 0);
    p = (struct pollfd) { q.fd, POLLIN, 0 };
    CHECK(PILLION_OK, api.stats(&before));
    queue_submit(q, "/", &r);
    CHECK(0, poll(&p, 1, 50));
    CHECK(PILLION_OK, api.stats(&after));
    CHECK(before.completed, after.completed);
    CHECK(PILLION_OK, api.flush(q.handle));
    CHECK(1, poll(&p, 1, 20000));
    queue_finish(q, &r);
    CHECK(200, r.status);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void responses_stay_until_they_are_freed(void)
{
    static pillion_response res[500];
    pillion_stats_t         stats = PILLION_STATS_INIT;
    pillion_pair            pairs[4];
    pillion_request         req;
    char                    target[64];
    int                     i;

    start();
    for (i = 0; i < 500; i++) {
        res[i] = (pillion_response) PILLION_RESPONSE_INIT;
        snprintf(target, sizeof(target), "/bytes?seed=x&n=%d", i * 50);
        req = get(pairs, target);
        CHECK(PILLION_OK, api.call(&req, &res[i]));
    }
    CHECK(PILLION_OK, api.stats(&stats));
    CHECK(500, stats.responses);
    TRUE(stats.buffered > 6000000);
    for (i = 1; i < 500; i++) {
        CHECK((uint64_t) i * 50, res[i].body_len);
        CHECK(0, i > 1 ? memcmp(res[i].body, res[i - 1].body, res[i - 1].body_len) : 0);
    }
    for (i = 0; i < 500; i++) {
        CHECK(PILLION_OK, api.response_free(res[i].handle));
    }
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_queues[] = {
    { "a_request_and_its_events", a_request_and_its_events },
    { "infos_are_bounded", infos_are_bounded },
    { "small_polls_lose_nothing", small_polls_lose_nothing },
    { "credit_bounds_the_response", credit_bounds_the_response },
    { "window_bounds_the_body", window_bounds_the_body },
    { "bytes_for_a_handler_that_is_gone_are_dropped", bytes_for_a_handler_that_is_gone_are_dropped },
    { "body_may_come_with_the_request", body_may_come_with_the_request },
    { "cancel_ends_the_context", cancel_ends_the_context },
    { "release_while_the_handler_runs", release_while_the_handler_runs },
    { "queue_goes_while_handlers_run", queue_goes_while_handlers_run },
    { "queue_can_be_full", queue_can_be_full },
    { "queues_are_limited", queues_are_limited },
    { "batches_wait_for_the_flush", batches_wait_for_the_flush },
    { "responses_stay_until_they_are_freed", responses_stay_until_they_are_freed },
    { NULL, NULL },
};
