
/*
 * Bytes of a response that are the library's, in its memory or in a file, as
 * nginx's buffers, and the credit for them.
 */


#include "ngx_http_pillion_module.h"


ngx_chain_t *
ngx_http_pillion_get_buf(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    ngx_chain_t  *cl;

    cl = ngx_chain_get_free_buf(r->pool, &ctx->free);
    if (cl == NULL) {
        return NULL;
    }

    ngx_memzero(cl->buf, sizeof(ngx_buf_t));

    cl->buf->tag = (ngx_buf_tag_t) &ngx_http_pillion_module;

    return cl;
}


ngx_chain_t *
ngx_http_pillion_memory_buf(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = ngx_http_pillion_get_buf(r, ctx);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;

    b->start = (u_char *) ev->body;
    b->pos = b->start;
    b->last = b->start + ev->body_len;
    b->end = b->last;
    b->memory = 1;

    return cl;
}


/* The descriptor is the library's, also its flags: no direct I/O on it. */

ngx_chain_t *
ngx_http_pillion_file_buf(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_pillion_file_t  *f;

    cl = ngx_http_pillion_get_buf(r, ctx);
    if (cl == NULL) {
        return NULL;
    }

    f = ctx->files;

    if (f) {
        ctx->files = f->next;

    } else {
        f = ngx_palloc(r->pool, sizeof(ngx_http_pillion_file_t));
        if (f == NULL) {
            return NULL;
        }
    }

    ngx_memzero(f, sizeof(ngx_http_pillion_file_t));

    f->size = ev->file_len;
    f->file.fd = ev->file;
    f->file.log = r->connection->log;
    ngx_str_set(&f->file.name, "a file of the application");

    b = cl->buf;

    b->in_file = 1;
    b->file = &f->file;
    b->file_pos = ev->file_offset;
    b->file_last = ev->file_offset + ev->file_len;

    return cl;
}


/* What it was when it was made. */

off_t
ngx_http_pillion_buf_size(ngx_buf_t *b)
{
    if (b->tag != (ngx_buf_tag_t) &ngx_http_pillion_module) {
        return 0;
    }

    if (b->file) {
        return ((ngx_http_pillion_file_t *) b->file)->size;
    }

    return b->end - b->start;
}


ngx_uint_t
ngx_http_pillion_busy_file(ngx_http_pillion_ctx_t *ctx)
{
    ngx_chain_t  *cl;

    for (cl = ctx->busy; cl; cl = cl->next) {
        if (cl->buf->file) {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_pillion_free_buf(ngx_http_pillion_ctx_t *ctx, ngx_chain_t *cl)
{
    ngx_http_pillion_file_t  *f;

    f = (ngx_http_pillion_file_t *) cl->buf->file;

    if (f) {
        f->next = ctx->files;
        ctx->files = f;
    }

    cl->next = ctx->free;
    ctx->free = cl;
}


void
ngx_http_pillion_credit(ngx_http_pillion_ctx_t *ctx, off_t size)
{
    int32_t  rc;

    if (ctx->handle == 0) {
        return;
    }

    rc = ngx_http_pillion_worker.api.credit(ctx->handle, size);

    if (rc != PILLION_OK) {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "PILLION-4217: pillion_credit(%O) failed: %s", size,
                      ngx_http_pillion_worker.api.strerror(rc));
    }

    ngx_http_pillion_post_flush();
}
