/* Single fields of a request: what each kind of value must be. The bricks that the readers of
 * wire.h are made of; `where` is the path of the value, for errors. */
#ifndef SBERT_DAEMON_WIRE_FIELD_H
#define SBERT_DAEMON_WIRE_FIELD_H

#include "daemon/wire.h"

/* The path of an element or a member, into `path`. */
struct wire_path {
    char text[128];
};
struct wire_path wire_path_index(const char *where, const char *name, size_t i);
struct wire_path wire_path_member(const char *where, const char *name);

/* Checks that an object has only fields of `known`, which ends with NULL. */
int wire_check_fields(const json_t *object, const char *where, const char *const *known,
                      struct wire_fault *fault);

/* The member of that name, or NULL where it is absent or null. */
const json_t *wire_member(const json_t *object, const char *name);

/* A string without NUL, of 1 to `limit` bytes. */
int wire_name(const json_t *value, const char *where, size_t limit, const char **ret,
              struct wire_fault *fault);

/* A text of at most LIMIT_TEXT bytes; may be empty and may hold NULs. */
int wire_text(const json_t *value, const char *where, const char **ret_text, size_t *ret_size,
              struct wire_fault *fault);

/* A whole number of `least` to `most`. */
int wire_integer(const json_t *value, const char *where, int64_t least, int64_t most, int64_t *ret,
                 struct wire_fault *fault);
/* A member that may be missing, which is false. */
int wire_flag(const json_t *object, const char *name, bool *ret, struct wire_fault *fault);

/* A list of 1 to `limit` elements; `what` names them in errors. */
int wire_list(const json_t *value, const char *where, size_t limit, const char *what,
              size_t *ret_count, struct wire_fault *fault);

/* A vector: a list of numbers, or base64 of little-endian f32. All finite. From the arena. */
int wire_vector(const json_t *value, const char *where, struct arena *arena,
                const float **ret_vector, size_t *ret_size, struct wire_fault *fault);

/* The second stage of a search: {"model", "candidates"?}. */
int wire_read_rerank_options(const json_t *value, struct engine_rerank_options *ret,
                             struct wire_fault *fault);

/* Base64 of `count` floats, little-endian, in fresh memory from the arena; NULL without memory. */
char *wire_base64(const float *vector, size_t count, struct arena *arena);

#endif
