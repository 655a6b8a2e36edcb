/* Ctrl-C and SIGTERM as a flag that long work looks at. */
#ifndef SBERT_CLI_SIGNALS_H
#define SBERT_CLI_SIGNALS_H

#include <signal.h>

/* From now on the first SIGINT or SIGTERM sets this and interrupts what waits; a second one ends
 * the program. */
const volatile sig_atomic_t *signals_catch(void);

#endif
