/* The names of the applications, so that looking one up needs no Go. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef struct pl_app pl_app;
struct pl_app {
    pl_app  *next;                  /* shared; set once                        */
    uint64_t len;
    uint32_t index;
    char     name[];
};

#define APP_GEN 1ull

static pl_app  *first;              /* shared; set once                        */
static pl_app  *last;               /* the publisher, under host's lock        */
static uint32_t count;              /* shared                                  */

/* Go's side serialises the calls. */
int32_t pl_app_publish(char *name, uint64_t len)
{
    pl_app *a = malloc(sizeof(pl_app) + len);

    if (a == NULL) {
        return PILLION_E_MEMORY;
    }
    a->next = NULL;
    a->len = len;
    a->index = count;
    memcpy(a->name, name, len);
    pl_store(last == NULL ? &first : &last->next, a);
    last = a;
    pl_store(&count, count + 1);
    return PILLION_OK;
}

/* After pillion_init() the names are here; before it, Go is asked for them. */
static int32_t names(void)
{
    int32_t rc = pl_ready();

    return rc == PILLION_E_STATE ? pl_go_apps() : rc == PILLION_E_STOPPED ? PILLION_OK : rc;
}

int32_t pillion_app_find(const char *name, uint64_t name_len, uint64_t *app)
{
    int32_t rc = pl_guard();
    pl_app *a;

    if (rc != PILLION_OK) {
        return rc;
    }
    if ((name == NULL && name_len != 0) || app == NULL) {
        return PILLION_E_ARG;
    }
    rc = names();
    if (rc != PILLION_OK) {
        return rc;
    }
    for (a = pl_load(&first); a != NULL; a = pl_load(&a->next)) {
        if (a->len == name_len && memcmp(a->name, name, name_len) == 0) {
            *app = (uint64_t) PL_KIND_APP << 60 | APP_GEN << 32 | a->index;
            return PILLION_OK;
        }
    }
    return PILLION_E_APP;
}

int32_t pillion_app_name(uint32_t index, const char **name, uint64_t *name_len)
{
    int32_t rc = pl_guard();
    pl_app *a;

    if (rc != PILLION_OK) {
        return rc;
    }
    if (name == NULL || name_len == NULL) {
        return PILLION_E_ARG;
    }
    rc = names();
    if (rc != PILLION_OK) {
        return rc;
    }
    for (a = pl_load(&first); a != NULL; a = pl_load(&a->next)) {
        if (a->index == index) {
            *name = a->name;
            *name_len = a->len;
            return PILLION_OK;
        }
    }
    return PILLION_E_APP;
}

int32_t pl_app_check(uint64_t handle, uint32_t *index)
{
    *index = (uint32_t) handle;
    return handle >> 32 == ((uint64_t) PL_KIND_APP << 28 | APP_GEN) && *index < pl_load(&count)
               ? PILLION_OK
               : PILLION_E_APP;
}

/* "" if there is no such application. Takes no lock. */
const char *pl_app_name_at(uint32_t index, uint32_t *len)
{
    pl_app *a;

    for (a = pl_load(&first); a != NULL; a = pl_load(&a->next)) {
        if (a->index == index) {
            *len = (uint32_t) a->len;
            return a->name;
        }
    }
    *len = 0;
    return "";
}
