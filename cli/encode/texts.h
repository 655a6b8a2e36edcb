/* The texts of a file, one a line, as sbert-encode takes them.
 *
 * Unlike the reader of documents (cli/input) it passes nothing over: the rows that come out stand
 * in the places of the lines that went in, so an empty line is an empty text. As lines, each line
 * is a text; as JSON lines, each line is an object with a string "text" (other keys are ignored,
 * and lines of white space are no texts). A byte order mark at the start is dropped.
 *
 * One owner at a time.
 */
#ifndef SBERT_CLI_ENCODE_TEXTS_H
#define SBERT_CLI_ENCODE_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum texts_format { TEXTS_AUTO, TEXTS_LINES, TEXTS_JSONL };

/* What becomes of a text that is not UTF-8. */
enum texts_utf8 {
    TEXTS_UTF8_REFUSE,  /* ERR_INVALID, naming file, line and byte */
    TEXTS_UTF8_REPLACE, /* U+FFFD in the place of what is not */
    TEXTS_UTF8_SKIP,    /* the line is passed over and counted */
};

struct text_pair {
    const char *text, *pair;
    size_t size, pair_size;
};

struct texts;

/* Opens a file, or standard input for "-". TEXTS_AUTO means JSON lines where the name ends in
 * .jsonl or .ndjson. ERR_UNSUPPORTED for a binary file, ERR_NOT_FOUND, ERR_IO. */
int texts_open(struct texts **ret_texts, const char *path, enum texts_format format,
               enum texts_utf8 invalid_utf8, struct err *err);
void texts_close(struct texts *texts); /* accepts NULL */

/* The next text, which stays until the next call: 1, or 0 at the end. Errors name file and line and
 * end the input: ERR_INVALID (not UTF-8, not JSON, no "text"), ERR_LIMIT (a line of over 64 MiB),
 * ERR_CANCELLED (a signal), ERR_IO. */
int texts_next(struct texts *texts, const char **ret_text, size_t *ret_size, struct err *err);

/* The same for a pair of texts. As lines, one tab stands between them; as JSON lines, the second is
 * a string "pair". ERR_INVALID also where there is not exactly that. */
int texts_next_pair(struct texts *texts, struct text_pair *ret_pair, struct err *err);

/* Bytes taken so far, bytes in all (0: not known), and lines passed over by TEXTS_UTF8_SKIP. */
uint64_t texts_position(const struct texts *texts);
uint64_t texts_total(const struct texts *texts);
uint64_t texts_skipped(const struct texts *texts);

#endif
