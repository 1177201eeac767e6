/*
 * pillion_hijack.c - connections that the application takes over, such as
 * WebSockets.
 */

#include "mod_pillion.h"

#include "apr_portable.h"
#include "http_connection.h"

APLOG_USE_MODULE(pillion);

/* The streams of HTTP/2 have no connection of their own, nor have the parts of
 * a page. */
int ap_pillion_may_hijack(const request_rec *r)
{
    return r->main == NULL && r->connection->master == NULL
           && r->proto_num >= HTTP_VERSION(1, 0)
           && r->proto_num < HTTP_VERSION(2, 0);
}

/*
 * From here on bytes pass between the library and the filters of the
 * connection: TLS stays, HTTP goes.
 */
int32_t ap_pillion_hijack(void *data, int32_t *fd)
{
    ap_pillion_request *pr = data;
    request_rec *r = pr->r;
    conn_rec *c = r->connection;
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t os_socket;

    if (socket == NULL || apr_os_sock_get(&os_socket, socket) != APR_SUCCESS) {
        return -1;
    }

    /* it times requests, not conversations */
    ap_remove_input_filter_byhandle(c->input_filters, "reqtimeout");

    r->input_filters = r->proto_input_filters = c->input_filters;
    r->output_filters = r->proto_output_filters = c->output_filters;

    r->status = pr->status = HTTP_SWITCHING_PROTOCOLS;
    c->keepalive = AP_CONN_CLOSE;
    pr->hijacked = 1;
    *fd = os_socket;

    return 0;
}

/* What was read for the request's body is still in pr->in. */
int64_t ap_pillion_read_raw(ap_pillion_request *pr, char *buf, uint64_t cap)
{
    apr_status_t rv;

    if (pr->hijack_eof) {
        return 0;
    }

    if (APR_BRIGADE_EMPTY(pr->in)) {
        rv = ap_get_brigade(pr->r->input_filters, pr->in, AP_MODE_READBYTES,
                            APR_NONBLOCK_READ, (apr_off_t)cap);

        if (APR_STATUS_IS_EOF(rv)) {
            pr->hijack_eof = 1;
            return 0;
        }

        if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
            return -1;
        }
    }

    while (!APR_BRIGADE_EMPTY(pr->in)) {
        apr_bucket *e = APR_BRIGADE_FIRST(pr->in);
        const char *bytes;
        apr_size_t len;

        if (APR_BUCKET_IS_METADATA(e)) {
            apr_bucket_delete(e);
            continue;
        }

        rv = apr_bucket_read(e, &bytes, &len, APR_NONBLOCK_READ);

        if (APR_STATUS_IS_EAGAIN(rv)) {
            break;
        }

        if (rv != APR_SUCCESS) {
            return -1;
        }

        if (len > cap) {
            apr_bucket_split(e, (apr_size_t)cap);
            len = (apr_size_t)cap;
        }

        if (len > 0) {
            memcpy(buf, bytes, len);
            apr_bucket_delete(e);
            return (int64_t)len;
        }

        apr_bucket_delete(e);
    }

    return PILLION_IO_AGAIN;
}
