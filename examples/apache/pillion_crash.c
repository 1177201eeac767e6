/*
 * pillion_crash.c - crashes of children: the parent counts them, and when there
 * are too many, new children wait before they load the library.
 */

#include "mod_pillion.h"

#include <unistd.h>

#include "apr_atomic.h"
#include "apr_shm.h"

APLOG_USE_MODULE(pillion);

/* Shared by the parent and the children of one configuration. Children only
 * write their own pids, while they have the library loaded. */
typedef struct {
    apr_uint64_t crashes;
    apr_int64_t until;          /* the end of the latest pause, 0 for none */
    apr_int64_t times[AP_PILLION_CRASHES];
    apr_uint32_t npids;
    apr_uint32_t pids[1];
} crash_table;

static crash_table *table;
static apr_uint32_t *own;       /* in a child, its place in the table */

static apr_int64_t now_ms(void)
{
    return apr_time_as_msec(ap_pillion_now());
}

static apr_status_t forget(void *data)
{
    table = NULL;

    return APR_SUCCESS;
}

int ap_pillion_crash_table(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s)
{
    apr_shm_t *shm;
    apr_size_t size;
    apr_status_t rv;
    int limit;

    if (ap_pillion_process->library == NULL) {
        return OK;
    }

    if (ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit) != APR_SUCCESS) {
        limit = 256;
    }

    /* some may end while others have been started in their place */
    limit *= 2;
    size = sizeof(crash_table) + limit * sizeof(apr_uint32_t);

    rv = apr_shm_create(&shm, size, NULL, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     "PILLION-5182: no shared memory for counting crashes");
        return HTTP_INTERNAL_SERVER_ERROR;
    }

    table = apr_shm_baseaddr_get(shm);
    memset(table, 0, size);
    table->npids = (apr_uint32_t)limit;
    apr_pool_cleanup_register(pconf, NULL, forget, apr_pool_cleanup_null);

    return OK;
}

/* Soon after a pause a single crash is too many. */
static int too_many(apr_int64_t now)
{
    apr_uint64_t limit = (apr_uint64_t)ap_pillion_process->crash_limit;
    apr_int64_t within = apr_time_as_msec(ap_pillion_process->crash_time);
    apr_uint64_t n = table->crashes;

    if (table->until && now - table->until < within) {
        return 1;
    }

    return n >= limit
           && now - table->times[(n - limit) % AP_PILLION_CRASHES] <= within;
}

static void count(server_rec *s, pid_t pid)
{
    apr_int64_t now = now_ms();
    apr_int64_t within = apr_time_as_msec(ap_pillion_process->crash_time);
    int paused = table->until > now;

    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 "PILLION-5180: child %" APR_PID_T_FMT " ended without "
                 "stopping \"%s\": it crashed, an application called os.Exit, "
                 "or a signal killed it; the report of a crash is in this log "
                 "or on standard error, this was number %" APR_UINT64_T_FMT,
                 pid, ap_pillion_process->library, table->crashes + 1);

    if (ap_pillion_process->crash_limit && too_many(now)) {
        table->until = now + within;

        if (!paused) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                         "PILLION-5181: children crash too often, so new ones "
                         "do not load \"%s\" for %" APR_INT64_T_FMT " ms; "
                         "until then they answer 503 for its applications and "
                         "serve all else. Mend the application and restart "
                         "httpd, or see PillionCrashLimit",
                         ap_pillion_process->library, within);
        }
    }

    table->times[table->crashes++ % AP_PILLION_CRASHES] = now;
}

void ap_pillion_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                             int slot, mpm_child_status state)
{
    apr_uint32_t i;

    if (state != MPM_CHILD_EXITED || table == NULL) {
        return;
    }

    for (i = 0; i < table->npids; i++) {
        if (apr_atomic_cas32(&table->pids[i], 0, (apr_uint32_t)pid)
            == (apr_uint32_t)pid) {
            count(s, pid);
            return;
        }
    }
}

void ap_pillion_mark_loaded(void)
{
    apr_uint32_t i, pid = (apr_uint32_t)getpid();

    for (i = 0; table && i < table->npids; i++) {
        if (apr_atomic_cas32(&table->pids[i], pid, 0) == 0) {
            own = &table->pids[i];
            return;
        }
    }
}

void ap_pillion_mark_stopped(void)
{
    if (own) {
        apr_atomic_set32(own, 0);
    }
}

apr_int64_t ap_pillion_pause(void)
{
    apr_int64_t left = table && table->until ? table->until - now_ms() : 0;

    return left > 0 ? left : 0;
}
