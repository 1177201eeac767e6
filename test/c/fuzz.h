/*
 * fuzz.h - callers that keep no rule but two: they hand over no memory that is
 * not theirs, and one thread at a time drives a queue.
 */

#ifndef FUZZ_H
#define FUZZ_H

#include <pillion_loader.h>

#include <stdlib.h>

extern pillion_api api;
extern uint64_t    app;
extern char        file_path[];         /* FILE_SIZE bytes                        */
extern int         sanitized;

#define FILE_SIZE 150000

/* What the process has come to; it decides what every function may answer. */
enum { BEFORE, RUNNING, STOPPING, AFTER };
extern int phase;

/* Statuses as a set. */
#define S(name) (1u << -(PILLION_##name))

#define REQUESTS  6
#define RESPONSES 4
#define QUEUES    2
#define AREAS     6

/* A request as its caller knows it. */
typedef struct request {
    uint64_t handle;                    /* 0: none                                */
    uint64_t borrowed;                  /* handed out and not credited            */
    uint32_t flags;
    int      infos;
    int      head;
    int      trailers;
    int      raw;
    int      ended;
} request;

/* A queue and its requests. It may be left to another thread. */
typedef struct queue {
    uint64_t handle;
    int32_t  fd;
    request  requests[REQUESTS];
} queue;

/* A sequence of calls under way, and the thread it runs on. */
typedef struct sequence {
    uint64_t    number;
    uint64_t    random;
    uint32_t    refuse;                 /* statuses that the arguments call for   */
    int         depth;                  /* calls within callbacks                 */
    queue      *queues[QUEUES];
    uint64_t    responses[RESPONSES];
    char       *areas[AREAS];           /* each ends where no byte may be read    */
    const char *doing;                  /* for the watchdog, as the next          */
    int64_t     since;
} sequence;

/* The exports in the order of pillion.h. */
enum {
#define FUZZ_NUMBER(name, type, args) EXPORT_##name,
    PILLION_LOADER_FUNCTIONS(FUZZ_NUMBER)
#undef FUZZ_NUMBER
    EXPORTS
};

/* Ends the process with the seed and the number of the sequence. */
void fail(sequence *z, const char *what, int64_t value);
#define MUST(z, it, value)                                                                         \
    do {                                                                                           \
        if (!(it)) {                                                                               \
            fail(z, #it, (int64_t) (value));                                                       \
        }                                                                                          \
    } while (0)

/* Has one call made, known to the watchdog while it lasts. */
#define CALL(z, name, ...) (enter(z, EXPORT_##name), answered(z, api.name(__VA_ARGS__)))
void    enter(sequence *z, int export);
int32_t answered(sequence *z, int32_t rc);

/* fuzz_make.c: chance, memory, arguments. */
uint64_t fuzz_mix(uint64_t x);
uint32_t choose(sequence *z, uint32_t n);
int      once_in(sequence *z, uint32_t n);
void     memory_make(sequence *z);
char    *some_bytes(sequence *z, int area, uint64_t len);
void    *placed(sequence *z, int area, void *structure, uint32_t size, uint32_t first);
void     touch(const char *bytes, uint64_t len);
void     touch_pairs(const pillion_pair *pairs, uint32_t n);
int64_t  now_ms(void);

/* Where handles of other threads are found: those that are gone, and those
 * that live, for functions of another kind. */
enum { KIND_QUEUE, KIND_RESPONSE, KIND_REQUEST, KINDS };
void     show(int kind, uint64_t handle);
void     show_gone(uint64_t handle);
uint64_t no_handle(sequence *z, int kind);

/* A request for the drive; what is wrong with it goes to z->refuse. */
enum { BY_CALL, BY_SERVE, BY_QUEUE, DRIVES };
const pillion_request *make_request(sequence *z, int drive, pillion_request *req);
const char            *make_target(sequence *z, int drive);

/* The status is one of those that go with z->refuse, with the phase and, if
 * nothing is wrong, with when_right. */
void expect(sequence *z, int32_t rc, uint32_t when_right);
void expect_always(sequence *z, int32_t rc, uint32_t when_right);

/* fuzz_calls.c, fuzz_queue.c, fuzz_serve.c: fuzz_NAME for each export. */
#define FUZZ_PROTOTYPE(name, type, args) void fuzz_##name(sequence *z);
PILLION_LOADER_FUNCTIONS(FUZZ_PROTOTYPE)
#undef FUZZ_PROTOTYPE
void any_export(sequence *z);
void end_responses(sequence *z);
void free_shared_responses(sequence *z);
void end_queues(sequence *z);
void free_left_queues(sequence *z);

#endif
