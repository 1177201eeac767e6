
/*
 * Crashes of workers: counted by those that nginx starts in their place, and
 * when there are too many, those wait before they load the library again.
 */


#include "ngx_http_pillion_module.h"


/* shared by the master and its workers, made anew for each configuration */

typedef struct {
    ngx_atomic_t  crashes;
    ngx_atomic_t  until;   /* the end of the latest pause */
    ngx_atomic_t  times[NGX_HTTP_PILLION_CRASHES];
    ngx_atomic_t  pids[NGX_MAX_PROCESSES];  /* with the library loaded */
    ngx_atomic_t  started[NGX_MAX_PROCESSES];
} ngx_http_pillion_crashes_t;


static ngx_uint_t ngx_http_pillion_too_many(ngx_uint_t n,
    ngx_http_pillion_main_conf_t *pmcf);


static ngx_http_pillion_crashes_t  *ngx_http_pillion_crashes;


ngx_int_t
ngx_http_pillion_init_crashes(ngx_cycle_t *cycle)
{
    static ngx_shm_t  shm;

    if (ngx_http_pillion_crashes == NULL) {

        shm.size = sizeof(ngx_http_pillion_crashes_t);
        ngx_str_set(&shm.name, "pillion_crashes");
        shm.log = cycle->log;

        if (ngx_shm_alloc(&shm) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_pillion_crashes = (ngx_http_pillion_crashes_t *) shm.addr;
    }

    /* what is loaded from now on may be mended */

    ngx_memzero(ngx_http_pillion_crashes, sizeof(ngx_http_pillion_crashes_t));

    return NGX_OK;
}


/* nginx starts a worker in the slot of the one that it replaces */

void
ngx_http_pillion_count_crash(ngx_cycle_t *cycle,
    ngx_http_pillion_main_conf_t *pmcf)
{
    ngx_uint_t                   n;
    ngx_atomic_uint_t            pid;
    ngx_http_pillion_crashes_t  *c;

    c = ngx_http_pillion_crashes;

    if (c == NULL || ngx_process != NGX_PROCESS_WORKER) {
        return;
    }

    pid = c->pids[ngx_process_slot];

    if (pid == 0) {
        return;
    }

    c->pids[ngx_process_slot] = 0;

    n = ngx_atomic_fetch_add(&c->crashes, 1);

    ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                  "PILLION-4180: worker process %uA ended without stopping "
                  "\"%V\": it crashed, an application called os.Exit, or a "
                  "signal killed it; the report of a crash is in this log or "
                  "on standard error, this was number %ui",
                  pid, &pmcf->library, n + 1);

    if (pmcf->crash_limit == 0) {
        return;
    }

    ngx_time_update();

    if (ngx_http_pillion_too_many(n, pmcf)) {
        c->until = ngx_current_msec + pmcf->crash_time;
    }

    c->times[n % NGX_HTTP_PILLION_CRASHES] = ngx_current_msec;
}


/* soon after a pause a single crash is too many */

static ngx_uint_t
ngx_http_pillion_too_many(ngx_uint_t n, ngx_http_pillion_main_conf_t *pmcf)
{
    ngx_uint_t                   limit;
    ngx_msec_t                   oldest;
    ngx_http_pillion_crashes_t  *c;

    c = ngx_http_pillion_crashes;
    limit = pmcf->crash_limit;

    if (c->until
        && (ngx_msec_int_t) (ngx_current_msec - c->until)
           < (ngx_msec_int_t) pmcf->crash_time)
    {
        return 1;
    }

    if (n < limit) {
        return 0;
    }

    oldest = c->times[(n - limit) % NGX_HTTP_PILLION_CRASHES];

    return ngx_current_msec - oldest <= pmcf->crash_time;
}


ngx_msec_t
ngx_http_pillion_pause(void)
{
    ngx_msec_int_t               left;
    ngx_http_pillion_crashes_t  *c;

    c = ngx_http_pillion_crashes;

    if (c == NULL || c->until == 0) {
        return 0;
    }

    left = (ngx_msec_int_t) (c->until - ngx_current_msec);

    return ngx_max(left, 0);
}


void
ngx_http_pillion_mark(ngx_uint_t loaded)
{
    if (ngx_http_pillion_crashes && ngx_process == NGX_PROCESS_WORKER) {
        ngx_http_pillion_crashes->started[ngx_process_slot] = 0;
        ngx_http_pillion_crashes->pids[ngx_process_slot] = loaded ? ngx_pid : 0;
    }
}


void
ngx_http_pillion_mark_started(void)
{
    if (ngx_http_pillion_crashes && ngx_process == NGX_PROCESS_WORKER) {
        ngx_http_pillion_crashes->started[ngx_process_slot] = 1;
    }
}


/* whether a worker has applications to serve */

ngx_uint_t
ngx_http_pillion_started(void)
{
    ngx_uint_t  i;

    if (ngx_http_pillion_crashes == NULL) {
        return 0;
    }

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        if (ngx_http_pillion_crashes->started[i]) {
            return 1;
        }
    }

    return 0;
}


char *
ngx_http_pillion_crash_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pillion_main_conf_t *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->crash_limit != NGX_CONF_UNSET) {
        return "is duplicate (PILLION-4185)";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        pmcf->crash_limit = 0;
        return NGX_CONF_OK;
    }

    pmcf->crash_limit = ngx_atoi(value[1].data, value[1].len);

    if (pmcf->crash_limit < 1 || pmcf->crash_limit > NGX_HTTP_PILLION_CRASHES)
    {
        return "must be \"off\" or between 1 and 1000 (PILLION-4186)";
    }

    if (cf->args->nelts == 3) {
        pmcf->crash_time = ngx_parse_time(&value[2], 0);

        if (pmcf->crash_time == (ngx_msec_t) NGX_ERROR
            || pmcf->crash_time == 0)
        {
            return "has an invalid time (PILLION-4187)";
        }
    }

    return NGX_CONF_OK;
}
