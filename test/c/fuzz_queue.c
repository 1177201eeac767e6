/*
 * fuzz_queue.c - the queue drive. A queue is driven by whoever has it in his
 * sequence, or took it over from one that had ended.
 */

#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

#define EVENT_1_0  56                   /* the size in the first version          */
#define LEFT       16
#define MAX_EVENTS 64


/* Queues left to whoever comes, with their requests. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static queue          *left[LEFT];

static queue *swap_left(uint32_t i, queue *q)
{
    queue *there;

    pthread_mutex_lock(&lock);
    there = left[i];
    left[i] = q;
    pthread_mutex_unlock(&lock);
    return there;
}


/* One of the sequence's queues, NULL if the handle is to be none. */
static queue *some_queue(sequence *z, uint64_t *handle)
{
    uint32_t i = choose(z, QUEUES);
    queue   *q = z->queues[i] != NULL ? z->queues[i] : z->queues[(i + 1) % QUEUES];

    if (q == NULL || once_in(z, 25)) {
        *handle = no_handle(z, KIND_QUEUE);
        return NULL;
    }
    *handle = q->handle;
    return q;
}


/* A live one of the requests of the sequence's queues, from there on. */
static request *live_request(sequence *z, uint32_t first)
{
    uint32_t i;

    for (i = 0; i < QUEUES * REQUESTS; i++) {
        uint32_t at = (first + i) % (QUEUES * REQUESTS);
        queue   *q = z->queues[at % QUEUES];

        if (q != NULL && q->requests[at / QUEUES].handle != 0) {
            return &q->requests[at / QUEUES];
        }
    }
    return NULL;
}


/* One of the requests, if need be a new one; NULL if the handle is to be none. */
static request *some_request(sequence *z, uint64_t *handle)
{
    uint32_t first = choose(z, QUEUES * REQUESTS);
    request *r = live_request(z, first);

    if (r == NULL && !once_in(z, 4)) {
        fuzz_submit(z);
        z->refuse = 0;
        r = live_request(z, first);
    }
    if (r == NULL || once_in(z, 25)) {
        *handle = no_handle(z, KIND_REQUEST);
        return NULL;
    }
    *handle = r->handle;
    return r;
}


static void forget(request *r)
{
    show_gone(r->handle);
    memset(r, 0, sizeof(*r));
}


static void free_queue(sequence *z, queue *q)
{
    int i;

    expect_always(z, CALL(z, queue_free, q->handle), S(OK));
    show_gone(q->handle);
    for (i = 0; i < REQUESTS; i++) {
        if (q->requests[i].handle != 0) {
            show_gone(q->requests[i].handle);
        }
    }
    free(q);
}


void fuzz_queue_new(sequence *z)
{
    pillion_queue_config config = PILLION_QUEUE_CONFIG_INIT, *given = NULL;
    uint32_t             i = choose(z, QUEUES);
    uint64_t             handle = 77, *out = &handle;
    int32_t              rc;

    if (z->queues[i] != NULL) {
        free_queue(z, z->queues[i]);
        z->queues[i] = NULL;
    }
    if (once_in(z, 4)) {
        z->queues[i] = swap_left(choose(z, LEFT), NULL);
        if (z->queues[i] != NULL) {
            return;
        }
    }
    if (!once_in(z, 4)) {
        config.flags = choose(z, 2);
        config.max_in_flight = 1 + choose(z, 2 * REQUESTS);
        switch (choose(z, 40)) {
        case 0: config.flags |= 2u << choose(z, 31); z->refuse |= S(E_ARG); break;
        case 1: config.max_in_flight = PILLION_MAX_INFLIGHT + 1 + choose(z, 99); z->refuse |= S(E_LIMIT); break;
        case 2: config.reserved = choose(z, 99); break;
        }
        given = placed(z, 0, &config, sizeof(config), sizeof(config));
    }
    if (once_in(z, 40)) {
        out = NULL;
        z->refuse |= S(E_ARG);
    }
    rc = CALL(z, queue_new, given, out);
    expect(z, rc, S(OK));
    MUST(z, (rc == PILLION_OK) == (handle != 77), handle);
    if (rc == PILLION_OK) {
        z->queues[i] = calloc(1, sizeof(queue));
        z->queues[i]->handle = handle;
        MUST(z, api.queue_fd(handle, &z->queues[i]->fd) == PILLION_OK, 0);
        show(KIND_QUEUE, handle);
    }
}


void fuzz_queue_fd(sequence *z)
{
    uint64_t handle;
    queue   *q = some_queue(z, &handle);
    int32_t  fd = -77, *out = once_in(z, 20) ? NULL : &fd;
    int32_t  rc = CALL(z, queue_fd, handle, out);

    expect_always(z, rc, (out == NULL ? S(E_ARG) : 0) | (q == NULL ? S(E_GONE) : out == NULL ? 0 : S(OK)));
    MUST(z, rc == PILLION_OK ? fd == q->fd && fcntl(fd, F_GETFD) != -1 : fd == -77, fd);
}


void fuzz_queue_free(sequence *z)
{
    uint32_t i = choose(z, QUEUES);

    switch (choose(z, 4)) {
    case 0:
        expect_always(z, CALL(z, queue_free, 0), S(OK));
        break;
    case 1:
        expect_always(z, CALL(z, queue_free, no_handle(z, KIND_QUEUE)), S(E_GONE));
        break;
    case 2:
        if (z->queues[i] != NULL) {
            uint64_t handle = z->queues[i]->handle;

            free_queue(z, z->queues[i]);
            z->queues[i] = NULL;
            expect_always(z, CALL(z, queue_free, handle), S(E_GONE));
        }
    }
}


/* A queue for the requests to come: most sequences would have none. */
static void have_queue(sequence *z)
{
    uint32_t refuse = z->refuse;
    int      i, n = 0;

    for (i = 0; i < QUEUES; i++) {
        n += z->queues[i] != NULL;
    }
    if (n == 0 && !once_in(z, 10)) {
        z->refuse = 0;
        fuzz_queue_new(z);
        z->refuse = refuse;
    }
}


void fuzz_submit(sequence *z)
{
    pillion_request        req;
    const pillion_request *given;
    uint64_t               at, handle = 77, *out = &handle;
    uint32_t               i = choose(z, REQUESTS);
    request                none, *r = &none;
    queue                 *q;
    int32_t                rc;

    have_queue(z);
    q = some_queue(z, &at);
    if (q != NULL) {
        r = &q->requests[i];
        if (r->handle != 0) {
            expect_always(z, CALL(z, release, r->handle), S(OK));
            forget(r);
        }
    } else {
        z->refuse |= S(E_GONE);
    }
    given = make_request(z, BY_QUEUE, &req);
    if (given != NULL && z->refuse == 0) {
        memcpy((char *) given + offsetof(pillion_request, data), &r, sizeof(r));
    }
    if (once_in(z, 60)) {
        out = NULL;
        z->refuse |= S(E_ARG);
    }
    rc = CALL(z, submit, at, given, out);
    expect(z, rc, S(OK) | S(E_FULL));
    MUST(z, (rc == PILLION_OK) == (handle != 77), handle);
    if (rc == PILLION_OK) {
        memset(r, 0, sizeof(*r));
        r->handle = handle;
        r->flags = req.flags;
        show(KIND_REQUEST, handle);
    }
}


void fuzz_feed(sequence *z)
{
    uint64_t    handle, taken = 77, *out = once_in(z, 40) ? NULL : &taken;
    request    *r = some_request(z, &handle);
    uint64_t    len = choose(z, once_in(z, 8) ? 200000 : 3000);
    const char *bytes = some_bytes(z, 0, len);
    uint32_t    right = S(OK) | S(E_STATE);
    int32_t     rc;

    if (once_in(z, 40)) {
        bytes = NULL;
        len = once_in(z, 2) ? UINT64_MAX : len;
    }
    if (out == NULL || (bytes == NULL && len != 0)) {
        right = S(E_ARG);
    }
    if (r == NULL) {
        right = S(E_GONE) | (right & S(E_ARG));
    }
    rc = CALL(z, feed, handle, bytes, len, once_in(z, 4) ? 1 + (int32_t) choose(z, 1u << 30) : 0, out);
    expect_always(z, rc, right);
    MUST(z, rc == PILLION_OK ? taken <= len : taken == 77, taken);
}


void fuzz_feed_trailers(sequence *z)
{
    static pillion_pair many[PILLION_MAX_PAIRS + 1];
    pillion_pair        two[2] = { { "X-End", "1", 5, 1 }, { some_bytes(z, 1, 70), some_bytes(z, 2, 90), 70, 90 } };
    const pillion_pair *trailers = two;
    uint32_t            n = choose(z, 3), right = S(OK) | S(E_STATE), wrong = 0;
    uint64_t            handle;
    request            *r = some_request(z, &handle);

    switch (choose(z, 20)) {
    case 0: trailers = NULL; n = choose(z, 3); wrong = n == 0 ? 0 : S(E_ARG); break;
    case 1: trailers = many; n = PILLION_MAX_PAIRS + 1; wrong = S(E_LIMIT); break;
    case 2: two[0].name_len = PILLION_MAX_BLOCK; two[0].value_len = 1; n = 2; wrong = S(E_LIMIT); break;
    case 3: two[1].name = NULL; n = 2; wrong = S(E_ARG); break;
    case 4: trailers = many; n = choose(z, 1000); break;
    }
    if (wrong != 0) {
        right = wrong | S(E_STATE);
    }
    if (r == NULL) {
        right = S(E_GONE) | wrong;
    }
    expect_always(z, CALL(z, feed_trailers, handle, trailers, n), right);
}


static void file_event(sequence *z, const pillion_event *e)
{
    char byte;

    MUST(z, e->flags == PILLION_EVENT_FILE, e->flags);
    MUST(z, e->file_len > 0 && e->file_offset + e->file_len <= FILE_SIZE, e->file_len);
    MUST(z, pread(e->file, &byte, 1, (off_t) (e->file_offset + e->file_len - 1)) == 1, e->file);
}


/* INFO*  HEAD  (BODY | FILE)*  [TRAILERS]  COMPLETE, and so on. */
static void take_event(sequence *z, const queue *q, const pillion_event *e)
{
    request *r = e->data;
    uint32_t f = e->flags, ends = PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED;

    MUST(z, r >= q->requests && r < q->requests + REQUESTS, f);
    MUST(z, e->request == r->handle && r->handle != 0, f);
    MUST(z, f != 0 && !r->ended && (f & ends) != ends, f);
    touch_pairs(e->headers, e->headers_len);
    touch(e->body, e->body_len);
    if ((f & PILLION_EVENT_ROOM) != 0) {
        MUST(z, f == PILLION_EVENT_ROOM && ((r->flags & PILLION_REQUEST_MORE) != 0 || r->raw), f);
        return;
    }
    if ((f & PILLION_EVENT_INFO) != 0) {
        MUST(z, !r->head && !r->raw && e->status >= 100 && e->status < 200 && ++r->infos <= 64, e->status);
    }
    if ((f & PILLION_EVENT_HEAD) != 0) {
        MUST(z, !r->head && !r->raw && e->status >= 200, e->status);
        r->head = 1;
    }
    if ((f & PILLION_EVENT_HIJACK) != 0) {
        MUST(z, f == PILLION_EVENT_HIJACK && !r->head && (r->flags & PILLION_REQUEST_HIJACK) != 0, f);
        r->raw = 1;
    }
    if ((f & PILLION_EVENT_BODY) != 0) {
        MUST(z, (r->head || r->raw) && !r->trailers && e->body_len > 0, f);
    }
    if ((f & PILLION_EVENT_FILE) != 0) {
        MUST(z, r->head && !r->trailers && (r->flags & PILLION_REQUEST_FILES) != 0, f);
        file_event(z, e);
    }
    if ((f & PILLION_EVENT_TRAILERS) != 0) {
        MUST(z, r->head && !r->trailers && e->headers_len > 0, f);
        r->trailers = 1;
    }
    MUST(z, (f & PILLION_EVENT_COMPLETE) == 0 || r->head || r->raw, f);
    r->borrowed += e->body_len + e->file_len;
    r->ended = (f & ends) != 0;
}


/* Who asks for files knows of 1.1's events. */
static int wants_files(const queue *q)
{
    uint32_t all = 0;
    int      i;

    for (i = 0; i < REQUESTS; i++) {
        all |= q->requests[i].flags;
    }
    return (all & PILLION_REQUEST_FILES) != 0;
}


void fuzz_poll(sequence *z)
{
    static const uint32_t sizes[] = { sizeof(pillion_event), sizeof(pillion_event), EVENT_1_0, 200, EVENT_1_0 + 4 };
    uint32_t      size = sizes[choose(z, 5)], cap = choose(z, MAX_EVENTS), n = 77, i, right = S(OK);
    uint32_t     *out = once_in(z, 40) ? NULL : &n;
    pillion_event e, *events;
    uint64_t      handle;
    queue        *q = some_queue(z, &handle);
    struct pollfd p = { -1, POLLIN, 0 };
    int32_t       rc;

    if (q != NULL && wants_files(q)) {
        size = sizeof(e);
    } else if (once_in(z, 40)) {
        size = choose(z, EVENT_1_0);
    }
    if (q != NULL && once_in(z, 5)) {
        p.fd = q->fd;
        MUST(z, poll(&p, 1, 1) >= 0, 0);
    }
    events = once_in(z, 40) ? NULL : (void *) some_bytes(z, 0, ((uint64_t) size * cap + 7) & ~7u);
    if (events == NULL || out == NULL || cap == 0) {
        right = S(E_ARG) | (size < EVENT_1_0 ? S(E_SIZE) : 0);
    } else if (size < EVENT_1_0) {
        right = S(E_SIZE);
    }
    if (q == NULL) {
        right = S(E_GONE) | (right & ~S(OK));
    }
    rc = CALL(z, poll, handle, events, size, cap, out);
    expect_always(z, rc, right);
    MUST(z, rc == PILLION_OK ? n <= cap : n == 77, n);
    for (i = 0; rc == PILLION_OK && i < n; i++) {
        memset(&e, 0, sizeof(e));
        memcpy(&e, (char *) events + (size_t) i * size, size < sizeof(e) ? size : sizeof(e));
        take_event(z, q, &e);
    }
}


void fuzz_flush(sequence *z)
{
    uint64_t handle;
    queue   *q = some_queue(z, &handle);

    expect_always(z, CALL(z, flush, handle), q == NULL ? S(E_GONE) : S(OK));
}


void fuzz_peek(sequence *z)
{
    uint64_t handle;
    queue   *q = some_queue(z, &handle);
    uint32_t n = 77, *out = once_in(z, 20) ? NULL : &n;
    int32_t  rc = CALL(z, peek, handle, out);

    expect_always(z, rc, (out == NULL ? S(E_ARG) : 0) | (q == NULL ? S(E_GONE) : out == NULL ? 0 : S(OK)));
    MUST(z, rc == PILLION_OK ? n <= 1 : n == 77, n);
}


void fuzz_credit(sequence *z)
{
    uint64_t handle, bytes;
    request *r = some_request(z, &handle);

    if (r == NULL) {
        expect_always(z, CALL(z, credit, handle, choose(z, 3)), S(E_GONE));
        return;
    }
    if (once_in(z, 6)) {
        bytes = once_in(z, 2) ? UINT64_MAX - choose(z, 3) : r->borrowed + 1 + choose(z, 3);
        expect_always(z, CALL(z, credit, handle, bytes), S(E_ARG));
        return;
    }
    bytes = once_in(z, 2) ? r->borrowed : choose(z, (uint32_t) r->borrowed + 1);
    expect_always(z, CALL(z, credit, handle, bytes), S(OK));
    r->borrowed -= bytes;
}


void fuzz_cancel(sequence *z)
{
    uint64_t handle;
    request *r = some_request(z, &handle);

    expect_always(z, CALL(z, cancel, handle), r == NULL ? S(E_GONE) : S(OK));
}


void fuzz_release(sequence *z)
{
    uint64_t handle;
    request *r = some_request(z, &handle);

    if (once_in(z, 10)) {
        expect_always(z, CALL(z, release, 0), S(OK));
        return;
    }
    expect_always(z, CALL(z, release, handle), r == NULL ? S(E_GONE) : S(OK));
    if (r != NULL) {
        expect_always(z, CALL(z, release, handle), S(E_GONE));
        forget(r);
    }
}


void end_queues(sequence *z)
{
    int i;

    for (i = 0; i < QUEUES; i++) {
        queue *q = z->queues[i];

        if (q != NULL && once_in(z, 5)) {
            q = swap_left(choose(z, LEFT), q);
        }
        if (q != NULL) {
            free_queue(z, q);
        }
        z->queues[i] = NULL;
    }
}


void free_left_queues(sequence *z)
{
    uint32_t i;

    for (i = 0; i < LEFT; i++) {
        queue *q = swap_left(i, NULL);

        if (q != NULL) {
            free_queue(z, q);
        }
    }
}
