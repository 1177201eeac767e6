/*
 * abi_life.c - start, settings, log, stop, fork.
 */

#include "abi.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>


static void failed_start(void)
{
    pillion_pair     e[4];
    pillion_request  r;
    pillion_response res = PILLION_RESPONSE_INIT;
    pillion_stats_t  stats = PILLION_STATS_INIT;
    uint64_t         q;

    CHECK(PILLION_E_START, api.init(NULL));
    CHECK(PILLION_OK, api.app_find("behave", 6, &app));
    r = get(e, "/");
    CHECK(PILLION_E_STATE, api.init(NULL));
    CHECK(PILLION_E_STATE, api.call(&r, &res));
    CHECK(PILLION_E_STATE, api.queue_new(NULL, &q));
    CHECK(PILLION_E_STATE, api.stats(&stats));
    CHECK(PILLION_E_STATE, api.stop(0, 0));
}


static void start_error(void)
{
    setenv("BEHAVE_START", "error", 1);
    failed_start();
}


static void start_panic(void)
{
    setenv("BEHAVE_START", "panic", 1);
    failed_start();
}


static uint64_t completed(void)
{
    pillion_stats_t t = PILLION_STATS_INIT;

    CHECK(PILLION_OK, api.stats(&t));
    return t.completed;
}


static void after_stop(void)
{
    pillion_pair     e[4];
    pillion_request  r;
    pillion_response res = PILLION_RESPONSE_INIT, no = PILLION_RESPONSE_INIT;
    pillion_io       io = PILLION_IO_INIT;
    pillion_event    events[8];
    result           one, two;
    uint64_t         h, other, taken;
    uint32_t         n;
    int64_t          end;
    abi_queue        q;

    start();
    q = queue_make(0, 0);
    r = get(e, "/");
    CHECK(PILLION_OK, api.call(&r, &res));
    h = queue_submit(q, "/", &two);
    for (end = now_ms() + 20000; completed() < 2; usleep(1000)) {
        TRUE(now_ms() < end);
    }
    queue_submit(q, "/hold?key=a", &one);
    await("a/in", NULL, 0);

    CHECK(PILLION_OK, api.stop(10, 10000));     /* cancels the request that holds */
    CHECK(PILLION_E_STOPPED, api.stop(0, 0));
    CHECK(PILLION_E_STOPPED, api.init(NULL));
    io.head = (int32_t (*)(void *, int32_t, const pillion_pair *, uint32_t)) abort;
    io.write = (int32_t (*)(void *, const char *, uint64_t)) abort;
    CHECK(PILLION_E_STOPPED, api.call(&r, &no));
    CHECK(PILLION_E_STOPPED, api.serve(&r, &io));
    CHECK(PILLION_E_STOPPED, api.submit(q.handle, &r, &other));
    CHECK(PILLION_E_STOPPED, api.queue_new(NULL, &other));
    CHECK(PILLION_OK, api.app_find("behave", 6, &other));
    CHECK(app, other);

    /* What there was can still be used and given back. */
    CHECK(200, res.status);
    TRUE(res.body_len > 0 && res.body[0] == '{');
    CHECK(PILLION_OK, api.response_free(res.handle));
    CHECK(PILLION_E_STATE, api.feed(h, "x", 1, 0, &taken));
    queue_finish(q, &one);
    queue_finish(q, &two);
    CHECK(200, two.status);
    CHECK(PILLION_OK, api.poll(q.handle, events, sizeof(events[0]), 8, &n));
    CHECK(0, n);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
}


static void stop_drains(void)
{
    abi_queue q;
    result    r;
    int64_t   begin;

    start();
    q = queue_make(0, 0);
    queue_submit(q, "/hold?key=d", &r);
    await("d/in", NULL, 0);
    begin = now_ms();
    CHECK(PILLION_OK, api.stop(300, 60000));
    TRUE(now_ms() - begin >= 290);
    TRUE(now_ms() - begin < 20000);
    queue_finish(q, &r);
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
}


static void stop_has_a_deadline(void)
{
    int64_t begin;

    setenv("BEHAVE_STOP", "hang", 1);
    start();
    CHECK(PILLION_OK, call("/").rc);
    begin = now_ms();
    CHECK(PILLION_E_TIMEOUT, api.stop(0, 300));
    TRUE(now_ms() - begin >= 290);
    TRUE(now_ms() - begin < 20000);
    nothing_left();
}


static void stop_outlasts_a_deaf_handler(void)
{
    abi_queue q;
    result    r;
    int64_t   begin;

    start();
    q = queue_make(0, 0);
    queue_submit(q, "/hold?linger=1&key=l", &r);
    await("l/in", NULL, 0);
    begin = now_ms();
    CHECK(PILLION_E_TIMEOUT, api.stop(50, 200));
    TRUE(now_ms() - begin < 20000);
    CHECK(PILLION_OK, api.queue_free(q.handle));
}


static void stop_panic(void)
{
    setenv("BEHAVE_STOP", "panic", 1);
    start();
    CHECK(PILLION_OK, api.stop(0, 5000));       /* logged, and over */
}


static void settings_are_applied(void)
{
    pillion_config config = PILLION_CONFIG_INIT;
    pillion_pair   env[] = {
        { "FROM_CONFIG", "config", 11, 6 }, { "FROM_BOTH", "config", 9, 6 }, { "EMPTY", "", 5, 0 },
    };
    result r;

    setenv("FROM_C", "c", 1);           /* after Go has taken its copy */
    setenv("FROM_BOTH", "c", 1);
    unsetenv("HOME");
    config.env = env;
    config.env_len = 3;
    config.gomaxprocs = 3;
    config.gc_percent = 50;
    config.memory_limit = 1 << 30;
    config.server_software = "test/1.0";
    config.server_software_len = 8;
    start_with(&config);

    r = call("/runtime?env=FROM_C&env=FROM_CONFIG&env=FROM_BOTH&env=EMPTY&env=HOME");
    CHECK(200, r.status);
    TRUE(strstr(r.body, "\"GOMAXPROCS\":3") != NULL);
    TRUE(strstr(r.body, "\"GCPercent\":50") != NULL);
    TRUE(strstr(r.body, "\"MemoryLimit\":1073741824") != NULL);
    TRUE(strstr(r.body, "\"FROM_C\":\"c\"") != NULL);
    TRUE(strstr(r.body, "\"FROM_CONFIG\":\"config\"") != NULL);
    TRUE(strstr(r.body, "\"FROM_BOTH\":\"config\"") != NULL);
    TRUE(strstr(r.body, "\"EMPTY\":\"\"") != NULL);
    TRUE(strstr(r.body, "\"HOME\"") == NULL);
    r = call("/facts/x");
    TRUE(strstr(r.body, "test/1.0") != NULL);
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void collector_can_be_off(void)
{
    pillion_config config = PILLION_CONFIG_INIT;

    config.gc_percent = -1;
    start_with(&config);
    TRUE(strstr(call("/runtime").body, "\"GCPercent\":-1") != NULL);
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static _Atomic int messages, wrong_data;
static char        last[8192];
static int32_t     last_level;

static void on_log(void *data, int32_t level, const char *msg, uint64_t len)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    if (data != &messages) {
        wrong_data++;
    }
    pthread_mutex_lock(&lock);
    last_level = level;
    snprintf(last, sizeof(last), "%.*s", (int) len, msg);
    pthread_mutex_unlock(&lock);
    messages++;
}


static void *log_thread(void *arg)
{
    int i;

    (void) arg;
    for (i = 0; i < 100; i++) {
        if (call("/log?level=INFO&msg=hello").status != 204) {
            exit(1);
        }
    }
    return NULL;
}


static void log_callback(void)
{
    pillion_config config = PILLION_CONFIG_INIT;
    pthread_t      t[8];
    int            i, before;

    config.log = on_log;
    config.log_data = &messages;
    config.log_level = PILLION_LOG_INFO;
    start_with(&config);

    CHECK(204, call("/log?level=DEBUG&msg=quiet").status);
    CHECK(204, serve("/log?level=WARN&msg=one+message").status);
    CHECK(PILLION_LOG_WARN, last_level);
    TRUE(strncmp(last, "one message attr=\"a value\"", 26) == 0);
    TRUE(strstr(last, "app: \"behave\"") != NULL);
    TRUE(strstr(last, "request: \"GET /log?level=WARN&msg=one+message HTTP/1.1\"") != NULL);
    TRUE(strstr(last, "host: \"localhost\"") != NULL);
    TRUE(last[strlen(last) - 1] != '\n');
    TRUE(strstr(last, "quiet") == NULL);

    CHECK(PILLION_E_ABORTED, call("/panic").rc);
    CHECK(PILLION_LOG_ERROR, last_level);
    TRUE(strstr(last, "a panic to order") != NULL);
    TRUE(strstr(last, "servePanic") != NULL);

    before = messages;
    for (i = 0; i < 8; i++) {
        CHECK(0, pthread_create(&t[i], NULL, log_thread, NULL));
    }
    for (i = 0; i < 8; i++) {
        pthread_join(t[i], NULL);
    }
    CHECK(800, messages - before);
    CHECK(0, wrong_data);
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void log_descriptor(void)
{
    pillion_config config = PILLION_CONFIG_INIT;
    int            fds[2];
    char           text[65536];
    ssize_t        n;

    CHECK(0, pipe(fds));
    config.log_fd = fds[1];
    start_with(&config);
    CHECK(204, call("/log?level=ERROR&msg=to+the+descriptor").status);
    n = read(fds[0], text, sizeof(text) - 1);
    TRUE(n > 0);
    text[n] = '\0';
    TRUE(strstr(text, "[error] to the descriptor") != NULL);
    TRUE(text[n - 1] == '\n');
    CHECK(PILLION_OK, api.stop(20000, 20000));
    CHECK(1, fcntl(fds[1], F_GETFD) != -1);     /* not closed */
}


/* What a forked child finds. */
static void in_child(abi_queue q, uint64_t h, uint64_t res_handle)
{
    pillion_pair     e[4];
    pillion_request  r = get(e, "/");
    pillion_response res = PILLION_RESPONSE_INIT;
    pillion_io       io = PILLION_IO_INIT;
    pillion_stats_t  stats = PILLION_STATS_INIT;
    pillion_config   config = PILLION_CONFIG_INIT;
    pillion_event    event;
    const char      *name;
    uint64_t         v;
    uint32_t         n;
    int32_t          fd;
    int64_t          begin = now_ms();

    CHECK(PILLION_E_FORKED, api.init(&config));
    CHECK(PILLION_E_FORKED, api.init(NULL));
    CHECK(PILLION_E_FORKED, api.app_find("behave", 6, &v));
    CHECK(PILLION_E_FORKED, api.app_name(0, &name, &v));
    CHECK(PILLION_E_FORKED, api.stop(20000, 20000));
    CHECK(PILLION_E_FORKED, api.stats(&stats));
    CHECK(PILLION_E_FORKED, api.call(&r, &res));
    CHECK(PILLION_E_FORKED, api.call_event(app, NULL, 0, NULL, 0, &res));
    CHECK(PILLION_E_FORKED, api.response_free(res_handle));
    CHECK(PILLION_E_FORKED, api.response_free(0));
    CHECK(PILLION_E_FORKED, api.serve(&r, &io));
    CHECK(PILLION_E_FORKED, api.queue_new(NULL, &v));
    CHECK(PILLION_E_FORKED, api.queue_fd(q.handle, &fd));
    CHECK(PILLION_E_FORKED, api.submit(q.handle, &r, &v));
    CHECK(PILLION_E_FORKED, api.feed(h, "x", 1, 1, &v));
    CHECK(PILLION_E_FORKED, api.feed_trailers(h, NULL, 0));
    CHECK(PILLION_E_FORKED, api.poll(q.handle, &event, sizeof(event), 1, &n));
    CHECK(PILLION_E_FORKED, api.flush(q.handle));
    CHECK(PILLION_E_FORKED, api.credit(h, 0));
    CHECK(PILLION_E_FORKED, api.cancel(h));
    CHECK(PILLION_E_FORKED, api.release(h));
    CHECK(PILLION_E_FORKED, api.release(0));
    CHECK(PILLION_E_FORKED, api.queue_free(q.handle));
    CHECK(PILLION_E_FORKED, api.queue_free(0));
    CHECK(PILLION_ABI, api.abi());
    TRUE(api.version() != NULL);
    TRUE(strlen(api.strerror(PILLION_E_FORKED)) > 10);
    TRUE(now_ms() - begin < 20000);
    _exit(0);
}


static void fork_is_guarded(void)
{
    pillion_pair     e[4];
    pillion_request  req;
    pillion_response res = PILLION_RESPONSE_INIT;
    abi_queue        q;
    result           r;
    uint64_t         h;
    pid_t            pid;
    int              i, status;

    start();
    q = queue_make(0, 0);
    h = queue_submit(q, "/hold?key=f", &r);
    req = get(e, "/");
    CHECK(PILLION_OK, api.call(&req, &res));
    for (i = 0; i < 5; i++) {
        pid = fork();
        if (pid == 0) {
            alarm(20);
            in_child(q, h, res.handle);
        }
        CHECK(pid, waitpid(pid, &status, 0));
        CHECK(0, status);
    }

    /* The parent goes on. */
    tell("f/go");
    queue_finish(q, &r);
    CHECK(200, r.status);
    CHECK(PILLION_OK, api.response_free(res.handle));
    CHECK(PILLION_OK, api.queue_free(q.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void fork_before_init_is_guarded(void)
{
    pid_t pid = fork();
    int   status;

    if (pid == 0) {
        alarm(20);
        CHECK(PILLION_E_FORKED, api.init(NULL));
        CHECK(PILLION_E_FORKED, api.app_find("behave", 6, &app));
        _exit(0);
    }
    CHECK(pid, waitpid(pid, &status, 0));
    CHECK(0, status);
    start();
    CHECK(200, call("/").status);
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void signals_stay_the_callers(void)
{
    sigset_t set;

    /* Blocked here and in Go's threads, a signal to the process stays with it. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    start();
    CHECK(200, call("/").status);
    CHECK(0, kill(getpid(), SIGTERM));
    CHECK(0, kill(getpid(), SIGHUP));
    CHECK(200, serve("/").status);
    sigpending(&set);
    TRUE(sigismember(&set, SIGTERM));
    TRUE(sigismember(&set, SIGHUP));
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


const scenario abi_life[] = {
    { "start_error", start_error },
    { "start_panic", start_panic },
    { "after_stop", after_stop },
    { "stop_drains", stop_drains },
    { "stop_has_a_deadline", stop_has_a_deadline },
    { "stop_outlasts_a_deaf_handler", stop_outlasts_a_deaf_handler },
    { "stop_panic", stop_panic },
    { "settings_are_applied", settings_are_applied },
    { "collector_can_be_off", collector_can_be_off },
    { "log_callback", log_callback },
    { "log_descriptor", log_descriptor },
    { "fork_is_guarded", fork_is_guarded },
    { "fork_before_init_is_guarded", fork_before_init_is_guarded },
    { "signals_stay_the_callers", signals_stay_the_callers },
    { NULL, NULL },
};
