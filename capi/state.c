/* The life of the process: versions, statuses, fork guard, init, stop, stats. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

extern char **environ;

enum { NEW, STARTING, READY, STOPPED, FAILED };

pl_counts pl_count;

static uint32_t       state;        /* shared                                  */
static uint32_t       forked;       /* written in a single-threaded child      */
static pillion_log_fn log_fn;
static void          *log_data;
static int            log_fd = STDERR_FILENO;

/* The first version's sizes: what a caller must bring at least. */
#define CONFIG_MIN offsetof(pillion_config, server_software_len) + sizeof(uint64_t)
#define STATS_MIN  offsetof(pillion_stats_t, completed) + sizeof(uint64_t)

static void in_child(void)
{
    forked = 1;
}

__attribute__((constructor)) static void at_load(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

int32_t pl_guard(void)
{
    return forked ? PILLION_E_FORKED : PILLION_OK;
}

int32_t pl_ready(void)
{
    if (forked) {
        return PILLION_E_FORKED;
    }
    switch (pl_load(&state)) {
    case READY:
        return PILLION_OK;
    case STOPPED:
        return PILLION_E_STOPPED;
    default:
        return PILLION_E_STATE;
    }
}

uint32_t pillion_abi(void)
{
    return PILLION_ABI;
}

const char *pillion_version(void)
{
    return "1.1.0";
}

const char *pillion_strerror(int32_t status)
{
    switch (status) {
#define CASE(name, number, text) case number: return text;
    PILLION_STATUSES(CASE)
#undef CASE
    }
    return "unknown status";
}

static int32_t check_env(const pillion_config *c)
{
    uint32_t i;
    uint64_t total = 0;

    if (c->env_len > PILLION_MAX_PAIRS) {
        return PILLION_E_LIMIT;
    }
    if (c->env_len != 0 && c->env == NULL) {
        return PILLION_E_ARG;
    }
    for (i = 0; i < c->env_len; i++) {
        const pillion_pair *p = &c->env[i];

        total += (uint64_t) p->name_len + p->value_len;
        if (total > PILLION_MAX_BLOCK) {
            return PILLION_E_LIMIT;
        }
        if (p->name == NULL || p->name_len == 0 || (p->value == NULL && p->value_len != 0)
            || memchr(p->name, '=', p->name_len) != NULL || memchr(p->name, 0, p->name_len) != NULL
            || (p->value_len != 0 && memchr(p->value, 0, p->value_len) != NULL))
        {
            return PILLION_E_ARG;
        }
    }
    return PILLION_OK;
}

static int bad_fd(int32_t fd)
{
    return fd < 0 || (fd != 0 && fcntl(fd, F_GETFD) == -1);
}

/* Whether there are the few descriptors that Go needs to start: without them it
 * would end the process. */
static int descriptors(void)
{
    int fds[4], i, n, saved;

    for (n = 0; n < 4; n++) {
        fds[n] = eventfd(0, EFD_CLOEXEC);
        if (fds[n] == -1) {
            break;
        }
    }
    saved = errno;
    for (i = 0; i < n; i++) {
        close(fds[i]);
    }
    errno = saved;
    return n == 4;
}

static void close_both(int32_t a, int32_t b)
{
    int saved = errno;

    if (a != -1) {
        close(a);
    }
    if (b != -1) {
        close(b);
    }
    errno = saved;
}

static void *wait_for(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* Whether there are the few threads that Go needs to start: without them it
 * would end the process, too. */
static int threads(void)
{
    pthread_mutex_t together = PTHREAD_MUTEX_INITIALIZER;
    pthread_t       made[4];
    int             n, rc = 0;

    pthread_mutex_lock(&together);
    for (n = 0; n < 4; n++) {
        rc = pthread_create(&made[n], NULL, wait_for, &together);
        if (rc != 0) {
            break;
        }
    }
    pthread_mutex_unlock(&together);
    while (n > 0) {
        pthread_join(made[--n], NULL);
    }
    errno = rc;
    return rc == 0;
}

int32_t pillion_init(const pillion_config *given)
{
    pillion_config config;
    uint32_t       expected = NEW;
    int32_t        rc, report_fd = -1;

    if (forked) {
        return PILLION_E_FORKED;
    }
    memset(&config, 0, sizeof(config));
    if (given != NULL) {
        if (given->size < CONFIG_MIN) {
            return PILLION_E_SIZE;
        }
        memcpy(&config, given, given->size < sizeof(config) ? given->size : sizeof(config));
    }
    rc = check_env(&config);
    if (rc != PILLION_OK) {
        return rc;
    }
    if (config.server_software_len > PILLION_MAX_BLOCK) {
        return PILLION_E_LIMIT;
    }
    if ((config.server_software == NULL && config.server_software_len != 0)
        || (config.flags & ~PILLION_CONFIG_IGNORE_SIGPIPE) != 0 || bad_fd(config.log_fd)
        || bad_fd(config.crash_fd) || config.gomaxprocs < 0 || config.memory_limit < 0)
    {
        return PILLION_E_ARG;
    }

    if (pl_load(&state) != NEW) {
        return pl_load(&state) == STOPPED ? PILLION_E_STOPPED : PILLION_E_STATE;
    }
    if (!descriptors() || !threads()) {
        return PILLION_E_OS;
    }
    if (config.crash_fd != 0) {
        report_fd = fcntl(config.crash_fd, F_DUPFD_CLOEXEC, 3);
        config.crash_fd = fcntl(config.crash_fd, F_DUPFD_CLOEXEC, 3);
        if (report_fd == -1 || config.crash_fd == -1) {
            close_both(report_fd, config.crash_fd);
            return PILLION_E_OS;
        }
    }
    if (!pl_cas(&state, &expected, STARTING)) {
        if (config.crash_fd != 0) {
            close_both(report_fd, config.crash_fd);
        }
        return expected == STOPPED ? PILLION_E_STOPPED : PILLION_E_STATE;
    }
    log_fn = config.log;
    log_data = config.log_data;
    if (config.log_fd != 0) {
        log_fd = config.log_fd;
    }
    (void) pl_go_apps();            /* returns when Go runs */
    pl_crash_watch(report_fd);
    rc = pl_go_init(&config);
    pl_store(&state, rc == PILLION_OK ? READY : rc == PILLION_E_MEMORY ? NEW : FAILED);
    return rc;
}

int32_t pillion_stop(uint32_t drain_ms, uint32_t stop_ms)
{
    uint32_t expected = READY;

    if (forked) {
        return PILLION_E_FORKED;
    }
    if (!pl_cas(&state, &expected, STOPPED)) {
        return expected == STOPPED ? PILLION_E_STOPPED : PILLION_E_STATE;
    }
    return pl_go_stop(drain_ms, stop_ms);
}

int32_t pillion_stats(pillion_stats_t *stats)
{
    pillion_stats_t all;
    uint32_t        size;
    int32_t         rc;

    if (forked) {
        return PILLION_E_FORKED;
    }
    if (stats == NULL) {
        return PILLION_E_ARG;
    }
    if (stats->size < STATS_MIN) {
        return PILLION_E_SIZE;
    }
    rc = pl_ready();
    if (rc == PILLION_E_STATE) {
        return rc;
    }
    pl_serve_reap();
    memset(&all, 0, sizeof(all));
    rc = pl_go_stats(&all);
    if (rc != PILLION_OK) {
        return rc;
    }
    all.queues = pl_load(&pl_count.queues);
    all.requests = pl_load(&pl_count.requests);
    all.responses = pl_handle_count(PL_KIND_RESPONSE);
    all.buffered = pl_load(&pl_count.buffered) + pl_load(&pl_count.made);
    all.wakes_in = pl_load(&pl_count.wakes_in);
    all.wakes_out = pl_load(&pl_count.wakes_out);
    size = stats->size;
    all.size = size;
    memcpy(stats, &all, size < sizeof(all) ? size : sizeof(all));
    return PILLION_OK;
}

char *pl_environ(uint32_t i)
{
    return environ == NULL ? NULL : environ[i];
}

void pl_log(int32_t level, char *msg, uint64_t len)
{
    const char *name = level >= PILLION_LOG_ERROR  ? "error"
                       : level >= PILLION_LOG_WARN ? "warn"
                       : level >= PILLION_LOG_INFO ? "info"
                                                   : "debug";
    struct iovec iov[3];
    char         head[32];
    int          n;

    if (log_fn != NULL) {
        log_fn(log_data, level, msg, len);
        return;
    }
    n = snprintf(head, sizeof(head), "pillion: [%s] ", name);
    iov[0].iov_base = head;
    iov[0].iov_len = (size_t) n;
    iov[1].iov_base = msg;
    iov[1].iov_len = len;
    iov[2].iov_base = "\n";
    iov[2].iov_len = 1;

    /* One call, so that lines of several threads do not mix. */
    while (writev(log_fd, iov, 3) == -1 && errno == EINTR) {
    }
}
