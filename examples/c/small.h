/*
 * small.h - what the small servers have in common, which has little to do with
 * Pillion: a listening socket, and heads of HTTP/1.0.
 */

#ifndef SMALL_H
#define SMALL_H

#include <arpa/inet.h>
#include <errno.h>
#include <pillion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SMALL_HEAD 16384        /* bytes of a head                             */

/* The command line: a port and an application. Returns a listening socket. */
static inline int small_start(int argc, char **argv, uint64_t *app)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    pillion_config     config = PILLION_CONFIG_INIT;
    int                fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    int                port = argc == 3 ? atoi(argv[1]) : 0;
    int32_t            rc;

    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: %s PORT APPLICATION\n", argv[0]);
        exit(2);
    }
    signal(SIGPIPE, SIG_IGN);
    config.flags = PILLION_CONFIG_IGNORE_SIGPIPE;
    if ((rc = pillion_init(&config)) != PILLION_OK
        || (rc = pillion_app_find(argv[2], strlen(argv[2]), app)) != PILLION_OK)
    {
        fprintf(stderr, "%s: %s: %s\n", argv[0], argv[2], pillion_strerror(rc));
        exit(1);
    }
    at.sin_port = htons((uint16_t) port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *) &at, sizeof(at)) == -1 || listen(fd, 64) == -1) {
        fprintf(stderr, "%s: port %d: %s\n", argv[0], port, strerror(errno));
        exit(1);
    }
    printf("http://127.0.0.1:%s/\n", argv[1]);
    fflush(stdout);
    return fd;
}


typedef struct small_request {
    char         method[16], target[8192], length[24];
    pillion_pair environ[4];
} small_request;

static inline void small_pair(pillion_pair *p, const char *name, const char *value)
{
    *p = (pillion_pair) { name, value, (uint32_t) strlen(name), (uint32_t) strlen(value) };
}

/* Reads a request's head, which ends with a NUL. Returns 0, or -1. */
static inline int small_parse(const char *head, small_request *s, pillion_request *r)
{
    const char *line = head;

    if (sscanf(head, "%15s %8191s", s->method, s->target) != 2) {
        return -1;
    }
    strcpy(s->length, "0");
    while ((line = strchr(line, '\n')) != NULL) {
        if (strncasecmp(++line, "Content-Length:", 15) == 0) {
            line += 15;
            sscanf(line + strspn(line, " \t"), "%23[0-9]", s->length);
        }
    }
    small_pair(&s->environ[0], "REQUEST_METHOD", s->method);
    small_pair(&s->environ[1], "REQUEST_URI", s->target);
    small_pair(&s->environ[2], "SERVER_PROTOCOL", "HTTP/1.0");
    small_pair(&s->environ[3], "CONTENT_LENGTH", s->length);
    r->environ = s->environ;
    r->environ_len = 4;
    return 0;
}


/* Writes a response's head, and returns its length. */
static inline size_t small_head(char out[SMALL_HEAD], int32_t status, const pillion_pair *h,
                                uint32_t len)
{
    size_t n = (size_t) sprintf(out, "HTTP/1.0 %d \r\n", status);

    for (; len > 0 && n + h->name_len + h->value_len + 6 < SMALL_HEAD; len--, h++) {
        n += (size_t) sprintf(out + n, "%.*s: %.*s\r\n", (int) h->name_len, h->name,
                              (int) h->value_len, h->value);
    }
    return n + (size_t) sprintf(out + n, "\r\n");
}


/* Sends all bytes, waiting as long as it takes. Returns 0, or -1. */
static inline int small_send(int fd, const char *bytes, size_t len)
{
    ssize_t n = 0;

    for (; len > 0; bytes += n, len -= (size_t) n) {
        n = write(fd, bytes, len);
        if (n == -1) {
            return -1;
        }
    }
    return 0;
}

/* Reads some of a head. Returns how many of the *len bytes in are the head, 0 if
 * there is more of it to come, -1 if it never will. */
static inline ssize_t small_read(int fd, char in[SMALL_HEAD], size_t *len)
{
    const char *end;
    ssize_t     n = read(fd, in + *len, SMALL_HEAD - 1 - *len);

    if (n <= 0) {
        return -1;
    }
    in[*len += (size_t) n] = '\0';
    end = strstr(in, "\r\n\r\n");
    return end == NULL ? 0 : end + 4 - in;
}


/* Makes the end of a connection a reset, so that nobody takes what came before
 * for a whole response. */
static inline void small_cut(int fd)
{
    struct linger reset = { 1, 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}


/* Waits for something else on a descriptor that epoll knows, or knows from now
 * on. */
static inline void small_watch(int epfd, int fd, uint32_t events, void *data)
{
    struct epoll_event e = { events, { data } };

    if (epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &e) == -1) {
        epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e);
    }
}

#endif
