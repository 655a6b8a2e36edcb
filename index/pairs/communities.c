/* Communities in two passes: how many neighbours each row has, by one product over all pairs; then
 * the neighbours themselves, for centres alone and a few centres at a time. */
#include "index/pairs/communities.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "index/pairs/hits.h"

/* Centres whose neighbours are looked for at once. */
enum { CENTRES = 64 };

struct neighbour {
    size_t centre; /* its number among those looked at */
    size_t row;
    float score;
};

struct detection {
    const struct pairs_sets *sets;
    const struct pairs_run *run;
    float threshold;
    size_t least_size;
    uint32_t *counts; /* (threads, rows): neighbours, the row itself not counted */
    size_t *centres;  /* (centre_count), in the order they are taken */
    size_t centre_count;
    bool *taken;            /* (rows) */
    float *vectors;         /* (CENTRES, dimension): those of the centres looked at */
    struct buf *neighbours; /* (threads): struct neighbour of these centres */
    bool out_of_memory;
    struct pairs_partition found;
};

static void count_neighbours(void *argument, const struct pairs_block *block, int thread)
{
    struct detection *detection = argument;
    uint32_t *counts = detection->counts + (size_t)thread * detection->sets->row_count;

    for (size_t r = 0; r < block->row_count; r++) {
        size_t c = pairs_block_start(block, r);
        while ((c = hits_next_pair(block, r, c, detection->threshold)) < block->column_count) {
            counts[block->first_row + r]++;
            counts[block->first_column + c++]++;
        }
    }
}

/* --- which rows are centres --- */

struct ranked {
    size_t row;
    size_t count;
};

static int larger_first(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* A row is similar to itself where it has a length and the threshold is no higher than 1. */
static bool is_own_neighbour(const struct detection *detection, size_t row)
{
    const float *vector = detection->sets->rows + row * detection->sets->dimension;
    return pairs_score(vector, vector, detection->sets->dimension) >= detection->threshold;
}

static int rank_centres(struct detection *detection, struct err *err)
{
    size_t rows = detection->sets->row_count;
    size_t threads = (size_t)pool_threads(detection->run->pool);
    struct ranked *ranked = calloc(rows + 1, sizeof *ranked);
    size_t count = 0;

    detection->centres = calloc(rows + 1, sizeof *detection->centres);
    if (!ranked || !detection->centres) {
        free(ranked);
        return err_memory(err, "the centres of communities");
    }
    for (size_t row = 0; row < rows; row++) {
        size_t size = is_own_neighbour(detection, row);
        for (size_t t = 0; t < threads; t++)
            size += detection->counts[t * rows + row];
        if (size >= detection->least_size)
            ranked[count++] = (struct ranked){row, size};
    }
    qsort(ranked, count, sizeof *ranked, larger_first);
    for (size_t i = 0; i < count; i++)
        detection->centres[i] = ranked[i].row;
    detection->centre_count = count;
    free(ranked);
    return 0;
}

/* --- what they take --- */

/* Rows of the block are vectors, its columns centres. */
static void look_for_neighbours(void *argument, const struct pairs_block *block, int thread)
{
    struct detection *detection = argument;

    for (size_t r = 0; r < block->row_count; r++) {
        const float *scores = block->scores + r * block->stride;
        size_t row = block->first_row + r, c = 0;
        if (detection->taken[row])
            continue;
        for (;; c++) {
            c = hits_next(scores, c, block->column_count, detection->threshold - block->margin);
            if (c == block->column_count)
                break;
            struct neighbour found = {c, row, pairs_block_score(block, r, c)};
            if (found.score >= detection->threshold &&
                buf_append(&detection->neighbours[thread], &found, sizeof found) < 0)
                __atomic_store_n(&detection->out_of_memory, true, __ATOMIC_RELAXED);
        }
    }
}

static int nearer_first(const void *left, const void *right)
{
    const struct neighbour *a = left, *b = right;
    if (a->centre != b->centre)
        return a->centre < b->centre ? -1 : 1;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Makes a community of the centre with those of its neighbours that are free, if they are enough.
 */
static void take_neighbours(struct detection *detection, size_t centre,
                            const struct neighbour *neighbours, size_t count)
{
    struct pairs_partition *found = &detection->found;
    size_t *members = found->members + found->starts[found->count], size = 0, others = 0;

    for (size_t i = 0; i < count; i++)
        size += !detection->taken[neighbours[i].row];
    if (detection->taken[centre] || size < detection->least_size)
        return;
    members[others++] = centre;
    for (size_t i = 0; i < count; i++)
        if (!detection->taken[neighbours[i].row] && neighbours[i].row != centre)
            members[others++] = neighbours[i].row;
    for (size_t i = 0; i < others; i++)
        detection->taken[members[i]] = true;
    found->starts[found->count + 1] = found->starts[found->count] + others;
    found->count++;
}

static int find_neighbours(struct detection *detection, size_t count, struct err *err)
{
    const struct pairs_run quiet = {.pool = detection->run->pool, .cancel = detection->run->cancel};
    const struct pairs_sets sets = {.rows = detection->sets->rows,
                                    .row_count = detection->sets->row_count,
                                    .columns = detection->vectors,
                                    .column_count = count,
                                    .dimension = detection->sets->dimension};
    int threads = pool_threads(quiet.pool);

    for (int t = 0; t < threads; t++)
        buf_clear(&detection->neighbours[t]);
    int r = pairs_product_run(&sets, &quiet, look_for_neighbours, detection, err);
    for (int t = 1; r == 0 && t < threads; t++)
        if (buf_append(&detection->neighbours[0], detection->neighbours[t].data,
                       detection->neighbours[t].size) < 0)
            detection->out_of_memory = true;
    if (r == 0 && detection->out_of_memory)
        r = err_memory(err, "the neighbours of centres");
    return r;
}

static int take_centres(struct detection *detection, const size_t *centres, size_t count,
                        struct err *err)
{
    size_t dimension = detection->sets->dimension;

    for (size_t i = 0; i < count; i++)
        memcpy(detection->vectors + i * dimension, detection->sets->rows + centres[i] * dimension,
               dimension * sizeof(float));
    int r = find_neighbours(detection, count, err);
    if (r < 0)
        return r;
    struct neighbour *all = (struct neighbour *)(void *)detection->neighbours[0].data;
    size_t found = detection->neighbours[0].size / sizeof *all, from = 0;
    if (found > 0)
        qsort(all, found, sizeof *all, nearer_first);
    for (size_t i = 0; i < count; i++) {
        size_t to = from;
        while (to < found && all[to].centre == i)
            to++;
        take_neighbours(detection, centres[i], all + from, to - from);
        from = to;
    }
    return 0;
}

static int take_all(struct detection *detection, struct err *err)
{
    size_t next = 0;
    while (next < detection->centre_count) {
        size_t centres[CENTRES], count = 0;
        for (; next < detection->centre_count && count < CENTRES; next++)
            if (!detection->taken[detection->centres[next]])
                centres[count++] = detection->centres[next];
        int r = count > 0 ? take_centres(detection, centres, count, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- the answer --- */

/* What was found, in the order of size. */
static int order(const struct pairs_partition *found, struct pairs_partition *ret_communities,
                 struct err *err)
{
    struct pairs_partition ordered = {.count = found->count};
    struct ranked *ranked = calloc(found->count + 1, sizeof *ranked);

    ordered.starts = calloc(found->count + 1, sizeof *ordered.starts);
    ordered.members = calloc(found->starts[found->count] + 1, sizeof *ordered.members);
    if (!ranked || !ordered.starts || !ordered.members) {
        free(ranked);
        pairs_partition_release(&ordered);
        return err_memory(err, "communities");
    }
    for (size_t i = 0; i < found->count; i++)
        ranked[i] = (struct ranked){i, found->starts[i + 1] - found->starts[i]};
    qsort(ranked, found->count, sizeof *ranked, larger_first);
    for (size_t i = 0; i < found->count; i++) {
        memcpy(ordered.members + ordered.starts[i], found->members + found->starts[ranked[i].row],
               ranked[i].count * sizeof *ordered.members);
        ordered.starts[i + 1] = ordered.starts[i] + ranked[i].count;
    }
    free(ranked);
    *ret_communities = ordered;
    return 0;
}

static int allocate(struct detection *detection, size_t threads, struct err *err)
{
    size_t rows = detection->sets->row_count;
    detection->counts = calloc(threads * rows + 1, sizeof *detection->counts);
    detection->taken = calloc(rows + 1, sizeof *detection->taken);
    detection->vectors =
        calloc(CENTRES * detection->sets->dimension + 1, sizeof *detection->vectors);
    detection->neighbours = calloc(threads, sizeof *detection->neighbours);
    detection->found.starts = calloc(rows + 2, sizeof *detection->found.starts);
    detection->found.members = calloc(rows + 1, sizeof *detection->found.members);
    if (!detection->counts || !detection->taken || !detection->vectors || !detection->neighbours ||
        !detection->found.starts || !detection->found.members)
        return err_memory(err, "communities");
    return 0;
}

static void release(struct detection *detection, size_t threads)
{
    for (size_t t = 0; detection->neighbours && t < threads; t++)
        buf_release(&detection->neighbours[t]);
    free(detection->neighbours);
    free(detection->counts);
    free(detection->centres);
    free(detection->taken);
    free(detection->vectors);
    pairs_partition_release(&detection->found);
}

int pairs_communities(const struct pairs_sets *sets, const struct pairs_run *run, float threshold,
                      size_t least_size, struct pairs_partition *ret_communities, struct err *err)
{
    struct detection detection = {
        .sets = sets, .run = run, .threshold = threshold, .least_size = least_size};
    size_t threads = (size_t)pool_threads(run->pool);

    int r = allocate(&detection, threads, err);
    if (r == 0)
        r = pairs_product_run(sets, run, count_neighbours, &detection, err);
    if (r == 0)
        r = rank_centres(&detection, err);
    if (r == 0)
        r = take_all(&detection, err);
    if (r == 0)
        r = order(&detection.found, ret_communities, err);
    release(&detection, threads);
    return r;
}
