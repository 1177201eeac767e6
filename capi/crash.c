/*
 * The end of a crash. Go reports what went wrong and the stacks, then raises
 * SIGABRT: here the requests in flight are added. All that runs in a handler
 * neither allocates nor locks, and other threads go on meanwhile.
 *
 * After a fault in C code Go first raises SIGQUIT, for the stacks of its other
 * threads, and waits up to ten seconds for them. They block it, so the server's
 * thread would take it for a command: such a SIGQUIT ends the process instead.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define LINE_LEN     1024
#define URI_LEN      600u
#define VALUE_LEN    120u
#define MOST_LISTED  1000u

typedef struct {
    char   text[LINE_LEN];
    size_t len;
} line;

/* What a line tells of a request. */
typedef struct {
    const char *at;
    uint32_t    len;
} value;

enum { METHOD, URI, PROTOCOL, CLIENT, HOST, VALUES };

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE };

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static int              report_fd = -1;
static struct sigaction abort_before, quit_before, fault_before[FAULTS];
static uint32_t         faulting;   /* shared: threads in Go's handlers        */
static uint32_t         reporting;  /* shared                                  */

static void put_char(line *l, char c)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char     u = (unsigned char) c;

    if (l->len + 8 > sizeof(l->text)) {
        return;
    }
    if (u >= ' ' && u != 0x7f && c != '"' && c != '\\') {
        l->text[l->len++] = c;
        return;
    }
    l->text[l->len++] = '\\';
    l->text[l->len++] = 'x';
    l->text[l->len++] = digits[u >> 4];
    l->text[l->len++] = digits[u & 15];
}

static void put_value(line *l, value v, uint32_t most)
{
    uint32_t i;

    for (i = 0; i < v.len && i < most; i++) {
        put_char(l, v.at[i]);
    }
}

static void put(line *l, const char *text)
{
    size_t n = strlen(text);

    if (l->len + n + 2 <= sizeof(l->text)) {
        memcpy(l->text + l->len, text, n);
        l->len += n;
    }
}

static void put_number(line *l, uint64_t n)
{
    char  digits[21];
    char *at = digits + sizeof(digits) - 1;

    *at = '\0';
    do {
        *--at = (char) ('0' + n % 10);
        n /= 10;
    } while (n != 0);
    put(l, at);
}

static void put_out(line *l)
{
    l->text[l->len++] = '\n';
    (void) !write(STDERR_FILENO, l->text, l->len);
    if (report_fd != -1) {
        (void) !write(report_fd, l->text, l->len);
    }
    l->len = 0;
}

static int is(value name, const char *text)
{
    return name.len == strlen(text) && memcmp(name.at, text, name.len) == 0;
}

static int is_host(value name)
{
    return name.len == 4 && (name.at[0] | 32) == 'h' && (name.at[1] | 32) == 'o'
           && (name.at[2] | 32) == 's' && (name.at[3] | 32) == 't';
}

/* Cuts the request's block, which its owner may be freeing: within its bounds. */
static int look(const pl_req *r, value *found)
{
    const uint32_t *lens = pl_load(&r->msg.lens);
    const char     *text = r->msg.text, *end;
    uint64_t        i, environ_len = r->msg.environ_len, pairs = environ_len + r->msg.headers_len;

    memset(found, 0, VALUES * sizeof(*found));
    if (pl_load(&r->refs) == 0 || lens == NULL || text == NULL) {
        return 0;
    }
    end = text + r->msg.text_len;
    for (i = 0; i < pairs; i++) {
        value name = { text, lens[2 * i] }, v = { text + lens[2 * i], lens[2 * i + 1] };

        if ((uint64_t) name.len + v.len > (uint64_t) (end - text)) {
            return 0;
        }
        text += (size_t) name.len + v.len;
        if (i >= environ_len) {
            if (is_host(name)) {
                found[HOST] = v;
            }
        } else if (is(name, "REQUEST_METHOD")) {
            found[METHOD] = v;
        } else if (is(name, "REQUEST_URI")) {
            found[URI] = v;
        } else if (is(name, "PATH_INFO") && found[URI].len == 0) {
            found[URI] = v;
        } else if (is(name, "SERVER_PROTOCOL")) {
            found[PROTOCOL] = v;
        } else if (is(name, "REMOTE_ADDR")) {
            found[CLIENT] = v;
        } else if (is(name, "HTTP_HOST")) {
            found[HOST] = v;
        }
    }
    return 1;
}

static void list_request(const pl_req *r, const value *found)
{
    line  l = { .len = 0 };
    value app;

    app.at = pl_app_name_at(r->msg.app, &app.len);
    put(&l, "PILLION-2181: in flight: app: \"");
    put_value(&l, app, VALUE_LEN);
    put(&l, "\", client: ");
    put_value(&l, found[CLIENT], VALUE_LEN);
    put(&l, ", request: \"");
    put_value(&l, found[METHOD], VALUE_LEN);
    put(&l, " ");
    put_value(&l, found[URI], URI_LEN);
    put(&l, " ");
    put_value(&l, found[PROTOCOL], VALUE_LEN);
    put(&l, "\", host: \"");
    put_value(&l, found[HOST], VALUE_LEN);
    put(&l, "\"");
    if (pl_load(&r->ended)) {
        put(&l, ", its handler had returned");
    }
    put_out(&l);
}

/* Counts a queue's requests in flight, those before count included, and lists
 * as many of them as may be. */
static uint32_t look_through(pl_queue *q, uint32_t count, int list)
{
    pl_req *r;
    value   found[VALUES];

    for (r = pl_load(&q->all); r != NULL; r = r->all_next) {
        if (look(r, found) && count++ < MOST_LISTED && list) {
            list_request(r, found);
        }
    }
    return count;
}

static uint32_t look_everywhere(int list)
{
    pl_queue *q = pl_serve_queue();
    uint32_t  i, count = q == NULL ? 0 : look_through(q, 0, list);

    for (i = 0; pl_handle_at(PL_KIND_QUEUE, i, (void **) &q); i++) {
        if (q != NULL) {
            count = look_through(q, count, list);
        }
    }
    return count;
}

static void report(void)
{
    line     l = { .len = 0 };
    uint32_t count = look_everywhere(0);

    put(&l, "PILLION-2180: process ");
    put_number(&l, (uint64_t) getpid());
    put(&l, " crashes, requests in flight in it: ");
    put_number(&l, count);
    put_out(&l);
    look_everywhere(1);
    if (count > MOST_LISTED) {
        put(&l, "PILLION-2182: in flight, not listed: ");
        put_number(&l, count - MOST_LISTED);
        put_out(&l);
    }
}

static void set_default(int signo)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigaction(signo, &action, NULL);
}

/* The process is to end by the signal that it would have ended by, and by the
 * handler that was there before, if there was one. */
static void on_abort(int signo)
{
    int saved = errno;

    if (pl_guard() == PILLION_OK) {
        if (pl_swap(&reporting, 1)) {
            for (;;) {              /* the thread that reports ends all */
                pause();
            }
        }
        set_default(SIGSEGV);       /* should the report itself fail */
        set_default(SIGBUS);
        report();
    }
    sigaction(signo, &abort_before, NULL);
    raise(signo);                   /* delivered on return */
    errno = saved;
}

static void on_quit(int signo, siginfo_t *info, void *context)
{
    sigset_t set;

    if (pl_load(&faulting) != 0 && info->si_code == SI_USER && info->si_pid == getpid()) {
        sigemptyset(&set);
        sigaddset(&set, SIGABRT);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        raise(SIGABRT);
        return;
    }
    if ((quit_before.sa_flags & SA_SIGINFO) != 0) {
        quit_before.sa_sigaction(signo, info, context);
    } else if (quit_before.sa_handler == SIG_DFL) {
        set_default(signo);
        raise(signo);
    } else if (quit_before.sa_handler != SIG_IGN) {
        quit_before.sa_handler(signo);
    }
}

/* Go's handler returns if the fault is a panic that can be recovered from. */
static void on_fault(int signo, siginfo_t *info, void *context)
{
    size_t i;

    pl_add(&faulting, 1);
    for (i = 0; i < FAULTS; i++) {
        if (faults[i] == signo) {
            fault_before[i].sa_sigaction(signo, info, context);
        }
    }
    pl_sub(&faulting, 1);
}

static void set_handler(int signo, const struct sigaction *before, struct sigaction *action)
{
    action->sa_mask = before->sa_mask;
    action->sa_flags = (before->sa_flags & ~(int) SA_RESETHAND) | SA_ONSTACK;
    if (action->sa_sigaction == on_quit || action->sa_sigaction == on_fault) {
        action->sa_flags |= SA_SIGINFO;
    } else {
        action->sa_flags &= ~SA_SIGINFO;
    }
    sigaction(signo, action, NULL);
}

/* Once, when Go has installed its handlers. fd is -1 for standard error only. */
void pl_crash_watch(int32_t fd)
{
    struct sigaction action;
    size_t           i;

    memset(&action, 0, sizeof(action));
    report_fd = fd;

    sigaction(SIGABRT, NULL, &abort_before);
    action.sa_handler = on_abort;
    set_handler(SIGABRT, &abort_before, &action);

    sigaction(SIGQUIT, NULL, &quit_before);
    action.sa_sigaction = on_quit;
    set_handler(SIGQUIT, &quit_before, &action);

    for (i = 0; i < FAULTS; i++) {
        sigaction(faults[i], NULL, &fault_before[i]);
        if ((fault_before[i].sa_flags & SA_SIGINFO) != 0) {
            action.sa_sigaction = on_fault;
            set_handler(faults[i], &fault_before[i], &action);
        }
    }
}
