/*
 * abi.h - the tests of the C ABI: scenarios, each run in a process of its own.
 */

#ifndef ABI_H
#define ABI_H

#include <stdint.h>
#include <stdlib.h>

#include "pillion_loader.h"

extern pillion_api api;
extern uint64_t    app;             /* "behave"                                */
extern int         sanitized;

/* Ends the process if a status, or another number, is not what it should be. */
#define CHECK(want, got) check(__FILE__, __LINE__, #got, (int64_t) (want), (int64_t) (got))
void check(const char *file, int line, const char *what, int64_t want, int64_t got);

/* Ends the process if it is not so. */
#define TRUE(it) check(__FILE__, __LINE__, #it, 1, (it) != 0)

/* Starts the library with the defaults, finds the application. */
void start(void);
void start_with(const pillion_config *config);

/* Asserts that nothing is held, when handlers have had their time to end. */
void nothing_left(void);

/* A GET request for a target, with environ in e, of at least four pairs. */
pillion_request get(pillion_pair *e, const char *target);

/* What a request came to. */
typedef struct result {
    int32_t  rc;                    /* of pillion_call() or pillion_serve()    */
    int32_t  status;
    int      infos;
    int      complete;
    int      aborted;
    uint64_t len;
    char     body[4096];            /* its beginning                           */
} result;

/* Runs a GET by the call drive. */
result call(const char *target);

/* Runs a GET by the serve drive. */
result serve(const char *target);

/* A queue with its descriptor. */
typedef struct abi_queue {
    uint64_t handle;
    int32_t  fd;
} abi_queue;

abi_queue queue_make(uint32_t flags, uint32_t max_in_flight);

/* Submits a GET whose data is the result. */
uint64_t queue_submit(abi_queue q, const char *target, result *r);

/* Waits for a queue's next event. */
pillion_event queue_event(abi_queue q);

/* Polls once, waiting if there is nothing, and files what came in the
 * results. Returns how many requests have ended. Credits bodies at once. */
int queue_turn(abi_queue q);

/* Turns until *r has ended. */
void queue_finish(abi_queue q, const result *r);

/* Makes an event happen in the application, or waits for one. */
void tell(const char *key);
void await(const char *key, char *value, size_t size);

int64_t now_ms(void);
int64_t resident(void);             /* bytes */

/* A copy of a string that ends where no byte may be read. */
char *guarded(const char *s);

/* A scenario and its name. */
typedef struct scenario {
    const char *name;
    void      (*run)(void);
} scenario;

extern const scenario abi_args[];
extern const scenario abi_life[];
extern const scenario abi_queues[];
extern const scenario abi_serve[];
extern const scenario abi_event[];
extern const scenario abi_files[];
extern const scenario abi_hijack[];
extern const scenario abi_hot[];
extern const scenario abi_load[];
extern const scenario abi_faults[];
extern const scenario abi_machine[];

#endif
