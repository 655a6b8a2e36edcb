/* Scores as f32 gives them, for the few pairs that a coarser precision found. */
#ifndef SBERT_CLI_MINE_RESCORE_H
#define SBERT_CLI_MINE_RESCORE_H

#include "cli/mine/work.h"
#include "index/pairs/best.h"

/* How many pairs to look for in the precision that the vectors have, so that the best `top` by f32
 * scores are among them, and how far below the threshold: the same where the vectors are f32. */
size_t rescore_candidates(const struct work *work, size_t top);
float rescore_threshold(const struct work *work, float threshold);

/* Encodes the pairs' texts anew in f32 (nothing where they are so already), scores the pairs by
 * that, and keeps the best `top` with at least `threshold`, in the order of pairs_best. */
int rescore_pairs(struct work *work, struct pair *pairs, size_t *count, size_t top, float threshold,
                  struct err *err);

#endif
