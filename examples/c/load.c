/*
 * load.c - loads a library at run time and says what is in it.
 *
 *     make build
 *     cc -Iinclude examples/c/load.c -o build/load
 *     build/load build/libpillion.so
 *
 * This is how a server does it that gets its applications from its
 * configuration. Nothing is started: pillion_init() comes with the first
 * request, in the process that serves.
 */

#include <pillion_loader.h>


int main(int argc, char **argv)
{
    pillion_api api;
    uint32_t    abi, i;
    uint64_t    len;
    const char *name;
    char        err[512];

    if (argc != 2) {
        fprintf(stderr, "usage: %s LIBRARY\n", argv[0]);
        return 2;
    }
    if (pillion_loader_open(argv[1], &api, err, sizeof(err)) == -1) {
        fprintf(stderr, "%s: %s\n", argv[0], err);
        return 1;
    }

    abi = api.abi();
    printf("Pillion %s, ABI %u.%u\n", api.version(), abi >> 16, abi & 0xffff);
    for (i = 0; api.app_name(i, &name, &len) == PILLION_OK; i++) {
        printf("%.*s\n", (int) len, name);
    }
    return 0;
}
