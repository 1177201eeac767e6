
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
static void ngx_http_pillion_update_busy(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static void ngx_http_pillion_drop_body(ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev);
static void ngx_http_pillion_aborted(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static void ngx_http_pillion_reset(ngx_connection_t *c);


void
ngx_http_pillion_process_event(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_int_t   rc;
    ngx_uint_t  ended;

    ngx_log_debug5(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http pillion event: %uD, status:%d body:%uL file:%uL "
                   "\"%V\"",
                   ev->flags, ev->status, ev->body_len, ev->file_len,
                   &ctx->app);

    ended = ev->flags & (PILLION_EVENT_COMPLETE|PILLION_EVENT_ABORTED);

    if (ctx->discard
        || ctx->ended
        || ngx_http_get_module_ctx(r, ngx_http_pillion_module) != ctx)
    {
        /* the request went on without this response */

        ngx_http_pillion_drop_body(ctx, ev);
        return;
    }

    if (ctx->tunnel) {
        ngx_http_pillion_process_tunnel(r, ctx, ev);
        return;
    }

    if (!ended) {
        ngx_add_timer(&ctx->timer, ctx->conf->read_timeout);
    }

    if ((ev->flags & PILLION_EVENT_INFO) && !r->header_sent) {
        ngx_http_pillion_process_early_hints(r, ctx, ev);
    }

    if (ev->flags & PILLION_EVENT_HIJACK) {
        ngx_http_pillion_open_tunnel(r, ctx, ev);
        return;
    }

    if (ev->flags & PILLION_EVENT_HEAD) {

        rc = ngx_http_pillion_send_header(r, ctx, ev);

        if (rc == NGX_DONE) {

            /* finalized, or gone elsewhere */

            return;
        }
    }

    if (ev->flags & PILLION_EVENT_ABORTED) {

        if (ev->flags & (PILLION_EVENT_BODY|PILLION_EVENT_FILE)) {
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

    if (r->filter_need_in_memory || r->main_filter_need_in_memory) {

        /* copies would be sent from the file, which may be closed by then */

        r->connection->sendfile = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_send_body(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev)
{
    ngx_buf_t                 *b;
    ngx_uint_t                 flush;
    ngx_chain_t               *out, *cl, **ll;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    if (r->header_only) {
        ngx_http_pillion_drop_body(ctx, ev);
        return NGX_OK;
    }

    flush = ev->flags & PILLION_EVENT_FLUSH;
    out = NULL;
    ll = &out;

    if (ev->flags & PILLION_EVENT_BODY) {

        cl = ngx_http_pillion_memory_buf(r, ctx, ev);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        *ll = cl;
        ll = &cl->next;

        ctx->unsent += ev->body_len;

        /* without credit the application cannot fill what is postponed */

        if (ctx->unsent >= (off_t) ctx->conf->buffer_size) {
            flush = 1;
        }
    }

    if (ev->flags & PILLION_EVENT_FILE) {

        cl = ngx_http_pillion_file_buf(r, ctx, ev);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        *ll = cl;

        ctx->unsent += ev->file_len;

        /* the application waits until it has been sent */

        flush = 1;
    }

    if (out == NULL) {

        if (ev->flags & PILLION_EVENT_COMPLETE) {
            return ngx_http_send_special(r, NGX_HTTP_LAST);
        }

        if (!flush) {
            return NGX_OK;
        }

        if (r == r->main && r->out == NULL && !r->buffered) {
            return NGX_OK;
        }

        out = ngx_http_pillion_get_buf(r, ctx);
        if (out == NULL) {
            return NGX_ERROR;
        }
    }

    for (cl = out; cl->next; cl = cl->next) { /* void */ }

    b = cl->buf;

    if (ev->flags & PILLION_EVENT_COMPLETE) {
        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;

    } else if (flush) {
        b->flush = 1;

        c = r->connection;
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        if (c->tcp_nopush == NGX_TCP_NOPUSH_SET
            && (ev->flags & PILLION_EVENT_FLUSH))
        {
            /* set when a file was sent, it would hold back what follows */

            if (ngx_tcp_push(c->fd) == -1) {
                ngx_connection_error(c, ngx_socket_errno,
                                     ngx_tcp_push_n " failed");
                return NGX_ERROR;
            }

            c->tcp_nopush = NGX_TCP_NOPUSH_UNSET;
        }

        if (clcf->tcp_nodelay && ngx_tcp_nodelay(c) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_pillion_output(r, ctx, out);
}


/* Nobody wants it, but the application waits for its credit. */

static void
ngx_http_pillion_drop_body(ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    off_t  size;

    size = 0;

    if (ev->flags & PILLION_EVENT_BODY) {
        size += ev->body_len;
    }

    if (ev->flags & PILLION_EVENT_FILE) {
        size += ev->file_len;
    }

    if (size) {
        ngx_http_pillion_credit(ctx, size);
    }
}


static ngx_int_t
ngx_http_pillion_output(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_event_t               *wev;
    ngx_chain_t               *cl, *next;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    wev = c->write;

    /* links of the busy list are not those given to the filters */

    if (ngx_chain_add_copy(r->pool, &ctx->busy, in) != NGX_OK) {
        return NGX_ERROR;
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
                   "http pillion write handler: sent:%d unsent:%O",
                   r->header_sent, ctx->unsent);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "PILLION-4209: client timed out");
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


/*
 * Only whole buffers are credited: filters may have slices of one that is
 * partly sent.  A buffer is used again when nobody can have it queued: an
 * empty one looks sent while it waits.
 */

static void
ngx_http_pillion_update_busy(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    off_t         size, credit;
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

        size = ngx_http_pillion_buf_size(cl->buf);

        if (size == 0 && !idle) {
            break;
        }

        credit += size;

        ctx->busy = cl->next;

        ngx_http_pillion_free_buf(ctx, cl);
    }

    if (credit) {
        ctx->unsent -= credit;
        ngx_http_pillion_credit(ctx, credit);

        /* the application could not go on before */

        ngx_add_timer(&ctx->timer, ctx->conf->read_timeout);
    }
}


static void
ngx_http_pillion_aborted(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "PILLION-4210: application \"%V\" aborted the response %s",
                  &ctx->app,
                  r->header_sent ? "after its header" : "before its header");

    ctx->status = r->header_sent ? ctx->status
                                 : NGX_HTTP_INTERNAL_SERVER_ERROR;

    ngx_http_pillion_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
}


/*
 * Ends a response whose header has been sent so that the client can tell that
 * it is not whole.  After NGX_ERROR nothing more can be sent.
 */

void
ngx_http_pillion_cut(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_uint_t  framed;
#if (NGX_HTTP_V2)
    ngx_connection_t        *c;
    ngx_http_pillion_ctx_t  *ctx;
#endif

    if (r != r->main) {
        ngx_http_finalize_request(r, r->background ? NGX_OK : NGX_ERROR);
        return;
    }

    r->keepalive = 0;

    if (r->header_only) {
        ngx_http_finalize_request(r, rc == NGX_ERROR ? NGX_ERROR : NGX_OK);
        return;
    }

    framed = (r->chunked || r->headers_out.content_length_n != -1);

#if (NGX_HTTP_V2)
    if (r->stream) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);
        c = r->stream->connection->connection;
        ctx->cut = c;
        framed = 1;

        if (rc == NGX_ERROR && c->error) {

            /* nginx may have lost the frames, and then waits for the client */

            (void) shutdown(c->fd, SHUT_RDWR);
        }
    }
#endif

    if (framed) {
        if (rc != NGX_ERROR) {
            rc = ngx_http_send_special(r, NGX_HTTP_FLUSH);
        }

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

    if (rc != NGX_ERROR) {
        (void) ngx_http_send_special(r, NGX_HTTP_FLUSH);
    }

    ngx_http_pillion_reset(r->connection);
    ngx_http_finalize_request(r, NGX_ERROR);
}


static void
ngx_http_pillion_reset(ngx_connection_t *c)
{
    struct linger  linger;

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        c->ssl->no_send_shutdown = 1;
    }
#endif

    linger.l_onoff = 1;
    linger.l_linger = 0;

    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                   sizeof(struct linger))
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "PILLION-4211: setsockopt(SO_LINGER) failed");
    }
}
