
/*
 * The body of a request: fed to the application as it arrives, or from what
 * nginx has read, no faster than the application reads.
 */


#include "ngx_http_pillion_module.h"


#define NGX_HTTP_PILLION_PIECE  32768


static void ngx_http_pillion_test_upload(ngx_http_request_t *r);
static void ngx_http_pillion_expected_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_pillion_feed_streaming(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_feed_buffered(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_feed(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, u_char *p, size_t size, ngx_uint_t last,
    size_t *taken);


static void
ngx_http_pillion_expected_body_handler(ngx_http_request_t *r)
{
    /* resumed by the caller of ngx_http_read_client_request_body() */
}


/*
 * Finds out how the body is fed: not at all, from what has been read already,
 * or as it is read.
 */

void
ngx_http_pillion_prepare_body(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_chain_t              *cl;
    ngx_http_pillion_ctx_t   *mctx;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;

    if (ctx->expect || (ctx->streaming && r->reading_body)) {
        ctx->length = r->headers_in.chunked ? -1
                                            : r->headers_in.content_length_n;
        return;
    }

    if (!ctx->streaming && rb && r->main->reading_body) {

        /* partly passed elsewhere, a subrequest or a redirect gets no part */

        rb = NULL;
    }

    if (r != r->main) {
        mctx = ngx_http_get_module_ctx(r->main, ngx_http_pillion_module);

        if (mctx && mctx->streaming) {
            rb = NULL;
        }
    }

    /* unless all of it had to be read, its length is as little known */

    ctx->chunked = ctx->streaming && r->headers_in.chunked;

    ctx->streaming = 0;
    ctx->length = 0;

    if (rb) {
        ctx->body = rb->bufs;

        for (cl = rb->bufs; cl; cl = cl->next) {
            ctx->length += ngx_buf_size(cl->buf);
        }
    }

    if (ctx->length == 0) {
        ctx->body = NULL;
        ctx->feeding = 0;

        if (r != r->main || r->headers_in.content_length_n != 0) {
            ctx->length = -1;
        }
    }

    if (ctx->chunked) {
        ctx->length = -1;
    }
}


ngx_int_t
ngx_http_pillion_watch_client(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    if (ctx->conf->ignore_client_abort || r->post_action) {
        r->read_event_handler = ngx_http_block_reading;
        return NGX_OK;
    }

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
        return NGX_OK;
    }

    return ngx_handle_read_event(rev, 0);
}


void
ngx_http_pillion_read_handler(ngx_http_request_t *r)
{
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);

    if (!ctx->feeding || ctx->expect || !ctx->streaming) {

        if (!ctx->conf->ignore_client_abort) {
            ngx_http_test_reading(r);
        }

        return;
    }

    if (ctx->full) {
        ngx_http_pillion_test_upload(r);
        return;
    }

    ngx_http_pillion_resume_body(r, ctx);
}


/*
 * Called while the application does not read: a client that has left is
 * noticed only if what it has sent cannot be the whole body.
 */

static void
ngx_http_pillion_test_upload(ngx_http_request_t *r)
{
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    c = r->connection;
    rev = c->read;

    if ((ngx_event_flags & NGX_USE_LEVEL_EVENT) && rev->active) {
        if (ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
            return;
        }
    }

    if (c->error) {
        ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        return;
    }

#if (NGX_HAVE_EPOLLRDHUP)

    {
    int  available;

#if (NGX_HTTP_V2)
    if (r->stream) {
        return;
    }
#endif

    if (!rev->pending_eof || r->headers_in.chunked || r->request_body == NULL) {
        return;
    }

    if (ioctl(c->fd, FIONREAD, &available) == -1
        || (off_t) available >= r->request_body->rest)
    {
        return;
    }

    rev->eof = 1;
    c->error = 1;

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "PILLION-4206: client prematurely closed connection while "
                  "the application was not reading the request body");

    ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
    }

#endif
}


/*
 * Feeds what there is until the body ends, the client has sent no more, or
 * the application's window is full.
 */

void
ngx_http_pillion_resume_body(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->full = 0;

    if (!ctx->feeding) {
        return;
    }

    if (ctx->expect) {
        ctx->expect = 0;

        r->request_body_no_buffering = 1;

        rc = ngx_http_read_client_request_body(r,
                                       ngx_http_pillion_expected_body_handler);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            ngx_http_pillion_finalize(r, ctx, rc);
            return;
        }

        r->main->count--;

        r->read_event_handler = ngx_http_pillion_read_handler;
        r->write_event_handler = ngx_http_pillion_write_handler;
    }

    rc = ctx->streaming ? ngx_http_pillion_feed_streaming(r, ctx)
                        : ngx_http_pillion_feed_buffered(r, ctx);

    if (rc == NGX_OK) {
        ctx->feeding = 0;
        rc = ngx_http_pillion_watch_client(r, ctx);

        if (rc != NGX_OK) {
            rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (rc == NGX_AGAIN && ctx->full && ctx->streaming) {

        /* the client may have left already, no event would tell */

        ngx_http_pillion_test_upload(r);
        return;
    }

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        return;
    }

    ngx_http_pillion_finalize(r, ctx, rc);
}


static ngx_int_t
ngx_http_pillion_feed_streaming(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    size_t                    size, taken;
    ngx_int_t                 rc;
    ngx_buf_t                *b;
    ngx_uint_t                last;
    ngx_chain_t              *cl;
    ngx_event_t              *rev;
    ngx_http_request_body_t  *rb;

    rb = r->request_body;
    rev = r->connection->read;

    for ( ;; ) {

        while (rb->bufs) {
            cl = rb->bufs;
            b = cl->buf;

            size = b->last - b->pos;
            last = (cl->next == NULL && !r->reading_body);

            rc = ngx_http_pillion_feed(r, ctx, b->pos, size, last, &taken);

            if (rc != NGX_OK) {
                return rc;
            }

            b->pos += taken;

            if (taken < size) {
                ctx->full = 1;

                /* the application is slow, not the client */

                if (rev->timer_set) {
                    ngx_del_timer(rev);
                }

                return NGX_AGAIN;
            }

            rb->bufs = cl->next;
            ngx_free_chain(r->pool, cl);

            if (last) {
                return NGX_OK;
            }
        }

        if (!r->reading_body) {
            return ngx_http_pillion_feed(r, ctx, NULL, 0, 1, &taken);
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (rb->bufs == NULL && r->reading_body) {
            return NGX_AGAIN;
        }
    }
}


static ngx_int_t
ngx_http_pillion_feed_buffered(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    off_t         rest;
    size_t        size, taken;
    u_char       *p;
    ssize_t       n;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_uint_t    last;
    ngx_chain_t  *cl;

    for ( ;; ) {

        cl = ctx->body;

        if (cl == NULL) {
            return ngx_http_pillion_feed(r, ctx, NULL, 0, 1, &taken);
        }

        b = cl->buf;
        rest = ngx_buf_size(b) - ctx->offset;

        if (ngx_buf_in_memory(b)) {
            p = b->pos + ctx->offset;
            size = (size_t) rest;

        } else {

            if (ctx->piece == NULL) {
                ctx->piece = ngx_palloc(r->pool, NGX_HTTP_PILLION_PIECE);
                if (ctx->piece == NULL) {
                    return NGX_HTTP_INTERNAL_SERVER_ERROR;
                }
            }

            p = ctx->piece;
            size = (size_t) ngx_min(rest, NGX_HTTP_PILLION_PIECE);

            if (size) {
                n = ngx_read_file(b->file, p, size,
                                  b->file_pos + ctx->offset);

                if (n <= 0) {
                    ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                                  "PILLION-4207: the request body's "
                                  "temporary file \"%V\" is short",
                                  &b->file->name);
                    return NGX_HTTP_INTERNAL_SERVER_ERROR;
                }

                size = n;
            }
        }

        last = (cl->next == NULL && (off_t) size == rest);

        rc = ngx_http_pillion_feed(r, ctx, p, size, last, &taken);

        if (rc != NGX_OK) {
            return rc;
        }

        ctx->offset += taken;

        if (taken < size) {
            ctx->full = 1;
            return NGX_AGAIN;
        }

        if (last) {
            ctx->body = NULL;
            return NGX_OK;
        }

        if ((off_t) size == rest) {
            ctx->body = cl->next;
            ctx->offset = 0;
        }
    }
}


static ngx_int_t
ngx_http_pillion_feed(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    u_char *p, size_t size, ngx_uint_t last, size_t *taken)
{
    int32_t   rc;
    uint64_t  n;

    n = 0;

    rc = ngx_http_pillion_worker.api.feed(ctx->handle, (char *) p, size,
                                          (int32_t) last, &n);

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http pillion feed: %d, %uL of %uz last:%ui",
                   rc, n, size, last);

    if (rc != PILLION_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "PILLION-4208: request body refused by the library: %s",
                      ngx_http_pillion_worker.api.strerror(rc));
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *taken = (size_t) n;

    /* the application has had no reason to answer before */

    ngx_add_timer(&ctx->timer, ctx->conf->read_timeout);

    ngx_http_pillion_post_flush();

    return NGX_OK;
}
