/* Tests of exact search: metrics, ties, batches, removals, limits, bad input. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/index/oracle.h"

static struct vector_index *new_index(struct index_options options)
{
    struct vector_index *index = NULL;
    struct err err = {0};
    /* The oracle's numbers hold for vectors that are kept as they are. */
    if (!options.precision)
        options.precision = INDEX_PRECISION_F32;
    assert_int_equal(index_create(&index, &options, &err), 0);
    return index;
}

/* Adds `count` vectors with ids from `first` on to the index and to its twin. */
static void add(struct vector_index *index, struct oracle *oracle, int64_t first,
                const float *vectors, size_t count, int64_t sequence)
{
    struct err err = {0};
    int64_t *ids = calloc(count, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        oracle_add(oracle, ids[i], vectors + i * oracle->dimension);
    }
    assert_int_equal(index_apply(index, ids, vectors, count, NULL, 0, sequence, &err), 0);
    free(ids);
}

static void remove_one(struct vector_index *index, struct oracle *oracle, int64_t id)
{
    struct err err = {0};
    oracle_remove(oracle, id);
    assert_int_equal(index_apply(index, NULL, NULL, 0, &id, 1, 1, &err), 0);
}

static void exact_answers_are_the_oracle_s_under_every_metric(void **state)
{
    (void)state;
    enum { DIMENSION = 37, COUNT = 3000, QUERIES = 20 };
    const enum index_metric metrics[] = {METRIC_COSINE, METRIC_DOT, METRIC_L2};
    const size_t top_k[] = {1, 10, 333, 5000};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    struct random_numbers random = {42};
    assert_non_null(vectors);
    random_clustered(&random, 5, 40, COUNT + QUERIES, DIMENSION, vectors);
    for (size_t m = 0; m < 3; m++) {
        struct oracle oracle = {.metric = metrics[m], .dimension = DIMENSION};
        /* Small segments, so that answers come from several. */
        struct vector_index *index = new_index((struct index_options){
            .dimension = DIMENSION, .metric = metrics[m], .segment_size = 700});
        add(index, &oracle, 1, vectors, COUNT, 1);
        for (int64_t id = 3; id < COUNT; id += 7)
            remove_one(index, &oracle, id);
        for (size_t k = 0; k < sizeof top_k / sizeof *top_k; k++) {
            struct index_search_options options = {.top_k = top_k[k], .exact = true};
            const float *queries = vectors + COUNT * DIMENSION;
            check_search(&oracle, index, queries, QUERIES, &options); /* by BLAS */
            check_search(&oracle, index, queries, 2, &options);       /* one by one */
        }
        index_free(index);
        oracle_release(&oracle);
    }
    free(vectors);
}

static void a_query_scores_the_same_alone_and_in_a_batch(void **state)
{
    (void)state;
    enum { DIMENSION = 384, COUNT = 2500, QUERIES = 300, K = 7 };
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    static int64_t ids[QUERIES * K], alone_ids[K];
    static float scores[QUERIES * K], alone_scores[K];
    static size_t counts[QUERIES], alone_count;
    struct random_numbers random = {43};
    struct index_search_options options = {.top_k = K};
    struct err err = {0};
    random_clustered(&random, 6, 30, COUNT + QUERIES, DIMENSION, vectors);
    struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
    struct vector_index *index =
        new_index((struct index_options){.dimension = DIMENSION, .segment_size = 1000});
    add(index, &oracle, 1, vectors, COUNT, 1);
    const float *queries = vectors + COUNT * DIMENSION;
    assert_int_equal(index_search(index, queries, QUERIES, &options, ids, scores, counts, &err), 0);
    for (size_t q = 0; q < QUERIES; q++) {
        assert_int_equal(index_search(index, queries + q * DIMENSION, 1, &options, alone_ids,
                                      alone_scores, &alone_count, &err),
                         0);
        assert_int_equal(alone_count, K);
        assert_memory_equal(alone_ids, ids + q * K, sizeof alone_ids);
        assert_memory_equal(alone_scores, scores + q * K, sizeof alone_scores);
    }
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

static void equal_scores_come_by_id_across_segments_and_in_batches(void **state)
{
    (void)state;
    enum { DIMENSION = 24, COUNT = 1000, QUERIES = 40, K = 30 };
    static float vectors[COUNT * DIMENSION], queries[QUERIES * DIMENSION];
    static int64_t ids[COUNT], found[QUERIES * K];
    static float scores[QUERIES * K];
    static size_t counts[QUERIES];
    struct random_numbers random = {44};
    struct err err = {0};
    struct index_search_options options = {.top_k = K};
    /* One vector a thousand times, with ids that fall, rise and jump. */
    for (size_t j = 0; j < DIMENSION; j++)
        vectors[j] = random_float(&random);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(vectors + i * DIMENSION, vectors, DIMENSION * sizeof *vectors);
        ids[i] = (int64_t)((i * 379) % COUNT + 1);
    }
    for (size_t i = 0; i < QUERIES * DIMENSION; i++)
        queries[i] = random_float(&random);
    struct vector_index *index =
        new_index((struct index_options){.dimension = DIMENSION, .segment_size = 130});
    assert_int_equal(index_apply(index, ids, vectors, COUNT, NULL, 0, 1, &err), 0);
    for (size_t count = 1; count <= QUERIES; count += QUERIES - 1) {
        assert_int_equal(index_search(index, queries, count, &options, found, scores, counts, &err),
                         0);
        for (size_t q = 0; q < count; q++) {
            assert_int_equal(counts[q], K);
            for (size_t i = 0; i < K; i++)
                assert_int_equal(found[q * K + i], (int64_t)i + 1);
        }
    }
    index_free(index);
}

static void applying_twice_changes_nothing(void **state)
{
    (void)state;
    const float vectors[] = {1, 0, 0, 1, 1, 1};
    const int64_t ids[] = {10, 20, 30}, gone[] = {20, 99};
    struct vector_index *index = new_index((struct index_options){.dimension = 2});
    struct index_stats stats;
    struct err err = {0};
    for (int round = 0; round < 3; round++) {
        assert_int_equal(index_apply(index, ids, vectors, 3, NULL, 0, 4, &err), 0);
        assert_int_equal(index_apply(index, NULL, NULL, 0, gone, 2, 5, &err), 0);
        index_get_stats(index, &stats);
        assert_int_equal(stats.live, 2);
        assert_int_equal(stats.sequence, 5);
    }
    /* An id twice in one call is there once; one added and removed in one call is not there. */
    const int64_t twice[] = {40, 40, 50};
    assert_int_equal(index_apply(index, twice, vectors, 3, twice + 2, 1, 6, &err), 0);
    index_get_stats(index, &stats);
    assert_int_equal(stats.live, 3);
    assert_string_equal(stats.kind, "flat");
    index_free(index);
}

static void a_zero_vector_has_cosine_zero(void **state)
{
    (void)state;
    const float vectors[] = {0, 0, 3, 4, -3, -4};
    const int64_t ids[] = {1, 2, 3};
    const float queries[] = {6, 8, 0, 0};
    int64_t found[6];
    float scores[6];
    size_t counts[2];
    struct err err = {0};
    struct index_search_options options = {.top_k = 3};
    struct vector_index *index = new_index((struct index_options){.dimension = 2});
    assert_int_equal(index_apply(index, ids, vectors, 3, NULL, 0, 1, &err), 0);
    assert_int_equal(index_search(index, queries, 2, &options, found, scores, counts, &err), 0);
    const int64_t expected[] = {2, 1, 3, 1, 2, 3};
    const float expected_scores[] = {1, 0, -1, 0, 0, 0};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(found[i], expected[i]);
        assert_true(fabsf(scores[i] - expected_scores[i]) < 1e-6F);
    }
    index_free(index);
}

static void bad_input_is_refused_and_leaves_the_index_as_it_was(void **state)
{
    (void)state;
    const float good[] = {1, 2}, bad[] = {1, 2, 3, NAN}, infinite[] = {INFINITY, 0};
    const int64_t ids[] = {1, 2}, zero[] = {0}, negative[] = {-4};
    int64_t found[1];
    float scores[1];
    size_t counts[1] = {77};
    struct index_stats stats;
    struct err err = {0};
    struct vector_index *index = new_index((struct index_options){.dimension = 2});
    struct index_search_options options = {.top_k = 1};

    assert_int_equal(index_apply(index, ids, bad, 2, NULL, 0, 9, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "vector 1"));
    assert_int_equal(index_apply(index, ids, infinite, 1, NULL, 0, 9, &err), ERR_INVALID);
    assert_int_equal(index_apply(index, zero, good, 1, NULL, 0, 9, &err), ERR_INVALID);
    assert_int_equal(index_apply(index, negative, good, 1, NULL, 0, 9, &err), ERR_INVALID);
    index_get_stats(index, &stats);
    assert_int_equal(stats.live, 0);
    assert_int_equal(stats.sequence, 0);
    assert_int_equal(index_search(index, infinite, 1, &options, found, scores, counts, &err),
                     ERR_INVALID);
    assert_int_equal(counts[0], 77);
    assert_int_equal(index_search(index, good, 1, &options, found, scores, counts, &err), 0);
    assert_int_equal(counts[0], 0);
    options.top_k = 0;
    assert_int_equal(index_search(index, good, 1, &options, found, scores, counts, &err),
                     ERR_INVALID);
    index_free(index);
    index_free(NULL);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    const struct index_options bad[] = {
        {.dimension = 0},
        {.dimension = 65537},
        {.dimension = 4, .M = 1},
        {.dimension = 4, .segment_size = (size_t)1 << 40},
        {.dimension = 4, .build_threads = -1},
        {.dimension = 4, .metric = (enum index_metric)7},
        {.dimension = 4, .kind = (enum index_kind)9},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vector_index *index = NULL;
        struct err err = {0};
        assert_true(index_create(&index, &bad[i], &err) < 0);
        assert_null(index);
        assert_true(strlen(err.message) > 0);
    }
}

static void memory_is_accounted_for(void **state)
{
    (void)state;
    enum { DIMENSION = 64, COUNT = 5000 };
    struct random_numbers random = {45};
    float *vectors = calloc(COUNT * DIMENSION, sizeof *vectors);
    struct oracle oracle = {.dimension = DIMENSION};
    struct index_stats before, after;
    random_clustered(&random, 1, 10, COUNT, DIMENSION, vectors);
    struct vector_index *index = new_index((struct index_options){.dimension = DIMENSION});
    index_get_stats(index, &before);
    add(index, &oracle, 1, vectors, COUNT, 1);
    index_get_stats(index, &after);
    assert_true(before.bytes < 4096);
    assert_true(after.bytes >= COUNT * (DIMENSION * sizeof(float) + sizeof(int64_t)));
    assert_true(after.bytes < 2 * COUNT * (DIMENSION * sizeof(float) + 64));
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_answers_are_the_oracle_s_under_every_metric),
        cmocka_unit_test(a_query_scores_the_same_alone_and_in_a_batch),
        cmocka_unit_test(equal_scores_come_by_id_across_segments_and_in_batches),
        cmocka_unit_test(applying_twice_changes_nothing),
        cmocka_unit_test(a_zero_vector_has_cosine_zero),
        cmocka_unit_test(bad_input_is_refused_and_leaves_the_index_as_it_was),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(memory_is_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
