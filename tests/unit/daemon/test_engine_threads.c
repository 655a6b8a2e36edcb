/* Tests of the engine: many callers at once. Run under ThreadSanitizer by `make check-tsan`. */
#include "engine_fixture.h"

enum { THREADS = 6, ROUNDS = 40 };

struct caller {
    struct fixture *fixture;
    pthread_t thread;
    size_t number;
    const char *failure; /* set by the thread, asserted by the test */
};

static void run_callers(struct fixture *fixture, void *(*const mains[THREADS])(void *))
{
    struct caller callers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){.fixture = fixture, .number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, mains[i], &callers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(callers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        if (callers[i].failure)
            fail_msg("caller %zu: %s", i, callers[i].failure);
    }
}

/* Adds 30 documents a round, half of them anew under the same id. */
static void *adder(void *argument)
{
    struct caller *caller = argument;
    for (size_t round = 0; round < ROUNDS && !caller->failure; round++) {
        struct arena arena = {0};
        struct engine_document documents[30];
        for (size_t i = 0; i < 30; i++) {
            char *id = arena_alloc(&arena, 32, 1), *text = arena_alloc(&arena, 64, 1);
            snprintf(id, 32, "%zu-%zu", caller->number, round * 15 + i);
            snprintf(text, 64, "file %zu of %zu in round %zu", i, caller->number, round);
            documents[i] = text_document(id, text);
        }
        struct engine_add_result result;
        struct err err;
        if (engine_add(caller->fixture->engine, "default", documents, 30, true, &arena, &result,
                       &err) != 0)
            caller->failure = "an add failed";
        else if (result.added + result.replaced + result.unchanged != 30)
            caller->failure = "an add lost documents";
        arena_release(&arena);
    }
    return NULL;
}

static void *searcher(void *argument)
{
    struct caller *caller = argument;
    for (size_t round = 0; round < 4 * ROUNDS && !caller->failure; round++) {
        struct arena arena = {0};
        const struct engine_query query = {.text = "file of a round", .text_size = 15};
        const struct engine_search_options options = {.top_k = 20};
        struct engine_results results;
        struct err err;
        if (engine_search(caller->fixture->engine, "default", &query, 1, &options, &arena, &results,
                          &err) != 0)
            caller->failure = "a search failed";
        for (size_t i = 1; !caller->failure && i < results.count; i++) {
            if (results.hits[i].score > results.hits[i - 1].score)
                caller->failure = "hits are out of order";
            if (strcmp(results.hits[i].row.id, results.hits[i - 1].row.id) == 0)
                caller->failure = "a document came twice";
        }
        arena_release(&arena);
    }
    return NULL;
}

static void *deleter(void *argument)
{
    struct caller *caller = argument;
    for (size_t round = 0; round < ROUNDS && !caller->failure; round++) {
        char ids[3][32];
        const char *list[3] = {ids[0], ids[1], ids[2]};
        size_t deleted;
        struct err err;
        for (size_t i = 0; i < 3; i++)
            snprintf(ids[i], sizeof ids[i], "%zu-%zu", i % 2, round * 15 + i * 4);
        if (engine_delete(caller->fixture->engine, "default", list, 3, NULL, &deleted, &err) != 0)
            caller->failure = "a delete failed";
    }
    return NULL;
}

/* Makes a collection, fills it, and drops it, over and over; others may be in it meanwhile. */
static void *dropper(void *argument)
{
    struct caller *caller = argument;
    const struct engine_collection_options options = {.dimension = 4};
    for (size_t round = 0; round < ROUNDS && !caller->failure; round++) {
        struct arena arena = {0};
        const float vector[4] = {1, (float)round, 2, (float)caller->number};
        const struct engine_document document = vector_document("x", "x", vector, 4);
        const struct engine_query query = {.vector = vector, .vector_size = 4};
        const struct engine_search_options search = {.top_k = 3};
        struct engine_add_result result;
        struct engine_results results;
        struct err err;
        bool created;
        int r = engine_collection_put(caller->fixture->engine, "passing", &options, &created, &err);
        if (r)
            caller->failure = "a put failed";
        r = engine_add(caller->fixture->engine, "passing", &document, 1, false, &arena, &result,
                       &err);
        if (r && r != ERR_NOT_FOUND)
            caller->failure = "an add failed with another code than not_found";
        r = engine_search(caller->fixture->engine, "passing", &query, 1, &search, &arena, &results,
                          &err);
        if (r && r != ERR_NOT_FOUND)
            caller->failure = "a search failed with another code than not_found";
        r = engine_collection_drop(caller->fixture->engine, "passing", &err);
        if (r && r != ERR_NOT_FOUND)
            caller->failure = "a drop failed with another code than not_found";
        arena_release(&arena);
    }
    return NULL;
}

static void adds_searches_and_deletes_at_once_end_as_brute_force_says(void **state)
{
    struct fixture *fixture = *state;
    void *(*const mains[THREADS])(void *) = {adder, adder, searcher, searcher, deleter, searcher};
    fixture_add_text(fixture, "0-0", "the first file");
    run_callers(fixture, mains);

    struct engine_collection collection;
    assert_ok(fixture,
              engine_collection_get(fixture->engine, "default", &collection, &fixture->err));
    assert_int_equal(collection.index_live, collection.stored.passages);
    assert_int_equal(collection.index_sequence, collection.stored.sequence);
    struct oracle oracle = oracle_read(fixture, "default");
    float query[64];
    const struct encoder_text text = {.text = "great music", .size = 11};
    assert_ok(fixture,
              engine_embed(fixture->engine, NULL, NULL, &text, 1, query, NULL, &fixture->err));
    struct engine_results results = fixture_search_vector(fixture, "default", query, 64, 1);
    assert_true(fabs(results.hits[0].score - oracle_next(&oracle, query, 3)) < 1e-5);
    oracle_release(&oracle);
}

static void collections_come_and_go_under_their_users(void **state)
{
    struct fixture *fixture = *state;
    void *(*const mains[THREADS])(void *) = {dropper, dropper, dropper, adder, dropper, dropper};
    run_callers(fixture, mains);
    fixture_reopen(fixture);
    struct engine_collection collection;
    assert_ok(fixture,
              engine_collection_get(fixture->engine, "default", &collection, &fixture->err));
    assert_int_equal(collection.index_live, collection.stored.passages);
}

/* Adds a text that is known under another id, which another thread deletes all the time. */
static void *borrower(void *argument)
{
    struct caller *caller = argument;
    for (size_t round = 0; round < 4 * ROUNDS && !caller->failure; round++) {
        struct arena arena = {0};
        char own[32], next[32];
        const struct engine_document documents[2] = {text_document(own, "a borrowed text"),
                                                     text_document(next, "a borrowed text")};
        const char *ids[] = {own, next};
        struct engine_add_result result;
        struct err err;
        size_t deleted;
        snprintf(own, sizeof own, "%zu", caller->number);
        snprintf(next, sizeof next, "%zu", (caller->number + 1) % THREADS);
        if (engine_add(caller->fixture->engine, "default", documents, 2, false, &arena, &result,
                       &err) != 0)
            caller->failure = "an add failed";
        if (engine_delete(caller->fixture->engine, "default", ids, 2, NULL, &deleted, &err) != 0)
            caller->failure = "a delete failed";
        arena_release(&arena);
    }
    return NULL;
}

static void a_text_that_vanishes_after_the_plan_is_encoded_after_all(void **state)
{
    struct fixture *fixture = *state;
    void *(*const mains[THREADS])(void *) = {borrower, borrower, borrower,
                                             borrower, borrower, borrower};
    run_callers(fixture, mains);
    struct engine_collection collection;
    assert_ok(fixture,
              engine_collection_get(fixture->engine, "default", &collection, &fixture->err));
    assert_int_equal(collection.stored.documents, 0);
    assert_int_equal(collection.index_live, 0);
}

static void *cancelled_adder(void *argument)
{
    struct caller *caller = argument;
    struct arena arena = {0};
    size_t count = 20000;
    struct engine_document *documents = arena_alloc(&arena, count, sizeof *documents);
    for (size_t i = 0; i < count; i++) {
        char *text = arena_alloc(&arena, 64, 1);
        snprintf(text, 64, "%zu people search %zu files with music", i, caller->number);
        documents[i] = text_document(NULL, text);
    }
    struct engine_add_result result;
    struct err err;
    int r = engine_add(caller->fixture->engine, "default", documents, count, true, &arena, &result,
                       &err);
    if (r != ERR_CANCELLED && r != ERR_BUSY)
        caller->failure = r ? "the add failed in another way" : "the add was not cancelled";
    arena_release(&arena);
    return NULL;
}

static void *canceller(void *argument)
{
    struct caller *caller = argument;
    struct engine_stats stats;
    do
        engine_get_stats(caller->fixture->engine, &stats);
    while (stats.bulk_texts_waiting == 0);
    engine_cancel(caller->fixture->engine);
    return NULL;
}

static void a_stop_ends_long_adds_and_stores_nothing_of_them(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "cat");
    void *(*const mains[THREADS])(void *) = {cancelled_adder, cancelled_adder, cancelled_adder,
                                             cancelled_adder, cancelled_adder, canceller};
    run_callers(fixture, mains);
    fixture_reopen(fixture);
    struct engine_collection collection;
    assert_ok(fixture,
              engine_collection_get(fixture->engine, "default", &collection, &fixture->err));
    assert_int_equal(collection.stored.documents, 1);
}

static void a_query_does_not_wait_for_a_long_add(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "cat");
    struct caller adding = {.fixture = fixture};
    assert_int_equal(pthread_create(&adding.thread, NULL, cancelled_adder, &adding), 0);
    struct engine_stats stats;
    do
        engine_get_stats(fixture->engine, &stats);
    while (stats.bulk_texts_waiting == 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture_search_text(fixture, "default", "dog", 1).count, 1);
    engine_get_stats(fixture->engine, &stats);
    assert_true(stats.bulk_texts_waiting > 0);
    engine_cancel(fixture->engine);
    pthread_join(adding.thread, NULL);
    assert_null(adding.failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(adds_searches_and_deletes_at_once_end_as_brute_force_says),
        engine_test(collections_come_and_go_under_their_users),
        engine_test(a_text_that_vanishes_after_the_plan_is_encoded_after_all),
        engine_test(a_query_does_not_wait_for_a_long_add),
        engine_test(a_stop_ends_long_adds_and_stores_nothing_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
