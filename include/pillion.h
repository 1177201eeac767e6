/*
 * pillion.h - Go web applications inside other servers.
 *
 * This header is the whole public interface of a Pillion library and its
 * manual. What does not stand here is not part of the interface. It is C99 and
 * compiles as C++.
 *
 *
 * OVERVIEW
 *
 * A Pillion library is a Go program built with
 *
 *     go build -buildmode=c-shared -o app.so .
 *
 * that imports "pillion/capi". It holds one or more named applications
 * (http.Handlers). A server loads the library, hands it requests as CGI-style
 * variables and body bytes, and gets back a status, headers and body bytes.
 * The same request and response can be driven in three ways:
 *
 *   call    pillion_call() runs one request on the calling thread: the whole
 *           body in, the whole response out. For scripts, tests, FFI.
 *
 *   serve   pillion_serve() runs one request and calls back, on the calling
 *           thread, to read the request body and to write the response as it
 *           comes. For servers with a thread per request.
 *
 *   queue   pillion_submit(), pillion_feed(), pillion_poll(), pillion_credit(),
 *           pillion_cancel(), pillion_release(): nothing blocks, completions
 *           are announced on one pollable descriptor. For event loops.
 *
 * The life of a process, whatever the drive:
 *
 *     pillion_init(&config);            once, after the last fork()
 *     pillion_app_find("demo", 4, &app);
 *     ... requests ...
 *     pillion_stop(1000, 5000);         once
 *
 * The life of one request in the queue drive:
 *
 *     pillion_submit(queue, &request, &handle);
 *     pillion_feed(handle, bytes, n, 0, &taken);     as the body arrives
 *     pillion_poll(queue, events, sizeof(events[0]), 64, &n);
 *                                  head, body, ..., complete or aborted
 *     pillion_credit(handle, events[i].body_len);    when it has been sent
 *     pillion_release(handle);
 *
 *
 * THREADS
 *
 * Every function may be called from any thread, and from several threads at
 * once, except the functions of the queue drive: a queue belongs to one thread
 * at a time, its owner, and pillion_queue_fd, _queue_free, pillion_submit, _feed,
 * _feed_trailers, _poll, _flush, _peek, _credit, _cancel and _release may only be
 * called by the owner of the queue concerned. Ownership may move between threads
 * if the caller synchronises the move. Several queues may be used side by side.
 *
 * Functions marked "never enters Go" run no Go code: they take a bounded, short
 * time whatever the applications do and are fit for an event loop's thread.
 *
 *
 * FORK
 *
 * A Go runtime does not survive fork(). Load the library in the process that
 * serves, after the last fork(). In a child forked from a process that has
 * loaded the library every function that returns a status returns
 * PILLION_E_FORKED, at once, and does nothing.
 *
 *
 * SIGNALS
 *
 * Go handles SIGSEGV, SIGBUS, SIGFPE, SIGPIPE and SIGURG from its start on.
 * pillion_init() puts handlers of SIGABRT and SIGQUIT before the process's own,
 * to which they pass on. What Go cannot recover from (a panic in a goroutine
 * that an application started, a fault in C code that Go called) ends the
 * process by SIGABRT, after a report: Go's, and then a line for each request in
 * flight of the serve and the queue drive.
 *
 *
 * MEMORY
 *
 * Bytes are a pointer and a length. They are not NUL-terminated, may hold any
 * byte, and are not assumed to be UTF-8. A pointer may be NULL if its length
 * is 0.
 *
 * What the caller passes in is borrowed until the call returns, never longer.
 * What the library hands out is borrowed by the caller until the release that
 * the function's comment names. Nothing crosses free().
 *
 * Handles (requests, responses, queues, apps) are 64-bit numbers; 0 is never a
 * valid handle. They are checked at every call: a handle that was released, or
 * never given out, gets PILLION_E_GONE.
 *
 * Structures that the caller fills begin with their size. Set it with the _INIT
 * macro, or zero the structure and set size. Fields are only ever appended; a
 * library reads as many bytes as it knows, and takes what a shorter structure
 * lacks as 0.
 *
 *
 * VERSION
 *
 * The ABI number is (major << 16) | minor. A caller built with this header
 * works with every library whose major is equal and whose minor is equal or
 * greater. pillion_loader.h does this check, and dlopen(), for you. What was
 * added after 1.0 is marked "since 1.N".
 */

#ifndef PILLION_H
#define PILLION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PILLION_ABI_MAJOR 1
#define PILLION_ABI_MINOR 1
#define PILLION_ABI ((PILLION_ABI_MAJOR << 16) | PILLION_ABI_MINOR)

#if defined(__GNUC__)
#define PILLION_EXPORT __attribute__((visibility("default")))
#else
#define PILLION_EXPORT
#endif


/*
 * STATUS
 *
 * Every function that can fail returns one of these as an int32_t. 0 is
 * success, failures are negative, and a number never changes its meaning.
 * Output parameters are written only on PILLION_OK unless a comment says
 * otherwise.
 */
#define PILLION_STATUSES(X)                                                    \
    X(PILLION_OK,          0, "success")                                       \
    X(PILLION_E_ARG,      -1, "an argument is NULL or out of its range")       \
    X(PILLION_E_SIZE,     -2, "the size field of a structure is not valid")    \
    X(PILLION_E_STATE,    -3, "not initialised yet, or initialised already")   \
    X(PILLION_E_STOPPED,  -4, "the library has been stopped")                  \
    X(PILLION_E_FORKED,   -5, "this process was forked after the load")        \
    X(PILLION_E_GONE,     -6, "no such handle, or it was released")            \
    X(PILLION_E_FULL,     -7, "too many requests in flight")                   \
    X(PILLION_E_APP,      -8, "no application has that name")                  \
    X(PILLION_E_LIMIT,    -9, "a length is over its limit")                    \
    X(PILLION_E_MEMORY,  -10, "out of memory")                                 \
    X(PILLION_E_OS,      -11, "a system call failed, see errno")               \
    X(PILLION_E_START,   -12, "an application failed to start")                \
    X(PILLION_E_ABORTED, -13, "the application aborted the response")          \
    X(PILLION_E_IO,      -14, "an I/O callback reported a failure")            \
    X(PILLION_E_TIMEOUT, -15, "not finished within the time given")

#define PILLION_STATUS_ENUM(name, number, text) name = number,
enum pillion_status { PILLION_STATUSES(PILLION_STATUS_ENUM) };
#undef PILLION_STATUS_ENUM


/*
 * LIMITS
 *
 * Lengths beyond these get PILLION_E_LIMIT.
 */
#define PILLION_MAX_PAIRS    65536u       /* pairs in one array                */
#define PILLION_MAX_BLOCK    (64u << 20)  /* bytes of all names and values     */
#define PILLION_MAX_INFLIGHT (1u << 20)   /* requests in flight in one queue   */
#define PILLION_MAX_QUEUES   4096u        /* queues of the process             */
#define PILLION_MAX_WINDOW   (1u << 30)   /* credit or window of one request   */


/* A name and its value. */
typedef struct pillion_pair {
    const char *name;
    const char *value;
    uint32_t    name_len;
    uint32_t    value_len;
} pillion_pair;


/*
 * LOGGING
 *
 * Levels are those of Go's log/slog; numbers between them may occur. Pillion's
 * own messages begin with a code, as in "PILLION-1003: ", which docs/codes.md
 * explains.
 */
#define PILLION_LOG_DEBUG (-4)
#define PILLION_LOG_INFO    0
#define PILLION_LOG_WARN    4
#define PILLION_LOG_ERROR   8

/*
 * Receives what the library and its applications log. msg is one message
 * without a final line feed; stack traces contain line feeds. It is borrowed
 * until the callback returns. If the message belongs to a request, it ends with
 * the request's context (app, client, request line, host). Called from any
 * thread, from several at once, also while a function of this header runs; it
 * must not call any function of this header.
 */
typedef void (*pillion_log_fn)(void *data, int32_t level, const char *msg, uint64_t len);


/*
 * Configuration of the process, for pillion_init(). All fields but size may
 * stay 0.
 */
typedef struct pillion_config {
    uint32_t            size;

    /* Number of pairs at env. */
    uint32_t            env_len;

    /*
     * Environment variables for the applications, set over those of the
     * process. Go reads the process's environment from where the kernel put it,
     * which many servers overwrite; pillion_init() first brings Go's view in
     * line with the C library's, then applies these.
     */
    const pillion_pair *env;

    /* Receives log messages, with log_data as its first argument. If NULL,
     * they are written to log_fd, a line each. */
    pillion_log_fn      log;
    void               *log_data;

    /* Descriptor for log lines if log is NULL; 0 stands for 2, standard error.
     * Not owned: never closed by the library. */
    int32_t             log_fd;

    /* Messages below this level are dropped (PILLION_LOG_INFO is 0). */
    int32_t             log_level;

    /* Descriptor that receives the report of a fatal crash (stacks, and the
     * requests in flight, see SIGNALS) besides standard error; 0 for none.
     * Duplicated by the library. */
    int32_t             crash_fd;

    /* CPUs that run Go code at once, as GOMAXPROCS; 0 leaves Go's choice. */
    int32_t             gomaxprocs;

    /* As GOGC: percentage of heap growth between collections; negative turns
     * the collector off. 0 is GOGC of the environment, or without one 100 as
     * ever, but up to 200 for a heap in which less than 8 MiB live, until the
     * application sets another. */
    int32_t             gc_percent;

    /* PILLION_CONFIG_ flags. */
    uint32_t            flags;

    /* As GOMEMLIMIT: soft limit of the Go runtime's memory in bytes; 0 for
     * none. */
    int64_t             memory_limit;

    /* What the server calls itself, "nginx/1.22.1"; SERVER_SOFTWARE for
     * requests that do not bring their own. Borrowed until the call returns. */
    const char         *server_software;
    uint64_t            server_software_len;
} pillion_config;

#define PILLION_CONFIG_INIT { sizeof(pillion_config), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* The process ignores SIGPIPE: Go must do so too, or a Go write to a broken
 * standard output would end the process. */
#define PILLION_CONFIG_IGNORE_SIGPIPE 1u


/*
 * REQUESTS
 *
 * environ holds CGI variables (RFC 3875). REQUEST_METHOD is required. Known
 * names: REQUEST_METHOD, REQUEST_URI (the request target verbatim, with query),
 * SERVER_PROTOCOL, SCRIPT_NAME, PATH_INFO, QUERY_STRING, SERVER_NAME,
 * SERVER_PORT, SERVER_ADDR, SERVER_SOFTWARE, REMOTE_ADDR, REMOTE_PORT,
 * REQUEST_SCHEME, HTTPS ("on"), CONTENT_LENGTH, CONTENT_TYPE. Others reach the
 * application untouched. Without REQUEST_URI it is rebuilt from SCRIPT_NAME,
 * PATH_INFO and QUERY_STRING. Without SERVER_PROTOCOL the request is taken for
 * HTTP/1.0; HTTP/1.1 needs a Host. SCRIPT_NAME, where it is not empty, is where the
 * application is mounted: it sees the rest as its path.
 *
 * headers holds the request's header fields under their own names, in order,
 * repetitions included. A caller that has only CGI variables leaves it empty and
 * gives the header fields as HTTP_* in environ; if headers is not empty, HTTP_*
 * in environ is not looked at. A Proxy header never reaches an application.
 *
 * A request that is well-formed as a structure but not as HTTP (bad header
 * name, bad Content-Length, bad target) is not refused here: it is answered
 * with its 4xx like any other response.
 */
typedef struct pillion_request {
    uint32_t            size;

    /* PILLION_REQUEST_ flags. */
    uint32_t            flags;

    /* From pillion_app_find(). */
    uint64_t            app;

    const pillion_pair *environ;
    const pillion_pair *headers;
    uint32_t            environ_len;
    uint32_t            headers_len;

    /* The body, or its first bytes if PILLION_REQUEST_MORE is set. */
    const char         *body;
    uint64_t            body_len;

    /* Not looked at; comes back in every event of the request. */
    void               *data;

    /* How many bytes of response body may be with the caller and not credited
     * before the application's Write waits; 0 for 65536. Not for call. */
    uint32_t            credit;

    /* How many bytes of request body may be with the library and not read by
     * the application before pillion_feed() takes no more; 0 for 65536. Not for
     * call. */
    uint32_t            window;
} pillion_request;

#define PILLION_REQUEST_INIT { sizeof(pillion_request), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* More body follows after body: by pillion_feed() in the queue drive, from
 * the read callback in the serve drive. Not for call. */
#define PILLION_REQUEST_MORE 1u

/* The caller can send from a file: PILLION_EVENT_FILE in the queue drive, the
 * file callback in the serve drive. Without it the library reads files itself.
 * Not for call. Since 1.1. */
#define PILLION_REQUEST_FILES 2u

/* The application may take the client's connection over: PILLION_EVENT_HIJACK
 * in the queue drive, the hijack callback in the serve drive. For HTTP/1.x
 * connections that the caller can hand over; without it http.Hijacker is not
 * there. Not for call. Since 1.1. */
#define PILLION_REQUEST_HIJACK 4u


/*
 * THE LIBRARY
 */

/*
 * The ABI number of the library. Compare it before anything else.
 *
 * Any thread, at any time. Never enters Go, never blocks.
 */
PILLION_EXPORT uint32_t pillion_abi(void);

/*
 * The version of Pillion the library was built with, for people: "1.1.0".
 * NUL-terminated, static, never released.
 *
 * Any thread, at any time. Never enters Go, never blocks.
 */
PILLION_EXPORT const char *pillion_version(void);

/*
 * A sentence for a status, e.g. "no application has that name". Never NULL; a
 * number that is no status gets "unknown status". NUL-terminated, static, never
 * released.
 *
 * Any thread, at any time. Never enters Go, never blocks.
 */
PILLION_EXPORT const char *pillion_strerror(int32_t status);

/*
 * Starts the library: takes over the environment, applies the runtime settings,
 * then runs the OnStart hooks of the applications. config may be NULL for all
 * defaults. What config points to is borrowed until the call returns, except
 * log, log_data and log_fd, which must stay valid as long as the process lives.
 *
 * Any thread, once in a process, in the process that serves (see FORK). Blocks
 * until Go's own start and all OnStart hooks have ended.
 *
 * PILLION_OK        started
 * PILLION_E_SIZE    config->size is shorter than the first version's
 * PILLION_E_ARG     a pair has a NULL pointer with a length; an environment
 *                   name is empty or has '=' or NUL in it, a value NUL; a
 *                   descriptor is bad; an unknown flag; gomaxprocs or
 *                   memory_limit is negative
 * PILLION_E_LIMIT   env_len is over PILLION_MAX_PAIRS, or the bytes at env or of
 *                   server_software over PILLION_MAX_BLOCK
 * PILLION_E_OS      a descriptor or thread could not be had; may be called again
 * PILLION_E_MEMORY  out of memory; may be called again
 * PILLION_E_STATE   called before
 * PILLION_E_STOPPED pillion_stop() was called
 * PILLION_E_START   a setting could not be applied, or an OnStart hook returned
 *                   an error or panicked; it has been logged. The library cannot
 *                   be used, nor started again
 * PILLION_E_FORKED  see FORK
 */
PILLION_EXPORT int32_t pillion_init(const pillion_config *config);

/*
 * Finds an application by the name it was registered with (host.Handle) and
 * writes its handle to *app. The handle is valid as long as the process lives.
 * name is borrowed until the call returns.
 *
 * Any thread. Before pillion_init() has succeeded it waits until Go has
 * initialised the program's packages; after that it never enters Go and never
 * blocks. Works before pillion_init() so that a configuration can be checked
 * without starting the applications.
 *
 * PILLION_OK       found
 * PILLION_E_ARG    name is NULL with a length, or app is NULL
 * PILLION_E_APP    no such application
 * PILLION_E_MEMORY out of memory, only before pillion_init() has succeeded
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_app_find(const char *name, uint64_t name_len, uint64_t *app);

/*
 * Writes the name of the index-th application, counted from 0 in the order of
 * registration. The name is valid as long as the process lives.
 *
 * Threads and blocking as pillion_app_find().
 *
 * PILLION_OK       written
 * PILLION_E_ARG    name or name_len is NULL
 * PILLION_E_APP    index is not below the number of applications
 * PILLION_E_MEMORY as pillion_app_find()
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_app_name(uint32_t index, const char **name, uint64_t *name_len);

/*
 * Stops the library. From the call on new requests get PILLION_E_STOPPED. The
 * running ones may go on for drain_ms milliseconds; then the contexts of those
 * left are cancelled, and connections that applications have taken over are
 * closed. Then the OnStop hooks run, latest registered first, with
 * a context that ends stop_ms milliseconds after the drain. Queues still exist
 * and can be polled and released; the library stays loaded and cannot be
 * started again.
 *
 * Any thread; a second call while the first runs, or after it, gets
 * PILLION_E_STOPPED. Blocks for at most drain_ms + stop_ms, and a little more.
 *
 * PILLION_OK        all requests and hooks ended
 * PILLION_E_TIMEOUT a request or a hook did not end in time; it has been logged
 * PILLION_E_STATE   pillion_init() was not called, or failed
 * PILLION_E_STOPPED called before
 * PILLION_E_FORKED  see FORK
 */
PILLION_EXPORT int32_t pillion_stop(uint32_t drain_ms, uint32_t stop_ms);


/* What the library holds at the moment, see pillion_stats(). */
typedef struct pillion_stats_t {
    uint32_t size;
    uint32_t queues;             /* queues not freed                           */
    uint64_t requests;           /* requests of queue and serve not released   */
    uint64_t responses;          /* responses of call not freed                */
    uint64_t running;            /* handlers that have not returned, or whose
                                    connections are open                       */
    uint64_t buffered;           /* bytes of requests and responses in C memory */
    uint64_t goroutines;         /* as runtime.NumGoroutine                    */
    uint64_t heap;               /* bytes of live Go heap objects              */
    uint64_t wakes_in;           /* how often Go was woken                     */
    uint64_t wakes_out;          /* how often the owner was                    */
    uint64_t completed;          /* handlers that returned, since the start    */
    uint64_t abandoned;          /* of running: cancelled, and the handler goes
                                    on. Since 1.1                              */
    uint64_t abandoned_bytes;    /* of buffered: what of these is released and
                                    held for the handler. Since 1.1            */
} pillion_stats_t;

#define PILLION_STATS_INIT { sizeof(pillion_stats_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Fills *stats, as many fields as stats->size covers.
 *
 * Any thread. Enters Go: may wait for a CPU. Not for an event loop's thread.
 *
 * PILLION_OK       filled
 * PILLION_E_ARG    stats is NULL
 * PILLION_E_SIZE   stats->size is shorter than the first version's
 * PILLION_E_STATE  pillion_init() was not called, or failed
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_stats(pillion_stats_t *stats);


/*
 * THE CALL DRIVE
 */

/* A whole response, written by pillion_call(). */
typedef struct pillion_response {
    uint32_t            size;
    int32_t             status;         /* HTTP status, 200                   */
    uint64_t            handle;         /* for pillion_response_free()        */
    const pillion_pair *headers;        /* in the order they would be sent    */
    const pillion_pair *trailers;
    uint32_t            headers_len;
    uint32_t            trailers_len;
    const char         *body;
    uint64_t            body_len;
} pillion_response;

#define PILLION_RESPONSE_INIT { sizeof(pillion_response), 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Runs one request: the whole body in, the whole response out. The handler runs
 * on the calling thread. Everything *response points to is borrowed until
 * pillion_response_free(response->handle). Informational (1xx) responses are
 * not handed out. The response's memory is bounded only by what the handler
 * writes: use serve or queue for large bodies.
 *
 * Any thread. Blocks as long as the handler runs. A handler that calls
 * runtime.Goexit on this drive ends the process (Go offers no way to catch it
 * on a foreign thread); serve and queue do not have this limit.
 *
 * PILLION_OK        response is filled and complete
 * PILLION_E_ABORTED the handler panicked or broke off. It has been logged;
 *                   *response is filled with what it had sent, status 0 if
 *                   nothing, and must be freed
 * PILLION_E_ARG     a NULL pointer, or one with a length; a flag that is not
 *                   for call, or unknown; REQUEST_METHOD is missing
 * PILLION_E_SIZE    a size field is shorter than the first version's
 * PILLION_E_LIMIT   a length is over its limit
 * PILLION_E_APP     request->app is not an application's handle
 * PILLION_E_STATE   pillion_init() was not called, or failed
 * PILLION_E_STOPPED pillion_stop() was called
 * PILLION_E_MEMORY  out of memory
 * PILLION_E_FORKED  see FORK
 */
PILLION_EXPORT int32_t pillion_call(const pillion_request *request, pillion_response *response);

/*
 * Ends the borrowing of a response and frees its memory. 0 does nothing.
 *
 * Any thread. Never enters Go, never blocks.
 *
 * PILLION_OK       freed, or handle is 0
 * PILLION_E_GONE   not a response's handle, or freed before
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_response_free(uint64_t handle);

/*
 * Runs one request that a function service has made an event: the event in, the
 * service's reply out. The services are those of AWS API Gateway (payload formats
 * 1.0 and 2.0, function URLs), of AWS ALB and of JD Cloud's API gateway; which one
 * it is, is found in the event. event and context are JSON text; context, what the
 * service tells besides, may be empty. The application finds them as the variables
 * function.event and function.context.
 *
 * response->body is the reply, JSON text, borrowed until
 * pillion_response_free(response->handle); status, headers and trailers are not
 * used and 0. The HTTP response is part of the reply.
 *
 * Any thread. Blocks as long as the handler runs, on a goroutine of its own. Since
 * 1.1.
 *
 * PILLION_OK        response is filled
 * PILLION_E_ABORTED the handler panicked or broke off, or its response cannot be
 *                   told in the service's reply. It has been logged; there is
 *                   nothing to free
 * PILLION_E_ARG     response is NULL, or a pointer with a length; or the event is
 *                   not JSON or of no service above, which has been logged
 * PILLION_E_SIZE    the size field is shorter than the first version's
 * PILLION_E_LIMIT   event or context is longer than PILLION_MAX_BLOCK
 * PILLION_E_APP     app is not an application's handle
 * PILLION_E_STATE   pillion_init() was not called, or failed
 * PILLION_E_STOPPED pillion_stop() was called
 * PILLION_E_MEMORY  out of memory
 * PILLION_E_FORKED  see FORK
 */
PILLION_EXPORT int32_t pillion_call_event(uint64_t app, const char *event, uint64_t event_len, const char *context, uint64_t context_len, pillion_response *response);


/*
 * THE SERVE DRIVE
 */

/*
 * The caller's side of one request. All callbacks run on the thread that called
 * pillion_serve(), one at a time, with data as their first argument. What they
 * are given is borrowed until they return. They may block; they must not call
 * functions of this header for the same request. A negative return (any) ends
 * the response: the application's context is cancelled and no callback follows.
 *
 * While a callback runs no other does: as long as read waits for the client
 * nothing is written and alive is not asked, whatever the application does. So
 * read must come back in bounded time, with a negative number if the client
 * sends nothing; an application that answers before it has read what the client
 * holds back until it has seen the answer needs the queue drive.
 */
typedef struct pillion_io {
    uint32_t size;

    /* How often alive is asked while the application computes, in
     * milliseconds; 0 for 250. */
    uint32_t alive_ms;

    void    *data;

    /* Reads up to cap (> 0) bytes of request body into buf. Returns how many,
     * 0 at the end of the body, negative on a failure. Called when the
     * application reads and nothing is left of what was read before, if
     * PILLION_REQUEST_MORE is set, and after hijack; may be NULL otherwise. */
    int64_t (*read)(void *data, char *buf, uint64_t cap);

    /* Sends a response head. Status 1xx (never 101) is informational: zero or
     * more of them precede the final head, and a caller that cannot send them
     * returns 0. Exactly one final head precedes all of write, file and
     * trailers; flush may also follow an informational one. Required. Returns
     * 0, or negative on a failure. */
    int32_t (*head)(void *data, int32_t status, const pillion_pair *headers, uint32_t headers_len);

    /* Sends len (> 0) bytes of response body; it may hold them back until
     * flush. Required. Returns 0, or negative on a failure. */
    int32_t (*write)(void *data, const char *buf, uint64_t len);

    /* Sends at once what was held back, the head included. NULL if nothing is
     * ever held back. Returns 0, or negative on a failure. */
    int32_t (*flush)(void *data);

    /* Takes the trailers, once, after the last write. NULL if they cannot be
     * sent. Returns 0, or negative on a failure. */
    int32_t (*trailers)(void *data, const pillion_pair *trailers, uint32_t trailers_len);

    /* Whether the client is still there: 0 if it has left, which cancels the
     * application's context; anything else if it is there or not known. Must
     * not block. NULL if it is never known. */
    int32_t (*alive)(void *data);

    /* Sends len (> 0) bytes of the file fd from offset as response body, as
     * write does; a large file comes in several calls. fd is the library's, open
     * until the callback returns: who wants it longer duplicates it. Its file
     * position must be left alone. A file that turns out to be shorter is a
     * failure. Required with PILLION_REQUEST_FILES. Returns 0, or negative on a
     * failure. Since 1.1. */
    int32_t (*file)(void *data, int32_t fd, uint64_t offset, uint64_t len);

    /* Writes the trailers that followed the request body, once, after read has
     * returned 0: *trailers and its bytes are borrowed until the next callback
     * or the end of pillion_serve(). NULL if there never are any. Returns 0, or
     * negative on a failure. Since 1.1. */
    int32_t (*request_trailers)(void *data, const pillion_pair **trailers, uint32_t *trailers_len);

    /* The application takes the connection over, before any final head. From
     * here on write sends raw bytes, at once, and read gives the raw bytes that
     * follow the request, those the caller has read already first: it must not
     * block, and returns PILLION_IO_AGAIN when nothing is there now, 0 when the
     * client has ended its side. The callback writes to *fd the descriptor of
     * the client's connection: when read has nothing the library waits until
     * it is readable; it is not owned. head, flush, trailers, file and alive
     * are not called any more; the connection ends with pillion_serve().
     * Required with PILLION_REQUEST_HIJACK, read is then too. Returns 0, or
     * negative on a failure. Since 1.1. */
    int32_t (*hijack)(void *data, int32_t *fd);
} pillion_io;

#define PILLION_IO_INIT { sizeof(pillion_io), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* What read returns after hijack when it would have to wait. Since 1.1. */
#define PILLION_IO_AGAIN (-11)

/*
 * Runs one request, with the request body and the response handed over through
 * io as they come. The handler runs on a goroutine; the calling thread waits for
 * it without entering Go.
 *
 * Where requests come thick, those of serve and those of each queue whose
 * handlers are quick run in turn on one goroutine, which costs less. A handler
 * that waits or computes holds the next one up for two to four milliseconds,
 * then each has a goroutine of its own again.
 *
 * Any thread. Blocks until the response has ended. If a callback failed or the
 * client left it returns as soon as that is known, even if the handler has not
 * returned yet.
 *
 * PILLION_OK        complete: the final head and the whole body were handed over
 * PILLION_E_ABORTED the application broke off (panic, or fewer bytes than its
 *                   Content-Length). If no final head was given, answer 500;
 *                   otherwise make the cut visible to the client: close the
 *                   connection without the final chunk
 * PILLION_E_IO      a callback failed, or alive returned 0
 * PILLION_E_FULL    PILLION_MAX_INFLIGHT requests are in flight
 * PILLION_E_OS      a descriptor or thread could not be had
 * PILLION_E_ARG, _SIZE, _LIMIT, _APP, _STATE, _STOPPED, _MEMORY, _FORKED
 *                   as pillion_call(); also if a required callback is NULL,
 *                   if io->size ends within one, and for the trailers that
 *                   request_trailers gives
 */
PILLION_EXPORT int32_t pillion_serve(const pillion_request *request, const pillion_io *io);


/*
 * THE QUEUE DRIVE
 *
 * Nothing here blocks and nothing here enters Go, so one thread can drive any
 * number of requests from an event loop. Work is handed over in batches both
 * ways: pillion_poll() returns many events at once, and with
 * PILLION_QUEUE_BATCH what the owner asks for is held back until
 * pillion_flush(), best called once at the end of an event-loop turn.
 *
 * Back-pressure: the application's Write waits as soon as credit bytes are with
 * the caller and not credited; pillion_feed() takes no more as soon as window
 * bytes are with the library and not read.
 */

typedef struct pillion_queue_config {
    uint32_t size;

    /* PILLION_QUEUE_ flags. */
    uint32_t flags;

    /* Requests in flight at once; pillion_submit() beyond it gets
     * PILLION_E_FULL. A request is in flight until it is released and its handler
     * has returned. 0 for 65536. */
    uint32_t max_in_flight;

    uint32_t reserved;
} pillion_queue_config;

#define PILLION_QUEUE_CONFIG_INIT { sizeof(pillion_queue_config), 0, 0, 0 }

/* Hold back submissions, credits, cancellations, releases and the news of fed
 * bytes until pillion_flush() or pillion_poll(). */
#define PILLION_QUEUE_BATCH 1u

/*
 * Makes a queue and writes its handle. config may be NULL for all defaults.
 * Free it with pillion_queue_free().
 *
 * Any thread, which becomes the queue's owner. Enters Go; may wait for a CPU.
 *
 * PILLION_OK        made
 * PILLION_E_ARG     queue is NULL, or an unknown flag
 * PILLION_E_SIZE    config->size is shorter than the first version's
 * PILLION_E_LIMIT   max_in_flight is over PILLION_MAX_INFLIGHT, or there are
 *                   PILLION_MAX_QUEUES queues
 * PILLION_E_OS      no descriptor could be had
 * PILLION_E_MEMORY  out of memory
 * PILLION_E_STATE, _STOPPED, _FORKED as pillion_call()
 */
PILLION_EXPORT int32_t pillion_queue_new(const pillion_queue_config *config, uint64_t *queue);

/*
 * Writes the queue's descriptor: readable when pillion_poll() has something to
 * hand out, provided that the last pillion_poll() left nothing behind (*n < cap).
 * Now and then it is readable for nothing. Only wait for it to be readable (level
 * or edge triggered); do not read it: pillion_poll() does. It belongs to the
 * queue, which closes it.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK, PILLION_E_ARG (fd is NULL), PILLION_E_GONE, PILLION_E_FORKED
 */
PILLION_EXPORT int32_t pillion_queue_fd(uint64_t queue, int32_t *fd);

/*
 * Frees a queue: releases every request of it that is not released, cancelling
 * their contexts. Memory borrowed from its events is gone. 0 does nothing. The
 * descriptor is closed when the last handler has returned: take it out of your
 * poller before this call.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK, PILLION_E_GONE, PILLION_E_FORKED
 */
PILLION_EXPORT int32_t pillion_queue_free(uint64_t queue);

/*
 * Submits a request. Everything *request points to is copied before the call
 * returns. *handle names the request until pillion_release().
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK        accepted: events of the request will follow
 * PILLION_E_GONE    no such queue
 * PILLION_E_FULL    max_in_flight requests are in flight; answer 503
 * PILLION_E_ARG, _SIZE, _LIMIT, _APP, _STOPPED, _MEMORY, _FORKED
 *                   as pillion_call(), but all flags may be set;
 *                   PILLION_E_ARG also if handle is NULL
 */
PILLION_EXPORT int32_t pillion_submit(uint64_t queue, const pillion_request *request, uint64_t *handle);

/*
 * Hands over more of the request body of a request submitted with
 * PILLION_REQUEST_MORE. Bytes are copied; *taken says how many, from 0 to len:
 * fewer than len if the window is full, and then a PILLION_EVENT_ROOM follows when
 * there is room again. last (not 0) says that these bytes end the body; it
 * counts only if all of them were taken. Bytes that nobody will read any more,
 * because the handler has returned, are taken and dropped.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK       *taken is written
 * PILLION_E_GONE   no such request
 * PILLION_E_ARG    taken is NULL, bytes is NULL with a length
 * PILLION_E_STATE  the body has ended already, or the request was submitted
 *                  without PILLION_REQUEST_MORE and has no HIJACK
 * PILLION_E_MEMORY out of memory
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_feed(uint64_t request, const char *bytes, uint64_t len, int32_t last, uint64_t *taken);

/*
 * Hands over the trailers that followed the request body, and ends the body:
 * instead of a pillion_feed() whose last is set, after all bytes were taken. The
 * trailers are copied. Since 1.1.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK       taken
 * PILLION_E_GONE   no such request
 * PILLION_E_ARG    a NULL pointer with a length
 * PILLION_E_LIMIT  more than PILLION_MAX_PAIRS, or their bytes are over
 *                  PILLION_MAX_BLOCK
 * PILLION_E_STATE  as pillion_feed(), or the connection was handed over
 * PILLION_E_MEMORY out of memory
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_feed_trailers(uint64_t request, const pillion_pair *trailers, uint32_t trailers_len);

/* Something that happened to a request, see pillion_poll(). */
typedef struct pillion_event {
    uint64_t            request;        /* its handle                         */
    void               *data;           /* as given to pillion_submit()       */
    uint32_t            flags;          /* PILLION_EVENT_, one or several     */
    int32_t             status;         /* HTTP status, with INFO or HEAD     */
    const pillion_pair *headers;        /* with INFO, HEAD or TRAILERS        */
    const char         *body;           /* with BODY                          */
    uint64_t            body_len;
    uint32_t            headers_len;
    int32_t             file;           /* with FILE: descriptor. Since 1.1   */
    uint64_t            file_offset;    /* of its first byte. Since 1.1       */
    uint64_t            file_len;       /* bytes, > 0. Since 1.1              */
} pillion_event;

/*
 * If an event has several flags they apply in this order; ROOM, FILE and HIJACK
 * come alone. A request's events come in the order of its response:
 *
 *   INFO*  HEAD  (BODY | FILE)*  [TRAILERS]  COMPLETE
 *   INFO*  HIJACK  BODY*  COMPLETE
 *
 * or ABORTED at any point, with ROOM at any point before the end. After COMPLETE
 * or ABORTED no event follows. At most 64 INFO are handed out for a request,
 * more are dropped.
 */
#define PILLION_EVENT_INFO     1u    /* informational head: status, headers   */
#define PILLION_EVENT_HEAD     2u    /* final head: status, headers           */
#define PILLION_EVENT_BODY     4u    /* body, body_len > 0                    */
#define PILLION_EVENT_FLUSH    8u    /* send what has been handed out so far  */
#define PILLION_EVENT_TRAILERS 16u   /* trailers: headers                     */
#define PILLION_EVENT_COMPLETE 32u   /* the response is whole                 */
#define PILLION_EVENT_ABORTED  64u   /* the application broke off: without a
                                        HEAD before it answer 500, otherwise
                                        make the cut visible to the client    */
#define PILLION_EVENT_ROOM     128u  /* feed more: the application reads its
                                        body and none was fed yet (the moment
                                        for 100 Continue), or half of the
                                        window is free again after
                                        pillion_feed() took less than it got  */
#define PILLION_EVENT_FILE     256u  /* response body from a file: file,
                                        file_offset, file_len. The descriptor
                                        is the library's and open until these
                                        bytes are credited or the request is
                                        released; leave its position alone. May
                                        be longer than credit. If the file
                                        turns out to be shorter, or ABORTED
                                        follows before all of it was sent, make
                                        the cut visible to the client. Only with
                                        PILLION_REQUEST_FILES. Since 1.1      */
#define PILLION_EVENT_HIJACK   512u  /* the application takes the connection
                                        over: send what follows as BODY to the
                                        client raw and at once, feed what
                                        follows the request, raw, what was read
                                        already first; last says that the
                                        client has ended its side. On COMPLETE
                                        or ABORTED close the connection. Only
                                        with PILLION_REQUEST_HIJACK. Since 1.1 */

/*
 * Writes up to cap events and their number. *n == cap says that there may be
 * more: poll again. event_size is sizeof(pillion_event) as the caller knows
 * it. Also clears the queue's descriptor, and hands over what pillion_flush()
 * would.
 *
 * What an event points to is valid until the request is released; body only
 * until its bytes have been credited.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK       *n is written, it may be 0
 * PILLION_E_GONE   no such queue
 * PILLION_E_ARG    events or n is NULL, cap is 0
 * PILLION_E_SIZE   event_size is shorter than the first version's
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_poll(uint64_t queue, pillion_event *events, uint32_t event_size, uint32_t cap, uint32_t *n);

/*
 * Hands over what was held back, see PILLION_QUEUE_BATCH. Cheap if there is
 * nothing.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK, PILLION_E_GONE (no such queue), PILLION_E_FORKED
 */
PILLION_EXPORT int32_t pillion_flush(uint64_t queue);

/*
 * Sets *n to 1 if pillion_poll() has something to hand out, else to 0. For an
 * event loop that would rather look again in its next turn than sleep: from here
 * on nothing is announced on the queue's descriptor. The next pillion_poll() ends
 * that, and has to come before the owner waits for the descriptor. Since 1.1.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK, PILLION_E_ARG (n is NULL), PILLION_E_GONE, PILLION_E_FORKED
 */
PILLION_EXPORT int32_t pillion_peek(uint64_t queue, uint32_t *n);

/*
 * Says that bytes of response body have been sent and may be reused: the
 * oldest that were handed out and not credited. Lets a waiting Write go on.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK       credited
 * PILLION_E_GONE   no such request
 * PILLION_E_ARG    more than was handed out and not credited; nothing is done
 * PILLION_E_FORKED see FORK
 */
PILLION_EXPORT int32_t pillion_credit(uint64_t request, uint64_t bytes);

/*
 * Cancels the application's context for a request, as when the client has left;
 * its reads and writes fail. COMPLETE or ABORTED still follows when the handler
 * returns, after the events that were on their way. A second time does nothing.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK, PILLION_E_GONE (no such request), PILLION_E_FORKED
 */
PILLION_EXPORT int32_t pillion_cancel(uint64_t request);

/*
 * Ends a request for the caller: all memory borrowed from its events is gone
 * and no event of it follows, not even one that happened already. If the
 * handler has not returned its context is cancelled and whatever it still
 * writes is dropped. 0 does nothing.
 *
 * Owner only. Never enters Go, never blocks.
 *
 * PILLION_OK, PILLION_E_GONE (no such request), PILLION_E_FORKED
 */
PILLION_EXPORT int32_t pillion_release(uint64_t request);


#ifdef __cplusplus
}
#endif

#endif /* PILLION_H */
