/* Writing JSON into a buffer: answers, and metadata in canonical form.
 *
 * A writer puts commas by itself and remembers the first failure (only memory can fail), so that a
 * caller looks once, at the end. Text that is not well-formed UTF-8 is mended, so that what is
 * written is always JSON. One owner at a time.
 */
#ifndef SBERT_DAEMON_WIRE_JSON_H
#define SBERT_DAEMON_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

struct json_writer {
    struct buf *buf;
    bool comma;  /* the next value or key needs one before it */
    bool failed; /* memory ran out; what is in the buffer is of no use */
};

void json_open(struct json_writer *writer, char bracket);  /* '{' or '[' */
void json_close(struct json_writer *writer, char bracket); /* '}' or ']' */
void json_key(struct json_writer *writer, const char *key);

void json_text(struct json_writer *writer, const char *text, size_t size);
void json_put_string(struct json_writer *writer, const char *text); /* NULL: null */
void json_put_integer(struct json_writer *writer, int64_t value);
void json_put_real(struct json_writer *writer, double value);  /* shortest that reads back */
void json_put_score(struct json_writer *writer, double value); /* nine digits: an f32 */
void json_put_bool(struct json_writer *writer, bool value);
void json_put_null(struct json_writer *writer);
void json_put_raw(struct json_writer *writer, const char *json); /* JSON text already */

/* A key with its value. */
void json_member_string(struct json_writer *writer, const char *key, const char *text);
void json_member_integer(struct json_writer *writer, const char *key, int64_t value);

void json_line_end(struct json_writer *writer); /* a newline between texts */

/* A parsed value in canonical form: keys sorted by bytes, no spaces. */
void json_put_value(struct json_writer *writer, const json_t *value);

#endif
