/* The standard streams of a program: safe to print to from its start, checked at its end.
 *
 * For main and what it calls, before there are threads. */
#ifndef SBERT_BASE_STANDARD_H
#define SBERT_BASE_STANDARD_H

#include "base/err.h"

/* Where a program is started with a standard descriptor closed, the next file or socket that it
 * opens would get that number, and what is printed would end there. So each that is closed is
 * opened on /dev/null the wrong way round: reading or printing fails as it would have. */
void standard_hold(void);

/* Flushes standard output; ERR_NO_SPACE or ERR_IO where something printed did not get through,
 * which is said once. A reader that went away is no error. */
int standard_flush(struct err *err);

#endif
