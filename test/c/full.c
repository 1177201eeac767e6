/*
 * full.c - a library in front of another, which it is linked with: that one,
 * with room for four requests.
 */

#include <dlfcn.h>
#include <stdatomic.h>

#include <pillion.h>

#define ROOM 4

/* RTLD_NEXT is what this library is linked with. */
#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

int32_t pillion_queue_new(const pillion_queue_config *given, uint64_t *queue)
{
    pillion_queue_config config = *given;

    config.max_in_flight = ROOM;
    return NEXT(pillion_queue_new)(&config, queue);
}

/* All threads share a queue of the most that there can be, which is too many to
 * be filled: this stands in for it. */
int32_t pillion_serve(const pillion_request *request, const pillion_io *io)
{
    static atomic_int in_flight;
    int32_t           rc = PILLION_E_FULL;

    if (atomic_fetch_add(&in_flight, 1) < ROOM) {
        rc = NEXT(pillion_serve)(request, io);
    }
    atomic_fetch_sub(&in_flight, 1);
    return rc;
}
