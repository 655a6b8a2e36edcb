/* The most similar others of each vector by a graph instead of by comparing all pairs: for sets so
 * large that n^2 is too much. What is found has its exact score; what is missed is measured.
 *
 * The graph (index/graph.h) is over the columns, or the rows of one set, held as int8; each row is
 * asked for, and what comes nearest is scored from the vectors themselves. Memory: some 550 bytes a
 * vector of 384 dimensions beside the vectors, whatever the number of pairs.
 */
#ifndef SBERT_INDEX_PAIRS_NEAR_H
#define SBERT_INDEX_PAIRS_NEAR_H

#include "index/pairs/best.h"
#include "index/top.h"

/* How many neighbours of each vector pairs_near_best takes into account. */
enum { PAIRS_NEAR_EACH = 32 };

struct pairs_near;

/* Builds the graph; sets and pool outlive it. Progress counts vectors, linked and then asked for:
 * pairs_near_steps. ERR_LIMIT beyond 2^31 - 1 columns, ERR_MEMORY, ERR_CANCELLED. */
int pairs_near_open(struct pairs_near **ret_near, const struct pairs_sets *sets,
                    const struct pairs_run *run, struct err *err);
void pairs_near_close(struct pairs_near *near); /* accepts NULL */
uint64_t pairs_near_steps(const struct pairs_sets *sets);

/* As pairs_best, among the pairs of each row with its PAIRS_NEAR_EACH nearest. */
int pairs_near_best(struct pairs_near *near, size_t top, float threshold, struct pair *ret_pairs,
                    size_t *ret_count, struct err *err);

/* As pairs_neighbours. */
int pairs_near_neighbours(struct pairs_near *near, size_t top, float threshold,
                          struct top_entry *ret_entries, size_t *ret_counts, struct err *err);

/* Compares what is found for `sample` rows (fewer where there are fewer), spread evenly, with their
 * exact neighbours: the share of each row's nearest `top`, at most 10, that is there; an equal
 * score is as good. */
int pairs_near_recall(struct pairs_near *near, size_t top, size_t sample, double *ret_recall,
                      struct err *err);

#endif
