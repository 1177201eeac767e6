/*
 * fuzz_make.c - what the calls of a sequence are made of: chance, memory that
 * ends where the caller's does, handles, requests.
 */

#include "fuzz.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define AREA_SIZE (1u << 20)
#define SHOWN     256
#define PAIRS     48


uint64_t fuzz_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}


/* A number below n. */
uint32_t choose(sequence *z, uint32_t n)
{
    z->random += 0x9e3779b97f4a7c15u;
    return (uint32_t) ((fuzz_mix(z->random) >> 32) * n >> 32);
}


int once_in(sequence *z, uint32_t n)
{
    return choose(z, n) == n - 1;
}


int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}


void memory_make(sequence *z)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE), k;
    int    i;

    for (i = 0; i < AREAS; i++) {
        char *p = mmap(NULL, AREA_SIZE + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED || mprotect(p + AREA_SIZE, page, PROT_NONE) == -1) {
            perror("fuzz: memory");
            exit(1);
        }
        for (k = 0; k < AREA_SIZE; k++) {
            p[k] = (char) (k * 31 + k / 251);
        }
        z->areas[i] = p + AREA_SIZE;
    }
}


/* len bytes, the last of them the last there is. */
char *some_bytes(sequence *z, int area, uint64_t len)
{
    MUST(z, len <= AREA_SIZE, len);
    return z->areas[area] - len;
}


/* A copy of a structure whose size field tells the truth, which may be less or
 * more than this program's: first is the first version's. What is cut off is 0
 * in the original, too. */
void *placed(sequence *z, int area, void *structure, uint32_t size, uint32_t first)
{
    uint32_t n = size;
    char    *at;

    if (once_in(z, 8)) {
        n = once_in(z, 2) ? choose(z, size) : size + choose(z, 200);
    }
    at = z->areas[area] - (((n < 4 ? 4 : n) + 7) & ~7u);
    memset(at, 0xff, (size_t) (z->areas[area] - at));
    if (n < size) {
        memset((char *) structure + n, 0, size - n);
    }
    memcpy(structure, &n, sizeof(n));
    memcpy(at, structure, n < 4 ? 4 : n < size ? n : size);
    if (n < first) {
        z->refuse |= S(E_SIZE);
    }
    return at;
}


/* Reads the ends, so that a sanitizer or the kernel may object. */
void touch(const char *bytes, uint64_t len)
{
    const volatile char *at = bytes;

    if (len != 0) {
        (void) at[0];
        (void) at[len - 1];
    }
}


void touch_pairs(const pillion_pair *pairs, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        touch(pairs[i].name, pairs[i].name_len);
        touch(pairs[i].value, pairs[i].value_len);
    }
}


static uint64_t shown[KINDS][SHOWN], gone[SHOWN];
static uint32_t next[KINDS + 1];

void show(int kind, uint64_t handle)
{
    uint32_t i = __atomic_fetch_add(&next[kind], 1, __ATOMIC_RELAXED) % SHOWN;

    __atomic_store_n(&shown[kind][i], handle, __ATOMIC_RELAXED);
}


void show_gone(uint64_t handle)
{
    uint32_t i = __atomic_fetch_add(&next[KINDS], 1, __ATOMIC_RELAXED) % SHOWN;

    __atomic_store_n(&gone[i], handle, __ATOMIC_RELAXED);
}


/* A handle that is none of that kind. Never 0. */
uint64_t no_handle(sequence *z, int kind)
{
    uint32_t i = choose(z, SHOWN);
    uint64_t handle;

    switch (choose(z, 5)) {
    case 0:
        handle = __atomic_load_n(&gone[i], __ATOMIC_RELAXED);
        break;
    case 1:
        handle = __atomic_load_n(&shown[(kind + 1 + (int) choose(z, KINDS - 1)) % KINDS][i],
                                 __ATOMIC_RELAXED);
        break;
    case 2:
        handle = app;
        break;
    case 3:
        /* No queue, response or request has an index like that. */
        handle = (uint64_t) choose(z, 1u << 30) << 32 | 0xffff0000u | choose(z, 65536);
        break;
    default:
        handle = choose(z, 1000);
    }
    return handle != 0 ? handle : UINT64_MAX;
}


static const char *const safe_targets[] = {
    "/", "/facts/fuzz?a=b", "/hash", "/echo", "/echo?flush=1", "/bytes?n=70000&seed=f&write=777",
    "/bytes?n=300&length=1&seed=f", "/bytes?n=9000&read=1&seed=f", "/unread", "/trailers",
    "/limited?max=100", "/cross/fuzz?token=t", "/file?key=fuzz&path=", "/content?path=",
    "/file?first=7&offset=9999&n=100000&key=fuzz&path=", "/respond?spec=%7B%22Infos%22%3A%5B103%2C103%5D%2C%22Pieces%22%3A%5B%22a%22%2C%22b%22%5D%2C"
    "%22Flush%22%3Atrue%2C%22Trailers%22%3A%5B%5B%22Trailer%3AX-End%22%2C%221%22%5D%5D%7D",
    "/respond?spec=%7B%22Status%22%3A304%2C%22Headers%22%3A%5B%5B%22X%20Y%22%2C%22%5Cn%22%5D%5D%7D",
    "/log?level=WARN&msg=fuzz", "/panic?n=10&flush=1&abort=1", "/panic?abort=1", "/panic?n=3&key=fuzz",
    "/bytes?n=10&length=1&seed=f", "no slash", "*", "//", "/%", "/%zz?\xff", "http://a:1/b",
};

/* Those that wait for their client, and those that end their goroutine. */
static const char *const waiting_targets[] = {
    "/hold?key=fuzz", "/hold?key=fuzz&send=x", "/fill?n=300000&key=fuzz", "/goexit", "/goexit?n=5",
    "/hijack?how=echo&key=fuzz", "/hijack?how=bye&key=fuzz", "/hijack?how=lines&key=fuzz",
    "/hijack?how=leave&key=fuzz", "/hijack?how=head-first&key=fuzz", "/hijack?how=after-head&key=fuzz",
    "/hijack?how=fill&n=200000&key=fuzz", "/retry",
};

#define COUNT(array) ((uint32_t) (sizeof(array) / sizeof((array)[0])))


/* A target. The call drive has no way to end a handler that waits. */
const char *make_target(sequence *z, int drive)
{
    static _Thread_local char full[512];
    const char               *t;

    if (drive != BY_CALL && choose(z, 3) == 0) {
        return waiting_targets[choose(z, COUNT(waiting_targets))];
    }
    t = safe_targets[choose(z, COUNT(safe_targets))];
    if (t[strlen(t) - 1] != '=') {
        return t;
    }
    snprintf(full, sizeof(full), "%s%s", t, file_path);
    return full;
}


static pillion_pair pair(const char *name, const char *value)
{
    return (pillion_pair) { name, value, (uint32_t) strlen(name), (uint32_t) strlen(value) };
}


static pillion_pair some_pair(sequence *z, int area)
{
    static const char *const names[] = {
        "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_HOST", "HTTPS", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
        "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "HTTP_PROXY", "REQUEST_URI",
        "SERVER_PROTOCOL", "Host", "Content-Length", "Transfer-Encoding", "Expect", "Trailer", "Upgrade",
        "Connection", "Proxy", "Range", "If-Range", "X_Y", "content-length", "", "Cookie", "If-Modified-Since",
    };
    static const char *const values[] = {
        "", "0", "5", "5, 5", "-1", "18446744073709551616", "chunked", "gzip, chunked", "close", "100-continue",
        "websocket", "bytes=0-9,20-", "a\r\nb: c", "\x01", "on", "/", "/fuzz", "localhost", "a b", "X-End, Host",
        "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/9.9", "::1", "127.0.0.1", "Sat, 01 Jan 2000 00:00:00 GMT",
    };
    pillion_pair p = pair(names[choose(z, COUNT(names))], values[choose(z, COUNT(values))]);

    if (once_in(z, 10)) {
        p.name_len = choose(z, once_in(z, 20) ? 40000 : 40);
        p.name = some_bytes(z, area, p.name_len);
    }
    if (once_in(z, 6)) {
        p.value_len = choose(z, once_in(z, 20) ? 40000 : 100);
        p.value = some_bytes(z, area, p.value_len);
    }
    if (p.name_len == 0 && once_in(z, 2)) {
        p.name = NULL;
    }
    if (p.value_len == 0 && once_in(z, 2)) {
        p.value = NULL;
    }
    return p;
}


/* Makes one pair of several wrong. */
static void spoil(sequence *z, pillion_pair *pairs, uint32_t n)
{
    pillion_pair *p = &pairs[choose(z, n)];

    switch (choose(z, 4)) {
    case 0:
        p->name = NULL;
        p->name_len = 1 + choose(z, 100);
        z->refuse |= S(E_ARG);
        break;
    case 1:
        p->value = NULL;
        p->value_len = 1 + choose(z, 100);
        z->refuse |= S(E_ARG);
        break;
    case 2:
        p->name = "x";
        p->name_len = UINT32_MAX - choose(z, 100);
        z->refuse |= S(E_LIMIT);
        break;
    default:
        p->value = "x";
        p->value_len = PILLION_MAX_BLOCK + 1 + choose(z, 100);
        z->refuse |= S(E_LIMIT);
    }
}


/* As many as nobody takes, and all of them this program's. */
static const pillion_pair *too_many(sequence *z, uint32_t *n)
{
    static const pillion_pair many[PILLION_MAX_PAIRS + 100];

    *n = PILLION_MAX_PAIRS + 1 + choose(z, 99);
    z->refuse |= S(E_LIMIT);
    return many;
}


static void make_environ(sequence *z, int drive, pillion_request *req, pillion_pair *pairs)
{
    static const char *const methods[] = { "GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "G T", "get", "PRI" };
    static const char *const protocols[] = { "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "GOPHER", "HTTP/9.9" };
    uint32_t                 n = 0, more;

    if (once_in(z, 40)) {
        z->refuse |= S(E_ARG);          /* no method */
        if (once_in(z, 2)) {
            pairs[n++] = pair("REQUEST_METHOD", "");
        }
    } else {
        pairs[n++] = pair("REQUEST_METHOD", methods[choose(z, once_in(z, 4) ? COUNT(methods) : 2)]);
    }
    pairs[n++] = pair("REQUEST_URI", make_target(z, drive));
    if (!once_in(z, 20)) {
        pairs[n++] = pair("SERVER_PROTOCOL", protocols[choose(z, once_in(z, 4) ? COUNT(protocols) : 3)]);
    }
    if (!once_in(z, 20)) {
        pairs[n++] = pair("HTTP_HOST", "fuzz");
    }
    if (once_in(z, 3)) {
        for (more = choose(z, 10); more > 0; more--) {
            pairs[n++] = some_pair(z, 1);
            if (pairs[n - 1].name_len == 14 && memcmp(pairs[n - 1].name, "REQUEST_METHOD", 14) == 0) {
                n--;
            }
        }
    }
    req->environ = pairs;
    req->environ_len = n;
    if (once_in(z, 60)) {
        spoil(z, pairs, n);
    } else if (once_in(z, 200)) {
        req->environ = too_many(z, &req->environ_len);
        z->refuse |= S(E_ARG);
    } else if (once_in(z, 200)) {
        req->environ = NULL;
        z->refuse |= S(E_ARG);
    }
}


static void make_headers(sequence *z, pillion_request *req, pillion_pair *pairs)
{
    uint32_t n = 1 + choose(z, 8), i;

    if (!once_in(z, 3)) {
        return;
    }
    pairs[0] = pair("Host", "fuzz");
    for (i = 1; i < n; i++) {
        pairs[i] = some_pair(z, 2);
    }
    req->headers = pairs;
    req->headers_len = n;
    if (once_in(z, 30)) {
        spoil(z, pairs, n);
    } else if (once_in(z, 100)) {
        req->headers = too_many(z, &req->headers_len);
    }
}


static uint32_t make_window(sequence *z)
{
    switch (choose(z, 40)) {
    case 0:
        z->refuse |= S(E_LIMIT);
        return PILLION_MAX_WINDOW + 1 + choose(z, 1000);
    case 1:
        return sanitized ? 1u << 20 : PILLION_MAX_WINDOW - choose(z, 1000);
    case 2: case 3: case 4: case 5: case 6: case 7:
        return 1 + choose(z, 5000);
    case 8:
        return once_in(z, 20) ? 1 : 100;
    }
    return 0;
}


static uint32_t make_flags(sequence *z, int drive)
{
    uint32_t all = PILLION_REQUEST_MORE | PILLION_REQUEST_FILES | PILLION_REQUEST_HIJACK;
    uint32_t flags = 0;

    if (drive != BY_CALL || once_in(z, 50)) {
        flags = choose(z, all + 1);
    }
    if (once_in(z, 60)) {
        flags |= 8u << choose(z, 28);
    }
    if ((flags & ~all) != 0 || (drive == BY_CALL && flags != 0)) {
        z->refuse |= S(E_ARG);
    }
    return flags;
}


const pillion_request *make_request(sequence *z, int drive, pillion_request *req)
{
    static _Thread_local pillion_pair environ_pairs[PAIRS], headers[PAIRS];

    *req = (pillion_request) PILLION_REQUEST_INIT;
    req->flags = make_flags(z, drive);
    req->app = app;
    if (once_in(z, 30)) {
        req->app = once_in(z, 3) ? 0 : no_handle(z, (int) choose(z, KINDS));
        if (req->app != app) {
            z->refuse |= S(E_APP);
        }
    }
    make_environ(z, drive, req, environ_pairs);
    make_headers(z, req, headers);
    if (once_in(z, 2)) {
        req->body_len = choose(z, once_in(z, 10) ? 200000 : 3000);
        req->body = some_bytes(z, 3, req->body_len);
        if (once_in(z, 40)) {
            req->body = NULL;
            z->refuse |= req->body_len != 0 ? S(E_ARG) : 0;
        } else if (once_in(z, 40)) {
            req->body_len = UINT64_MAX - choose(z, 1000);
            z->refuse |= S(E_LIMIT);
        }
    }
    req->credit = make_window(z);
    req->window = make_window(z);
    if (once_in(z, 200)) {
        z->refuse |= S(E_ARG);
        return NULL;
    }
    return placed(z, 0, req, sizeof(*req), sizeof(*req));
}


void expect(sequence *z, int32_t rc, uint32_t when_right)
{
    uint32_t want = z->refuse != 0 ? z->refuse : when_right;

    switch (__atomic_load_n(&phase, __ATOMIC_SEQ_CST)) {
    case BEFORE:
        want = z->refuse | S(E_STATE);
        break;
    case STOPPING:
        want |= S(E_STOPPED);
        break;
    case AFTER:
        want = z->refuse | S(E_STOPPED);
    }
    expect_always(z, rc, want);
}


/* For functions that do not care for the phase. */
void expect_always(sequence *z, int32_t rc, uint32_t when_right)
{
    MUST(z, rc <= 0 && rc > -32, rc);
    if ((when_right & 1u << -rc) == 0) {
        fail(z, "a status that pillion.h does not give", rc);
    }
}
