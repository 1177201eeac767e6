
/*
 * The library in a worker: loading, settings, log messages, the end.
 */


#include "ngx_http_pillion_module.h"


#define NGX_HTTP_PILLION_LINE        1800


static void ngx_http_pillion_pause_handler(ngx_event_t *ev);
static void ngx_http_pillion_do_without(ngx_log_t *log);
static ngx_int_t ngx_http_pillion_start(ngx_cycle_t *cycle,
    ngx_http_pillion_main_conf_t *pmcf);
static ngx_int_t ngx_http_pillion_gomaxprocs(ngx_cycle_t *cycle,
    ngx_http_pillion_main_conf_t *pmcf);
static ngx_fd_t ngx_http_pillion_crash_fd(ngx_log_t *log);
static int32_t ngx_http_pillion_log_level(ngx_log_t *log);
static void ngx_http_pillion_log(void *data, int32_t level, const char *msg,
    uint64_t len);


ngx_http_pillion_worker_t  ngx_http_pillion_worker;

static pthread_mutex_t     ngx_http_pillion_log_mutex =
                                                   PTHREAD_MUTEX_INITIALIZER;
static ngx_uint_t          ngx_http_pillion_log_closed;


ngx_http_pillion_main_conf_t *
ngx_http_pillion_used_conf(ngx_cycle_t *cycle)
{
    ngx_http_pillion_main_conf_t  *pmcf;

    if (ngx_get_conf(cycle->conf_ctx, ngx_http_module) == NULL) {
        return NULL;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_pillion_module);

    if (pmcf == NULL || pmcf->apps == NULL) {
        return NULL;
    }

    return pmcf;
}


/*
 * A single process (master_process off) keeps its library over reloads, for a
 * Go runtime can neither be unloaded nor started twice.
 */

ngx_int_t
ngx_http_pillion_init_module(ngx_cycle_t *cycle)
{
    ngx_http_pillion_main_conf_t  *pmcf;

    pmcf = ngx_http_pillion_used_conf(cycle);

    if (pmcf == NULL) {
        return NGX_OK;
    }

    if (!ngx_http_pillion_worker.loaded) {
        return ngx_http_pillion_init_crashes(cycle);
    }

    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "PILLION-4101: a single process keeps the library it has "
                  "loaded, \"%V\", and its settings; restart nginx to load "
                  "\"%V\"", &ngx_http_pillion_worker.library, &pmcf->library);

    return NGX_OK;
}


ngx_int_t
ngx_http_pillion_init_process(ngx_cycle_t *cycle)
{
    ngx_msec_t                     pause;
    ngx_event_t                   *ev;
    ngx_http_pillion_main_conf_t  *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    pmcf = ngx_http_pillion_used_conf(cycle);

    if (pmcf == NULL) {
        return NGX_OK;
    }

    ngx_http_pillion_count_crash(cycle, pmcf);

    pause = ngx_http_pillion_pause();

    if (pause) {
        ngx_log_error(NGX_LOG_CRIT, cycle->log, 0,
                      "PILLION-4181: workers crash too often, so this one does "
                      "not load \"%V\" for %M ms; until then requests for its "
                      "applications get 503, others are served. Mend the "
                      "application and reload nginx, or see "
                      "\"pillion_crash_limit\"", &pmcf->library, pause);

        ev = &ngx_http_pillion_worker.pause;
        ev->handler = ngx_http_pillion_pause_handler;
        ev->data = pmcf;
        ev->log = cycle->log;
        ev->cancelable = 1;

        ngx_add_timer(ev, pause);

        return NGX_OK;
    }

    if (ngx_http_pillion_start(cycle, pmcf) == NGX_OK) {
        ngx_http_pillion_mark_started();
        return NGX_OK;
    }

    ngx_http_pillion_mark(0);

    if (ngx_http_pillion_started()) {

        /* requests are for those that can serve them */

        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "PILLION-4102: this worker cannot serve and exits");
        return NGX_ERROR;
    }

    ngx_http_pillion_do_without(cycle->log);

    return NGX_OK;
}


static void
ngx_http_pillion_pause_handler(ngx_event_t *ev)
{
    ngx_msec_t                     pause;
    ngx_http_pillion_main_conf_t  *pmcf;

    pmcf = ev->data;
    pause = ngx_http_pillion_pause();

    if (pause) {

        /* another worker has tried, and crashed */

        ngx_add_timer(ev, pause);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                  "PILLION-4182: loading \"%V\" again, after a pause",
                  &pmcf->library);

    if (ngx_http_pillion_start((ngx_cycle_t *) ngx_cycle, pmcf) == NGX_OK) {
        ngx_http_pillion_mark_started();
        return;
    }

    ngx_http_pillion_mark(0);
    ngx_http_pillion_do_without(ev->log);
}


static void
ngx_http_pillion_do_without(ngx_log_t *log)
{
    ngx_http_pillion_close_queue();

    ngx_log_error(NGX_LOG_EMERG, log, 0,
                  "PILLION-4183: this worker cannot serve applications, "
                  "requests for them get 503; mend what was said before "
                  "this and reload nginx");
}


static ngx_int_t
ngx_http_pillion_start(ngx_cycle_t *cycle, ngx_http_pillion_main_conf_t *pmcf)
{
    char                err[NGX_MAX_CONF_ERRSTR];
    int32_t             rc;
    ngx_str_t          *library;
    ngx_uint_t          i;
    pillion_pair       *env;
    ngx_keyval_t       *kv;
    pillion_config      config;
    struct sigaction    sa;

    library = &ngx_http_pillion_worker.library;

    library->len = pmcf->library.len;
    library->data = ngx_alloc(library->len, cycle->log);
    if (library->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(library->data, pmcf->library.data, library->len);

    ngx_http_pillion_mark(1);

    if (pillion_loader_open((char *) pmcf->library.data,
                            &ngx_http_pillion_worker.api, err, sizeof(err))
        == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "PILLION-4103: the library cannot be used: %s", err);
        return NGX_ERROR;
    }

    ngx_http_pillion_worker.loaded = 1;

    /*
     * nginx reaps every child of a process it forked, but here children are
     * those of the applications
     */

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;
    sigemptyset(&sa.sa_mask);

    if (sigaction(SIGCHLD, &sa, NULL) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "PILLION-4104: sigaction(SIGCHLD) failed");
        return NGX_ERROR;
    }

    ngx_memzero(&config, sizeof(pillion_config));

    env = NULL;

    if (pmcf->env) {
        env = ngx_palloc(cycle->pool, pmcf->env->nelts * sizeof(pillion_pair));
        if (env == NULL) {
            return NGX_ERROR;
        }

        kv = pmcf->env->elts;

        for (i = 0; i < pmcf->env->nelts; i++) {
            env[i].name = (char *) kv[i].key.data;
            env[i].name_len = (uint32_t) kv[i].key.len;
            env[i].value = (char *) kv[i].value.data;
            env[i].value_len = (uint32_t) kv[i].value.len;
        }

        config.env_len = (uint32_t) pmcf->env->nelts;
    }

    config.size = sizeof(pillion_config);
    config.env = env;
    config.log = ngx_http_pillion_log;
    config.log_level = ngx_http_pillion_log_level(cycle->log);
    config.crash_fd = ngx_http_pillion_crash_fd(cycle->log);
    config.gomaxprocs = (int32_t) ngx_http_pillion_gomaxprocs(cycle, pmcf);
    config.gc_percent = (int32_t) pmcf->gc_percent;
    config.memory_limit = pmcf->memory_limit;
    config.flags = PILLION_CONFIG_IGNORE_SIGPIPE;
    config.server_software = NGINX_VER;
    config.server_software_len = sizeof(NGINX_VER) - 1;

    rc = ngx_http_pillion_worker.api.init(&config);

    if (rc != PILLION_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log,
                      (rc == PILLION_E_OS) ? ngx_errno : 0,
                      "PILLION-4105: starting \"%V\" failed: %s", library,
                      ngx_http_pillion_worker.api.strerror(rc));
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                  "PILLION-4106: started \"%V\", version %s, GOMAXPROCS %D",
                  library, ngx_http_pillion_worker.api.version(),
                  config.gomaxprocs);

    if (ngx_http_pillion_find_apps(pmcf, cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_pillion_open_queue(cycle);
}


ngx_int_t
ngx_http_pillion_find_apps(ngx_http_pillion_main_conf_t *pmcf, ngx_log_t *log)
{
    int32_t                   rc;
    ngx_uint_t                i;
    ngx_http_pillion_app_t  **app;

    app = pmcf->apps->elts;

    for (i = 0; i < pmcf->apps->nelts; i++) {

        if (app[i]->variable) {
            continue;
        }

        rc = ngx_http_pillion_worker.api.app_find((char *) app[i]->name.data,
                                                  app[i]->name.len,
                                                  &app[i]->handle);
        if (rc != PILLION_OK) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "PILLION-4108: \"%V\" in \"%V\": %s in %V:%ui",
                          &app[i]->name, &ngx_http_pillion_worker.library,
                          ngx_http_pillion_worker.api.strerror(rc),
                          &app[i]->file, app[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Unless workers are bound to CPUs, which Go follows, they share them: each
 * gets its part, but not less than two, so that a collection does not stop it.
 */

static ngx_int_t
ngx_http_pillion_gomaxprocs(ngx_cycle_t *cycle,
    ngx_http_pillion_main_conf_t *pmcf)
{
    ngx_int_t         n;
    ngx_core_conf_t  *ccf;

    if (pmcf->gomaxprocs) {
        return pmcf->gomaxprocs;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ccf->cpu_affinity || ccf->worker_processes < 1) {
        return 0;
    }

    n = (ngx_ncpu + ccf->worker_processes - 1) / ccf->worker_processes;

    return ngx_min(ngx_max(n, 2), ngx_ncpu);
}


static ngx_fd_t
ngx_http_pillion_crash_fd(ngx_log_t *log)
{
    ngx_log_t    *file;
    struct stat   err, st;

    file = ngx_log_get_file_log(log);

    if (file == NULL || file->file == NULL
        || file->file->fd == NGX_INVALID_FILE)
    {
        return 0;
    }

    if (fstat(STDERR_FILENO, &err) == 0
        && fstat(file->file->fd, &st) == 0
        && err.st_dev == st.st_dev
        && err.st_ino == st.st_ino)
    {
        return 0;
    }

    return file->file->fd;
}


void
ngx_http_pillion_exit_process(ngx_cycle_t *cycle)
{
    int32_t                        rc;
    ngx_http_pillion_main_conf_t  *pmcf;

    if (!ngx_http_pillion_worker.loaded) {
        return;
    }

    ngx_http_pillion_close_queue();

    pmcf = ngx_http_pillion_used_conf(cycle);

    rc = ngx_http_pillion_worker.api.stop(0,
                                          pmcf ? (uint32_t) pmcf->stop_timeout
                                               : 10000);

    if (rc != PILLION_OK && rc != PILLION_E_STATE) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "PILLION-4109: stopping \"%V\": %s",
                      &ngx_http_pillion_worker.library,
                      ngx_http_pillion_worker.api.strerror(rc));
    }

    /* goroutines still run, but the log goes away */

    pthread_mutex_lock(&ngx_http_pillion_log_mutex);
    ngx_http_pillion_log_closed = 1;
    pthread_mutex_unlock(&ngx_http_pillion_log_mutex);

    ngx_http_pillion_mark(0);
}


static int32_t
ngx_http_pillion_log_level(ngx_log_t *log)
{
    if (log->log_level >= NGX_LOG_DEBUG) {
        return PILLION_LOG_DEBUG;
    }

    if (log->log_level >= NGX_LOG_INFO) {
        return PILLION_LOG_INFO;
    }

    if (log->log_level >= NGX_LOG_WARN) {
        return PILLION_LOG_WARN;
    }

    return PILLION_LOG_ERROR;
}


/*
 * Runs on any thread.  nginx cuts an entry at 2048 bytes, so a message gets one
 * for every line.
 */

static void
ngx_http_pillion_log(void *data, int32_t level, const char *msg, uint64_t len)
{
    size_t      size;
    u_char     *p, *last, *end;
    ngx_log_t  *log;
    ngx_uint_t  err_level;

    if (level >= PILLION_LOG_ERROR) {
        err_level = NGX_LOG_ERR;

    } else if (level >= PILLION_LOG_WARN) {
        err_level = NGX_LOG_WARN;

    } else if (level >= PILLION_LOG_INFO) {
        err_level = NGX_LOG_INFO;

    } else {
        err_level = NGX_LOG_DEBUG;
    }

    pthread_mutex_lock(&ngx_http_pillion_log_mutex);

    if (!ngx_http_pillion_log_closed) {

        log = ngx_cycle->log;
        p = (u_char *) msg;
        last = p + len;

        do {
            end = ngx_strlchr(p, last, '\n');
            size = (end ? end : last) - p;

            if (size > NGX_HTTP_PILLION_LINE) {
                size = NGX_HTTP_PILLION_LINE;
                end = NULL;
            }

            ngx_log_error(err_level, log, 0, "pillion: %*s", size, p);

            p += size + (end ? 1 : 0);

        } while (p < last);
    }

    pthread_mutex_unlock(&ngx_http_pillion_log_mutex);
}
