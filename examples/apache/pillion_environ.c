/*
 * pillion_environ.c - what an application is told about a request: CGI
 * variables and header fields.
 */

#include "mod_pillion.h"

#include "http_ssl.h"

APLOG_USE_MODULE(pillion);

/* Variables that mean something to package host: SetEnv does not replace them,
 * PillionParam does. */
static const char *const own[] = {
    "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "DOCUMENT_ROOT", "HTTPS",
    "PATH_INFO", "QUERY_STRING", "REDIRECT_QUERY_STRING", "REDIRECT_URL",
    "REMOTE_ADDR", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD", "REQUEST_SCHEME",
    "REQUEST_URI", "SCRIPT_NAME", "SERVER_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
    "SERVER_SOFTWARE", "SSL_CIPHER", "SSL_CLIENT_CERT", "SSL_CLIENT_VERIFY",
    "SSL_PROTOCOL", "SSL_SESSION_RESUMED", "SSL_TLS_SNI", NULL
};

static const char cert_chain[] = "SSL_CLIENT_CERT_CHAIN_";

#define CERT_CHAIN_MOST 10

typedef struct {
    const apr_array_header_t *params;
    pillion_pair *pairs;
    uint32_t n;
} environ_t;

static int is_own(const char *name)
{
    int i;

    for (i = 0; own[i]; i++) {
        if (strcmp(own[i], name) == 0) {
            return 1;
        }
    }

    return strncmp(name, cert_chain, sizeof(cert_chain) - 1) == 0;
}

static int is_param(const apr_array_header_t *params, const char *name)
{
    const ap_pillion_param *param = (const ap_pillion_param *)params->elts;
    int i;

    for (i = 0; i < params->nelts; i++) {
        if (strcmp(param[i].name, name) == 0) {
            return 1;
        }
    }

    return 0;
}

static void append(pillion_pair *pair, const char *name, const char *value)
{
    pair->name = name;
    pair->name_len = (uint32_t)strlen(name);
    pair->value = value;
    pair->value_len = (uint32_t)strlen(value);
}

/* Adds a variable if it has a value, unless PillionParam gives it another. */
static void set(environ_t *env, const char *name, const char *value)
{
    if (value && !is_param(env->params, name)) {
        append(&env->pairs[env->n++], name, value);
    }
}

/*
 * The target as the client sent it, unless the server has made another request
 * of it: then what it has made.
 */
static const char *request_uri(request_rec *r, const ap_pillion_map *map)
{
    const char *args = r->args ? r->args : "";
    const char *path;

    if (map->uri && strcmp(map->uri, r->uri) == 0
        && strcmp(map->args ? map->args : "", args) == 0) {
        return r->unparsed_uri;
    }

    path = ap_os_escape_path(r->pool, r->uri, 0);

    return *args ? apr_pstrcat(r->pool, path, "?", args, NULL) : path;
}

static void set_connection(environ_t *env, request_rec *r)
{
    conn_rec *c = r->connection;
    const char *scheme = ap_http_scheme(r);

    set(env, "SERVER_NAME", ap_get_server_name(r));
    set(env, "SERVER_PORT", apr_itoa(r->pool, ap_get_server_port(r)));
    set(env, "SERVER_ADDR", c->local_ip);
    set(env, "REMOTE_ADDR", r->useragent_ip);
    set(env, "REMOTE_PORT", apr_itoa(r->pool, r->useragent_addr->port));
    set(env, "REQUEST_SCHEME", scheme);

    if (strcmp(scheme, "https") == 0) {
        set(env, "HTTPS", "on");
    }
}

static int set_ssl(environ_t *env, request_rec *r, const char *name)
{
    const char *value;

    value = ap_ssl_var_lookup(r->pool, r->server, r->connection, r, name);

    if (value == NULL || *value == '\0') {
        return 0;
    }

    set(env, name, value);

    return 1;
}

/* What r.TLS is made of, whatever SSLOptions say. */
static void set_tls(environ_t *env, request_rec *r)
{
    int i;

    set_ssl(env, r, "SSL_PROTOCOL");
    set_ssl(env, r, "SSL_CIPHER");
    set_ssl(env, r, "SSL_TLS_SNI");
    set_ssl(env, r, "SSL_SESSION_RESUMED");

    if (!set_ssl(env, r, "SSL_CLIENT_CERT")) {
        return;
    }

    set_ssl(env, r, "SSL_CLIENT_VERIFY");

    for (i = 0; i < CERT_CHAIN_MOST; i++) {
        if (!set_ssl(env, r, apr_psprintf(r->pool, "%s%d", cert_chain, i))) {
            break;
        }
    }
}

static void set_own(environ_t *env, ap_pillion_request *pr)
{
    request_rec *r = pr->r;
    const ap_pillion_map *map = ap_pillion_mapped(r);
    const char *script = "", *path = r->uri;

    if (map->mount) {
        script = map->mount->prefix;
        path = r->uri + map->mount->len;
    }

    set(env, "REQUEST_METHOD", r->method);
    set(env, "REQUEST_URI", request_uri(r, map));
    set(env, "SERVER_PROTOCOL", r->protocol);
    set(env, "SCRIPT_NAME", script);
    set(env, "PATH_INFO", path);
    set(env, "QUERY_STRING", r->args ? r->args : "");
    set(env, "DOCUMENT_ROOT", ap_document_root(r));

    set_connection(env, r);

    if (!r->read_chunked && apr_table_get(r->headers_in, "Content-Length")) {
        set(env, "CONTENT_LENGTH", apr_off_t_toa(r->pool, r->remaining));
    }

    set(env, "CONTENT_TYPE", apr_table_get(r->headers_in, "Content-Type"));
    set(env, "REMOTE_USER", r->user);
    set(env, "AUTH_TYPE", r->user ? r->ap_auth_type : NULL);

    if (r->prev) {              /* ErrorDocument; REDIRECT_STATUS is httpd's */
        set(env, "REDIRECT_URL", r->prev->uri);
        set(env, "REDIRECT_QUERY_STRING", r->prev->args);
    }

    if (ap_ssl_conn_is_ssl(r->connection)
        || (r->connection->master
            && ap_ssl_conn_is_ssl(r->connection->master))) {
        set_tls(env, r);
    }
}

/* SetEnv, mod_rewrite's [E=], SSLOptions +StdEnvVars, REDIRECT_*. */
static void set_subprocess_env(environ_t *env, request_rec *r)
{
    const apr_array_header_t *array = apr_table_elts(r->subprocess_env);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)array->elts;
    int i;

    for (i = 0; i < array->nelts; i++) {
        if (entry[i].key && entry[i].val && !is_own(entry[i].key)
            && strncmp(entry[i].key, "HTTP_", 5) != 0) {
            set(env, entry[i].key, entry[i].val);
        }
    }
}

static void set_params(environ_t *env, request_rec *r)
{
    const ap_pillion_param *param;
    const char *value, *err;
    int i;

    param = (const ap_pillion_param *)env->params->elts;

    for (i = 0; i < env->params->nelts; i++) {
        value = param[i].value;

        if (param[i].expr) {
            err = NULL;
            value = ap_expr_str_exec(r, param[i].expr, &err);

            if (err || value == NULL) {
                ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                              "PILLION-5209: PillionParam %s: cannot evaluate "
                              "\"%s\": %s%s", param[i].name,
                              param[i].value, err ? err : "no value",
                              ap_pillion_which(r));
                continue;
            }
        }

        append(&env->pairs[env->n++], param[i].name, value);
    }
}

/* Whether the application is told what the client has proved itself with. */
static int passes_authorization(ap_pillion_request *pr)
{
    switch (pr->conf->pass_authorization) {
    case AP_PILLION_AUTH_ON:
        return 1;
    case AP_PILLION_AUTH_OFF:
        return 0;
    default:
        return pr->r->user == NULL;
    }
}

void ap_pillion_pairs(apr_pool_t *p, const apr_table_t *table,
                      const char *but, const pillion_pair **pairs, uint32_t *n)
{
    const apr_array_header_t *array = apr_table_elts(table);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)array->elts;
    pillion_pair *pair = apr_palloc(p, sizeof(*pair) * (array->nelts + 1));
    int i;

    *pairs = pair;
    *n = 0;

    for (i = 0; i < array->nelts; i++) {
        if (entry[i].key && entry[i].val
            && (but == NULL || ap_cstr_casecmp(entry[i].key, but) != 0)) {
            append(&pair[(*n)++], entry[i].key, entry[i].val);
        }
    }
}

void ap_pillion_environ(ap_pillion_request *pr, pillion_request *request)
{
    request_rec *r = pr->r;
    environ_t env;
    apr_size_t most;

    env.params = pr->conf->params;
    env.n = 0;

    most = sizeof(own) / sizeof(own[0]) + CERT_CHAIN_MOST
           + apr_table_elts(r->subprocess_env)->nelts + env.params->nelts;
    env.pairs = apr_palloc(r->pool, sizeof(pillion_pair) * most);

    set_own(&env, pr);
    set_subprocess_env(&env, r);
    set_params(&env, r);

    request->environ = env.pairs;
    request->environ_len = env.n;

    ap_pillion_pairs(r->pool, r->headers_in,
                     passes_authorization(pr) ? NULL : "Authorization",
                     &request->headers, &request->headers_len);
}
