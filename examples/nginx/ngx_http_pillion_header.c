
/*
 * Header fields of a response: those that nginx has a place for, those that
 * speak to nginx, and those that are just sent.
 */


#include "ngx_http_pillion_module.h"


static ngx_uint_t ngx_http_pillion_hidden(ngx_http_pillion_ctx_t *ctx,
    const pillion_pair *pair);

static ngx_int_t ngx_http_pillion_ignore(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_header_line(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_multi_header_line(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_single_header_line(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_content_type(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_content_length(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_last_modified(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_location(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_connection(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_trailer(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_limit_rate(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);
static ngx_int_t ngx_http_pillion_charset(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);


static ngx_http_pillion_header_t  ngx_http_pillion_headers[] = {

    { ngx_string("Content-Type"), ngx_http_pillion_content_type, 0, 1 },

    { ngx_string("Content-Length"), ngx_http_pillion_content_length, 0, 0 },

    { ngx_string("Content-Encoding"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, content_encoding), 0 },

    { ngx_string("Content-Range"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, content_range), 0 },

    { ngx_string("Content-Disposition"), ngx_http_pillion_header_line, 0, 1 },

    { ngx_string("Set-Cookie"), ngx_http_pillion_header_line, 0, 1 },

    { ngx_string("Cache-Control"), ngx_http_pillion_multi_header_line,
      offsetof(ngx_http_headers_out_t, cache_control), 1 },

    { ngx_string("Expires"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, expires), 1 },

    { ngx_string("Accept-Ranges"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, accept_ranges), 1 },

    { ngx_string("Link"), ngx_http_pillion_multi_header_line,
      offsetof(ngx_http_headers_out_t, link), 0 },

    { ngx_string("Date"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, date), 0 },

    { ngx_string("Server"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, server), 0 },

    { ngx_string("ETag"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, etag), 0 },

    { ngx_string("Last-Modified"), ngx_http_pillion_last_modified,
      offsetof(ngx_http_headers_out_t, last_modified), 0 },

    { ngx_string("Location"), ngx_http_pillion_location,
      offsetof(ngx_http_headers_out_t, location), 0 },

    { ngx_string("Refresh"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, refresh), 0 },

#if (nginx_version >= 1023000)

    { ngx_string("WWW-Authenticate"), ngx_http_pillion_multi_header_line,
      offsetof(ngx_http_headers_out_t, www_authenticate), 0 },

#else

    { ngx_string("WWW-Authenticate"), ngx_http_pillion_single_header_line,
      offsetof(ngx_http_headers_out_t, www_authenticate), 0 },

#endif

    { ngx_string("Connection"), ngx_http_pillion_connection, 0, 0 },
    { ngx_string("Keep-Alive"), ngx_http_pillion_ignore, 0, 0 },
    { ngx_string("Proxy-Connection"), ngx_http_pillion_ignore, 0, 0 },
    { ngx_string("Transfer-Encoding"), ngx_http_pillion_ignore, 0, 0 },
    { ngx_string("Upgrade"), ngx_http_pillion_ignore, 0, 0 },
    { ngx_string("Trailer"), ngx_http_pillion_trailer, 0, 0 },

    { ngx_string("X-Accel-Limit-Rate"), ngx_http_pillion_limit_rate, 0, 0 },
    { ngx_string("X-Accel-Charset"), ngx_http_pillion_charset, 0, 0 },
    { ngx_string("X-Accel-Redirect"), ngx_http_pillion_ignore, 0, 0 },
    { ngx_string("X-Accel-Buffering"), ngx_http_pillion_ignore, 0, 0 },
    { ngx_string("X-Accel-Expires"), ngx_http_pillion_ignore, 0, 0 },

    { ngx_null_string, NULL, 0, 0 }
};


/*
 * Returns NGX_OK if the header can be sent, NGX_DONE if the request has been
 * finalized or has gone elsewhere, NGX_ERROR otherwise.  Names and values stay
 * in the library's memory until the request is released.
 */

ngx_int_t
ngx_http_pillion_process_header(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_uint_t                  i;
    ngx_table_elt_t             h, *ho;
    const pillion_pair         *pair;
    ngx_http_pillion_header_t  *hh;

    ctx->borrowed = 1;

    if (ngx_http_pillion_redirect(r, ctx, ev) == NGX_DONE) {
        return NGX_DONE;
    }

    if (ctx->conf->intercept_errors) {
        if (ngx_http_pillion_intercept(r, ctx, ev) == NGX_DONE) {
            return NGX_DONE;
        }
    }

    r->headers_out.status = ev->status;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_length_n = -1;

    /* conditional requests are the application's */

    r->disable_not_modified = 1;

    for (i = 0; i < ev->headers_len; i++) {

        pair = &ev->headers[i];

        if (ctx->conf->hide_headers && ngx_http_pillion_hidden(ctx, pair)) {
            continue;
        }

        hh = ngx_http_pillion_known(pair);

        if (hh == NULL) {
            ho = ngx_list_push(&r->headers_out.headers);
            if (ho == NULL) {
                return NGX_ERROR;
            }

            if (ngx_http_pillion_set_elt(r, ho, pair) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        if (ngx_http_pillion_set_elt(r, &h, pair) != NGX_OK) {
            return NGX_ERROR;
        }

        if (hh->handler(r, ctx, &h, hh->offset) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* nginx sends them wherever it can: in chunks and in HTTP/2. */

ngx_int_t
ngx_http_pillion_process_trailers(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    for (i = 0; i < ev->headers_len; i++) {

        if (ctx->conf->hide_headers
            && ngx_http_pillion_hidden(ctx, &ev->headers[i]))
        {
            continue;
        }

        h = ngx_list_push(&r->headers_out.trailers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_pillion_set_elt(r, h, &ev->headers[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_http_pillion_header_t *
ngx_http_pillion_known(const pillion_pair *pair)
{
    u_char                      ch;
    ngx_http_pillion_header_t  *hh;

    if (pair->name_len == 0) {
        return NULL;
    }

    ch = ngx_toupper(pair->name[0]);

    for (hh = ngx_http_pillion_headers; hh->name.len; hh++) {
        if (hh->name.len == pair->name_len
            && hh->name.data[0] == ch
            && ngx_strncasecmp(hh->name.data, (u_char *) pair->name,
                               hh->name.len)
               == 0)
        {
            return hh;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_pillion_hidden(ngx_http_pillion_ctx_t *ctx, const pillion_pair *pair)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = ctx->conf->hide_headers->elts;

    for (i = 0; i < ctx->conf->hide_headers->nelts; i++) {
        if (name[i].len == pair->name_len
            && ngx_strncasecmp(name[i].data, (u_char *) pair->name,
                               name[i].len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_pillion_set_elt(ngx_http_request_t *r, ngx_table_elt_t *h,
    const pillion_pair *pair)
{
    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key.len = pair->name_len;
    h->key.data = (u_char *) pair->name;

    h->value.len = pair->value_len;
    h->value.data = (u_char *) (pair->value_len ? pair->value : "");

    h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
    if (h->lowcase_key == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }

    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);

    if (h->hash == 0) {
        h->hash = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_ignore(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t offset)
{
    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_header_line(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset)
{
    ngx_table_elt_t  *ho;

    ho = ngx_list_push(&r->headers_out.headers);
    if (ho == NULL) {
        return NGX_ERROR;
    }

    *ho = *h;

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_multi_header_line(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset)
{
#if (nginx_version >= 1023000)

    ngx_table_elt_t  *ho, **ph;

    ho = ngx_list_push(&r->headers_out.headers);
    if (ho == NULL) {
        return NGX_ERROR;
    }

    *ho = *h;
    ho->next = NULL;

    ph = (ngx_table_elt_t **) ((char *) &r->headers_out + offset);

    while (*ph) { ph = &(*ph)->next; }

    *ph = ho;

#else

    ngx_array_t      *pa;
    ngx_table_elt_t  *ho, **ph;

    pa = (ngx_array_t *) ((char *) &r->headers_out + offset);

    if (pa->elts == NULL) {
        if (ngx_array_init(pa, r->pool, 2, sizeof(ngx_table_elt_t *))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ho = ngx_list_push(&r->headers_out.headers);
    if (ho == NULL) {
        return NGX_ERROR;
    }

    *ho = *h;

    ph = ngx_array_push(pa);
    if (ph == NULL) {
        return NGX_ERROR;
    }

    *ph = ho;

#endif

    return NGX_OK;
}


/* Repetitions are sent too, nginx knows the first one. */

static ngx_int_t
ngx_http_pillion_single_header_line(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset)
{
    ngx_table_elt_t  *ho, **ph;

    ho = ngx_list_push(&r->headers_out.headers);
    if (ho == NULL) {
        return NGX_ERROR;
    }

    *ho = *h;

    ph = (ngx_table_elt_t **) ((char *) &r->headers_out + offset);

    if (*ph == NULL) {
        *ph = ho;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_content_type(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset)
{
    u_char  *p, *last, *end;

    r->headers_out.content_type = h->value;
    r->headers_out.content_type_len = h->value.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_str_null(&r->headers_out.charset);

    end = h->value.data + h->value.len;

    for (p = h->value.data; p < end; /* void */) {

        last = ngx_strlchr(p, end, ';');
        if (last == NULL) {
            break;
        }

        for (p = last + 1; p < end && (*p == ' ' || *p == '\t'); p++) {
            /* void */
        }

        if (end - p <= 8
            || ngx_strncasecmp(p, (u_char *) "charset=", 8) != 0)
        {
            continue;
        }

        p += 8;

        if (ngx_strlchr(p, end, ';')) {

            /* more follows the charset, which nginx has no place for */

            break;
        }

        r->headers_out.content_type_len = last - h->value.data;

        if (end - p >= 2 && *p == '"' && *(end - 1) == '"') {
            p++;
            end--;
        }

        r->headers_out.charset.len = end - p;
        r->headers_out.charset.data = p;

        break;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_content_length(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset)
{
    off_t  n;

    n = ngx_atoof(h->value.data, h->value.len);

    if (n == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "PILLION-4216: application \"%V\" sent invalid "
                      "\"Content-Length\": \"%V\"", &ctx->app, &h->value);
        return NGX_ERROR;
    }

    r->headers_out.content_length_n = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_last_modified(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset)
{
    if (r->headers_out.last_modified == NULL) {
        r->headers_out.last_modified_time = ngx_parse_http_time(h->value.data,
                                                                h->value.len);
    }

    return ngx_http_pillion_single_header_line(r, ctx, h, offset);
}


static ngx_int_t
ngx_http_pillion_location(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t offset)
{
    if (h->value.len && h->value.data[0] == '/') {

        /* nginx would make it absolute */

        return ngx_http_pillion_header_line(r, ctx, h, offset);
    }

    return ngx_http_pillion_single_header_line(r, ctx, h, offset);
}


static ngx_int_t
ngx_http_pillion_connection(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t offset)
{
    if (ngx_strlcasestrn(h->value.data, h->value.data + h->value.len,
                         (u_char *) "close", 5 - 1)
        != NULL)
    {
        r->keepalive = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_trailer(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t offset)
{
    if (r != r->main) {
        return NGX_OK;
    }

    r->expect_trailers = 1;

    return ngx_http_pillion_header_line(r, ctx, h, offset);
}


static ngx_int_t
ngx_http_pillion_limit_rate(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t offset)
{
    ngx_int_t  n;

    n = ngx_atoi(h->value.data, h->value.len);

    if (n != NGX_ERROR) {
        r->limit_rate = (size_t) n;
        r->limit_rate_set = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_charset(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t offset)
{
    ngx_str_t  *charset;

    charset = ngx_palloc(r->pool, sizeof(ngx_str_t));
    if (charset == NULL) {
        return NGX_ERROR;
    }

    *charset = h->value;
    r->headers_out.override_charset = charset;

    return NGX_OK;
}
