/* The answer to a query as a person, a pipe, or a program wants it.
 *
 * A person's: one line a result, aligned to the terminal: rank, score, place (file:line, or the
 * id), the passage's text as far as it fits. A pipe's: tab-separated rank, score, id, file:line
 * (empty where there is none), passage, with \\ \t \n \r for what would break the line; with
 * `numbered` the number of the query stands first. A program's: the JSON object
 * {"query", "results", "took_ms"} on one line, results as the daemon gave them.
 */
#ifndef SBERT_CLI_QUERY_RENDER_H
#define SBERT_CLI_QUERY_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum render_form { RENDER_TABLE, RENDER_TABS, RENDER_JSON };

struct render {
    enum render_form form;
    bool colour;        /* RENDER_TABLE */
    int width;          /* RENDER_TABLE: columns of the terminal */
    bool numbered;      /* several queries may come */
    const char *folder; /* paths below it are shown relative to it; NULL: none */
};

/* Appends the rendering of an answer of the search route to `out`. `query` is UTF-8 of `query_size`
 * bytes, the `number`th from 1. *ret_count is the number of results. ERR_CORRUPT where the answer
 * isn't what the protocol says. */
int render_answer(const struct render *render, const char *query, size_t query_size,
                  uint64_t number, const json_t *answer, struct buf *out, size_t *ret_count,
                  struct err *err);

#endif
