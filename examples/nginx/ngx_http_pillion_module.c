
/*
 * Runs Go applications of a Pillion library inside nginx: directives and
 * configuration.
 */


#include "ngx_http_pillion_module.h"


static ngx_int_t ngx_http_pillion_init(ngx_conf_t *cf);
static void *ngx_http_pillion_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_pillion_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_pillion_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_pillion_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_pillion_init_params(ngx_conf_t *cf,
    ngx_http_pillion_loc_conf_t *conf);

static char *ngx_http_pillion_library(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_pillion_env(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_pillion_gc_percent(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_pillion_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_pillion_script_name(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_pillion_check_timeout(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_num_bounds_t  ngx_http_pillion_gomaxprocs_bounds = {
    ngx_conf_check_num_bounds, 1, 1024
};

static ngx_conf_num_bounds_t  ngx_http_pillion_in_flight_bounds = {
    ngx_conf_check_num_bounds, 0, PILLION_MAX_INFLIGHT
};

static ngx_conf_post_t  ngx_http_pillion_read_timeout_post = {
    ngx_http_pillion_check_timeout
};


static ngx_command_t  ngx_http_pillion_commands[] = {

    { ngx_string("pillion_library"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_pillion_library,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pillion_env"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_pillion_env,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pillion_gomaxprocs"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_pillion_main_conf_t, gomaxprocs),
      &ngx_http_pillion_gomaxprocs_bounds },

    { ngx_string("pillion_gc_percent"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_pillion_gc_percent,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pillion_memory_limit"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_pillion_main_conf_t, memory_limit),
      NULL },

    { ngx_string("pillion_stop_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_pillion_main_conf_t, stop_timeout),
      NULL },

    { ngx_string("pillion_crash_limit"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_pillion_crash_limit,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pillion_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_TAKE1,
      ngx_http_pillion_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pillion_param"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_upstream_param_set_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, params_source),
      NULL },

    { ngx_string("pillion_script_name"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_pillion_script_name,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("pillion_request_buffering"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, request_buffering),
      NULL },

    { ngx_string("pillion_ignore_client_abort"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, ignore_client_abort),
      NULL },

    { ngx_string("pillion_intercept_errors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, intercept_errors),
      NULL },

    { ngx_string("pillion_hide_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_array_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, hide_headers),
      NULL },

    { ngx_string("pillion_buffer_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, buffer_size),
      NULL },

    { ngx_string("pillion_read_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, read_timeout),
      &ngx_http_pillion_read_timeout_post },

    { ngx_string("pillion_tunnel_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, tunnel_timeout),
      NULL },

    { ngx_string("pillion_max_requests_in_flight"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_pillion_loc_conf_t, max_in_flight),
      &ngx_http_pillion_in_flight_bounds },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_pillion_module_ctx = {
    ngx_http_pillion_add_variables,        /* preconfiguration */
    ngx_http_pillion_init,                 /* postconfiguration */

    ngx_http_pillion_create_main_conf,     /* create main configuration */
    ngx_http_pillion_init_main_conf,       /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_pillion_create_loc_conf,      /* create location configuration */
    ngx_http_pillion_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_pillion_module = {
    NGX_MODULE_V1,
    &ngx_http_pillion_module_ctx,          /* module context */
    ngx_http_pillion_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_pillion_init_module,          /* init module */
    ngx_http_pillion_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_pillion_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_pillion_init(ngx_conf_t *cf)
{
    ngx_http_pillion_app_t        **app;
    ngx_http_pillion_main_conf_t   *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_pillion_module);

    if (pmcf->apps && pmcf->library.data == NULL) {
        app = pmcf->apps->elts;

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "PILLION-4012: \"pillion_pass\" needs a library, add "
                      "\"pillion_library /path/to/app.so;\" to the \"http\" "
                      "block, required in %V:%ui",
                      &app[0]->file, app[0]->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void *
ngx_http_pillion_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_pillion_main_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_pillion_main_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->library = { 0, NULL };
     *     conf->file = { 0, NULL };
     *     conf->line = 0;
     *     conf->env = NULL;
     *     conf->apps = NULL;
     */

    conf->gomaxprocs = NGX_CONF_UNSET;
    conf->gc_percent = NGX_CONF_UNSET;
    conf->memory_limit = NGX_CONF_UNSET;
    conf->stop_timeout = NGX_CONF_UNSET_MSEC;
    conf->crash_limit = NGX_CONF_UNSET;
    conf->crash_time = NGX_CONF_UNSET_MSEC;

    return conf;
}


static char *
ngx_http_pillion_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_pillion_main_conf_t  *pmcf = conf;

    ngx_conf_init_value(pmcf->gomaxprocs, 0);
    ngx_conf_init_value(pmcf->gc_percent, 0);
    ngx_conf_init_value(pmcf->memory_limit, 0);
    ngx_conf_init_msec_value(pmcf->stop_timeout, 10000);
    ngx_conf_init_value(pmcf->crash_limit, 10);
    ngx_conf_init_msec_value(pmcf->crash_time, 10000);

    return NGX_CONF_OK;
}


static void *
ngx_http_pillion_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_pillion_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_pillion_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->app = NULL;
     *     conf->app_value = NULL;
     *     conf->params_source = NULL;
     *     conf->params = NULL;
     *     conf->nheaders = 0;
     *     conf->overridden = 0;
     *     conf->script_name = { 0, NULL };
     *     conf->in_flight = NULL;
     */

    conf->hide_headers = NGX_CONF_UNSET_PTR;
    conf->request_buffering = NGX_CONF_UNSET;
    conf->ignore_client_abort = NGX_CONF_UNSET;
    conf->intercept_errors = NGX_CONF_UNSET;
    conf->buffer_size = NGX_CONF_UNSET_SIZE;
    conf->read_timeout = NGX_CONF_UNSET_MSEC;
    conf->tunnel_timeout = NGX_CONF_UNSET_MSEC;
    conf->max_in_flight = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_pillion_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_pillion_loc_conf_t *prev = parent;
    ngx_http_pillion_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->hide_headers, prev->hide_headers, NULL);
    ngx_conf_merge_value(conf->request_buffering, prev->request_buffering, 0);
    ngx_conf_merge_value(conf->ignore_client_abort,
                         prev->ignore_client_abort, 0);
    ngx_conf_merge_value(conf->intercept_errors, prev->intercept_errors, 0);
    ngx_conf_merge_size_value(conf->buffer_size, prev->buffer_size, 65536);
    ngx_conf_merge_msec_value(conf->read_timeout, prev->read_timeout, 60000);
    ngx_conf_merge_msec_value(conf->tunnel_timeout, prev->tunnel_timeout, 0);
    ngx_conf_merge_value(conf->max_in_flight, prev->max_in_flight, 0);

    if (conf->buffer_size == 0 || conf->buffer_size > PILLION_MAX_WINDOW) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "PILLION-4011: \"pillion_buffer_size\" must be "
                           "between 1 and %uD",
                           (uint32_t) PILLION_MAX_WINDOW);
        return NGX_CONF_ERROR;
    }

    if (conf->script_name.data == NULL) {
        conf->script_name = prev->script_name;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && conf->app == NULL) {
        conf->app = prev->app;
        conf->app_value = prev->app_value;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL && conf->app) {
        clcf->handler = ngx_http_pillion_handler;
    }

    /* blocks inside of a location count with it */

    if (clcf->noname) {
        conf->in_flight = prev->in_flight;
    }

    if (conf->in_flight == NULL) {
        conf->in_flight = ngx_pcalloc(cf->pool, sizeof(ngx_int_t));
        if (conf->in_flight == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->params_source == NULL) {
        conf->params_source = prev->params_source;
        conf->params = prev->params;
        conf->nheaders = prev->nheaders;
        conf->overridden = prev->overridden;
    }

    if (conf->params_source && conf->params == NULL) {
        if (ngx_http_pillion_init_params(cf, conf) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (prev->params_source == conf->params_source) {
            prev->params = conf->params;
            prev->nheaders = conf->nheaders;
            prev->overridden = conf->overridden;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_pillion_init_params(ngx_conf_t *cf, ngx_http_pillion_loc_conf_t *conf)
{
    u_char                            *p;
    ngx_uint_t                         i, n, start;
    ngx_http_pillion_param_t          *param;
    ngx_http_upstream_param_t         *src;
    ngx_http_compile_complex_value_t   ccv;

    src = conf->params_source->elts;
    n = conf->params_source->nelts;

    conf->params = ngx_array_create(cf->pool, n,
                                    sizeof(ngx_http_pillion_param_t));
    if (conf->params == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        param = ngx_array_push(conf->params);
        if (param == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(param, sizeof(ngx_http_pillion_param_t));

        param->name = src[i].key;
        param->skip_empty = src[i].skip_empty;

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &src[i].value;
        ccv.complex_value = &param->value;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_ERROR;
        }

        if (src[i].key.len > sizeof("HTTP_") - 1
            && ngx_strncmp(src[i].key.data, "HTTP_", sizeof("HTTP_") - 1) == 0)
        {
            /* a header field, under the name it has in HTTP */

            param->header = 1;
            conf->nheaders++;

            param->name.len = src[i].key.len - (sizeof("HTTP_") - 1);
            param->name.data = ngx_pnalloc(cf->pool, param->name.len);
            if (param->name.data == NULL) {
                return NGX_ERROR;
            }

            ngx_strlow(param->name.data,
                       src[i].key.data + sizeof("HTTP_") - 1, param->name.len);

            start = 1;

            for (p = param->name.data;
                 p < param->name.data + param->name.len;
                 p++)
            {
                if (*p == '_') {
                    *p = '-';
                }

                if (start) {
                    *p = ngx_toupper(*p);
                }

                start = (*p == '-');
            }

            continue;
        }

        conf->overridden |= ngx_http_pillion_default_param(&src[i].key);
    }

    return NGX_OK;
}


static char *
ngx_http_pillion_library(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pillion_main_conf_t *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->library.data) {
        return "is duplicate (PILLION-4001)";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs a path (PILLION-4002)";
    }

    pmcf->library = value[1];
    pmcf->file = cf->conf_file->file.name;
    pmcf->line = cf->conf_file->line;

    if (ngx_conf_full_name(cf->cycle, &pmcf->library, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_pillion_env(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pillion_main_conf_t *pmcf = conf;

    u_char        *p;
    ngx_str_t     *value, name, v;
    ngx_keyval_t  *kv;

    if (pmcf->env == NULL) {
        pmcf->env = ngx_array_create(cf->pool, 4, sizeof(ngx_keyval_t));
        if (pmcf->env == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;
    name = value[1];

    p = ngx_strlchr(name.data, name.data + name.len, '=');

    if (cf->args->nelts == 3) {

        if (p) {
            return "has a \"=\" in the name (PILLION-4003)";
        }

        v = value[2];

    } else if (p) {
        v.len = name.data + name.len - p - 1;
        v.data = p + 1;
        name.len = p - name.data;

    } else {

        /* captured here: nginx cleans the environment of its workers */

        v.data = (u_char *) getenv((char *) name.data);

        if (v.data == NULL) {
            return NGX_CONF_OK;
        }

        v.len = ngx_strlen(v.data);
        v.data = ngx_pstrdup(cf->pool, &v);
        if (v.data == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (name.len == 0) {
        return "needs a name (PILLION-4004)";
    }

    kv = ngx_array_push(pmcf->env);
    if (kv == NULL) {
        return NGX_CONF_ERROR;
    }

    kv->key = name;
    kv->value = v;

    return NGX_CONF_OK;
}


static char *
ngx_http_pillion_gc_percent(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pillion_main_conf_t *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->gc_percent != NGX_CONF_UNSET) {
        return "is duplicate (PILLION-4005)";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        pmcf->gc_percent = -2;
        return NGX_CONF_OK;
    }

    pmcf->gc_percent = ngx_atoi(value[1].data, value[1].len);

    if (pmcf->gc_percent < 1 || pmcf->gc_percent > NGX_MAX_INT32_VALUE) {
        return "must be a positive number or \"off\" (PILLION-4006)";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_pillion_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pillion_loc_conf_t *plcf = conf;

    ngx_str_t                          *value;
    ngx_http_core_loc_conf_t           *clcf;
    ngx_http_pillion_app_t            **app;
    ngx_http_pillion_main_conf_t       *pmcf;
    ngx_http_compile_complex_value_t    ccv;

    if (plcf->app) {
        return "is duplicate (PILLION-4007)";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs the name of an application (PILLION-4008)";
    }

    plcf->app = ngx_pcalloc(cf->pool, sizeof(ngx_http_pillion_app_t));
    if (plcf->app == NULL) {
        return NGX_CONF_ERROR;
    }

    plcf->app->name = value[1];
    plcf->app->file = cf->conf_file->file.name;
    plcf->app->line = cf->conf_file->line;

    if (ngx_http_script_variables_count(&value[1])) {

        plcf->app->variable = 1;

        plcf->app_value = ngx_palloc(cf->pool,
                                     sizeof(ngx_http_complex_value_t));
        if (plcf->app_value == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[1];
        ccv.complex_value = plcf->app_value;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_pillion_module);

    if (pmcf->apps == NULL) {
        pmcf->apps = ngx_array_create(cf->pool, 4,
                                      sizeof(ngx_http_pillion_app_t *));
        if (pmcf->apps == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    app = ngx_array_push(pmcf->apps);
    if (app == NULL) {
        return NGX_CONF_ERROR;
    }

    *app = plcf->app;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    clcf->handler = ngx_http_pillion_handler;

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_pillion_script_name(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_pillion_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->script_name.data) {
        return "is duplicate (PILLION-4009)";
    }

    value = cf->args->elts;

    if (ngx_http_script_variables_count(&value[1])) {
        return "takes no variables, write the path without \"$\" "
               "(PILLION-4022)";
    }

    plcf->script_name = value[1];

    /* "" and "/" are the root, also inside of a block that is mounted */

    while (plcf->script_name.len
           && plcf->script_name.data[plcf->script_name.len - 1] == '/')
    {
        plcf->script_name.len--;
    }

    if (plcf->script_name.len && plcf->script_name.data[0] != '/') {
        return "must start with \"/\" (PILLION-4010)";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_pillion_check_timeout(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t  *msp = data;

    if (*msp == 0) {
        return "must be more than 0, write a long time if silence is normal, "
               "such as \"1h\" (PILLION-4021)";
    }

    return NGX_CONF_OK;
}
