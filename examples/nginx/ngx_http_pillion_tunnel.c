
/*
 * A connection that an application has taken over: bytes as they come, in both
 * directions, until the application closes it or the client has gone.
 */


#include "ngx_http_pillion_module.h"


#define NGX_HTTP_PILLION_TUNNEL_READ  16384

/* keeps a quitting worker where no timeout does */

#define NGX_HTTP_PILLION_TUNNEL_HOLD  3600000


typedef enum {
    ngx_http_pillion_head_start = 0,
    ngx_http_pillion_head_text,
    ngx_http_pillion_head_lf,
    ngx_http_pillion_head_done
} ngx_http_pillion_head_state_e;


static void ngx_http_pillion_read_tunnel(ngx_http_request_t *r);
static void ngx_http_pillion_write_tunnel(ngx_http_request_t *r);
static ngx_int_t ngx_http_pillion_read_already(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_tunnel_in(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_feed_rest(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_keep_rest(ngx_http_request_t *r,
    ngx_http_pillion_tunnel_t *t, u_char *p, size_t size);
static ngx_int_t ngx_http_pillion_feed_raw(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, u_char *p, size_t size, size_t *taken);
static ngx_int_t ngx_http_pillion_tunnel_out(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static void ngx_http_pillion_parse_head(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, u_char *p, u_char *last);
static void ngx_http_pillion_close_tunnel(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);


/* what was read last, of whichever tunnel: idle ones have no buffer */

static u_char  ngx_http_pillion_tunnel_buffer[NGX_HTTP_PILLION_TUNNEL_READ];


void
ngx_http_pillion_open_tunnel(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_event_t                *rev;
    ngx_connection_t           *c;
    ngx_http_pillion_tunnel_t  *t;
    ngx_http_core_loc_conf_t   *clcf;

    c = r->connection;
    rev = c->read;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http pillion open tunnel: \"%V\"", &ctx->app);

    t = ngx_pcalloc(r->pool, sizeof(ngx_http_pillion_tunnel_t));
    if (t == NULL) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        return;
    }

    ctx->tunnel = t;

    if (ngx_http_pillion_read_already(r, ctx) != NGX_OK) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        return;
    }

    /* early hints that are still to be sent */

    ctx->busy = r->out;
    r->out = NULL;
    c->buffered &= ~NGX_HTTP_WRITE_BUFFERED;

    r->keepalive = 0;
    r->header_sent = 1;

    r->read_event_handler = ngx_http_pillion_read_tunnel;
    r->write_event_handler = ngx_http_pillion_write_tunnel;

    c->log->action = "passing bytes between client and application";

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->tcp_nodelay && ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        return;
    }

    t->used = ngx_current_msec;

    ngx_http_pillion_tunnel_timeout(r, ctx);

    if (ngx_http_pillion_tunnel_in(r, ctx) != NGX_OK) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        return;
    }

    ngx_http_pillion_process_tunnel(r, ctx, ev);
}


/* What has arrived and was not fed: the rest of a body, then what follows. */

static ngx_int_t
ngx_http_pillion_read_already(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_chain_t  **ll;

    ll = &ctx->tunnel->in;

    if (ctx->streaming && ctx->feeding && r->request_body) {
        *ll = r->request_body->bufs;
        r->request_body->bufs = NULL;

        while (*ll) { ll = &(*ll)->next; }
    }

    if (r->header_in->pos < r->header_in->last) {

        *ll = ngx_alloc_chain_link(r->pool);
        if (*ll == NULL) {
            return NGX_ERROR;
        }

        (*ll)->buf = r->header_in;
        (*ll)->next = NULL;
    }

    return NGX_OK;
}


void
ngx_http_pillion_process_tunnel(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_int_t                   rc;
    ngx_chain_t                *cl, **ll;
    ngx_http_pillion_tunnel_t  *t;

    t = ctx->tunnel;

    if (ev->flags & PILLION_EVENT_BODY) {

        cl = ngx_http_pillion_memory_buf(r, ctx, ev);
        if (cl == NULL) {
            ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
            return;
        }

        ngx_http_pillion_parse_head(r, ctx, cl->buf->pos, cl->buf->last);

        for (ll = &ctx->busy; *ll; ll = &(*ll)->next) { /* void */ }

        *ll = cl;
    }

    if (ev->flags & PILLION_EVENT_ABORTED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "PILLION-4212: application \"%V\" broke off on a "
                      "connection that it had taken over", &ctx->app);
    }

    if (ev->flags & (PILLION_EVENT_COMPLETE|PILLION_EVENT_ABORTED)) {
        t->closing = 1;
    }

    rc = ngx_http_pillion_tunnel_out(r, ctx);

    if (rc == NGX_OK && (ev->flags & PILLION_EVENT_ROOM)) {
        rc = ngx_http_pillion_tunnel_in(r, ctx);
    }

    if (rc == NGX_ERROR) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
    }
}


static void
ngx_http_pillion_read_tunnel(ngx_http_request_t *r)
{
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);

    if (ngx_http_pillion_tunnel_in(r, ctx) != NGX_OK) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
    }
}


static void
ngx_http_pillion_write_tunnel(ngx_http_request_t *r)
{
    ngx_connection_t        *c;
    ngx_http_pillion_ctx_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);

    if (c->write->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "PILLION-4213: client timed out");
        c->timedout = 1;

        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        return;
    }

    if (ngx_http_pillion_tunnel_out(r, ctx) == NGX_ERROR) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
    }
}


/*
 * Client to application, as far as the application takes it.  The end of the
 * client's side is only that: it may still read.
 */

static ngx_int_t
ngx_http_pillion_tunnel_in(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    u_char                     *p;
    size_t                      taken;
    ssize_t                     n;
    socklen_t                   len;
    ngx_err_t                   err;
    ngx_int_t                   rc;
    ngx_event_t                *rev;
    ngx_connection_t           *c;
    ngx_http_pillion_tunnel_t  *t;

    c = r->connection;
    rev = c->read;
    t = ctx->tunnel;
    p = ngx_http_pillion_tunnel_buffer;

    if (t->closing) {
        return NGX_OK;
    }

    if (t->eof) {
        err = 0;
        len = sizeof(ngx_err_t);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1)
        {
            err = ngx_socket_errno;
        }

        if (err) {
            ngx_connection_error(c, err, "client closed the connection");
            c->error = 1;
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    for ( ;; ) {

        rc = ngx_http_pillion_feed_rest(r, ctx);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_AGAIN || !rev->ready) {
            break;
        }

        n = c->recv(c, p, NGX_HTTP_PILLION_TUNNEL_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        t->used = ngx_current_msec;

        if (n == 0) {
            t->eof = 1;

#if (NGX_HTTP_SSL)
            if (c->ssl) {

                /* what the application still sends has an end too */

                c->ssl->no_send_shutdown = 0;
            }
#endif

            if (ngx_http_pillion_feed_raw(r, ctx, NULL, 0, &taken) != NGX_OK) {
                return NGX_ERROR;
            }

            break;
        }

        r->request_length += n;

        if (ngx_http_pillion_feed_raw(r, ctx, p, n, &taken) != NGX_OK) {
            return NGX_ERROR;
        }

        if (taken < (size_t) n
            && ngx_http_pillion_keep_rest(r, t, p + taken, n - taken)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_handle_read_event(rev, t->eof ? NGX_CLOSE_EVENT : 0);
}


static ngx_int_t
ngx_http_pillion_feed_rest(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    size_t                      taken;
    ngx_buf_t                  *b;
    ngx_http_pillion_tunnel_t  *t;

    t = ctx->tunnel;

    while (t->in) {
        b = t->in->buf;

        if (b->pos < b->last) {

            if (ngx_http_pillion_feed_raw(r, ctx, b->pos, b->last - b->pos,
                                          &taken)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            b->pos += taken;

            if (b->pos < b->last) {
                return NGX_AGAIN;
            }
        }

        t->in = t->in->next;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_keep_rest(ngx_http_request_t *r, ngx_http_pillion_tunnel_t *t,
    u_char *p, size_t size)
{
    ngx_buf_t  *b;

    if (t->rest == NULL) {
        t->rest = ngx_alloc_chain_link(r->pool);
        if (t->rest == NULL) {
            return NGX_ERROR;
        }

        t->rest->next = NULL;

        t->rest->buf = ngx_create_temp_buf(r->pool,
                                           NGX_HTTP_PILLION_TUNNEL_READ);
        if (t->rest->buf == NULL) {
            return NGX_ERROR;
        }
    }

    b = t->rest->buf;

    b->pos = b->start;
    b->last = ngx_cpymem(b->start, p, size);

    t->in = t->rest;

    return NGX_OK;
}


/* No bytes are the end of them. */

static ngx_int_t
ngx_http_pillion_feed_raw(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    u_char *p, size_t size, size_t *taken)
{
    int32_t   rc;
    uint64_t  n;

    n = 0;

    rc = ngx_http_pillion_worker.api.feed(ctx->handle, (char *) p, size,
                                          size == 0, &n);

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http pillion tunnel feed: %d, %uL of %uz", rc, n, size);

    if (rc != PILLION_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "PILLION-4214: bytes of the client refused by the "
                      "library: %s",
                      ngx_http_pillion_worker.api.strerror(rc));
        return NGX_ERROR;
    }

    *taken = (size_t) n;

    ngx_http_pillion_post_flush();

    return NGX_OK;
}


/*
 * Application to client.  Returns NGX_OK, NGX_ERROR, or NGX_DONE if the tunnel
 * has been closed.
 */

static ngx_int_t
ngx_http_pillion_tunnel_out(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    off_t                       credit;
    ssize_t                     n;
    ngx_buf_t                  *b;
    ngx_event_t                *wev;
    ngx_chain_t                *cl;
    ngx_connection_t           *c;
    ngx_http_pillion_tunnel_t  *t;
    ngx_http_core_loc_conf_t   *clcf;

    c = r->connection;
    wev = c->write;
    t = ctx->tunnel;

    credit = 0;

    while (ctx->busy && wev->ready) {

        cl = ctx->busy;
        b = cl->buf;

        if (b->pos < b->last) {

            n = c->send(c, b->pos, b->last - b->pos);

            if (n == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (n == NGX_AGAIN) {
                break;
            }

            t->used = ngx_current_msec;
            b->pos += n;

            continue;
        }

        ctx->busy = cl->next;

        credit += ngx_http_pillion_buf_size(b);

        ngx_http_pillion_free_buf(ctx, cl);
    }

    if (credit) {
        ngx_http_pillion_credit(ctx, credit);
    }

    if (ctx->busy == NULL && t->closing) {
        ngx_http_pillion_close_tunnel(r, ctx);
        return NGX_DONE;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ctx->busy && wev->active && !wev->ready) {
        ngx_add_timer(wev, clcf->send_timeout);

    } else if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    return ngx_handle_write_event(wev, clcf->send_lowat);
}


/*
 * Applications answer the request themselves: for variables and the log, the
 * status and the length of the header are taken from what they send.
 */

static void
ngx_http_pillion_parse_head(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    u_char *p, u_char *last)
{
    u_char                     *start;
    ngx_int_t                   status;
    ngx_http_pillion_tunnel_t  *t;

    t = ctx->tunnel;
    start = p;

    if (t->state == ngx_http_pillion_head_start) {

        status = NGX_ERROR;

        if (last - p >= (ssize_t) sizeof("HTTP/1.1 101\r") - 1
            && ngx_strncmp(p, "HTTP/1.", sizeof("HTTP/1.") - 1) == 0)
        {
            status = ngx_atoi(p + sizeof("HTTP/1.1 ") - 1, 3);
        }

        if (status == NGX_ERROR) {
            t->state = ngx_http_pillion_head_done;
            return;
        }

        ctx->status = status;
        r->headers_out.status = status;

        t->state = ngx_http_pillion_head_text;
    }

    while (p < last && t->state != ngx_http_pillion_head_done) {

        switch (*p++) {

        case LF:
            t->state = (t->state == ngx_http_pillion_head_lf)
                       ? ngx_http_pillion_head_done : ngx_http_pillion_head_lf;
            break;

        case CR:
            break;

        default:
            t->state = ngx_http_pillion_head_text;
        }
    }

    r->header_size += p - start;
}


/* The client gets all that was sent, and then the end. */

static void
ngx_http_pillion_close_tunnel(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_http_pillion_release(ctx);

    r->lingering_close = 1;

    ngx_http_pillion_finalize(r, ctx, NGX_OK);
}


void
ngx_http_pillion_tunnel_timeout(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_msec_t  limit, idle;

    limit = ctx->conf->tunnel_timeout;

    if (limit == 0) {
        ngx_add_timer(&ctx->timer, NGX_HTTP_PILLION_TUNNEL_HOLD);
        return;
    }

    idle = ngx_current_msec - ctx->tunnel->used;

    if (idle < limit) {
        ngx_add_timer(&ctx->timer, limit - idle);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, NGX_ETIMEDOUT,
                  "PILLION-4215: the connection that application \"%V\" has "
                  "taken over was idle", &ctx->app);

    if (ctx->busy) {

        /* the client does not read */

        r->connection->timedout = 1;

        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        return;
    }

    ngx_http_pillion_close_tunnel(r, ctx);
}
