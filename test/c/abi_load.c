/*
 * abi_load.c - many requests, many threads, many queues; memory stays where it
 * is.
 */

#include "abi.h"

#define SLOTS 64


/* Keeps SLOTS requests in flight until n have ended. */
static void pump(abi_queue q, int n, const char *target, int batch)
{
    static _Thread_local result slots[SLOTS];
    int                         submitted = 0, ended = 0, i;

    for (i = 0; i < SLOTS; i++) {
        slots[i].complete = 1;
        slots[i].status = 200;
    }
    while (ended < n) {
        for (i = 0; i < SLOTS && submitted < n; i++) {
            if (slots[i].complete) {
                CHECK(200, slots[i].status);
                queue_submit(q, target, &slots[i]);
                submitted++;
            }
        }
        if (batch) {
            CHECK(PILLION_OK, api.flush(q.handle));
        }
        ended += queue_turn(q);
    }
    for (i = 0; i < SLOTS; i++) {
        CHECK(0, slots[i].aborted);
    }
}


static void hundred_thousand(int batch)
{
    abi_queue q;
    int64_t   before, after, begin;
    int       round, n = sanitized ? 2000 : 10000;

    start();
    q = queue_make(batch ? PILLION_QUEUE_BATCH : 0, 0);
    pump(q, n, "/other", batch);
    begin = now_ms();
    before = resident();
    for (round = 0; round < 9; round++) {
        pump(q, n, "/other", batch);
    }
    after = resident();
    printf("%d requests in %ld ms, resident memory %+ld KiB\n", 9 * n, (long) (now_ms() - begin),
           (long) ((after - before) / 1024));
    if (!sanitized) {
        TRUE(after - before < 8 << 20);
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void hundred_thousand_singly(void)
{
    hundred_thousand(0);
}


static void hundred_thousand_in_batches(void)
{
    hundred_thousand(1);
}


static void threads(int n, void *(*run)(void *))
{
    pthread_t t[64];
    int       i;

    for (i = 0; i < n; i++) {
        CHECK(0, pthread_create(&t[i], NULL, run, (void *) (intptr_t) i));
    }
    for (i = 0; i < n; i++) {
        CHECK(0, pthread_join(t[i], NULL));
    }
}


static void *own_queue(void *arg)
{
    abi_queue q = queue_make((intptr_t) arg % 2 ? PILLION_QUEUE_BATCH : 0, 0);

    pump(q, 1000, "/bytes?n=5000&seed=q", (intptr_t) arg % 2);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    return NULL;
}


static void queues_side_by_side(void)
{
    start();
    threads(8, own_queue);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void *serve_some(void *arg)
{
    char   target[64];
    result r;
    int    i;

    for (i = 0; i < 100; i++) {
        snprintf(target, sizeof(target), "/cross/t%d-%d", (int) (intptr_t) arg, i);
        r = serve(target);
        CHECK(PILLION_OK, r.rc);
        CHECK(200, r.status);
        CHECK(0, strncmp(r.body, target + 7, strlen(target + 7)));
    }
    return NULL;
}


static void serve_from_64_threads(void)
{
    start();
    threads(64, serve_some);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void *call_some(void *arg)
{
    char   target[64];
    result r;
    int    i;

    for (i = 0; i < 200; i++) {
        snprintf(target, sizeof(target), "/cross/c%d-%d", (int) (intptr_t) arg, i);
        r = call(target);
        CHECK(PILLION_OK, r.rc);
        CHECK(0, strncmp(r.body, target + 7, strlen(target + 7)));
    }
    return NULL;
}


static void call_from_32_threads(void)
{
    start();
    threads(32, call_some);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void *serve_meeting(void *arg)
{
    result r;

    (void) arg;
    r = serve("/cross/x?key=meet&meet=64");
    CHECK(PILLION_OK, r.rc);
    return NULL;
}


/* No drive keeps one request from running beside another. */
static void sixty_four_at_once(void)
{
    start();
    threads(64, serve_meeting);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* Releases requests at every moment of their lives. */
static void releases_at_any_moment(void)
{
    abi_queue     q;
    result        r;
    pillion_event events[16];
    uint32_t      n;
    int           i, k, rounds = sanitized ? 300 : 2000;

    start();
    q = queue_make(0, 0);
    for (i = 0; i < rounds; i++) {
        uint64_t h = queue_submit(q, "/bytes?n=200000&seed=r", &r);

        for (k = 0; k < i % 7; k++) {
            CHECK(PILLION_OK, api.poll(q.handle, events, sizeof(events[0]), 16, &n));
        }
        if (i % 3 == 0) {
            CHECK(PILLION_OK, api.cancel(h));
        }
        CHECK(PILLION_OK, api.release(h));
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


/* Memory of requests with bodies, aborts and large answers comes back. */
static void memory_stays_where_it_is(void)
{
    abi_queue q;
    result    r;
    int64_t   before = 0, after;
    int       i, round;

    start();
    q = queue_make(0, 0);
    for (round = 0; round < 8; round++) {
        for (i = 0; i < (sanitized ? 20 : 200); i++) {
            queue_submit(q, "/bytes?n=300000&seed=m", &r);
            queue_finish(q, &r);
            CHECK(300000, r.len);
            CHECK(PILLION_OK, call("/bytes?n=100000&seed=m").rc);
            CHECK(PILLION_OK, serve("/bytes?n=100000&seed=m").rc);
        }
        if (round == 3) {
            before = resident();
        }
    }
    after = resident();
    printf("resident memory %+ld KiB\n", (long) ((after - before) / 1024));
    if (!sanitized) {
        TRUE(after - before < 8 << 20);
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_load[] = {
    { "hundred_thousand_singly", hundred_thousand_singly },
    { "hundred_thousand_in_batches", hundred_thousand_in_batches },
    { "queues_side_by_side", queues_side_by_side },
    { "serve_from_64_threads", serve_from_64_threads },
    { "call_from_32_threads", call_from_32_threads },
    { "sixty_four_at_once", sixty_four_at_once },
    { "releases_at_any_moment", releases_at_any_moment },
    { "memory_stays_where_it_is", memory_stays_where_it_is },
    { NULL, NULL },
};
