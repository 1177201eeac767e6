
/*
 * The queue of a worker: its descriptor in the event loop, events on their way
 * to requests, and what requests ask for on its way to the queue.
 */


#include "ngx_http_pillion_module.h"


#define NGX_HTTP_PILLION_BATCH       64
#define NGX_HTTP_PILLION_LOOKS       128
#define NGX_HTTP_PILLION_SKIPS       255


static void ngx_http_pillion_poll_handler(ngx_event_t *ev);
static void ngx_http_pillion_flush_handler(ngx_event_t *ev);
static void ngx_http_pillion_look_handler(ngx_event_t *ev);


/* the events that are being processed */

static pillion_event       ngx_http_pillion_events[NGX_HTTP_PILLION_BATCH];
static uint32_t            ngx_http_pillion_nevents;


ngx_int_t
ngx_http_pillion_open_queue(ngx_cycle_t *cycle)
{
    int32_t                fd, rc;
    ngx_event_t           *ev;
    ngx_connection_t      *c;
    pillion_queue_config   config;

    ngx_http_pillion_worker.pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE,
                                                   cycle->log);
    if (ngx_http_pillion_worker.pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&config, sizeof(pillion_queue_config));

    config.size = sizeof(pillion_queue_config);
    config.flags = PILLION_QUEUE_BATCH;

    rc = ngx_http_pillion_worker.api.queue_new(&config,
                                               &ngx_http_pillion_worker.queue);
    if (rc == PILLION_OK) {
        rc = ngx_http_pillion_worker.api.queue_fd(
                                          ngx_http_pillion_worker.queue, &fd);
    }

    if (rc != PILLION_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "PILLION-4107: making a queue failed: %s",
                      ngx_http_pillion_worker.api.strerror(rc));
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->log = cycle->log;

    ev = c->read;
    ev->handler = ngx_http_pillion_poll_handler;
    ev->log = cycle->log;

    c->write->log = cycle->log;

    ngx_http_pillion_worker.connection = c;

    if (ngx_handle_read_event(ev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ev = &ngx_http_pillion_worker.flush;
    ev->handler = ngx_http_pillion_flush_handler;
    ev->data = c;
    ev->log = cycle->log;

    ev = &ngx_http_pillion_worker.look;
    ev->handler = ngx_http_pillion_look_handler;
    ev->data = c;
    ev->log = cycle->log;

    return NGX_OK;
}


void
ngx_http_pillion_close_queue(void)
{
    ngx_connection_t  *c;

    c = ngx_http_pillion_worker.connection;

    if (c) {
        if (ngx_del_conn) {
            ngx_del_conn(c, NGX_CLOSE_EVENT);

        } else if (c->read->active) {
            ngx_del_event(c->read, NGX_READ_EVENT, NGX_CLOSE_EVENT);
        }

        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;

        ngx_http_pillion_worker.connection = NULL;
    }

    if (ngx_http_pillion_worker.queue) {
        (void) ngx_http_pillion_worker.api.queue_free(
                                               ngx_http_pillion_worker.queue);
        ngx_http_pillion_worker.queue = 0;
    }

    if (ngx_http_pillion_worker.pool) {
        ngx_http_pillion_worker.pool->log = ngx_cycle->log;
        ngx_destroy_pool(ngx_http_pillion_worker.pool);
        ngx_http_pillion_worker.pool = NULL;
    }
}


static void
ngx_http_pillion_poll_handler(ngx_event_t *ev)
{
    int32_t                  rc;
    uint32_t                 i, n;
    pillion_event           *e;
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_pillion_ctx_t  *ctx;

    do {
        rc = ngx_http_pillion_worker.api.poll(ngx_http_pillion_worker.queue,
                                              ngx_http_pillion_events,
                                              sizeof(pillion_event),
                                              NGX_HTTP_PILLION_BATCH, &n);
        if (rc != PILLION_OK) {
            ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                          "PILLION-4110: pillion_poll() failed: %s",
                          ngx_http_pillion_worker.api.strerror(rc));
            return;
        }

        ngx_http_pillion_nevents = n;

        for (i = 0; i < n; i++) {

            e = &ngx_http_pillion_events[i];
            ctx = e->data;

            if (ctx == NULL) {

                /* released by what an event before this one led to */

                continue;
            }

            r = ctx->request;
            c = r->connection;

            ngx_http_set_log_request(c->log, r);

            ngx_http_pillion_process_event(r, ctx, e);

            ngx_http_run_posted_requests(c);
        }

        ngx_http_pillion_nevents = 0;

    } while (n == NGX_HTTP_PILLION_BATCH);

    ev->ready = 0;

    if (ngx_handle_read_event(ev, 0) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, 0,
                      "PILLION-4111: the queue's descriptor cannot be "
                      "watched");
    }
}


void
ngx_http_pillion_release(ngx_http_pillion_ctx_t *ctx)
{
    uint32_t  i;

    if (ctx->handle == 0) {
        return;
    }

    for (i = 0; i < ngx_http_pillion_nevents; i++) {
        if (ngx_http_pillion_events[i].data == ctx) {
            ngx_http_pillion_events[i].data = NULL;
        }
    }

    (void) ngx_http_pillion_worker.api.release(ctx->handle);

    ctx->handle = 0;
    ngx_http_pillion_worker.waiting--;

    ngx_http_pillion_post_flush();
}


/* What requests ask for is handed over once in a turn of the event loop. */

void
ngx_http_pillion_post_flush(void)
{
    if (ngx_http_pillion_worker.queue) {
        ngx_post_event(&ngx_http_pillion_worker.flush, &ngx_posted_events);
    }
}


static void
ngx_http_pillion_flush_handler(ngx_event_t *ev)
{
    ngx_http_pillion_worker_t  *w;

    w = &ngx_http_pillion_worker;

    if (w->queue == 0) {
        return;
    }

    (void) w->api.flush(w->queue);

    if (w->waiting == 0 || w->look.posted) {
        return;
    }

    if (w->looks_skipped < w->looks_to_skip) {
        w->looks_skipped++;
        return;
    }

    w->looks = 0;

    ngx_post_event(&w->look, &ngx_posted_next_events);
}


/*
 * Falling asleep and being woken takes longer than most handlers: a few turns
 * of the event loop look for responses before it waits for events.  As long as
 * that finds nothing, it is tried less and less often.
 */

static void
ngx_http_pillion_look_handler(ngx_event_t *ev)
{
    uint32_t                    n;
    ngx_http_pillion_worker_t  *w;

    w = &ngx_http_pillion_worker;

    if (w->queue == 0 || w->api.peek(w->queue, &n) != PILLION_OK) {
        return;
    }

    if (n == 0 && ++w->looks < NGX_HTTP_PILLION_LOOKS) {
        ngx_post_event(ev, &ngx_posted_next_events);
        return;
    }

    w->looks_skipped = 0;

    if (n) {
        w->looks_to_skip = 0;

    } else {
        w->looks_to_skip = ngx_min(w->looks_to_skip * 2 + 1,
                                   NGX_HTTP_PILLION_SKIPS);
    }

    ngx_http_pillion_poll_handler(w->connection->read);
}
