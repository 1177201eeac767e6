/*
 * libevent.c - a server on libevent's evhttp over the queue drive: one thread,
 * one event loop, nothing blocks. (Debian: libevent-dev)
 *
 *     make build
 *     cc -Iinclude examples/c/libevent.c -levent_core -levent_extra -o build/libevent
 *     build/libevent build/libpillion.so 8080 /hello=hello /=demo
 *
 * evhttp hands out a request when all of it is in memory. The response goes to
 * the client as it comes, from where it lies in the library's memory, and as fast
 * as the client takes it.
 */

#include "apps.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

#define HEADERS_MAX 200
#define EVENTS      64

typedef struct exchange {
    struct evhttp_request    *req;
    struct evhttp_connection *connection;
    struct event             *gone;         /* the client leaves               */
    uint64_t                  handle;
    int                       headed;       /* the head has been sent          */
} exchange;

static apps               a;
static uint64_t           queue;
static struct event_base *base;


/* The end of an exchange, whichever way. */
static void release(exchange *x)
{
    evhttp_connection_set_closecb(x->connection, NULL, NULL);
    a.api.release(x->handle);
    event_free(x->gone);
    free(x);
}


static void on_closed(struct evhttp_connection *connection, void *data)
{
    (void) connection;

    release(data);
}


static void on_sent(struct evhttp_request *req, void *data)
{
    (void) req;

    release(data);
}


/* Nothing else looks at a connection whose request is being answered. */
static void on_gone(evutil_socket_t fd, short what, void *data)
{
    exchange *x = data;

    (void) fd;
    (void) what;

    a.api.cancel(x->handle);
}


/* Hands over as much of the request body as the application's window takes. */
static void feed(exchange *x)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(x->req);
    uint64_t         taken;
    size_t           len;

    do {
        len = evbuffer_get_contiguous_space(body);
        if (a.api.feed(x->handle, (const char *) evbuffer_pullup(body, (ev_ssize_t) len), len,
                       len == evbuffer_get_length(body), &taken)
            != PILLION_OK)
        {
            return;
        }
        evbuffer_drain(body, taken);
    } while (taken == len && evbuffer_get_length(body) > 0);
}


static const char *method(struct evhttp_request *req)
{
    switch (evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET:     return "GET";
    case EVHTTP_REQ_POST:    return "POST";
    case EVHTTP_REQ_HEAD:    return "HEAD";
    case EVHTTP_REQ_PUT:     return "PUT";
    case EVHTTP_REQ_DELETE:  return "DELETE";
    case EVHTTP_REQ_OPTIONS: return "OPTIONS";
    case EVHTTP_REQ_TRACE:   return "TRACE";
    case EVHTTP_REQ_PATCH:   return "PATCH";
    default:                 return "CONNECT";
    }
}


static void on_request(struct evhttp_request *req, void *data)
{
    pillion_pair     headers[HEADERS_MAX];
    pillion_request  r = PILLION_REQUEST_INIT;
    apps_environ     environ;
    exchange        *x;
    struct evkeyval *h;
    int32_t          rc;

    (void) data;

    r.app = apps_route(&a, &environ, method(req), evhttp_request_get_uri(req),
                       req->minor == 0 ? "HTTP/1.0" : "HTTP/1.1",
                       evhttp_connection_get_addr(evhttp_request_get_connection(req)));
    if (r.app == 0) {
        free(environ.path);
        evhttp_send_error(req, HTTP_NOTFOUND, NULL);
        return;
    }
    TAILQ_FOREACH(h, evhttp_request_get_input_headers(req), next) {
        pillion_pair pair = { h->key, h->value, (uint32_t) strlen(h->key),
                              (uint32_t) strlen(h->value) };

        if (r.headers_len == HEADERS_MAX) {
            free(environ.path);
            evhttp_send_error(req, 431, "Request Header Fields Too Large");
            return;
        }
        headers[r.headers_len++] = pair;
    }
    r.environ = environ.pairs;
    r.environ_len = environ.len;
    r.headers = headers;
    r.flags = evbuffer_get_length(evhttp_request_get_input_buffer(req)) > 0 ? PILLION_REQUEST_MORE : 0;
    r.data = x = calloc(1, sizeof(*x));

    rc = x == NULL ? PILLION_E_MEMORY : a.api.submit(queue, &r, &x->handle);
    free(environ.path);
    if (rc != PILLION_OK) {
        free(x);
        evhttp_send_error(req, rc == PILLION_E_FULL || rc == PILLION_E_STOPPED ? HTTP_SERVUNAVAIL
                                                                               : HTTP_INTERNAL, NULL);
        return;
    }

    x->req = req;
    x->connection = evhttp_request_get_connection(req);
    x->gone = event_new(base, bufferevent_getfd(evhttp_connection_get_bufferevent(x->connection)),
                        EV_CLOSED, on_gone, x);
    event_add(x->gone, NULL);
    evhttp_connection_set_closecb(x->connection, on_closed, x);
    evhttp_request_set_on_complete_cb(req, on_sent, x);
    if (r.flags != 0) {
        feed(x);
    }
}


static void send_head(exchange *x, const pillion_event *e)
{
    uint32_t i;

    for (i = 0; i < e->headers_len; i++) {
        char *value, *name = apps_strings(&e->headers[i], &value);

        if (name != NULL) {
            evhttp_add_header(evhttp_request_get_output_headers(x->req), name, value);
            free(name);
        }
    }
    x->headed = 1;
    evhttp_send_reply_start(x->req, e->status, NULL);
}


/* A piece of the body has been sent, or never will be. Its request may be gone. */
static void on_piece_sent(const void *bytes, size_t len, void *handle)
{
    (void) bytes;

    a.api.credit((uint64_t) (uintptr_t) handle, len);
}


static void send_body(exchange *x, const pillion_event *e)
{
    struct evbuffer *piece = evbuffer_new();

    evbuffer_add_reference(piece, e->body, e->body_len, on_piece_sent, (void *) (uintptr_t) x->handle);
    evhttp_send_reply_chunk(x->req, piece);
    evbuffer_free(piece);
}


static void cut(struct bufferevent *b, void *data)
{
    exchange *x = data;

    if (x->req->minor == 0) {
        apps_reset(bufferevent_getfd(b));
    }
    evhttp_connection_free(x->connection);
}


static void on_cut_failed(struct bufferevent *b, short what, void *data)
{
    (void) what;

    cut(b, data);
}


/* The application broke off. What came before is sent, then the connection ends
 * without the last chunk, or before Content-Length is reached. */
static void send_cut(exchange *x)
{
    struct bufferevent *b = evhttp_connection_get_bufferevent(x->connection);

    if (!x->headed) {
        evhttp_send_error(x->req, HTTP_INTERNAL, NULL);
    } else if (evbuffer_get_length(bufferevent_get_output(b)) == 0) {
        cut(b, x);
    } else {
        bufferevent_setcb(b, NULL, cut, on_cut_failed, x);
    }
}


static void take(const pillion_event *e)
{
    exchange *x = e->data;

    if (e->flags & PILLION_EVENT_HEAD) {
        send_head(x, e);
    }
    if (e->flags & PILLION_EVENT_BODY) {
        send_body(x, e);
    }
    if (e->flags & PILLION_EVENT_COMPLETE) {
        evhttp_send_reply_end(x->req);
    } else if (e->flags & PILLION_EVENT_ABORTED) {
        send_cut(x);
    } else if (e->flags & PILLION_EVENT_ROOM) {
        feed(x);
    }
}


static void on_events(evutil_socket_t fd, short what, void *data)
{
    pillion_event events[EVENTS];
    uint32_t      i, n;

    (void) fd;
    (void) what;
    (void) data;

    do {
        if (a.api.poll(queue, events, sizeof(events[0]), EVENTS, &n) != PILLION_OK) {
            abort();
        }
        for (i = 0; i < n; i++) {
            take(&events[i]);
        }
    } while (n == EVENTS);
}


static void on_signal(evutil_socket_t fd, short what, void *data)
{
    (void) fd;
    (void) what;
    (void) data;

    event_base_loopbreak(base);
}


int main(int argc, char **argv)
{
    struct evhttp              *http;
    struct evhttp_bound_socket *listener = NULL;
    struct event               *wake, *term, *intr;
    int32_t                     fd;

    apps_start(&a, argc, argv);
    base = event_base_new();
    http = base == NULL ? NULL : evhttp_new(base);
    if (http != NULL) {
        listener = evhttp_bind_socket_with_handle(http, "127.0.0.1", a.port);
    }
    if (listener == NULL || a.api.queue_new(NULL, &queue) != PILLION_OK
        || a.api.queue_fd(queue, &fd) != PILLION_OK)
    {
        perror(argv[0]);
        return 1;
    }
    apps_bound(evhttp_bound_socket_get_fd(listener));
    evhttp_set_allowed_methods(http, 0x1ff);      /* all that it knows */
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, NULL);
    wake = event_new(base, fd, EV_READ | EV_PERSIST, on_events, NULL);
    term = evsignal_new(base, SIGTERM, on_signal, NULL);
    intr = evsignal_new(base, SIGINT, on_signal, NULL);
    event_add(wake, NULL);
    event_add(term, NULL);
    event_add(intr, NULL);
    printf("http://127.0.0.1:%u/\n", a.port);
    fflush(stdout);

    event_base_dispatch(base);

    event_free(wake);
    event_free(term);
    event_free(intr);
    evhttp_free(http);
    a.api.queue_free(queue);
    event_base_free(base);
    return a.api.stop(5000, 5000) == PILLION_OK ? 0 : 1;
}
