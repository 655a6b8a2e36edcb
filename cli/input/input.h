/* Documents out of files: lines, JSON lines, CSV and TSV, whole texts.
 *
 * Formats, where nobody says: by the name .jsonl and .ndjson are JSON lines, .csv CSV, .tsv TSV,
 * and .md .markdown .rst .adoc .org .html .htm whole texts; any other file is whole text where it
 * was found in a folder, and lines where it was named itself or is standard input. A byte order
 * mark is passed over. A NUL byte in the first block means that the file is binary.
 *
 * One owner at a time.
 */
#ifndef SBERT_CLI_INPUT_INPUT_H
#define SBERT_CLI_INPUT_INPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum input_format {
    INPUT_AUTO,
    INPUT_LINES, /* each line a document */
    INPUT_JSONL, /* each line an object */
    INPUT_CSV,   /* a header with the columns' names, then records */
    INPUT_TSV,
    INPUT_TEXT, /* the file is one document */
};

/* What becomes of text that isn't UTF-8. */
enum input_utf8 {
    INPUT_UTF8_REFUSE,  /* ERR_INVALID, naming the line */
    INPUT_UTF8_REPLACE, /* U+FFFD in its place */
    INPUT_UTF8_SKIP,    /* the document is passed over and counted */
};

struct input_options {
    enum input_format format;
    enum input_utf8 invalid_utf8;
    bool in_folder; /* the file was found in a folder, which matters to INPUT_AUTO */
    /* Names of columns (of CSV and TSV) or fields (of JSON lines). NULL: "id" where there is one;
     * "text", or the only column. */
    const char *id_column, *text_column;
    /* Columns that become metadata; "*" means all but id and text. JSON lines also have their
     * "metadata" object. */
    char *const *metadata_columns;
    size_t metadata_column_count;
};

/* A document; it stays until the next call. */
struct input_document {
    const char *id; /* NULL: none */
    const char *text;
    size_t text_size;
    json_t *metadata;              /* an object, or NULL */
    json_t *vector;                /* JSON lines' "vector", or NULL */
    uint64_t line;                 /* on which it begins, from 1; 0 for a whole text */
    uint64_t byte_start, byte_end; /* a whole text's range in the file; else both 0 */
};

/* What was passed over without an error. */
struct input_skipped {
    uint64_t empty;        /* lines, records, files without text */
    uint64_t invalid_utf8; /* by INPUT_UTF8_SKIP */
};

struct input;

/* Opens a file; `path` "-" is standard input. ERR_UNSUPPORTED for a binary file, ERR_INVALID for
 * columns that aren't there, ERR_NOT_FOUND, ERR_IO. `options` and `path` outlive it. */
int input_open(struct input **ret_input, const char *path, const struct input_options *options,
               struct err *err);

/* The same for a descriptor, which is taken over, also on failure. `name` is for errors. */
int input_open_fd(struct input **ret_input, int fd, const char *name,
                  const struct input_options *options, struct err *err);

void input_close(struct input *input); /* accepts NULL */

/* The next document: 1, or 0 at the end. ERR_INVALID and ERR_LIMIT, naming file and line, refuse
 * one record, and the next call goes on after it; any other error ends the input. */
int input_next(struct input *input, struct input_document *ret_document, struct err *err);

/* False where input_next would wait: nothing came for half a second. */
bool input_ready(const struct input *input);

/* Bytes of the file that were taken so far, for progress. */
uint64_t input_position(const struct input *input);

struct input_skipped input_skipped(const struct input *input);

/* The format that a name of the command line means; ERR_INVALID lists them. */
int input_format_parse(enum input_format *ret_format, const char *name, struct err *err);
int input_utf8_parse(enum input_utf8 *ret_utf8, const char *name, struct err *err);

#endif
