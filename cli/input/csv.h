/* Records of CSV (RFC 4180) and of TSV (IANA's text/tab-separated-values, which has no quotes).
 *
 * CSV: a field that begins with a quote goes on to the closing quote, over commas and line breaks,
 * "" being a quote; elsewhere a quote is a character like any other. Lines end in LF or CRLF. One
 * owner at a time.
 */
#ifndef SBERT_CLI_INPUT_CSV_H
#define SBERT_CLI_INPUT_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/input/stream.h"

struct csv {
    char separator; /* ',' with quotes, '\t' without */
    uint64_t line;  /* on which the record begins, from 1 */
    uint64_t next_line;
    struct buf bytes; /* the fields, a NUL after each */
    size_t *ends;     /* (count): where each field's NUL stands in `bytes` */
    size_t count, capacity;
};

/* Starts at the stream's place, on line `line`. */
void csv_start(struct csv *csv, char separator, uint64_t line);
void csv_release(struct csv *csv);

/* Reads a record of at most `limit` bytes: 1, or 0 at the end. ERR_INVALID and ERR_LIMIT, naming
 * file and line, concern this record alone: the next call goes on after it. */
int csv_next(struct csv *csv, struct stream *stream, size_t limit, struct err *err);

/* A field of the record, NUL-terminated (it may have NULs inside). `index` < count. */
const char *csv_field(const struct csv *csv, size_t index, size_t *ret_size);

#endif
