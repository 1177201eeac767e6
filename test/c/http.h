/*
 * http.h - HTTP/1.1 for the test servers: heads and bodies, no I/O.
 */

#ifndef HTTP_H
#define HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "pillion.h"

#define HTTP_HEAD_MAX   32768
#define HTTP_FIELDS_MAX 256
#define HTTP_TRAILERS_MAX 16

/* A request head, as an application is told of it. */
typedef struct http_head {
    pillion_pair environ[20];
    pillion_pair headers[HTTP_FIELDS_MAX];
    uint32_t     environ_len;
    uint32_t     headers_len;
    const char  *app;               /* which application it is for             */

    int          minor;             /* of HTTP/1.minor                         */
    int          is_head;           /* the method is HEAD                      */
    int          keepalive;
    int          expect;            /* an Expect header came                   */
    int          expect_continue;   /* and it was 100-continue                 */
    int          chunked;
    uint64_t     length;            /* of the body, if it is not chunked       */

    char         raw[HTTP_HEAD_MAX];
    char         path[HTTP_HEAD_MAX];
    char         text[2][64];       /* addresses and ports                     */
    char         port[2][8];
} http_head;

/* The two ends of a connection. */
typedef struct http_peers {
    struct sockaddr_storage local;
    struct sockaddr_storage remote;
} http_peers;

/*
 * Reads a request head from the first len bytes of in. Returns how many bytes
 * it has, 0 if it is not whole yet, -1 if it is malformed or too large.
 */
ssize_t http_head_parse(http_head *h, const char *in, size_t len, const http_peers *peers);

/* Where a request body has got to. Set up by http_body_init(). */
typedef struct http_body {
    int      chunked;
    int      state;
    int      done;
    uint64_t left;                  /* of the body, or of the chunk            */
    uint64_t line;                  /* bytes on the present line               */

    pillion_pair trailers[HTTP_TRAILERS_MAX];
    uint32_t     trailers_len;
    size_t       text_len;
    char         text[2048];        /* of the trailers                         */
} http_body;

void http_body_init(http_body *b, const http_head *h);

/*
 * Takes body bytes from in until there is something to hand on: *data, of
 * *data_len bytes, which lies in in. Returns how many bytes it has used, or -1
 * if the body is malformed. b->done says that the body has ended.
 */
ssize_t http_body_next(http_body *b, const char *in, size_t len, const char **data,
                       size_t *data_len);

/* Gives back the last n of the bytes that were handed on. */
void http_body_back(http_body *b, size_t n);

/* How a response's body is marked off. */
enum { HTTP_NONE, HTTP_LENGTH, HTTP_CHUNKED, HTTP_CLOSE };

/*
 * Writes a response head as malloc()ed bytes, NULL if there is no memory, and
 * says in *framing how the body goes and in *keepalive whether the connection
 * may live on, which it may not if it came in as 0.
 */
char *http_head_format(const http_head *request, int32_t status, const pillion_pair *headers,
                       uint32_t headers_len, size_t *len, int *framing, int *keepalive);

/* The same for an informational head. */
char *http_info_format(int32_t status, const pillion_pair *headers, uint32_t headers_len,
                       size_t *len);

/* The last chunk and the trailers, malloc()ed. */
char *http_last_format(const pillion_pair *trailers, uint32_t trailers_len, size_t *len);

/* A chunk's first line, written to out. Returns its length. */
#define HTTP_CHUNK_MAX 24
size_t http_chunk_format(char out[HTTP_CHUNK_MAX], uint64_t len);

/* A whole response of the server's own. */
const char *http_error(int status);

#define HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

#endif
