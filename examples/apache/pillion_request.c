/*
 * pillion_request.c - one request from its handler's call to its end.
 */

#include "mod_pillion.h"

#include <time.h>

APLOG_USE_MODULE(pillion);

/* of what a client has sent, in a message */
#define WHICH_MOST 512

apr_time_t ap_pillion_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return apr_time_make(t.tv_sec, t.tv_nsec / 1000);
}

static const char *shortened(apr_pool_t *p, const char *text)
{
    return strlen(text) > WHICH_MOST
               ? apr_psprintf(p, "%.*s...", WHICH_MOST, text)
               : text;
}

const char *ap_pillion_which(const request_rec *r)
{
    const char *line = r->the_request ? r->the_request : r->uri;
    const char *host = apr_table_get(r->headers_in, "Host");

    if (host == NULL) {
        return apr_psprintf(r->pool, ", request: \"%s\"",
                            shortened(r->pool, line));
    }

    return apr_psprintf(r->pool, ", request: \"%s\", host: \"%s\"",
                        shortened(r->pool, line), shortened(r->pool, host));
}

/* The application for a request, or NULL and what httpd answers in *status. */
static ap_pillion_app *find_app(request_rec *r, ap_pillion_dir_conf *conf,
                                int *status)
{
    const ap_pillion_map *map = ap_pillion_mapped(r);
    ap_pillion_app *app = conf->app;

    if (app == NULL && map->mount) {
        app = map->mount->app;
    }

    if (app == NULL) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "PILLION-5205: the handler " AP_PILLION_HANDLER " needs "
                      "PillionApp to say which application is meant: %s%s",
                      r->uri, ap_pillion_which(r));
        *status = HTTP_INTERNAL_SERVER_ERROR;
        return NULL;
    }

    if (!ap_pillion_ready()) {
        apr_int64_t pause = ap_pillion_pause();

        if (pause) {
            ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                          "PILLION-5185: application \"%s\" is not loaded for "
                          "another %" APR_INT64_T_FMT " ms, after crashes%s",
                          app->name, pause, ap_pillion_which(r));
            apr_table_setn(r->err_headers_out, "Retry-After",
                           apr_psprintf(r->pool, "%" APR_INT64_T_FMT,
                                        pause / 1000 + 1));
            *status = HTTP_SERVICE_UNAVAILABLE;
            return NULL;
        }

        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "PILLION-5206: application \"%s\" cannot answer: its "
                      "library has not been started in this process, the "
                      "reason was logged then%s", app->name,
                      ap_pillion_which(r));
        *status = HTTP_SERVICE_UNAVAILABLE;
        return NULL;
    }

    /* not looked for yet if it is from a .htaccess file */
    if (app->handle == 0
        && ap_pillion_lib.api.app_find(app->name, strlen(app->name),
                                       &app->handle) != PILLION_OK) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "PILLION-5207: no application \"%s\" in \"%s\", "
                      "required by %s in %s:%d%s", app->name,
                      ap_pillion_process->library, app->directive, app->file,
                      app->line, ap_pillion_which(r));
        *status = HTTP_INTERNAL_SERVER_ERROR;
        return NULL;
    }

    return app;
}

static void note(ap_pillion_request *pr, apr_time_t took)
{
    request_rec *r = pr->r;

    apr_table_setn(r->notes, "pillion-time",
                   apr_psprintf(r->pool, "%" APR_TIME_T_FMT ".%03d",
                                apr_time_sec(took), (int)apr_time_msec(took)));
    if (pr->status) {
        apr_table_setn(r->notes, "pillion-status",
                       apr_itoa(r->pool, pr->status));
    }
}

/* What httpd has to do after pillion_serve() has returned. */
static int conclude(ap_pillion_request *pr, int32_t rc)
{
    request_rec *r = pr->r;

    if (pr->hijacked) {
        return OK;
    }

    switch (rc) {

    case PILLION_OK:
        if (pr->error) {        /* PillionErrorOverride */
            r->status = HTTP_OK;
            return pr->error;
        }
        ap_pillion_finish(pr);
        return OK;

    case PILLION_E_ABORTED:
        break;

    case PILLION_E_IO:
        if (pr->timed_out) {
            pr->error = HTTP_GATEWAY_TIME_OUT;
        }
        else if (pr->left) {
            r->connection->aborted = 1;
            return OK;
        }
        break;

    default:
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "PILLION-5208: application \"%s\" cannot answer: %s%s",
                      pr->app, ap_pillion_lib.api.strerror(rc),
                      ap_pillion_which(r));
        pr->error = (rc == PILLION_E_FULL || rc == PILLION_E_STOPPED
                     || rc == PILLION_E_MEMORY || rc == PILLION_E_OS)
                        ? HTTP_SERVICE_UNAVAILABLE
                        : HTTP_INTERNAL_SERVER_ERROR;
        break;
    }

    if (pr->error == 0) {
        pr->error = HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!pr->started) {
        if (pr->status) {       /* a head that has not gone out */
            r->status = HTTP_OK;
            r->status_line = NULL;
            apr_table_clear(r->headers_out);
        }
        return pr->error;
    }

    ap_pillion_cut(pr);

    return OK;
}

/* Files go to the filters of an ordinary connection: those of HTTP/2 hand
 * buckets to another thread. */
static uint32_t request_flags(const ap_pillion_request *pr)
{
    uint32_t flags = 0;

    if (!pr->body_read) {
        flags |= PILLION_REQUEST_MORE;
    }
    if (pr->r->connection->master == NULL) {
        flags |= PILLION_REQUEST_FILES;
    }
    if (ap_pillion_may_hijack(pr->r)) {
        flags |= PILLION_REQUEST_HIJACK;
    }

    return flags;
}

int ap_pillion_handler(request_rec *r)
{
    ap_pillion_app *app;
    ap_pillion_request *pr;
    ap_pillion_dir_conf *conf, *effective;
    pillion_request request = PILLION_REQUEST_INIT;
    pillion_io io = PILLION_IO_INIT;
    apr_time_t start;
    int32_t rc;
    int status;

    if (r->handler == NULL || strcmp(r->handler, AP_PILLION_HANDLER) != 0) {
        return DECLINED;
    }

    conf = ap_get_module_config(r->per_dir_config, &pillion_module);

    app = find_app(r, conf, &status);
    if (app == NULL) {
        return status;
    }

    status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
    if (status != OK) {
        return status;
    }

    effective = apr_pmemdup(r->pool, conf, sizeof(*conf));
    if (effective->read_timeout == -1) {
        effective->read_timeout = r->server->timeout;
    }

    pr = apr_pcalloc(r->pool, sizeof(*pr));
    pr->r = r;
    pr->conf = effective;
    pr->app = app->name;
    pr->in = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    pr->out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    pr->body_read = !r->read_chunked && r->remaining == 0;
    pr->failed_status = ap_is_HTTP_ERROR(r->status) ? r->status : 0;

    apr_table_setn(r->notes, "pillion-app", app->name);

    request.app = app->handle;
    request.flags = request_flags(pr);
    ap_pillion_environ(pr, &request);

    io.data = pr;
    io.read = ap_pillion_read;
    io.head = ap_pillion_head;
    io.write = ap_pillion_write;
    io.flush = ap_pillion_flush;
    io.trailers = ap_pillion_trailers;
    io.alive = ap_pillion_alive;
    io.file = ap_pillion_file;
    io.request_trailers = ap_pillion_request_trailers;
    io.hijack = ap_pillion_hijack;

    if (apr_time_as_msec(effective->read_timeout) < 250) {
        io.alive_ms = (uint32_t)apr_time_as_msec(effective->read_timeout) + 1;
    }

    start = pr->heard = ap_pillion_now();

    rc = ap_pillion_lib.api.serve(&request, &io);

    note(pr, ap_pillion_now() - start);

    return conclude(pr, rc);
}
