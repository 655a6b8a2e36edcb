/* The frame of pairs, dedup and clusters on files: texts read and encoded, the comparison with its
 * progress bar, and how long each part took. One owner at a time. */
#ifndef SBERT_CLI_MINE_WORK_H
#define SBERT_CLI_MINE_WORK_H

#include "cli/mine/options.h"
#include "cli/mine/sentences.h"
#include "cli/progress.h"
#include "index/pairs/product.h"

enum { WORK_FILES = 2 };

struct work {
    const struct mine_options *options;
    bool quiet;
    const volatile sig_atomic_t *cancel;
    struct sentences sets[WORK_FILES]; /* the second stays empty where there is one file */
    size_t set_count;
    const char *precision; /* what the vectors were computed in */
    bool exact;            /* that is f32 */
    struct pool *pool;
    struct progress progress;
    double started, read, loaded, encoded; /* clock_now() when each was done */
    double recall;                         /* of an approximate comparison; 0: it was exact */
};

/* Reads the files, gives every text its vector, calls `find`, which prints what it finds and
 * returns 1, 0 where there is nothing, or an error; and gives the program's exit code. */
int work_main(const struct mine_options *options, bool quiet, const char *const *paths,
              size_t path_count,
              int (*find)(struct work *work, const void *argument, struct err *err),
              const void *argument);

/* The vectors as the comparisons want them. */
struct pairs_sets work_sets(const struct work *work);

/* Begins a comparison, which shows its progress; work_end_run clears it. */
struct pairs_run work_begin_run(struct work *work, const char *verb, const char *unit,
                                uint64_t total);
struct pairs_run work_begin_pairs(struct work *work); /* of all pairs */
void work_end_run(struct work *work);

/* Says on stderr how long each part took, unless quiet. */
void work_report(const struct work *work, double finished);

/* A score as a number with no more digits than it takes to tell it from any other. */
json_t *work_score_json(float score);

/* {"line": 12, "id": "...", "text": "..."} of a text, as a new object; NULL when memory runs out.
 */
json_t *work_text_json(const struct work *work, size_t set, size_t text);

/* An array of those, of the first file. */
json_t *work_texts_json(const struct work *work, const size_t *texts, size_t count);

/* Prints the text on one line, cut to the terminal where standard output is one: first `lead`,
 * then its line number or id. */
int work_print_text(const struct work *work, const char *lead, size_t set, size_t text,
                    struct err *err);

#endif
