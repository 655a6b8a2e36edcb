/* Conditions on metadata as a person types them, turned into the filter of the protocol.
 *
 *     year >= 2020 and (lang = "en" or lang in ("de", "fr")) and not tags = "draft"
 *
 *     expression  = term {"or" term}
 *     term        = factor {"and" factor}
 *     factor      = "not" factor | "(" expression ")" | condition
 *     condition   = field ("=" | "!=" | "<" | "<=" | ">" | ">=" | "^=") value
 *                 | field ["not"] "in" "(" value {"," value} ")"
 *                 | field "exists"
 *     field       = a word of letters, digits, "_", "-" and ".", or any name in backquotes
 *     value       = a number, true, false, or a text in single or double quotes
 *
 * "^=" is "begins with". In quotes, a backslash takes the next character as it is. Keywords may be
 * in upper case. "!=" and "not in" hold for documents without the field, too.
 *
 * No state; thread-safe.
 */
#ifndef SBERT_CLI_FILTER_H
#define SBERT_CLI_FILTER_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

/* Parses an expression. ERR_INVALID says what was expected and where, in characters from 1. */
int filter_parse(json_t **ret_filter, const char *text, size_t size, struct err *err);

#endif
