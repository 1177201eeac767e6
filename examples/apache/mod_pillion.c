/*
 * mod_pillion.c - runs Go applications of a Pillion library inside httpd:
 * directives, configuration, hooks.
 */

#include "mod_pillion.h"

#include "apr_lib.h"

ap_pillion_process_conf *ap_pillion_process;

#define GOMAXPROCS_MOST 1024
#define STOP_TIMEOUT apr_time_from_sec(10)
#define CRASH_LIMIT 10
#define CRASH_TIME apr_time_from_sec(10)

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    ap_pillion_process_conf *conf = apr_pcalloc(pconf, sizeof(*conf));

    conf->env = apr_array_make(pconf, 4, sizeof(pillion_pair));
    conf->apps = apr_array_make(pconf, 4, sizeof(ap_pillion_app *));
    conf->stop_timeout = STOP_TIMEOUT;
    conf->crash_limit = CRASH_LIMIT;
    conf->crash_time = CRASH_TIME;
    ap_pillion_process = conf;

    return OK;
}

static void *create_server_config(apr_pool_t *p, server_rec *s)
{
    ap_pillion_server_conf *conf = apr_pcalloc(p, sizeof(*conf));

    conf->mounts = apr_array_make(p, 4, sizeof(ap_pillion_mount));

    return conf;
}

/* Those of the virtual host come first: of equal prefixes they win. */
static void *merge_server_config(apr_pool_t *p, void *basev, void *addv)
{
    const ap_pillion_server_conf *base = basev, *add = addv;
    ap_pillion_server_conf *conf = apr_pcalloc(p, sizeof(*conf));

    conf->mounts = apr_array_append(p, add->mounts, base->mounts);

    return conf;
}

static void *create_dir_config(apr_pool_t *p, char *dir)
{
    ap_pillion_dir_conf *conf = apr_pcalloc(p, sizeof(*conf));

    conf->params = apr_array_make(p, 0, sizeof(ap_pillion_param));
    conf->pass_authorization = AP_PILLION_AUTH_UNSET;
    conf->read_timeout = -1;
    conf->error_override = -1;

    return conf;
}

static void set_param(apr_array_header_t *params, const ap_pillion_param *param)
{
    ap_pillion_param *old = (ap_pillion_param *)params->elts;
    int i;

    for (i = 0; i < params->nelts; i++) {
        if (strcmp(old[i].name, param->name) == 0) {
            old[i] = *param;
            return;
        }
    }

    *(ap_pillion_param *)apr_array_push(params) = *param;
}

static apr_array_header_t *merge_params(apr_pool_t *p,
                                        apr_array_header_t *base,
                                        apr_array_header_t *add)
{
    apr_array_header_t *params;
    int i;

    if (add->nelts == 0) {
        return base;
    }

    params = apr_array_copy(p, base);

    for (i = 0; i < add->nelts; i++) {
        set_param(params, &APR_ARRAY_IDX(add, i, ap_pillion_param));
    }

    return params;
}

static void *merge_dir_config(apr_pool_t *p, void *basev, void *addv)
{
    const ap_pillion_dir_conf *base = basev, *add = addv;
    ap_pillion_dir_conf *conf = apr_palloc(p, sizeof(*conf));

    conf->app = add->app ? add->app : base->app;
    conf->params = merge_params(p, base->params, add->params);
    conf->pass_authorization = add->pass_authorization != AP_PILLION_AUTH_UNSET
                                   ? add->pass_authorization
                                   : base->pass_authorization;
    conf->read_timeout = add->read_timeout != -1 ? add->read_timeout
                                                 : base->read_timeout;
    conf->error_override = add->error_override != -1 ? add->error_override
                                                     : base->error_override;

    return conf;
}

static ap_pillion_app *new_app(cmd_parms *cmd, const char *name)
{
    ap_pillion_app *app = apr_pcalloc(cmd->pool, sizeof(*app));

    app->name = name;
    app->directive = cmd->cmd->name;
    app->file = cmd->directive->filename;
    app->line = cmd->directive->line_num;

    /* what a .htaccess file names is looked for by the request that reads it */
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS) == NULL) {
        APR_ARRAY_PUSH(ap_pillion_process->apps, ap_pillion_app *) = app;
    }

    return app;
}

static const char *set_library(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    if (err) {
        return err;
    }

    if (ap_pillion_process->library) {
        return apr_psprintf(cmd->pool,
                            "PILLION-5001: PillionLibrary is set on line %d "
                            "of %s already: a process has one library, with "
                            "any number of applications",
                            ap_pillion_process->line,
                            ap_pillion_process->file);
    }

    ap_pillion_process->library = ap_server_root_relative(cmd->pool, arg);
    ap_pillion_process->file = cmd->directive->filename;
    ap_pillion_process->line = cmd->directive->line_num;

    if (*arg == '\0' || ap_pillion_process->library == NULL) {
        return apr_psprintf(cmd->pool,
                            "PILLION-5002: PillionLibrary: invalid path "
                            "\"%s\"", arg);
    }

    return NULL;
}

static const char *set_env(cmd_parms *cmd, void *dummy, const char *name,
                           const char *value)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    pillion_pair *pair;

    if (err) {
        return err;
    }

    if (strchr(name, '=')) {
        return "PILLION-5003: PillionEnv takes a name and a value, without an "
               "equals sign";
    }

    if (value == NULL) {
        value = "";
    }

    pair = apr_array_push(ap_pillion_process->env);
    pair->name = name;
    pair->name_len = (uint32_t)strlen(name);
    pair->value = value;
    pair->value_len = (uint32_t)strlen(value);

    return NULL;
}

static const char *parse_number(const char *arg, apr_int64_t most,
                                apr_int64_t *number)
{
    char *end;

    errno = 0;
    *number = apr_strtoi64(arg, &end, 10);

    return (errno || end == arg || *number < 1 || *number > most) ? NULL : end;
}

static const char *set_gomaxprocs(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *end;
    apr_int64_t n;

    if (err) {
        return err;
    }

    end = parse_number(arg, GOMAXPROCS_MOST, &n);
    if (end == NULL || *end) {
        return apr_psprintf(cmd->pool,
                            "PILLION-5004: PillionGoMaxProcs must be a number "
                            "from 1 to %d", GOMAXPROCS_MOST);
    }

    ap_pillion_process->gomaxprocs = (int)n;

    return NULL;
}

static const char *set_gc_percent(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *end;
    apr_int64_t n;

    if (err) {
        return err;
    }

    if (ap_cstr_casecmp(arg, "off") == 0) {
        ap_pillion_process->gc_percent = -1;
        return NULL;
    }

    end = parse_number(arg, APR_INT32_MAX, &n);
    if (end == NULL || *end) {
        return "PILLION-5005: PillionGCPercent must be a positive number or "
               "Off";
    }

    ap_pillion_process->gc_percent = (int)n;

    return NULL;
}

static const char *set_memory_limit(cmd_parms *cmd, void *dummy,
                                    const char *arg)
{
    static const char units[] = "kmgt";

    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *end, *unit;
    apr_int64_t n;
    int shift = 0;

    if (err) {
        return err;
    }

    end = parse_number(arg, APR_INT64_MAX, &n);

    if (end && *end) {
        unit = strchr(units, apr_tolower(*end));
        shift = unit ? 10 * (int)(unit - units + 1) : 0;
        end = unit ? end + 1 : end;
    }

    if (end == NULL || *end || n > (APR_INT64_MAX >> shift)) {
        return "PILLION-5006: PillionMemoryLimit must be a number of bytes, "
               "or one followed by K, M, G or T";
    }

    ap_pillion_process->memory_limit = n << shift;

    return NULL;
}

static const char *parse_time(cmd_parms *cmd, const char *what,
                              const char *arg, apr_interval_time_t *time)
{
    if (ap_timeout_parameter_parse(arg, time, "s") != APR_SUCCESS
        || *time <= 0 || apr_time_as_msec(*time) > APR_INT32_MAX) {
        return apr_psprintf(cmd->pool,
                            "PILLION-5007: %s must be a time, more than 0: "
                            "seconds, or a number with ms, s, mi or h", what);
    }

    return NULL;
}

static const char *set_stop_timeout(cmd_parms *cmd, void *dummy,
                                    const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    return err ? err
               : parse_time(cmd, cmd->cmd->name, arg,
                            &ap_pillion_process->stop_timeout);
}

static const char *set_crash_limit(cmd_parms *cmd, void *dummy,
                                   const char *arg, const char *time)
{
    static const char what[] = "the second argument of PillionCrashLimit";

    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *end;
    apr_int64_t n;

    if (err) {
        return err;
    }

    if (ap_cstr_casecmp(arg, "off") == 0 && time == NULL) {
        ap_pillion_process->crash_limit = 0;
        return NULL;
    }

    end = parse_number(arg, AP_PILLION_CRASHES, &n);
    if (end == NULL || *end) {
        return apr_psprintf(cmd->pool, "PILLION-5183: PillionCrashLimit must "
                            "be Off or a number from 1 to %d",
                            AP_PILLION_CRASHES);
    }

    ap_pillion_process->crash_limit = (int)n;

    return time ? parse_time(cmd, what, time, &ap_pillion_process->crash_time)
                : NULL;
}

static const char *set_script_alias(cmd_parms *cmd, void *dummy,
                                    const char *url, const char *name)
{
    const char *err = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    ap_pillion_server_conf *conf;
    ap_pillion_mount *mount, *mounts;
    apr_size_t len = strlen(url);
    int i;

    if (err) {
        return err;
    }

    if (*url != '/') {
        return "PILLION-5008: PillionScriptAlias: the URL path must start "
               "with a slash";
    }

    if (*name == '\0') {
        return "PILLION-5009: PillionScriptAlias needs the name of an "
               "application";
    }

    while (len > 0 && url[len - 1] == '/') {
        len--;
    }

    conf = ap_get_module_config(cmd->server->module_config, &pillion_module);
    mounts = (ap_pillion_mount *)conf->mounts->elts;

    for (i = 0; i < conf->mounts->nelts; i++) {
        if (mounts[i].len == len && memcmp(mounts[i].prefix, url, len) == 0) {
            return apr_psprintf(cmd->pool,
                                "PILLION-5010: PillionScriptAlias: %s is "
                                "mapped to \"%s\" already, on line %d of %s",
                                url, mounts[i].app->name, mounts[i].app->line,
                                mounts[i].app->file);
        }
    }

    mount = apr_array_push(conf->mounts);
    mount->prefix = apr_pstrmemdup(cmd->pool, url, len);
    mount->len = len;
    mount->app = new_app(cmd, name);

    return NULL;
}

static const char *set_app(cmd_parms *cmd, void *dconf, const char *name)
{
    ap_pillion_dir_conf *conf = dconf;

    if (cmd->path == NULL) {
        return "PILLION-5011: PillionApp belongs to SetHandler "
               AP_PILLION_HANDLER " in a directory or location; use "
               "PillionScriptAlias outside of them";
    }

    if (*name == '\0') {
        return "PILLION-5012: PillionApp needs the name of an application";
    }

    conf->app = new_app(cmd, name);

    return NULL;
}

static const char *add_param(cmd_parms *cmd, void *dconf, const char *name,
                             const char *value)
{
    ap_pillion_dir_conf *conf = dconf;
    ap_pillion_param param = { name, value, NULL };
    unsigned int flags = AP_EXPR_FLAG_STRING_RESULT;
    const char *err = NULL;

    if (strncmp(name, "HTTP_", 5) == 0) {
        return "PILLION-5013: PillionParam sets variables; header fields are "
               "set by RequestHeader";
    }

    if (value == NULL) {
        param.value = "";
    }
    else if (strstr(value, "%{")) {
        if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS) != NULL) {
            flags |= AP_EXPR_FLAG_RESTRICTED;
        }

        param.expr = ap_expr_parse_cmd(cmd, value, flags, &err, NULL);
        if (err) {
            return apr_psprintf(cmd->pool,
                                "PILLION-5014: PillionParam %s: cannot parse "
                                "\"%s\": %s", name, value, err);
        }
    }

    set_param(conf->params, &param);

    return NULL;
}

static const char *set_pass_authorization(cmd_parms *cmd, void *dconf,
                                          const char *arg)
{
    ap_pillion_dir_conf *conf = dconf;

    if (ap_cstr_casecmp(arg, "on") == 0) {
        conf->pass_authorization = AP_PILLION_AUTH_ON;
    }
    else if (ap_cstr_casecmp(arg, "off") == 0) {
        conf->pass_authorization = AP_PILLION_AUTH_OFF;
    }
    else if (ap_cstr_casecmp(arg, "auto") == 0) {
        conf->pass_authorization = AP_PILLION_AUTH_AUTO;
    }
    else {
        return "PILLION-5015: PillionPassAuthorization must be On, Off or "
               "Auto";
    }

    return NULL;
}

static const char *set_read_timeout(cmd_parms *cmd, void *dconf,
                                    const char *arg)
{
    ap_pillion_dir_conf *conf = dconf;

    return parse_time(cmd, cmd->cmd->name, arg, &conf->read_timeout);
}

/*
 * The first of the two times that the configuration is read at a start, whose
 * words still go to the terminal, and every restart. A server that runs is not
 * to end because of a library: it goes on, and its new children say that they
 * have none.
 */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog,
                        apr_pool_t *ptemp, server_rec *s)
{
    int mode = ap_state_query(AP_SQ_RUN_MODE);
    int first = ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;
    ap_pillion_app **app = (ap_pillion_app **)ap_pillion_process->apps->elts;

    if (ap_pillion_process->library == NULL) {
        if (ap_pillion_process->apps->nelts == 0) {
            return OK;
        }

        ap_log_error(APLOG_MARK, APLOG_EMERG | APLOG_STARTUP, 0, s,
                     "PILLION-5016: %s on line %d of %s needs a library: add "
                     "PillionLibrary /path/to/app.so", app[0]->directive,
                     app[0]->line, app[0]->file);
        return !OK;
    }

    if (mode != AP_SQ_RM_NORMAL && mode != AP_SQ_RM_CONFIG_TEST) {
        return OK;
    }

    if (first) {
        return ap_pillion_check(ptemp, s);
    }

    if (ap_state_query(AP_SQ_CONFIG_GEN) > 1) {
        (void)ap_pillion_check(ptemp, s);
    }

    return OK;
}

static const command_rec directives[] = {
    AP_INIT_TAKE1("PillionLibrary", set_library, NULL, RSRC_CONF,
                  "the library with the applications"),
    AP_INIT_TAKE12("PillionEnv", set_env, NULL, RSRC_CONF,
                   "an environment variable for the applications: a name and "
                   "a value"),
    AP_INIT_TAKE1("PillionGoMaxProcs", set_gomaxprocs, NULL, RSRC_CONF,
                  "CPUs that run Go code at once, in each child"),
    AP_INIT_TAKE1("PillionGCPercent", set_gc_percent, NULL, RSRC_CONF,
                  "as GOGC: a positive number, or Off"),
    AP_INIT_TAKE1("PillionMemoryLimit", set_memory_limit, NULL, RSRC_CONF,
                  "as GOMEMLIMIT, for each child: bytes, or with K, M, G, T"),
    AP_INIT_TAKE1("PillionStopTimeout", set_stop_timeout, NULL, RSRC_CONF,
                  "how long OnStop functions may take when a child ends"),
    AP_INIT_TAKE12("PillionCrashLimit", set_crash_limit, NULL, RSRC_CONF,
                   "how many crashes of children are allowed, and within "
                   "what time, before new children wait; or Off"),
    AP_INIT_TAKE2("PillionScriptAlias", set_script_alias, NULL, RSRC_CONF,
                  "a URL path and the application that is mounted there"),
    AP_INIT_TAKE1("PillionApp", set_app, NULL, OR_FILEINFO,
                  "the application of SetHandler " AP_PILLION_HANDLER),
    AP_INIT_TAKE12("PillionParam", add_param, NULL, OR_FILEINFO,
                  "a CGI variable for the application: a name and a value, "
                  "which may hold %{...} expressions"),
    AP_INIT_TAKE1("PillionPassAuthorization", set_pass_authorization, NULL,
                  RSRC_CONF | OR_AUTHCFG, "whether the application sees the Authorization "
                  "header field: On, Off or Auto"),
    AP_INIT_TAKE1("PillionReadTimeout", set_read_timeout, NULL,
                  RSRC_CONF | ACCESS_CONF,
                  "how long an application may show no sign of life"),
    AP_INIT_FLAG("PillionErrorOverride", ap_set_flag_slot,
                 (void *)APR_OFFSETOF(ap_pillion_dir_conf, error_override),
                 OR_FILEINFO, "whether httpd's error pages replace those of "
                 "the application"),
    { NULL }
};

static void register_hooks(apr_pool_t *p)
{
    static const char *const before[] = { "mod_alias.c", NULL };
    static const char *const after[] = { "mod_userdir.c", "mod_vhost_alias.c",
                                         NULL };

    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(ap_pillion_crash_table, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_status(ap_pillion_child_status, NULL, NULL,
                         APR_HOOK_MIDDLE);
    ap_hook_child_init(ap_pillion_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(ap_pillion_note_uri, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(ap_pillion_translate, before, after,
                           APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(ap_pillion_map_to_storage, NULL, NULL,
                           APR_HOOK_LAST);
    ap_hook_handler(ap_pillion_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_output_filter(AP_PILLION_TRAILERS, ap_pillion_trailers_filter,
                              NULL, AP_FTYPE_TRANSCODE + 1);
    ap_pillion_sink = ap_register_output_filter(AP_PILLION_SINK,
                                                ap_pillion_sink_filter, NULL,
                                                AP_FTYPE_RESOURCE);
}

AP_DECLARE_MODULE(pillion) = {
    STANDARD20_MODULE_STUFF,
    create_dir_config,
    merge_dir_config,
    create_server_config,
    merge_server_config,
    directives,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
