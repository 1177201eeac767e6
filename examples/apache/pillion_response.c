/*
 * pillion_response.c - heads, bodies, trailers.
 */

#include "mod_pillion.h"

#include <sys/socket.h>

APLOG_USE_MODULE(pillion);

static int pair_is(const pillion_pair *pair, const char *name, apr_size_t len)
{
    return pair->name_len == len && ap_cstr_casecmpn(pair->name, name, len) == 0;
}

#define PAIR_IS(pair, name) pair_is(pair, name, sizeof(name) - 1)

static void add_field(request_rec *r, apr_table_t *table,
                      const pillion_pair *pair)
{
    apr_table_addn(table, apr_pstrmemdup(r->pool, pair->name, pair->name_len),
                   apr_pstrmemdup(r->pool, pair->value, pair->value_len));
}

/* A field of the final head: some have a place of their own in httpd. */
static void set_field(request_rec *r, const pillion_pair *pair)
{
    const char *value;

    if (PAIR_IS(pair, "Content-Type")) {
        value = apr_pstrmemdup(r->pool, pair->value, pair->value_len);
        ap_set_content_type(r, value);
        return;
    }

    if (PAIR_IS(pair, "Content-Length")) {
        value = apr_pstrmemdup(r->pool, pair->value, pair->value_len);
        ap_set_content_length(r, apr_atoi64(value));
        return;
    }

    if (PAIR_IS(pair, "Connection")) {
        if (pair->value_len == 5
            && ap_cstr_casecmpn(pair->value, "close", 5) == 0) {
            apr_table_setn(r->headers_out, "Connection", "close");
        }
        return;
    }

    if (PAIR_IS(pair, "Transfer-Encoding") || PAIR_IS(pair, "Keep-Alive")
        || PAIR_IS(pair, "Upgrade")) {
        return;
    }

    add_field(r, r->headers_out, pair);
}

static int32_t send_interim(ap_pillion_request *pr, int32_t status,
                            const pillion_pair *headers, uint32_t n)
{
    request_rec *r = pr->r;
    apr_table_t *headers_out = r->headers_out;
    const char *status_line = r->status_line;
    int final = r->status;
    uint32_t i;

    if (r->main) {
        return 0;
    }

    r->headers_out = apr_table_make(r->pool, (int)n);
    r->status = status;
    r->status_line = NULL;

    for (i = 0; i < n; i++) {
        add_field(r, r->headers_out, &headers[i]);
    }

    ap_send_interim_response(r, 1);

    r->headers_out = headers_out;
    r->status = final;
    r->status_line = status_line;

    return r->connection->aborted ? -1 : 0;
}

int32_t ap_pillion_head(void *data, int32_t status,
                        const pillion_pair *headers, uint32_t n)
{
    ap_pillion_request *pr = data;
    request_rec *r = pr->r;
    uint32_t i;

    pr->heard = ap_pillion_now();

    if (status < 200) {
        return send_interim(pr, status, headers, n);
    }

    pr->status = status;

    if (pr->conf->error_override == 1 && ap_is_HTTP_ERROR(status)) {
        pr->discard = 1;
        pr->error = status;

        for (i = 0; i < n; i++) {
            if (PAIR_IS(&headers[i], "WWW-Authenticate")
                || PAIR_IS(&headers[i], "Retry-After")
                || PAIR_IS(&headers[i], "Allow")) {
                add_field(r, r->err_headers_out, &headers[i]);
            }
        }

        return 0;
    }

    /* an ErrorDocument goes out with the status that it is for */
    r->status = (pr->failed_status && status == HTTP_OK) ? pr->failed_status
                                                         : status;
    r->status_line = NULL;

    /* httpd would make a 500 of what it has no words for */
    if (atoi(ap_get_status_line(r->status)) != r->status) {
        r->status_line = apr_itoa(r->pool, r->status);
    }

    /* mod_mime may have guessed them from the URL */
    r->content_encoding = NULL;
    r->content_languages = NULL;
    ap_set_content_type(r, NULL);

    for (i = 0; i < n; i++) {
        set_field(r, &headers[i]);
    }

    return 0;
}

int32_t ap_pillion_pass(ap_pillion_request *pr)
{
    apr_status_t rv;
    conn_rec *c = pr->r->connection;

    pr->started = 1;

    rv = ap_pass_brigade(pr->r->output_filters, pr->out);
    apr_brigade_cleanup(pr->out);

    pr->heard = ap_pillion_now();

    if (rv != APR_SUCCESS || c->aborted) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, rv, pr->r,
                      "PILLION-5204: sending the response failed%s",
                      ap_pillion_which(pr->r));
        pr->left = 1;
        return -1;
    }

    return 0;
}

/*
 * The bytes are the library's until this returns. A transient bucket lets
 * filters send them from where they lie, and copy what they have to keep.
 */
int32_t ap_pillion_write(void *data, const char *buf, uint64_t len)
{
    ap_pillion_request *pr = data;
    apr_bucket *e;

    if (pr->discard) {
        pr->heard = ap_pillion_now();
        return 0;
    }

    e = apr_bucket_transient_create(buf, (apr_size_t)len,
                                    pr->out->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);

    if (pr->hijacked) {
        e = apr_bucket_flush_create(pr->out->bucket_alloc);
        APR_BRIGADE_INSERT_TAIL(pr->out, e);
    }

    return ap_pillion_pass(pr);
}

int32_t ap_pillion_flush(void *data)
{
    ap_pillion_request *pr = data;
    apr_bucket *e;

    /* an informational head has gone out at once */
    if (pr->discard || pr->status == 0) {
        return 0;
    }

    e = apr_bucket_flush_create(pr->out->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);

    return ap_pillion_pass(pr);
}

int32_t ap_pillion_trailers(void *data, const pillion_pair *trailers,
                            uint32_t n)
{
    ap_pillion_request *pr = data;
    request_rec *r = pr->r;
    uint32_t i;

    if (pr->discard || r->main) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        add_field(r, r->trailers_out, &trailers[i]);
    }

    if (r->connection->master == NULL) {
        ap_add_output_filter(AP_PILLION_TRAILERS, NULL, r, r->connection);
    }

    return 0;
}

static int format_trailer(void *data, const char *name, const char *value)
{
    apr_bucket_brigade *bb = data;

    apr_brigade_putstrs(bb, NULL, NULL, name, ": ", value, CRLF, NULL);

    return 1;
}

/*
 * httpd's chunk filter ends a response with a last chunk without trailers.
 * This one comes after it and puts them there.
 */
apr_status_t ap_pillion_trailers_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    static const char last_chunk[] = "0" CRLF CRLF;

    request_rec *r = f->r;
    apr_bucket *eos, *last;
    apr_bucket_brigade *trailers;
    apr_size_t len;
    const char *bytes;

    for (eos = APR_BRIGADE_FIRST(bb);
         eos != APR_BRIGADE_SENTINEL(bb) && !APR_BUCKET_IS_EOS(eos);
         eos = APR_BUCKET_NEXT(eos)) {
        /* void */
    }

    if (eos == APR_BRIGADE_SENTINEL(bb)) {
        return ap_pass_brigade(f->next, bb);
    }

    last = APR_BUCKET_PREV(eos);

    if (r->chunked && last != APR_BRIGADE_SENTINEL(bb)
        && apr_bucket_read(last, &bytes, &len, APR_BLOCK_READ) == APR_SUCCESS
        && len == sizeof(last_chunk) - 1 && memcmp(bytes, last_chunk, len) == 0)
    {
        trailers = apr_brigade_create(r->pool, f->c->bucket_alloc);

        apr_brigade_putstrs(trailers, NULL, NULL, "0" CRLF, NULL);
        apr_table_do(format_trailer, trailers, r->trailers_out, NULL);
        apr_brigade_putstrs(trailers, NULL, NULL, CRLF, NULL);

        while (!APR_BRIGADE_EMPTY(trailers)) {
            apr_bucket *e = APR_BRIGADE_FIRST(trailers);

            APR_BUCKET_REMOVE(e);
            APR_BUCKET_INSERT_BEFORE(last, e);
        }

        apr_bucket_delete(last);
        apr_brigade_destroy(trailers);
    }

    ap_remove_output_filter(f);

    return ap_pass_brigade(f->next, bb);
}

void ap_pillion_finish(ap_pillion_request *pr)
{
    apr_bucket *e;

    /* httpd waits for a body that nobody has read before it sends the rest of
     * the response; the client may wait for the response */
    if (!pr->body_read) {
        e = apr_bucket_flush_create(pr->out->bucket_alloc);
        APR_BRIGADE_INSERT_TAIL(pr->out, e);
    }

    e = apr_bucket_eos_create(pr->out->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);
    (void)ap_pillion_pass(pr);
}

/* Lets the connection end by a reset, now, and not as after a whole response:
 * httpd closes one that is aborted without much ado. */
static void reset_at_close(conn_rec *c)
{
    struct linger linger = { 1, 0 };
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t fd;

    if (socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }

    c->aborted = 1;
}

/*
 * As mod_proxy does it when its backend breaks off: the error bucket keeps the
 * last chunk away, and lets mod_http2 reset the stream. A response that ends
 * with its connection has nothing but a reset to tell by.
 */
void ap_pillion_cut(ap_pillion_request *pr)
{
    request_rec *r = pr->r;
    conn_rec *c = r->connection;
    apr_bucket *e;

    c->keepalive = AP_CONN_CLOSE;

    e = ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool,
                               c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);
    e = apr_bucket_flush_create(c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);
    e = apr_bucket_eos_create(c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);

    (void)ap_pass_brigade(r->output_filters, pr->out);
    apr_brigade_cleanup(pr->out);

    if (r->main == NULL && c->master == NULL && !r->chunked
        && apr_table_get(r->headers_out, "Content-Length") == NULL) {
        reset_at_close(c);
    }
}
