
/*
 * A request on its way to an application: admission, submission and the end.
 */


#include "ngx_http_pillion_module.h"


static ngx_int_t ngx_http_pillion_choose_app(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_refuse(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, ngx_uint_t status);
static void ngx_http_pillion_body_handler(ngx_http_request_t *r);
static uint32_t ngx_http_pillion_window(ngx_http_pillion_ctx_t *ctx);
static ngx_int_t ngx_http_pillion_submit(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static ngx_uint_t ngx_http_pillion_waits_for_client(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx);
static void ngx_http_pillion_timeout_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_pillion_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_pool_cleanup_t           *cln;
    ngx_http_pillion_ctx_t       *ctx;
    ngx_http_pillion_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_pillion_module);

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_pillion_ctx_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_pillion_ctx_t));

    ctx->request = r;
    ctx->conf = plcf;
    ctx->app = plcf->app->name;

    cln->handler = ngx_http_pillion_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_pillion_module);

    rc = ngx_http_pillion_choose_app(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    if (plcf->max_in_flight && *plcf->in_flight >= plcf->max_in_flight) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "PILLION-4202: %i requests of \"%V\" are in flight, "
                      "refused by \"pillion_max_requests_in_flight\"",
                      *plcf->in_flight, &ctx->app);

        return ngx_http_pillion_refuse(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    (*plcf->in_flight)++;
    ctx->counted = 1;

    if (r == r->main && r->request_body == NULL && !plcf->request_buffering) {

        ctx->streaming = 1;

        if (r->headers_in.expect
            && !r->expect_tested
            && r->http_version == NGX_HTTP_VERSION_11
            && (r->headers_in.content_length_n > 0 || r->headers_in.chunked))
        {
            /* the client waits for 100, the application's read asks for it */

            ctx->expect = 1;

            r->main->count++;
            ngx_http_pillion_body_handler(r);

            return NGX_DONE;
        }

        r->request_body_no_buffering = 1;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_pillion_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_pillion_end(ctx);
        return rc;
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_pillion_choose_app(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    int32_t                       rc;
    ngx_http_pillion_loc_conf_t  *plcf;

    plcf = ctx->conf;

    if (ngx_http_pillion_worker.pause.timer_set) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "PILLION-4184: application \"%V\" is not loaded for "
                      "another %M ms, after crashes", &ctx->app,
                      ngx_http_pillion_pause());
        return ngx_http_pillion_refuse(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    if (ngx_http_pillion_worker.queue == 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "PILLION-4203: application \"%V\" cannot answer: its "
                      "library has not been started in this worker, the "
                      "reason was logged then", &ctx->app);
        return ngx_http_pillion_refuse(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    if (plcf->app_value == NULL) {
        ctx->target = plcf->app->handle;
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, plcf->app_value, &ctx->app) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_pillion_worker.api.app_find((char *) ctx->app.data,
                                              ctx->app.len,
                                              &ctx->target);

    if (rc == PILLION_OK) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "PILLION-4204: \"pillion_pass %V\" gave \"%V\": %s",
                  &plcf->app->name, &ctx->app,
                  ngx_http_pillion_worker.api.strerror(rc));

    ctx->status = NGX_HTTP_NOT_FOUND;

    return NGX_HTTP_NOT_FOUND;
}


static ngx_int_t
ngx_http_pillion_refuse(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_uint_t status)
{
    u_char           *p;
    ngx_msec_t        pause;
    ngx_table_elt_t  *h;

    ctx->status = status;

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {

        pause = ngx_http_pillion_worker.pause.timer_set
                ? ngx_http_pillion_pause() : 0;

        p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        h = ngx_list_push(&r->headers_out.headers);
        if (h == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_memzero(h, sizeof(ngx_table_elt_t));

        h->hash = 1;
        ngx_str_set(&h->key, "Retry-After");
        h->value.data = p;
        h->value.len = ngx_sprintf(p, "%M", pause / 1000 + 1) - p;
        h->lowcase_key = (u_char *) "retry-after";
    }

    return status;
}


static void
ngx_http_pillion_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);

    ctx->feeding = 1;

    ngx_http_pillion_prepare_body(r, ctx);

    rc = ngx_http_pillion_submit(r, ctx);

    if (rc != NGX_OK) {
        ngx_http_pillion_end(ctx);
        ngx_http_finalize_request(r, rc);
        return;
    }

    r->connection->log->action = "waiting for application";

    r->read_event_handler = ngx_http_pillion_read_handler;
    r->write_event_handler = ngx_http_pillion_write_handler;

    if (ctx->feeding && !ctx->expect) {
        ngx_http_pillion_resume_body(r, ctx);
        return;
    }

    if (ngx_http_pillion_watch_client(r, ctx) != NGX_OK) {
        ngx_http_pillion_finalize(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


/*
 * Each time the window is full or empty somebody has to be woken, so a large
 * body gets a larger one.
 */

static uint32_t
ngx_http_pillion_window(ngx_http_pillion_ctx_t *ctx)
{
    off_t  size;

    size = ngx_min((off_t) ctx->conf->buffer_size * 4, PILLION_MAX_WINDOW);

    if (ctx->length >= 0 && ctx->length < size) {
        size = ngx_max(ctx->length, (off_t) ctx->conf->buffer_size);
    }

    return (uint32_t) size;
}


static ngx_int_t
ngx_http_pillion_submit(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx)
{
    int32_t           rc;
    ngx_buf_t        *b;
    ngx_pool_t       *pool;
    ngx_event_t      *ev;
    pillion_request   pr;

    pool = ngx_http_pillion_worker.pool;
    pool->log = r->connection->log;

    ngx_memzero(&pr, sizeof(pillion_request));

    pr.size = sizeof(pillion_request);
    pr.app = ctx->target;
    pr.data = ctx;
    pr.credit = (uint32_t) ctx->conf->buffer_size;
    pr.window = ngx_http_pillion_window(ctx);
    pr.flags = PILLION_REQUEST_FILES;

    if (r == r->main
        && (r->http_version == NGX_HTTP_VERSION_10
            || r->http_version == NGX_HTTP_VERSION_11))
    {
        pr.flags |= PILLION_REQUEST_HIJACK;
    }

    if (ngx_http_pillion_create_environ(r, ctx, &pr) != NGX_OK) {
        ngx_reset_pool(pool);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = ctx->body ? ctx->body->buf : NULL;

    if (b
        && ctx->body->next == NULL
        && ngx_buf_in_memory(b)
        && (size_t) (b->last - b->pos) <= ctx->conf->buffer_size)
    {
        pr.body = (char *) b->pos;
        pr.body_len = b->last - b->pos;
        ctx->feeding = 0;

    } else if (ctx->feeding) {
        pr.flags |= PILLION_REQUEST_MORE;
    }

    rc = ngx_http_pillion_worker.api.submit(ngx_http_pillion_worker.queue, &pr,
                                            &ctx->handle);

    ngx_reset_pool(pool);

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http pillion submit \"%V\": %d, body:%O more:%d",
                   &ctx->app, rc, ctx->length, ctx->feeding);

    if (rc == PILLION_OK) {
        ngx_http_pillion_worker.waiting++;
        ctx->start = ngx_current_msec;
        ctx->started = 1;

        /* a quitting worker waits for requests by their timers */

        ev = &ctx->timer;
        ev->handler = ngx_http_pillion_timeout_handler;
        ev->data = r->connection;
        ev->log = r->connection->log;

        ngx_add_timer(ev, ctx->conf->read_timeout);

        ngx_http_pillion_post_flush();

        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "PILLION-4205: request refused by the library: %s",
                  ngx_http_pillion_worker.api.strerror(rc));

    switch (rc) {

    case PILLION_E_FULL:
    case PILLION_E_STOPPED:
        return ngx_http_pillion_refuse(r, ctx, NGX_HTTP_SERVICE_UNAVAILABLE);

    case PILLION_E_LIMIT:
        return ngx_http_pillion_refuse(r, ctx,
                                       NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);

    default:
        return ngx_http_pillion_refuse(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


static ngx_uint_t
ngx_http_pillion_waits_for_client(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx)
{
    ngx_event_t  *wev;

    if (ctx->feeding && !ctx->full && !ctx->expect) {
        return 1;
    }

    if (ngx_http_pillion_busy_file(ctx)) {
        return 1;
    }

    wev = r->connection->write;

    return ctx->busy
           && (r != r->connection->data || wev->delayed || !wev->ready);
}


static void
ngx_http_pillion_timeout_handler(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_pillion_ctx_t  *ctx;

    ctx = (ngx_http_pillion_ctx_t *)
              ((u_char *) ev - offsetof(ngx_http_pillion_ctx_t, timer));

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->tunnel) {
        ngx_http_pillion_tunnel_timeout(r, ctx);
        ngx_http_run_posted_requests(c);
        return;
    }

    if (ngx_http_pillion_waits_for_client(r, ctx)) {
        ngx_add_timer(ev, ctx->conf->read_timeout);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, c->log, NGX_ETIMEDOUT,
                  "PILLION-4201: application \"%V\" timed out", &ctx->app);

    if (!r->header_sent) {
        ctx->status = NGX_HTTP_GATEWAY_TIME_OUT;
    }

    ngx_http_pillion_finalize(r, ctx, NGX_HTTP_GATEWAY_TIME_OUT);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_pillion_finalize(ngx_http_request_t *r, ngx_http_pillion_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "finalize http pillion request: %i, sent:%d",
                   rc, r->header_sent);

    ngx_http_pillion_end(ctx);

    r->read_event_handler = ngx_http_block_reading;
    r->connection->log->action = "sending to client";

    if (rc == NGX_ERROR && r->header_sent && ctx->tunnel == NULL) {
        ngx_http_pillion_cut(r, rc);
        return;
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        if (r->header_sent && rc != NGX_HTTP_REQUEST_TIME_OUT) {

            /* a slow client may keep the request for long */

            (void) ngx_http_pillion_worker.api.cancel(ctx->handle);
            ngx_http_pillion_post_flush();

            /* the rest of a file would make it look whole */

            ngx_http_pillion_cut(r, ngx_http_pillion_busy_file(ctx) ? NGX_ERROR
                                                                    : rc);
            return;
        }

        if (!ctx->borrowed) {

            /* an error page may take long, the application stops here */

            ngx_http_pillion_release(ctx);
        }
    }

    ngx_http_finalize_request(r, rc);
}


void
ngx_http_pillion_end(ngx_http_pillion_ctx_t *ctx)
{
    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    if (ctx->counted) {
        ctx->counted = 0;
        (*ctx->conf->in_flight)--;
    }

    if (!ctx->ended) {
        ctx->ended = 1;
        ctx->time = ngx_current_msec - ctx->start;
    }
}


void
ngx_http_pillion_cleanup(void *data)
{
    ngx_http_pillion_ctx_t *ctx = data;

    ngx_http_pillion_end(ctx);

    if (ctx->started) {
        ngx_http_pillion_release(ctx);
    }

#if (NGX_HTTP_V2)
    if (ctx->cut) {

        /* with other streams open nginx only queues RST_STREAM */

        ngx_post_event(ctx->cut->write, &ngx_posted_events);
    }
#endif
}
