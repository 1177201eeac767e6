/* What the C files share among themselves: guards, checks and tables. */

#ifndef PL_INTERNAL_H
#define PL_INTERNAL_H

#include "pl.h"

#define pl_load(p)        __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define pl_store(p, v)    __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define pl_swap(p, v)     __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define pl_add(p, v)      __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)
#define pl_sub(p, v)      __atomic_sub_fetch((p), (v), __ATOMIC_SEQ_CST)
#define pl_fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define pl_fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define pl_cas(p, old, v) \
    __atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* state.c: the life of the process. */
int32_t pl_guard(void);             /* PILLION_E_FORKED or OK                  */
int32_t pl_ready(void);             /* OK only between init and stop           */

/* table.c: handles. The kind is part of the handle. */
#define PL_KIND_APP      1u
#define PL_KIND_QUEUE    2u
#define PL_KIND_RESPONSE 3u
#define PL_KIND_REQUEST  4u

uint64_t pl_handle_put(uint32_t kind, void *p);         /* 0: out of memory    */
uint64_t pl_handle_count(uint32_t kind);                 /* those in use        */
void    *pl_handle_find(uint32_t kind, uint64_t handle); /* NULL: gone          */
void    *pl_handle_take(uint32_t kind, uint64_t handle); /* NULL: gone          */
int      pl_handle_at(uint32_t kind, uint32_t i, void **p); /* 0: past the last */

/* apps.c */
int32_t pl_app_check(uint64_t handle, uint32_t *index);
const char *pl_app_name_at(uint32_t index, uint32_t *len);

/* request.c: a request's memory. */
int32_t pl_room_for_go(uint64_t len);               /* OK or PILLION_E_MEMORY  */
int32_t pl_request_check(const pillion_request *given, pillion_request *req, uint64_t *text_len,
                         uint32_t *app);
uint64_t pl_pairs_size(const pillion_request *req, uint64_t text_len);
void    pl_pairs_put(const pillion_request *req, uint64_t text_len, uint32_t *block, pl_message *msg);
int32_t pl_req_fill(pl_req *r, const pillion_request *req, uint64_t text_len, uint32_t app);
void    pl_req_empty(pl_req *r);
void    pl_req_free(pl_req *r);
int32_t pl_req_feed(pl_req *r, const char *bytes, uint64_t len, int32_t last, uint64_t *taken);
char   *pl_req_space(pl_req *r, uint64_t *space);
void    pl_req_filled(pl_req *r, uint64_t n);           /* 0: the end          */
int32_t pl_req_trailers(pl_req *r, const pillion_pair *trailers, uint32_t n);
void    pl_req_credit(pl_req *r, uint64_t bytes);
pl_part *pl_req_next(pl_req *r);    /* the next part, which becomes r->cur     */
void    pl_req_unref(pl_req *r);

/* queue.c */
int32_t pl_queue_make(const pillion_queue_config *config, uint32_t serve, pl_queue **queue);
int32_t pl_queue_reserve(pl_queue *q, pl_req **r);
void    pl_queue_unreserve(pl_queue *q, pl_req *r);
void    pl_queue_command(pl_queue *q, pl_req *r, uint32_t cmd);
void    pl_queue_start(pl_queue *q, pl_req *r);
void    pl_queue_release(pl_queue *q, pl_req *r);
void    pl_queue_unref(pl_queue *q);
void    pl_queue_reap(pl_queue *q);

/* serve.c */
void    pl_serve_reap(void);
pl_queue *pl_serve_queue(void);     /* NULL before the first pillion_serve()   */

/* crash.c */
void    pl_crash_watch(int32_t fd);

/* connection.c: the serve drive after HIJACK. */
int32_t pl_connection_drive(pl_req *r, const pillion_io *io);

/* exports.go; cgo writes its prototypes without const. */
extern int32_t pl_go_init(pillion_config *config);
extern int32_t pl_go_stop(uint32_t drain_ms, uint32_t stop_ms);
extern int32_t pl_go_apps(void);
extern int32_t pl_go_stats(pillion_stats_t *stats);
extern int32_t pl_go_call(pl_message *msg, pl_room *room, pillion_response *response);
extern int32_t pl_go_call_event(uint32_t app, char *event, uint64_t event_len, char *context,
                                uint64_t context_len, pl_room *room, pillion_response *response);
extern int32_t pl_go_queue(pl_queue *q);

#endif
