/*
 * pillion_child.c - the library in a child: load, start, log, stop.
 */

#include "mod_pillion.h"

#include <signal.h>
#include <sys/stat.h>

#include "apr_portable.h"

APLOG_USE_MODULE(pillion);

/* Bytes of a line of a message; httpd cuts what is longer than 8192, with all
 * that it puts before it. */
#define LINE_MAX_LEN 7000

#define PREFORK_GOMAXPROCS 2

ap_pillion_library ap_pillion_lib;

/* The library in this child. */
enum { WAITING, LOADED, FAILED };

static int state;
static pthread_mutex_t load_mutex = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_closed;

static int log_level_of(int32_t level)
{
    if (level >= PILLION_LOG_ERROR) {
        return APLOG_ERR;
    }
    if (level >= PILLION_LOG_WARN) {
        return APLOG_WARNING;
    }
    if (level >= PILLION_LOG_INFO) {
        return APLOG_INFO;
    }
    return APLOG_DEBUG;
}

/* Runs on any thread. A message has an entry for each of its lines. */
static void log_message(void *data, int32_t level, const char *msg,
                        uint64_t len)
{
    server_rec *s = data;
    const char *end, *last = msg + len;
    int size;

    pthread_mutex_lock(&log_mutex);

    while (!log_closed) {
        end = memchr(msg, '\n', last - msg);
        size = (int)((end ? end : last) - msg);

        if (size > LINE_MAX_LEN) {
            size = LINE_MAX_LEN;
            end = NULL;
        }

        ap_log_error(APLOG_MARK, log_level_of(level), 0, s, "%.*s", size, msg);

        msg += size + (end ? 1 : 0);
        if (msg >= last) {
            break;
        }
    }

    pthread_mutex_unlock(&log_mutex);
}

/* The lowest level that is logged anywhere: hosts may differ. */
static int32_t log_level(server_rec *s)
{
    int level = 0;

    for ( ; s; s = s->next) {
        int own = ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);

        if (own > level) {
            level = own;
        }
    }

    if (level >= APLOG_DEBUG) {
        return PILLION_LOG_DEBUG;
    }
    if (level >= APLOG_INFO) {
        return PILLION_LOG_INFO;
    }
    if (level >= APLOG_WARNING) {
        return PILLION_LOG_WARN;
    }
    return PILLION_LOG_ERROR;
}

/* httpd makes the main server's ErrorLog its standard error, where Go reports
 * a crash anyway, unless it is a program or syslog. */
static int crash_fd(server_rec *s)
{
    struct stat err, log;
    apr_os_file_t fd;

    if (s->error_log == NULL
        || apr_os_file_get(&fd, s->error_log) != APR_SUCCESS
        || fstat(fd, &log) == -1
        || (fstat(STDERR_FILENO, &err) == 0 && err.st_dev == log.st_dev
            && err.st_ino == log.st_ino)) {
        return 0;
    }

    return fd;
}

/* A process of prefork serves one request at a time: one CPU for its handler,
 * and one for a collection that runs along. */
static int gomaxprocs(void)
{
    int threaded;
    long cpus;

    if (ap_pillion_process->gomaxprocs) {
        return ap_pillion_process->gomaxprocs;
    }

    if (ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded) != APR_SUCCESS
        || threaded != AP_MPMQ_NOT_SUPPORTED) {
        return 0;
    }

    cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return (cpus > 0 && cpus < PREFORK_GOMAXPROCS) ? (int)cpus
                                                   : PREFORK_GOMAXPROCS;
}

static int start(server_rec *s, const pillion_api *api)
{
    const ap_pillion_process_conf *conf = ap_pillion_process;
    const char *software = ap_get_server_banner();
    pillion_config config = PILLION_CONFIG_INIT;
    int32_t rc;

    config.env = (const pillion_pair *)conf->env->elts;
    config.env_len = (uint32_t)conf->env->nelts;
    config.log = log_message;
    config.log_data = s;
    config.log_level = log_level(s);
    config.crash_fd = crash_fd(s);
    config.gomaxprocs = gomaxprocs();
    config.gc_percent = conf->gc_percent;
    config.memory_limit = conf->memory_limit;
    config.flags = PILLION_CONFIG_IGNORE_SIGPIPE;
    config.server_software = software;
    config.server_software_len = strlen(software);

    rc = api->init(&config);

    if (rc != PILLION_OK) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rc == PILLION_E_OS ? errno : 0, s,
                     "PILLION-5101: starting \"%s\" failed: %s", conf->library,
                     api->strerror(rc));
        return -1;
    }

    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                 "PILLION-5102: started \"%s\", version %s", conf->library,
                 api->version());

    return 0;
}

/* An application that is not there was, when the configuration was checked:
 * its requests will be told so. */
static void find_apps(server_rec *s, const pillion_api *api)
{
    ap_pillion_app **app = (ap_pillion_app **)ap_pillion_process->apps->elts;
    int32_t rc;
    int i;

    for (i = 0; i < ap_pillion_process->apps->nelts; i++) {
        rc = api->app_find(app[i]->name, strlen(app[i]->name),
                           &app[i]->handle);
        if (rc != PILLION_OK) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                         "PILLION-5103: \"%s\" in \"%s\": %s, required by %s "
                         "in %s:%d", app[i]->name, ap_pillion_process->library,
                         api->strerror(rc), app[i]->directive, app[i]->file,
                         app[i]->line);
        }
    }
}

static void *stop_library(void *data)
{
    apr_interval_time_t timeout = ap_pillion_process->stop_timeout;
    int32_t rc;

    /* a child that ends has no requests left, or is told not to wait */
    rc = ap_pillion_lib.api.stop(0, (uint32_t)apr_time_as_msec(timeout));

    if (rc != PILLION_OK) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, (server_rec *)data,
                     "PILLION-5104: stopping \"%s\": %s",
                     ap_pillion_process->library,
                     ap_pillion_lib.api.strerror(rc));
    }

    return NULL;
}

/*
 * A child of prefork ends inside a signal handler, on a stack that may be the
 * small one of Go's: so Go's part has a thread of its own.
 */
static apr_status_t stop(void *data)
{
    pthread_t thread;

    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != LOADED) {
        ap_pillion_mark_stopped();
        return APR_SUCCESS;
    }

    if (pthread_create(&thread, NULL, stop_library, data) == 0) {
        pthread_join(thread, NULL);
    }

    /* goroutines still run, but what the log needs goes away */
    pthread_mutex_lock(&log_mutex);
    log_closed = 1;
    pthread_mutex_unlock(&log_mutex);

    ap_pillion_mark_stopped();

    return APR_SUCCESS;
}

/* Go cannot be unloaded, and goroutines may call log_message() until the very
 * end: this module must stay where it is. */
static void stay_loaded(void)
{
    Dl_info info;

    if (dladdr(&ap_pillion_lib, &info) != 0) {
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
    }
}

/* httpd's handlers of faults would end the process before Go has told of its
 * stacks. Go's report ends in SIGABRT, and there httpd's handler follows. */
static void leave_faults_to_go(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE };
    struct sigaction action = { .sa_handler = SIG_DFL };
    apr_size_t i;

    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        (void)sigaction(faults[i], &action, NULL);
    }
}

static int load(server_rec *s)
{
    char err[MAX_STRING_LEN];
    pillion_api api;

    leave_faults_to_go();
    ap_pillion_mark_loaded();

    if (pillion_loader_open(ap_pillion_process->library, &api, err,
                            sizeof(err)) == -1) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                     "PILLION-5105: the library cannot be used: %s", err);
        return FAILED;
    }

    if (start(s, &api) == -1) {
        return FAILED;
    }

    find_apps(s, &api);

    ap_pillion_lib.api = api;

    return LOADED;
}

void ap_pillion_child_init(apr_pool_t *pchild, server_rec *s)
{
    if (ap_pillion_process->library == NULL) {
        return;
    }

    stay_loaded();

    if (ap_pillion_pause() == 0) {
        state = load(s);
    }

    apr_pool_cleanup_register(pchild, s, stop, apr_pool_cleanup_null);
}

int ap_pillion_ready(void)
{
    int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);

    if (now != WAITING || ap_pillion_process->library == NULL) {
        return now == LOADED;
    }

    pthread_mutex_lock(&load_mutex);

    if (state == WAITING && ap_pillion_pause() == 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     "PILLION-5184: loading \"%s\" again, after a pause",
                     ap_pillion_process->library);
        __atomic_store_n(&state, load(ap_server_conf), __ATOMIC_RELEASE);
    }

    now = state;
    pthread_mutex_unlock(&load_mutex);

    return now == LOADED;
}
