/*
 * pieces.h - what a connection has to send: bytes, and stretches of files.
 */

#ifndef PIECES_H
#define PIECES_H

#include <stddef.h>
#include <stdint.h>

typedef struct piece piece;

/* To send from first to last. */
typedef struct pieces {
    piece *at;
    size_t first;
    size_t last;
    size_t cap;
} pieces;

/* Each adds a piece and returns 0, or -1 if there is no memory. */
int pieces_add_owned(pieces *all, char *bytes, size_t len);     /* malloc()ed, may be NULL */
int pieces_add_text(pieces *all, const char *text);             /* copied      */
int pieces_add_lent(pieces *all, const char *bytes, size_t len); /* credited   */
int pieces_add_file(pieces *all, int fd, uint64_t offset, uint64_t len);

int pieces_left(const pieces *all);

/*
 * Sends what the socket takes. *credit is how many bytes of what was lent, and
 * of files, need not be kept any more. Returns 1, 0 if a file has become shorter,
 * or -1 if the client has left.
 */
int pieces_send(pieces *all, int socket, uint64_t *credit);

/* Drops what is left of files, and what would follow them. */
void pieces_drop_files(pieces *all);

/* Drops all. */
void pieces_drop(pieces *all);

#endif
