/* A growable run of bytes.
 *
 * `data` always has a NUL after `size` bytes once anything was appended, so text in a buffer is a C
 * string. A zeroed struct is an empty buffer. An append that finds no memory returns ERR_MEMORY and
 * leaves the buffer as it was. Not thread-safe: one owner at a time.
 */
#ifndef SBERT_BASE_BUF_H
#define SBERT_BASE_BUF_H

#include <stddef.h>

struct buf {
    char *data;
    size_t size;
    size_t capacity;
};

/* Makes room for `extra` more bytes (and the NUL). 0 or ERR_MEMORY. */
int buf_reserve(struct buf *buf, size_t extra);

/* Each appends; 0 or ERR_MEMORY, and buf_printf ERR_INTERNAL for a text of 2 GiB or more. */
int buf_append(struct buf *buf, const void *bytes, size_t size);
int buf_append_string(struct buf *buf, const char *string);
int buf_append_byte(struct buf *buf, char byte);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Empties it and keeps the memory. */
void buf_clear(struct buf *buf);

/* Frees the memory; the buffer is empty and usable again. */
void buf_release(struct buf *buf);

#endif
