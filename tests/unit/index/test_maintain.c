/* Tests of graphs and background work: recall against the oracle, tombstones, merging, cancelling,
 * and long random histories of everything an index can do. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void maintain_all(struct vector_index *index)
{
    struct err err = {0};
    bool worked = true;
    for (int steps = 0; worked; steps++) {
        assert_true(steps < 1000); /* it must come to rest */
        assert_int_equal(index_maintain(index, &worked, NULL, &err), 0);
    }
}

/* Adds `count` vectors with ids from `first` on to the index and to its twin. */
static void add(struct vector_index *index, struct oracle *oracle, int64_t first,
                const float *vectors, size_t count, int64_t sequence)
{
    struct err err = {0};
    int64_t *ids = calloc(count + 1, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < count; i++) {
        ids[i] = first + (int64_t)i;
        oracle_add(oracle, ids[i], vectors + i * oracle->dimension);
    }
    assert_int_equal(index_apply(index, ids, vectors, count, NULL, 0, sequence, &err), 0);
    free(ids);
}

/* Removes every id in [first, first + count) of which `step` divides the offset. */
static void remove_some(struct vector_index *index, struct oracle *oracle, int64_t first,
                        size_t count, size_t step)
{
    struct err err = {0};
    int64_t *ids = calloc(count + 1, sizeof *ids);
    size_t n = 0;
    assert_non_null(ids);
    for (size_t i = 0; i < count; i += step) {
        ids[n++] = first + (int64_t)i;
        oracle_remove(oracle, first + (int64_t)i);
    }
    assert_int_equal(index_apply(index, NULL, NULL, 0, ids, n, 1, &err), 0);
    free(ids);
}

static struct index_stats stats_of(const struct vector_index *index)
{
    struct index_stats stats;
    index_get_stats(index, &stats);
    return stats;
}

/* ThreadSanitizer doesn't know how OpenMP's threads wait for each other. */
#if defined(__SANITIZE_THREAD__)
enum { BUILD_THREADS = 1 };
#else
enum { BUILD_THREADS = 2 };
#endif

static void graphs_find_nearly_all_under_every_metric(void **state)
{
    (void)state;
    enum { DIMENSION = 32, COUNT = 9000, QUERIES = 100 };
    const enum index_metric metrics[] = {METRIC_COSINE, METRIC_DOT, METRIC_L2};
    const struct index_search_options near = {.top_k = 10}, exact = {.top_k = 10, .exact = true};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    const float *queries = vectors + COUNT * DIMENSION;
    struct random_numbers random = {142};
    assert_non_null(vectors);
    random_clustered(&random, 9, 50, COUNT + QUERIES, DIMENSION, vectors);
    for (size_t m = 0; m < 3; m++) {
        struct oracle oracle = {.metric = metrics[m], .dimension = DIMENSION};
        struct vector_index *index =
            new_index((struct index_options){.dimension = DIMENSION,
                                             .metric = metrics[m],
                                             .kind = INDEX_HNSW,
                                             .segment_size = 4000,
                                             .ef_search = 64,
                                             .build_threads = BUILD_THREADS});
        add(index, &oracle, 1, vectors, COUNT, 1);
        assert_string_equal(stats_of(index).kind, "flat");
        maintain_all(index);
        assert_string_equal(stats_of(index).kind, "hnsw");
        assert_int_equal(stats_of(index).graph_segments, 2);
        assert_int_equal(stats_of(index).tail, 1000);
        assert_true(check_search(&oracle, index, queries, QUERIES, &near) >= 0.95);
        check_search(&oracle, index, queries, QUERIES, &exact);
        /* A fifth is dead, too few for a rebuild: answers stay live, many and near. */
        remove_some(index, &oracle, 1, COUNT, 5);
        maintain_all(index);
        assert_true(stats_of(index).tombstones > 0);
        assert_true(check_search(&oracle, index, queries, QUERIES, &near) >= 0.95);
        check_search(&oracle, index, queries, QUERIES, &exact);
        index_free(index);
        oracle_release(&oracle);
    }
    free(vectors);
}

static void many_tombstones_neither_hide_the_living_nor_stay(void **state)
{
    (void)state;
    enum { DIMENSION = 16, COUNT = 4000, QUERIES = 30 };
    const struct index_search_options near = {.top_k = 10, .ef_search = 20};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    const float *queries = vectors + COUNT * DIMENSION;
    struct random_numbers random = {143};
    struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
    random_clustered(&random, 10, 20, COUNT + QUERIES, DIMENSION, vectors);
    struct vector_index *index = new_index(
        (struct index_options){.dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = COUNT});
    add(index, &oracle, 1, vectors, COUNT, 1);
    maintain_all(index);
    /* All but 1 in 50 die, in three waves; before each rebuild the answers are whole already. */
    for (size_t wave = 0; wave < 3; wave++) {
        for (int64_t id = 1; id <= COUNT; id++)
            if (id % 50 != 7 && (size_t)id % 3 == wave)
                remove_some(index, &oracle, id, 1, 1);
        assert_true(check_search(&oracle, index, queries, QUERIES, &near) >= 0.9);
        maintain_all(index);
        assert_int_equal(stats_of(index).tombstones, 0);
        assert_true(check_search(&oracle, index, queries, QUERIES, &near) >= 0.9);
    }
    assert_int_equal(stats_of(index).live, COUNT / 50);
    size_t bytes = stats_of(index).bytes;
    assert_true(bytes < COUNT * DIMENSION * sizeof(float));
    remove_some(index, &oracle, 1, COUNT, 1);
    maintain_all(index);
    assert_int_equal(stats_of(index).segments, 0);
    assert_int_equal(stats_of(index).live, 0);
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

/* The nearest fifth of all to one query die, too few for a rebuild: what is left must still come,
 * and all of it rightly. */
static void the_dead_around_a_query_don_t_hide_the_living(void **state)
{
    (void)state;
    enum { DIMENSION = 16, COUNT = 4000, GONE = COUNT / 5, QUERIES = 5 };
    const struct index_search_options near = {.top_k = 10, .ef_search = 10};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    struct oracle_entry *ranked = calloc(COUNT, sizeof *ranked);
    const float *queries = vectors + COUNT * DIMENSION;
    struct random_numbers random = {148};
    random_clustered(&random, 10, 20, COUNT + QUERIES, DIMENSION, vectors);
    double recall = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
        struct vector_index *index = new_index((struct index_options){
            .dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = COUNT, .M = 8});
        add(index, &oracle, 1, vectors, COUNT, 1);
        maintain_all(index);
        oracle_rank(&oracle, queries + q * DIMENSION, ranked);
        for (size_t i = 0; i < GONE; i++)
            remove_some(index, &oracle, ranked[i].id, 1, 1);
        recall += check_search(&oracle, index, queries + q * DIMENSION, 1, &near);
        assert_int_equal(stats_of(index).tombstones, GONE);
        index_free(index);
        oracle_release(&oracle);
    }
    assert_true(recall / QUERIES >= 0.95);
    free(ranked);
    free(vectors);
}

static void the_automatic_kind_is_exact_up_to_its_limit(void **state)
{
    (void)state;
    enum { DIMENSION = 8, COUNT = 3000 };
    float *vectors = calloc(COUNT * DIMENSION, sizeof *vectors);
    struct random_numbers random = {144};
    struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
    random_clustered(&random, 11, 20, COUNT, DIMENSION, vectors);
    struct vector_index *index = new_index(
        (struct index_options){.dimension = DIMENSION, .flat_limit = 2000, .segment_size = 500});
    add(index, &oracle, 1, vectors, 2000, 1);
    maintain_all(index);
    assert_int_equal(stats_of(index).segments, 4);
    assert_int_equal(stats_of(index).graph_segments, 0);
    add(index, &oracle, 2001, vectors + 2000 * DIMENSION, 1, 2);
    maintain_all(index);
    assert_int_equal(stats_of(index).graph_segments, 4);
    assert_int_equal(stats_of(index).tail, 1);
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

static void small_segments_become_few(void **state)
{
    (void)state;
    enum { DIMENSION = 4, WAVES = 60, WAVE = 300 };
    float *vectors = calloc(WAVE * DIMENSION, sizeof *vectors);
    struct random_numbers random = {145};
    struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
    struct vector_index *index = new_index(
        (struct index_options){.dimension = DIMENSION, .kind = INDEX_FLAT, .segment_size = 2000});
    /* Each wave leaves a tail with many dead rows behind, which is closed and rebuilt. */
    for (int64_t wave = 0; wave < WAVES; wave++) {
        random_clustered(&random, 12, 20, WAVE, DIMENSION, vectors);
        add(index, &oracle, 1 + wave * WAVE, vectors, WAVE, wave);
        remove_some(index, &oracle, 1 + wave * WAVE + 20, WAVE - 20, 1);
        maintain_all(index);
    }
    assert_int_equal(stats_of(index).live, WAVES * 20);
    assert_true(stats_of(index).segments <= 8);
    const struct index_search_options exact = {.top_k = 10, .exact = true};
    check_search(&oracle, index, vectors, 20, &exact);
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

static void a_cancelled_build_leaves_the_index_as_it_was(void **state)
{
    (void)state;
    enum { DIMENSION = 8, COUNT = 3000 };
    float *vectors = calloc(COUNT * DIMENSION, sizeof *vectors);
    struct random_numbers random = {146};
    struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
    const volatile int cancel = 1;
    bool worked = false;
    struct err err = {0};
    random_clustered(&random, 13, 20, COUNT, DIMENSION, vectors);
    struct vector_index *index = new_index(
        (struct index_options){.dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = 1000});
    add(index, &oracle, 1, vectors, COUNT, 1);
    assert_int_equal(index_maintain(index, &worked, &cancel, &err), ERR_CANCELLED);
    assert_false(worked);
    assert_int_equal(stats_of(index).graph_segments, 0);
    const struct index_search_options exact = {.top_k = 10, .exact = true};
    check_search(&oracle, index, vectors, 20, &exact);
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

static void the_same_work_gives_the_same_answers(void **state)
{
    (void)state;
    enum { DIMENSION = 16, COUNT = 5000, QUERIES = 50, K = 10 };
    static int64_t ids[2][QUERIES * K];
    static float scores[2][QUERIES * K];
    static size_t counts[2][QUERIES];
    const struct index_search_options near = {.top_k = K, .ef_search = 16};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    struct random_numbers random = {147};
    struct err err = {0};
    random_clustered(&random, 14, 20, COUNT + QUERIES, DIMENSION, vectors);
    for (size_t run = 0; run < 2; run++) {
        struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
        struct vector_index *index = new_index((struct index_options){
            .dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = 2500});
        add(index, &oracle, 1, vectors, COUNT, 1);
        maintain_all(index);
        assert_int_equal(index_search(index, vectors + COUNT * DIMENSION, QUERIES, &near, ids[run],
                                      scores[run], counts[run], &err),
                         0);
        index_free(index);
        oracle_release(&oracle);
    }
    assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    free(vectors);
}

/* --- random histories --- */

struct history {
    struct random_numbers random;
    struct index_options options;
    struct vector_index *index;
    struct oracle oracle;
    int64_t next_id, sequence;
    char path[64];
};

enum { HISTORY_DIMENSION = 12, HISTORY_BATCH = 400 };

static void history_apply(struct history *h)
{
    static float vectors[HISTORY_BATCH * HISTORY_DIMENSION];
    static int64_t ids[HISTORY_BATCH], gone[HISTORY_BATCH];
    size_t added = random_below(&h->random, HISTORY_BATCH), removed = 0;
    size_t most = random_below(&h->random, 5) ? HISTORY_BATCH / 8 : HISTORY_BATCH;
    struct err err = {0};

    random_clustered(&h->random, 15, 30, added, HISTORY_DIMENSION, vectors);
    for (size_t i = 0; i < added; i++) {
        if (i > 0 && !random_below(&h->random, 20)) /* a vector that is there already */
            memcpy(vectors + i * HISTORY_DIMENSION, vectors, HISTORY_DIMENSION * sizeof *vectors);
        ids[i] = h->next_id++;
        oracle_add(&h->oracle, ids[i], vectors + i * HISTORY_DIMENSION);
    }
    for (size_t n = random_below(&h->random, most); removed < n; removed++) {
        gone[removed] = 1 + (int64_t)random_below(&h->random, (size_t)h->next_id + 10);
        oracle_remove(&h->oracle, gone[removed]);
    }
    h->sequence++;
    for (int round = 0; round < 2; round++) /* the second time it changes nothing */
        assert_int_equal(
            index_apply(h->index, ids, vectors, added, gone, removed, h->sequence, &err), 0);
}

static void history_reload(struct history *h)
{
    struct vector_index *loaded = NULL;
    struct err err = {0};
    struct index_stats before = stats_of(h->index);
    assert_int_equal(index_save(h->index, h->path, "fingerprint", &err), 0);
    assert_int_equal(index_load(&loaded, h->path, "fingerprint", &h->options, &err), 0);
    struct index_stats after = stats_of(loaded);
    assert_int_equal(before.live, after.live);
    assert_int_equal(before.tombstones, after.tombstones);
    assert_int_equal(before.sequence, after.sequence);
    assert_int_equal(before.graph_segments, after.graph_segments);
    index_free(h->index);
    h->index = loaded;
}

static void history_check(struct history *h, double *recall, size_t *searches)
{
    float queries[10 * HISTORY_DIMENSION];
    struct index_search_options options = {.top_k = 1 + random_below(&h->random, 20)};
    size_t count = 1 + random_below(&h->random, 10);
    random_clustered(&h->random, 15, 30, count, HISTORY_DIMENSION, queries);
    *recall += check_search(&h->oracle, h->index, queries, count, &options);
    ++*searches;
    options.exact = true;
    check_search(&h->oracle, h->index, queries, count, &options);
    assert_int_equal(stats_of(h->index).live, h->oracle.live_count);
    assert_int_equal(stats_of(h->index).sequence, h->sequence);
}

static void random_histories_answer_as_the_oracle_does(void **state)
{
    (void)state;
    struct err err = {0};
    for (size_t round = 0; round < 9; round++) {
        struct history h = {
            .random = {1000 + round},
            .options = {.dimension = HISTORY_DIMENSION,
                        .precision = INDEX_PRECISION_F32,
                        .metric = (enum index_metric)(round % 3),
                        .kind = round / 3 == 2 ? INDEX_AUTO : (enum index_kind)(round / 3 + 1),
                        .flat_limit = 2500,
                        .segment_size = 900 + 100 * round,
                        .ef_search = 24},
            .next_id = 1,
        };
        double recall = 0;
        size_t searches = 0;
        snprintf(h.path, sizeof h.path, "/tmp/sbertd-history-%d-%zu", (int)getpid(), round);
        h.oracle.metric = h.options.metric;
        h.oracle.dimension = HISTORY_DIMENSION;
        h.index = new_index(h.options);
        for (int step = 0; step < 60; step++) {
            bool worked;
            switch (random_below(&h.random, 5)) {
            case 0:
            case 1:
                history_apply(&h);
                break;
            case 2:
                assert_int_equal(index_maintain(h.index, &worked, NULL, &err), 0);
                break;
            case 3:
                history_reload(&h);
                break;
            default:
                history_check(&h, &recall, &searches);
            }
        }
        maintain_all(h.index);
        history_check(&h, &recall, &searches);
        assert_true(recall / (double)searches >= 0.95);
        index_free(h.index);
        oracle_release(&h.oracle);
        unlink(h.path);
    }
}

/* Half of all leave and come again under new ids, ten times, as documents that change do. */
static void recall_stays_and_space_comes_back_however_often_half_is_replaced(void **state)
{
    (void)state;
    enum { DIMENSION = 24, COUNT = 6000, QUERIES = 50, ROUNDS = 10 };
    const struct index_search_options near = {.top_k = 10};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    const float *queries = vectors + COUNT * DIMENSION;
    int64_t *ids = calloc(COUNT, sizeof *ids);
    struct random_numbers random = {151};
    struct oracle oracle = {.metric = METRIC_COSINE, .dimension = DIMENSION};
    int64_t next = COUNT + 1;
    struct err err = {0};
    assert_non_null(ids);
    random_clustered(&random, 10, 40, COUNT + QUERIES, DIMENSION, vectors);
    struct vector_index *index = new_index(
        (struct index_options){.dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = COUNT});
    add(index, &oracle, 1, vectors, COUNT, 1);
    for (size_t i = 0; i < COUNT; i++)
        ids[i] = (int64_t)i + 1;
    maintain_all(index);
    size_t bytes = stats_of(index).bytes;
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = round % 2; i < COUNT; i += 2) {
            oracle_remove(&oracle, ids[i]);
            assert_int_equal(index_apply(index, &next, vectors + i * DIMENSION, 1, &ids[i], 1,
                                         (int64_t)round, &err),
                             0);
            oracle_add(&oracle, next, vectors + i * DIMENSION);
            ids[i] = next++;
        }
        maintain_all(index);
        assert_true(check_search(&oracle, index, queries, QUERIES, &near) > 0.99);
        assert_int_equal(stats_of(index).live, COUNT);
        assert_true(stats_of(index).bytes < 2 * bytes);
    }
    index_free(index);
    oracle_release(&oracle);
    free(ids);
    free(vectors);
}

/* Graphs that grow share whole blocks of rows with what they take in, where nothing there is dead.
 */
static void rows_that_are_shared_stay_what_they_are(void **state)
{
    (void)state;
    enum { DIMENSION = 8, TAIL = 8192, COUNT = 4 * TAIL + 100, QUERIES = 20 };
    const struct index_search_options exact = {.top_k = 10, .exact = true}, near = {.top_k = 10};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    const float *queries = vectors + COUNT * DIMENSION;
    struct random_numbers random = {155};
    struct oracle oracle = {.metric = METRIC_L2, .dimension = DIMENSION};
    random_clustered(&random, 10, 40, COUNT + QUERIES, DIMENSION, vectors);
    struct vector_index *index = new_index((struct index_options){
        .dimension = DIMENSION, .metric = METRIC_L2, .kind = INDEX_HNSW, .M = 8});
    for (size_t first = 0, n; first < COUNT; first += n) {
        n = COUNT - first < TAIL ? COUNT - first : TAIL;
        add(index, &oracle, (int64_t)first + 1, vectors + first * DIMENSION, n, 1);
        /* The third one's rows are copied, and so are those behind them. */
        if (first == 2 * TAIL)
            remove_some(index, &oracle, (int64_t)first + 1, 100, 10);
        if (first != TAIL)
            maintain_all(index);
    }
    assert_int_equal(stats_of(index).graph_segments, 1);
    check_search(&oracle, index, queries, QUERIES, &exact);
    assert_true(check_search(&oracle, index, queries, QUERIES, &near) > 0.95);
    remove_some(index, &oracle, 1, COUNT, 3);
    maintain_all(index);
    check_search(&oracle, index, queries, QUERIES, &exact);
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

static void a_scan_that_is_shared_out_finds_the_same(void **state)
{
    (void)state;
    enum { DIMENSION = 256, COUNT = 12000, QUERIES = 3 }; /* more than 8 MiB of rows */
    const struct index_search_options exact = {.top_k = 10, .exact = true};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    struct random_numbers random = {153};
    struct oracle oracle = {.metric = METRIC_DOT, .dimension = DIMENSION};
    random_clustered(&random, 10, 40, COUNT + QUERIES, DIMENSION, vectors);
    struct vector_index *index = new_index(
        (struct index_options){.dimension = DIMENSION, .metric = METRIC_DOT, .kind = INDEX_FLAT});
    add(index, &oracle, 1, vectors, COUNT, 1);
    check_search(&oracle, index, vectors + COUNT * DIMENSION, QUERIES, &exact);
    for (size_t q = 0; q < QUERIES; q++)
        check_search(&oracle, index, vectors + (COUNT + q) * DIMENSION, 1, &exact);
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

/* One query at a time is too little to share; many are not. */
static void walks_that_are_shared_out_find_the_same(void **state)
{
    (void)state;
    enum { DIMENSION = 32, SEGMENT = 1000, COUNT = 4 * SEGMENT, QUERIES = 60, K = 10 };
    const struct index_search_options near = {.top_k = K};
    static int64_t ids[QUERIES * K], alone_ids[K];
    static float scores[QUERIES * K], alone_scores[K];
    size_t counts[QUERIES], count;
    struct err err = {0};
    float *vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *vectors);
    const float *queries = vectors + COUNT * DIMENSION;
    struct random_numbers random = {157};
    struct oracle oracle = {.dimension = DIMENSION};
    random_clustered(&random, 10, 40, COUNT + QUERIES, DIMENSION, vectors);
    struct vector_index *index = new_index((struct index_options){
        .dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = SEGMENT, .ef_search = 40});
    add(index, &oracle, 1, vectors, COUNT, 1);
    maintain_all(index);
    assert_int_equal(stats_of(index).graph_segments, 4);
    assert_int_equal(index_search(index, queries, QUERIES, &near, ids, scores, counts, &err), 0);
    for (size_t q = 0; q < QUERIES; q++) {
        assert_int_equal(index_search(index, queries + q * DIMENSION, 1, &near, alone_ids,
                                      alone_scores, &count, &err),
                         0);
        assert_int_equal(counts[q], count);
        assert_memory_equal(ids + q * K, alone_ids, sizeof alone_ids);
        assert_memory_equal(scores + q * K, alone_scores, sizeof alone_scores);
    }
    index_free(index);
    oracle_release(&oracle);
    free(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_find_nearly_all_under_every_metric),
        cmocka_unit_test(many_tombstones_neither_hide_the_living_nor_stay),
        cmocka_unit_test(the_dead_around_a_query_don_t_hide_the_living),
        cmocka_unit_test(the_automatic_kind_is_exact_up_to_its_limit),
        cmocka_unit_test(small_segments_become_few),
        cmocka_unit_test(a_cancelled_build_leaves_the_index_as_it_was),
        cmocka_unit_test(the_same_work_gives_the_same_answers),
        cmocka_unit_test(recall_stays_and_space_comes_back_however_often_half_is_replaced),
        cmocka_unit_test(rows_that_are_shared_stay_what_they_are),
        cmocka_unit_test(a_scan_that_is_shared_out_finds_the_same),
        cmocka_unit_test(walks_that_are_shared_out_find_the_same),
        cmocka_unit_test(random_histories_answer_as_the_oracle_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
