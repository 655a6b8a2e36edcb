/* Text made fit for one line. All return 0 or ERR_MEMORY; text is UTF-8. Thread-safe. */
#ifndef SBERT_CLI_TEXT_H
#define SBERT_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends the text for a terminal: each run of white space as one space, no control characters. */
int text_flatten(struct buf *line, const char *text, size_t size);

/* Appends the text for a field of a tab-separated line: backslash, tab, newline and carriage return
 * as \\ \t \n \r. */
int text_escape(struct buf *line, const char *text, size_t size);

/* Appends the text in exactly `columns` columns: what doesn't fit is cut at its end (or its start,
 * with `keep_end`) and … stands for it; what is short is filled up where `pad`. */
int text_fit(struct buf *line, const char *text, size_t size, int columns, bool keep_end, bool pad);

#endif
