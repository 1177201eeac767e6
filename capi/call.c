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

void *pl_response_new(uint64_t size, uint64_t *handle)
{
    pl_block *b = malloc(sizeof(pl_block) + size);

    if (b == NULL) {
        return NULL;
    }
    *handle = pl_handle_put(PL_KIND_RESPONSE, b);
    if (*handle == 0) {
        free(b);
        return NULL;
    }
    b->size = size;
    pl_add(&pl_count.buffered, size);
    pl_add(&pl_count.responses, 1);
    return b + 1;
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
    pl_sub(&pl_count.responses, 1);
    free(b);
    return PILLION_OK;
}

int32_t pillion_call(const pillion_request *given, pillion_response *response)
{
    pillion_request  req;
    pillion_response all;
    uint64_t         text_len;
    uint32_t         app, size;
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
    if (rc != PILLION_OK) {
        return rc;
    }
    memset(&all, 0, sizeof(all));
    rc = pl_go_call(&req, text_len, app, &all);
    if (rc == PILLION_OK || rc == PILLION_E_ABORTED) {
        size = response->size;
        all.size = size;
        memcpy(response, &all, size < sizeof(all) ? size : sizeof(all));
    }
    return rc;
}

int32_t pillion_call_event(uint64_t app, const char *event, uint64_t event_len,
                           const char *context, uint64_t context_len, pillion_response *response)
{
    pillion_response all;
    uint32_t         index, size;
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
    if (rc != PILLION_OK) {
        return rc;
    }
    memset(&all, 0, sizeof(all));
    rc = pl_go_call_event(index, (char *) event, event_len, (char *) context, context_len, &all);
    if (rc == PILLION_OK) {
        size = response->size;
        all.size = size;
        memcpy(response, &all, size < sizeof(all) ? size : sizeof(all));
    }
    return rc;
}
