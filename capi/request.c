/* One request's memory in C: the checked copy of what the caller brought, the
 * ring of its body, the parts of its response. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define REQUEST_MIN    offsetof(pillion_request, window) + sizeof(uint32_t)
#define DEFAULT_WINDOW 65536u
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

static char *copy_pairs(const pillion_pair *p, uint32_t n, uint32_t *lens, char *at)
{
    uint32_t i;

    for (i = 0; i < n; i++, p++, lens += 2) {
        lens[0] = p->name_len;
        lens[1] = p->value_len;
        if (p->name_len != 0) {
            memcpy(at, p->name, p->name_len);
            at += p->name_len;
        }
        if (p->value_len != 0) {
            memcpy(at, p->value, p->value_len);
            at += p->value_len;
        }
    }
    return at;
}

int32_t pl_req_fill(pl_req *r, const pillion_request *req, uint64_t text_len, uint32_t app)
{
    uint64_t pairs = (uint64_t) req->environ_len + req->headers_len;
    uint64_t size = pairs * 2 * sizeof(uint32_t) + text_len + req->body_len;
    char    *at;

    r->lens = malloc(size);
    if (r->lens == NULL) {
        return PILLION_E_MEMORY;
    }
    r->block_size = size;
    pl_add(&pl_count.buffered, size);

    r->text = (char *) (r->lens + pairs * 2);
    at = copy_pairs(req->environ, req->environ_len, r->lens, r->text);
    at = copy_pairs(req->headers, req->headers_len, r->lens + 2 * (uint64_t) req->environ_len, at);
    r->body = at;
    if (req->body_len != 0) {
        memcpy(at, req->body, req->body_len);
    }

    r->text_len = text_len;
    r->body_len = req->body_len;
    r->environ_len = req->environ_len;
    r->headers_len = req->headers_len;
    r->flags = req->flags;
    r->app = app;
    r->data = req->data;
    r->credit = req->credit != 0 ? req->credit : DEFAULT_WINDOW;
    r->window = req->window != 0 ? req->window : DEFAULT_WINDOW;
    r->body_ended = (req->flags & PILLION_REQUEST_MORE) == 0;

    memset(&r->stub, 0, sizeof(r->stub));
    memset(&r->last, 0, sizeof(r->last));
    r->tail = r->cur = r->oldest = &r->stub;
    r->kept = NULL;
    r->handed = r->spent = 0;
    r->in_ready = r->want_room = r->released = 0;
    r->ring_cap = 0;
    r->trailers_len = 0;
    pl_store(&r->fed, 0);
    pl_store(&r->eaten, 0);
    pl_store(&r->credited, 0);
    pl_store(&r->awaited, 0);
    pl_store(&r->raw, 0);
    pl_store(&r->ended, 0);
    pl_store(&r->eof, 0);
    pl_store(&r->shut, 0);
    pl_store(&r->starved, 0);
    pl_store(&r->sigs, 0);
    pl_store(&r->waits, 0);
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
        part_free(r, p);
    }
    for (p = r->kept; p != NULL; p = next) {
        next = p->next;
        part_free(r, p);
    }
    r->oldest = r->kept = NULL;
    if (r->lens != NULL) {
        pl_sub(&pl_count.buffered, r->block_size);
        free(r->lens);
        r->lens = NULL;
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

pl_part *pl_part_new(uint64_t size)
{
    pl_part *p = malloc(size);

    if (p != NULL) {
        pl_add(&pl_count.buffered, size);
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
