/*
 * pillion_file.c - response bodies from files.
 */

#include "mod_pillion.h"

APLOG_USE_MODULE(pillion);

#define READ_SIZE 65536

/*
 * The descriptor is the library's, and reading may move its position: the file
 * is opened again. Its pool ends with the call, so that a filter that keeps the
 * bucket takes the file along, and no descriptor waits for the request's end.
 */
static apr_status_t open_again(apr_file_t **file, request_rec *r, int32_t fd,
                               apr_off_t end, apr_pool_t *p)
{
    core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_finfo_t finfo;
    apr_status_t rv;

    rv = apr_file_open(file, apr_psprintf(p, "/proc/self/fd/%d", (int)fd),
                       APR_FOPEN_READ | APR_FOPEN_BINARY
                           | AP_SENDFILE_ENABLED(core->enable_sendfile),
                       APR_FPROT_OS_DEFAULT, p);

    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&finfo, APR_FINFO_SIZE, *file);
    }

    if (rv == APR_SUCCESS && finfo.size < end) {
        rv = APR_EOF;
    }

    return rv;
}

int32_t ap_pillion_file(void *data, int32_t fd, uint64_t offset, uint64_t len)
{
    ap_pillion_request *pr = data;
    request_rec *r = pr->r;
    apr_bucket *e;
    apr_file_t *file;
    apr_pool_t *p;
    apr_status_t rv;
    int32_t rc;

    if (pr->discard) {
        pr->heard = ap_pillion_now();
        return 0;
    }

    apr_pool_create(&p, r->pool);

    rv = open_again(&file, r, fd, (apr_off_t)(offset + len), p);

    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                      "PILLION-5210: cannot send a file of application "
                      "\"%s\"%s", pr->app, ap_pillion_which(r));
        apr_pool_destroy(p);
        return -1;
    }

    e = apr_bucket_file_create(file, (apr_off_t)offset, (apr_size_t)len, p,
                               pr->out->bucket_alloc);

    /* a mapped file that shrinks would take the process with it */
    apr_bucket_file_enable_mmap(e, 0);
    apr_bucket_file_set_buf_size(e, READ_SIZE);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);

    /* the application takes these bytes for sent when this returns */
    e = apr_bucket_flush_create(pr->out->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(pr->out, e);

    rc = ap_pillion_pass(pr);

    apr_pool_destroy(p);

    return rc;
}
