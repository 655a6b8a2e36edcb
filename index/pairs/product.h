/* The cosines of all pairs of vectors, exactly, by blocks.
 *
 * One product of matrices in pieces small enough to stay in the cache; whoever looks for something
 * among the pairs (best.h, neighbours.h, groups.h, communities.h) is shown each piece while it is
 * there, so memory does not grow with the number of pairs. BLAS's sums differ in their last bits
 * from place to place: it proposes, within `margin`, and pairs_score() decides.
 */
#ifndef SBERT_INDEX_PAIRS_PRODUCT_H
#define SBERT_INDEX_PAIRS_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

/* Scales `count` vectors (count, dimension) to length 1, which all of this folder expects. One of
 * length 0 stays, and is similar to nothing. ERR_INVALID names the first that has a NaN or an
 * infinity. */
int pairs_normalize(float *vectors, size_t count, size_t dimension, struct err *err);

/* The cosine of two vectors of length 1: what decides, the same wherever the two stand. */
float pairs_score(const float *a, const float *b, size_t dimension);

/* Which pairs: each of `rows` with each of `columns`; or, with `columns` NULL, each two of `rows`
 * once. The vectors are the caller's, of length 1, and stay as they are. */
struct pairs_sets {
    const float *rows;
    size_t row_count;
    const float *columns;
    size_t column_count;
    size_t dimension;
};

/* How the work is done. */
struct pairs_run {
    struct pool *pool;
    /* Called now and then by the thread that waits for the result; may be NULL. */
    void (*progress)(void *argument, uint64_t done_pairs, uint64_t pairs);
    void *progress_argument;
    const volatile int *cancel; /* base/cancel.h; may be NULL */
};

/* A piece: scores[r * stride + c] is that of rows first_row + r and columns first_column + c, off
 * by `margin` at most. */
struct pairs_block {
    const struct pairs_sets *sets;
    size_t first_row, row_count;
    size_t first_column, column_count;
    const float *scores;
    size_t stride;
    float margin;
};

/* The first of the block's columns that makes a pair with row r of it; those before are the row
 * itself or pairs that were shown already. */
static inline size_t pairs_block_start(const struct pairs_block *block, size_t r)
{
    size_t row = block->first_row + r;
    if (block->sets->columns || row < block->first_column)
        return 0;
    size_t start = row + 1 - block->first_column;
    return start < block->column_count ? start : block->column_count;
}

/* The exact score of a pair of a block. */
float pairs_block_score(const struct pairs_block *block, size_t r, size_t c);

/* Shows every block once to look(argument, block, thread), on the pool's threads, `thread` in
 * [0, pool_threads). Blocks of one row come to one thread, in the order of their columns. Sets
 * OpenBLAS to one thread for the whole process. ERR_CANCELLED, ERR_MEMORY, ERR_LIMIT. */
int pairs_product_run(const struct pairs_sets *sets, const struct pairs_run *run,
                      void (*look)(void *argument, const struct pairs_block *block, int thread),
                      void *argument, struct err *err);

/* The number of pairs. */
uint64_t pairs_count(const struct pairs_sets *sets);

#endif
