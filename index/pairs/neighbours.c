/* The most similar others of each vector: one list a vector, under locks shared by many, since a
 * pair of one set is news for both of its vectors. */
#include "index/pairs/neighbours.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "index/pairs/hits.h"

/* Columns whose demands are copied at once, and locks. */
enum { STRETCH = 256, LOCKS = 256 };

struct neighbours {
    struct top *tops;        /* (row_count) */
    _Atomic float *demanded; /* (row_count): what a list's next entry must reach */
    bool one_set;
    pthread_mutex_t locks[LOCKS];
};

static float demanded(const struct neighbours *neighbours, size_t row)
{
    return atomic_load_explicit(&neighbours->demanded[row], memory_order_relaxed);
}

static void offer(struct neighbours *neighbours, size_t row, size_t other, float score)
{
    pthread_mutex_t *lock = &neighbours->locks[row % LOCKS];
    pthread_mutex_lock(lock);
    float least = demanded(neighbours, row);
    if (score >= least) {
        struct top *top = &neighbours->tops[row];
        top_offer(top, score, (int64_t)other);
        if (top_threshold(top) > least)
            atomic_store_explicit(&neighbours->demanded[row], top_threshold(top),
                                  memory_order_relaxed);
    }
    pthread_mutex_unlock(lock);
}

/* The lowest demand of columns [from, to), where a hit is news for the column too. */
static float lowest_demand(const struct neighbours *neighbours, const struct pairs_block *block,
                           size_t from, size_t to)
{
    float lowest = INFINITY;
    if (neighbours->one_set)
        for (size_t c = from; c < to; c++)
            lowest = fminf(lowest, demanded(neighbours, block->first_column + c));
    return lowest;
}

static void look_at_row(struct neighbours *neighbours, const struct pairs_block *block, size_t r,
                        size_t from, size_t to, float columns_demand)
{
    const float *scores = block->scores + r * block->stride;
    size_t row = block->first_row + r, c = from;

    for (;; c++) {
        float least = fminf(demanded(neighbours, row), columns_demand);
        c = hits_next(scores, c, to, least - block->margin);
        if (c == to)
            return;
        size_t column = block->first_column + c;
        float near = scores[c] + block->margin;
        bool for_column = neighbours->one_set && near >= demanded(neighbours, column);
        if (!for_column && near < demanded(neighbours, row))
            continue;
        float score = pairs_block_score(block, r, c);
        offer(neighbours, row, column, score);
        if (for_column)
            offer(neighbours, column, row, score);
    }
}

static void look_for_neighbours(void *argument, const struct pairs_block *block, int thread)
{
    struct neighbours *neighbours = argument;
    (void)thread;

    for (size_t from = 0; from < block->column_count; from += STRETCH) {
        size_t left = block->column_count - from;
        size_t to = from + (left < STRETCH ? left : STRETCH);
        float columns_demand = lowest_demand(neighbours, block, from, to);
        for (size_t r = 0; r < block->row_count; r++) {
            size_t start = pairs_block_start(block, r);
            if (start < to)
                look_at_row(neighbours, block, r, start > from ? start : from, to, columns_demand);
        }
    }
}

static void finish(const struct neighbours *neighbours, size_t count, size_t *ret_counts)
{
    for (size_t row = 0; row < count; row++) {
        top_sort(&neighbours->tops[row]);
        ret_counts[row] = neighbours->tops[row].count;
    }
}

int pairs_neighbours(const struct pairs_sets *sets, const struct pairs_run *run, size_t top,
                     float threshold, struct top_entry *ret_entries, size_t *ret_counts,
                     struct err *err)
{
    struct neighbours neighbours = {.one_set = !sets->columns};

    neighbours.tops = calloc(sets->row_count + 1, sizeof *neighbours.tops);
    neighbours.demanded = calloc(sets->row_count + 1, sizeof *neighbours.demanded);
    int r = neighbours.tops && neighbours.demanded ? 0 : err_memory(err, "lists of neighbours");
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&neighbours.locks[i], NULL);
    for (size_t row = 0; r == 0 && row < sets->row_count; row++) {
        neighbours.tops[row] = (struct top){ret_entries + row * top, top, 0};
        atomic_init(&neighbours.demanded[row], threshold);
    }
    if (r == 0)
        r = pairs_product_run(sets, run, look_for_neighbours, &neighbours, err);
    if (r == 0)
        finish(&neighbours, sets->row_count, ret_counts);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&neighbours.locks[i]);
    free(neighbours.tops);
    free((void *)neighbours.demanded);
    return r;
}
