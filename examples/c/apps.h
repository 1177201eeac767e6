/*
 * apps.h - what the servers here have in common: which applications answer
 * which paths, and the CGI variables of a request.
 */

#ifndef APPS_H
#define APPS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pillion_loader.h>
#include <stdlib.h>

#define APPS_MAX 16

typedef struct apps {
    pillion_api api;
    uint16_t    port;
    uint32_t    len;
    struct {
        const char *prefix;
        size_t      len;
        int         mounted;        /* it sees only what follows the prefix    */
        uint64_t    app;
    } at[APPS_MAX];
} apps;

#define APPS_USAGE                                                                                 \
    "usage: %s LIBRARY PORT PREFIX=APPLICATION...\n"                                               \
    "       a colon instead of = leaves the prefix in the path that the application sees\n"

/* Reads the command line, loads the library and starts it. Ends the process if
 * that fails. */
static inline void apps_start(apps *a, int argc, char **argv)
{
    pillion_config config = PILLION_CONFIG_INIT;
    int32_t        rc;
    int            i;
    char           err[512];

    if (argc < 4 || argc - 3 > APPS_MAX) {
        fprintf(stderr, APPS_USAGE, argv[0]);
        exit(2);
    }
    if (pillion_loader_open(argv[1], &a->api, err, sizeof(err)) == -1) {
        fprintf(stderr, "%s: %s\n", argv[0], err);
        exit(1);
    }
    signal(SIGPIPE, SIG_IGN);
    config.flags = PILLION_CONFIG_IGNORE_SIGPIPE;
    rc = a->api.init(&config);
    if (rc != PILLION_OK) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], a->api.strerror(rc));
        exit(1);
    }

    a->port = (uint16_t) atoi(argv[2]);
    for (i = 3; i < argc; i++) {
        size_t n = strcspn(argv[i], "=:");

        if (argv[i][n] == '\0'
            || a->api.app_find(argv[i] + n + 1, strlen(argv[i] + n + 1), &a->at[a->len].app)
                   != PILLION_OK)
        {
            fprintf(stderr, "%s: %s names no application of the library\n", argv[0], argv[i]);
            exit(1);
        }
        a->at[a->len].prefix = argv[i];
        a->at[a->len].len = n > 0 && argv[i][n - 1] == '/' ? n - 1 : n;
        a->at[a->len].mounted = argv[i][n] == '=';
        a->len++;
    }
}


/* The variables of a request; they point into what it was made from. */
typedef struct apps_environ {
    pillion_pair pairs[10];
    uint32_t     len;
    char        *path;              /* decoded, to be freed                    */
    char         address[INET6_ADDRSTRLEN];
    char         port[8];
} apps_environ;

static inline void apps_add(apps_environ *e, const char *name, const char *value, size_t len)
{
    pillion_pair pair = { name, value, (uint32_t) strlen(name), (uint32_t) len };

    e->pairs[e->len++] = pair;
}


static inline int apps_hex(char c)
{
    return c >= '0' && c <= '9'                ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                               : -1;
}


/* Undoes the percent coding of a path. */
static inline size_t apps_decode(char *to, const char *from, size_t len)
{
    size_t i, n = 0;

    for (i = 0; i < len; i++) {
        if (from[i] == '%' && i + 2 < len && apps_hex(from[i + 1]) >= 0
            && apps_hex(from[i + 2]) >= 0)
        {
            to[n++] = (char) (apps_hex(from[i + 1]) << 4 | apps_hex(from[i + 2]));
            i += 2;
        } else {
            to[n++] = from[i];
        }
    }
    return n;
}


/*
 * Fills e for a request and returns the application it is for, 0 if there is
 * none or no memory. The strings are borrowed as long as e is used. Afterwards
 * e->path must be freed, whatever was returned.
 */
static inline uint64_t apps_route(const apps *a, apps_environ *e, const char *method,
                                  const char *target, const char *protocol,
                                  const struct sockaddr *peer)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) peer;
    size_t                    path = strcspn(target, "?"), script = 0;
    uint32_t                  i;

    memset(e, 0, sizeof(*e));
    for (i = 0; i < a->len; i++) {
        size_t n = a->at[i].len;

        if (n <= path && memcmp(target, a->at[i].prefix, n) == 0 && (n == path || target[n] == '/')) {
            script = a->at[i].mounted ? n : 0;
            break;
        }
    }
    e->path = malloc(path + 1);
    if (i == a->len || e->path == NULL) {
        return 0;
    }

    apps_add(e, "REQUEST_METHOD", method, strlen(method));
    apps_add(e, "REQUEST_URI", target, strlen(target));
    apps_add(e, "SERVER_PROTOCOL", protocol, strlen(protocol));
    apps_add(e, "SCRIPT_NAME", target, script);
    apps_add(e, "PATH_INFO", e->path, apps_decode(e->path, target + script, path - script));
    target += path + (target[path] == '?');
    apps_add(e, "QUERY_STRING", target, strlen(target));
    apps_add(e, "REQUEST_SCHEME", "http", 4);
    if (peer->sa_family == AF_INET
        && inet_ntop(AF_INET, &in->sin_addr, e->address, sizeof(e->address)) != NULL)
    {
        snprintf(e->port, sizeof(e->port), "%u", (unsigned) ntohs(in->sin_port));
        apps_add(e, "REMOTE_ADDR", e->address, strlen(e->address));
        apps_add(e, "REMOTE_PORT", e->port, strlen(e->port));
    }
    return a->at[i].app;
}


/*
 * Bounds what the kernel holds for a client, per connection that the listening
 * socket fd will accept: otherwise it takes megabytes from an application whose
 * client is slow.
 */
static inline void apps_bound(int fd)
{
    int size = 131072;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}


/*
 * Resets a connection. Where its end is the end of the body, as in HTTP/1.0,
 * nothing else tells the client that the response is not whole.
 */
static inline void apps_reset(int fd)
{
    struct sockaddr nobody = { .sa_family = AF_UNSPEC };

    connect(fd, &nobody, sizeof(nobody));
}


/* Whether a header is named so, in any case. */
static inline int apps_is(const pillion_pair *h, const char *name)
{
    return h->name_len == strlen(name) && strncasecmp(h->name, name, h->name_len) == 0;
}


/* A header's two strings for those who want them with a NUL at the end. They are
 * one allocation, to be freed by way of the name. */
static inline char *apps_strings(const pillion_pair *h, char **value)
{
    char *name = malloc((size_t) h->name_len + h->value_len + 2);

    if (name != NULL) {
        memcpy(name, h->name, h->name_len);
        name[h->name_len] = '\0';
        *value = name + h->name_len + 1;
        memcpy(*value, h->value, h->value_len);
        (*value)[h->value_len] = '\0';
    }
    return name;
}

#endif
