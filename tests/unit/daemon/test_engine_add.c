/* Tests of the engine: adding, replacing, deleting, and what is refused. */
#include "engine_fixture.h"

static void new_changed_and_known_documents_are_counted_apart(void **state)
{
    struct fixture *fixture = *state;
    struct engine_document documents[] = {
        text_document("a", "the cat sat on the mat"),
        text_document("b", "a great day"),
        text_document("c", "new music"),
    };
    struct engine_add_result result = fixture_add(fixture, "default", documents, 3);
    assert_int_equal(result.added, 3);
    assert_int_equal(fixture_texts_encoded(fixture), 3);

    documents[1] = text_document("b", "a bad day");
    documents[2].metadata = "{\"year\":1999}";
    result = fixture_add(fixture, "default", documents, 3);
    assert_int_equal(result.added, 0);
    assert_int_equal(result.unchanged, 1);
    assert_int_equal(result.replaced, 2);
    /* the metadata changed without the text: only "a bad day" went through the model */
    assert_int_equal(fixture_texts_encoded(fixture), 4);

    struct store_row row;
    assert_ok(fixture,
              engine_get(fixture->engine, "default", "c", &fixture->arena, &row, &fixture->err));
    assert_string_equal(row.metadata, "{\"year\":1999}");
    struct engine_stats stats;
    engine_get_stats(fixture->engine, &stats);
    assert_int_equal(stats.documents_added, 3);
    assert_int_equal(stats.documents_replaced, 2);
    assert_int_equal(stats.documents_unchanged, 1);
}

static void a_known_text_under_another_id_is_not_encoded_again(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "first", "search the files");
    struct engine_add_result result = fixture_add_text(fixture, "second", "search the files");
    assert_int_equal(result.added, 1);
    assert_int_equal(fixture_texts_encoded(fixture), 1);

    struct engine_results results = fixture_search_text(fixture, "default", "search the files", 10);
    assert_int_equal(results.count, 2);
    assert_true(results.hits[0].score == results.hits[1].score);
    assert_true(fabs(results.hits[0].score - 1) < 1e-5);
}

static void one_text_twice_in_a_request_is_encoded_once(void **state)
{
    struct fixture *fixture = *state;
    const struct engine_document documents[] = {
        text_document("a", "old song"), text_document("b", "old song"),
        text_document("c", "new song"), text_document("d", "old song")};
    struct engine_add_result result = fixture_add(fixture, "default", documents, 4);
    assert_int_equal(result.added, 4);
    assert_int_equal(fixture_texts_encoded(fixture), 2);
    assert_int_equal(fixture_search_text(fixture, "default", "old song", 10).count, 4);
}

static void without_an_id_the_same_line_twice_is_one_document(void **state)
{
    struct fixture *fixture = *state;
    struct engine_add_result result = fixture_add_text(fixture, NULL, "rain");
    /* printf rain | sha256sum */
    assert_string_equal(result.ids[0], "319b44c570a417ff3444896cd4aa77f0");
    result = fixture_add_text(fixture, NULL, "rain");
    assert_int_equal(result.added, 0);
    assert_int_equal(result.unchanged, 1);
}

static void a_new_text_takes_the_place_of_the_old(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "stock market prices fall");
    fixture_add_text(fixture, "a", "happy dog");
    struct engine_results results = fixture_search_text(fixture, "default", "happy dog", 10);
    assert_int_equal(results.count, 1);
    assert_string_equal(results.hits[0].row.text, "happy dog");
    assert_true(fabs(results.hits[0].score - 1) < 1e-5);
}

static void a_deleted_document_is_found_no_more(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "water");
    fixture_add_text(fixture, "b", "fire");
    const char *ids[] = {"a", "never there"};
    size_t deleted;
    assert_ok(fixture,
              engine_delete(fixture->engine, "default", ids, 2, NULL, &deleted, &fixture->err));
    assert_int_equal(deleted, 1);
    struct engine_results results = fixture_search_text(fixture, "default", "water", 10);
    assert_int_equal(results.count, 1);
    assert_string_equal(results.hits[0].row.id, "b");
    struct store_row row;
    assert_int_equal(
        engine_get(fixture->engine, "default", "a", &fixture->arena, &row, &fixture->err),
        ERR_NOT_FOUND);
}

static void documents_are_listed_by_source_with_their_lines(void **state)
{
    struct fixture *fixture = *state;
    struct engine_document documents[] = {text_document("a", "one"), text_document("b", "two")};
    documents[0].source = (struct store_source){.path = "x.txt", .line = 7};
    documents[1].source = (struct store_source){.path = "y.txt", .line = 8};
    fixture_add(fixture, "default", documents, 2);
    struct store_row *rows;
    size_t count;
    const struct engine_list_options of_file = {.source = "y.txt", .limit = 10};
    assert_ok(fixture, engine_list(fixture->engine, "default", &of_file, &fixture->arena, &rows,
                                   &count, &fixture->err));
    assert_int_equal(count, 1);
    assert_string_equal(rows[0].id, "b");
    assert_int_equal(rows[0].source.line, 8);
}

static void a_long_text_is_found_by_the_passage_that_fits(void **state)
{
    struct fixture *fixture = *state;
    static const char long_text[] =
        "The cat sat on the mat. The dog runs fast. It was a great day in the city. "
        "People play music. Stock market prices fall and rise. Protect the file with a password. "
        "Rain is water. The sun is awesome. Old people search the world.";
    fixture_add_text(fixture, "long", long_text);
    fixture_add_text(fixture, "short", "yesterday was not good");
    assert_true(fixture_texts_encoded(fixture) > 3);

    struct store_row row;
    assert_ok(fixture,
              engine_get(fixture->engine, "default", "long", &fixture->arena, &row, &fixture->err));
    assert_true(row.passages > 2);

    /* Each stored passage, asked for by its own text, is the best one of its document. */
    struct engine_results results =
        fixture_search_text(fixture, "default", "Protect the file with a password.", 10);
    assert_int_equal(results.count, 2);
    for (size_t i = 0; i < results.count; i++) {
        if (strcmp(results.hits[i].row.id, "long") != 0)
            continue;
        size_t start = results.hits[i].start, end = results.hits[i].end;
        assert_true(start < end && end <= sizeof long_text - 1);
        char passage[sizeof long_text];
        snprintf(passage, sizeof passage, "%.*s", (int)(end - start), long_text + start);
        struct engine_results again = fixture_search_text(fixture, "default", passage, 1);
        assert_string_equal(again.hits[0].row.id, "long");
        assert_int_equal(again.hits[0].start, start);
        assert_int_equal(again.hits[0].end, end);
        assert_true(fabs(again.hits[0].score - 1) < 1e-5);
    }
}

static void many_documents_go_through_the_background_crew(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 3000 };
    struct engine_document *documents = calloc(COUNT, sizeof *documents);
    for (size_t i = 0; i < COUNT; i++) {
        char *text = arena_alloc(&fixture->arena, 32, 1);
        snprintf(text, 32, "file %zu of the world", i);
        documents[i] = text_document(NULL, text);
    }
    struct engine_add_result result;
    assert_ok(fixture, engine_add(fixture->engine, "default", documents, COUNT, true,
                                  &fixture->arena, &result, &fixture->err));
    assert_int_equal(result.added, COUNT);
    assert_int_equal(fixture_texts_encoded(fixture), COUNT);
    struct engine_stats stats;
    engine_get_stats(fixture->engine, &stats);
    assert_int_equal(stats.bulk_texts_waiting, 0);

    for (size_t i = 0; i < COUNT; i += 611) {
        struct engine_results results =
            fixture_search_text(fixture, "default", documents[i].text, 1);
        assert_string_equal(results.hits[0].row.text, documents[i].text);
    }
    free(documents);
}

/* --- what is refused, and that nothing of it is stored --- */

static void assert_refused(struct fixture *fixture, const char *collection,
                           struct engine_document wrong, int code, const char *message)
{
    const struct engine_document documents[] = {text_document("fine", "a fine one"), wrong};
    struct engine_add_result result;
    assert_int_equal(fixture_try_add(fixture, collection, documents, 2, &result), code);
    if (!strstr(fixture->err.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, fixture->err.message);
    struct store_row row;
    assert_int_equal(
        engine_get(fixture->engine, collection, "fine", &fixture->arena, &row, &fixture->err),
        ERR_NOT_FOUND);
}

static void a_wrong_document_is_named_and_the_request_refused(void **state)
{
    struct fixture *fixture = *state;
    char long_id[ENGINE_ID_MAX + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    const float three[3] = {1, 2, 3};
    assert_refused(fixture, "default", text_document(long_id, "text"), ERR_LIMIT,
                   "documents[1]: an id has 1 to 512 bytes, not 513");
    assert_refused(fixture, "default", text_document("", "text"), ERR_INVALID, "documents[1]");
    assert_refused(fixture, "default", text_document("\xff", "text"), ERR_INVALID,
                   "the id is not UTF-8 at byte 0");
    assert_refused(fixture, "default", text_document("x", "ab\xc3"), ERR_INVALID,
                   "the text is not UTF-8 at byte 2");
    assert_refused(fixture, "default", text_document("x", ""), ERR_INVALID, "it has no text");
    assert_refused(fixture, "default", vector_document("x", "text", three, 3), ERR_INVALID,
                   "the vector has 3 floats, collection default has 64");
    assert_refused(fixture, "elsewhere", text_document("x", "text"), ERR_NOT_FOUND, "elsewhere");

    struct engine_collection made; /* a refused first add makes nothing */
    assert_int_equal(engine_collection_get(fixture->engine, "default", &made, &fixture->err),
                     ERR_NOT_FOUND);
}

static void a_collection_of_client_vectors_takes_vectors_only(void **state)
{
    struct fixture *fixture = *state;
    fixture_put_vectors(fixture, "v", 2, "cosine");
    const float good[2] = {3, 4}, infinite[2] = {1, INFINITY};
    struct engine_document document = text_document("x", "text");
    struct engine_add_result result;
    assert_int_equal(fixture_try_add(fixture, "v", &document, 1, &result), ERR_INVALID);
    assert_non_null(strstr(fixture->err.message, "documents[0]: collection v has no model"));
    document = vector_document("x", "text", infinite, 2);
    assert_int_equal(fixture_try_add(fixture, "v", &document, 1, &result), ERR_INVALID);
    assert_non_null(strstr(fixture->err.message, "float 1 is not a finite number"));
    document = vector_document(NULL, "", good, 2);
    assert_int_equal(fixture_try_add(fixture, "v", &document, 1, &result), ERR_INVALID);

    document = vector_document("x", "", good, 2);
    fixture_add(fixture, "v", &document, 1);
    struct engine_results results = fixture_search_vector(fixture, "v", good, 2, 5);
    assert_int_equal(results.count, 1);
    assert_true(fabs(results.hits[0].score - 1) < 1e-6);
    assert_int_equal(fixture_texts_encoded(fixture), 0);

    const struct engine_query by_text = {.text = "text", .text_size = 4};
    assert_int_equal(fixture_try_search(fixture, "v", &by_text, 5, &results), ERR_INVALID);
}

static void another_vector_for_the_same_text_replaces_the_document(void **state)
{
    struct fixture *fixture = *state;
    fixture_put_vectors(fixture, "v", 2, "cosine");
    const float east[2] = {1, 0}, north[2] = {0, 1};
    struct engine_document document = vector_document(NULL, "text", east, 2);
    assert_int_equal(fixture_add(fixture, "v", &document, 1).added, 1);
    assert_int_equal(fixture_add(fixture, "v", &document, 1).unchanged, 1);
    document.vector = north;
    assert_int_equal(fixture_add(fixture, "v", &document, 1).replaced, 1);
    struct engine_results results = fixture_search_vector(fixture, "v", north, 2, 5);
    assert_int_equal(results.count, 1);
    assert_true(fabs(results.hits[0].score - 1) < 1e-6);
}

static void a_stopping_engine_takes_no_more_calls(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "water");
    engine_cancel(fixture->engine);
    const struct engine_document document = text_document("b", "fire");
    struct engine_add_result result;
    assert_int_equal(fixture_try_add(fixture, "default", &document, 1, &result), ERR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(new_changed_and_known_documents_are_counted_apart),
        engine_test(a_known_text_under_another_id_is_not_encoded_again),
        engine_test(one_text_twice_in_a_request_is_encoded_once),
        engine_test(without_an_id_the_same_line_twice_is_one_document),
        engine_test(a_new_text_takes_the_place_of_the_old),
        engine_test(a_deleted_document_is_found_no_more),
        engine_test(documents_are_listed_by_source_with_their_lines),
        engine_test(a_long_text_is_found_by_the_passage_that_fits),
        engine_test(many_documents_go_through_the_background_crew),
        engine_test(a_wrong_document_is_named_and_the_request_refused),
        engine_test(a_collection_of_client_vectors_takes_vectors_only),
        engine_test(another_vector_for_the_same_text_replaces_the_document),
        engine_test(a_stopping_engine_takes_no_more_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
