/* A found text on one line of standard output. */
#ifndef SBERT_CLI_MINE_LINE_H
#define SBERT_CLI_MINE_LINE_H

#include <stddef.h>

#include "base/buf.h"

/* Appends the text (NULL: none) to what `line` has and prints it, cut to the terminal where
 * standard output is one. 0 or ERR_MEMORY. */
int line_print(struct buf *line, const char *text, size_t size);

#endif
