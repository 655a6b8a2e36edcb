/* The bytes of an input, read once from start to end, and lines of them.
 *
 * Memory is bounded by the caller's limits, not by the file. One owner at a time.
 */
#ifndef SBERT_CLI_INPUT_STREAM_H
#define SBERT_CLI_INPUT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct stream {
    int fd;           /* owned */
    const char *name; /* for errors; outlives the stream */
    char *buffer;
    size_t at, size; /* the bytes that were read and not taken */
    uint64_t offset; /* bytes taken so far */
    bool ended;
};

/* Takes `fd` over, also on failure. */
int stream_open(struct stream *stream, int fd, const char *name, struct err *err);
void stream_close(struct stream *stream);

/* The bytes that are there, at least one, or *ret_size 0 at the end of the input. They stay until
 * the next call. ERR_IO, or ERR_CANCELLED where a signal interrupted the wait. */
int stream_peek(struct stream *stream, const char **ret_bytes, size_t *ret_size, struct err *err);
void stream_take(struct stream *stream, size_t size);

/* Reads until stream_peek shows at least `least` bytes (no more than a few) or the input ends. */
int stream_fill(struct stream *stream, size_t least, struct err *err);

/* Puts the next line, without its line break (LF or CRLF), into `line`: 1, or 0 at the end. A line
 * of more than `limit` bytes is passed over whole, and *ret_too_long says so. */
int stream_line(struct stream *stream, struct buf *line, size_t limit, bool *ret_too_long,
                struct err *err);

#endif
