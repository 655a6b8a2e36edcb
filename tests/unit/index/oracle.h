/* A brute-force twin of an index, in plain C and double precision: what every search is held to.
 *
 * All of it is in this header, because each test is one source file.
 */
#ifndef SBERT_TESTS_INDEX_ORACLE_H
#define SBERT_TESTS_INDEX_ORACLE_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "tests/test.h"

/* --- reproducible numbers (xorshift64*, Vigna 2014) --- */

struct random_numbers {
    uint64_t state; /* not 0 */
};

static inline uint64_t random_next(struct random_numbers *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545F4914F6CDD1DULL;
}

static inline size_t random_below(struct random_numbers *random, size_t bound)
{
    return (size_t)(random_next(random) % bound);
}

/* From -1 to 1. */
static inline float random_float(struct random_numbers *random)
{
    return (float)(random_next(random) >> 40) / 8388608.0F - 1.0F;
}

/* Vectors (count, dimension) around `clusters` centres, which follow from `seed` alone. */
static inline void random_clustered(struct random_numbers *random, uint64_t seed, size_t clusters,
                                    size_t count, size_t dimension, float *ret_vectors)
{
    for (size_t i = 0; i < count; i++) {
        struct random_numbers centre = {seed + 977 * (1 + random_below(random, clusters))};
        random_next(&centre);
        for (size_t j = 0; j < dimension; j++)
            ret_vectors[i * dimension + j] = random_float(&centre) + 0.5F * random_float(random);
    }
}

/* --- the twin --- */

struct oracle {
    enum index_metric metric;
    size_t dimension, count, live_count;
    int64_t *ids;   /* (count), all that were ever added */
    float *vectors; /* (count, dimension), as given */
    bool *live;     /* (count) */
};

struct oracle_entry {
    double score;
    int64_t id;
};

static inline void oracle_release(struct oracle *oracle)
{
    free(oracle->ids);
    free(oracle->vectors);
    free(oracle->live);
    oracle->count = 0;
}

static inline void oracle_add(struct oracle *oracle, int64_t id, const float *vector)
{
    size_t n = oracle->count++, d = oracle->dimension;
    if ((n & (n - 1)) == 0) {
        size_t capacity = n ? 2 * n : 1;
        oracle->ids = realloc(oracle->ids, capacity * sizeof *oracle->ids);
        oracle->live = realloc(oracle->live, capacity * sizeof *oracle->live);
        oracle->vectors = realloc(oracle->vectors, capacity * d * sizeof *oracle->vectors);
        assert_non_null(oracle->ids);
        assert_non_null(oracle->live);
        assert_non_null(oracle->vectors);
    }
    oracle->ids[n] = id;
    oracle->live[n] = true;
    memcpy(oracle->vectors + n * d, vector, d * sizeof *vector);
    oracle->live_count++;
}

static inline void oracle_remove(struct oracle *oracle, int64_t id)
{
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->ids[i] == id && oracle->live[i]) {
            oracle->live[i] = false;
            oracle->live_count--;
        }
}

static inline double oracle_score(const struct oracle *oracle, const float *query, size_t i)
{
    const float *vector = oracle->vectors + i * oracle->dimension;
    double product = 0, a = 0, b = 0, distance = 0;
    for (size_t j = 0; j < oracle->dimension; j++) {
        double x = (double)query[j], y = (double)vector[j];
        product += x * y;
        a += x * x;
        b += y * y;
        distance += (x - y) * (x - y);
    }
    if (oracle->metric == METRIC_L2)
        return -sqrt(distance);
    if (oracle->metric == METRIC_DOT)
        return product;
    return a > 0 && b > 0 ? product / sqrt(a) / sqrt(b) : 0;
}

static inline int oracle_compare(const void *a, const void *b)
{
    const struct oracle_entry *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

/* All live vectors, best first; `ret_entries` has room for live_count. */
static inline void oracle_rank(const struct oracle *oracle, const float *query,
                               struct oracle_entry *ret_entries)
{
    size_t n = 0;
    for (size_t i = 0; i < oracle->count; i++)
        if (oracle->live[i])
            ret_entries[n++] =
                (struct oracle_entry){oracle_score(oracle, query, i), oracle->ids[i]};
    qsort(ret_entries, n, sizeof *ret_entries, oracle_compare);
}

/* --- holding an index to it --- */

/* Fails unless the answer is in order, without repeats, of live ids, each with its true score.
 * Returns how many of the ids are among those that the oracle ranks first, where a score that
 * equals the last of those within 1e-5 counts as one of them. */
static inline size_t check_answer(const struct oracle *oracle, const struct oracle_entry *ranked,
                                  size_t wanted, const int64_t *ids, const float *scores,
                                  size_t count)
{
    size_t hits = 0;
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++) {
        size_t rank = 0;
        while (rank < oracle->live_count && ranked[rank].id != ids[i])
            rank++;
        assert_true(rank < oracle->live_count);
        assert_true(fabs((double)scores[i] - ranked[rank].score) <
                    1e-5 * (1 + fabs(ranked[rank].score)));
        if (i > 0)
            assert_true(scores[i] < scores[i - 1] ||
                        (scores[i] == scores[i - 1] && ids[i] > ids[i - 1]));
        hits += ranked[rank].score > ranked[wanted - 1].score - 1e-5;
    }
    return hits;
}

/* Searches and checks each answer; returns the recall. With `exact` it fails unless that is 1. */
static inline double check_search(const struct oracle *oracle, const struct vector_index *index,
                                  const float *queries, size_t count,
                                  const struct index_search_options *options)
{
    size_t k = options->top_k, wanted = k < oracle->live_count ? k : oracle->live_count, hits = 0;
    int64_t *ids = calloc(count * k, sizeof *ids);
    float *scores = calloc(count * k, sizeof *scores);
    size_t *counts = calloc(count, sizeof *counts);
    struct oracle_entry *ranked = calloc(oracle->live_count + 1, sizeof *ranked);
    struct err err = {0};

    assert_non_null(ranked);
    assert_int_equal(index_search(index, queries, count, options, ids, scores, counts, &err), 0);
    for (size_t q = 0; q < count; q++) {
        oracle_rank(oracle, queries + q * oracle->dimension, ranked);
        size_t right = check_answer(oracle, ranked, wanted, ids + q * k, scores + q * k, counts[q]);
        hits += right;
        for (size_t i = 0; options->exact && i < wanted; i++)
            assert_true(fabs((double)scores[q * k + i] - ranked[i].score) <
                        1e-5 * (1 + fabs(ranked[i].score)));
        if (options->exact)
            assert_int_equal(right, wanted);
    }
    free(ids);
    free(scores);
    free(counts);
    free(ranked);
    return wanted ? (double)hits / (double)(wanted * count) : 1;
}

#endif
