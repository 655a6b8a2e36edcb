/* Tests of an engine whose collections are loaded while it is in use, and of what the service says
 * meanwhile. */
#include "daemon/routes.h"
#include "engine_fixture.h"

enum { DIMENSION = 4 };

static void open_unloaded(struct fixture *fixture)
{
    const struct engine_options options = {
        .data_folder = fixture->folder,
        .model = TINY_MODEL,
        .threads = 2,
        .load_later = true,
        .log = fixture_log,
        .log_argument = fixture,
    };
    assert_ok(fixture, engine_open(&fixture->engine, &options, NULL, &fixture->err));
}

/* A collection of one text and one of two vectors, in an engine that has loaded neither. */
static void make_and_reopen(struct fixture *fixture)
{
    static const float vectors[2][DIMENSION] = {{1, 0, 0, 0}, {0, 1, 0, 0}};
    const struct engine_document documents[] = {vector_document("x", "x", vectors[0], DIMENSION),
                                                vector_document("y", "y", vectors[1], DIMENSION)};
    fixture_add_text(fixture, "a", "cat");
    fixture_put_vectors(fixture, "vectors", DIMENSION, "cosine");
    fixture_add(fixture, "vectors", documents, 2);
    fixture_close(fixture);
    open_unloaded(fixture);
}

static void a_collection_is_refused_until_it_is_loaded_and_then_answers(void **state)
{
    struct fixture *fixture = *state;
    const struct engine_query query = {.text = "cat", .text_size = 3};
    const struct engine_document document = text_document("b", "dog");
    struct engine_results results;
    struct engine_add_result added;
    make_and_reopen(fixture);

    assert_int_equal(fixture_try_search(fixture, "default", &query, 1, &results), ERR_BUSY);
    assert_non_null(strstr(fixture->err.message, "collection default is being loaded: 0 of 1"));
    assert_int_equal(fixture_try_add(fixture, "default", &document, 1, &added), ERR_BUSY);
    assert_int_equal(engine_collection_drop(fixture->engine, "default", &fixture->err), ERR_BUSY);

    assert_ok(fixture, engine_load(fixture->engine, NULL, &fixture->err));
    assert_int_equal(fixture_search_text(fixture, "default", "cat", 1).count, 1);
    fixture_add(fixture, "default", &document, 1);
    assert_int_equal(fixture_search_text(fixture, "default", "cat", 9).count, 2);
}

static void what_needs_no_index_is_answered_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_row row, *rows;
    struct engine_collection *collections;
    struct engine_stats stats;
    float vector[64];
    size_t count;
    make_and_reopen(fixture);

    assert_ok(fixture,
              engine_get(fixture->engine, "default", "a", &fixture->arena, &row, &fixture->err));
    assert_string_equal(row.text, "cat");
    const struct engine_list_options listed = {.limit = 9};
    assert_ok(fixture, engine_list(fixture->engine, "vectors", &listed, &fixture->arena, &rows,
                                   &count, &fixture->err));
    assert_int_equal(count, 2);
    assert_ok(fixture, engine_collection_list(fixture->engine, &fixture->arena, &collections,
                                              &count, &fixture->err));
    assert_int_equal(count, 2);
    assert_false(collections[0].ready || collections[1].ready);
    assert_int_equal(collections[1].stored.passages, 2);
    engine_get_stats(fixture->engine, &stats);
    assert_int_equal(stats.index_bytes, 0);
    const struct encoder_text text = {.text = "dog", .size = 3};
    assert_ok(fixture,
              engine_embed(fixture->engine, NULL, NULL, &text, 1, vector, NULL, &fixture->err));
}

static void collections_are_loaded_smallest_first_and_the_progress_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct engine_loading loading;
    make_and_reopen(fixture);
    assert_true(engine_is_loading(fixture->engine, &loading));
    assert_string_equal(loading.name, "default");
    assert_int_equal(loading.collections, 2);
    assert_int_equal(loading.ready, 0);
    assert_int_equal(loading.total, 1);

    fixture_put_vectors(fixture, "new", DIMENSION, "dot");
    engine_is_loading(fixture->engine, &loading);
    assert_int_equal(loading.ready, 1); /* what is made meanwhile has nothing to load */
    assert_ok(fixture, engine_load(fixture->engine, NULL, &fixture->err));
    assert_false(engine_is_loading(fixture->engine, &loading));
    assert_int_equal(loading.ready, 3);
}

static void an_engine_that_was_never_loaded_closes_and_keeps_everything(void **state)
{
    struct fixture *fixture = *state;
    volatile int cancel = 1;
    make_and_reopen(fixture);
    fixture_close(fixture);
    open_unloaded(fixture);
    assert_int_equal(engine_load(fixture->engine, &cancel, &fixture->err), ERR_CANCELLED);
    fixture_reopen(fixture);
    assert_int_equal(fixture_search_text(fixture, "default", "cat", 1).count, 1);
}

/* --- what the service says --- */

static int answer(struct service *service, const char *method, const char *target, const char *body,
                  struct call *ret_call)
{
    *ret_call = (struct call){.service = service, .body = body, .body_size = strlen(body)};
    assert_int_equal(call_route(ret_call, method, target), 0);
    assert_false(call_refuse_unready(ret_call));
    call_answer(ret_call);
    assert_int_equal(buf_append(&ret_call->answer, "", 1), 0);
    return ret_call->status;
}

static void the_service_is_unhealthy_with_its_progress_until_all_is_loaded(void **state)
{
    struct fixture *fixture = *state;
    struct service service = {0};
    struct call call;
    make_and_reopen(fixture);
    service.engine = fixture->engine;
    atomic_store(&service.state, SERVICE_OPEN);

    assert_int_equal(answer(&service, "GET", "/health", "", &call), 503);
    assert_non_null(strstr(call.answer.data, "\"code\":\"loading\""));
    assert_non_null(strstr(call.answer.data, "\"loading\":{\"collections\":2,\"ready\":0,"
                                             "\"collection\":\"default\",\"vectors\":0,"
                                             "\"total\":1}"));
    call_release(&call);
    assert_int_equal(
        answer(&service, "POST", "/v1/collections/vectors/search", "{\"vector\":[1,0,0,0]}", &call),
        503);
    call_release(&call);

    assert_ok(fixture, engine_load(fixture->engine, NULL, &fixture->err));
    atomic_store(&service.state, SERVICE_READY);
    assert_int_equal(answer(&service, "GET", "/health", "", &call), 200);
    assert_non_null(strstr(call.answer.data, "{\"status\":\"ok\",\"precision\":\""));
    call_release(&call);
    assert_int_equal(
        answer(&service, "POST", "/v1/collections/vectors/search", "{\"vector\":[1,0,0,0]}", &call),
        200);
    call_release(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(a_collection_is_refused_until_it_is_loaded_and_then_answers),
        engine_test(what_needs_no_index_is_answered_at_once),
        engine_test(collections_are_loaded_smallest_first_and_the_progress_is_told),
        engine_test(an_engine_that_was_never_loaded_closes_and_keeps_everything),
        engine_test(the_service_is_unhealthy_with_its_progress_until_all_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
