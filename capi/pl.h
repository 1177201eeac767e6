/* What the C files and the Go files of this package share. Not installed. */

#ifndef PL_H
#define PL_H

#include <stddef.h>
#include <stdint.h>

#include "pillion.h"

/*
 * Fields marked "shared" are read and written by C threads and goroutines at
 * once, always with sequentially consistent atomics: __atomic builtins here,
 * sync/atomic in Go. The others name their one user.
 */

/* What one thread writes and another one needs costs both a cache miss, so each
 * group of fields below has lines of the processor's cache to itself. */
#define PL_LINE 64

typedef struct pl_part    pl_part;
typedef struct pl_message pl_message;
typedef struct pl_room    pl_room;
typedef struct pl_req     pl_req;
typedef struct pl_queue   pl_queue;

/* A checked request: its pairs' lengths and bytes are one block. */
struct pl_message {
    uint32_t *lens;                 /* of names and values, in turns           */
    char     *text;                 /* their bytes                             */
    char     *body;                 /* its first bytes                         */
    uint64_t  text_len;
    uint64_t  body_len;
    uint32_t  environ_len;
    uint32_t  headers_len;
    uint32_t  flags;                /* PILLION_REQUEST_                        */
    uint32_t  app;
};

/* Room for the response of pillion_call(). */
struct pl_room {
    void    *at;
    uint64_t size;
    uint32_t filled;
};

/* A piece of a response: one allocation, pairs and bytes behind it. */
struct pl_part {
    pl_part      *next;             /* shared; set once, by the goroutine      */
    pillion_pair *pairs;
    char         *body;
    uint64_t      body_len;
    uint64_t      file_offset;
    uint64_t      file_len;
    uint64_t      size;             /* of the allocation, written by C         */
    uint32_t      pairs_len;
    uint32_t      flags;            /* PILLION_EVENT_                          */
    int32_t       status;
    int32_t       file;             /* with PILLION_EVENT_FILE; else not owned */
};

/* What the owner asks of a request; a request is on its queue's submission
 * list while its cmds are not 0. */
#define PL_CMD_SUBMIT  1u
#define PL_CMD_FEED    2u
#define PL_CMD_CREDIT  4u
#define PL_CMD_CANCEL  8u
#define PL_CMD_RELEASE 16u

/* What the goroutine tells the owner; a request is on its queue's completion
 * list while QUEUED is set. */
#define PL_SIG_QUEUED  1u
#define PL_SIG_ROOM    2u

/* How a consumer waits: in Go's poller for in_fd, or in a futex. */
#define PL_ASLEEP      1u
#define PL_DOZES       2u

/* What the goroutine waits for. */
#define PL_WAIT_BODY   1u
#define PL_WAIT_CREDIT 2u

/*
 * A request. It lives until refs is 0: one reference for the caller, one for
 * the goroutine, one for each list it is on. Whoever drops the last puts it on
 * queue->recycled, whence the owner frees what it holds and uses it again; its
 * own memory is freed only with the queue.
 */
struct pl_req {
    /* Written by the owner before SUBMIT, then only read.                     */
    _Alignas(PL_LINE)
    pl_queue  *queue;
    uint32_t   slot;                /* index among the queue's requests        */
    uint32_t   credit;
    uint32_t   window;
    pl_message msg;
    uint64_t   block_len;           /* of what msg.lens begins                 */
    uint64_t   block_size;          /* and of its allocation                   */
    uint64_t   handle;              /* owner                                   */
    void      *data;                /* owner                                   */
    pl_req    *all_next;            /* owner: every request of the queue       */
    pl_req    *free_next;

    /* Passed to and fro: all that both sides write for each request.          */
    _Alignas(PL_LINE)
    uint32_t   refs;                /* shared                                  */
    uint32_t   cmds;                /* shared                                  */
    uint32_t   sigs;                /* shared; futex word of pillion_serve()   */
    uint32_t   waits;               /* shared                                  */
    uint32_t   shut;                /* shared; nobody will read any more       */
    uint32_t   ended;               /* shared; the goroutine waits for nothing */
    pl_req    *sub_next;
    pl_req    *cmp_next;
    pl_part   *spare;               /* memory for a part; goroutine            */
    pl_part   *tail;                /* goroutine: the response's last part     */
    pl_part    stub;                /* its first, of which only next changes   */

    _Alignas(PL_LINE)
    pl_part   *cur;                 /* owner: the last part handed out         */
    pl_part   *oldest;              /* owner: the oldest not freed or kept     */
    pl_part   *kept;                /* owner: parts with pairs, until the end  */
    pl_req    *ready_next;          /* owner                                   */
    uint64_t   handed;              /* owner: body bytes handed out            */
    uint64_t   spent;               /* owner: body bytes of freed parts        */
    uint32_t   in_ready;            /* owner                                   */
    uint32_t   want_room;           /* owner                                   */
    uint32_t   body_ended;          /* owner                                   */
    uint32_t   released;            /* owner                                   */

    /* Bytes on their way. The request body: a ring of ring_cap (a power of two)
     * bytes, made at the first feed. */
    _Alignas(PL_LINE)
    uint64_t   fed;                 /* shared; written by the owner            */
    uint64_t   eaten;               /* shared; written by the goroutine        */
    uint64_t   credited;            /* shared; written by the owner            */
    uint64_t   awaited;             /* shared; the credited that ends a wait   */
    char      *ring;
    uint32_t   ring_cap;            /* published by fed                        */
    uint32_t   eof;                 /* shared; written by the owner            */
    uint32_t   starved;             /* shared; a feed took less than it got    */
    uint32_t   raw;                 /* shared; the owner has been handed HIJACK */
    int32_t    wake_fd;             /* shared; of pillion_serve() after hijack */
    uint32_t   trailers_len;
    uint32_t  *trailers;            /* lengths, then bytes; published by eof   */
    uint64_t   trailers_text;       /* bytes                                   */
    pl_part    last;                /* the end, if there is no memory for one  */
};

struct pl_queue {
    _Alignas(PL_LINE)
    pl_req   *subs;                 /* shared: submission list, newest first   */
    uint32_t  asleep;               /* shared: how the consumer waits, or 0    */

    _Alignas(PL_LINE)
    pl_req   *comps;                /* shared: completion list, newest first   */
    uint32_t  armed;                /* shared: the next completion announces   */
    uint32_t  announced;            /* shared: out_fd has been written         */

    _Alignas(PL_LINE)
    pl_req   *recycled;             /* shared                                  */
    uint32_t  refs;                 /* shared: owner, consumer, requests       */
    uint32_t  closing;              /* shared: 1 the owner has gone, 2 for good */

    _Alignas(PL_LINE)
    int32_t   in_fd;                /* closed by the consumer                  */
    int32_t   out_fd;
    uint32_t  serve;                /* many threads, see serve.c               */
    uint32_t  batch;                /* owner, as all below                     */
    uint32_t  max_in_flight;

    _Alignas(PL_LINE)
    uint32_t  live;
    uint32_t  slots;
    pl_req   *staged;               /* newest first                            */
    pl_req   *staged_last;
    pl_req   *ready;
    pl_req   *ready_last;
    pl_req   *spare;
    pl_req   *all;
};

/* Counters for pillion_stats(), shared. What is buffered is the sum of what
 * callers' threads and goroutines have added, each without the other: the parts
 * that goroutines make are taken off by callers. */
typedef struct pl_counts {
    _Alignas(PL_LINE)
    uint64_t requests;
    uint64_t buffered;
    uint64_t wakes_in;
    uint32_t queues;

    _Alignas(PL_LINE)
    uint64_t made;                  /* bytes of parts, by goroutines           */
    uint64_t wakes_out;
} pl_counts;

extern pl_counts pl_count;

/* Called from Go. */
pl_part *pl_part_new(uint64_t size);
void     pl_room_grow(pl_room *room, uint64_t size);
void     pl_queue_destroy(pl_queue *q);
int32_t  pl_app_publish(char *name, uint64_t len);
void     pl_log(int32_t level, char *msg, uint64_t len);
char    *pl_environ(uint32_t i);

#endif
