/* The call drive: one request on the calling thread, the response in one
 * allocation. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define RESPONSE_MIN offsetof(pillion_response, body_len) + sizeof(uint64_t)

typedef union pl_block {
    uint64_t size;
    void    *align;
} pl_block;

/* What most responses fit in, so that Go need not call for more. */
#define ROOM 2048u

/* Whether the room of one response is kept for the next: not where a sanitizer
 * is to find callers that use a response which they have freed. */
#ifdef __SANITIZE_ADDRESS__
#define KEEP 0
#else
#define KEEP 1
#endif

static pl_block *kept;              /* shared; of ROOM bytes, or NULL          */

static void block_free(pl_block *b)
{
    pl_block *none = NULL;

    if (!KEEP || b == NULL || b->size != ROOM || pl_load(&kept) != NULL
        || !pl_cas(&kept, &none, b))
    {
        free(b);
    }
}

static int32_t room_make(pl_room *room, uint64_t size)
{
    pl_block *b = NULL;

    if (size <= ROOM) {
        size = ROOM;
        b = pl_load(&kept) != NULL ? pl_swap(&kept, NULL) : NULL;
    }
    if (b == NULL) {
        b = malloc(sizeof(pl_block) + size);
    }
    room->filled = 0;
    room->at = NULL;
    if (b == NULL) {
        return PILLION_E_MEMORY;
    }
    b->size = room->size = size;
    room->at = b + 1;
    return PILLION_OK;
}

static void room_free(pl_room *room)
{
    block_free(room->at == NULL ? NULL : (pl_block *) room->at - 1);
}

/* Nothing of what was in the room is kept. */
void pl_room_grow(pl_room *room, uint64_t size)
{
    room_free(room);
    room_make(room, size);
}

/* Gives the caller what Go has put into the room. */
static int32_t give(pl_room *room, pillion_response *all, pillion_response *response, int32_t rc)
{
    uint32_t  size = response->size;
    pl_block *b;

    if (!room->filled) {
        room_free(room);
    } else {
        b = (pl_block *) room->at - 1;
        all->handle = pl_handle_put(PL_KIND_RESPONSE, b);
        if (all->handle == 0) {
            room_free(room);
            return PILLION_E_MEMORY;
        }
        pl_add(&pl_count.buffered, b->size);
    }
    all->size = size;
    memcpy(response, all, size < sizeof(*all) ? size : sizeof(*all));
    return rc;
}

int32_t pillion_response_free(uint64_t handle)
{
    int32_t   rc = pl_guard();
    pl_block *b;

    if (rc != PILLION_OK || handle == 0) {
        return rc;
    }
    b = pl_handle_take(PL_KIND_RESPONSE, handle);
    if (b == NULL) {
        return PILLION_E_GONE;
    }
    pl_sub(&pl_count.buffered, b->size);
    block_free(b);
    return PILLION_OK;
}

int32_t pillion_call(const pillion_request *given, pillion_response *response)
{
    pillion_request  req;
    pillion_response all;
    pl_message       msg;
    pl_room          room;
    uint64_t         text_len;
    uint32_t         app;
    int32_t          rc = pl_guard();

    if (rc != PILLION_OK) {
        return rc;
    }
    if (response == NULL) {
        return PILLION_E_ARG;
    }
    if (response->size < RESPONSE_MIN) {
        return PILLION_E_SIZE;
    }
    rc = pl_request_check(given, &req, &text_len, &app);
    if (rc == PILLION_OK && req.flags != 0) {
        rc = PILLION_E_ARG;
    }
    if (rc == PILLION_OK) {
        rc = pl_ready();
    }
    if (rc == PILLION_OK) {
        rc = pl_room_for_go(text_len + req.body_len);
    }
    if (rc != PILLION_OK) {
        return rc;
    }
    /* Go has copied the request before it needs the room for the response. */
    rc = room_make(&room, pl_pairs_size(&req, text_len));
    if (rc != PILLION_OK) {
        return rc;
    }
    pl_pairs_put(&req, text_len, room.at, &msg);
    msg.body = (char *) req.body;
    msg.body_len = req.body_len;
    msg.flags = 0;
    msg.app = app;
    memset(&all, 0, sizeof(all));
    rc = pl_go_call(&msg, &room, &all);
    if (rc == PILLION_OK || rc == PILLION_E_ABORTED) {
        return give(&room, &all, response, rc);
    }
    room_free(&room);
    return rc;
}

int32_t pillion_call_event(uint64_t app, const char *event, uint64_t event_len,
                           const char *context, uint64_t context_len, pillion_response *response)
{
    pillion_response all;
    pl_room          room;
    uint32_t         index;
    int32_t          rc = pl_guard();

    if (rc != PILLION_OK) {
        return rc;
    }
    if (response == NULL || (event == NULL && event_len != 0)
        || (context == NULL && context_len != 0))
    {
        return PILLION_E_ARG;
    }
    if (response->size < RESPONSE_MIN) {
        return PILLION_E_SIZE;
    }
    if (event_len > PILLION_MAX_BLOCK || context_len > PILLION_MAX_BLOCK) {
        return PILLION_E_LIMIT;
    }
    rc = pl_app_check(app, &index);
    if (rc == PILLION_OK) {
        rc = pl_ready();
    }
    if (rc == PILLION_OK) {
        rc = pl_room_for_go(event_len + context_len);
    }
    if (rc != PILLION_OK) {
        return rc;
    }
    rc = room_make(&room, 0);
    if (rc != PILLION_OK) {
        return rc;
    }
    memset(&all, 0, sizeof(all));
    rc = pl_go_call_event(index, (char *) event, event_len, (char *) context, context_len, &room,
                          &all);
    if (rc == PILLION_OK) {
        return give(&room, &all, response, rc);
    }
    room_free(&room);
    return rc;
}
