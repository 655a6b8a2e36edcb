/* pairs, dedup and clusters of a collection, by a job of the daemon: each gives the program's exit
 * code. One owner at a time. */
#ifndef SBERT_CLI_MINE_COLLECTION_H
#define SBERT_CLI_MINE_COLLECTION_H

#include "cli/index/command.h"

/* The best `top`, or where `each` is not 0 so many for each document; threshold -INFINITY: any. */
int collection_pairs(const struct command_common *common, size_t top, size_t each, float threshold,
                     bool approximate);

/* With `remove`, all but the first of each group are deleted, unless `sure` after asking. */
int collection_dedup(const struct command_common *common, float threshold, bool remove, bool sure);

/* Communities, or where `k` is not 0 k-means; shows `shown` documents of each. */
int collection_clusters(const struct command_common *common, float threshold, size_t least_size,
                        size_t k, int seed, size_t shown);

#endif
