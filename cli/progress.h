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
    const char *counted_unit; /* what is shown instead of done/total, or NULL */
    uint64_t counted;
    double started, drawn; /* seconds on the monotonic clock */
    bool terminal, quiet;
    bool visible; /* the bar stands on the terminal's line now */
};

/* `quiet` draws nothing at all. `verb` and `unit` must outlive it. */
void progress_start(struct progress *progress, const char *verb, const char *unit, uint64_t total,
                    bool quiet);
void progress_update(struct progress *progress, uint64_t done);
/* The same where percent and ETA follow one measure (the bytes of a file) and what is shown is
 * another (the documents found in it): "46%  27,600 documents  812/s". */
void progress_update_counted(struct progress *progress, uint64_t done, const char *counted_unit,
                             uint64_t counted);
/* Clears the bar, so that a message can be printed; the next update draws it again. */
void progress_clear(struct progress *progress);
/* Ends it with a summary line ("adding: 60,000 lines in 1:14 (810 lines/s)") where `summary`. */
void progress_finish(struct progress *progress, bool summary);

/* Seconds since progress_start. */
double progress_elapsed(const struct progress *progress);

#endif
