
/*
 * What an application is told about TLS.  The names are those of Apache's
 * mod_ssl where it has one.
 */


#include "ngx_http_pillion_module.h"


#if (NGX_HTTP_SSL)


/* used by nginx too, unless it was built with a library that lacks it */

#if !defined(OPENSSL_IS_BORINGSSL) && !defined(LIBRESSL_VERSION_NUMBER)
#define NGX_HTTP_PILLION_VERIFIED_CHAIN  1
#endif

/* not used by nginx: with a static OpenSSL it may be missing */

#pragma weak SSL_get_peer_cert_chain


static ngx_int_t ngx_http_pillion_ssl_client(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e);
static ngx_int_t ngx_http_pillion_ssl_chain(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e, STACK_OF(X509) *chain, ngx_uint_t from,
    ngx_str_t *prefix);
static ngx_int_t ngx_http_pillion_ssl_pem(ngx_http_request_t *r, X509 *cert,
    ngx_str_t *value);
static STACK_OF(X509) *ngx_http_pillion_ssl_sent(ngx_connection_t *c);
static STACK_OF(X509) *ngx_http_pillion_ssl_verified(ngx_connection_t *c);


static ngx_str_t  ngx_http_pillion_sent_prefix =
    ngx_string("SSL_CLIENT_CERT_CHAIN_");
static ngx_str_t  ngx_http_pillion_verified_prefix =
    ngx_string("SSL_CLIENT_VERIFIED_CHAIN_");


/* How many variables certificates may need beyond the constant ones. */

ngx_uint_t
ngx_http_pillion_ssl_certificates(ngx_connection_t *c)
{
    ngx_uint_t       n;
    STACK_OF(X509)  *chain;

    n = 0;

    chain = ngx_http_pillion_ssl_sent(c);
    if (chain) {
        n += sk_X509_num(chain);
    }

    chain = ngx_http_pillion_ssl_verified(c);
    if (chain) {
        n += sk_X509_num(chain);
    }

    return n;
}


ngx_int_t
ngx_http_pillion_ssl_params(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e)
{
    ngx_str_t          value;
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = r->connection;
    pool = ngx_http_pillion_worker.pool;

    ngx_str_set(&value, "https");
    ngx_http_pillion_add(e, ngx_http_pillion_param_request_scheme, &value);

    ngx_str_set(&value, "on");
    ngx_http_pillion_add(e, ngx_http_pillion_param_https, &value);

    if (ngx_ssl_get_protocol(c, pool, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    value.len = ngx_strlen(value.data);
    ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_protocol, &value);

    if (ngx_ssl_get_cipher_name(c, pool, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.data) {
        value.len = ngx_strlen(value.data);
        ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_cipher, &value);
    }

    if (ngx_ssl_get_server_name(c, pool, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len) {
        ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_server_name, &value);
    }

#if (nginx_version >= 1021004)

    if (ngx_ssl_get_alpn_protocol(c, pool, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len) {
        ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_alpn_protocol,
                             &value);
    }

#endif

    if (SSL_session_reused(c->ssl->connection)) {
        ngx_str_set(&value, "Resumed");

    } else {
        ngx_str_set(&value, "Initial");
    }

    ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_session_resumed, &value);

    return ngx_http_pillion_ssl_client(r, e);
}


static ngx_int_t
ngx_http_pillion_ssl_client(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e)
{
    X509              *cert;
    ngx_int_t          rc;
    ngx_str_t          value;
    ngx_uint_t         verified;
    ngx_connection_t  *c;

    c = r->connection;

    if (ngx_ssl_get_client_verify(c, ngx_http_pillion_worker.pool, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_client_verify, &value);

    if (e->overridden & (1 << ngx_http_pillion_param_ssl_client_cert)) {
        return NGX_OK;
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return NGX_OK;
    }

    verified = (value.len == sizeof("SUCCESS") - 1
                && ngx_strncmp(value.data, "SUCCESS", value.len) == 0);

    rc = ngx_http_pillion_ssl_pem(r, cert, &value);

    X509_free(cert);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_pillion_add(e, ngx_http_pillion_param_ssl_client_cert, &value);

    if (ngx_http_pillion_ssl_chain(r, e, ngx_http_pillion_ssl_sent(c), 0,
                                   &ngx_http_pillion_sent_prefix)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!verified) {
        return NGX_OK;
    }

    /* it begins with the client's own */

    return ngx_http_pillion_ssl_chain(r, e, ngx_http_pillion_ssl_verified(c), 1,
                                      &ngx_http_pillion_verified_prefix);
}


static ngx_int_t
ngx_http_pillion_ssl_chain(ngx_http_request_t *r,
    ngx_http_pillion_environ_t *e, STACK_OF(X509) *chain, ngx_uint_t from,
    ngx_str_t *prefix)
{
    ngx_str_t   name, value;
    ngx_uint_t  i, n;

    n = chain ? sk_X509_num(chain) : 0;

    for (i = from; i < n; i++) {

        name.data = ngx_pnalloc(ngx_http_pillion_worker.pool,
                                prefix->len + NGX_INT_T_LEN);
        if (name.data == NULL) {
            return NGX_ERROR;
        }

        name.len = ngx_sprintf(name.data, "%V%ui", prefix, i - from)
                   - name.data;

        if (ngx_http_pillion_ssl_pem(r, sk_X509_value(chain, i), &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_pillion_set_pair(&e->environ[e->nelts++], &name, &value);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_pillion_ssl_pem(ngx_http_request_t *r, X509 *cert, ngx_str_t *value)
{
    BIO        *bio;
    ngx_int_t   rc;

    rc = NGX_ERROR;

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        ngx_ssl_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "BIO_new() failed");
        return NGX_ERROR;
    }

    if (PEM_write_bio_X509(bio, cert) == 0) {
        ngx_ssl_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "PEM_write_bio_X509() failed");
        goto done;
    }

    value->len = BIO_pending(bio);

    value->data = ngx_pnalloc(ngx_http_pillion_worker.pool, value->len);
    if (value->data == NULL) {
        goto done;
    }

    (void) BIO_read(bio, value->data, value->len);

    rc = NGX_OK;

done:

    BIO_free(bio);

    return rc;
}


/* What the client has sent, without its own certificate. */

static STACK_OF(X509) *
ngx_http_pillion_ssl_sent(ngx_connection_t *c)
{
    if (SSL_get_peer_cert_chain == NULL) {
        return NULL;
    }

    return SSL_get_peer_cert_chain(c->ssl->connection);
}


static STACK_OF(X509) *
ngx_http_pillion_ssl_verified(ngx_connection_t *c)
{
#ifdef NGX_HTTP_PILLION_VERIFIED_CHAIN

    if (SSL_get_verify_result(c->ssl->connection) != X509_V_OK) {
        return NULL;
    }

    return SSL_get0_verified_chain(c->ssl->connection);

#else
    return NULL;
#endif
}


#endif
