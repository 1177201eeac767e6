/*
 * fuzz_calls.c - the functions of the process and of the call drive.
 */

#include "fuzz.h"

#include <unistd.h>

#define COUNT(array) ((uint32_t) (sizeof(array) / sizeof((array)[0])))
#define STATS_1_0    80                /* the size in the first version          */


void fuzz_abi(sequence *z)
{
    enter(z, EXPORT_abi);
    MUST(z, api.abi() == PILLION_ABI, 0);
    answered(z, PILLION_OK);
}


void fuzz_version(sequence *z)
{
    enter(z, EXPORT_version);
    MUST(z, strlen(api.version()) >= 5, 0);
    answered(z, PILLION_OK);
}


void fuzz_strerror(sequence *z)
{
    int32_t status = once_in(z, 2) ? -(int32_t) choose(z, 20) : (int32_t) (choose(z, UINT32_MAX));

    enter(z, EXPORT_strerror);
    MUST(z, strlen(api.strerror(status)) > 5, status);
    answered(z, PILLION_OK);
}


/* Environment variables that nobody takes. */
static void spoil_env(sequence *z, pillion_config *c, pillion_pair *env)
{
    static const pillion_pair bad[] = {
        { "", "x", 0, 1 }, { NULL, "x", 0, 1 }, { NULL, "x", 3, 1 }, { "A=B", "x", 3, 1 }, { "A\0B", "x", 3, 1 },
        { "A", "x\0y", 1, 3 }, { "A", NULL, 1, 1 },
    };

    env[choose(z, 2)] = bad[choose(z, COUNT(bad))];
    c->env = env;
    c->env_len = 2;
    z->refuse |= S(E_ARG);
}


/* Never what could start a library: that is for main() to do. */
void fuzz_init(sequence *z)
{
    static pillion_pair many[PILLION_MAX_PAIRS + 1];
    pillion_pair        env[2] = { { "FUZZ", "1", 4, 1 }, { "FUZZ_2", "", 6, 0 } };
    pillion_config      c = PILLION_CONFIG_INIT;
    uint32_t            late = phase == BEFORE ? S(E_ARG) : S(E_STATE) | S(E_STOPPED);
    uint32_t            wrong = choose(z, phase == BEFORE ? 9 : 11);
    void               *config = &c;
    int32_t             rc;

    switch (wrong) {
    case 0: spoil_env(z, &c, env); break;
    case 1: c.flags = 2u << choose(z, 31); z->refuse |= S(E_ARG); break;
    case 2: c.log_fd = -1 - (int32_t) choose(z, 1000); z->refuse |= S(E_ARG); break;
    case 3: c.crash_fd = 1000000 + (int32_t) choose(z, 1000); z->refuse |= S(E_ARG); break;
    case 4: c.gomaxprocs = INT32_MIN + (int32_t) choose(z, 1000); z->refuse |= S(E_ARG); break;
    case 5: c.memory_limit = INT64_MIN + choose(z, 1000); z->refuse |= S(E_ARG); break;
    case 6: c.server_software_len = 1 + choose(z, 1000); z->refuse |= S(E_ARG); break;
    case 7: c.server_software_len = PILLION_MAX_BLOCK + 1; z->refuse |= S(E_LIMIT); break;
    case 8: c.env = many; c.env_len = COUNT(many); z->refuse |= S(E_LIMIT); break;
    case 9: c.env = env; c.env_len = 2; break;
    default: config = NULL;
    }
    if (config != NULL && phase != BEFORE) {
        config = placed(z, 0, &c, sizeof(c), sizeof(c));
    }
    rc = CALL(z, init, config);
    expect_always(z, rc, z->refuse | late);
}


void fuzz_app_find(sequence *z)
{
    static const char *const names[] = { "behave", "other", "behav", "behave2", "" };
    const char              *name = names[choose(z, COUNT(names))];
    uint64_t                 len = strlen(name), found = 77;
    uint64_t                *out = once_in(z, 20) ? NULL : &found;
    uint32_t                 right = name[0] == 'b' && len == 6 ? S(OK) : name[0] == 'o' ? S(OK) : S(E_APP);
    int32_t                  rc;

    if (once_in(z, 5)) {
        len = choose(z, 1000000);
        name = some_bytes(z, 0, len);
        right = S(E_APP);
    } else if (once_in(z, 20)) {
        name = NULL;
        len = once_in(z, 2) ? UINT64_MAX : choose(z, 2);
        right = S(E_APP);
    }
    if (out == NULL || (name == NULL && len != 0)) {
        right = S(E_ARG);
    }
    rc = CALL(z, app_find, name, len, out);
    expect_always(z, rc, right);
    MUST(z, (rc == PILLION_OK) == (found != 77), found);
}


void fuzz_app_name(sequence *z)
{
    const char  *name = NULL;
    const char **out = once_in(z, 20) ? NULL : &name;
    uint64_t     len = 77, *out_len = once_in(z, 20) ? NULL : &len;
    uint32_t     index = once_in(z, 4) ? choose(z, UINT32_MAX) : choose(z, 4);
    int32_t      rc = CALL(z, app_name, index, out, out_len);

    expect_always(z, rc, out == NULL || out_len == NULL ? S(E_ARG) : index < 2 ? S(OK) : S(OK) | S(E_APP));
    if (rc == PILLION_OK) {
        touch(name, len);
    } else {
        MUST(z, name == NULL && len == 77, len);
    }
}


/* A running library is stopped by main(). */
void fuzz_stop(sequence *z)
{
    int now = __atomic_load_n(&phase, __ATOMIC_SEQ_CST);

    if (now == BEFORE || now == AFTER) {
        int32_t rc = CALL(z, stop, choose(z, 2000), choose(z, UINT32_MAX));

        expect_always(z, rc, now == BEFORE ? S(E_STATE) : S(E_STOPPED));
    }
}


void fuzz_stats(sequence *z)
{
    pillion_stats_t s = PILLION_STATS_INIT, *given = NULL;
    uint32_t        size = s.size;
    int32_t         rc;

    if (once_in(z, 20)) {
        z->refuse |= S(E_ARG);
    } else {
        given = placed(z, 0, &s, sizeof(s), STATS_1_0);
        size = s.size;
    }
    rc = CALL(z, stats, given);
    /* It still works when the library has been stopped. */
    expect_always(z, rc, z->refuse != 0 ? z->refuse | (phase == BEFORE ? S(E_STATE) : 0)
                         : phase == BEFORE ? S(E_STATE) : S(OK));
    if (rc == PILLION_OK) {
        MUST(z, given->size == size, given->size);
        MUST(z, given->goroutines > 0 && given->heap > 0, given->heap);
    }
}


static void take_response(sequence *z, const pillion_response *r)
{
    uint32_t i = choose(z, RESPONSES);

    MUST(z, r->handle != 0, 0);
    MUST(z, r->status == 0 || (r->status >= 200 && r->status < 1000), r->status);
    touch_pairs(r->headers, r->headers_len);
    touch_pairs(r->trailers, r->trailers_len);
    touch(r->body, r->body_len);
    if (z->responses[i] != 0) {
        MUST(z, api.response_free(z->responses[i]) == PILLION_OK, i);
        show_gone(z->responses[i]);
    }
    z->responses[i] = r->handle;
    show(KIND_RESPONSE, r->handle);
}


/* Where a response goes: with more behind it, with less, nowhere. */
static pillion_response *make_response(sequence *z, pillion_response *r)
{
    *r = (pillion_response) PILLION_RESPONSE_INIT;
    r->handle = 77;
    if (once_in(z, 30)) {
        z->refuse |= S(E_ARG);
        return NULL;
    }
    return placed(z, 4, r, sizeof(*r), sizeof(*r));
}


void fuzz_call(sequence *z)
{
    pillion_request        req;
    pillion_response       res, *response = make_response(z, &res);
    const pillion_request *request = make_request(z, BY_CALL, &req);
    int32_t                rc = CALL(z, call, request, response);

    expect(z, rc, S(OK) | S(E_ABORTED));
    if (rc == PILLION_OK || rc == PILLION_E_ABORTED) {
        MUST(z, response->size == res.size, response->size);
        take_response(z, response);
    } else if (response != NULL && res.size >= sizeof(res)) {
        MUST(z, response->handle == 77, rc);
    }
}


static const char *const events[] = {
    "{\"version\":\"2.0\",\"rawPath\":\"%s\",\"rawQueryString\":\"\",\"headers\":{\"x-a\":\"1\"},"
    "\"requestContext\":{\"http\":{\"method\":\"GET\"}}}",
    "{\"httpMethod\":\"POST\",\"path\":\"%s\",\"headers\":{\"a\":\"b\"},\"requestContext\":{\"elb\":{}},"
    "\"body\":\"eHl6\",\"isBase64Encoded\":true}",
    "{\"resource\":\"/\",\"httpMethod\":\"GET\",\"path\":\"%s\",\"multiValueHeaders\":{\"A\":[\"1\",\"2\"]},"
    "\"requestContext\":{\"resourceId\":\"x\"}}",
};


void fuzz_call_event(sequence *z)
{
    static const char *const paths[] = { "/", "/facts/x", "/hash", "/panic", "/goexit", "/bytes", "//", "\\u0000" };
    char                     text[1024], *event = NULL;
    const char              *context = once_in(z, 2) ? "{}" : NULL;
    uint64_t                 context_len = context == NULL ? 0 : 2, len, at = app;
    pillion_response         res, *response = make_response(z, &res);
    uint32_t                 right = S(OK) | S(E_ABORTED) | S(E_ARG);
    int32_t                  rc;

    snprintf(text, sizeof(text), events[choose(z, COUNT(events))], paths[choose(z, COUNT(paths))]);
    len = once_in(z, 4) ? choose(z, (uint32_t) strlen(text)) : strlen(text);
    event = some_bytes(z, 5, len);
    memcpy(event, text, len);
    if (len > 0 && once_in(z, 8)) {
        event[choose(z, (uint32_t) len)] ^= (char) (1u << choose(z, 8));
    }
    switch (choose(z, 40)) {
    case 0: event = NULL; z->refuse |= S(E_ARG); break;
    case 1: len = PILLION_MAX_BLOCK + 1ull + choose(z, 1000); z->refuse |= S(E_LIMIT); break;
    case 2: context = NULL; context_len = UINT64_MAX; z->refuse |= S(E_ARG) | S(E_LIMIT); break;
    case 3: at = no_handle(z, (int) choose(z, KINDS)); z->refuse |= at != app ? S(E_APP) : 0; break;
    }
    rc = CALL(z, call_event, at, event, len, context, context_len, response);
    expect(z, rc, right);
    if (rc == PILLION_OK) {
        MUST(z, response->status == 0 && response->headers_len == 0, response->status);
        take_response(z, response);
    }
}


/* Responses that any thread may free, whichever comes first. */
static uint64_t shared[16];

void free_shared_responses(sequence *z)
{
    uint32_t i;

    for (i = 0; i < COUNT(shared); i++) {
        uint64_t handle = __atomic_exchange_n(&shared[i], 0, __ATOMIC_SEQ_CST);

        if (handle != 0) {
            expect_always(z, CALL(z, response_free, handle), S(OK) | S(E_GONE));
        }
    }
}


void fuzz_response_free(sequence *z)
{
    uint32_t i = choose(z, RESPONSES), k = choose(z, COUNT(shared));
    uint64_t handle = z->responses[i];

    switch (choose(z, 6)) {
    case 0:
        handle = no_handle(z, KIND_RESPONSE);
        expect_always(z, CALL(z, response_free, handle), S(E_GONE));
        return;
    case 1:
        expect_always(z, CALL(z, response_free, 0), S(OK));
        return;
    case 2:
        /* It is shared first and freed then: two threads may do so at once. */
        if (handle != 0) {
            z->responses[i] = 0;
            handle = __atomic_exchange_n(&shared[k], handle, __ATOMIC_SEQ_CST);
        }
        if (handle == 0) {
            handle = __atomic_load_n(&shared[k], __ATOMIC_SEQ_CST);
        }
        expect_always(z, CALL(z, response_free, handle), S(OK) | S(E_GONE));
        return;
    }
    if (handle != 0) {
        z->responses[i] = 0;
        expect_always(z, CALL(z, response_free, handle), S(OK));
        expect_always(z, CALL(z, response_free, handle), S(E_GONE));
        show_gone(handle);
    }
}


void end_responses(sequence *z)
{
    int i;

    for (i = 0; i < RESPONSES; i++) {
        if (z->responses[i] != 0) {
            expect_always(z, CALL(z, response_free, z->responses[i]), S(OK));
            show_gone(z->responses[i]);
            z->responses[i] = 0;
        }
    }
}
