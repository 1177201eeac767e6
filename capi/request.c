/* One request's memory in C: the checked copy of what the caller brought, the
 * ring of its body, the parts of its response. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define REQUEST_MIN    offsetof(pillion_request, window) + sizeof(uint32_t)
#define DEFAULT_WINDOW 65536u
#define KEEP_SLOTS     256u
#define KEEP_SIZE      4096u
#define KEEP_STEP      512u
#define LARGE          (16u << 20)
#define GO_ARENA       (64u << 20)
#define FLAGS          (PILLION_REQUEST_MORE | PILLION_REQUEST_FILES | PILLION_REQUEST_HIJACK)

static int32_t check_pairs(const pillion_pair *pairs, uint32_t n, uint64_t *total)
{
    uint32_t i;

    if (n > PILLION_MAX_PAIRS) {
        return PILLION_E_LIMIT;
    }
    if (n != 0 && pairs == NULL) {
        return PILLION_E_ARG;
    }
    for (i = 0; i < n; i++) {
        const pillion_pair *p = &pairs[i];

        if ((p->name == NULL && p->name_len != 0) || (p->value == NULL && p->value_len != 0)) {
            return PILLION_E_ARG;
        }
        *total += (uint64_t) p->name_len + p->value_len;
        if (*total > PILLION_MAX_BLOCK) {
            return PILLION_E_LIMIT;
        }
    }
    return PILLION_OK;
}

static int has_method(const pillion_request *req)
{
    uint32_t i;

    for (i = 0; i < req->environ_len; i++) {
        const pillion_pair *p = &req->environ[i];

        if (p->name_len == 14 && memcmp(p->name, "REQUEST_METHOD", 14) == 0) {
            return p->value_len != 0;
        }
    }
    return 0;
}

/* Copies what the caller's version of the structure has into *req. */
int32_t pl_request_check(const pillion_request *given, pillion_request *req, uint64_t *text_len,
                         uint32_t *app)
{
    int32_t rc;

    if (given == NULL) {
        return PILLION_E_ARG;
    }
    if (given->size < REQUEST_MIN) {
        return PILLION_E_SIZE;
    }
    memset(req, 0, sizeof(*req));
    memcpy(req, given, given->size < sizeof(*req) ? given->size : sizeof(*req));

    if ((req->flags & ~FLAGS) != 0 || (req->body == NULL && req->body_len != 0)) {
        return PILLION_E_ARG;
    }
    if (req->credit > PILLION_MAX_WINDOW || req->window > PILLION_MAX_WINDOW
        || req->body_len > INT64_MAX / 2)
    {
        return PILLION_E_LIMIT;
    }
    *text_len = 0;
    rc = check_pairs(req->environ, req->environ_len, text_len);
    if (rc == PILLION_OK) {
        rc = check_pairs(req->headers, req->headers_len, text_len);
    }
    if (rc != PILLION_OK) {
        return rc;
    }
    if (!has_method(req)) {
        return PILLION_E_ARG;
    }
    return pl_app_check(req->app, app);
}

static inline void put16(char *at, const char *p)
{
    uint64_t a, b;

    memcpy(&a, p, 8);
    memcpy(&b, p + 8, 8);
    memcpy(at, &a, 8);
    memcpy(at + 8, &b, 8);
}

/* memcpy() for names and values, most of which are short. */
static inline char *put(char *at, const char *p, uint32_t n)
{
    uint64_t a, b;
    uint32_t c, d;

    if (n > 16) {
        if (n > 32) {
            memcpy(at, p, n);
        } else {
            put16(at, p);
            put16(at + n - 16, p + n - 16);
        }
    } else if (n >= 8) {
        memcpy(&a, p, 8);
        memcpy(&b, p + n - 8, 8);
        memcpy(at, &a, 8);
        memcpy(at + n - 8, &b, 8);
    } else if (n >= 4) {
        memcpy(&c, p, 4);
        memcpy(&d, p + n - 4, 4);
        memcpy(at, &c, 4);
        memcpy(at + n - 4, &d, 4);
    } else if (n != 0) {
        at[0] = p[0];
        at[n / 2] = p[n / 2];
        at[n - 1] = p[n - 1];
    }
    return at + n;
}

/* Whether Go can have a copy of so many bytes: without memory it ends the
 * process. Only large copies need that it asks the system for more than it has;
 * it does so by the arena. */
int32_t pl_room_for_go(uint64_t len)
{
    void *room;

    if (len < LARGE) {
        return PILLION_OK;
    }
    room = malloc(len + 2 * GO_ARENA);
    free(room);
    return room != NULL ? PILLION_OK : PILLION_E_MEMORY;
}

static char *copy_pairs(const pillion_pair *p, uint32_t n, uint32_t *lens, char *at)
{
    uint32_t i;

    for (i = 0; i < n; i++, p++, lens += 2) {
        lens[0] = p->name_len;
        lens[1] = p->value_len;
        at = put(at, p->name, p->name_len);
        at = put(at, p->value, p->value_len);
    }
    return at;
}

/* How large a block the pairs of a request need. */
uint64_t pl_pairs_size(const pillion_request *req, uint64_t text_len)
{
    return ((uint64_t) req->environ_len + req->headers_len) * 2 * sizeof(uint32_t) + text_len;
}

/* Copies them to the block. msg->body is then what follows them. */
void pl_pairs_put(const pillion_request *req, uint64_t text_len, uint32_t *block, pl_message *msg)
{
    uint32_t *headers = block + 2 * (uint64_t) req->environ_len;
    char     *at;

    msg->lens = block;
    msg->text = (char *) (headers + 2 * (uint64_t) req->headers_len);
    msg->text_len = text_len;
    msg->environ_len = req->environ_len;
    msg->headers_len = req->headers_len;
    at = copy_pairs(req->environ, req->environ_len, block, msg->text);
    msg->body = copy_pairs(req->headers, req->headers_len, headers, at);
}

/* Room for the request's block, which may be there from the slot's last one. */
static int32_t make_block(pl_req *r, uint64_t len)
{
    uint32_t *block;

    if (r->block_size < len) {
        block = malloc(len);
        if (block == NULL) {
            return PILLION_E_MEMORY;
        }
        free(r->msg.lens);
        r->msg.lens = block;
        r->block_size = len;
    }
    r->block_len = len;
    pl_add(&pl_count.buffered, len);
    return PILLION_OK;
}

int32_t pl_req_fill(pl_req *r, const pillion_request *req, uint64_t text_len, uint32_t app)
{
    uint64_t len = pl_pairs_size(req, text_len) + req->body_len;
    int32_t  rc = pl_room_for_go(len);

    if (rc == PILLION_OK) {
        rc = make_block(r, len);
    }
    if (rc != PILLION_OK) {
        return rc;
    }
    pl_pairs_put(req, text_len, r->msg.lens, &r->msg);
    if (req->body_len != 0) {
        memcpy(r->msg.body, req->body, req->body_len);
    }
    r->msg.body_len = req->body_len;
    r->msg.flags = req->flags;
    r->msg.app = app;
    r->data = req->data;
    r->credit = req->credit != 0 ? req->credit : DEFAULT_WINDOW;
    r->window = req->window != 0 ? req->window : DEFAULT_WINDOW;
    r->body_ended = (req->flags & PILLION_REQUEST_MORE) == 0;

    /* Nobody else sees the request yet: its submission publishes all of this. */
    r->stub.next = NULL;
    if (r->last.flags != 0) {
        memset(&r->last, 0, sizeof(r->last));
    }
    r->tail = r->cur = r->oldest = &r->stub;
    r->kept = NULL;
    r->handed = r->spent = 0;
    r->in_ready = r->want_room = r->released = 0;
    r->ring_cap = 0;
    r->trailers_len = 0;
    r->fed = r->eaten = r->credited = r->awaited = 0;
    r->raw = r->eof = r->starved = 0;
    r->ended = r->shut = 0;
    r->sigs = r->waits = 0;
    return PILLION_OK;
}

static void close_file(pl_part *p)
{
    if ((p->flags & PILLION_EVENT_FILE) != 0 && p->file != -1) {
        close(p->file);
        p->file = -1;
    }
}

static void part_free(pl_req *r, pl_part *p)
{
    close_file(p);
    if (p != &r->stub && p != &r->last) {
        pl_sub(&pl_count.buffered, p->size);
        free(p);
    }
}

/* What the slots that are used most keep for their next request: the block and
 * the memory of one part, if they are small. */
static int keeps(const pl_req *r, uint64_t size)
{
    return r->slot < KEEP_SLOTS && size <= KEEP_SIZE;
}

/* Frees a part that the goroutine cannot reach any more, or keeps it. */
static void part_retire(pl_req *r, pl_part *p)
{
    if (r->spare == NULL && p != &r->stub && p != &r->last && keeps(r, p->size)) {
        close_file(p);
        pl_sub(&pl_count.buffered, p->size);
        r->spare = p;
    } else {
        part_free(r, p);
    }
}

static uint64_t trailers_size(const pl_req *r)
{
    return (uint64_t) r->trailers_len * 2 * sizeof(uint32_t) + r->trailers_text;
}

/* Frees all that a request holds, once nobody else can reach it. */
void pl_req_empty(pl_req *r)
{
    pl_part *p, *next;

    for (p = r->oldest; p != NULL; p = next) {
        next = pl_load(&p->next);
        part_retire(r, p);
    }
    for (p = r->kept; p != NULL; p = next) {
        next = p->next;
        part_retire(r, p);
    }
    r->oldest = r->kept = NULL;
    pl_sub(&pl_count.buffered, r->block_len);
    r->block_len = 0;
    if (!keeps(r, r->block_size)) {
        free(r->msg.lens);
        r->msg.lens = NULL;
        r->block_size = 0;
    }
    if (r->trailers != NULL) {
        pl_sub(&pl_count.buffered, trailers_size(r));
        free(r->trailers);
        r->trailers = NULL;
    }
    if (r->wake_fd != -1) {
        close(r->wake_fd);
        r->wake_fd = -1;
    }
    if (r->ring != NULL) {
        pl_sub(&pl_count.buffered, r->ring_cap);
        free(r->ring);
        r->ring = NULL;
    }
}

/* Frees an empty request. */
void pl_req_free(pl_req *r)
{
    free(r->msg.lens);
    free(r->spare);
    free(r);
}

void pl_req_unref(pl_req *r)
{
    pl_queue *q = r->queue;
    pl_req   *head;

    if (pl_sub(&r->refs, 1) != 0) {
        return;
    }
    head = pl_load(&q->recycled);
    do {
        r->free_next = head;
    } while (!pl_cas(&q->recycled, &head, r));
    pl_queue_unref(q);
}

pl_part *pl_req_next(pl_req *r)
{
    pl_part *p = pl_load(&r->cur->next);

    if (p != NULL) {
        r->cur = p;
        r->handed += p->body_len + p->file_len;
        if ((p->flags & PILLION_EVENT_HIJACK) != 0) {
            /* The client's bytes begin anew: until the goroutine has seen raw
             * it takes no notice of the end of the request body. */
            r->body_ended = 0;
            pl_store(&r->eof, 0);
            pl_store(&r->raw, 1);
        }
    }
    return p;
}

/* Frees the parts whose bytes are credited. Heads and trailers stay until the
 * end, cur stays because the next part will hang on it. */
void pl_req_credit(pl_req *r, uint64_t bytes)
{
    pl_part *p;

    pl_store(&r->credited, r->credited + bytes);
    for (;;) {
        p = r->oldest;
        if (r->spent + p->body_len + p->file_len > r->credited) {
            break;
        }
        close_file(p);
        if (p == r->cur) {
            break;
        }
        r->spent += p->body_len + p->file_len;
        r->oldest = pl_load(&p->next);
        if (p->pairs_len != 0) {
            p->next = r->kept;
            r->kept = p;
        } else {
            part_free(r, p);
        }
    }
    if ((pl_load(&r->waits) & PL_WAIT_CREDIT) && r->credited >= pl_load(&r->awaited)) {
        pl_queue_command(r->queue, r, PL_CMD_CREDIT);
    }
}

/* Small parts have a few sizes only, so that a kept one fits often. */
pl_part *pl_part_new(uint64_t size)
{
    pl_part *p;

    if (size <= KEEP_SIZE) {
        size = (size + KEEP_STEP - 1) / KEEP_STEP * KEEP_STEP;
    }
    p = malloc(size);
    if (p != NULL) {
        p->size = size;
        pl_add(&pl_count.made, size);
    }
    return p;
}

static uint32_t ring_size(uint64_t n)
{
    uint32_t cap = 512;

    while (cap < n) {
        cap <<= 1;
    }
    return cap;
}

static int32_t ring_make(pl_req *r, uint64_t len, int32_t last)
{
    uint32_t cap;

    if (r->ring != NULL) {
        return PILLION_OK;
    }
    cap = ring_size(last && len < r->window ? len : r->window);
    r->ring = malloc(cap);
    if (r->ring == NULL) {
        return PILLION_E_MEMORY;
    }
    r->ring_cap = cap;
    pl_add(&pl_count.buffered, cap);
    return PILLION_OK;
}

/* A ring is at least as large as its window unless the whole body is smaller. */
static uint64_t ring_room(pl_req *r)
{
    uint64_t used = r->fed - pl_load(&r->eaten);
    uint64_t limit = r->window < r->ring_cap ? r->window : r->ring_cap;

    return limit - used;
}

/* The next stretch of the ring that can be written to, for a caller that fills
 * it in place and then calls pl_req_filled(); NULL if there is none. */
char *pl_req_space(pl_req *r, uint64_t *space)
{
    uint64_t at;

    if (ring_make(r, r->window, 0) != PILLION_OK) {
        return NULL;
    }
    at = r->fed & (r->ring_cap - 1);
    *space = ring_room(r);
    if (*space > r->ring_cap - at) {
        *space = r->ring_cap - at;
    }
    return *space == 0 ? NULL : r->ring + at;
}

void pl_req_filled(pl_req *r, uint64_t n)
{
    pl_store(&r->fed, r->fed + n);
    if (n == 0) {
        r->body_ended = 1;
        pl_store(&r->eof, 1);
    }
    if (pl_load(&r->waits) & PL_WAIT_BODY) {
        pl_queue_command(r->queue, r, PL_CMD_FEED);
    }
}

static uint64_t ring_put(pl_req *r, const char *bytes, uint64_t len)
{
    uint64_t free_bytes = ring_room(r);
    uint64_t at = r->fed & (r->ring_cap - 1);
    uint64_t n = len < free_bytes ? len : free_bytes;
    uint64_t to_end = r->ring_cap - at;

    if (n == 0) {
        return 0;
    }
    if (n <= to_end) {
        memcpy(r->ring + at, bytes, n);
    } else {
        memcpy(r->ring + at, bytes, to_end);
        memcpy(r->ring, bytes + to_end, n - to_end);
    }
    pl_store(&r->fed, r->fed + n);
    return n;
}

int32_t pl_req_feed(pl_req *r, const char *bytes, uint64_t len, int32_t last, uint64_t *taken)
{
    uint64_t n = 0;
    int32_t  rc;

    if (pl_load(&r->shut)) {
        n = len;
    } else if (len != 0) {
        rc = ring_make(r, len, last);
        if (rc != PILLION_OK) {
            return rc;
        }
        n = ring_put(r, bytes, len);
        if (n < len) {
            /* Said before the second look, so that either this look or the
             * goroutine's sees the room the other one missed. */
            pl_store(&r->starved, 1);
            n += ring_put(r, bytes + n, len - n);
            if (n == len) {
                pl_store(&r->starved, 0);
            } else if (pl_load(&r->shut)) {
                n = len;
            }
        }
    }
    if (last && n == len) {
        r->body_ended = 1;
        pl_store(&r->eof, 1);
    }
    if (pl_load(&r->waits) & PL_WAIT_BODY) {
        pl_queue_command(r->queue, r, PL_CMD_FEED);
    }
    *taken = n;
    return PILLION_OK;
}

/* Copies the trailers and ends the body. */
int32_t pl_req_trailers(pl_req *r, const pillion_pair *trailers, uint32_t n)
{
    uint64_t  text_len = 0;
    uint32_t *lens;
    int32_t   rc = check_pairs(trailers, n, &text_len);

    if (rc != PILLION_OK) {
        return rc;
    }
    if (n != 0 && !pl_load(&r->shut)) {
        lens = malloc((uint64_t) n * 2 * sizeof(uint32_t) + text_len);
        if (lens == NULL) {
            return PILLION_E_MEMORY;
        }
        copy_pairs(trailers, n, lens, (char *) (lens + 2 * (uint64_t) n));
        r->trailers = lens;
        r->trailers_text = text_len;
        r->trailers_len = n;
        pl_add(&pl_count.buffered, trailers_size(r));
    }
    pl_req_filled(r, 0);
    return PILLION_OK;
}
