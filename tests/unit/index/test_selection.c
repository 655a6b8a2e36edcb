/* Tests of searches that are restricted to a set of ids: whole answers at every selectivity, right
 * beside applies and background work, and by several threads at once. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/index/oracle.h"

enum { DIMENSION = 24, COUNT = 12000, QUERIES = 40 };

struct case_of {
    struct index_options options;
    struct oracle oracle;
    struct vector_index *index;
    struct random_numbers random;
    float *vectors; /* (COUNT + QUERIES, DIMENSION) */
    const float *queries;
};

static void case_open(struct case_of *c, struct index_options options, uint64_t seed)
{
    struct err err = {0};
    options.dimension = DIMENSION;
    /* The oracle's numbers hold for vectors that are kept as they are. */
    if (!options.precision)
        options.precision = INDEX_PRECISION_F32;
    *c = (struct case_of){.options = options, .random = {seed}};
    c->oracle = (struct oracle){.metric = options.metric, .dimension = DIMENSION};
    c->vectors = calloc((COUNT + QUERIES) * DIMENSION, sizeof *c->vectors);
    assert_non_null(c->vectors);
    c->queries = c->vectors + COUNT * DIMENSION;
    random_clustered(&c->random, seed, 60, COUNT + QUERIES, DIMENSION, c->vectors);
    assert_int_equal(index_create(&c->index, &options, &err), 0);
}

static void case_close(struct case_of *c)
{
    index_free(c->index);
    oracle_release(&c->oracle);
    free(c->vectors);
}

/* Vectors [first, first + count), whose ids are their places and 1. */
static void case_add(struct case_of *c, size_t first, size_t count)
{
    struct err err = {0};
    int64_t *ids = calloc(count, sizeof *ids);
    const float *vectors = c->vectors + first * DIMENSION;
    assert_non_null(ids);
    for (size_t i = 0; i < count; i++) {
        ids[i] = (int64_t)(first + i) + 1;
        oracle_add(&c->oracle, ids[i], vectors + i * DIMENSION);
    }
    assert_int_equal(index_apply(c->index, ids, vectors, count, NULL, 0, 1, &err), 0);
    free(ids);
}

static void case_maintain(struct case_of *c)
{
    struct err err = {0};
    bool worked = true;
    while (worked)
        assert_int_equal(index_maintain(c->index, &worked, NULL, &err), 0);
}

/* A selection of about `share` of all ids, which `chosen` (COUNT + 1) then marks. */
static struct index_selection *select_some(struct case_of *c, double share, bool *chosen)
{
    struct index_selection *selection = NULL;
    struct err err = {0};
    int64_t *ids = calloc(2 * COUNT, sizeof *ids);
    size_t count = 0;
    memset(chosen, 0, (COUNT + 1) * sizeof *chosen);
    assert_non_null(ids);
    while (count < (size_t)(share * COUNT)) {
        ids[count] = (int64_t)random_below(&c->random, COUNT) + 1;
        chosen[ids[count++]] = true;
    }
    ids[count++] = -3; /* ids that there cannot be, and one that there is not */
    ids[count++] = 0;
    ids[count++] = COUNT + 77;
    assert_int_equal(index_selection_new(&selection, ids, count, &err), 0);
    assert_true(index_selection_count(selection) <= count - 2);
    free(ids);
    return selection;
}

/* The recall of a search that is restricted to `chosen`; `exact` fails unless it is 1. */
static double check_selected(struct case_of *c, struct index_selection *selection,
                             const bool *chosen, bool exact)
{
    const struct index_search_options options = {
        .top_k = 10, .exact = exact, .selection = selection};
    struct oracle selected = c->oracle;
    selected.live = calloc(c->oracle.count + 1, sizeof *selected.live);
    selected.live_count = 0;
    assert_non_null(selected.live);
    for (size_t i = 0; i < c->oracle.count; i++) {
        selected.live[i] = c->oracle.live[i] && chosen[c->oracle.ids[i]];
        selected.live_count += selected.live[i];
    }
    double recall = check_search(&selected, c->index, c->queries, QUERIES, &options);
    free(selected.live);
    return recall;
}

static void a_selection_gives_whole_answers_at_every_selectivity(void **state)
{
    (void)state;
    const double shares[] = {1, 0.5, 0.1, 0.01, 0.001, 0};
    const enum index_kind kinds[] = {INDEX_FLAT, INDEX_HNSW};
    bool chosen[COUNT + 1];
    struct case_of c;
    for (size_t k = 0; k < 2; k++)
        for (enum index_metric metric = METRIC_COSINE; metric <= METRIC_L2; metric++) {
            case_open(&c,
                      (struct index_options){
                          .metric = metric, .kind = kinds[k], .segment_size = COUNT * 2 / 3},
                      17 + metric);
            case_add(&c, 0, COUNT);
            case_maintain(&c);
            for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
                struct index_selection *selection = select_some(&c, shares[i], chosen);
                assert_true(check_selected(&c, selection, chosen, false) >= 0.99);
                assert_true(check_selected(&c, selection, chosen, false) >= 0.99);
                check_selected(&c, selection, chosen, true);
                index_selection_free(selection);
            }
            case_close(&c);
        }
}

static void a_selection_stays_right_whatever_is_applied(void **state)
{
    (void)state;
    enum { STEPS = 20, STEP = COUNT / STEPS };
    bool chosen[COUNT + 1];
    struct case_of c;
    struct err err = {0};
    case_open(&c, (struct index_options){.kind = INDEX_HNSW, .segment_size = COUNT / 5}, 23);
    struct index_selection *selection = select_some(&c, 0.3, chosen);
    for (size_t step = 0; step < STEPS; step++) {
        int64_t gone[STEP / 2];
        case_add(&c, step * STEP, STEP);
        check_selected(&c, selection, chosen, true);
        for (size_t i = 0; i < STEP / 2; i++) {
            gone[i] = (int64_t)random_below(&c.random, (step + 1) * STEP) + 1;
            oracle_remove(&c.oracle, gone[i]);
        }
        assert_int_equal(index_apply(c.index, NULL, NULL, 0, gone, STEP / 2, 2, &err), 0);
        assert_true(check_selected(&c, selection, chosen, false) >= 0.95);
        if (step % 3 == 2)
            case_maintain(&c);
        check_selected(&c, selection, chosen, true);
    }
    /* What it remembers is of segments that are there. */
    assert_true(index_selection_bytes(selection) < COUNT * 16);
    index_selection_free(selection);
    case_close(&c);
}

static void one_selection_serves_two_indexes(void **state)
{
    (void)state;
    bool chosen[COUNT + 1];
    struct case_of a, b;
    case_open(&a, (struct index_options){.kind = INDEX_FLAT}, 31);
    case_open(&b, (struct index_options){.kind = INDEX_FLAT}, 32);
    case_add(&a, 0, 1000);
    case_add(&b, 500, 1000);
    struct index_selection *selection = select_some(&a, 0.05, chosen);
    struct index_selection *held = index_selection_ref(selection);
    index_selection_free(selection);
    for (int i = 0; i < 2; i++) {
        check_selected(&a, held, chosen, true);
        check_selected(&b, held, chosen, true);
    }
    index_selection_free(held);
    case_close(&a);
    case_close(&b);
}

static void ids_far_apart_are_selected_too(void **state)
{
    (void)state;
    const int64_t ids[] = {INT64_MAX, 5, 1000000000000, 1};
    const float vectors[] = {1, 0, 0, 1, 1, 1, -1, 0.5F}, query[] = {1, 0.1F};
    struct index_selection *selection;
    struct vector_index *index;
    struct err err = {0};
    int64_t found[4];
    float scores[4];
    size_t count;
    assert_int_equal(index_create(&index, &(struct index_options){.dimension = 2}, &err), 0);
    assert_int_equal(index_apply(index, ids, vectors, 4, NULL, 0, 1, &err), 0);
    assert_int_equal(index_selection_new(&selection, ids, 3, &err), 0);
    const struct index_search_options options = {.top_k = 4, .selection = selection};
    assert_int_equal(index_search(index, query, 1, &options, found, scores, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_true(found[0] == INT64_MAX && found[1] == 1000000000000 && found[2] == 5);
    index_selection_free(selection);
    index_free(index);
}

struct shared {
    struct case_of *c;
    struct index_selection *selection;
    const bool *chosen;
    int wrong;
};

static void *search_selected(void *argument)
{
    struct shared *shared = argument;
    const struct index_search_options options = {.top_k = 10, .selection = shared->selection};
    struct err err = {0};
    for (int round = 0; round < 200; round++) {
        int64_t ids[10];
        float scores[10];
        size_t count;
        const float *query = shared->c->queries + (size_t)(round % QUERIES) * DIMENSION;
        if (index_search(shared->c->index, query, 1, &options, ids, scores, &count, &err) < 0)
            shared->wrong++;
        for (size_t i = 0; i < count; i++)
            shared->wrong += !shared->chosen[ids[i]];
    }
    return NULL;
}

static void threads_share_a_selection_beside_applies(void **state)
{
    (void)state;
    enum { THREADS = 3, STEPS = 30, STEP = 100 };
    bool chosen[COUNT + 1];
    struct case_of c;
    struct shared shared[THREADS];
    pthread_t threads[THREADS];
    case_open(&c, (struct index_options){.kind = INDEX_HNSW, .segment_size = 1000}, 37);
    struct index_selection *selection = select_some(&c, 0.2, chosen);
    for (size_t i = 0; i < THREADS; i++) {
        shared[i] = (struct shared){&c, selection, chosen, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, search_selected, &shared[i]), 0);
    }
    for (size_t step = 0; step < STEPS; step++) {
        case_add(&c, step * STEP, STEP);
        if (step % 10 == 9)
            case_maintain(&c);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(shared[i].wrong, 0);
    }
    check_selected(&c, selection, chosen, true);
    index_selection_free(selection);
    case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_selection_gives_whole_answers_at_every_selectivity),
        cmocka_unit_test(a_selection_stays_right_whatever_is_applied),
        cmocka_unit_test(one_selection_serves_two_indexes),
        cmocka_unit_test(ids_far_apart_are_selected_too),
        cmocka_unit_test(threads_share_a_selection_beside_applies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
