/* The serve drive: a request of a common queue, whose caller waits for it in C
 * and runs its callbacks. */

#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define IO_MIN           offsetof(pillion_io, alive) + sizeof(void *)
#define DEFAULT_ALIVE_MS 250u
#define FILE_PIECE       (1u << 20)

/* Guards what belongs to the owner of a queue: here many threads are. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pl_queue       *common;

static int32_t reserve(pl_req **r)
{
    pillion_queue_config config = { sizeof(config), 0, PILLION_MAX_INFLIGHT, 0 };
    int32_t              rc = PILLION_OK;

    pthread_mutex_lock(&lock);
    if (common == NULL) {
        rc = pl_queue_make(&config, 1, &common);
    }
    if (rc == PILLION_OK) {
        rc = pl_queue_reserve(common, r);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static void unreserve(pl_req *r)
{
    pthread_mutex_lock(&lock);
    pl_queue_unreserve(common, r);
    pthread_mutex_unlock(&lock);
}

void pl_serve_reap(void)
{
    pthread_mutex_lock(&lock);
    if (common != NULL) {
        pl_queue_reap(common);
    }
    pthread_mutex_unlock(&lock);
}

pl_queue *pl_serve_queue(void)
{
    return pl_load(&common);
}

static int32_t check_io(const pillion_io *given, uint32_t flags, pillion_io *io)
{
    if (given == NULL) {
        return PILLION_E_ARG;
    }
    /* Half a pointer is none. */
    if (given->size < IO_MIN || given->size % sizeof(void *) != 0) {
        return PILLION_E_SIZE;
    }
    memset(io, 0, sizeof(*io));
    memcpy(io, given, given->size < sizeof(*io) ? given->size : sizeof(*io));
    if (io->alive_ms == 0) {
        io->alive_ms = DEFAULT_ALIVE_MS;
    }
    if (io->head == NULL || io->write == NULL
        || ((flags & (PILLION_REQUEST_MORE | PILLION_REQUEST_HIJACK)) != 0 && io->read == NULL)
        || ((flags & PILLION_REQUEST_FILES) != 0 && io->file == NULL)
        || ((flags & PILLION_REQUEST_HIJACK) != 0 && io->hijack == NULL))
    {
        return PILLION_E_ARG;
    }
    return PILLION_OK;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the goroutine has something to say; 0 if the client has left. */
static int wait_for_sigs(pl_req *r, const pillion_io *io, int64_t *asked)
{
    struct timespec t, *timeout = NULL;

    while (pl_load(&r->sigs) == 0) {
        if (io->alive != NULL) {
            int64_t left = *asked + io->alive_ms - now_ms();

            if (left <= 0) {
                if (io->alive(io->data) == 0) {
                    return 0;
                }
                *asked = now_ms();
                left = io->alive_ms;
            }
            t.tv_sec = left / 1000;
            t.tv_nsec = left % 1000 * 1000000;
            timeout = &t;
        }
        syscall(SYS_futex, &r->sigs, FUTEX_WAIT_PRIVATE, 0, timeout, NULL, 0);
    }
    return 1;
}

/* OK while the response goes on; *ended when it is over. */
static int32_t hand_out(const pillion_io *io, const pl_part *p, int *ended)
{
    uint32_t f = p->flags;

    if ((f & (PILLION_EVENT_INFO | PILLION_EVENT_HEAD)) != 0
        && io->head(io->data, p->status, p->pairs, p->pairs_len) < 0)
    {
        return PILLION_E_IO;
    }
    if ((f & PILLION_EVENT_BODY) != 0 && io->write(io->data, p->body, p->body_len) < 0) {
        return PILLION_E_IO;
    }
    if ((f & PILLION_EVENT_FLUSH) != 0 && io->flush != NULL && io->flush(io->data) < 0) {
        return PILLION_E_IO;
    }
    if ((f & PILLION_EVENT_TRAILERS) != 0 && io->trailers != NULL
        && io->trailers(io->data, p->pairs, p->pairs_len) < 0)
    {
        return PILLION_E_IO;
    }
    if ((f & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0) {
        *ended = 1;
        return (f & PILLION_EVENT_COMPLETE) != 0 ? PILLION_OK : PILLION_E_ABORTED;
    }
    return PILLION_OK;
}

/* Piece by piece: an application whose deadline has passed ends the response,
 * and it does not take the rest of a large file to notice. */
static int32_t hand_out_file(pl_req *r, const pillion_io *io, const pl_part *p)
{
    uint64_t sent, n;

    for (sent = 0; sent < p->file_len && !pl_load(&r->ended); sent += n) {
        n = p->file_len - sent < FILE_PIECE ? p->file_len - sent : FILE_PIECE;
        if (io->file(io->data, p->file, p->file_offset + sent, n) < 0) {
            return PILLION_E_IO;
        }
        pl_req_credit(r, n);
    }
    return PILLION_OK;
}

static int32_t read_body(pl_req *r, const pillion_io *io)
{
    const pillion_pair *trailers = NULL;
    uint32_t            trailers_len = 0;
    uint64_t            space;
    int64_t             n;
    char               *at;

    if (r->body_ended || r->fed != pl_load(&r->eaten)) {
        return PILLION_OK;
    }
    at = pl_req_space(r, &space);
    if (at == NULL) {
        return r->ring == NULL ? PILLION_E_MEMORY : PILLION_OK;
    }
    n = io->read(io->data, at, space);
    if (n < 0 || (uint64_t) n > space) {
        return PILLION_E_IO;
    }
    /* These bytes answer whatever was asked for up to here. */
    pl_fetch_and(&r->sigs, ~PL_SIG_ROOM);
    if (n == 0 && io->request_trailers != NULL) {
        if (io->request_trailers(io->data, &trailers, &trailers_len) < 0) {
            return PILLION_E_IO;
        }
        return pl_req_trailers(r, trailers, trailers_len);
    }
    pl_req_filled(r, (uint64_t) n);
    return PILLION_OK;
}

static int32_t drive(pl_req *r, const pillion_io *io)
{
    int64_t  asked = io->alive == NULL ? 0 : now_ms();
    pl_part *p;
    uint32_t sigs;
    int32_t  rc;
    int      ended = 0;

    for (;;) {
        if (!wait_for_sigs(r, io, &asked)) {
            return PILLION_E_IO;
        }
        sigs = pl_swap(&r->sigs, 0);
        while ((p = pl_req_next(r)) != NULL) {
            if ((p->flags & PILLION_EVENT_HIJACK) != 0) {
                return pl_connection_drive(r, io);
            }
            rc = (p->flags & PILLION_EVENT_FILE) != 0 ? hand_out_file(r, io, p)
                                                      : hand_out(io, p, &ended);
            if (rc != PILLION_OK || ended) {
                return rc;
            }
            if (p->body_len != 0) {
                pl_req_credit(r, p->body_len);
            }
        }
        if ((sigs & PL_SIG_ROOM) != 0) {
            rc = read_body(r, io);
            if (rc != PILLION_OK) {
                return rc;
            }
        }
    }
}

int32_t pillion_serve(const pillion_request *given, const pillion_io *given_io)
{
    pillion_request req;
    pillion_io      io;
    pl_req         *r;
    uint64_t        text_len;
    uint32_t        app;
    int32_t         rc = pl_guard();

    if (rc != PILLION_OK) {
        return rc;
    }
    rc = pl_request_check(given, &req, &text_len, &app);
    if (rc == PILLION_OK) {
        rc = check_io(given_io, req.flags, &io);
    }
    if (rc == PILLION_OK) {
        rc = pl_ready();
    }
    if (rc == PILLION_OK) {
        rc = reserve(&r);
    }
    if (rc != PILLION_OK) {
        return rc;
    }
    rc = pl_req_fill(r, &req, text_len, app);
    if (rc != PILLION_OK) {
        unreserve(r);
        return rc;
    }
    pl_queue_start(common, r);
    rc = drive(r, &io);
    pl_queue_release(common, r);
    pl_serve_reap();
    return rc;
}
