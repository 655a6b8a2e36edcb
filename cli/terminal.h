/* What every program shares towards the person at the terminal: its name in errors, colour, width,
 * exit codes, --version.
 *
 * Exit codes are grep's: 0 done or found, 1 nothing found (or some inputs were refused), 2 error.
 */
#ifndef SBERT_CLI_TERMINAL_H
#define SBERT_CLI_TERMINAL_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { EXIT_FOUND = 0, EXIT_NOTHING = 1, EXIT_ERROR = 2 };

/* Sets argp's version text and error exit code, and holds the standard descriptors; at exit,
 * standard output is checked as terminal_finish does. Call it first in main; `program` stays alive.
 */
void terminal_setup(const char *program);

/* Prints "program: message" to stderr (in red on a terminal) and returns EXIT_ERROR. */
int terminal_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int terminal_fail(const struct err *err);

/* Prints "program: warning: message" to stderr. */
void terminal_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True where a stream is a terminal and neither NO_COLOR nor TERM=dumb says otherwise. */
bool terminal_colour(int fd);

/* Columns of the terminal behind `fd`, or 80 where it is none and COLUMNS says nothing. */
int terminal_width(int fd);

/* Columns that UTF-8 text takes on a terminal (wide characters two, combining marks none). A byte
 * that isn't UTF-8 counts as one. */
int terminal_columns(const char *text, size_t size);

/* The longest prefix of the text, in bytes, that fits into `columns`. */
size_t terminal_fit(const char *text, size_t size, int columns);

/* Flushes standard output: EXIT_ERROR, with a message, where what was printed did not get through
 * (a full disk), else `code`. A reader that went away is no error. */
int terminal_finish(int code);

#endif
