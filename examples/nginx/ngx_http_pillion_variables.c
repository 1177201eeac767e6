
/*
 * The variables $pillion_app, $pillion_time and $pillion_status.
 */


#include "ngx_http_pillion_module.h"


static ngx_int_t ngx_http_pillion_app_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_pillion_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_pillion_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_pillion_ctx_t *ngx_http_pillion_find_ctx(
    ngx_http_request_t *r);


static ngx_http_variable_t  ngx_http_pillion_vars[] = {

    { ngx_string("pillion_app"), NULL,
      ngx_http_pillion_app_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("pillion_time"), NULL,
      ngx_http_pillion_time_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("pillion_status"), NULL,
      ngx_http_pillion_status_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_pillion_app_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_pillion_find_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = ctx->app.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = ctx->app.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                  *p;
    ngx_msec_t               ms;
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_pillion_find_ctx(r);

    if (ctx == NULL || !ctx->started) {
        v->not_found = 1;
        return NGX_OK;
    }

    ms = ctx->ended ? ctx->time : ngx_current_msec - ctx->start;

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%T.%03M", (time_t) ms / 1000, ms % 1000) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                  *p;
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_pillion_find_ctx(r);

    if (ctx == NULL || ctx->status == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%03ui", ctx->status) - p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = p;

    return NGX_OK;
}


static ngx_http_pillion_ctx_t *
ngx_http_pillion_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_pillion_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_pillion_module);

    if (ctx) {
        return ctx;
    }

    /* an internal redirect clears module contexts */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler != ngx_http_pillion_cleanup) {
            continue;
        }

        ctx = cln->data;

        if (ctx->request == r) {
            return ctx;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_pillion_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_pillion_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}
