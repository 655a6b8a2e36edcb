/* Records with named columns out of TSV, CSV and JSON lines: the texts, scores and classes that
 * training wants. Rows are read one after another, over cli/input's stream and CSV parser.
 *
 * Where nobody names the columns, the usual names are looked for ("sentence1", "anchor",
 * "premise" ...: see records.c). One owner at a time.
 */
#ifndef SBERT_CLI_TRAIN_RECORDS_H
#define SBERT_CLI_TRAIN_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum role { ROLE_FIRST, ROLE_SECOND, ROLE_THIRD, ROLE_SCORE, ROLE_LABEL, ROLE_COUNT };
enum { ROLE_TEXTS = 3 };

enum records_format { RECORDS_AUTO, RECORDS_CSV, RECORDS_TSV, RECORDS_JSONL };

struct records_options {
    enum records_format format;   /* RECORDS_AUTO: by the name: .csv, .jsonl, .ndjson, else TSV */
    const char *columns;          /* "sentence1,sentence2,score" where a file has no header */
    const char *role[ROLE_COUNT]; /* the column of each role; NULL: the usual names */
};

struct record {
    uint64_t line;                 /* on which it begins, from 1 */
    const char *field[ROLE_COUNT]; /* NUL-terminated; NULL where the file has no such column */
    size_t size[ROLE_COUNT];
};

struct records;

/* `path` and the options' strings outlive it. ERR_INVALID where a column that was asked for is not
 * there, naming those that are. */
int records_open(struct records **ret_records, const char *path,
                 const struct records_options *options, struct err *err);
void records_close(struct records *records); /* accepts NULL */

/* True where rows have a column for it. JSON lines are looked at one by one: true for all roles
 * until a row is read, then for what the first row had. */
bool records_have(const struct records *records, enum role role);

/* The next row: 1, or 0 at the end. The record stays until the next call. ERR_INVALID names file
 * and line and concerns this row alone: the next call goes on after it. */
int records_next(struct records *records, struct record *ret_record, struct err *err);

#endif
