/*
 * pillion_map.c - from URLs to applications.
 */

#include "mod_pillion.h"

APLOG_USE_MODULE(pillion);

static const ap_pillion_map nothing;

const ap_pillion_map *ap_pillion_mapped(request_rec *r)
{
    const ap_pillion_map *map = ap_get_module_config(r->request_config,
                                                     &pillion_module);

    return map ? map : &nothing;
}

/*
 * Runs before all others that translate, so that it can be told later whether
 * one of them, such as mod_rewrite, has changed the URL.
 */
int ap_pillion_note_uri(request_rec *r)
{
    ap_pillion_map *map;

    if (ap_pillion_process->library == NULL) {
        return DECLINED;
    }

    map = apr_pcalloc(r->pool, sizeof(*map));
    map->uri = r->uri;
    map->args = r->args;
    ap_set_module_config(r->request_config, &pillion_module, map);

    return DECLINED;
}

static int matches(const ap_pillion_mount *mount, const char *uri)
{
    return strncmp(uri, mount->prefix, mount->len) == 0
           && (uri[mount->len] == '\0' || uri[mount->len] == '/');
}

int ap_pillion_translate(request_rec *r)
{
    int i;
    ap_pillion_map *map;
    const ap_pillion_mount *mount;
    const ap_pillion_server_conf *conf;

    conf = ap_get_module_config(r->server->module_config, &pillion_module);
    map = ap_get_module_config(r->request_config, &pillion_module);

    if (map == NULL || r->uri == NULL || r->uri[0] != '/') {
        return DECLINED;
    }

    mount = (const ap_pillion_mount *)conf->mounts->elts;

    for (i = 0; i < conf->mounts->nelts; i++) {
        if ((map->mount == NULL || mount[i].len > map->mount->len)
            && matches(&mount[i], r->uri)) {
            map->mount = &mount[i];
        }
    }

    if (map->mount == NULL) {
        return DECLINED;
    }

    /* no path and no extension: neither a file nor its type is looked for */
    r->filename = apr_pstrcat(r->pool, AP_PILLION_HANDLER ":",
                              map->mount->app->name, NULL);
    r->path_info = r->uri + map->mount->len;
    r->handler = AP_PILLION_HANDLER;

    return OK;
}

int ap_pillion_map_to_storage(request_rec *r)
{
    return ap_pillion_mapped(r)->mount ? OK : DECLINED;
}
