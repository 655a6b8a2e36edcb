/* JSON as text for people and programs: numbers as short as they can be without changing. */
#ifndef SBERT_CLI_JSON_TEXT_H
#define SBERT_CLI_JSON_TEXT_H

#include <jansson.h>

#include "base/buf.h"

/* Appends the value on one line: 15 digits for real numbers (0.1, not 0.10000000000000001) where
 * they say all of each of them, else 17. 0 or ERR_MEMORY; then the buffer may hold a part. */
int json_text_append(struct buf *out, const json_t *json);

#endif
