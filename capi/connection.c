/* The serve drive after the application has taken the connection over: the
 * thread waits for the client and for the goroutine at once. */

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"

/* The descriptor that the goroutine writes to when sigs leaves 0. It is closed
 * with the request, when nobody can write to it any more. */
static int32_t wake_fd(pl_req *r)
{
    int32_t fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    pl_store(&r->wake_fd, fd);
    return fd;
}

/* What is known of the client. */
enum { WAITING, READY, FULL, ENDED };

/* Moves what the client has sent to the ring, a window at most: what there is
 * to send must have its turn. */
static int32_t read_client(pl_req *r, const pillion_io *io, int *state)
{
    uint64_t space, got = 0;
    int64_t  n;
    char    *at;

    while (*state != ENDED) {
        *state = READY;
        if (got >= r->window) {
            return PILLION_OK;
        }
        at = pl_req_space(r, &space);
        if (at == NULL && r->ring == NULL) {
            return PILLION_E_MEMORY;
        }
        if (at == NULL) {
            /* Said before the second look, see pl_req_feed(). */
            pl_store(&r->starved, 1);
            at = pl_req_space(r, &space);
            if (at == NULL) {
                *state = FULL;
                return PILLION_OK;
            }
            pl_store(&r->starved, 0);
        }
        n = io->read(io->data, at, space);
        if (n == PILLION_IO_AGAIN) {
            *state = WAITING;
            return PILLION_OK;
        }
        if (n < 0 || (uint64_t) n > space) {
            return PILLION_E_IO;
        }
        if (n == 0) {
            *state = ENDED;
        }
        got += (uint64_t) n;
        pl_req_filled(r, (uint64_t) n);
    }
    return PILLION_OK;
}

/* Sends what the goroutine has written; *ended when it has closed. */
static int32_t write_client(pl_req *r, const pillion_io *io, int *ended)
{
    pl_part *p;

    while ((p = pl_req_next(r)) != NULL) {
        if (p->body_len != 0) {
            if (io->write(io->data, p->body, p->body_len) < 0) {
                return PILLION_E_IO;
            }
            pl_req_credit(r, p->body_len);
        }
        if ((p->flags & (PILLION_EVENT_COMPLETE | PILLION_EVENT_ABORTED)) != 0) {
            *ended = 1;
            return (p->flags & PILLION_EVENT_COMPLETE) != 0 ? PILLION_OK : PILLION_E_ABORTED;
        }
    }
    return PILLION_OK;
}

int32_t pl_connection_drive(pl_req *r, const pillion_io *io)
{
    struct pollfd fds[2];
    uint64_t      ignored;
    int32_t       client = -1, rc;
    int           state = WAITING, ended = 0;

    fds[1].fd = wake_fd(r);
    fds[1].events = POLLIN;
    if (fds[1].fd == -1) {
        return PILLION_E_OS;
    }
    if (io->hijack(io->data, &client) < 0 || client < 0) {
        return PILLION_E_IO;
    }
    fds[0].fd = client;
    for (;;) {
        /* Whatever the goroutine says from here on is also in the descriptor. */
        pl_store(&r->sigs, 0);
        rc = read_client(r, io, &state);
        if (rc != PILLION_OK) {
            return rc;
        }
        rc = write_client(r, io, &ended);
        if (rc != PILLION_OK || ended) {
            return rc;
        }
        fds[0].events = state == WAITING || state == READY ? POLLIN : 0;
        if (poll(fds, 2, state == READY ? 0 : -1) == -1 && errno != EINTR) {
            return PILLION_E_OS;
        }
        if ((fds[1].revents & POLLIN) != 0) {
            while (read(fds[1].fd, &ignored, sizeof(ignored)) == -1 && errno == EINTR) {
            }
        }
        if ((fds[0].revents & POLLNVAL) != 0
            || ((fds[0].revents & (POLLERR | POLLHUP)) != 0 && (fds[0].revents & POLLIN) == 0))
        {
            return PILLION_E_IO;
        }
    }
}
