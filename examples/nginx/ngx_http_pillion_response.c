
/*
 * A response on its way to the client: events of an application become calls
 * of the filters, what has been sent becomes credit.
 */


#include "ngx_http_pillion_module.h"


static ngx_int_t ngx_http_pillion_send_header(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
static ngx_int_t ngx_http_pillion_send_body(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
static ngx_int_t ngx_http_pillion_output(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_chain_t *in);
static ngx_chain_t *ngx_http_pillion_get_buf(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static void ngx_http_pillion_update_busy(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static void ngx_http_pillion_aborted(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);


void
ngx_http_pillion_process_event(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_int_t   rc;
    ngx_uint_t  ended;

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http pillion event: %uD, status:%d body:%uL \"%V\"",
                   ev->flags, ev->status, ev->body_len, &ctx->app);

    ended = ev->flags & (PILLION_EVENT_COMPLETE|PILLION_EVENT_ABORTED);

    if (ctx->discard
        || ctx->ended
        || ngx_http_get_module_ctx(r, ngx_http_pillion_module) != ctx)
    {
        /* the request went on without this response */

        if (ev->flags & PILLION_EVENT_BODY) {
            ngx_http_pillion_credit(ctx, ev->body_len);
        }

        return;
    }

    if (!ended) {
        ngx_add_timer(&ctx->timer, ctx->conf->read_timeout);
    }

    if ((ev->flags & PILLION_EVENT_INFO) && !r->header_sent) {
        ngx_http_pillion_process_early_hints(r, ctx, ev);
    }

    if (ev->flags & PILLION_EVENT_HEAD) {

        rc = ngx_http_pillion_send_header(r, ctx, ev);

        if (rc == NGX_DONE) {

            /* finalized, or gone elsewhere */

            return;
        }
    }

    if (ev->flags & PILLION_EVENT_ABORTED) {

        if (ev->flags & PILLION_EVENT_BODY) {
            (void) ngx_http_pillion_send_body(r, ctx, ev);
        }

        ngx_http_pillion_aborted(r, ctx);
        return;
    }

    if (ev->flags & PILLION_EVENT_TRAILERS) {
        if (ngx_http_pillion_process_trailers(r, ctx, ev) != NGX_OK) {
            ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
            return;
        }
    }

    rc = ngx_http_pillion_send_body(r, ctx, ev);

    if (ev->flags & PILLION_EVENT_COMPLETE) {
        ngx_http_pillion_finalize(r, ctx, rc);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_http_pillion_finalize(r, ctx, rc);
        return;
    }

    if (ev->flags & PILLION_EVENT_ROOM) {
        ngx_http_pillion_resume_body(r, ctx);
    }
}


static ngx_int_t
ngx_http_pillion_send_header(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_int_t  rc;

    ctx->status = ev->status;

    rc = ngx_http_pillion_process_header(r, ctx, ev);

    if (rc == NGX_DONE) {
        return NGX_DONE;
    }

    if (rc != NGX_OK) {
        ngx_http_pillion_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return NGX_DONE;
    }

    if (ctx->expect) {

        /* nobody asked for the body, and after this nobody can */

        r->expect_tested = 1;
        r->keepalive = 0;
    }

    if ((ev->flags & PILLION_EVENT_COMPLETE) && r->reading_body) {
        r->keepalive = 0;
    }

    if (ngx_exiting || ngx_terminate) {

        /* the connection will be closed, let the client know */

        r->keepalive = 0;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->post_action) {
        ngx_http_pillion_finalize(r, ctx, rc);
        return NGX_DONE;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_send_body(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev)
{
    ngx_buf_t                 *b;
    ngx_uint_t                 flush;
    ngx_chain_t               *cl;
    ngx_http_core_loc_conf_t  *clcf;

    if (r->header_only) {

        if (ev->flags & PILLION_EVENT_BODY) {
            ngx_http_pillion_credit(ctx, ev->body_len);
        }

        return NGX_OK;
    }

    flush = ev->flags & PILLION_EVENT_FLUSH;

    if (ev->flags & PILLION_EVENT_BODY) {

        cl = ngx_http_pillion_get_buf(r, ctx);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;
        b->start = (u_char *) ev->body;
        b->pos = b->start;
        b->last = b->start + ev->body_len;
        b->end = b->last;
        b->memory = 1;

        ctx->unsent += ev->body_len;

        /* without credit the application cannot fill what is postponed */

        if (ctx->unsent >= ctx->conf->buffer_size) {
            flush = 1;
        }

    } else if (ev->flags & PILLION_EVENT_COMPLETE) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);

    } else if (flush) {

        if (r == r->main && r->out == NULL && !r->buffered) {
            return NGX_OK;
        }

        cl = ngx_http_pillion_get_buf(r, ctx);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;

    } else {
        return NGX_OK;
    }

    if (ev->flags & PILLION_EVENT_COMPLETE) {
        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;

    } else if (flush) {
        b->flush = 1;

        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        if (clcf->tcp_nodelay && ngx_tcp_nodelay(r->connection) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_pillion_output(r, ctx, cl);
}


static ngx_int_t
ngx_http_pillion_output(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_event_t               *wev;
    ngx_chain_t               *cl, *next, **ll;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    wev = c->write;

    /* links of the busy list are not those given to the filters */

    if (in) {
        for (ll = &ctx->busy; *ll; ll = &(*ll)->next) { /* void */ }

        cl = ngx_alloc_chain_link(r->pool);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        cl->buf = in->buf;
        cl->next = NULL;

        *ll = cl;
    }

    rc = ngx_http_output_filter(r, in);

    for (cl = in; cl; cl = next) {
        next = cl->next;
        ngx_free_chain(r->pool, cl);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_http_pillion_update_busy(r, ctx);

    if (c->data != r || wev->delayed) {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

    if (wev->active && !wev->ready) {
        ngx_add_timer(wev, clcf->send_timeout);

    } else if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return rc;
}


void
ngx_http_pillion_write_handler(ngx_http_request_t *r)
{
    ngx_event_t             *wev;
    ngx_connection_t        *c;
    ngx_http_pillion_ctx_t  *ctx;

    c = r->connection;
    wev = c->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http pillion write handler: sent:%d unsent:%uz",
                   r->header_sent, ctx->unsent);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT, "client timed out");
        c->timedout = 1;

        ngx_http_pillion_finalize(r, ctx, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (c->error) {
        if (r->header_sent) {
            ngx_http_pillion_finalize(r, ctx, NGX_ERROR);

        } else if (!ctx->conf->ignore_client_abort) {
            ngx_http_pillion_finalize(r, ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        }

        return;
    }

    if (!r->header_sent || r->header_only) {

#if (nginx_version >= 1029000)

        if (c->buffered && !r->header_sent && r == r->main) {

            /* early hints */

            if (ngx_http_write_filter(r, NULL) == NGX_ERROR
                || ngx_handle_write_event(wev, 0) != NGX_OK)
            {
                ngx_http_pillion_finalize(r, ctx,
                                          NGX_HTTP_CLIENT_CLOSED_REQUEST);
            }
        }

#endif

        return;
    }

    if (wev->delayed || r->aio) {
        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
        }

        return;
    }

    if (ngx_http_pillion_output(r, ctx, NULL) == NGX_ERROR) {
        ngx_http_pillion_finalize(r, ctx, NGX_ERROR);
    }
}


static ngx_chain_t *
ngx_http_pillion_get_buf(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (ctx->free) {
        cl = ctx->free;
        ctx->free = cl->next;
        cl->next = NULL;

        ngx_memzero(cl->buf, sizeof(ngx_buf_t));

    } else {
        cl = ngx_chain_get_free_buf(r->pool, &ctx->free);
        if (cl == NULL) {
            return NULL;
        }
    }

    b = cl->buf;
    b->tag = (ngx_buf_tag_t) &ngx_http_pillion_module;

    return cl;
}


/*
 * Only whole buffers are credited: filters may have slices of one that is
 * partly sent.  A buffer is used again when nobody can have it queued: an
 * empty one looks sent while it waits.
 */

static void
ngx_http_pillion_update_busy(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    size_t        size, credit;
    ngx_uint_t    idle;
    ngx_chain_t  *cl;

    idle = (r == r->connection->data
            && r->main->out == NULL
            && !r->buffered);

    credit = 0;

    while (ctx->busy) {
        cl = ctx->busy;

        if (ngx_buf_size(cl->buf) != 0) {
            break;
        }

        size = cl->buf->end - cl->buf->start;

        if (size == 0 && !idle) {
            break;
        }

        credit += size;

        ctx->busy = cl->next;

        cl->next = ctx->free;
        ctx->free = cl;
    }

    if (credit) {
        ctx->unsent -= credit;
        ngx_http_pillion_credit(ctx, credit);

        /* the application could not go on before */

        ngx_add_timer(&ctx->timer, ctx->conf->read_timeout);
    }
}


void
ngx_http_pillion_credit(ngx_http_pillion_ctx_t *ctx, size_t size)
{
    int32_t  rc;

    if (ctx->handle == 0) {
        return;
    }

    rc = ngx_http_pillion_worker.api.credit(ctx->handle, size);

    if (rc != PILLION_OK) {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "pillion: pillion_credit(%uz) failed: %s", size,
                      ngx_http_pillion_worker.api.strerror(rc));
    }

    ngx_http_pillion_post_flush();
}


static void
ngx_http_pillion_aborted(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "pillion: application \"%V\" aborted the response %s",
                  &ctx->app,
                  r->header_sent ? "after its header" : "before its header");

    ctx->status = r->header_sent ? ctx->status
                                 : NGX_HTTP_INTERNAL_SERVER_ERROR;

    ngx_http_pillion_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
}


/*
 * Ends a response whose header has been sent so that the client can tell that
 * it is not whole.
 */

void
ngx_http_pillion_cut(ngx_http_request_t *r)
{
    ngx_int_t          rc;
    ngx_uint_t         framed;
    struct linger      linger;
    ngx_connection_t  *c;
#if (NGX_HTTP_V2)
    ngx_http_pillion_ctx_t  *ctx;
#endif

    c = r->connection;

    if (r != r->main) {
        ngx_http_finalize_request(r, r->background ? NGX_OK : NGX_ERROR);
        return;
    }

    r->keepalive = 0;

    if (r->header_only) {
        ngx_http_finalize_request(r, NGX_OK);
        return;
    }

    framed = (r->chunked || r->headers_out.content_length_n != -1);

#if (NGX_HTTP_V2)
    if (r->stream) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);
        ctx->cut = r->stream->connection->connection;
        framed = 1;
    }
#endif

    if (framed) {
        rc = ngx_http_send_special(r, NGX_HTTP_FLUSH);
        ngx_http_finalize_request(r, rc);
        return;
    }

#if (NGX_HTTP_V3)
    if (r->http_version == NGX_HTTP_VERSION_30) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }
#endif

    /* the end of the connection is the end of the response: reset it */

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        c->ssl->no_send_shutdown = 1;
    }
#endif

    (void) ngx_http_send_special(r, NGX_HTTP_FLUSH);

    linger.l_onoff = 1;
    linger.l_linger = 0;

    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                   sizeof(struct linger))
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "setsockopt(SO_LINGER) failed");
    }

    ngx_http_finalize_request(r, NGX_ERROR);
}
