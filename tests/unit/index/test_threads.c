/* Tests of concurrency: searches beside an apply and maintenance see whole states only. Meant for
 * ThreadSanitizer, and worth running without it. */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/index/oracle.h"

enum { DIMENSION = 8, SEARCHERS = 3, GROUP = 8, GROUPS = 2000, TOP_K = 40 };

/* Vectors come and go in groups of GROUP with consecutive ids: group g is ids [g * GROUP + 1,
 * (g + 1) * GROUP], added in one apply, and the group 5 before it removed in the same one. */
struct shared {
    struct vector_index *index;
    atomic_bool done;
    atomic_size_t searches, wrong, worked;
    char path[64];
};

static void fill_group(int64_t group, float *vectors, int64_t *ids)
{
    struct random_numbers random = {(uint64_t)group + 99};
    random_clustered(&random, 4, 10, GROUP, DIMENSION, vectors);
    for (int64_t i = 0; i < GROUP; i++)
        ids[i] = group * GROUP + i + 1;
}

static void *search_on(void *argument)
{
    struct shared *shared = argument;
    const struct index_search_options options = {.top_k = TOP_K, .exact = true};
    const struct index_search_options near = {.top_k = TOP_K};
    float query[DIMENSION * 9];
    int64_t ids[TOP_K * 9];
    float scores[TOP_K * 9];
    size_t counts[9];
    struct random_numbers random = {1234};
    struct err err = {0};

    while (!atomic_load(&shared->done)) {
        random_clustered(&random, 4, 10, 9, DIMENSION, query);
        size_t count = random_below(&random, 4) ? 1 : 9; /* 9 go through BLAS */
        bool is_exact = random_below(&random, 2);
        if (index_search(shared->index, query, count, is_exact ? &options : &near, ids, scores,
                         counts, &err) < 0)
            atomic_fetch_add(&shared->wrong, 1);
        /* One state has at most 5 whole groups, which an exact answer shows whole. */
        int64_t sum = 0;
        for (size_t i = 0; i < counts[0]; i++)
            sum += (ids[i] - 1) % GROUP;
        if (is_exact &&
            (counts[0] % GROUP || sum != (int64_t)(counts[0] / GROUP) * (GROUP * (GROUP - 1) / 2)))
            atomic_fetch_add(&shared->wrong, 1);
        atomic_fetch_add(&shared->searches, 1);
    }
    return NULL;
}

static void *maintain_on(void *argument)
{
    struct shared *shared = argument;
    struct err err = {0};
    bool worked;
    while (!atomic_load(&shared->done)) {
        if (index_maintain(shared->index, &worked, NULL, &err) < 0)
            atomic_fetch_add(&shared->wrong, 1);
        atomic_fetch_add(&shared->worked, worked);
        struct index_stats stats;
        index_get_stats(shared->index, &stats);
        if (!worked && index_save(shared->index, shared->path, "f", &err) < 0)
            atomic_fetch_add(&shared->wrong, 1);
    }
    return NULL;
}

static void run(enum index_kind kind)
{
    const struct index_options options = {
        .dimension = DIMENSION, .kind = kind, .segment_size = 100, .ef_search = 1};
    struct shared shared = {0};
    pthread_t threads[SEARCHERS + 1];
    float vectors[GROUP * DIMENSION];
    int64_t ids[GROUP], gone[GROUP];
    struct err err = {0};
    struct vector_index *loaded = NULL;
    struct index_stats stats;

    snprintf(shared.path, sizeof shared.path, "/tmp/sbertd-threads-%d", (int)getpid());
    assert_int_equal(index_create(&shared.index, &options, &err), 0);
    for (size_t i = 0; i < SEARCHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, &shared), 0);
    assert_int_equal(pthread_create(&threads[SEARCHERS], NULL, maintain_on, &shared), 0);
    for (int64_t group = 0; group < GROUPS; group++) {
        for (int64_t i = 0; i < GROUP; i++)
            gone[i] = (group - 5) * GROUP + i + 1;
        fill_group(group, vectors, ids);
        assert_int_equal(index_apply(shared.index, ids, vectors, GROUP, gone, GROUP, group, &err),
                         0);
    }
    /* The others get their turn too, however the threads were scheduled. */
    while (atomic_load(&shared.searches) < 100 || atomic_load(&shared.worked) < 2)
        sched_yield();
    atomic_store(&shared.done, true);
    for (size_t i = 0; i <= SEARCHERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    index_get_stats(shared.index, &stats);
    assert_int_equal(stats.live, 5 * GROUP);
    assert_int_equal(index_save(shared.index, shared.path, "f", &err), 0);
    assert_int_equal(index_load(&loaded, shared.path, "f", &options, &err), 0);
    index_get_stats(loaded, &stats);
    assert_int_equal(stats.live, 5 * GROUP);
    index_free(loaded);
    index_free(shared.index);
    unlink(shared.path);
}

static void searches_see_whole_states_of_a_flat_index(void **state)
{
    (void)state;
    run(INDEX_FLAT);
}

static void searches_see_whole_states_of_an_index_with_graphs(void **state)
{
    (void)state;
    run(INDEX_HNSW);
}

struct building {
    struct vector_index *index;
    atomic_bool done;
    int result;
};

static void *build_on(void *argument)
{
    struct building *building = argument;
    struct err err = {0};
    bool worked;
    building->result = index_maintain(building->index, &worked, NULL, &err);
    atomic_store(&building->done, true);
    return NULL;
}

static void what_is_removed_during_a_build_is_gone_after_it(void **state)
{
    (void)state;
    enum { COUNT = 8000 };
    static float vectors[COUNT * DIMENSION];
    static int64_t ids[COUNT], found[COUNT];
    static float scores[COUNT];
    const struct index_options options = {
        .dimension = DIMENSION, .kind = INDEX_HNSW, .segment_size = COUNT};
    const struct index_search_options exact = {.top_k = COUNT, .exact = true};
    struct building building = {0};
    struct random_numbers random = {31};
    pthread_t thread;
    size_t removed = 0, count;
    struct index_stats stats;
    struct err err = {0};

    random_clustered(&random, 4, 10, COUNT, DIMENSION, vectors);
    for (size_t i = 0; i < COUNT; i++)
        ids[i] = (int64_t)i + 1;
    assert_int_equal(index_create(&building.index, &options, &err), 0);
    assert_int_equal(index_apply(building.index, ids, vectors, COUNT, NULL, 0, 1, &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, build_on, &building), 0);
    /* At most so many that the segment is not rebuilt for them; the search sets the pace. */
    while (!atomic_load(&building.done) && removed < COUNT / 5) {
        assert_int_equal(index_apply(building.index, NULL, NULL, 0, &ids[removed], 1, 2, &err), 0);
        removed++;
        assert_int_equal(
            index_search(building.index, vectors, 1, &exact, found, scores, &count, &err), 0);
        assert_int_equal(count, COUNT - removed);
    }
    pthread_join(thread, NULL);
    assert_int_equal(building.result, 0);
    index_get_stats(building.index, &stats);
    assert_int_equal(stats.graph_segments, 1);
    assert_int_equal(stats.live, COUNT - removed);
    assert_int_equal(index_search(building.index, vectors, 1, &exact, found, scores, &count, &err),
                     0);
    assert_int_equal(count, COUNT - removed);
    for (size_t i = 0; i < count; i++)
        assert_true(found[i] > (int64_t)removed);
    index_free(building.index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_see_whole_states_of_a_flat_index),
        cmocka_unit_test(searches_see_whole_states_of_an_index_with_graphs),
        cmocka_unit_test(what_is_removed_during_a_build_is_gone_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
