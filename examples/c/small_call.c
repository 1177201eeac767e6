/*
 * small_call.c - a server over the call drive: one request at a time.
 *
 *     make build
 *     cc -Ibuild/include examples/c/small_call.c build/libpillion.a -o build/small_call
 *     build/small_call 8080 demo
 */

#include "small.h"

static void serve(int fd, uint64_t app)
{
    pillion_request  request = PILLION_REQUEST_INIT;
    pillion_response response = PILLION_RESPONSE_INIT;
    small_request    s;
    char             in[SMALL_HEAD], out[SMALL_HEAD];
    size_t           len = 0;
    ssize_t          head = 0;
    int32_t          rc;

    while (head == 0) {
        head = small_read(fd, in, &len);
    }
    if (head == -1 || small_parse(in, &s, &request) == -1) {
        return;
    }
    request.app = app;
    request.environ_len = 3;            /* GET: no body, no length */

    rc = pillion_call(&request, &response);
    if (rc == PILLION_OK) {
        len = small_head(out, response.status, response.headers, response.headers_len);
        small_send(fd, out, len);
        small_send(fd, response.body, response.body_len);
    } else {
        small_send(fd, out, small_head(out, 500, NULL, 0));
    }
    pillion_response_free(response.handle);
}

int main(int argc, char **argv)
{
    uint64_t app;
    int      client, listener = small_start(argc, argv, &app);

    while ((client = accept(listener, NULL, NULL)) != -1) {
        serve(client, app);
        close(client);
    }
    return 1;
}
