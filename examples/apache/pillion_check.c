/*
 * pillion_check.c - tries the library while the configuration is read. A
 * process that has loaded Go must not fork, so a child looks.
 */

#include "mod_pillion.h"

#include <poll.h>
#include <sys/wait.h>

#include "apr_portable.h"
#include "mpm_common.h"

APLOG_USE_MODULE(pillion);

#define CHECK_TIMEOUT apr_time_from_sec(30)

/*
 * What the child reports: "+" if everything is right; "!" and a sentence if the
 * library cannot be used; "?", the number of an application that is not there,
 * a line feed and the names of those that are.
 */
typedef struct {
    char text[4096];
    apr_size_t len;
    int status;                 /* of waitpid(), -1 if it is not known */
} report_t;

static void put(report_t *report, const char *text, apr_size_t len)
{
    apr_size_t room = sizeof(report->text) - 1 - report->len;

    if (len > room) {
        len = room;
    }

    memcpy(report->text + report->len, text, len);
    report->len += len;
}

static void puts_to(report_t *report, const char *text)
{
    put(report, text, strlen(text));
}

static void look(report_t *report)
{
    ap_pillion_app **app = (ap_pillion_app **)ap_pillion_process->apps->elts;
    char err[MAX_STRING_LEN], number[16];
    pillion_api api;
    const char *name;
    uint64_t len, handle;
    uint32_t n;
    int i;

    if (pillion_loader_open(ap_pillion_process->library, &api, err,
                            sizeof(err)) == -1) {
        puts_to(report, "!");
        puts_to(report, err);
        return;
    }

    for (i = 0; i < ap_pillion_process->apps->nelts; i++) {
        if (api.app_find(app[i]->name, strlen(app[i]->name), &handle)
            == PILLION_OK) {
            continue;
        }

        apr_snprintf(number, sizeof(number), "?%d\n", i);
        puts_to(report, number);

        for (n = 0; api.app_name(n, &name, &len) == PILLION_OK; n++) {
            puts_to(report, n ? ", \"" : "\"");
            put(report, name, (apr_size_t)len);
            puts_to(report, "\"");
        }

        return;
    }

    puts_to(report, "+");
}

/* Loads the library as the user who will serve with it. */
static void check_child(int fd, apr_pool_t *p, server_rec *s)
{
    report_t report = { "", 0, -1 };
    struct sigaction sa;
    sigset_t none;
    int signo;

    /* the handlers of the parent are not for this process */
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = SIG_DFL;
    sigemptyset(&sa.sa_mask);

    for (signo = 1; signo < NSIG; signo++) {
        if (signo != SIGPIPE) {
            (void)sigaction(signo, &sa, NULL);
        }
    }

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);

    /* programs that init functions start are not waited for */
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);

    if (ap_run_drop_privileges(p, s) != OK) {
        puts_to(&report,
                "!PILLION-5023: cannot become the user of the children");
    }
    else {
        look(&report);
    }

    if (write(fd, report.text, report.len) == -1) {
        _exit(1);
    }
}

/* Reads until the child has ended. Returns 0, or -1 if that takes too long. */
static int read_report(int fd, report_t *report)
{
    apr_time_t end = ap_pillion_now() + CHECK_TIMEOUT;
    apr_interval_time_t left;
    struct pollfd pfd;
    ssize_t n;

    while ((left = end - ap_pillion_now()) > 0) {
        pfd.fd = fd;
        pfd.events = POLLIN;

        if (poll(&pfd, 1, (int)apr_time_as_msec(left) + 1) <= 0) {
            continue;
        }

        n = read(fd, report->text + report->len,
                 sizeof(report->text) - 1 - report->len);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            report->text[report->len] = '\0';
            return 0;
        }

        report->len += (apr_size_t)n;
    }

    return -1;
}

static const char *ending(apr_pool_t *p, int status)
{
    if (status == -1) {
        return "left no status";
    }

    return WIFSIGNALED(status)
               ? apr_psprintf(p, "was ended by signal %d", WTERMSIG(status))
               : apr_psprintf(p, "exited with code %d", WEXITSTATUS(status));
}

static int judge(apr_pool_t *p, server_rec *s, const report_t *report)
{
    const ap_pillion_process_conf *conf = ap_pillion_process;
    ap_pillion_app **app = (ap_pillion_app **)conf->apps->elts;
    const char *names;
    int n;

    switch (report->text[0]) {

    case '+':
        return OK;

    case '!':
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s,
                     "PILLION-5020: PillionLibrary on line %d of %s: %s",
                     conf->line, conf->file, report->text + 1);
        return !OK;

    case '?':
        n = atoi(report->text + 1);
        names = strchr(report->text, '\n');

        if (names == NULL || n < 0 || n >= conf->apps->nelts) {
            break;
        }

        if (*++names == '\0') {
            names = "none";
        }

        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s,
                     "PILLION-5021: %s on line %d of %s: no application "
                     "\"%s\" in \"%s\", which has %s", app[n]->directive,
                     app[n]->line, app[n]->file, app[n]->name, conf->library,
                     names);
        return !OK;

    default:
        break;
    }

    ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s,
                 "PILLION-5022: PillionLibrary on line %d of %s: loading "
                 "\"%s\" to check it ended the process, which %s; its own "
                 "words, if any, are on standard error", conf->line,
                 conf->file, conf->library, ending(p, report->status));
    return !OK;
}

int ap_pillion_check(apr_pool_t *p, server_rec *s)
{
    report_t report = { "", 0, -1 };
    int fd[2], late;
    pid_t pid;

    if (pipe(fd) == -1) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, errno, s,
                     "PILLION-5017: pipe() failed");
        return !OK;
    }

    pid = fork();

    if (pid == -1) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, errno, s,
                     "PILLION-5018: fork() failed");
        (void)close(fd[0]);
        (void)close(fd[1]);
        return !OK;
    }

    if (pid == 0) {
        (void)close(fd[0]);
        check_child(fd[1], p, s);
        _exit(0);
    }

    (void)close(fd[1]);

    late = read_report(fd[0], &report);

    (void)close(fd[0]);

    if (late) {
        (void)kill(pid, SIGKILL);
    }

    while (waitpid(pid, &report.status, 0) == -1 && errno == EINTR) {
        /* void */
    }

    if (late) {
        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s,
                     "PILLION-5019: PillionLibrary on line %d of %s: loading "
                     "\"%s\" to check it did not end within %d seconds, what "
                     "do its init functions wait for?",
                     ap_pillion_process->line, ap_pillion_process->file,
                     ap_pillion_process->library,
                     (int)apr_time_sec(CHECK_TIMEOUT));
        return !OK;
    }

    return judge(p, s, &report);
}
