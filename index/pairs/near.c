/* The most similar others of each vector by a graph. Rows are shared out over the pool's threads,
 * each with a walk of its own. */
#include "index/pairs/near.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "index/faiss/hnsw.h"
#include "index/pairs/neighbours.h"
#include "index/walk.h"

enum {
    TASK_ROWS = 256,   /* rows that are asked for between two looks at the cancelling */
    SLICE_ROWS = 8192, /* rows that are linked between two */
    LINKS = 16,
    EF_CONSTRUCTION = 100,
    EF_SEARCH = 128,
    RECALL_MOST = 10,
};

struct pairs_near {
    struct pairs_sets sets;
    struct pairs_run run;
    const float *columns;
    size_t column_count;
    bool one_set;
    struct segment *segment; /* the columns with their graph; NULL where there are none */
};

uint64_t pairs_near_steps(const struct pairs_sets *sets)
{
    return (uint64_t)sets->row_count + (sets->columns ? sets->column_count : sets->row_count);
}

static void show_progress(const struct pairs_near *near, uint64_t done)
{
    if (near->run.progress)
        near->run.progress(near->run.progress_argument, done, pairs_near_steps(&near->sets));
}

/* --- the graph --- */

static void encode_task(void *argument, size_t task, int thread)
{
    struct pairs_near *near = argument;
    size_t first = task * TASK_ROWS, left = near->column_count - first;
    size_t end = first + (left < TASK_ROWS ? left : TASK_ROWS), dimension = near->sets.dimension;
    (void)thread;
    for (size_t i = first; i < end; i++)
        format_encode(&near->segment->format, near->columns + i * dimension,
                      segment_row(near->segment, i));
}

static int link_columns(struct pairs_near *near, struct err *err)
{
    struct segment *segment = near->segment;
    const struct hnsw_options options = {.M = LINKS,
                                         .ef_construction = EF_CONSTRUCTION,
                                         .capacity = near->column_count,
                                         .format = &segment->format,
                                         .blocks = segment->data};
    struct hnsw *builder;
    int r = hnsw_new(&builder, &options, NULL, err);
    if (r < 0)
        return r;
    for (size_t done = 0; r == 0 && done < near->column_count; done += SLICE_ROWS) {
        size_t left = near->column_count - done;
        show_progress(near, done);
        r = cancel_raised(near->run.cancel)
                ? err_set(err, ERR_CANCELLED, "comparing pairs was cancelled")
                : hnsw_add(builder, left < SLICE_ROWS ? left : SLICE_ROWS,
                           pool_threads(near->run.pool), err);
    }
    if (r == 0)
        r = hnsw_take(builder, &segment->graph, err);
    hnsw_free(builder);
    return r;
}

int pairs_near_open(struct pairs_near **ret_near, const struct pairs_sets *sets,
                    const struct pairs_run *run, struct err *err)
{
    struct row_format format;
    struct pairs_near *near = calloc(1, sizeof *near);
    if (!near)
        return err_memory(err, "a graph of vectors");
    near->sets = *sets;
    near->run = *run;
    near->one_set = !sets->columns;
    near->columns = near->one_set ? sets->rows : sets->columns;
    near->column_count = near->one_set ? sets->row_count : sets->column_count;
    int r = 0;
    if (near->column_count > INT32_MAX)
        r = err_set(err, ERR_LIMIT, "%zu vectors are too many for a graph", near->column_count);
    if (r == 0 && near->column_count > 0) {
        format_init(&format, INDEX_PRECISION_INT8, METRIC_COSINE, sets->dimension);
        near->segment = segment_new(0, &format, near->column_count);
        if (near->segment)
            pool_run(run->pool, (near->column_count + TASK_ROWS - 1) / TASK_ROWS, encode_task,
                     near);
        r = near->segment ? link_columns(near, err) : err_memory(err, "a graph of vectors");
    }
    if (r < 0)
        pairs_near_close(near);
    else
        *ret_near = near;
    return r;
}

void pairs_near_close(struct pairs_near *near)
{
    if (near)
        segment_unref(near->segment);
    free(near);
}

/* --- asking for one row --- */

/* What a thread asks with. */
struct asker {
    struct walk walk;
    void *query;                               /* prepared */
    struct top_entry *candidates, *neighbours; /* (fetch), (wanted) */
    size_t fetch, wanted;
    struct top found; /* the row's neighbours, best first, as ids of columns */
};

static void asker_close(struct asker *asker)
{
    walk_release(&asker->walk);
    free(asker->query);
    free(asker->candidates);
    free(asker->neighbours);
}

/* The row itself is among the nearest, and int8 may order what is near otherwise. */
static int asker_open(struct asker *asker, const struct pairs_near *near, size_t wanted)
{
    if (wanted > near->column_count)
        wanted = near->column_count;
    asker->wanted = wanted;
    asker->fetch = wanted + wanted / 2 + 8;
    asker->query = aligned_alloc(64, near->segment->format.query_size);
    asker->candidates = calloc(asker->fetch, sizeof *asker->candidates);
    asker->neighbours = calloc(wanted + 1, sizeof *asker->neighbours);
    return asker->query && asker->candidates && asker->neighbours ? 0 : ERR_MEMORY;
}

static int ask(const struct pairs_near *near, struct asker *asker, size_t row)
{
    size_t dimension = near->sets.dimension;
    const float *vector = near->sets.rows + row * dimension;
    const struct walk_target target = {.segment = near->segment,
                                       .ef = asker->fetch > EF_SEARCH ? asker->fetch : EF_SEARCH,
                                       .most_seen = SIZE_MAX};
    struct top near_ones = {asker->candidates, asker->fetch, 0};
    asker->found = (struct top){asker->neighbours, asker->wanted, 0};

    format_prepare(&near->segment->format, vector, asker->query);
    if (walk_graph(&asker->walk, &target, asker->query) < 0)
        return ERR_MEMORY;
    for (size_t i = 0; i < asker->walk.found.count; i++) {
        const struct walk_entry *entry = &asker->walk.found.entries[i];
        if (!near->one_set || entry->node != row)
            top_offer(&near_ones, entry->score, (int64_t)entry->node);
    }
    for (size_t i = 0; i < near_ones.count; i++) {
        size_t column = (size_t)near_ones.entries[i].id;
        top_offer(&asker->found, pairs_score(vector, near->columns + column * dimension, dimension),
                  (int64_t)column);
    }
    top_sort(&asker->found);
    return 0;
}

/* --- asking for all of them --- */

struct asking {
    struct pairs_near *near;
    struct asker *askers; /* (threads) */
    float threshold;
    struct top *tops;          /* (threads) of the best pairs; NULL: lists are wanted */
    struct top_entry *entries; /* (rows, each) */
    size_t *counts, each;
    atomic_size_t done;
    atomic_int failed;
};

/* In one set the smaller number comes first: a pair that is found from both sides is the same. */
static void offer_pairs(const struct asking *asking, const struct asker *asker, size_t row,
                        int thread)
{
    for (size_t i = 0; i < asker->found.count; i++) {
        const struct top_entry *entry = &asker->found.entries[i];
        size_t a = row, b = (size_t)entry->id;
        if (asking->near->one_set && b < a) {
            a = b;
            b = row;
        }
        if (entry->score >= asking->threshold)
            top_offer(&asking->tops[thread], entry->score,
                      (int64_t)(a * asking->near->column_count + b));
    }
}

static void keep_list(const struct asking *asking, const struct asker *asker, size_t row)
{
    size_t count = 0;
    while (count < asker->found.count && asker->found.entries[count].score >= asking->threshold)
        count++;
    if (count > 0)
        memcpy(asking->entries + row * asking->each, asker->found.entries,
               count * sizeof *asking->entries);
    asking->counts[row] = count;
}

static void ask_task(void *argument, size_t task, int thread)
{
    struct asking *asking = argument;
    struct pairs_near *near = asking->near;
    struct asker *asker = &asking->askers[thread];
    size_t first = task * TASK_ROWS, left = near->sets.row_count - first;
    size_t end = first + (left < TASK_ROWS ? left : TASK_ROWS);
    for (size_t row = first; row < end; row++) {
        if (cancel_raised(near->run.cancel) || atomic_load(&asking->failed))
            return;
        if (ask(near, asker, row) < 0) {
            atomic_store(&asking->failed, 1);
            return;
        }
        if (asking->tops)
            offer_pairs(asking, asker, row, thread);
        else
            keep_list(asking, asker, row);
    }
    size_t done = atomic_fetch_add(&asking->done, end - first) + end - first;
    if (thread == 0)
        show_progress(near, near->column_count + done);
}

static int ask_for_all(struct asking *asking, size_t wanted, struct err *err)
{
    struct pairs_near *near = asking->near;
    int threads = pool_threads(near->run.pool), r = 0;
    asking->askers = calloc((size_t)threads, sizeof *asking->askers);
    if (!asking->askers)
        return err_memory(err, "the pairs");
    for (int i = 0; r == 0 && i < threads; i++)
        r = asker_open(&asking->askers[i], near, wanted);
    if (r == 0) {
        pool_run(near->run.pool, (near->sets.row_count + TASK_ROWS - 1) / TASK_ROWS, ask_task,
                 asking);
        r = atomic_load(&asking->failed);
    }
    for (int i = 0; i < threads; i++)
        asker_close(&asking->askers[i]);
    free(asking->askers);
    if (r != 0)
        return err_memory(err, "the pairs");
    if (cancel_raised(near->run.cancel))
        return err_set(err, ERR_CANCELLED, "comparing pairs was cancelled");
    return 0;
}

/* Gathers all lists in the first, and gives each pair once. */
static size_t gather(const struct asking *asking, size_t threads, size_t top,
                     struct pair *ret_pairs)
{
    struct top *all = &asking->tops[0];
    size_t count = 0, columns = asking->near->column_count;
    for (size_t t = 1; t < threads; t++)
        for (size_t i = 0; i < asking->tops[t].count; i++)
            top_offer(all, asking->tops[t].entries[i].score, asking->tops[t].entries[i].id);
    top_sort(all);
    for (size_t i = 0; i < all->count && count < top; i++) {
        size_t id = (size_t)all->entries[i].id;
        if (i == 0 || all->entries[i].id != all->entries[i - 1].id)
            ret_pairs[count++] = (struct pair){id / columns, id % columns, all->entries[i].score};
    }
    return count;
}

int pairs_near_best(struct pairs_near *near, size_t top, float threshold, struct pair *ret_pairs,
                    size_t *ret_count, struct err *err)
{
    size_t threads = (size_t)pool_threads(near->run.pool), ids, each, all;
    struct asking asking = {.near = near, .threshold = threshold};
    if (!near->segment || near->sets.row_count == 0) {
        *ret_count = 0;
        return 0;
    }
    /* A pair of one set may come from both sides, so twice as many are kept. */
    if (__builtin_mul_overflow(near->sets.row_count, near->column_count, &ids) || ids > INT64_MAX ||
        __builtin_mul_overflow(top, 2U, &each) || __builtin_mul_overflow(each, threads, &all))
        return err_set(err, ERR_LIMIT, "%zu pairs are too many to keep", top);
    asking.tops = calloc(threads, sizeof *asking.tops);
    struct top_entry *lists = calloc(all, sizeof *lists);
    int r = asking.tops && lists ? 0 : err_memory(err, "the list of the best pairs");
    for (size_t t = 0; r == 0 && t < threads; t++)
        asking.tops[t] = (struct top){lists + t * each, each, 0};
    if (r == 0)
        r = ask_for_all(&asking, PAIRS_NEAR_EACH, err);
    if (r == 0)
        *ret_count = gather(&asking, threads, top, ret_pairs);
    free(lists);
    free(asking.tops);
    return r;
}

int pairs_near_neighbours(struct pairs_near *near, size_t top, float threshold,
                          struct top_entry *ret_entries, size_t *ret_counts, struct err *err)
{
    struct asking asking = {.near = near,
                            .threshold = threshold,
                            .entries = ret_entries,
                            .counts = ret_counts,
                            .each = top};
    if (!near->segment) {
        memset(ret_counts, 0, near->sets.row_count * sizeof *ret_counts);
        return 0;
    }
    return ask_for_all(&asking, top, err);
}

/* --- how good that is --- */

/* Some rows with their exact neighbours. */
struct sample {
    size_t count, top;         /* of which `top` neighbours, beside the row itself, are compared */
    size_t *rows;              /* (count) */
    float *vectors;            /* (count, dimension) */
    struct top_entry *entries; /* (count, top + 1) */
    size_t *counts;            /* (count) */
};

static void sample_release(struct sample *sample)
{
    free(sample->rows);
    free(sample->vectors);
    free(sample->entries);
    free(sample->counts);
}

static int take_sample(const struct pairs_near *near, struct sample *sample, struct err *err)
{
    size_t dimension = near->sets.dimension, each = sample->top + 1;
    sample->rows = calloc(sample->count, sizeof *sample->rows);
    sample->vectors = calloc(sample->count * dimension, sizeof *sample->vectors);
    sample->entries = calloc(sample->count * each, sizeof *sample->entries);
    sample->counts = calloc(sample->count, sizeof *sample->counts);
    if (!sample->rows || !sample->vectors || !sample->entries || !sample->counts)
        return err_memory(err, "a sample of the vectors");
    for (size_t i = 0; i < sample->count; i++) {
        sample->rows[i] =
            (size_t)((double)i * (double)near->sets.row_count / (double)sample->count);
        memcpy(sample->vectors + i * dimension, near->sets.rows + sample->rows[i] * dimension,
               dimension * sizeof *sample->vectors);
    }
    const struct pairs_sets sets = {.rows = sample->vectors,
                                    .row_count = sample->count,
                                    .columns = near->columns,
                                    .column_count = near->column_count,
                                    .dimension = dimension};
    const struct pairs_run run = {.pool = near->run.pool, .cancel = near->run.cancel};
    return pairs_neighbours(&sets, &run, each, -INFINITY, sample->entries, sample->counts, err);
}

/* The score of the row's `top`th neighbour, itself not counted. */
static float least_score(const struct pairs_near *near, const struct sample *sample, size_t i)
{
    const struct top_entry *entries = sample->entries + i * (sample->top + 1);
    size_t last = sample->top - 1;
    for (size_t n = 0; near->one_set && n <= last; n++)
        if ((size_t)entries[n].id == sample->rows[i])
            return entries[last + 1].score;
    return entries[last].score;
}

int pairs_near_recall(struct pairs_near *near, size_t top, size_t sample_size, double *ret_recall,
                      struct err *err)
{
    size_t others = near->column_count - (near->one_set && near->column_count > 0), hits = 0;
    struct sample sample = {.top = top < RECALL_MOST ? top : RECALL_MOST, .count = sample_size};
    struct asker asker = {0};
    if (sample.top > others)
        sample.top = others;
    if (sample.count > near->sets.row_count)
        sample.count = near->sets.row_count;
    if (sample.top == 0 || sample.count == 0) {
        *ret_recall = 1;
        return 0;
    }
    int r = take_sample(near, &sample, err);
    if (r == 0 && asker_open(&asker, near, top) < 0)
        r = err_memory(err, "a sample of the vectors");
    for (size_t i = 0; r == 0 && i < sample.count; i++) {
        float least = least_score(near, &sample, i);
        if (ask(near, &asker, sample.rows[i]) < 0)
            r = err_memory(err, "a sample of the vectors");
        for (size_t n = 0; r == 0 && n < sample.top && n < asker.found.count; n++)
            hits += asker.found.entries[n].score >= least;
    }
    if (r == 0)
        *ret_recall = (double)hits / (double)(sample.count * sample.top);
    asker_close(&asker);
    sample_release(&sample);
    return r;
}
