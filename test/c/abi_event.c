/*
 * abi_event.c - function services' events.
 */

#include "abi.h"

#define EVENT(path)                                                                                \
    "{\"version\":\"2.0\",\"rawPath\":\"" path "\",\"rawQueryString\":\"\","                       \
    "\"headers\":{\"x-a\":\"1\"},\"requestContext\":{\"http\":{\"method\":\"GET\"}}}"


/* Whether text of that length has a word in it. */
static int has(const char *text, uint64_t len, const char *word)
{
    uint64_t n = strlen(word), i;

    for (i = 0; i + n <= len; i++) {
        if (memcmp(text + i, word, n) == 0) {
            return 1;
        }
    }
    return 0;
}


static void events_are_answered(void)
{
    static const char event[] = EVENT("/facts/of-an-event"), context[] = "{\"requestId\":\"7\"}";
    struct {
        pillion_response res;
        char             later[64];
    } longer = { PILLION_RESPONSE_INIT, "untouched" };
    pillion_response res = PILLION_RESPONSE_INIT;

    start();
    CHECK(PILLION_OK, api.call_event(app, guarded(event), strlen(event), guarded(context),
                                     strlen(context), &res));
    CHECK(0, res.status);
    CHECK(0, res.headers_len);
    CHECK(0, res.trailers_len);
    TRUE(has(res.body, res.body_len, "\"statusCode\":200"));
    TRUE(has(res.body, res.body_len, "of-an-event"));
    TRUE(has(res.body, res.body_len, "function.context"));
    CHECK(PILLION_OK, api.response_free(res.handle));
    CHECK(PILLION_E_GONE, api.response_free(res.handle));

    longer.res.size = sizeof(longer);
    CHECK(PILLION_OK, api.call_event(app, event, strlen(event), NULL, 0, &longer.res));
    CHECK(sizeof(longer), longer.res.size);
    CHECK(0, strcmp(longer.later, "untouched"));
    CHECK(PILLION_OK, api.response_free(longer.res.handle));
    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
}


static void event_arguments(void)
{
    static const char event[] = EVENT("/"), panics[] = EVENT("/panic"), ends[] = EVENT("/goexit");
    pillion_response  res = PILLION_RESPONSE_INIT, small = PILLION_RESPONSE_INIT;

    CHECK(PILLION_OK, api.app_find("behave", 6, &app));
    CHECK(PILLION_E_STATE, api.call_event(app, event, strlen(event), NULL, 0, &res));
    start();

    CHECK(PILLION_E_ARG, api.call_event(app, NULL, 1, NULL, 0, &res));
    CHECK(PILLION_E_ARG, api.call_event(app, event, strlen(event), NULL, 1, &res));
    CHECK(PILLION_E_ARG, api.call_event(app, event, strlen(event), NULL, 0, NULL));
    small.size--;
    CHECK(PILLION_E_SIZE, api.call_event(app, event, strlen(event), NULL, 0, &small));
    CHECK(PILLION_E_LIMIT, api.call_event(app, event, PILLION_MAX_BLOCK + 1, NULL, 0, &res));
    CHECK(PILLION_E_LIMIT, api.call_event(app, event, strlen(event), event, UINT64_MAX, &res));
    CHECK(PILLION_E_APP, api.call_event(0, event, strlen(event), NULL, 0, &res));
    CHECK(PILLION_E_APP, api.call_event(app + 100, event, strlen(event), NULL, 0, &res));

    CHECK(PILLION_E_ARG, api.call_event(app, NULL, 0, NULL, 0, &res));
    CHECK(PILLION_E_ARG, api.call_event(app, "{}", 2, NULL, 0, &res));
    CHECK(PILLION_E_ARG, api.call_event(app, event, strlen(event) - 1, NULL, 0, &res));
    CHECK(PILLION_E_ABORTED, api.call_event(app, panics, strlen(panics), NULL, 0, &res));
    CHECK(PILLION_E_ABORTED, api.call_event(app, ends, strlen(ends), NULL, 0, &res));
    CHECK(0, res.handle);

    nothing_left();
    CHECK(PILLION_OK, api.stop(20000, 20000));
    CHECK(PILLION_E_STOPPED, api.call_event(app, event, strlen(event), NULL, 0, &res));
}


const scenario abi_event[] = {
    { "events_are_answered", events_are_answered },
    { "event_arguments", event_arguments },
    { NULL, NULL },
};
