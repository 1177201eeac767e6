/*
 * http.c - HTTP/1.1 for the test servers: heads and bodies, no I/O.
 */

#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>


/* Which application a path belongs to, and where it is mounted there. */
static const struct {
    const char *prefix;
    const char *app;
    int         mounted;
} routes[] = {
    { "/other", "other", 0 },
    { "/mounted", "behave", 1 },
    { "", "behave", 0 },
};


static void add(http_head *h, const char *name, const char *value, size_t len)
{
    pillion_pair *p = &h->environ[h->environ_len++];

    p->name = name;
    p->name_len = (uint32_t) strlen(name);
    p->value = value;
    p->value_len = (uint32_t) len;
}


static int is(const pillion_pair *field, const char *name)
{
    return field->name_len == strlen(name) && strncasecmp(field->name, name, field->name_len) == 0;
}


static int says(const pillion_pair *field, const char *value)
{
    return field->value_len == strlen(value)
           && strncasecmp(field->value, value, field->value_len) == 0;
}


static int unhex(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}


static size_t decode(char *out, const char *in, size_t len)
{
    size_t i, n = 0;

    for (i = 0; i < len; i++) {
        if (in[i] == '%' && i + 2 < len && unhex(in[i + 1]) >= 0 && unhex(in[i + 2]) >= 0) {
            out[n++] = (char) (unhex(in[i + 1]) << 4 | unhex(in[i + 2]));
            i += 2;
        } else {
            out[n++] = in[i];
        }
    }
    return n;
}


static void add_address(http_head *h, int i, const struct sockaddr_storage *ss, const char *addr,
                        const char *port)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *) ss;

    if (ss->ss_family != AF_INET
        || inet_ntop(AF_INET, &in->sin_addr, h->text[i], sizeof(h->text[i])) == NULL)
    {
        return;
    }
    snprintf(h->port[i], sizeof(h->port[i]), "%u", (unsigned) ntohs(in->sin_port));
    add(h, addr, h->text[i], strlen(h->text[i]));
    add(h, port, h->port[i], strlen(h->port[i]));
}


/* The request line: "GET /path?query HTTP/1.1". */
static int parse_request_line(http_head *h, char *line, char *end, const http_peers *peers)
{
    char  *target, *proto, *query;
    size_t i, n, path_len, script_len = 0;

    target = memchr(line, ' ', (size_t) (end - line));
    if (target == NULL || target == line) {
        return -1;
    }
    target++;
    for (proto = end; proto > target && proto[-1] != ' '; proto--) {
    }
    if (proto == target || proto - 1 == target || end - proto != 8
        || memcmp(proto, "HTTP/1.", 7) != 0)
    {
        return -1;
    }
    h->minor = proto[7] == '0' ? 0 : 1;
    h->keepalive = h->minor == 1;
    h->is_head = target - line == 5 && memcmp(line, "HEAD ", 5) == 0;

    n = (size_t) (proto - 1 - target);
    query = memchr(target, '?', n);
    path_len = query == NULL ? n : (size_t) (query - target);
    for (i = 0; i < sizeof(routes) / sizeof(routes[0]) - 1; i++) {
        size_t len = strlen(routes[i].prefix);

        if (path_len >= len && memcmp(target, routes[i].prefix, len) == 0
            && (path_len == len || target[len] == '/'))
        {
            script_len = routes[i].mounted ? len : 0;
            break;
        }
    }
    h->app = routes[i].app;

    add(h, "REQUEST_METHOD", line, (size_t) (target - 1 - line));
    add(h, "REQUEST_URI", target, n);
    add(h, "SERVER_PROTOCOL", proto, 8);
    add(h, "SCRIPT_NAME", target, script_len);
    add(h, "PATH_INFO", h->path,
        decode(h->path, target + script_len, path_len - script_len));
    add(h, "QUERY_STRING", query == NULL ? "" : query + 1, query == NULL ? 0 : n - path_len - 1);
    add(h, "REQUEST_SCHEME", "http", 4);
    add_address(h, 0, &peers->local, "SERVER_ADDR", "SERVER_PORT");
    add_address(h, 1, &peers->remote, "REMOTE_ADDR", "REMOTE_PORT");
    return 0;
}


/* A line of the form "Name: value". */
static int split_field(pillion_pair *p, char *line, char *end)
{
    char *colon = memchr(line, ':', (size_t) (end - line));

    if (colon == NULL || colon == line) {
        return -1;
    }
    p->name = line;
    p->name_len = (uint32_t) (colon - line);
    for (colon++; colon < end && (*colon == ' ' || *colon == '\t'); colon++) {
    }
    while (end > colon && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    p->value = colon;
    p->value_len = (uint32_t) (end - colon);
    return 0;
}


static int parse_field(http_head *h, char *line, char *end)
{
    pillion_pair *p = &h->headers[h->headers_len];

    if (h->headers_len == HTTP_FIELDS_MAX || split_field(p, line, end) == -1) {
        return -1;
    }
    h->headers_len++;

    if (is(p, "Connection")) {
        h->keepalive = says(p, "close") ? 0 : says(p, "keep-alive") ? 1 : h->keepalive;
    } else if (is(p, "Expect")) {
        h->expect = 1;
        h->expect_continue = says(p, "100-continue");
    } else if (is(p, "Content-Type")) {
        add(h, "CONTENT_TYPE", p->value, p->value_len);
    } else if (is(p, "Transfer-Encoding")) {
        if (!says(p, "chunked")) {
            return -1;
        }
        h->chunked = 1;
    } else if (is(p, "Content-Length")) {
        uint32_t i;

        if (p->value_len == 0 || p->value_len > 18) {
            return -1;
        }
        h->length = 0;
        for (i = 0; i < p->value_len; i++) {
            if (p->value[i] < '0' || p->value[i] > '9') {
                return -1;
            }
            h->length = h->length * 10 + (uint64_t) (p->value[i] - '0');
        }
        add(h, "CONTENT_LENGTH", p->value, p->value_len);
    }
    return 0;
}


ssize_t http_head_parse(http_head *h, const char *in, size_t len, const http_peers *peers)
{
    char  *line, *lf, *end;
    size_t size;

    lf = memmem(in, len, "\r\n\r\n", 4);
    if (lf == NULL) {
        return len >= HTTP_HEAD_MAX ? -1 : 0;
    }
    size = (size_t) (lf - in) + 4;
    if (size > HTTP_HEAD_MAX) {
        return -1;
    }

    memset(h, 0, offsetof(http_head, raw));
    memcpy(h->raw, in, size);
    end = h->raw + size - 2;

    for (line = h->raw; line < end; line = lf + 1) {
        lf = memchr(line, '\n', (size_t) (h->raw + size - line));
        if (lf == line || lf[-1] != '\r'
            || (line == h->raw ? parse_request_line(h, line, lf - 1, peers)
                               : parse_field(h, line, lf - 1)) == -1)
        {
            return -1;
        }
    }
    return (ssize_t) size;
}


enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER };

void http_body_init(http_body *b, const http_head *h)
{
    memset(b, 0, offsetof(http_body, trailers));
    b->trailers_len = 0;
    b->text_len = 0;
    b->chunked = h->chunked;
    b->left = h->chunked ? 0 : h->length;
    b->state = h->chunked ? SIZE : DATA;
    b->done = !h->chunked && h->length == 0;
}


/* A byte of the lines that follow the last chunk. */
static int trailer_byte(http_body *b, char c)
{
    char *line = b->text + b->text_len - b->line;

    if (c == '\r') {
        return 0;
    }
    if (c != '\n') {
        if (b->text_len == sizeof(b->text)) {
            return -1;
        }
        b->text[b->text_len++] = c;
        b->line++;
        return 0;
    }
    if (b->line == 0) {
        b->done = 1;
        return 0;
    }
    if (b->trailers_len == HTTP_TRAILERS_MAX
        || split_field(&b->trailers[b->trailers_len], line, line + b->line) == -1)
    {
        return -1;
    }
    b->trailers_len++;
    b->line = 0;
    return 0;
}


ssize_t http_body_next(http_body *b, const char *in, size_t len, const char **data,
                       size_t *data_len)
{
    size_t i;

    *data_len = 0;
    for (i = 0; i < len && !b->done;) {
        char c = in[i];

        if (b->state == DATA) {
            *data = in + i;
            *data_len = len - i < b->left ? len - i : (size_t) b->left;
            b->left -= *data_len;
            if (b->left == 0) {
                b->state = DATA_CR;
                b->done = !b->chunked;
            }
            return (ssize_t) (i + *data_len);
        }
        i++;
        switch (b->state) {
        case SIZE:
            if (unhex(c) >= 0 && b->line < 15) {
                b->left = b->left << 4 | (uint64_t) unhex(c);
                b->line++;
            } else if (b->line == 0) {
                return -1;
            } else {
                b->state = c == '\r' ? SIZE_LF : EXTENSION;
            }
            break;
        case EXTENSION:
            if (c == '\r') {
                b->state = SIZE_LF;
            }
            break;
        case SIZE_LF:
            if (c != '\n') {
                return -1;
            }
            b->line = 0;
            b->state = b->left == 0 ? TRAILER : DATA;
            break;
        case DATA_CR:
            if (c != '\r') {
                return -1;
            }
            b->state = DATA_LF;
            break;
        case DATA_LF:
            if (c != '\n') {
                return -1;
            }
            b->state = SIZE;
            break;
        case TRAILER:
            if (trailer_byte(b, c) == -1) {
                return -1;
            }
            break;
        }
    }
    return (ssize_t) i;
}


void http_body_back(http_body *b, size_t n)
{
    if (n > 0) {
        b->left += n;
        b->state = DATA;
        b->done = 0;
    }
}


static const char *reason(int32_t status)
{
    switch (status) {
    case 100: return "Continue";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 417: return "Expectation Failed";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default:  return "Status";
    }
}


static size_t fields_size(const pillion_pair *p, uint32_t n)
{
    size_t size = 0;

    for (; n > 0; n--, p++) {
        size += (size_t) p->name_len + p->value_len + 4;
    }
    return size;
}


static char *put(char *at, const char *bytes, size_t len)
{
    if (len != 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}


static char *put_field(char *at, const pillion_pair *p)
{
    at = put(at, p->name, p->name_len);
    at = put(at, ": ", 2);
    at = put(at, p->value, p->value_len);
    return put(at, "\r\n", 2);
}


char *http_head_format(const http_head *request, int32_t status, const pillion_pair *headers,
                       uint32_t headers_len, size_t *len, int *framing, int *keepalive)
{
    char    *out = malloc(fields_size(headers, headers_len) + 128);
    char    *at = out;
    uint32_t i;

    if (out == NULL) {
        return NULL;
    }
    *framing = request->is_head || status == 204 || status == 304 ? HTTP_NONE
             : request->minor == 1 ? HTTP_CHUNKED : HTTP_CLOSE;
    *keepalive = *keepalive && request->keepalive;

    at += sprintf(at, "HTTP/1.1 %d %s\r\n", (int) status, reason(status));
    for (i = 0; i < headers_len; i++) {
        if (is(&headers[i], "Connection")) {
            if (says(&headers[i], "close")) {
                *keepalive = 0;
            }
            continue;
        }
        if (is(&headers[i], "Content-Length") && *framing != HTTP_NONE) {
            *framing = HTTP_LENGTH;
        }
        at = put_field(at, &headers[i]);
    }
    if (*framing == HTTP_CHUNKED) {
        at = put(at, "Transfer-Encoding: chunked\r\n", 28);
    } else if (*framing == HTTP_CLOSE) {
        *keepalive = 0;
    }
    if (!*keepalive) {
        at = put(at, "Connection: close\r\n", 19);
    }
    at = put(at, "\r\n", 2);
    *len = (size_t) (at - out);
    return out;
}


char *http_info_format(int32_t status, const pillion_pair *headers, uint32_t headers_len,
                       size_t *len)
{
    char *out = malloc(fields_size(headers, headers_len) + 64);
    char *at = out;

    if (out == NULL) {
        return NULL;
    }
    at += sprintf(at, "HTTP/1.1 %d %s\r\n", (int) status, reason(status));
    for (; headers_len > 0; headers_len--) {
        at = put_field(at, headers++);
    }
    at = put(at, "\r\n", 2);
    *len = (size_t) (at - out);
    return out;
}


char *http_last_format(const pillion_pair *trailers, uint32_t trailers_len, size_t *len)
{
    char *out = malloc(fields_size(trailers, trailers_len) + 8);
    char *at = out;

    if (out == NULL) {
        return NULL;
    }
    at = put(at, "0\r\n", 3);
    for (; trailers_len > 0; trailers_len--) {
        at = put_field(at, trailers++);
    }
    at = put(at, "\r\n", 2);
    *len = (size_t) (at - out);
    return out;
}


size_t http_chunk_format(char out[HTTP_CHUNK_MAX], uint64_t len)
{
    return (size_t) snprintf(out, HTTP_CHUNK_MAX, "%llx\r\n", (unsigned long long) len);
}


const char *http_error(int status)
{
    switch (status) {
    case 400:
        return "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    case 503:
        return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    default:
        return "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n"
               "Connection: close\r\n\r\n";
    }
}
