/* The queue drive: lists between the owner's thread and the goroutines. */

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define CONFIG_MIN      offsetof(pillion_queue_config, reserved) + sizeof(uint32_t)
#define EVENT_MIN       offsetof(pillion_event, file) + sizeof(int32_t)
#define DEFAULT_FLIGHT  65536u

static void eventfd_add(int32_t fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) == -1 && errno == EINTR) {
    }
}

/* The consumer sleeps only after it has said so and looked once more. */
static void wake(pl_queue *q)
{
    uint32_t how = pl_load(&q->asleep) != 0 ? pl_swap(&q->asleep, 0) : 0;

    if (how == 0) {
        return;
    }
    pl_add(&pl_count.wakes_in, 1);
    if (how == PL_DOZES) {
        syscall(SYS_futex, &q->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    } else {
        eventfd_add(q->in_fd);
    }
}

/* Ends the consumer, which closes in_fd, but not before it reads 2: the number
 * may be somebody else's then. */
static void close_in(pl_queue *q)
{
    pl_store(&q->closing, 1);
    eventfd_add(q->in_fd);
    pl_store(&q->closing, 2);
}

/* Memory for a structure whose fields lie on cache lines. */
static void *cleared(size_t size)
{
    void *p = aligned_alloc(PL_LINE, size);

    return p == NULL ? NULL : memset(p, 0, size);
}

void pl_queue_destroy(pl_queue *q)
{
    pl_req *r, *next;

    close(q->out_fd);
    for (r = q->all; r != NULL; r = next) {
        next = r->all_next;
        pl_req_empty(r);
        pl_req_free(r);
    }
    free(q);
}

void pl_queue_unref(pl_queue *q)
{
    if (pl_sub(&q->refs, 1) == 0) {
        pl_queue_destroy(q);
    }
}

int32_t pl_queue_make(const pillion_queue_config *config, uint32_t serve, pl_queue **queue)
{
    pl_queue *q = cleared(sizeof(pl_queue));
    int32_t   rc;

    if (q == NULL) {
        return PILLION_E_MEMORY;
    }
    q->refs = 2;
    q->serve = serve;
    q->armed = 1;
    q->batch = config->flags & PILLION_QUEUE_BATCH;
    q->max_in_flight = config->max_in_flight != 0 ? config->max_in_flight : DEFAULT_FLIGHT;
    q->in_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    q->out_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = q->in_fd == -1 || q->out_fd == -1 ? PILLION_E_OS : pl_go_queue(q);
    if (rc != PILLION_OK) {
        int saved = errno;

        if (q->in_fd != -1) {
            close(q->in_fd);
        }
        if (q->out_fd != -1) {
            close(q->out_fd);
        }
        free(q);
        errno = saved;
        return rc;
    }
    *queue = q;
    return PILLION_OK;
}

int32_t pillion_queue_new(const pillion_queue_config *given, uint64_t *queue)
{
    pillion_queue_config config;
    pl_queue            *q;
    uint64_t             handle;
    int32_t              rc = pl_guard();

    if (rc != PILLION_OK) {
        return rc;
    }
    if (queue == NULL) {
        return PILLION_E_ARG;
    }
    memset(&config, 0, sizeof(config));
    if (given != NULL) {
        if (given->size < CONFIG_MIN) {
            return PILLION_E_SIZE;
        }
        memcpy(&config, given, given->size < sizeof(config) ? given->size : sizeof(config));
    }
    if ((config.flags & ~PILLION_QUEUE_BATCH) != 0) {
        return PILLION_E_ARG;
    }
    if (config.max_in_flight > PILLION_MAX_INFLIGHT) {
        return PILLION_E_LIMIT;
    }
    rc = pl_ready();
    if (rc != PILLION_OK) {
        return rc;
    }
    if (pl_add(&pl_count.queues, 1) > PILLION_MAX_QUEUES) {
        pl_sub(&pl_count.queues, 1);
        return PILLION_E_LIMIT;
    }
    rc = pl_queue_make(&config, 0, &q);
    if (rc == PILLION_OK) {
        handle = pl_handle_put(PL_KIND_QUEUE, q);
        if (handle != 0) {
            *queue = handle;
            return PILLION_OK;
        }
        close_in(q);
        pl_queue_unref(q);
        rc = PILLION_E_MEMORY;
    }
    pl_sub(&pl_count.queues, 1);
    return rc;
}

int32_t pillion_queue_fd(uint64_t queue, int32_t *fd)
{
    int32_t   rc = pl_guard();
    pl_queue *q;

    if (rc != PILLION_OK) {
        return rc;
    }
    if (fd == NULL) {
        return PILLION_E_ARG;
    }
    q = pl_handle_find(PL_KIND_QUEUE, queue);
    if (q == NULL) {
        return PILLION_E_GONE;
    }
    *fd = q->out_fd;
    return PILLION_OK;
}

/* Frees what requests held whose last reference has gone. */
void pl_queue_reap(pl_queue *q)
{
    pl_req *r, *next;

    if (pl_load(&q->recycled) == NULL) {
        return;
    }
    for (r = pl_swap(&q->recycled, NULL); r != NULL; r = next) {
        next = r->free_next;
        pl_req_empty(r);
        r->free_next = q->spare;
        q->spare = r;
        q->live--;
    }
}

/* A request's empty structure, counted as in flight. */
int32_t pl_queue_reserve(pl_queue *q, pl_req **out)
{
    pl_req *r;

    pl_queue_reap(q);
    if (q->live >= q->max_in_flight) {
        return PILLION_E_FULL;
    }
    r = q->spare;
    if (r != NULL) {
        q->spare = r->free_next;
    } else {
        r = cleared(sizeof(pl_req));
        if (r == NULL) {
            return PILLION_E_MEMORY;
        }
        r->wake_fd = -1;
        r->queue = q;
        r->slot = q->slots++;
        r->all_next = q->all;
        q->all = r;
    }
    q->live++;
    *out = r;
    return PILLION_OK;
}

void pl_queue_unreserve(pl_queue *q, pl_req *r)
{
    pl_req_empty(r);
    r->free_next = q->spare;
    q->spare = r;
    q->live--;
}

static void splice(pl_queue *q, pl_req *newest, pl_req *oldest)
{
    pl_req *head = pl_load(&q->subs);

    do {
        oldest->sub_next = head;
    } while (!pl_cas(&q->subs, &head, newest));
}

static void hand_over(pl_queue *q)
{
    if (q->staged != NULL) {
        splice(q, q->staged, q->staged_last);
        q->staged = q->staged_last = NULL;
    }
    if (pl_load(&q->subs) != NULL) {
        wake(q);
    }
}

/* Puts a request on the submission list. */
static void submit(pl_queue *q, pl_req *r)
{
    if (q->serve) {
        splice(q, r, r);
        wake(q);
        return;
    }
    r->sub_next = q->staged;
    q->staged = r;
    if (q->staged_last == NULL) {
        q->staged_last = r;
    }
    if (!q->batch) {
        hand_over(q);
    }
}

void pl_queue_command(pl_queue *q, pl_req *r, uint32_t cmd)
{
    pl_add(&r->refs, 1);
    if (pl_fetch_or(&r->cmds, cmd) != 0) {
        pl_sub(&r->refs, 1);
        return;
    }
    submit(q, r);
}

/* Hands a filled request over to Go. The references are the caller's, the
 * goroutine's and the list's. */
void pl_queue_start(pl_queue *q, pl_req *r)
{
    pl_add(&q->refs, 1);
    pl_add(&pl_count.requests, 1);
    r->refs = 3;
    r->cmds = PL_CMD_SUBMIT;
    submit(q, r);
}

/* Drops the caller's side of a request. */
void pl_queue_release(pl_queue *q, pl_req *r)
{
    r->released = 1;
    r->handle = 0;
    pl_sub(&pl_count.requests, 1);
    if (!pl_load(&r->ended)) {
        pl_queue_command(q, r, PL_CMD_RELEASE);
    }
    pl_req_unref(r);
}

int32_t pillion_flush(uint64_t queue)
{
    int32_t   rc = pl_guard();
    pl_queue *q;

    if (rc != PILLION_OK) {
        return rc;
    }
    q = pl_handle_find(PL_KIND_QUEUE, queue);
    if (q == NULL) {
        return PILLION_E_GONE;
    }
    hand_over(q);
    return PILLION_OK;
}

int32_t pillion_peek(uint64_t queue, uint32_t *n)
{
    int32_t   rc = pl_guard();
    pl_queue *q;

    if (rc != PILLION_OK) {
        return rc;
    }
    if (n == NULL) {
        return PILLION_E_ARG;
    }
    q = pl_handle_find(PL_KIND_QUEUE, queue);
    if (q == NULL) {
        return PILLION_E_GONE;
    }
    if (pl_load(&q->armed)) {
        pl_store(&q->armed, 0);
    }
    *n = q->ready != NULL || pl_load(&q->comps) != NULL;
    return PILLION_OK;
}

int32_t pillion_submit(uint64_t queue, const pillion_request *given, uint64_t *handle)
{
    pillion_request req;
    pl_queue       *q;
    pl_req         *r;
    uint64_t        text_len;
    uint32_t        app;
    int32_t         rc = pl_guard();

    if (rc != PILLION_OK) {
        return rc;
    }
    if (handle == NULL) {
        return PILLION_E_ARG;
    }
    q = pl_handle_find(PL_KIND_QUEUE, queue);
    if (q == NULL) {
        return PILLION_E_GONE;
    }
    rc = pl_request_check(given, &req, &text_len, &app);
    if (rc == PILLION_OK) {
        rc = pl_ready();
    }
    if (rc == PILLION_OK) {
        rc = pl_queue_reserve(q, &r);
    }
    if (rc != PILLION_OK) {
        return rc;
    }
    rc = pl_req_fill(r, &req, text_len, app);
    if (rc == PILLION_OK) {
        r->handle = pl_handle_put(PL_KIND_REQUEST, r);
        rc = r->handle == 0 ? PILLION_E_MEMORY : PILLION_OK;
    }
    if (rc != PILLION_OK) {
        pl_queue_unreserve(q, r);
        return rc;
    }
    *handle = r->handle;
    pl_queue_start(q, r);
    return PILLION_OK;
}

int32_t pillion_feed(uint64_t request, const char *bytes, uint64_t len, int32_t last,
                     uint64_t *taken)
{
    int32_t rc = pl_guard();
    pl_req *r;

    if (rc != PILLION_OK) {
        return rc;
    }
    if (taken == NULL || (bytes == NULL && len != 0)) {
        return PILLION_E_ARG;
    }
    r = pl_handle_find(PL_KIND_REQUEST, request);
    if (r == NULL) {
        return PILLION_E_GONE;
    }
    if (r->body_ended) {
        return PILLION_E_STATE;
    }
    return pl_req_feed(r, bytes, len, last, taken);
}

int32_t pillion_feed_trailers(uint64_t request, const pillion_pair *trailers,
                              uint32_t trailers_len)
{
    int32_t rc = pl_guard();
    pl_req *r;

    if (rc != PILLION_OK) {
        return rc;
    }
    if (trailers == NULL && trailers_len != 0) {
        return PILLION_E_ARG;
    }
    r = pl_handle_find(PL_KIND_REQUEST, request);
    if (r == NULL) {
        return PILLION_E_GONE;
    }
    if (r->body_ended || pl_load(&r->raw)) {
        return PILLION_E_STATE;
    }
    return pl_req_trailers(r, trailers, trailers_len);
}

int32_t pillion_credit(uint64_t request, uint64_t bytes)
{
    int32_t rc = pl_guard();
    pl_req *r;

    if (rc != PILLION_OK) {
        return rc;
    }
    r = pl_handle_find(PL_KIND_REQUEST, request);
    if (r == NULL) {
        return PILLION_E_GONE;
    }
    if (bytes > r->handed - r->credited) {
        return PILLION_E_ARG;
    }
    pl_req_credit(r, bytes);
    return PILLION_OK;
}

int32_t pillion_cancel(uint64_t request)
{
    int32_t rc = pl_guard();
    pl_req *r;

    if (rc != PILLION_OK) {
        return rc;
    }
    r = pl_handle_find(PL_KIND_REQUEST, request);
    if (r == NULL) {
        return PILLION_E_GONE;
    }
    pl_queue_command(r->queue, r, PL_CMD_CANCEL);
    return PILLION_OK;
}

int32_t pillion_release(uint64_t request)
{
    int32_t rc = pl_guard();
    pl_req *r;

    if (rc != PILLION_OK || request == 0) {
        return rc;
    }
    r = pl_handle_take(PL_KIND_REQUEST, request);
    if (r == NULL) {
        return PILLION_E_GONE;
    }
    pl_queue_release(r->queue, r);
    return PILLION_OK;
}

static void drop_ready(pl_queue *q)
{
    pl_req *r = q->ready;

    q->ready = r->ready_next;
    if (q->ready == NULL) {
        q->ready_last = NULL;
    }
    r->in_ready = 0;
    pl_req_unref(r);
}

int32_t pillion_queue_free(uint64_t queue)
{
    int32_t   rc = pl_guard();
    pl_queue *q;
    pl_req   *r;

    if (rc != PILLION_OK || queue == 0) {
        return rc;
    }
    q = pl_handle_take(PL_KIND_QUEUE, queue);
    if (q == NULL) {
        return PILLION_E_GONE;
    }
    for (r = q->all; r != NULL; r = r->all_next) {
        if (r->handle != 0 && pl_handle_take(PL_KIND_REQUEST, r->handle) == r) {
            pl_queue_release(q, r);
        }
    }
    while (q->ready != NULL) {
        drop_ready(q);
    }
    hand_over(q);
    close_in(q);
    pl_sub(&pl_count.queues, 1);
    pl_queue_unref(q);
    return PILLION_OK;
}

/* Moves the completion list to the end of ready, oldest first. */
static void take_completions(pl_queue *q)
{
    pl_req  *r, *next, *oldest = NULL;
    uint32_t sigs;

    for (r = pl_swap(&q->comps, NULL); r != NULL; r = next) {
        next = r->cmp_next;
        r->cmp_next = oldest;
        oldest = r;
    }
    for (r = oldest; r != NULL; r = next) {
        next = r->cmp_next;
        sigs = pl_swap(&r->sigs, 0);
        if (sigs & PL_SIG_ROOM) {
            r->want_room = 1;
        }
        if (r->in_ready) {
            pl_req_unref(r);
            continue;
        }
        r->in_ready = 1;
        r->ready_next = NULL;
        if (q->ready_last != NULL) {
            q->ready_last->ready_next = r;
        } else {
            q->ready = r;
        }
        q->ready_last = r;
    }
}

static int next_event(pl_req *r, pillion_event *e)
{
    pl_part *p;

    if (r->released || (r->cur->flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0) {
        return 0;
    }
    memset(e, 0, sizeof(*e));
    e->request = r->handle;
    e->data = r->data;
    if (r->want_room) {
        r->want_room = 0;
        if (!r->body_ended) {
            e->flags = PILLION_EVENT_ROOM;
            return 1;
        }
    }
    p = pl_req_next(r);
    if (p == NULL) {
        return 0;
    }
    e->flags = p->flags;
    e->status = p->status;
    e->headers = p->pairs;
    e->headers_len = p->pairs_len;
    e->body = p->body;
    e->body_len = p->body_len;
    e->file_offset = p->file_offset;
    e->file_len = p->file_len;
    e->file = p->file;
    return 1;
}

int32_t pillion_poll(uint64_t queue, pillion_event *events, uint32_t event_size, uint32_t cap,
                     uint32_t *n)
{
    int32_t       rc = pl_guard();
    pl_queue     *q;
    pillion_event e;
    uint64_t      ignored;
    uint32_t      count = 0;
    char         *at = (char *) events;

    if (rc != PILLION_OK) {
        return rc;
    }
    if (events == NULL || n == NULL || cap == 0) {
        return PILLION_E_ARG;
    }
    if (event_size < EVENT_MIN) {
        return PILLION_E_SIZE;
    }
    q = pl_handle_find(PL_KIND_QUEUE, queue);
    if (q == NULL) {
        return PILLION_E_GONE;
    }

    hand_over(q);
    if (pl_load(&q->announced)) {
        pl_store(&q->announced, 0);
        while (read(q->out_fd, &ignored, sizeof(ignored)) == -1 && errno == EINTR) {
        }
    }

    pl_store(&q->armed, 0);
    for (;;) {
        take_completions(q);
        while (q->ready != NULL) {
            while (count < cap && next_event(q->ready, &e)) {
                memset(at, 0, event_size);
                memcpy(at, &e, event_size < sizeof(e) ? event_size : sizeof(e));
                at += event_size;
                count++;
            }
            if (count == cap) {
                goto done;
            }
            drop_ready(q);
        }

        /* Completions from here on are announced; those before are taken. */
        pl_store(&q->armed, 1);
        if (pl_load(&q->comps) == NULL) {
            break;
        }
        pl_store(&q->armed, 0);
    }

done:
    pl_queue_reap(q);
    *n = count;
    return PILLION_OK;
}
