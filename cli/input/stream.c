/* Buffered reading of inputs. It knows lines, and nothing of what stands in them. */
#include "cli/input/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 256 * 1024 };

int stream_open(struct stream *stream, int fd, const char *name, struct err *err)
{
    *stream = (struct stream){.fd = fd, .name = name, .buffer = malloc(BUFFER_SIZE)};
    if (stream->buffer)
        return 0;
    stream_close(stream);
    return err_memory(err, name);
}

void stream_close(struct stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    free(stream->buffer);
    stream->buffer = NULL;
}

/* Reads once, behind what is there. */
static int read_more(struct stream *stream, struct err *err)
{
    ssize_t got = read(stream->fd, stream->buffer + stream->size, BUFFER_SIZE - stream->size);
    if (got < 0 && errno == EINTR)
        return err_set(err, ERR_CANCELLED, "interrupted while reading %s", stream->name);
    if (got < 0)
        return err_set(err, ERR_IO, "cannot read %s: %s", stream->name, strerror(errno));
    stream->size += (size_t)got;
    stream->ended = got == 0;
    return 0;
}

int stream_peek(struct stream *stream, const char **ret_bytes, size_t *ret_size, struct err *err)
{
    if (stream->at == stream->size && !stream->ended) {
        stream->at = stream->size = 0;
        int r = read_more(stream, err);
        if (r < 0)
            return r;
    }
    *ret_bytes = stream->buffer + stream->at;
    *ret_size = stream->size - stream->at;
    return 0;
}

void stream_take(struct stream *stream, size_t size)
{
    stream->at += size;
    stream->offset += size;
}

int stream_fill(struct stream *stream, size_t least, struct err *err)
{
    int r = 0;
    if (stream->at > 0)
        memmove(stream->buffer, stream->buffer + stream->at, stream->size - stream->at);
    stream->size -= stream->at;
    stream->at = 0;
    while (r == 0 && stream->size < least && !stream->ended)
        r = read_more(stream, err);
    return r;
}

int stream_line(struct stream *stream, struct buf *line, size_t limit, bool *ret_too_long,
                struct err *err)
{
    bool any = false, ended = false;
    *ret_too_long = false;
    buf_clear(line);
    while (!ended) {
        const char *bytes;
        size_t size;
        int r = stream_peek(stream, &bytes, &size, err);
        if (r < 0)
            return r;
        if (size == 0)
            break;
        const char *newline = memchr(bytes, '\n', size);
        size_t part = newline ? (size_t)(newline - bytes) : size;
        any = true;
        ended = newline != NULL;
        if (part > limit - line->size)
            *ret_too_long = true;
        if (!*ret_too_long && buf_append(line, bytes, part) < 0)
            return err_memory(err, stream->name);
        stream_take(stream, part + ended);
    }
    if (!any)
        return 0;
    if (line->size > 0 && line->data[line->size - 1] == '\r')
        line->data[--line->size] = '\0';
    return 1;
}
