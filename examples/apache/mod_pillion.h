/*
 * mod_pillion.h - what the files of mod_pillion share.
 *
 *   mod_pillion.c       directives, configuration, hooks
 *   pillion_check.c     tries the library while the configuration is read
 *   pillion_child.c     the library in a child: load, start, log, stop
 *   pillion_crash.c     crashes of children, counted
 *   pillion_map.c       from URLs to applications
 *   pillion_request.c   one request from its handler's call to its end
 *   pillion_environ.c   what an application is told about a request
 *   pillion_body.c      request bodies, and whether the client is still there
 *   pillion_response.c  heads, bodies, trailers
 *   pillion_file.c      bodies from files
 *   pillion_hijack.c    connections that the application takes over
 */

#ifndef MOD_PILLION_H
#define MOD_PILLION_H

#include "pillion_loader.h"

#include "ap_config.h"
#include "ap_expr.h"
#include "ap_mpm.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "httpd.h"
#include "util_filter.h"

/** The most crashes that PillionCrashLimit can allow */
#define AP_PILLION_CRASHES 1000

/** The name for SetHandler */
#define AP_PILLION_HANDLER "pillion"

/** Output filters: sends trailers over HTTP/1.1; sends nothing */
#define AP_PILLION_TRAILERS "PILLION_TRAILERS"
#define AP_PILLION_SINK "PILLION_SINK"

/** An application that a directive names */
typedef struct {
    const char *name;
    const char *directive;
    const char *file;
    int line;
    uint64_t handle;            /**< in a child, 0 if it is not known */
} ap_pillion_app;

/** PillionScriptAlias */
typedef struct {
    const char *prefix;         /**< without a slash at its end, "" for / */
    apr_size_t len;
    ap_pillion_app *app;
} ap_pillion_mount;

/** PillionParam */
typedef struct {
    const char *name;
    const char *value;
    ap_expr_info_t *expr;       /**< NULL for a plain value */
} ap_pillion_param;

/** Configuration of the process; there is one, whatever the virtual hosts */
typedef struct {
    const char *library;
    const char *file;
    int line;
    apr_array_header_t *env;    /**< pillion_pair */
    apr_array_header_t *apps;   /**< ap_pillion_app *, but those of .htaccess */
    int gomaxprocs;
    int gc_percent;
    apr_int64_t memory_limit;
    apr_interval_time_t stop_timeout;
    int crash_limit;            /**< 0 for none */
    apr_interval_time_t crash_time;
} ap_pillion_process_conf;

/** Configuration of a virtual host */
typedef struct {
    apr_array_header_t *mounts; /**< ap_pillion_mount */
} ap_pillion_server_conf;

typedef enum {
    AP_PILLION_AUTH_UNSET,
    AP_PILLION_AUTH_OFF,
    AP_PILLION_AUTH_ON,
    AP_PILLION_AUTH_AUTO
} ap_pillion_auth;

/** Configuration of a directory or location */
typedef struct {
    ap_pillion_app *app;
    apr_array_header_t *params; /**< ap_pillion_param, each name once */
    ap_pillion_auth pass_authorization;
    apr_interval_time_t read_timeout;   /**< -1 if it is not set */
    int error_override;                 /**< -1 if it is not set */
} ap_pillion_dir_conf;

/** What translating the URL has found out */
typedef struct {
    const char *uri;            /**< before mod_rewrite and others came */
    const char *args;
    const ap_pillion_mount *mount;
} ap_pillion_map;

/** A request in the hands of pillion_serve() */
typedef struct {
    request_rec *r;
    const ap_pillion_dir_conf *conf;
    const char *app;
    apr_bucket_brigade *in;
    apr_bucket_brigade *out;
    apr_time_t heard;           /**< the application's last sign of life,
                                 *   by ap_pillion_now() */
    int failed_status;          /**< of the request this is ErrorDocument for */
    int status;                 /**< the application's, 0 before its head */
    int error;                  /**< what httpd answers instead, 0 for none */
    unsigned int body_read:1;   /**< to its end */
    unsigned int started:1;     /**< something went to the output filters */
    unsigned int discard:1;     /**< the application's body is not wanted */
    unsigned int left:1;        /**< the client */
    unsigned int timed_out:1;   /**< the application */
    unsigned int hijacked:1;    /**< the application has the connection */
    unsigned int hijack_eof:1;  /**< and its client has ended its side */
} ap_pillion_request;

/** The library in this child, see ap_pillion_ready() */
typedef struct {
    pillion_api api;
} ap_pillion_library;

extern module AP_MODULE_DECLARE_DATA pillion_module;
extern ap_pillion_process_conf *ap_pillion_process;
extern ap_pillion_library ap_pillion_lib;

/* pillion_check.c */

/**
 * Loads the library in a forked process and looks for the applications there.
 * @return OK, or !OK when what is wrong has been logged
 */
int ap_pillion_check(apr_pool_t *ptemp, server_rec *s);

/* pillion_child.c */

/**
 * Loads and starts the library, unless children have to wait after crashes.
 * Failures are logged and leave it unusable.
 */
void ap_pillion_child_init(apr_pool_t *pchild, server_rec *s);

/** Whether the library can be used; loads it if the wait has ended. */
int ap_pillion_ready(void);

/* pillion_crash.c */

int ap_pillion_crash_table(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s);
void ap_pillion_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                             int slot, mpm_child_status state);
void ap_pillion_mark_loaded(void);
void ap_pillion_mark_stopped(void);

/** @return milliseconds for which the library is not to be loaded */
apr_int64_t ap_pillion_pause(void);

/* pillion_map.c */

int ap_pillion_note_uri(request_rec *r);
int ap_pillion_translate(request_rec *r);
int ap_pillion_map_to_storage(request_rec *r);

/** @return what is known, never NULL */
const ap_pillion_map *ap_pillion_mapped(request_rec *r);

/* pillion_request.c */

/** @return a time that goes on evenly, whatever the system's clock is set to */
apr_time_t ap_pillion_now(void);

/** @return what a message about a request ends in: its line and its host */
const char *ap_pillion_which(const request_rec *r);

int ap_pillion_handler(request_rec *r);

/* pillion_environ.c */

/** Makes pairs of a table, without the field named but if it is not NULL. */
void ap_pillion_pairs(apr_pool_t *p, const apr_table_t *table,
                      const char *but, const pillion_pair **pairs, uint32_t *n);

/** Fills the variables and header fields of a request, from r->pool. */
void ap_pillion_environ(ap_pillion_request *pr, pillion_request *request);

/* pillion_body.c */

extern ap_filter_rec_t *ap_pillion_sink;

apr_status_t ap_pillion_sink_filter(ap_filter_t *f, apr_bucket_brigade *bb);
int64_t ap_pillion_read(void *data, char *buf, uint64_t cap);
int32_t ap_pillion_request_trailers(void *data, const pillion_pair **trailers,
                                    uint32_t *trailers_len);
int32_t ap_pillion_alive(void *data);

/* pillion_response.c */

int32_t ap_pillion_head(void *data, int32_t status,
                        const pillion_pair *headers, uint32_t headers_len);
int32_t ap_pillion_write(void *data, const char *buf, uint64_t len);
int32_t ap_pillion_flush(void *data);
int32_t ap_pillion_trailers(void *data, const pillion_pair *trailers,
                            uint32_t trailers_len);
apr_status_t ap_pillion_trailers_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/** Hands pr->out to the output filters. @return 0, or -1 on a failure */
int32_t ap_pillion_pass(ap_pillion_request *pr);

/** Ends a whole response. */
void ap_pillion_finish(ap_pillion_request *pr);

/** Ends a response that is not whole, so that the client can tell. */
void ap_pillion_cut(ap_pillion_request *pr);

/* pillion_file.c */

int32_t ap_pillion_file(void *data, int32_t fd, uint64_t offset, uint64_t len);

/* pillion_hijack.c */

int ap_pillion_may_hijack(const request_rec *r);
int32_t ap_pillion_hijack(void *data, int32_t *fd);
int64_t ap_pillion_read_raw(ap_pillion_request *pr, char *buf, uint64_t cap);

#endif /* MOD_PILLION_H */
