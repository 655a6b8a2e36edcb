/* The lines of an export: a header that says what the vectors are, a document a line as the
 * protocol's adds take it, and an end that says how many there were, so that a file that was cut
 * short is known by its lack.
 *
 * It parses and writes; it reads no files. Thread-safe with values of one's own.
 */
#ifndef SBERT_CLI_INDEX_EXPORTED_H
#define SBERT_CLI_INDEX_EXPORTED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum exported_kind { EXPORTED_HEADER, EXPORTED_DOCUMENT, EXPORTED_END };

/* What a header says. The strings are those of `json`, which the owner ends with json_decref. */
struct exported_header {
    json_t *json;
    const char *model, *fingerprint; /* NULL where clients brought the vectors */
    const char *metric, *index;
    size_t dimension;
    uint64_t documents;   /* when the export began */
    const json_t *fields; /* an object of names and types */
};

/* Appends the header's line for a collection as the daemon shows it, the end's line, or the line of
 * a document. 0 or ERR_MEMORY. */
int exported_write_header(struct buf *out, const json_t *collection);
int exported_write_end(struct buf *out, uint64_t lines);
int exported_write_document(struct buf *out, const json_t *document);

/* Parses a line; `name` (FILE:LINE) begins the errors. ERR_INVALID where it is no JSON object.
 * The caller ends *ret_json with json_decref. */
int exported_parse(json_t **ret_json, enum exported_kind *ret_kind, const char *text, size_t size,
                   const char *name, struct err *err);

/* Takes a header apart, and takes `json` over where that succeeds. ERR_INVALID for a line that is
 * none, ERR_UNSUPPORTED for one of a newer program. */
int exported_read_header(struct exported_header *ret_header, json_t *json, const char *name,
                         struct err *err);

/* The number of documents that the end's line tells. */
int exported_read_end(const json_t *json, uint64_t *ret_lines, const char *name, struct err *err);

#endif
