/* One search result as it is shown: where it stands, and its text on one line. */
#ifndef SBERT_CLI_QUERY_HIT_H
#define SBERT_CLI_QUERY_HIT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct hit {
    double score;
    const char *id;
    const char *text; /* of its best passage */
    size_t text_size;
    const char *path; /* NULL: it comes from no file */
    json_int_t line;  /* of the passage in the file, from 1; 0: not known */
};

/* Takes a result of the daemon's answer apart; what it points to belongs to `result`. ERR_CORRUPT
 * where the protocol's fields aren't there. */
int hit_parse(struct hit *ret_hit, const json_t *result, struct err *err);

/* True where the id looks like those that the daemon makes from a text's hash: 32 hexadecimal
 * digits. */
bool hit_id_is_made(const struct hit *hit);

/* Appends "path:line", or nothing where it comes from no file. Below `folder` (NULL: none) the path
 * is shown relative to it. 0 or ERR_MEMORY. */
int hit_location(const struct hit *hit, const char *folder, struct buf *location);

#endif
