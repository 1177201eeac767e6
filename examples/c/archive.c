/*
 * archive.c - a program that holds a Go application: its standard input is the
 * body of a request, the body of the response goes to its standard output, both
 * as they come.
 *
 *     make build
 *     cc -Ibuild/include examples/c/archive.c build/libpillion.a -o build/archive
 *     build/archive demo /upload < README.md
 *
 * The serve drive in its smallest form.
 */

#include <errno.h>
#include <pillion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAIR(name, value, value_len) { name, value, sizeof(name) - 1, (uint32_t) (value_len) }


static int64_t on_read(void *data, char *buf, uint64_t cap)
{
    (void) data;

    for (;;) {
        ssize_t n = read(STDIN_FILENO, buf, cap);

        if (n != -1 || errno != EINTR) {
            return n;
        }
    }
}


static int32_t on_head(void *data, int32_t status, const pillion_pair *headers, uint32_t headers_len)
{
    (void) headers;
    (void) headers_len;

    *(int32_t *) data = status;
    return 0;
}


static int32_t on_write(void *data, const char *buf, uint64_t len)
{
    (void) data;

    return fwrite(buf, 1, len, stdout) == len ? 0 : -1;
}


static int32_t on_flush(void *data)
{
    (void) data;

    return fflush(stdout) == 0 ? 0 : -1;
}


int main(int argc, char **argv)
{
    pillion_request request = PILLION_REQUEST_INIT;
    pillion_io      io = PILLION_IO_INIT;
    int32_t         rc, status = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: %s APPLICATION TARGET\n", argv[0]);
        return 2;
    }

    pillion_pair environ[] = {
        PAIR("REQUEST_METHOD", "POST", 4),
        PAIR("REQUEST_URI", argv[2], strlen(argv[2])),
        PAIR("SERVER_PROTOCOL", "HTTP/1.0", 8),
    };

    request.environ = environ;
    request.environ_len = 3;
    request.flags = PILLION_REQUEST_MORE;
    io.data = &status;
    io.read = on_read;
    io.head = on_head;
    io.write = on_write;
    io.flush = on_flush;

    rc = pillion_init(NULL);
    if (rc == PILLION_OK) {
        rc = pillion_app_find(argv[1], strlen(argv[1]), &request.app);
    }
    if (rc == PILLION_OK) {
        rc = pillion_serve(&request, &io);
    }
    pillion_stop(1000, 1000);

    if (rc != PILLION_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], pillion_strerror(rc));
        return 1;
    }
    return fflush(stdout) == 0 && status < 400 ? 0 : 1;
}
