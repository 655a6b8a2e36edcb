/* Tests of the engine: collections, what they are bound to, and the data folder's lock. */
#include "engine_fixture.h"

static int put(struct fixture *fixture, const char *name, struct engine_collection_options options,
               bool *ret_created)
{
    return engine_collection_put(fixture->engine, name, &options, ret_created, &fixture->err);
}

static void putting_a_collection_twice_finds_it_there(void **state)
{
    struct fixture *fixture = *state;
    bool created;
    assert_ok(fixture, put(fixture, "x", (struct engine_collection_options){0}, &created));
    assert_true(created);
    assert_ok(fixture,
              put(fixture, "x", (struct engine_collection_options){.metric = "cosine"}, &created));
    assert_false(created);
    struct engine_collection collection;
    assert_ok(fixture, engine_collection_get(fixture->engine, "x", &collection, &fixture->err));
    assert_string_equal(collection.stored.model, "mean-64");
    assert_string_equal(collection.stored.fingerprint, engine_model(fixture->engine)->fingerprint);
    assert_int_equal(collection.stored.dimension, 64);
    assert_string_equal(collection.index_kind, "flat");
}

static void other_settings_for_a_collection_conflict(void **state)
{
    struct fixture *fixture = *state;
    bool created;
    assert_ok(fixture, put(fixture, "x", (struct engine_collection_options){0}, &created));
    fixture_put_vectors(fixture, "v", 3, "dot");
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.metric = "l2"}, &created),
        ERR_CONFLICT);
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.index = "hnsw"}, &created),
        ERR_CONFLICT);
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.dimension = 64}, &created),
        ERR_CONFLICT);
    assert_int_equal(
        put(fixture, "v", (struct engine_collection_options){.dimension = 4}, &created),
        ERR_CONFLICT);
    assert_int_equal(
        put(fixture, "v", (struct engine_collection_options){.model = "mean-64"}, &created),
        ERR_CONFLICT);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    struct fixture *fixture = *state;
    bool created;
    assert_int_equal(put(fixture, "a/b", (struct engine_collection_options){0}, &created),
                     ERR_INVALID);
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.metric = "hamming"}, &created),
        ERR_INVALID);
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.index = "ivf"}, &created),
        ERR_INVALID);
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.model = "gpt"}, &created),
        ERR_NOT_FOUND);
    assert_int_equal(put(fixture, "x",
                         (struct engine_collection_options){.model = "mean-64", .dimension = 3},
                         &created),
                     ERR_INVALID);
    assert_int_equal(
        put(fixture, "x", (struct engine_collection_options){.dimension = 65537}, &created),
        ERR_LIMIT);
    struct engine_collection *list;
    size_t count;
    assert_ok(fixture, engine_collection_list(fixture->engine, &fixture->arena, &list, &count,
                                              &fixture->err));
    assert_int_equal(count, 0);
}

static void a_dropped_collection_is_gone_and_its_name_free(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "cat");
    fixture_reopen(fixture);
    struct engine_collection before, after;
    assert_ok(fixture, engine_collection_get(fixture->engine, "default", &before, &fixture->err));
    char *snapshot = data_folder_snapshot(&fixture->engine->folder, before.stored.key);
    assert_true(file_exists(snapshot));

    assert_ok(fixture, engine_collection_drop(fixture->engine, "default", &fixture->err));
    assert_false(file_exists(snapshot));
    free(snapshot);
    struct engine_results results;
    const struct engine_query query = {.text = "cat", .text_size = 3};
    assert_int_equal(fixture_try_search(fixture, "default", &query, 10, &results), ERR_NOT_FOUND);
    assert_int_equal(engine_collection_drop(fixture->engine, "default", &fixture->err),
                     ERR_NOT_FOUND);

    assert_int_equal(fixture_add_text(fixture, "b", "dog").added, 1);
    assert_ok(fixture, engine_collection_get(fixture->engine, "default", &after, &fixture->err));
    assert_int_not_equal(after.stored.key, before.stored.key);
    assert_int_equal(after.index_live, 1);
    results = fixture_search_text(fixture, "default", "cat", 10);
    assert_int_equal(results.count, 1);
    assert_string_equal(results.hits[0].row.id, "b");
}

static void another_model_is_refused_and_named(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "cat");
    struct engine_results results = fixture_search_text(fixture, "default", "cat", 1);
    float vector[64];
    const struct encoder_text text = {.text = "cat", .size = 3};
    assert_ok(fixture, engine_embed(fixture->engine, "mean-64", NULL, &text, 1, vector, NULL,
                                    &fixture->err));
    fixture_close(fixture);
    fixture_open(fixture, OTHER_MODEL);

    const struct engine_query by_text = {.text = "cat", .text_size = 3};
    assert_int_equal(fixture_try_search(fixture, "default", &by_text, 1, &results), ERR_CONFLICT);
    assert_non_null(strstr(fixture->err.message, "belongs to model mean-64"));
    assert_non_null(strstr(fixture->err.message, "this daemon runs cls-32"));
    const struct engine_document document = text_document("b", "dog");
    struct engine_add_result result;
    assert_int_equal(fixture_try_add(fixture, "default", &document, 1, &result), ERR_CONFLICT);
    assert_int_equal(
        engine_embed(fixture->engine, "mean-64", NULL, &text, 1, vector, NULL, &fixture->err),
        ERR_NOT_FOUND);

    /* what needs no model goes on: listing, vectors, deleting */
    struct engine_collection *list;
    size_t count, deleted;
    assert_ok(fixture, engine_collection_list(fixture->engine, &fixture->arena, &list, &count,
                                              &fixture->err));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].stored.documents, 1);
    assert_string_equal(fixture_search_vector(fixture, "default", vector, 64, 1).hits[0].row.id,
                        "a");
    const char *ids[] = {"a"};
    assert_ok(fixture,
              engine_delete(fixture->engine, "default", ids, 1, NULL, &deleted, &fixture->err));
    assert_int_equal(deleted, 1);
}

static void a_second_engine_on_the_same_folder_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct engine *first = fixture->engine;
    int r = fixture_try_open(fixture, TINY_MODEL);
    fixture->engine = first;
    assert_int_equal(r, ERR_BUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(fixture->err.message, pid));
    assert_non_null(strstr(fixture->err.message, fixture->folder));
}

static void a_model_that_is_not_there_is_named(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    assert_int_equal(fixture_try_open(fixture, "no-such-model"), ERR_NOT_FOUND);
    assert_null(fixture->engine);
    assert_non_null(strstr(fixture->err.message, "no-such-model"));
}

static void texts_are_embedded_alike_at_once_and_in_the_background(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 40 };
    struct encoder_text texts[COUNT];
    struct encoder_usage usage[COUNT];
    float many[COUNT][64], one[64];
    for (size_t i = 0; i < COUNT; i++) {
        char *text = arena_alloc(&fixture->arena, 32, 1);
        snprintf(text, 32, "%zu files", i * i);
        texts[i] = (struct encoder_text){.text = text, .size = strlen(text)};
    }
    assert_ok(fixture, engine_embed(fixture->engine, NULL, NULL, texts, COUNT, &many[0][0], usage,
                                    &fixture->err));
    for (size_t i = 0; i < COUNT; i += 13) {
        assert_ok(fixture, engine_embed(fixture->engine, NULL, NULL, &texts[i], 1, one, NULL,
                                        &fixture->err));
        assert_memory_equal(one, many[i], sizeof one);
        assert_true(usage[i].tokens >= 4 && !usage[i].truncated);
    }
    texts[COUNT - 1] = (struct encoder_text){.text = "\xff", .size = 1};
    assert_int_equal(
        engine_embed(fixture->engine, NULL, NULL, texts, COUNT, &many[0][0], usage, &fixture->err),
        ERR_INVALID);
    assert_string_equal(fixture->err.message, "texts[39] is not UTF-8 at byte 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(putting_a_collection_twice_finds_it_there),
        engine_test(other_settings_for_a_collection_conflict),
        engine_test(settings_that_make_no_sense_are_refused),
        engine_test(a_dropped_collection_is_gone_and_its_name_free),
        engine_test(another_model_is_refused_and_named),
        engine_test(a_second_engine_on_the_same_folder_is_refused),
        engine_test(a_model_that_is_not_there_is_named),
        engine_test(texts_are_embedded_alike_at_once_and_in_the_background),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
