
#ifndef _NGX_HTTP_PILLION_MODULE_H_INCLUDED_
#define _NGX_HTTP_PILLION_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <nginx.h>

#include <pillion_loader.h>


#define NGX_HTTP_PILLION_CRASHES  1000  /* the most that are allowed */


typedef struct {
    ngx_str_t                      name;
    ngx_str_t                      file;
    ngx_uint_t                     line;
    uint64_t                       handle;    /* set in a worker */
    ngx_uint_t                     variable;  /* unsigned  variable:1; */
} ngx_http_pillion_app_t;


typedef struct {
    ngx_str_t                      library;
    ngx_str_t                      file;      /* of the directive */
    ngx_uint_t                     line;
    ngx_array_t                   *env;       /* ngx_keyval_t */
    ngx_array_t                   *apps;      /* ngx_http_pillion_app_t * */
    ngx_int_t                      gomaxprocs;
    ngx_int_t                      gc_percent;
    off_t                          memory_limit;
    ngx_msec_t                     stop_timeout;
    ngx_int_t                      crash_limit;
    ngx_msec_t                     crash_time;
} ngx_http_pillion_main_conf_t;


typedef struct {
    ngx_str_t                      name;
    ngx_http_complex_value_t       value;
    unsigned                       skip_empty:1;
    unsigned                       header:1;
} ngx_http_pillion_param_t;


typedef struct {
    ngx_http_pillion_app_t        *app;
    ngx_http_complex_value_t      *app_value;

    ngx_array_t                   *params_source;
    ngx_array_t                   *params;    /* ngx_http_pillion_param_t */
    ngx_uint_t                     nheaders;  /* of params */
    ngx_uint_t                     overridden;

    ngx_str_t                      script_name;

    ngx_array_t                   *hide_headers;  /* ngx_str_t */

    ngx_flag_t                     request_buffering;
    ngx_flag_t                     ignore_client_abort;
    ngx_flag_t                     intercept_errors;
    size_t                         buffer_size;
    ngx_msec_t                     read_timeout;
    ngx_msec_t                     tunnel_timeout;

    ngx_int_t                      max_in_flight;
    ngx_int_t                     *in_flight;
} ngx_http_pillion_loc_conf_t;


typedef struct ngx_http_pillion_file_s  ngx_http_pillion_file_t;

struct ngx_http_pillion_file_s {
    ngx_file_t                     file;
    off_t                          size;      /* to be credited */
    ngx_http_pillion_file_t       *next;
};


typedef struct {
    ngx_chain_t                   *in;        /* read and not fed */
    ngx_chain_t                   *rest;      /* the buffer for it */
    ngx_msec_t                     used;      /* when bytes moved last */
    ngx_uint_t                     state;     /* of the head's parser */
    unsigned                       eof:1;     /* the client has ended */
    unsigned                       closing:1; /* the application has */
} ngx_http_pillion_tunnel_t;


typedef struct {
    ngx_http_request_t            *request;
    ngx_http_pillion_loc_conf_t   *conf;
    ngx_str_t                      app;
    uint64_t                       target;    /* the app's handle */
    uint64_t                       handle;    /* the request's */
    ngx_event_t                    timer;

    ngx_chain_t                   *body;      /* a body read in advance */
    off_t                          offset;    /* fed bytes of body->buf */
    u_char                        *piece;     /* read from a temporary file */
    off_t                          length;    /* -1 if not known */

#if (NGX_HTTP_V2)
    ngx_connection_t              *cut;       /* RST_STREAM goes out there */
#endif

    ngx_chain_t                   *free;
    ngx_chain_t                   *busy;
    off_t                          unsent;
    ngx_http_pillion_file_t       *files;     /* free */

    ngx_http_pillion_tunnel_t     *tunnel;    /* after a hijack */

    ngx_msec_t                     start;
    ngx_msec_t                     time;
    ngx_uint_t                     status;

    unsigned                       streaming:1;  /* body read as it is fed */
    unsigned                       chunked:1;    /* nor is its length told */
    unsigned                       expect:1;     /* 100 is left to the app */
    unsigned                       feeding:1;    /* body has not ended */
    unsigned                       full:1;       /* feed took not all */
    unsigned                       counted:1;
    unsigned                       started:1;
    unsigned                       borrowed:1;   /* header values in use */
    unsigned                       discard:1;    /* response is not wanted */
    unsigned                       flushing:1;
    unsigned                       ended:1;
} ngx_http_pillion_ctx_t;


typedef struct {
    pillion_api                    api;
    uint64_t                       queue;
    ngx_connection_t              *connection;
    ngx_pool_t                    *pool;      /* of a request's submission */
    ngx_event_t                    flush;
    ngx_event_t                    look;
    ngx_uint_t                     looks;
    ngx_uint_t                     looks_skipped;
    ngx_uint_t                     looks_to_skip;
    ngx_uint_t                     waiting;
    ngx_event_t                    pause;
    ngx_str_t                      library;
    unsigned                       loaded:1;
} ngx_http_pillion_worker_t;


typedef enum {
    ngx_http_pillion_param_request_method = 0,
    ngx_http_pillion_param_request_uri,
    ngx_http_pillion_param_server_protocol,
    ngx_http_pillion_param_script_name,
    ngx_http_pillion_param_path_info,
    ngx_http_pillion_param_query_string,
    ngx_http_pillion_param_server_name,
    ngx_http_pillion_param_server_port,
    ngx_http_pillion_param_server_addr,
    ngx_http_pillion_param_remote_addr,
    ngx_http_pillion_param_remote_port,
    ngx_http_pillion_param_request_scheme,
    ngx_http_pillion_param_https,
    ngx_http_pillion_param_content_length,
    ngx_http_pillion_param_content_type,
    ngx_http_pillion_param_ssl_protocol,
    ngx_http_pillion_param_ssl_cipher,
    ngx_http_pillion_param_ssl_server_name,
    ngx_http_pillion_param_ssl_alpn_protocol,
    ngx_http_pillion_param_ssl_session_resumed,
    ngx_http_pillion_param_ssl_client_verify,
    ngx_http_pillion_param_ssl_client_cert
} ngx_http_pillion_param_e;


typedef struct {
    pillion_pair                  *environ;
    ngx_uint_t                     nelts;
    ngx_uint_t                     overridden;
} ngx_http_pillion_environ_t;


typedef struct ngx_http_pillion_header_s  ngx_http_pillion_header_t;

typedef ngx_int_t (*ngx_http_pillion_header_pt)(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t offset);

struct ngx_http_pillion_header_s {
    ngx_str_t                   name;
    ngx_http_pillion_header_pt  handler;
    ngx_uint_t                  offset;
    ngx_uint_t                  redirect;  /* unsigned  redirect:1; */
};


/* ngx_http_pillion_process.c, ngx_http_pillion_queue.c */

ngx_http_pillion_main_conf_t *ngx_http_pillion_used_conf(ngx_cycle_t *cycle);
ngx_int_t ngx_http_pillion_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_pillion_init_process(ngx_cycle_t *cycle);
void ngx_http_pillion_exit_process(ngx_cycle_t *cycle);
ngx_int_t ngx_http_pillion_find_apps(ngx_http_pillion_main_conf_t *pmcf,
    ngx_log_t *log);
ngx_int_t ngx_http_pillion_open_queue(ngx_cycle_t *cycle);
void ngx_http_pillion_close_queue(void);
void ngx_http_pillion_post_flush(void);
void ngx_http_pillion_release(ngx_http_pillion_ctx_t *ctx);

/* ngx_http_pillion_crash.c */

ngx_int_t ngx_http_pillion_init_crashes(ngx_cycle_t *cycle);
void ngx_http_pillion_count_crash(ngx_cycle_t *cycle,
    ngx_http_pillion_main_conf_t *pmcf);
ngx_msec_t ngx_http_pillion_pause(void);
void ngx_http_pillion_mark(ngx_uint_t loaded);
void ngx_http_pillion_mark_started(void);
ngx_uint_t ngx_http_pillion_started(void);
char *ngx_http_pillion_crash_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_pillion_variables.c */

ngx_int_t ngx_http_pillion_add_variables(ngx_conf_t *cf);

/* ngx_http_pillion_request.c */

ngx_int_t ngx_http_pillion_handler(ngx_http_request_t *r);
void ngx_http_pillion_finalize(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_int_t rc);
void ngx_http_pillion_end(ngx_http_pillion_ctx_t *ctx);
void ngx_http_pillion_cleanup(void *data);

/* ngx_http_pillion_body.c */

void ngx_http_pillion_prepare_body(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
void ngx_http_pillion_resume_body(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
ngx_int_t ngx_http_pillion_watch_client(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
void ngx_http_pillion_read_handler(ngx_http_request_t *r);

/* ngx_http_pillion_params.c */

ngx_int_t ngx_http_pillion_create_environ(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_request *pr);
ngx_uint_t ngx_http_pillion_default_param(ngx_str_t *name);
void ngx_http_pillion_add(ngx_http_pillion_environ_t *e,
    ngx_http_pillion_param_e param, ngx_str_t *value);
void ngx_http_pillion_set_pair(pillion_pair *pair, ngx_str_t *name,
    ngx_str_t *value);

/* ngx_http_pillion_ssl.c */

#if (NGX_HTTP_SSL)
ngx_uint_t ngx_http_pillion_ssl_certificates(ngx_connection_t *c);
ngx_int_t ngx_http_pillion_ssl_params(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e);
#endif

/* ngx_http_pillion_response.c */

void ngx_http_pillion_process_event(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
void ngx_http_pillion_write_handler(ngx_http_request_t *r);
void ngx_http_pillion_cut(ngx_http_request_t *r, ngx_int_t rc);

/* ngx_http_pillion_buf.c */

ngx_chain_t *ngx_http_pillion_get_buf(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
ngx_chain_t *ngx_http_pillion_memory_buf(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
ngx_chain_t *ngx_http_pillion_file_buf(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
off_t ngx_http_pillion_buf_size(ngx_buf_t *b);
ngx_uint_t ngx_http_pillion_busy_file(ngx_http_pillion_ctx_t *ctx);
void ngx_http_pillion_free_buf(ngx_http_pillion_ctx_t *ctx, ngx_chain_t *cl);
void ngx_http_pillion_credit(ngx_http_pillion_ctx_t *ctx, off_t size);

/* ngx_http_pillion_tunnel.c */

void ngx_http_pillion_open_tunnel(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
void ngx_http_pillion_process_tunnel(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
void ngx_http_pillion_tunnel_timeout(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);

/* ngx_http_pillion_header.c */

ngx_int_t ngx_http_pillion_process_header(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
ngx_int_t ngx_http_pillion_process_trailers(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
ngx_http_pillion_header_t *ngx_http_pillion_known(const pillion_pair *pair);
ngx_int_t ngx_http_pillion_set_elt(ngx_http_request_t *r, ngx_table_elt_t *h,
    const pillion_pair *pair);

/* ngx_http_pillion_accel.c */

ngx_int_t ngx_http_pillion_redirect(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
ngx_int_t ngx_http_pillion_intercept(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);
void ngx_http_pillion_process_early_hints(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_event *ev);


extern ngx_module_t               ngx_http_pillion_module;
extern ngx_http_pillion_worker_t  ngx_http_pillion_worker;


#endif /* _NGX_HTTP_PILLION_MODULE_H_INCLUDED_ */
