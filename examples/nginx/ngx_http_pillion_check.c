
/*
 * Checks the library and the names of applications when the configuration has
 * been read.  A process that has loaded Go must not fork, so a child looks, as
 * the user of the workers.
 */


#include "ngx_http_pillion_module.h"

#include <poll.h>


#define NGX_HTTP_PILLION_CHECK_TIMEOUT  30000
#define NGX_HTTP_PILLION_REPORT         4096


typedef struct {
    int     status;  /* of waitpid(), -1 if it is not known */
    size_t  len;
    u_char  data[NGX_HTTP_PILLION_REPORT];
} ngx_http_pillion_report_t;


static char *ngx_http_pillion_init_check(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_http_pillion_check(ngx_cycle_t *cycle,
    ngx_http_pillion_main_conf_t *pmcf);
static void ngx_http_pillion_check_child(ngx_cycle_t *cycle, ngx_fd_t fd,
    ngx_http_pillion_main_conf_t *pmcf);
static ngx_int_t ngx_http_pillion_become_worker(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_pillion_read_report(ngx_fd_t fd,
    ngx_http_pillion_report_t *report);
static ngx_int_t ngx_http_pillion_judge(ngx_log_t *log,
    ngx_http_pillion_main_conf_t *pmcf, ngx_http_pillion_report_t *report);


/* a module of the core's: "user" may come after the http block */

static ngx_core_module_t  ngx_http_pillion_check_module_ctx = {
    ngx_string("pillion_check"),
    NULL,
    ngx_http_pillion_init_check
};


ngx_module_t  ngx_http_pillion_check_module = {
    NGX_MODULE_V1,
    &ngx_http_pillion_check_module_ctx,    /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_http_pillion_init_check(ngx_cycle_t *cycle, void *conf)
{
    ngx_http_pillion_main_conf_t  *pmcf;

    pmcf = ngx_http_pillion_used_conf(cycle);

    if (pmcf && ngx_http_pillion_check(cycle, pmcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * What the child reports: "+" if everything is right, "!" and a sentence if the
 * library cannot be used, "?", a number in decimal, a line feed and the list of
 * names if there is no application for the pillion_pass of that number.
 */


static ngx_int_t
ngx_http_pillion_check(ngx_cycle_t *cycle, ngx_http_pillion_main_conf_t *pmcf)
{
    int                         fd[2];
    ngx_int_t                   rc;
    ngx_pid_t                   pid;
    ngx_http_pillion_report_t   report;

    if (ngx_process == NGX_PROCESS_SIGNALLER) {

        /* a library that is not there must not keep nginx from being stopped */

        return NGX_OK;
    }

    if (ngx_http_pillion_worker.loaded) {

        /* a single process, it keeps the library it has */

        return ngx_http_pillion_find_apps(pmcf, cycle->log);
    }

    if (pipe(fd) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "PILLION-4013: pipe() failed");
        return NGX_ERROR;
    }

    pid = fork();

    switch (pid) {

    case -1:
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "PILLION-4014: fork() failed");
        (void) close(fd[0]);
        (void) close(fd[1]);
        return NGX_ERROR;

    case 0:
        (void) close(fd[0]);
        ngx_http_pillion_check_child(cycle, fd[1], pmcf);
        _exit(0);

    default:
        break;
    }

    (void) close(fd[1]);

    report.status = -1;
    report.len = 0;

    rc = ngx_http_pillion_read_report(fd[0], &report);

    (void) close(fd[0]);

    if (rc == NGX_AGAIN) {
        (void) kill(pid, SIGKILL);
    }

    /* the SIGCHLD handler of a master may have been faster */

    while (waitpid(pid, &report.status, 0) == -1 && ngx_errno == NGX_EINTR) {
        /* void */
    }

    if (rc == NGX_AGAIN) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "PILLION-4015: loading \"%V\" to check it did not end "
                      "within %d seconds, what do its init functions wait "
                      "for? in %V:%ui", &pmcf->library,
                      NGX_HTTP_PILLION_CHECK_TIMEOUT / 1000, &pmcf->file,
                      pmcf->line);
        return NGX_ERROR;
    }

    return ngx_http_pillion_judge(cycle->log, pmcf, &report);
}


static void
ngx_http_pillion_check_child(ngx_cycle_t *cycle, ngx_fd_t fd,
    ngx_http_pillion_main_conf_t *pmcf)
{
    int                        signo;
    char                       text[NGX_HTTP_PILLION_REPORT];
    char                       err[NGX_HTTP_PILLION_REPORT - 1];
    u_char                    *p, *last;
    int32_t                    rc;
    uint32_t                   n;
    uint64_t                   len;
    sigset_t                   set;
    ngx_uint_t                 i;
    const char                *name;
    pillion_api                api;
    struct sigaction           sa;
    ngx_http_pillion_app_t   **app;

    /* the handlers of a master are not for this process */

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;
    sigemptyset(&sa.sa_mask);

    for (signo = 1; signo < NSIG; signo++) {
        if (signo != SIGPIPE) {
            (void) sigaction(signo, &sa, NULL);
        }
    }

    sigemptyset(&set);
    (void) sigprocmask(SIG_SETMASK, &set, NULL);

    (void) fcntl(fd, F_SETFD, FD_CLOEXEC);

    p = (u_char *) text;
    last = p + sizeof(text);

    if (ngx_http_pillion_become_worker(cycle) != NGX_OK) {
        p = ngx_slprintf(p, last, "!PILLION-4020: cannot become the user of "
                         "the workers: %s", strerror(ngx_errno));
        goto done;
    }

    if (pillion_loader_open((char *) pmcf->library.data, &api, err,
                            sizeof(err))
        == -1)
    {
        p = ngx_slprintf(p, last, "!%s", err);
        goto done;
    }

    app = pmcf->apps->elts;

    for (i = 0; i < pmcf->apps->nelts; i++) {

        if (app[i]->variable) {
            continue;
        }

        rc = api.app_find((char *) app[i]->name.data, app[i]->name.len,
                          &app[i]->handle);

        if (rc == PILLION_OK) {
            continue;
        }

        p = ngx_slprintf(p, last, "?%ui\n", i);

        for (n = 0; api.app_name(n, &name, &len) == PILLION_OK; n++) {
            p = ngx_slprintf(p, last, "%s\"%*s\"", n ? ", " : "",
                             (size_t) len, name);
        }

        goto done;
    }

    *p++ = '+';

done:

    (void) write(fd, text, (char *) p - text);
}


static ngx_int_t
ngx_http_pillion_become_worker(ngx_cycle_t *cycle)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (geteuid() != 0 || !ccf->master) {
        return NGX_OK;
    }

    if (setgid(ccf->group) == -1
        || initgroups(ccf->username, ccf->group) == -1
        || setuid(ccf->user) == -1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_read_report(ngx_fd_t fd, ngx_http_pillion_report_t *report)
{
    int             n;
    ssize_t         size;
    ngx_msec_t      elapsed, start;
    struct pollfd   pfd;

    ngx_time_update();
    start = ngx_current_msec;

    for ( ;; ) {

        ngx_time_update();
        elapsed = ngx_current_msec - start;

        if (elapsed >= NGX_HTTP_PILLION_CHECK_TIMEOUT) {
            return NGX_AGAIN;
        }

        pfd.fd = fd;
        pfd.events = POLLIN;

        n = poll(&pfd, 1, (int) (NGX_HTTP_PILLION_CHECK_TIMEOUT - elapsed));

        if (n == 0 || (n == -1 && ngx_errno == NGX_EINTR)) {
            continue;
        }

        if (n == -1) {
            return NGX_ERROR;
        }

        size = read(fd, report->data + report->len,
                    sizeof(report->data) - report->len);

        if (size == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (size <= 0) {
            return NGX_OK;
        }

        report->len += size;

        if (report->len == sizeof(report->data)) {
            return NGX_OK;
        }
    }
}


static ngx_int_t
ngx_http_pillion_judge(ngx_log_t *log, ngx_http_pillion_main_conf_t *pmcf,
    ngx_http_pillion_report_t *report)
{
    u_char                   *p, how[64];
    ngx_int_t                 n;
    ngx_str_t                 text;
    ngx_http_pillion_app_t  **app;

    app = pmcf->apps->elts;

    text.len = report->len ? report->len - 1 : 0;
    text.data = report->data + 1;

    switch (report->len ? report->data[0] : '\0') {

    case '+':
        return NGX_OK;

    case '!':
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "PILLION-4016: the library cannot be used: %V in "
                      "%V:%ui", &text, &pmcf->file, pmcf->line);
        return NGX_ERROR;

    case '?':
        p = ngx_strlchr(text.data, text.data + text.len, '\n');
        n = p ? ngx_atoi(text.data, p - text.data) : NGX_ERROR;

        if (n >= 0 && (ngx_uint_t) n < pmcf->apps->nelts) {
            text.len -= p + 1 - text.data;
            text.data = p + 1;

            if (text.len == 0) {
                ngx_log_error(NGX_LOG_EMERG, log, 0,
                              "PILLION-4017: \"%V\" registers no "
                              "application, call host.Handle(\"%V\", ...) in "
                              "it, in %V:%ui", &pmcf->library, &app[n]->name,
                              &app[n]->file, app[n]->line);
                return NGX_ERROR;
            }

            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "PILLION-4018: no application \"%V\" in \"%V\", "
                          "which has %V, in %V:%ui", &app[n]->name,
                          &pmcf->library, &text, &app[n]->file, app[n]->line);
            return NGX_ERROR;
        }

        /* fall through */

    default:

        if (report->status == -1) {
            p = ngx_sprintf(how, "left no status");

        } else if (WIFSIGNALED(report->status)) {
            p = ngx_sprintf(how, "was ended by signal %d",
                            WTERMSIG(report->status));

        } else {
            p = ngx_sprintf(how, "exited with code %d",
                            WEXITSTATUS(report->status));
        }

        *p = '\0';

        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "PILLION-4019: loading \"%V\" to check it ended the "
                      "process, which %s; its own words, if any, are on "
                      "standard error, in %V:%ui", &pmcf->library, how,
                      &pmcf->file, pmcf->line);
        return NGX_ERROR;
    }
}
