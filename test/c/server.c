/*
 * server.c - what the test servers have in common: loading the library,
 * listening, threads, the end.
 */

#include "server.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_BUFFER 131072


static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}


static void server_listen(server *s)
{
    struct sockaddr_in addr;
    socklen_t          len = sizeof(addr);
    int                size = SOCKET_BUFFER;

    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener == -1
        /* connections inherit it, and tests can reckon with it */
        || setsockopt(s->listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == -1
        || setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == -1
        || bind(s->listener, (struct sockaddr *) &addr, sizeof(addr)) == -1
        || listen(s->listener, 4096) == -1
        || getsockname(s->listener, (struct sockaddr *) &addr, &len) == -1)
    {
        fail("cannot listen", strerror(errno));
    }
    printf("PORT %u\n", (unsigned) ntohs(addr.sin_port));
    fflush(stdout);
}


void server_start(server *s, int argc, char **argv)
{
    static const char software[] = "httpd";
    char              err[512];
    sigset_t          set;
    int32_t           rc;
    pillion_config    config = PILLION_CONFIG_INIT;

    if (argc != 2) {
        fail(argv[0], "give the path of a library as the only argument");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);

    if (pillion_loader_open(argv[1], &s->api, err, sizeof(err)) == -1) {
        fail(argv[0], err);
    }
    config.flags = PILLION_CONFIG_IGNORE_SIGPIPE;
    config.log_level = PILLION_LOG_DEBUG;
    config.server_software = software;
    config.server_software_len = sizeof(software) - 1;
    rc = s->api.init(&config);
    if (rc == PILLION_OK) {
        rc = s->api.app_find("behave", 6, &s->behave);
    }
    if (rc == PILLION_OK) {
        rc = s->api.app_find("other", 5, &s->other);
    }
    if (rc != PILLION_OK) {
        fail(argv[1], s->api.strerror(rc));
    }
    server_listen(s);
}


uint64_t server_app(const server *s, const http_head *h)
{
    return strcmp(h->app, "other") == 0 ? s->other : s->behave;
}


void server_setup(int fd, http_peers *peers)
{
    int       one = 1;
    socklen_t len = sizeof(peers->local);

    memset(peers, 0, sizeof(*peers));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (getsockname(fd, (struct sockaddr *) &peers->local, &len) == -1) {
        peers->local.ss_family = AF_UNSPEC;
    }
    len = sizeof(peers->remote);
    if (getpeername(fd, (struct sockaddr *) &peers->remote, &len) == -1) {
        peers->remote.ss_family = AF_UNSPEC;
    }
}


void server_wait(void)
{
    sigset_t set;
    int      sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    while (sigwait(&set, &sig) != 0) {
    }
}


/* The connections that have a thread, so that the end can reach them. */
typedef struct client client;
struct client {
    server *server;
    void  (*serve)(server *s, int fd, const http_peers *peers);
    int     fd;
    client *next;
    client *prev;
};

static pthread_mutex_t clients_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  clients_left = PTHREAD_COND_INITIALIZER;
static client          clients = { NULL, NULL, -1, &clients, &clients };
static int             stopping;


static void *client_thread(void *arg)
{
    client    *c = arg;
    http_peers peers;

    server_setup(c->fd, &peers);
    c->serve(c->server, c->fd, &peers);

    pthread_mutex_lock(&clients_lock);
    c->prev->next = c->next;
    c->next->prev = c->prev;
    close(c->fd);
    pthread_cond_signal(&clients_left);
    pthread_mutex_unlock(&clients_lock);
    free(c);
    return NULL;
}


static void client_new(client *proto, int fd)
{
    client        *c = malloc(sizeof(client));
    pthread_t      thread;
    pthread_attr_t attr;
    int            rc;

    if (c == NULL) {
        close(fd);
        return;
    }
    *c = *proto;
    c->fd = fd;

    pthread_mutex_lock(&clients_lock);
    c->next = clients.next;
    c->prev = &clients;
    c->next->prev = c;
    clients.next = c;
    pthread_mutex_unlock(&clients_lock);

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 1 << 20);
    rc = pthread_create(&thread, &attr, client_thread, c);
    pthread_attr_destroy(&attr);

    if (rc != 0) {
        pthread_mutex_lock(&clients_lock);
        c->prev->next = c->next;
        c->next->prev = c->prev;
        pthread_mutex_unlock(&clients_lock);
        close(fd);
        free(c);
    }
}


static void *accept_thread(void *arg)
{
    client *proto = arg;
    int     fd, down;

    for (;;) {
        fd = accept4(proto->server->listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&clients_lock);
        down = stopping;
        pthread_mutex_unlock(&clients_lock);
        if (down) {
            if (fd != -1) {
                close(fd);
            }
            return NULL;
        }
        if (fd != -1) {
            client_new(proto, fd);
        }
    }
}


void server_run_threads(server *s, void (*serve)(server *s, int fd, const http_peers *peers))
{
    client    proto = { s, serve, -1, NULL, NULL };
    client   *c;
    pthread_t thread;

    if (pthread_create(&thread, NULL, accept_thread, &proto) != 0) {
        fail("cannot accept", "no thread");
    }
    server_wait();

    pthread_mutex_lock(&clients_lock);
    stopping = 1;
    pthread_mutex_unlock(&clients_lock);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(s->listener);

    /* Whoever reads or writes is told that its client has left. */
    pthread_mutex_lock(&clients_lock);
    for (c = clients.next; c != &clients; c = c->next) {
        shutdown(c->fd, SHUT_RDWR);
    }
    while (clients.next != &clients) {
        pthread_cond_wait(&clients_left, &clients_lock);
    }
    pthread_mutex_unlock(&clients_lock);
}


int server_stop(server *s)
{
    pillion_stats_t t = PILLION_STATS_INIT;
    struct timespec moment = { 0, 1000000 };
    int32_t         rc = s->api.stop(2000, 2000);
    int             left = 5000;

    if (rc != PILLION_OK) {
        fprintf(stderr, "pillion_stop: %s\n", s->api.strerror(rc));
    }
    /* What is a queue's goes when its goroutine has seen that the queue has. */
    do {
        nanosleep(&moment, NULL);
        if (s->api.stats(&t) != PILLION_OK) {
            fail("pillion_stats", "failed");
        }
    } while ((t.buffered | t.requests | t.responses | t.running | t.queues) != 0 && --left > 0);
    printf("STATS {\"Queues\":%" PRIu32 ",\"Requests\":%" PRIu64 ",\"Responses\":%" PRIu64
           ",\"Running\":%" PRIu64 ",\"Buffered\":%" PRIu64 ",\"WakesIn\":%" PRIu64
           ",\"WakesOut\":%" PRIu64 ",\"Completed\":%" PRIu64 "}\n",
           t.queues, t.requests, t.responses, t.running, t.buffered, t.wakes_in, t.wakes_out,
           t.completed);
    fflush(stdout);
    return rc == PILLION_OK ? 0 : 1;
}


conn *conn_new(int fd)
{
    conn *c = malloc(sizeof(conn));

    if (c != NULL) {
        c->fd = fd;
        c->reset = 0;
        c->pos = c->len = 0;
    }
    return c;
}


static ssize_t conn_fill(conn *c)
{
    ssize_t n;

    do {
        n = recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
    } while (n == -1 && errno == EINTR);
    if (n > 0) {
        c->len += (size_t) n;
    }
    return n;
}


int conn_read_head(conn *c, http_head *h, const http_peers *peers)
{
    ssize_t n;

    memmove(c->in, c->in + c->pos, c->len - c->pos);
    c->len -= c->pos;
    c->pos = 0;
    for (;;) {
        n = http_head_parse(h, c->in, c->len, peers);
        if (n > 0) {
            c->pos = (size_t) n;
            return 1;
        }
        if (n < 0) {
            conn_send(c, http_error(400), strlen(http_error(400)));
            return -1;
        }
        if (conn_fill(c) <= 0) {
            return 0;
        }
    }
}


ssize_t conn_read_body(conn *c, http_body *b, char *buf, size_t cap)
{
    const char *data;
    size_t      n = 0, data_len, have;
    ssize_t     used;

    while (!b->done && n == 0) {
        if (c->pos == c->len) {
            c->pos = c->len = 0;
            if (conn_fill(c) <= 0) {
                return -1;
            }
        }
        have = c->len - c->pos;
        used = http_body_next(b, c->in + c->pos, have < cap ? have : cap, &data, &data_len);
        if (used < 0) {
            return -1;
        }
        if (data_len > 0) {
            memcpy(buf, data, data_len);
            n = data_len;
        }
        c->pos += (size_t) used;
    }
    return (ssize_t) n;
}


int64_t conn_read_raw(conn *c, char *buf, size_t cap)
{
    size_t  have = c->len - c->pos;
    ssize_t n;

    if (have > 0) {
        have = have < cap ? have : cap;
        memcpy(buf, c->in + c->pos, have);
        c->pos += have;
        return (int64_t) have;
    }
    n = recv(c->fd, buf, cap, MSG_DONTWAIT);
    if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
        return PILLION_IO_AGAIN;
    }
    return n;
}


int conn_send_file(conn *c, int fd, uint64_t offset, uint64_t len)
{
    off_t   at = (off_t) offset;
    ssize_t n;

    while (len > 0) {
        n = sendfile(c->fd, fd, &at, len);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return -1;
        }
        len -= (uint64_t) n;
    }
    return 0;
}


int conn_send(conn *c, const char *bytes, size_t len)
{
    ssize_t n;

    while (len > 0) {
        n = send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return -1;
        }
        bytes += n;
        len -= (size_t) n;
    }
    return 0;
}


int conn_gone(conn *c)
{
    char    byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR);
}


static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}


void conn_linger(conn *c)
{
    struct pollfd p = { c->fd, POLLIN, 0 };
    int64_t       end = now_ms() + 2000;
    int           left = 2000;

    if (c->reset || shutdown(c->fd, SHUT_WR) == -1) {
        return;
    }
    while (left > 0 && poll(&p, 1, left) > 0 && recv(c->fd, c->in, sizeof(c->in), 0) > 0) {
        left = (int) (end - now_ms());
    }
}


void conn_reset(conn *c)
{
    struct linger linger = { 1, 0 };

    c->reset = 1;
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
