/* Handles: kind, generation and index in one number, checked at every use. */

#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

#define PL_SEG_BITS 10u
#define PL_SEG_SIZE (1u << PL_SEG_BITS)
#define PL_SEGS     4096u
#define PL_KINDS    5u
#define PL_GEN_MASK 0x0fffffffu

typedef struct pl_entry {
    void    *p;
    uint32_t gen;                   /* shared; odd while the entry is in use   */
    uint32_t next;                  /* free list, index + 1                    */
} pl_entry;

typedef struct pl_table {
    pthread_mutex_t lock;
    pl_entry       *segs[PL_SEGS];  /* shared; never freed                     */
    uint32_t        len;            /* shared                                  */
    uint32_t        free;
    uint32_t        used;
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

uint64_t pl_handle_put(uint32_t kind, void *p)
{
    pl_table *t = &tables[kind];
    pl_entry *e = NULL;
    uint32_t  i, gen = 0;

    pthread_mutex_lock(&t->lock);
    if (t->free != 0) {
        i = t->free - 1;
        e = entry_at(t, i);
        t->free = e->next;
    } else {
        i = t->len;
        if (i < PL_SEGS * PL_SEG_SIZE) {
            if (t->segs[i >> PL_SEG_BITS] == NULL) {
                pl_store(&t->segs[i >> PL_SEG_BITS], calloc(PL_SEG_SIZE, sizeof(pl_entry)));
            }
            if (t->segs[i >> PL_SEG_BITS] != NULL) {
                e = entry_at(t, i);
                pl_store(&t->len, i + 1);
            }
        }
    }
    if (e != NULL) {
        e->p = p;
        gen = (e->gen + 1) & PL_GEN_MASK;
        pl_store(&e->gen, gen);
        t->used++;
    }
    pthread_mutex_unlock(&t->lock);

    return e == NULL ? 0 : (uint64_t) kind << 60 | (uint64_t) gen << 32 | i;
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
    pl_table *t = &tables[kind];
    uint32_t  gen;
    pl_entry *e = entry_of(kind, handle, &gen);
    void     *p = NULL;

    if (e == NULL || (gen & 1) == 0) {
        return NULL;
    }
    pthread_mutex_lock(&t->lock);
    if (e->gen == gen) {
        p = e->p;
        pl_store(&e->gen, (gen + 1) & PL_GEN_MASK);
        e->next = t->free;
        t->free = (uint32_t) handle + 1;
        t->used--;
    }
    pthread_mutex_unlock(&t->lock);
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
    pl_table *t = &tables[kind];
    uint64_t  used;

    pthread_mutex_lock(&t->lock);
    used = t->used;
    pthread_mutex_unlock(&t->lock);
    return used;
}
