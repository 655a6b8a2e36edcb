/* Filling in a caller-owned error. No allocation: it must work when memory is what ran out. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}

static int code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    case ENOMEM:
        return ERR_MEMORY;
    default:
        return ERR_IO;
    }
}

/* Appends as much of the text as there is room for. */
static void append(struct err *err, const char *text)
{
    size_t length = strlen(err->message);
    size_t size = strnlen(text, sizeof err->message - 1 - length);
    memcpy(err->message + length, text, size);
    err->message[length + size] = '\0';
}

int err_set_errno(struct err *err, int errno_value, const char *format, ...)
{
    int code = code_of_errno(errno_value);

    if (err) {
        char reason[128];
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        append(err, ": ");
        append(err, strerror_r(errno_value, reason, sizeof reason));
    }
    return code;
}

int err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return ERR_INTERNAL;
    struct err old = *err;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    append(err, ": ");
    append(err, old.message);
    return err->code;
}

int err_memory(struct err *err, const char *what)
{
    return err_set(err, ERR_MEMORY, "out of memory for %s", what);
}

const char *err_code_name(int code)
{
    switch (code) {
    case ERR_INVALID:
        return "invalid";
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_CORRUPT:
        return "corrupt";
    case ERR_UNSUPPORTED:
        return "unsupported";
    case ERR_IO:
        return "io";
    case ERR_NO_SPACE:
        return "no_space";
    case ERR_LIMIT:
        return "limit";
    case ERR_BUSY:
        return "busy";
    case ERR_MEMORY:
        return "memory";
    case ERR_CANCELLED:
        return "cancelled";
    default:
        return "internal";
    }
}
