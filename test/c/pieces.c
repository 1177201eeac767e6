/*
 * pieces.c - what a connection has to send: bytes, and stretches of files.
 */

#include "pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define MORE 64


struct piece {
    char       *owned;              /* freed when it has been sent             */
    const char *bytes;              /* NULL: a file's                          */
    size_t      len;
    size_t      sent;
    uint64_t    offset;
    int         file;
};


static int add(pieces *all, piece p)
{
    piece *more;

    if (all->last == all->cap) {
        more = realloc(all->at, (all->cap + MORE) * sizeof(piece));
        if (more == NULL) {
            free(p.owned);
            return -1;
        }
        all->at = more;
        all->cap += MORE;
    }
    all->at[all->last++] = p;
    return 0;
}


int pieces_add_owned(pieces *all, char *bytes, size_t len)
{
    return bytes == NULL ? -1 : add(all, (piece) { .owned = bytes, .bytes = bytes, .len = len });
}


int pieces_add_text(pieces *all, const char *text)
{
    return pieces_add_owned(all, strdup(text), strlen(text));
}


int pieces_add_lent(pieces *all, const char *bytes, size_t len)
{
    return add(all, (piece) { .bytes = bytes, .len = len });
}


int pieces_add_file(pieces *all, int fd, uint64_t offset, uint64_t len)
{
    return add(all, (piece) { .file = fd, .offset = offset, .len = len });
}


int pieces_left(const pieces *all)
{
    return all->first < all->last;
}


static ssize_t send_piece(const piece *p, int socket, int more)
{
    off_t offset = (off_t) (p->offset + p->sent);

    if (p->bytes == NULL) {
        return sendfile(socket, p->file, &offset, p->len - p->sent);
    }
    return send(socket, p->bytes + p->sent, p->len - p->sent,
                MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}


int pieces_send(pieces *all, int socket, uint64_t *credit)
{
    *credit = 0;
    while (pieces_left(all)) {
        piece  *p = &all->at[all->first];
        ssize_t n = send_piece(p, socket, all->first + 1 < all->last);

        if (n == -1) {
            return errno == EAGAIN || errno == EINTR ? 1 : -1;
        }
        if (n == 0) {
            return 0;
        }
        p->sent += (size_t) n;
        if (p->bytes == NULL) {
            *credit += (uint64_t) n;
        } else if (p->owned == NULL && p->sent == p->len) {
            *credit += p->len;
        }
        if (p->sent == p->len) {
            free(p->owned);
            all->first++;
        }
    }
    all->first = all->last = 0;
    return 1;
}


void pieces_drop_files(pieces *all)
{
    size_t i = all->first;

    while (i < all->last && all->at[i].bytes != NULL) {
        i++;
    }
    while (all->last > i) {
        free(all->at[--all->last].owned);
    }
}


void pieces_drop(pieces *all)
{
    for (; all->first < all->last; all->first++) {
        free(all->at[all->first].owned);
    }
    all->first = all->last = 0;
}
