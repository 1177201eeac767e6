
/*
 * Responses that are not sent as they are: X-Accel-Redirect, intercepted
 * errors, early hints.
 */


#include "ngx_http_pillion_module.h"


static void ngx_http_pillion_discard(ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev);
static const pillion_pair *ngx_http_pillion_find(pillion_event *ev,
    ngx_str_t *name);


static ngx_str_t  ngx_http_pillion_x_accel_redirect =
    ngx_string("X-Accel-Redirect");


ngx_int_t
ngx_http_pillion_redirect(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev)
{
    ngx_str_t                   uri, args;
    ngx_uint_t                  i, flags;
    ngx_table_elt_t             h;
    const pillion_pair         *pair;
    ngx_http_pillion_header_t  *hh;

    pair = ngx_http_pillion_find(ev, &ngx_http_pillion_x_accel_redirect);

    if (pair == NULL || pair->value_len == 0) {
        return NGX_DECLINED;
    }

    uri.len = pair->value_len;
    uri.data = (u_char *) pair->value;

    ngx_http_pillion_discard(ctx, ev);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    for (i = 0; i < ev->headers_len; i++) {

        hh = ngx_http_pillion_known(&ev->headers[i]);

        if (hh == NULL || !hh->redirect) {
            continue;
        }

        if (ngx_http_pillion_set_elt(r, &h, &ev->headers[i]) != NGX_OK
            || hh->handler(r, ctx, &h, hh->offset) != NGX_OK)
        {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return NGX_DONE;
        }
    }

    if (uri.data[0] == '@') {
        ngx_http_named_location(r, &uri);

    } else {
        ngx_str_null(&args);
        flags = NGX_HTTP_LOG_UNSAFE;

        if (ngx_http_parse_unsafe_uri(r, &uri, &args, &flags) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_NOT_FOUND);
            return NGX_DONE;
        }

        if (r->method != NGX_HTTP_HEAD) {
            r->method = NGX_HTTP_GET;
            ngx_str_set(&r->method_name, "GET");
        }

        ngx_http_internal_redirect(r, &uri, &args);
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


ngx_int_t
ngx_http_pillion_intercept(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    pillion_event *ev)
{
    ngx_uint_t                  i;
    ngx_table_elt_t             h;
    const pillion_pair         *pair;
    ngx_http_err_page_t        *err_page;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_pillion_header_t  *hh;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL) {
        return NGX_DECLINED;
    }

    err_page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (err_page[i].status == ev->status) {
            break;
        }
    }

    if (i == clcf->error_pages->nelts) {
        return NGX_DECLINED;
    }

    ngx_http_pillion_discard(ctx, ev);

    r->read_event_handler = ngx_http_block_reading;

    if (ev->status == NGX_HTTP_UNAUTHORIZED) {

        for (i = 0; i < ev->headers_len; i++) {

            pair = &ev->headers[i];
            hh = ngx_http_pillion_known(pair);

            if (hh == NULL
                || hh->offset != offsetof(ngx_http_headers_out_t,
                                          www_authenticate))
            {
                continue;
            }

            if (ngx_http_pillion_set_elt(r, &h, pair) != NGX_OK
                || hh->handler(r, ctx, &h, hh->offset) != NGX_OK)
            {
                ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
                return NGX_DONE;
            }
        }
    }

    ngx_http_finalize_request(r, ev->status);

    return NGX_DONE;
}


/* Early hints go out as the "early_hints" directive says. */

void
ngx_http_pillion_process_early_hints(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
#if (nginx_version >= 1029000)

    ngx_uint_t        i;
    ngx_list_t        headers;
    ngx_table_elt_t  *h;

    if (ev->status != 103 || r != r->main) {
        return;
    }

    headers = r->headers_out.headers;

    if (ngx_list_init(&r->headers_out.headers, r->pool, 4,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        r->headers_out.headers = headers;
        return;
    }

    ctx->borrowed = 1;

    for (i = 0; i < ev->headers_len; i++) {

        h = ngx_list_push(&r->headers_out.headers);

        if (h == NULL
            || ngx_http_pillion_set_elt(r, h, &ev->headers[i]) != NGX_OK)
        {
            break;
        }
    }

    if (i == ev->headers_len
        && ngx_http_send_early_hints(r) != NGX_ERROR
        && r->connection->buffered)
    {
        /* the rest goes out by ngx_http_pillion_write_handler() */

        (void) ngx_handle_write_event(r->connection->write, 0);
    }

    r->headers_out.headers = headers;

#endif
}


/*
 * The application goes on to its end, but nobody takes what it writes.  The
 * request may be gone when it comes back from where it is sent.
 */

static void
ngx_http_pillion_discard(ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ctx->discard = 1;

    ngx_http_pillion_end(ctx);

    if (ev->flags & PILLION_EVENT_BODY) {
        ngx_http_pillion_credit(ctx, ev->body_len);
    }
}


static const pillion_pair *
ngx_http_pillion_find(pillion_event *ev, ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < ev->headers_len; i++) {
        if (ev->headers[i].name_len == name->len
            && ngx_strncasecmp((u_char *) ev->headers[i].name, name->data,
                               name->len)
               == 0)
        {
            return &ev->headers[i];
        }
    }

    return NULL;
}
