/*
 * link.c - calls an application of a library that the program is linked with.
 *
 *     make build
 *     export PKG_CONFIG_PATH=build
 *     cc examples/c/link.c $(pkg-config --cflags --libs pillion) -o build/link
 *     LD_LIBRARY_PATH=build build/link hello '/?name=you'
 *
 * or with all of it in the program:
 *
 *     cc -static examples/c/link.c $(pkg-config --static --cflags --libs pillion) -o build/link-static
 *     build/link-static hello '/?name=you'
 */

#include <pillion.h>
#include <stdio.h>
#include <string.h>

#define PAIR(name, value, value_len) { name, value, sizeof(name) - 1, (uint32_t) (value_len) }


static void print(const pillion_response *response)
{
    uint32_t i;

    printf("%d\n", response->status);
    for (i = 0; i < response->headers_len; i++) {
        const pillion_pair *h = &response->headers[i];

        printf("%.*s: %.*s\n", (int) h->name_len, h->name, (int) h->value_len, h->value);
    }
    putchar('\n');
    fwrite(response->body, 1, response->body_len, stdout);
}


int main(int argc, char **argv)
{
    pillion_request  request = PILLION_REQUEST_INIT;
    pillion_response response = PILLION_RESPONSE_INIT;
    int32_t          rc;

    if (argc != 3) {
        fprintf(stderr, "usage: %s APPLICATION TARGET\n", argv[0]);
        return 2;
    }

    pillion_pair environ[] = {
        PAIR("REQUEST_METHOD", "GET", 3),
        PAIR("REQUEST_URI", argv[2], strlen(argv[2])),
        PAIR("SERVER_PROTOCOL", "HTTP/1.0", 8),
    };

    request.environ = environ;
    request.environ_len = 3;

    rc = pillion_init(NULL);
    if (rc == PILLION_OK) {
        rc = pillion_app_find(argv[1], strlen(argv[1]), &request.app);
    }
    if (rc == PILLION_OK) {
        rc = pillion_call(&request, &response);
    }
    if (rc == PILLION_OK) {
        print(&response);
    }
    pillion_response_free(response.handle);     /* also of a response that was cut */
    pillion_stop(1000, 1000);

    if (rc != PILLION_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], pillion_strerror(rc));
        return 1;
    }
    return 0;
}
