/*
 * pillion_body.c - request bodies, and whether the client is still there.
 */

#include "mod_pillion.h"

#include <poll.h>

APLOG_USE_MODULE(pillion);

ap_filter_rec_t *ap_pillion_sink;

/* Takes what is not to reach the client, which is the end of the response. */
apr_status_t ap_pillion_sink_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_brigade_cleanup(bb);

    return AP_FILTER_ERROR;
}

/*
 * httpd's input filter answers a body that is malformed or too large by itself.
 * In the middle of a response that would end it as if it were whole.
 */
static apr_status_t read_quietly(ap_pillion_request *pr, apr_off_t readbytes)
{
    request_rec *r = pr->r;
    ap_filter_t *filters = r->output_filters;
    ap_filter_t sink;
    apr_status_t rv;

    if (!pr->started) {
        return ap_get_brigade(r->input_filters, pr->in, AP_MODE_READBYTES,
                              APR_BLOCK_READ, readbytes);
    }

    memset(&sink, 0, sizeof(sink));
    sink.frec = ap_pillion_sink;
    sink.c = r->connection;
    r->output_filters = &sink;

    rv = ap_get_brigade(r->input_filters, pr->in, AP_MODE_READBYTES,
                        APR_BLOCK_READ, readbytes);

    r->output_filters = filters;

    return rv;
}

/*
 * Reads more of the body into pr->in.
 * Returns 0, or -1 with what httpd answers in pr->error.
 */
static int fill(ap_pillion_request *pr, apr_off_t readbytes)
{
    request_rec *r = pr->r;
    apr_status_t rv;

    rv = read_quietly(pr, readbytes);
    if (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(pr->in)) {
        return 0;
    }

    ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r,
                  "PILLION-5202: reading the request body failed%s",
                  ap_pillion_which(r));

    if (r->connection->aborted) {
        pr->left = 1;
    }

    pr->error = (rv == APR_SUCCESS)
                    ? HTTP_BAD_REQUEST
                    : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
    return -1;
}

int64_t ap_pillion_read(void *data, char *buf, uint64_t cap)
{
    ap_pillion_request *pr = data;
    apr_bucket *e;
    apr_size_t len;
    apr_status_t rv;
    const char *bytes;

    if (pr->hijacked) {
        return ap_pillion_read_raw(pr, buf, cap);
    }

    while (!pr->body_read) {

        if (APR_BRIGADE_EMPTY(pr->in)
            && fill(pr, cap < AP_IOBUFSIZE ? AP_IOBUFSIZE : (apr_off_t)cap)
               == -1) {
            return -1;
        }

        e = APR_BRIGADE_FIRST(pr->in);

        if (APR_BUCKET_IS_EOS(e)) {
            pr->body_read = 1;
            break;
        }

        if (APR_BUCKET_IS_METADATA(e)) {
            apr_bucket_delete(e);
            continue;
        }

        rv = apr_bucket_read(e, &bytes, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            pr->error = HTTP_BAD_REQUEST;
            return -1;
        }

        if (len > cap) {
            apr_bucket_split(e, (apr_size_t)cap);
            len = (apr_size_t)cap;
        }

        if (len > 0) {
            memcpy(buf, bytes, len);
        }

        apr_bucket_delete(e);

        if (len > 0) {
            /* the end that came along is no reason to be called again */
            if (!APR_BRIGADE_EMPTY(pr->in)
                && APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(pr->in))) {
                pr->body_read = 1;
            }
            pr->heard = ap_pillion_now();
            return (int64_t)len;
        }
    }

    apr_brigade_cleanup(pr->in);
    pr->heard = ap_pillion_now();

    return 0;
}

int32_t ap_pillion_request_trailers(void *data, const pillion_pair **trailers,
                                    uint32_t *trailers_len)
{
    ap_pillion_request *pr = data;
    request_rec *r = pr->r;

    ap_pillion_pairs(r->pool, r->trailers_in, NULL, trailers, trailers_len);

    return 0;
}

/*
 * Looks at the socket without reading from it, for what comes may be the next
 * request, or be encrypted. The end of what the client sends is its leaving,
 * as it is for net/http, unless some of the body is still to come. The streams
 * of HTTP/2 have no socket: mod_http2 marks their connections.
 */
static int client_left(ap_pillion_request *pr)
{
    conn_rec *c = pr->r->connection;
    apr_socket_t *socket;
    apr_os_sock_t fd;
    struct pollfd pfd;

    if (c->aborted || (c->master && c->master->aborted)) {
        return 1;
    }

    if (c->master) {
        return 0;
    }

    socket = ap_get_conn_socket(c);
    if (socket == NULL || apr_os_sock_get(&fd, socket) != APR_SUCCESS) {
        return 0;
    }

    pfd.fd = fd;
    pfd.events = POLLRDHUP;
    pfd.revents = 0;

    if (poll(&pfd, 1, 0) <= 0) {
        return 0;
    }

    return (pfd.revents & (POLLERR | POLLHUP | POLLNVAL))
           || ((pfd.revents & POLLRDHUP) && pr->body_read);
}

int32_t ap_pillion_alive(void *data)
{
    ap_pillion_request *pr = data;

    if (client_left(pr)) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, pr->r,
                      "PILLION-5203: the client has left%s",
                      ap_pillion_which(pr->r));
        pr->left = 1;
        return 0;
    }

    if (ap_pillion_now() - pr->heard >= pr->conf->read_timeout) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, APR_TIMEUP, pr->r,
                      "PILLION-5201: application \"%s\" timed out, see "
                      "PillionReadTimeout%s", pr->app,
                      ap_pillion_which(pr->r));
        pr->timed_out = 1;
        return 0;
    }

    return 1;
}
