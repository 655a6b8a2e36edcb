/* Scores as f32 gives them, for the few pairs that a coarser precision found. */
#include "cli/mine/rescore.h"

#include <stdlib.h>
#include <string.h>

/* A cosine of int8 vectors is rarely more than a hundredth off; twice that is looked at. */
static const float threshold_slack = 0.02F;
enum { CANDIDATES_EACH = 3, CANDIDATES_LEAST = 200 };

size_t rescore_candidates(const struct work *work, size_t top)
{
    return work->exact ? top : CANDIDATES_EACH * top + CANDIDATES_LEAST;
}

float rescore_threshold(const struct work *work, float threshold)
{
    return work->exact ? threshold : threshold - threshold_slack;
}

/* Which texts of a file the pairs have. */
static void choose(const struct work *work, size_t set, const struct pair *pairs, size_t count,
                   bool *ret_chosen)
{
    for (size_t i = 0; i < count; i++) {
        if (set == 0)
            ret_chosen[pairs[i].row] = true;
        if (set == work->set_count - 1)
            ret_chosen[pairs[i].column] = true;
    }
}

/* Encodes the pairs' texts in f32, in the place of the vectors they had. */
static int encode_chosen(struct work *work, const struct pair *pairs, size_t count, struct err *err)
{
    const struct encoder_options options = {.precision = PRECISION_F32};
    struct worker worker;
    int r = worker_open(&worker, work->options->model, &options, work->options->threads, err);
    if (r < 0)
        return r;
    for (size_t set = 0; r == 0 && set < work->set_count; set++) {
        bool *chosen = calloc(work->sets[set].count + 1, sizeof *chosen);
        if (!chosen) {
            r = err_memory(err, "the pairs");
            break;
        }
        choose(work, set, pairs, count, chosen);
        r = sentences_encode(&work->sets[set], &worker, chosen, true, work->cancel, err);
        free(chosen);
    }
    worker_close(&worker);
    return r;
}

static int better_first(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

int rescore_pairs(struct work *work, struct pair *pairs, size_t *count, size_t top, float threshold,
                  struct err *err)
{
    if (work->exact || *count == 0)
        return 0;
    int r = encode_chosen(work, pairs, *count, err);
    if (r < 0)
        return r;
    const struct sentences *rows = &work->sets[0], *columns = &work->sets[work->set_count - 1];
    size_t dimension = rows->dimension, kept = 0;
    for (size_t i = 0; i < *count; i++) {
        pairs[i].score = pairs_score(rows->vectors + pairs[i].row * dimension,
                                     columns->vectors + pairs[i].column * dimension, dimension);
        if (pairs[i].score >= threshold)
            pairs[kept++] = pairs[i];
    }
    qsort(pairs, kept, sizeof *pairs, better_first);
    *count = kept < top ? kept : top;
    return 0;
}
