/*
 * microhttpd.c - a server on libmicrohttpd over the serve drive: a thread for
 * each connection. (Debian: libmicrohttpd-dev)
 *
 *     make build
 *     cc -Iinclude examples/c/microhttpd.c -lmicrohttpd -lpthread -o build/microhttpd
 *     build/microhttpd build/libpillion.so 8080 /hello=hello /=demo
 *
 * libmicrohttpd wants the whole request before the response begins, so bodies
 * wait in temporary files. It then asks for the response piece by piece, while
 * the serve drive hands over piece by piece: a second thread runs the drive, and
 * the two pass one piece at a time to each other.
 */

#include "apps.h"

#include <microhttpd.h>

#define HEADERS_MAX 200

typedef struct exchange {
    struct MHD_Connection *connection;
    int                    socket;
    int                    http10;
    int                    head;            /* the method is HEAD              */
    char                  *target;
    FILE                  *body;            /* NULL: there is none             */
    apps_environ           environ;
    pillion_pair           headers[HEADERS_MAX];
    pillion_request        request;
    pthread_t              thread;
    int                    running;         /* thread is to be joined          */

    pthread_mutex_t        lock;
    pthread_cond_t         changed;         /* one of these has:               */
    struct MHD_Response   *response;        /* there is a head                 */
    int32_t                status;
    const char            *out;             /* the piece on its way            */
    size_t                 out_len;
    int                    ended;           /* pillion_serve() has returned    */
    int32_t                result;
    int                    left;            /* nobody takes the response       */
} exchange;

static apps a;


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    exchange *x = data;
    size_t    n = fread(buf, 1, cap, x->body);

    return n == 0 && ferror(x->body) ? -1 : (int64_t) n;
}


static int64_t reader(void *data, uint64_t pos, char *buf, size_t max);

/* Adds headers, or trailers, to a response, and finds out how long its body is.
 * Whatever says that belongs to libmicrohttpd. */
static uint64_t add(struct MHD_Response *response, const pillion_pair *pairs, uint32_t len,
                    enum MHD_Result (*to)(struct MHD_Response *, const char *, const char *))
{
    uint64_t size = MHD_SIZE_UNKNOWN;
    uint32_t i;

    for (i = 0; i < len; i++) {
        char *value, *name = apps_strings(&pairs[i], &value);

        if (name == NULL) {
            continue;
        }
        if (apps_is(&pairs[i], MHD_HTTP_HEADER_CONTENT_LENGTH)) {
            size = strtoull(value, NULL, 10);
        } else if (response != NULL && !apps_is(&pairs[i], MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
            to(response, name, value);
        }
        free(name);
    }
    return size;
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t len)
{
    exchange            *x = data;
    uint64_t             size = add(NULL, headers, len, NULL);
    struct MHD_Response *response;

    if (status < 200) {
        return 0;       /* libmicrohttpd sends none but its own 100 */
    }
    if (size == 0 || status == MHD_HTTP_NO_CONTENT || status == MHD_HTTP_NOT_MODIFIED) {
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_callback(size, 32768, reader, x, NULL);
    }
    if (response == NULL) {
        return -1;
    }
    if (x->head && size == MHD_SIZE_UNKNOWN) {
        /* or else it would send the last chunk, too */
        MHD_set_response_options(response, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    }
    add(response, headers, len, MHD_add_response_header);

    pthread_mutex_lock(&x->lock);
    x->status = status;
    x->response = response;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return 0;
}


/* Offers a piece to the connection's thread and waits until it has been taken. */
static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    exchange *x = data;
    int32_t   rc;

    pthread_mutex_lock(&x->lock);
    x->out = buf;
    x->out_len = len;
    pthread_cond_broadcast(&x->changed);
    while (x->out_len > 0 && !x->left) {
        pthread_cond_wait(&x->changed, &x->lock);
    }
    rc = x->left ? -1 : 0;
    pthread_mutex_unlock(&x->lock);
    return rc;
}


static int32_t on_trailers(void *data, const pillion_pair *trailers, uint32_t len)
{
    exchange *x = data;

    add(x->response, trailers, len, MHD_add_response_footer);
    return 0;
}


static int32_t on_alive(void *data)
{
    exchange *x = data;
    char      byte;

    return recv(x->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}


static void *serve(void *data)
{
    exchange  *x = data;
    pillion_io io = PILLION_IO_INIT;
    int32_t    rc;

    io.data = x;
    io.read = on_read;
    io.head = on_head;
    io.write = on_write;
    io.trailers = on_trailers;
    io.alive = on_alive;
    rc = a.api.serve(&x->request, &io);

    pthread_mutex_lock(&x->lock);
    x->ended = 1;
    x->result = rc;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return NULL;
}


/* The connection's thread asks for more of the response. */
static int64_t reader(void *data, uint64_t pos, char *buf, size_t max)
{
    exchange *x = data;
    int64_t   n;

    (void) pos;

    pthread_mutex_lock(&x->lock);
    while (x->out_len == 0 && !x->ended) {
        pthread_cond_wait(&x->changed, &x->lock);
    }
    if (x->out_len > 0) {
        n = (int64_t) (x->out_len < max ? x->out_len : max);
        memcpy(buf, x->out, (size_t) n);
        x->out += n;
        x->out_len -= (size_t) n;
        pthread_cond_broadcast(&x->changed);
    } else if (x->result == PILLION_OK) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        if (x->http10) {
            apps_reset(x->socket);
        }
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    }
    pthread_mutex_unlock(&x->lock);
    return n;
}


static enum MHD_Result answer(struct MHD_Connection *c, unsigned status)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result      rc = MHD_queue_response(c, status, r);

    MHD_destroy_response(r);
    return rc;
}


static enum MHD_Result add_header(void *data, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    exchange    *x = data;
    pillion_pair pair = { name, value, (uint32_t) name_len, (uint32_t) value_len };

    (void) kind;

    if (x->request.headers_len == HEADERS_MAX) {
        return MHD_NO;
    }
    x->headers[x->request.headers_len++] = pair;
    return MHD_YES;
}


/* Runs the request. Returns when there is a head to send. */
static enum MHD_Result respond(exchange *x, const char *method, const char *version)
{
    pillion_request *r = &x->request;
    struct sockaddr *peer = MHD_get_connection_info(x->connection,
                                                    MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;

    x->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    x->http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    r->size = sizeof(*r);
    r->app = apps_route(&a, &x->environ, method, x->target, version, peer);
    if (r->app == 0) {
        return answer(x->connection, MHD_HTTP_NOT_FOUND);
    }
    if (MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, add_header, x) > HEADERS_MAX) {
        return answer(x->connection, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    r->environ = x->environ.pairs;
    r->environ_len = x->environ.len;
    r->headers = x->headers;
    if (x->body != NULL) {
        rewind(x->body);
        r->flags = PILLION_REQUEST_MORE;
    }
    if (pthread_create(&x->thread, NULL, serve, x) != 0) {
        return answer(x->connection, MHD_HTTP_SERVICE_UNAVAILABLE);
    }
    x->running = 1;

    pthread_mutex_lock(&x->lock);
    while (x->response == NULL && !x->ended) {
        pthread_cond_wait(&x->changed, &x->lock);
    }
    pthread_mutex_unlock(&x->lock);

    if (x->response == NULL) {
        return answer(x->connection, x->result == PILLION_E_FULL || x->result == PILLION_E_STOPPED
                                         ? MHD_HTTP_SERVICE_UNAVAILABLE
                                         : MHD_HTTP_INTERNAL_SERVER_ERROR);
    }
    return MHD_queue_response(x->connection, (unsigned) x->status, x->response);
}


/* Called once without a body, then for each piece of it, then at its end. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **state)
{
    exchange *x = *state;

    (void) cls;
    (void) url;

    if (x == NULL) {
        return MHD_NO;
    }
    if (x->connection == NULL) {
        x->connection = connection;
        x->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        return MHD_YES;
    }
    if (*upload_len == 0) {         /* the request is here */
        return respond(x, method, version);
    }
    if (x->body == NULL) {
        x->body = tmpfile();
    }
    if (x->body == NULL || fwrite(upload, 1, *upload_len, x->body) != *upload_len) {
        return MHD_NO;
    }
    *upload_len = 0;
    return MHD_YES;
}


/* The target as it was sent, which is to be had only here. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    exchange *x = calloc(1, sizeof(*x));

    (void) cls;
    (void) connection;

    if (x != NULL) {
        x->target = strdup(target);
        if (x->target == NULL) {
            free(x);
            return NULL;
        }
        pthread_mutex_init(&x->lock, NULL);
        pthread_cond_init(&x->changed, NULL);
    }
    return x;
}


static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    exchange *x = *state;

    (void) cls;
    (void) connection;
    (void) why;

    if (x == NULL) {
        return;
    }
    if (x->running) {
        pthread_mutex_lock(&x->lock);
        x->left = 1;
        pthread_cond_broadcast(&x->changed);
        pthread_mutex_unlock(&x->lock);
        pthread_join(x->thread, NULL);
    }
    if (x->response != NULL) {
        MHD_destroy_response(x->response);
    }
    if (x->body != NULL) {
        fclose(x->body);
    }
    free(x->environ.path);
    free(x->target);
    free(x);
    *state = NULL;
}


int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    struct MHD_Daemon *daemon;
    sigset_t           end;
    int                sig;

    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    pthread_sigmask(SIG_BLOCK, &end, NULL);

    apps_start(&a, argc, argv);
    at.sin_port = htons(a.port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD
                                  | MHD_USE_POLL,
                              a.port, NULL, NULL, on_request, NULL,
                              MHD_OPTION_SOCK_ADDR, (struct sockaddr *) &at,
                              MHD_OPTION_CONNECTION_LIMIT, 4096u,
                              MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
                              MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                              MHD_OPTION_END);
    if (daemon == NULL) {
        perror(argv[0]);
        return 1;
    }
    apps_bound(MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_LISTEN_FD)->listen_fd);
    printf("http://127.0.0.1:%u/\n", a.port);
    fflush(stdout);

    sigwait(&end, &sig);
    sig = a.api.stop(5000, 5000) == PILLION_OK ? 0 : 1;
    MHD_stop_daemon(daemon);
    return sig;
}
