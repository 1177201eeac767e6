/*
 * abi_hot.c - the consumer of a queue that runs handlers itself.
 */

#include "abi.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define QUICK 10

static int serial;

static abi_queue hot_queue(void)
{
    pillion_config config = PILLION_CONFIG_INIT;

    config.gomaxprocs = 2;
    start_with(&config);
    return queue_make(PILLION_QUEUE_BATCH, 0);
}


static void quick_ones(abi_queue q, result *r, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        queue_submit(q, "/bytes?n=10", &r[i]);
    }
}


static void all_come(abi_queue q, const result *r, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        queue_finish(q, &r[i]);
        CHECK(200, r[i].status);
        TRUE(r[i].complete);
    }
}


/*
 * Submits a request that the consumer runs itself, and quick ones behind it.
 * The target gets a key of its own, which is returned.
 */
static const char *submit_hot(abi_queue q, const char *target, result *r, result *behind,
                              uint64_t *handle)
{
    pillion_pair    pairs[4];
    pillion_request req;
    uint64_t        taken;
    static char     key[16];
    static result   many[64];
    char            whole[128], in[32], runner[32];
    int64_t         deadline = now_ms() + 60000;

    for (;;) {
        quick_ones(q, many, 64);
        all_come(q, many, 64);

        snprintf(key, sizeof(key), "k%d", ++serial);
        snprintf(whole, sizeof(whole), "%s&key=%s", target, key);
        memset(r, 0, sizeof(*r));
        req = get(pairs, whole);
        req.flags = PILLION_REQUEST_MORE;
        req.data = r;
        CHECK(PILLION_OK, api.submit(q.handle, &req, handle));
        quick_ones(q, behind, QUICK);
        CHECK(PILLION_OK, api.flush(q.handle));
        snprintf(in, sizeof(in), "%s/in", key);
        await(in, runner, sizeof(runner));
        if (strcmp(runner, "consumer") == 0) {
            return key;
        }

        /* The machine may be too busy for the consumer to be hot. */
        TRUE(now_ms() < deadline);
        snprintf(in, sizeof(in), "%s/go", key);
        tell(in);
        (void) api.feed(*handle, NULL, 0, 1, &taken);
        CHECK(PILLION_OK, api.flush(q.handle));
        all_come(q, behind, QUICK);
        queue_finish(q, r);
    }
}


static void holds_up_nobody(const char *target)
{
    abi_queue   q = hot_queue();
    result      r, behind[QUICK];
    uint64_t    handle;
    char        go[32];
    int         i;

    for (i = 0; i < 3; i++) {
        snprintf(go, sizeof(go), "%s/go", submit_hot(q, target, &r, behind, &handle));
        all_come(q, behind, QUICK);
        CHECK(0, r.complete + r.aborted);
        tell(go);
        queue_finish(q, &r);
        TRUE(r.complete);
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}

static void handler_that_waits_holds_up_nobody(void) { holds_up_nobody("/runner?how=wait"); }

static void handler_that_computes_holds_up_nobody(void) { holds_up_nobody("/runner?how=compute"); }


static void handler_that_waits_for_its_client_holds_up_nobody(void)
{
    abi_queue q = hot_queue();
    result    r, behind[QUICK];
    uint64_t  handle, taken;

    submit_hot(q, "/runner?how=read", &r, behind, &handle);
    all_come(q, behind, QUICK);
    CHECK(0, r.complete + r.aborted);
    CHECK(PILLION_OK, api.feed(handle, "x", 1, 1, &taken));
    queue_finish(q, &r);
    TRUE(r.complete);

    submit_hot(q, "/runner?how=read", &r, behind, &handle);
    CHECK(PILLION_OK, api.cancel(handle));
    all_come(q, behind, QUICK);
    queue_finish(q, &r);
    TRUE(r.aborted);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void handler_that_ends_its_goroutine_ends_no_other(void)
{
    abi_queue q = hot_queue();
    result    r, behind[QUICK];
    uint64_t  handle;
    int       i;

    for (i = 0; i < 20; i++) {
        submit_hot(q, i % 2 == 0 ? "/runner?how=goexit" : "/runner?how=panic", &r, behind, &handle);
        all_come(q, behind, QUICK);
        queue_finish(q, &r);
        TRUE(r.aborted);
    }
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void queue_goes_while_its_consumer_is_in_a_handler(void)
{
    abi_queue q = hot_queue();
    result    r, behind[QUICK];
    uint64_t  handle;
    char      go[32];

    snprintf(go, sizeof(go), "%s/go", submit_hot(q, "/runner?how=wait", &r, behind, &handle));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    tell(go);
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void looking_does_not_announce(void)
{
    abi_queue     q;
    struct pollfd p;
    result        r;
    uint32_t      n = 9;
    int64_t       deadline = now_ms() + 20000;

    start();
    q = queue_make(0, 0);
    p = (struct pollfd) { q.fd, POLLIN, 0 };
    CHECK(PILLION_E_ARG, api.peek(q.handle, NULL));
    CHECK(PILLION_E_GONE, api.peek(q.handle + 1, &n));
    CHECK(PILLION_OK, api.peek(q.handle, &n));
    CHECK(0, n);
    queue_submit(q, "/bytes?n=10", &r);
    while (n == 0) {
        CHECK(PILLION_OK, api.peek(q.handle, &n));
        TRUE(now_ms() < deadline);
    }
    CHECK(0, poll(&p, 1, 0));
    queue_finish(q, &r);
    CHECK(200, r.status);

    /* The polls before have ended that. */
    queue_submit(q, "/bytes?n=10", &r);
    CHECK(1, poll(&p, 1, 20000));
    queue_finish(q, &r);
    CHECK(PILLION_OK, api.peek(q.handle, &n));
    CHECK(0, n);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    CHECK(PILLION_E_GONE, api.peek(q.handle, &n));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_hot[] = {
    { "handler_that_waits_holds_up_nobody", handler_that_waits_holds_up_nobody },
    { "handler_that_computes_holds_up_nobody", handler_that_computes_holds_up_nobody },
    { "handler_that_waits_for_its_client_holds_up_nobody",
      handler_that_waits_for_its_client_holds_up_nobody },
    { "handler_that_ends_its_goroutine_ends_no_other",
      handler_that_ends_its_goroutine_ends_no_other },
    { "queue_goes_while_its_consumer_is_in_a_handler",
      queue_goes_while_its_consumer_is_in_a_handler },
    { "looking_does_not_announce", looking_does_not_announce },
    { NULL, NULL },
};
