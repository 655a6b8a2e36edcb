/* A progress bar with rate and ETA on a terminal, plain lines elsewhere.
 *
 * On a terminal (stderr) one line is redrawn at most ten times a second:
 *     adding  [#########>          ]  46%  27,600/60,000  812 lines/s  ETA 0:40
 * Elsewhere a plain line is printed every ten seconds and at the end. One owner at a time.
 */
#ifndef SBERT_CLI_PROGRESS_H
#define SBERT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *verb; /* "adding" */
    const char *unit; /* "lines"; "bytes" is shown in KB, MB, GB */
    uint64_t total;   /* 0: not known */
    uint64_t done;
    double started, drawn; /* seconds on the monotonic clock */
    bool terminal, quiet;
};

/* `quiet` draws nothing at all. `verb` and `unit` must outlive it. */
void progress_start(struct progress *progress, const char *verb, const char *unit,
                    uint64_t total, bool quiet);
void progress_update(struct progress *progress, uint64_t done);
/* Clears the bar, so that a message can be printed; the next update draws it again. */
void progress_clear(struct progress *progress);
/* Ends it with a summary line ("added 60,000 lines in 1:14 (810 lines/s)") where `summary`. */
void progress_finish(struct progress *progress, bool summary);

#endif
