/* Two seeded sets of clustered vectors and a pool, for the tests of pairs. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "index/pairs/neighbours.h"
#include "tests/unit/index/oracle.h"

struct fixture {
    float *rows, *columns;
    size_t row_count, column_count, dimension;
    struct pool *pool;
};

/* The vectors, as they are drawn: for the test to change before fixture_finish. */
static inline struct fixture *fixture_new(uint64_t seed, size_t clusters, size_t row_count,
                                          size_t column_count, size_t dimension)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct random_numbers random = {seed};
    fixture->row_count = row_count;
    fixture->column_count = column_count;
    fixture->dimension = dimension;
    fixture->rows = calloc(row_count * dimension, sizeof(float));
    fixture->columns = calloc(column_count * dimension, sizeof(float));
    random_clustered(&random, 5, clusters, row_count, dimension, fixture->rows);
    random_clustered(&random, 5, clusters, column_count, dimension, fixture->columns);
    return fixture;
}

/* One row without a length, all others of length 1, and the pool. */
static inline void fixture_finish(struct fixture *fixture, int threads)
{
    struct err err;
    memset(fixture->rows + 700 * fixture->dimension, 0, fixture->dimension * sizeof(float));
    assert_int_equal(pairs_normalize(fixture->rows, fixture->row_count, fixture->dimension, &err),
                     0);
    assert_int_equal(
        pairs_normalize(fixture->columns, fixture->column_count, fixture->dimension, &err), 0);
    assert_int_equal(pool_open(&fixture->pool, threads, false, &err), 0);
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    pool_close(fixture->pool);
    free(fixture->rows);
    free(fixture->columns);
    free(fixture);
    return 0;
}

static inline struct pairs_sets one_set(const struct fixture *fixture)
{
    return (struct pairs_sets){
        .rows = fixture->rows, .row_count = fixture->row_count, .dimension = fixture->dimension};
}

static inline struct pairs_sets two_sets(const struct fixture *fixture)
{
    struct pairs_sets sets = one_set(fixture);
    sets.columns = fixture->columns;
    sets.column_count = fixture->column_count;
    return sets;
}

static inline float score_of(const struct pairs_sets *sets, size_t row, size_t column)
{
    const float *columns = sets->columns ? sets->columns : sets->rows;
    return pairs_score(sets->rows + row * sets->dimension, columns + column * sets->dimension,
                       sets->dimension);
}
