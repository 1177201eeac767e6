// nginx: its configurations.

package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pillion/bench/app"
)

// nginxConf is what one contender adds to nginx's common configuration. In it
// @name@ stands for a value of its start.
type nginxConf struct {
	main   string // outside of all blocks
	http   string // in http {}
	server string // in server {}

	backend string // flag of the backend it needs, "" for none
}

const nginxCommon = `
daemon off;
worker_processes 1;
error_log @dir@/error.log error;
pid @dir@/nginx.pid;
@main@
events { worker_connections @connections@; }
http {
    access_log off;
    sendfile on;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_max_body_size 0;
    large_client_header_buffers 8 16k;
    client_body_temp_path @dir@/body;
    proxy_temp_path @dir@/proxy;
    fastcgi_temp_path @dir@/fastcgi;
    uwsgi_temp_path @dir@/uwsgi;
    scgi_temp_path @dir@/scgi;
    @http@
    server {
        listen @address@ backlog=4096;
        listen @address2@ backlog=4096 http2;
        root @documents@;
        @server@
    }
}
`

var (
	nginxReturn = nginxConf{server: `location / { return 200 "` + app.Hello + `"; }`}

	nginxStatic = nginxConf{}

	nginxPillion = nginxConf{
		main: `load_module @module@;`,
		http: `
    pillion_library @library@;
    pillion_env PILLION_BENCH_FILE=@file@;
    @pillion@`,
		server: `
        location / { pillion_pass bench; }
        location /static/ { alias @documents@/; }`,
	}

	nginxProxyUnix = nginxConf{
		backend: "unix",
		http:    `upstream backend { server unix:@backend@; keepalive 256; }`,
		server:  proxied,
	}

	nginxProxyTCP = nginxConf{
		backend: "tcp",
		http:    `upstream backend { server @backend@; keepalive 256; }`,
		server:  proxied,
	}

	nginxFastCGI = nginxConf{
		backend: "fcgi",
		http:    `upstream backend { server unix:@backend@; keepalive 256; }`,
		server: `
        location / {
            fastcgi_pass backend;
            fastcgi_keep_conn on;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param REQUEST_SCHEME $scheme;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param SERVER_ADDR $server_addr;
            fastcgi_param SERVER_PORT $server_port;
            fastcgi_param SERVER_NAME $server_name;
        }`,
	}

	nginxScript = nginxConf{
		main: `load_module ` + nginxNdk + `; load_module ` + nginxLua + `;`,
		server: `
        location / {
            content_by_lua_block {
                ngx.header.content_length = ` + strconv.Itoa(len(app.Hello)) + `
                ngx.print("` + app.Hello + `")
            }
        }`,
	}
)

const proxied = `
        location / {
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
        }`

// start starts an nginx, and the backend it needs.
func (c nginxConf) start(ctx context.Context, k *kit, t *target) (err error) {
	if t.address, err = freeAddress(); err != nil {
		return err
	}
	if t.address2, err = freeAddress(); err != nil {
		return err
	}
	backend := filepath.Join(t.dir, "backend.sock")
	if c.backend == "tcp" {
		if backend, err = freeAddress(); err != nil {
			return err
		}
	}
	if c.backend != "" {
		if err := startBackend(ctx, k, t, c.backend, backend); err != nil {
			return err
		}
	}
	text := nginxCommon
	for _, r := range [][2]string{
		{"@main@", c.main}, {"@http@", c.http}, {"@server@", c.server}, {"@pillion@", k.pillion},
		{"@connections@", strconv.Itoa(k.connections)},
		{"@dir@", t.dir}, {"@documents@", k.documents()}, {"@file@", k.file}, {"@library@", k.library},
		{"@module@", k.nginxPillion()}, {"@backend@", backend},
		{"@address@", t.address}, {"@address2@", t.address2},
	} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	conf := filepath.Join(t.dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := start(t.dir, nil, nginxBinary, "-p", t.dir, "-e", filepath.Join(t.dir, "error.log"), "-c", conf)
	if err != nil {
		return err
	}
	// The front is stopped before what is behind it.
	t.processes = append([]*process{p}, t.processes...)
	return p.ready(ctx, "tcp", t.address)
}
