/* Exact search: every live row of a part against the queries. */
#include "index/scan.h"

#include <cblas-openblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "index/state.h"

#include <faiss/c_api/utils/distances_c.h>

enum {
    BLOCK_ROWS = 1024,   /* rows whose scores are computed at once */
    BLOCK_QUERIES = 256, /* queries in one product */
    LEAST_FOR_BLAS = 8,  /* queries from which a product beats one scan for each */
    RUN = 16,            /* scores that are compared at once */
};

int scan_open(struct scan *ret_scan, enum index_metric metric, size_t dimension, size_t queries,
              struct err *err)
{
    size_t rows = queries < LEAST_FOR_BLAS ? 1 : BLOCK_QUERIES;
    struct scan scan = {metric, dimension, malloc(rows * BLOCK_ROWS * sizeof(float))};
    if (!scan.scores)
        return err_memory(err, "the scores of a search");
    *ret_scan = scan;
    return 0;
}

void scan_close(struct scan *scan)
{
    free(scan->scores);
    scan->scores = NULL;
}

/* Scores of `count` rows that follow each other. */
static void score_rows(enum index_metric metric, size_t dimension, const float *query,
                       const float *rows, size_t count, float *ret_scores)
{
    if (metric != METRIC_L2) {
        faiss_fvec_inner_products_ny(ret_scores, query, rows, dimension, count);
        return;
    }
    faiss_fvec_L2sqr_ny(ret_scores, query, rows, dimension, count);
    for (size_t i = 0; i < count; i++)
        ret_scores[i] = -sqrtf(ret_scores[i]);
}

float scan_score(enum index_metric metric, size_t dimension, const float *query, const float *row)
{
    float score;
    score_rows(metric, dimension, query, row, 1, &score);
    return score;
}

/* Whether any of RUN scores reaches the threshold; written so that a compiler makes it one vector
 * comparison, since in nearly every run none does. */
static bool any_reaches(const float *scores, float threshold)
{
    int hit = 0;
    for (int i = 0; i < RUN; i++)
        hit |= scores[i] >= threshold;
    return hit != 0;
}

/* Offers rows [first, first + count) of a part, whose scores are known exactly. */
static void offer_exact(const struct view_part *part, size_t first, size_t count,
                        const float *scores, struct top *top)
{
    for (size_t i = 0; i < count; i++)
        if (!(scores[i] < top_threshold(top)) && !bitmap_has(part->dead, first + i))
            top_offer(top, scores[i], part->segment->ids[first + i]);
}

/* The same for scores that may be off by `margin`: what comes near is computed again. */
static void offer_proposed(const struct scan *scan, const struct view_part *part, size_t first,
                           size_t count, const float *scores, const float *query, float margin,
                           struct top *top)
{
    for (size_t run = 0; run < count; run += RUN) {
        if (run + RUN <= count && !any_reaches(scores + run, top_threshold(top) - margin))
            continue;
        for (size_t i = run; i < count && i < run + RUN; i++) {
            if (scores[i] < top_threshold(top) - margin || bitmap_has(part->dead, first + i))
                continue;
            const float *row = segment_vector(part->segment, first + i);
            top_offer(top, scan_score(scan->metric, scan->dimension, query, row),
                      part->segment->ids[first + i]);
        }
    }
}

static void scan_each(const struct scan *scan, const struct view_part *part, const float *queries,
                      size_t count, struct top *tops)
{
    for (size_t first = 0; first < part->count; first += BLOCK_ROWS) {
        size_t rows = part->count - first < BLOCK_ROWS ? part->count - first : BLOCK_ROWS;
        for (size_t q = 0; q < count; q++) {
            score_rows(scan->metric, scan->dimension, queries + q * scan->dimension,
                       segment_vector(part->segment, first), rows, scan->scores);
            offer_exact(part, first, rows, scan->scores, &tops[q]);
        }
    }
}

static float norm_of(const float *vector, size_t dimension)
{
    return (float)sqrt(cblas_dsdot((int)dimension, vector, 1, vector, 1));
}

/* How far two f32 sums of the same inner product can be apart: each within gamma_n |x||y| of the
 * true one, gamma_n = n u / (1 - n u), u = 2^-24 (Higham, Accuracy and Stability of Numerical
 * Algorithms, 3.1). */
static float product_margin(size_t dimension, float query_norm, float row_norm)
{
    double nu = (double)dimension * 0x1p-24;
    return (float)(2.02 * nu / (1 - nu) * (double)query_norm * (double)row_norm);
}

static void scan_by_blas(const struct scan *scan, const struct view_part *part,
                         const float *queries, size_t count, const float *margins, struct top *tops)
{
    int dimension = (int)scan->dimension;
    for (size_t first = 0; first < part->count; first += BLOCK_ROWS) {
        size_t rows = part->count - first < BLOCK_ROWS ? part->count - first : BLOCK_ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, (int)rows, dimension, 1.0F,
                    queries, dimension, segment_vector(part->segment, first), dimension, 0.0F,
                    scan->scores, BLOCK_ROWS);
        for (size_t q = 0; q < count; q++)
            offer_proposed(scan, part, first, rows, scan->scores + q * BLOCK_ROWS,
                           queries + q * scan->dimension, margins[q], &tops[q]);
    }
}

/* Margins for one block of queries; false where the numbers are so large that BLAS's sums could
 * overflow. */
static bool find_margins(const struct scan *scan, const struct view_part *part,
                         const float *queries, size_t count, float *ret_margins)
{
    for (size_t q = 0; q < count; q++) {
        float norm = norm_of(queries + q * scan->dimension, scan->dimension);
        ret_margins[q] = product_margin(scan->dimension, norm, part->largest_norm);
        if (!(norm * part->largest_norm < 1e30F))
            return false;
    }
    return true;
}

void scan_part(const struct scan *scan, const struct view_part *part, const float *queries,
               size_t count, struct top *tops)
{
    for (size_t first = 0; first < count; first += BLOCK_QUERIES) {
        float margins[BLOCK_QUERIES];
        size_t n = count - first < BLOCK_QUERIES ? count - first : BLOCK_QUERIES;
        const float *block = queries + first * scan->dimension;
        if (n >= LEAST_FOR_BLAS && scan->metric != METRIC_L2 &&
            find_margins(scan, part, block, n, margins))
            scan_by_blas(scan, part, block, n, margins, tops + first);
        else
            scan_each(scan, part, block, n, tops + first);
    }
}

void scan_selected(const struct scan *scan, const struct view_part *part,
                   const struct bitmap *selected, const float *queries, size_t count,
                   struct top *tops)
{
    size_t dimension = scan->dimension;
    for (size_t word = 0; word < bitmap_words(part->count); word++) {
        for (uint64_t bits = selected->words[word]; bits; bits &= bits - 1) {
            size_t position = word * 64 + (size_t)__builtin_ctzll(bits);
            /* The selection may know rows that this view doesn't show. */
            if (position >= part->count || bitmap_has(part->dead, position))
                continue;
            const float *row = segment_vector(part->segment, position);
            for (size_t q = 0; q < count; q++)
                top_offer(&tops[q],
                          scan_score(scan->metric, dimension, queries + q * dimension, row),
                          part->segment->ids[position]);
        }
    }
}
