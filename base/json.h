/* JSON (RFC 8259) in and out, through jansson: parsing with errors that say where.
 *
 * Values are jansson's reference-counted json_t; the caller of a function that returns one owns it
 * and ends it with json_decref. A json_t belongs to one thread at a time.
 */
#ifndef SBERT_BASE_JSON_H
#define SBERT_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Parses a whole text. `name` says what it is in errors ("the request body"): "<name>: line 3
 * column 7: ...". Duplicate keys, invalid UTF-8, integers beyond 64 bits and trailing text are
 * refused; U+0000 inside a string is allowed (use json_string_length). ERR_INVALID or ERR_MEMORY.
 */
int json_parse(json_t **ret_json, const char *text, size_t size, const char *name, struct err *err);

/* Appends the value's text, as jansson's `flags` (JSON_COMPACT, ...) say. 0 or ERR_MEMORY; then the
 * buffer may hold a part of it. */
int json_append(struct buf *buf, const json_t *json, size_t flags);

/* Reads and parses a file of at most `limit` bytes. ERR_CORRUPT where it is not JSON; errors of
 * reading as file_read's. Configuration files write "no limit" as an integer like 1e30 with all its
 * digits: where a file has one beyond 64 bits, all its numbers are read as reals. */
int json_read(json_t **ret_json, const char *path, size_t limit, struct err *err);

/* The same for a file whose top must be an object: ERR_CORRUPT where it is not. */
int json_read_object(json_t **ret_json, const char *path, size_t limit, struct err *err);

#endif
