/* Errors: the one idiom of the whole tree.
 *
 * A function that can fail returns 0 or a negative `enum err_code`, and describes the failure in a
 * `struct err` that the caller owns (usually on the stack). Outputs (`ret_...`) are untouched on
 * failure. The message names the thing and, where there is one, what to do about it. Nothing below
 * the programs prints or exits.
 */
#ifndef SBERT_BASE_ERR_H
#define SBERT_BASE_ERR_H

#include <stdarg.h>

enum err_code {
    ERR_INVALID = -1,     /* the caller's input is wrong */
    ERR_NOT_FOUND = -2,   /* the named thing does not exist */
    ERR_CONFLICT = -3,    /* it exists already, or belongs to something else */
    ERR_CORRUPT = -4,     /* a file's contents are not what they must be */
    ERR_UNSUPPORTED = -5, /* well-formed, but not something this program does */
    ERR_IO = -6,          /* the operating system refused; the message has its reason */
    ERR_NO_SPACE = -7,    /* the disk or the quota is full */
    ERR_LIMIT = -8,       /* larger than a limit; the message names the limit */
    ERR_BUSY = -9,        /* try again later */
    ERR_MEMORY = -10,     /* out of memory */
    ERR_CANCELLED = -11,  /* the caller asked for it to stop */
    ERR_INTERNAL = -12,   /* a bug of ours, or a library's surprise */
};

struct err {
    int code; /* 0 or an enum err_code */
    char message[512];
};

/* Fills `err` (which may be NULL) with a code and a printf-style message; returns `code`, so that
 * `return err_set(err, ERR_INVALID, "...")` reads well. A message that is too long is cut. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, from an errno value: ENOSPC and EDQUOT become ERR_NO_SPACE, ENOENT ERR_NOT_FOUND,
 * ENOMEM ERR_MEMORY, all others ERR_IO; ": <reason>" is appended to the message. */
int err_set_errno(struct err *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<formatted text>: " before the message of an error that is already set, to say what was
 * being done. Returns err->code (ERR_INTERNAL where err is NULL). */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ERR_MEMORY with a message that names what the memory was for. */
int err_memory(struct err *err, const char *what);

/* The code's name in lower case with underscores ("not_found"), as the protocol shows it. */
const char *err_code_name(int code);

#endif
