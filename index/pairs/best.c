/* The most similar pairs of all: each thread keeps its best, and all know what is worth keeping. */
#include "index/pairs/best.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "index/pairs/hits.h"
#include "index/top.h"

struct best {
    struct top *tops; /* (threads); a pair's id is row * columns + column */
    size_t columns;
    /* The highest of what the threads' full lists demand: no list needs less than this. */
    _Atomic float demanded;
};

static void demand(struct best *best, float threshold)
{
    float known = atomic_load_explicit(&best->demanded, memory_order_relaxed);
    while (threshold > known &&
           !atomic_compare_exchange_weak_explicit(&best->demanded, &known, threshold,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

static void look_for_best(void *argument, const struct pairs_block *block, int thread)
{
    struct best *best = argument;
    struct top *top = &best->tops[thread];

    for (size_t r = 0; r < block->row_count; r++) {
        const float *scores = block->scores + r * block->stride;
        float least = atomic_load_explicit(&best->demanded, memory_order_relaxed);
        size_t c = pairs_block_start(block, r);
        while ((c = hits_next(scores, c, block->column_count, least - block->margin)) <
               block->column_count) {
            float score = pairs_block_score(block, r, c);
            if (score >= least) {
                size_t id = (block->first_row + r) * best->columns + block->first_column + c;
                top_offer(top, score, (int64_t)id);
                if (top_threshold(top) > least) {
                    least = top_threshold(top);
                    demand(best, least);
                }
            }
            c++;
        }
    }
}

/* Gathers all lists in the first. */
static size_t merge(struct best *best, size_t threads, struct pair *ret_pairs)
{
    struct top *all = &best->tops[0];
    for (size_t t = 1; t < threads; t++)
        for (size_t i = 0; i < best->tops[t].count; i++)
            top_offer(all, best->tops[t].entries[i].score, best->tops[t].entries[i].id);
    top_sort(all);
    for (size_t i = 0; i < all->count; i++) {
        size_t id = (size_t)all->entries[i].id;
        ret_pairs[i] = (struct pair){id / best->columns, id % best->columns, all->entries[i].score};
    }
    return all->count;
}

int pairs_best(const struct pairs_sets *sets, const struct pairs_run *run, size_t top,
               float threshold, struct pair *ret_pairs, size_t *ret_count, struct err *err)
{
    size_t threads = (size_t)pool_threads(run->pool);
    struct best best = {.columns = sets->columns ? sets->column_count : sets->row_count};
    size_t ids, entries;

    if (__builtin_mul_overflow(sets->row_count, best.columns, &ids) || ids > INT64_MAX)
        return err_set(err, ERR_LIMIT, "%zu by %zu are too many pairs", sets->row_count,
                       best.columns);
    if (__builtin_mul_overflow(top, threads, &entries))
        return err_set(err, ERR_LIMIT, "%zu pairs are too many to keep", top);
    atomic_init(&best.demanded, threshold);
    best.tops = calloc(threads, sizeof *best.tops);
    struct top_entry *lists = calloc(entries, sizeof *lists);
    int r = best.tops && lists ? 0 : err_memory(err, "the list of the best pairs");
    if (r == 0) {
        for (size_t t = 0; t < threads; t++)
            best.tops[t] = (struct top){lists + t * top, top, 0};
        r = pairs_product_run(sets, run, look_for_best, &best, err);
    }
    if (r == 0)
        *ret_count = merge(&best, threads, ret_pairs);
    free(lists);
    free(best.tops);
    return r;
}
