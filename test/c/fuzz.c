/*
 * fuzz.c - calls every function of pillion.h in any order with any arguments,
 * from several threads.
 *
 *     fuzz LIBRARY [-seed N] [-sequences N] [-threads N] [-only M] [-stall M]
 *
 * A sequence is a few dozen calls that depend on the seed and its number. The
 * first run before the library is started, the last while and after it is
 * stopped. It fails with a sentence, the seed and the number if a function
 * returns what pillion.h does not say, if events come in another order, if a
 * call does not return, or if memory or descriptors are left. -only runs one
 * sequence by itself; -stall has one never end, to see the watchdog.
 */

#include "fuzz.h"

#include <dirent.h>
#include <time.h>
#include <unistd.h>

#define THREADS  16
#define ROUNDS   10
#define PATIENCE 60000                  /* ms */
#define STATUSES 16
#define ROOM     (8 << 20)              /* what resident memory may differ by     */

pillion_api api;
uint64_t    app;
char        file_path[64];
int         sanitized;
int         phase;

static uint64_t seed = 1, sequences = 20000, only = UINT64_MAX, stall = UINT64_MAX;
static uint32_t threads = 4;
static sequence sides[THREADS];
static uint64_t next_number, end_number;
static uint64_t calls[EXPORTS], answers[EXPORTS][STATUSES];

static const char *const names[] = {
#define NAME(name, type, args) "pillion_" #name,
    PILLION_LOADER_FUNCTIONS(NAME)
#undef NAME
};

static void (*const exports[])(sequence *z) = {
#define RUN(name, type, args) fuzz_##name,
    PILLION_LOADER_FUNCTIONS(RUN)
#undef RUN
};

/* Most calls are of these, so that requests get somewhere. */
static void (*const favoured[])(sequence *z) = {
    fuzz_submit, fuzz_submit, fuzz_poll, fuzz_poll, fuzz_poll, fuzz_poll, fuzz_feed, fuzz_feed, fuzz_credit,
    fuzz_credit, fuzz_feed_trailers, fuzz_release, fuzz_call, fuzz_serve,
};


static const char *doing(const sequence *z)
{
    const char *what = __atomic_load_n(&z->doing, __ATOMIC_SEQ_CST);

    return what != NULL ? what : "nothing";
}


void fail(sequence *z, const char *what, int64_t value)
{
    fprintf(stderr, "fuzz: %s: it is not so: %s (%lld)\n", doing(z), what, (long long) value);
    fprintf(stderr, "fuzz: again with -seed %llu -sequences %llu -only %llu\n", (unsigned long long) seed,
            (unsigned long long) sequences, (unsigned long long) z->number);
    _exit(1);
}


static void does(sequence *z, const char *what)
{
    __atomic_store_n(&z->since, now_ms(), __ATOMIC_SEQ_CST);
    __atomic_store_n(&z->doing, what, __ATOMIC_SEQ_CST);
}


void enter(sequence *z, int export)
{
    does(z, names[export]);
    __atomic_add_fetch(&calls[export], 1, __ATOMIC_RELAXED);
}


int32_t answered(sequence *z, int32_t rc)
{
    int i;

    for (i = 0; i < EXPORTS && names[i] != z->doing; i++) {
    }
    if (i < EXPORTS && rc <= 0 && rc > -STATUSES) {
        __atomic_add_fetch(&answers[i][-rc], 1, __ATOMIC_RELAXED);
    }
    return rc;
}


void any_export(sequence *z)
{
    z->refuse = 0;
    if (once_in(z, 4)) {
        exports[choose(z, EXPORTS)](z);
    } else {
        favoured[choose(z, sizeof(favoured) / sizeof(favoured[0]))](z);
    }
}


static void end_sequence(sequence *z)
{
    end_responses(z);
    end_queues(z);
    does(z, NULL);
}


/* Each step has its own chance, so that what a step meets does not change what
 * the next ones do. */
static void run_sequence(sequence *z, uint64_t number)
{
    uint64_t own = fuzz_mix(seed * 0x9e3779b97f4a7c15u + number);
    uint32_t steps, i;

    z->number = number;
    z->random = own;
    steps = 4 + choose(z, 32);
    for (i = 1; i <= steps; i++) {
        z->random = fuzz_mix(own + i);
        any_export(z);
    }
    if (number == stall) {
        does(z, "stalling");
        pause();
    }
    end_sequence(z);
}


/* Lets handlers end that nobody waits for any more. */
static void slow_down(sequence *z)
{
    pillion_stats_t s = PILLION_STATS_INIT;
    struct timespec moment = { 0, 1000000 };

    does(z, "waiting for handlers that were cancelled");
    while (api.stats(&s) == PILLION_OK && s.running > 400) {
        nanosleep(&moment, NULL);
    }
}


static void *run_side(void *side)
{
    sequence *z = side;
    uint64_t  number;

    while ((number = __atomic_fetch_add(&next_number, 1, __ATOMIC_SEQ_CST)) < end_number) {
        run_sequence(z, number);
        if (number % 64 == 0) {
            slow_down(z);
        }
    }
    does(z, NULL);
    return NULL;
}


static void start_sides(pthread_t *t, uint64_t from, uint64_t to)
{
    uint32_t i;

    next_number = from;
    end_number = to;
    for (i = 0; i < threads; i++) {
        if (pthread_create(&t[i], NULL, run_side, &sides[i]) != 0) {
            perror("fuzz: pthread_create");
            exit(1);
        }
    }
}


static void join_sides(pthread_t *t)
{
    uint32_t i;

    for (i = 0; i < threads; i++) {
        pthread_join(t[i], NULL);
    }
    free_left_queues(&sides[0]);
    free_shared_responses(&sides[0]);
    does(&sides[0], NULL);
}


static void run_sides(uint64_t from, uint64_t to)
{
    pthread_t t[THREADS];

    start_sides(t, from, to);
    join_sides(t);
}


/* Tells what every thread is at when one has been at it for too many turns of
 * the watch. Turns, since a process may be stopped for a while. */
static void *watch(void *unused)
{
    static int64_t  seen[THREADS];
    static int      turns[THREADS];
    struct timespec second = { 1, 0 };
    uint32_t        i, k;

    for (;; nanosleep(&second, NULL)) {
        for (i = 0; i < threads; i++) {
            int64_t since = __atomic_load_n(&sides[i].since, __ATOMIC_SEQ_CST);

            turns[i] = since == seen[i] && sides[i].doing != NULL ? turns[i] + 1 : 0;
            seen[i] = since;
            if (turns[i] < (stall != UINT64_MAX ? 2 : PATIENCE / 1000)) {
                continue;
            }
            fprintf(stderr, "fuzz: seed %llu: a thread is stuck\n", (unsigned long long) seed);
            for (k = 0; k < threads; k++) {
                fprintf(stderr, "fuzz: thread %u: sequence %llu: %s for %lld ms\n", k,
                        (unsigned long long) sides[k].number, doing(&sides[k]),
                        (long long) (now_ms() - sides[k].since));
            }
            _exit(3);
        }
    }
    return unused;
}


static int64_t resident(void)
{
    long  total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2) {
        exit(1);
    }
    fclose(f);
    return (int64_t) pages * sysconf(_SC_PAGESIZE);
}


static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int  n = 0;

    if (dir == NULL) {
        exit(1);
    }
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}


/* Ends the process unless all that was had is given back, descriptors down to
 * so many. */
static void nothing_left(int fds)
{
    pillion_stats_t s = PILLION_STATS_INIT;
    struct timespec moment = { 0, 1000000 };
    int64_t         end = now_ms() + PATIENCE;

    do {
        if (api.stats(&s) != PILLION_OK) {
            break;
        }
        if (s.requests + s.responses + s.running + s.buffered + s.queues == 0 && (fds == 0 || descriptors() <= fds)) {
            return;
        }
        nanosleep(&moment, NULL);
    } while (now_ms() < end);
    fprintf(stderr, "fuzz: seed %llu, up to sequence %llu: left are %u queues, %llu requests, %llu responses, "
            "%llu handlers, %llu bytes, %d descriptors (%d)\n", (unsigned long long) seed,
            (unsigned long long) end_number, s.queues, (unsigned long long) s.requests,
            (unsigned long long) s.responses, (unsigned long long) s.running, (unsigned long long) s.buffered,
            descriptors(), fds);
    exit(1);
}


/* A file to send from, gone when the process ends. */
static void make_file(void)
{
    static char bytes[FILE_SIZE];
    FILE       *f;

    snprintf(file_path, sizeof(file_path), "/tmp/pillion-fuzz-%d", (int) getpid());
    f = fopen(file_path, "wx");
    if (f == NULL || fwrite(bytes, 1, FILE_SIZE, f) != FILE_SIZE || fclose(f) != 0) {
        perror("fuzz: file");
        exit(1);
    }
}


static void remove_file(void)
{
    unlink(file_path);
}


static void on_log(void *data, int32_t level, const char *msg, uint64_t len)
{
    if (data != &phase || level < PILLION_LOG_INFO) {
        abort();
    }
    touch(msg, len);
}


static void must_be(const char *what, int32_t want, int32_t rc)
{
    if (rc != want) {
        fprintf(stderr, "fuzz: %s: %s, not %s\n", what, api.strerror(rc), api.strerror(want));
        exit(1);
    }
}


static void load(const char *library)
{
    char     err[512];
    uint32_t i;

    if (pillion_loader_open(library, &api, err, sizeof(err)) == -1) {
        fprintf(stderr, "%s\n", err);
        exit(1);
    }
    must_be("pillion_app_find", PILLION_OK, api.app_find("behave", 6, &app));
    sanitized = getenv("ABI_SANITIZED") != NULL;
    for (i = 0; i < threads; i++) {
        memory_make(&sides[i]);
    }
    make_file();
    atexit(remove_file);
}


static void start(void)
{
    pillion_config config = PILLION_CONFIG_INIT;

    config.log = on_log;
    config.log_data = &phase;
    enter(&sides[0], EXPORT_init);
    must_be("pillion_init", PILLION_OK, answered(&sides[0], api.init(&config)));
    does(&sides[0], NULL);
    phase = RUNNING;
}


/* Stops the library while threads use it, and uses it then. */
static void stop_in_the_middle(uint64_t from, uint64_t middle, uint64_t end)
{
    struct timespec moment = { 0, 1000000 };
    pthread_t       t[THREADS];
    int32_t         rc;

    start_sides(t, from, middle);
    while (__atomic_load_n(&next_number, __ATOMIC_SEQ_CST) < (from + middle) / 2) {
        nanosleep(&moment, NULL);
    }
    __atomic_store_n(&phase, STOPPING, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&calls[EXPORT_stop], 1, __ATOMIC_RELAXED);
    rc = api.stop(20, PATIENCE);
    must_be("pillion_stop", PILLION_OK, rc);
    __atomic_add_fetch(&answers[EXPORT_stop][0], 1, __ATOMIC_RELAXED);
    join_sides(t);
    phase = AFTER;
    run_sides(middle, end);
}


static void report(int64_t begin)
{
    uint32_t i, k;

    for (i = 0; i < EXPORTS; i++) {
        printf("%-24s %10llu", names[i], (unsigned long long) calls[i]);
        for (k = 0; k < STATUSES; k++) {
            if (answers[i][k] != 0) {
                printf("  %d: %llu", -(int) k, (unsigned long long) answers[i][k]);
            }
        }
        printf("\n");
    }
    printf("%llu sequences of seed %llu in %.1f s\n", (unsigned long long) sequences, (unsigned long long) seed,
           (double) (now_ms() - begin) / 1000);
}


/* Memory that grows from round to round is lost. */
static void must_be_flat(const int64_t *memory)
{
    int64_t early = 0, late = INT64_MAX;
    int     i;

    for (i = 2; i < 6; i++) {
        early = memory[i] > early ? memory[i] : early;
    }
    for (i = 7; i < ROUNDS; i++) {
        late = memory[i] < late ? memory[i] : late;
    }
    if (!sanitized && late > early + ROOM) {
        fprintf(stderr, "fuzz: seed %llu: resident memory grows: %lld KiB, later %lld KiB\n",
                (unsigned long long) seed, (long long) early / 1024, (long long) late / 1024);
        exit(1);
    }
}


static void run_all(void)
{
    uint64_t few = sequences / 100 + 1, from = few, to, length = sequences - 3 * few;
    int64_t  begin = now_ms(), memory[ROUNDS];
    int      i, fds = 0;

    run_sides(0, few);
    start();
    for (i = 0; i < ROUNDS; i++, from = to) {
        to = few + length * (uint64_t) (i + 1) / ROUNDS;
        run_sides(from, to);
        nothing_left(fds);
        fds = i == 0 ? descriptors() : fds;
        memory[i] = resident();
        printf("%3d%% %6.1f s  resident %lld KiB, %d descriptors\n", (i + 1) * 100 / ROUNDS,
               (double) (now_ms() - begin) / 1000, (long long) memory[i] / 1024, descriptors());
        fflush(stdout);
    }
    must_be_flat(memory);
    stop_in_the_middle(from, from + few, sequences);
    nothing_left(fds);
    report(begin);
}


static void run_one(void)
{
    uint64_t few = sequences / 100 + 1;

    if (only >= few) {
        start();
    }
    if (only >= sequences - few) {
        must_be("pillion_stop", PILLION_OK, api.stop(20, PATIENCE));
        phase = AFTER;
    }
    run_sequence(&sides[0], only);
    free_left_queues(&sides[0]);
    free_shared_responses(&sides[0]);
    if (only >= few) {
        nothing_left(0);
    }
    printf("sequence %llu passed\n", (unsigned long long) only);
}


int main(int argc, char **argv)
{
    pthread_t watcher;
    int       i;

    for (i = 2; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "-seed") == 0) {
            seed = n;
        } else if (strcmp(argv[i], "-sequences") == 0) {
            sequences = n;
        } else if (strcmp(argv[i], "-only") == 0) {
            only = n;
        } else if (strcmp(argv[i], "-stall") == 0) {
            stall = n;
        } else if (strcmp(argv[i], "-threads") == 0 && n > 0 && n <= THREADS) {
            threads = (uint32_t) n;
        } else {
            break;
        }
    }
    if (argc < 2 || i != argc || sequences < 100) {
        fprintf(stderr, "usage: fuzz LIBRARY [-seed N] [-sequences N] [-threads N] [-only M] [-stall M]\n");
        return 2;
    }
    load(argv[1]);
    if (pthread_create(&watcher, NULL, watch, NULL) != 0) {
        perror("fuzz: pthread_create");
        return 1;
    }
    if (only != UINT64_MAX) {
        run_one();
    } else {
        run_all();
    }
    return 0;
}
