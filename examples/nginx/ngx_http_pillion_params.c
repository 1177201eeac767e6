
/*
 * What an application is told about a request: CGI variables and header
 * fields.
 */


#include "ngx_http_pillion_module.h"


static ngx_str_t  ngx_http_pillion_params[] = {
    ngx_string("REQUEST_METHOD"),
    ngx_string("REQUEST_URI"),
    ngx_string("SERVER_PROTOCOL"),
    ngx_string("SCRIPT_NAME"),
    ngx_string("PATH_INFO"),
    ngx_string("QUERY_STRING"),
    ngx_string("SERVER_NAME"),
    ngx_string("SERVER_PORT"),
    ngx_string("SERVER_ADDR"),
    ngx_string("REMOTE_ADDR"),
    ngx_string("REMOTE_PORT"),
    ngx_string("REQUEST_SCHEME"),
    ngx_string("HTTPS"),
    ngx_string("CONTENT_LENGTH"),
    ngx_string("CONTENT_TYPE"),
    ngx_string("SSL_PROTOCOL"),
    ngx_string("SSL_CIPHER"),
    ngx_string("SSL_SERVER_NAME"),
    ngx_string("SSL_ALPN_PROTOCOL"),
    ngx_string("SSL_SESSION_RESUMED"),
    ngx_string("SSL_CLIENT_VERIFY"),
    ngx_string("SSL_CLIENT_CERT"),
    ngx_null_string
};


static void ngx_http_pillion_absolute_target(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_pillion_request_uri_param(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_pillion_connection_params(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e);
static ngx_int_t ngx_http_pillion_port(struct sockaddr *sa, ngx_str_t *value);
static ngx_int_t ngx_http_pillion_create_headers(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_request *pr);
static ngx_uint_t ngx_http_pillion_set_by_param(
    ngx_http_pillion_loc_conf_t *plcf, ngx_table_elt_t *h);


ngx_uint_t
ngx_http_pillion_default_param(ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_pillion_params[i].len; i++) {
        if (ngx_http_pillion_params[i].len == name->len
            && ngx_strncmp(ngx_http_pillion_params[i].data, name->data,
                           name->len)
               == 0)
        {
            return 1 << i;
        }
    }

    return 0;
}


/* The library copies all of it, so it takes no memory of the request's. */

ngx_int_t
ngx_http_pillion_create_environ(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_request *pr)
{
    size_t                        len;
    ngx_str_t                     value, path;
    ngx_uint_t                    i, n, room;
    ngx_http_pillion_param_t     *param;
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_pillion_environ_t    e;
    ngx_http_pillion_loc_conf_t  *plcf;

    plcf = ctx->conf;
    n = plcf->params ? plcf->params->nelts : 0;
    room = n;

#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        room += ngx_http_pillion_ssl_certificates(r->connection);
    }
#endif

    e.environ = ngx_palloc(ngx_http_pillion_worker.pool,
                           (sizeof(ngx_http_pillion_params)
                            / sizeof(ngx_str_t) + room)
                           * sizeof(pillion_pair));
    if (e.environ == NULL) {
        return NGX_ERROR;
    }

    e.nelts = 0;
    e.overridden = plcf->overridden;

    ngx_http_pillion_add(&e, ngx_http_pillion_param_request_method,
                         &r->method_name);

    if (ngx_http_pillion_request_uri_param(r, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_pillion_add(&e, ngx_http_pillion_param_request_uri, &value);
    ngx_http_pillion_add(&e, ngx_http_pillion_param_server_protocol,
                         &r->http_protocol);

    path = r->uri;
    len = plcf->script_name.len;

    if (len
        && path.len >= len
        && ngx_strncmp(path.data, plcf->script_name.data, len) == 0
        && (path.len == len || path.data[len] == '/'))
    {
        path.data += len;
        path.len -= len;
        ngx_http_pillion_add(&e, ngx_http_pillion_param_script_name,
                             &plcf->script_name);

    } else {
        ngx_str_null(&value);
        ngx_http_pillion_add(&e, ngx_http_pillion_param_script_name, &value);
    }

    ngx_http_pillion_add(&e, ngx_http_pillion_param_path_info, &path);
    ngx_http_pillion_add(&e, ngx_http_pillion_param_query_string, &r->args);

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    ngx_http_pillion_add(&e, ngx_http_pillion_param_server_name,
                         r->headers_in.server.len ? &r->headers_in.server
                                                  : &cscf->server_name);

    if (ngx_http_pillion_connection_params(r, &e) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->length >= 0) {
        value.data = ngx_pnalloc(ngx_http_pillion_worker.pool, NGX_OFF_T_LEN);
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        value.len = ngx_sprintf(value.data, "%O", ctx->length) - value.data;
        ngx_http_pillion_add(&e, ngx_http_pillion_param_content_length, &value);
    }

    if (r->headers_in.content_type) {
        ngx_http_pillion_add(&e, ngx_http_pillion_param_content_type,
                             &r->headers_in.content_type->value);
    }

    param = n ? plcf->params->elts : NULL;

    for (i = 0; i < n; i++) {

        if (param[i].header) {
            continue;
        }

        if (ngx_http_complex_value(r, &param[i].value, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0 && param[i].skip_empty) {
            continue;
        }

        ngx_http_pillion_set_pair(&e.environ[e.nelts++], &param[i].name,
                                  &value);
    }

    pr->environ = e.environ;
    pr->environ_len = e.nelts;

    return ngx_http_pillion_create_headers(r, ctx, pr);
}


static ngx_int_t
ngx_http_pillion_request_uri_param(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char     *p;
    uintptr_t   escape;

    if (r->valid_unparsed_uri && r == r->main) {
        *value = r->unparsed_uri;
        ngx_http_pillion_absolute_target(r, value);
        return NGX_OK;
    }

    escape = ngx_escape_uri(NULL, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    value->len = r->uri.len + 2 * escape
                 + (r->args.len ? 1 + r->args.len : 0);

    value->data = ngx_pnalloc(ngx_http_pillion_worker.pool, value->len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    if (escape) {
        p = (u_char *) ngx_escape_uri(value->data, r->uri.data, r->uri.len,
                                      NGX_ESCAPE_URI);
    } else {
        p = ngx_copy(value->data, r->uri.data, r->uri.len);
    }

    if (r->args.len) {
        *p++ = '?';
        ngx_memcpy(p, r->args.data, r->args.len);
    }

    return NGX_OK;
}


/* nginx keeps only the path of an absolute target, the line has all of it */

static void
ngx_http_pillion_absolute_target(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char  *p, *last;

    if (r->http_version != NGX_HTTP_VERSION_10
        && r->http_version != NGX_HTTP_VERSION_11)
    {
        return;
    }

    p = r->request_line.data + r->method_name.len;
    last = r->request_line.data + r->request_line.len;

    while (p < last && *p == ' ') { p++; }

    if (p == last || *p == '/') {
        return;
    }

    value->data = p;

    while (p < last && *p != ' ') { p++; }

    value->len = p - value->data;
}


static ngx_int_t
ngx_http_pillion_connection_params(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e)
{
    u_char             addr[NGX_SOCKADDR_STRLEN];
    ngx_str_t          value;
    ngx_connection_t  *c;

    c = r->connection;

    value.len = NGX_SOCKADDR_STRLEN;
    value.data = addr;

    if (ngx_connection_local_sockaddr(c, &value, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    value.data = ngx_pstrdup(ngx_http_pillion_worker.pool, &value);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_http_pillion_add(e, ngx_http_pillion_param_server_addr, &value);

    if (ngx_http_pillion_port(c->local_sockaddr, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_pillion_add(e, ngx_http_pillion_param_server_port, &value);
    ngx_http_pillion_add(e, ngx_http_pillion_param_remote_addr, &c->addr_text);

    if (ngx_http_pillion_port(c->sockaddr, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_pillion_add(e, ngx_http_pillion_param_remote_port, &value);

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        return ngx_http_pillion_ssl_params(r, e);
    }

#endif

    ngx_str_set(&value, "http");
    ngx_http_pillion_add(e, ngx_http_pillion_param_request_scheme, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_port(struct sockaddr *sa, ngx_str_t *value)
{
    ngx_uint_t  port;

    value->len = 0;

    value->data = ngx_pnalloc(ngx_http_pillion_worker.pool,
                              sizeof("65535") - 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    port = ngx_inet_get_port(sa);

    if (port > 0 && port < 65536) {
        value->len = ngx_sprintf(value->data, "%ui", port) - value->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_create_headers(ngx_http_request_t *r,
    ngx_http_pillion_ctx_t *ctx, pillion_request *pr)
{
    ngx_str_t                     value;
    ngx_uint_t                    i, n;
    pillion_pair                 *pair;
    ngx_list_part_t              *part;
    ngx_table_elt_t              *h;
    ngx_http_pillion_param_t     *param;
    ngx_http_pillion_loc_conf_t  *plcf;

    plcf = ctx->conf;
    n = plcf->nheaders;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    pair = ngx_palloc(ngx_http_pillion_worker.pool,
                      n * sizeof(pillion_pair) + 1);
    if (pair == NULL) {
        return NGX_ERROR;
    }

    pr->headers = pair;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].hash == 0) {
            continue;
        }

        /* the length of what is passed, which is not always what was sent */

        if (&h[i] == r->headers_in.content_length && !ctx->streaming
            && ctx->length != r->headers_in.content_length_n)
        {
            continue;
        }

        if (r->headers_in.transfer_encoding == &h[i]
            && !ctx->streaming && !ctx->chunked)
        {
            continue;
        }

        if (plcf->nheaders && ngx_http_pillion_set_by_param(plcf, &h[i])) {
            continue;
        }

        ngx_http_pillion_set_pair(pair++, &h[i].key, &h[i].value);
    }

    if (plcf->nheaders) {

        param = plcf->params->elts;

        for (i = 0; i < plcf->params->nelts; i++) {

            if (!param[i].header) {
                continue;
            }

            if (ngx_http_complex_value(r, &param[i].value, &value) != NGX_OK) {
                return NGX_ERROR;
            }

            if (value.len) {
                ngx_http_pillion_set_pair(pair++, &param[i].name, &value);
            }
        }
    }

    pr->headers_len = pair - pr->headers;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_pillion_set_by_param(ngx_http_pillion_loc_conf_t *plcf,
    ngx_table_elt_t *h)
{
    u_char                     ch;
    ngx_uint_t                 i, n;
    ngx_http_pillion_param_t  *param;

    param = plcf->params->elts;

    for (i = 0; i < plcf->params->nelts; i++) {

        if (!param[i].header || param[i].name.len != h->key.len) {
            continue;
        }

        for (n = 0; n < h->key.len; n++) {

            ch = ngx_tolower(h->key.data[n]);

            if (ch == '_') {
                ch = '-';
            }

            if (ch != ngx_tolower(param[i].name.data[n])) {
                break;
            }
        }

        if (n == h->key.len) {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_pillion_add(ngx_http_pillion_environ_t *e,
    ngx_http_pillion_param_e param, ngx_str_t *value)
{
    if (e->overridden & (1 << param)) {
        return;
    }

    ngx_http_pillion_set_pair(&e->environ[e->nelts++],
                              &ngx_http_pillion_params[param], value);
}


void
ngx_http_pillion_set_pair(pillion_pair *pair, ngx_str_t *name,
    ngx_str_t *value)
{
    pair->name = (char *) name->data;
    pair->name_len = (uint32_t) name->len;
    pair->value = (char *) value->data;
    pair->value_len = (uint32_t) value->len;
}
