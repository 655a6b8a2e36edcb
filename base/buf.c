/* Growable bytes: doubling, with the arithmetic checked. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int buf_reserve(struct buf *buf, size_t extra)
{
    if (extra > SIZE_MAX / 2 - buf->size - 1)
        return ERR_MEMORY;
    size_t needed = buf->size + extra + 1;
    if (needed <= buf->capacity)
        return 0;
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (!data)
        return ERR_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t size)
{
    int r = buf_reserve(buf, size);
    if (r < 0)
        return r;
    if (size)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
    return 0;
}

int buf_append_string(struct buf *buf, const char *string)
{
    return buf_append(buf, string, strlen(string));
}

int buf_append_byte(struct buf *buf, char byte)
{
    return buf_append(buf, &byte, 1);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return ERR_INTERNAL;
    int r = buf_reserve(buf, (size_t)length);
    if (r < 0)
        return r;
    va_start(args, format);
    vsnprintf(buf->data + buf->size, (size_t)length + 1, format, args);
    va_end(args);
    buf->size += (size_t)length;
    return 0;
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}
