/* Handles: kind, generation and index in one number, checked at every use. */

#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

#define PL_SEG_BITS 10u
#define PL_SEG_SIZE (1u << PL_SEG_BITS)
#define PL_SEGS     4096u
#define PL_KINDS    5u
#define PL_GEN_MASK 0x0fffffffu

/* All shared. Entries are never freed. */
typedef struct pl_entry {
    void    *p;
    uint32_t gen;                   /* odd while the entry is in use           */
    uint32_t next;                  /* free list, index + 1                    */
} pl_entry;

typedef struct pl_table {
    uint64_t        free;           /* shared; index + 1 of the first, above   */
                                    /* it how often the list has changed       */
    pl_entry       *segs[PL_SEGS];  /* shared                                  */
    uint32_t        len;            /* shared                                  */
    pthread_mutex_t lock;           /* of who adds entries                     */
} pl_table;

static pl_table tables[PL_KINDS] = {
    { .lock = PTHREAD_MUTEX_INITIALIZER }, { .lock = PTHREAD_MUTEX_INITIALIZER },
    { .lock = PTHREAD_MUTEX_INITIALIZER }, { .lock = PTHREAD_MUTEX_INITIALIZER },
    { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static pl_entry *entry_at(pl_table *t, uint32_t i)
{
    return &pl_load(&t->segs[i >> PL_SEG_BITS])[i & (PL_SEG_SIZE - 1)];
}

static pl_entry *entry_of(uint32_t kind, uint64_t handle, uint32_t *gen)
{
    pl_table *t = &tables[kind];
    uint32_t  i = (uint32_t) handle;

    if (handle >> 60 != kind || i >= pl_load(&t->len)) {
        return NULL;
    }
    *gen = (uint32_t) (handle >> 32) & PL_GEN_MASK;
    return entry_at(t, i);
}

/* The head of the free list with i in place of its index. The count above it
 * tells a head that has gone and come back. */
static uint64_t head_of(uint64_t head, uint32_t i)
{
    return ((head >> 32) + 1) << 32 | i;
}

static pl_entry *pop(pl_table *t, uint32_t *i)
{
    uint64_t  head = pl_load(&t->free);
    pl_entry *e;

    do {
        if ((uint32_t) head == 0) {
            return NULL;
        }
        *i = (uint32_t) head - 1;
        e = entry_at(t, *i);
    } while (!pl_cas(&t->free, &head, head_of(head, pl_load(&e->next))));
    return e;
}

static void push(pl_table *t, pl_entry *e, uint32_t i)
{
    uint64_t head = pl_load(&t->free);

    do {
        pl_store(&e->next, (uint32_t) head);
    } while (!pl_cas(&t->free, &head, head_of(head, i + 1)));
}

/* An entry that there was not before. */
static pl_entry *grow(pl_table *t, uint32_t *i)
{
    pl_entry **seg, *e = NULL;

    pthread_mutex_lock(&t->lock);
    *i = t->len;
    if (*i < PL_SEGS * PL_SEG_SIZE) {
        seg = &t->segs[*i >> PL_SEG_BITS];
        if (*seg == NULL) {
            pl_store(seg, calloc(PL_SEG_SIZE, sizeof(pl_entry)));
        }
        if (*seg != NULL) {
            e = entry_at(t, *i);
            pl_store(&t->len, *i + 1);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return e;
}

uint64_t pl_handle_put(uint32_t kind, void *p)
{
    pl_table *t = &tables[kind];
    uint32_t  i, gen;
    pl_entry *e = pop(t, &i);

    if (e == NULL && (e = grow(t, &i)) == NULL) {
        return 0;
    }
    gen = (e->gen + 1) & PL_GEN_MASK;
    pl_store(&e->p, p);
    pl_store(&e->gen, gen);
    return (uint64_t) kind << 60 | (uint64_t) gen << 32 | i;
}

void *pl_handle_find(uint32_t kind, uint64_t handle)
{
    uint32_t  gen;
    pl_entry *e = entry_of(kind, handle, &gen);
    void     *p;

    if (e == NULL || (gen & 1) == 0) {
        return NULL;
    }
    p = pl_load(&e->p);
    return pl_load(&e->gen) == gen ? p : NULL;
}

void *pl_handle_take(uint32_t kind, uint64_t handle)
{
    uint32_t  gen;
    pl_entry *e = entry_of(kind, handle, &gen);
    void     *p;

    if (e == NULL || (gen & 1) == 0) {
        return NULL;
    }
    p = pl_load(&e->p);
    if (!pl_cas(&e->gen, &gen, (gen + 1) & PL_GEN_MASK)) {
        return NULL;
    }
    push(&tables[kind], e, (uint32_t) handle);
    return p;
}

/* What the entry of that index holds, NULL if it is not in use. Takes no lock. */
int pl_handle_at(uint32_t kind, uint32_t i, void **p)
{
    pl_entry *e;

    if (i >= pl_load(&tables[kind].len)) {
        return 0;
    }
    e = entry_at(&tables[kind], i);
    *p = (pl_load(&e->gen) & 1) != 0 ? pl_load(&e->p) : NULL;
    return 1;
}

uint64_t pl_handle_count(uint32_t kind)
{
    uint64_t used = 0;
    uint32_t i;
    void    *p;

    for (i = 0; pl_handle_at(kind, i, &p); i++) {
        used += p != NULL;
    }
    return used;
}
