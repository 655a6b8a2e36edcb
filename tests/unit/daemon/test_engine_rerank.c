/* Tests of the engine: a search in two stages. */
#include "daemon/engine_rerank.h"
#include "encoder/cross_encoder.h"
#include "engine_fixture.h"

#define ONE_LABEL "tests/golden/cross_encoders/one-label"

static const char query_text[] = "the cat sat on the mat";
static const char *const texts[] = {"the cat sat on the mat", "a great day", "new music",
                                    "search the files",       "rain",        "old song"};
enum { TEXTS = sizeof texts / sizeof *texts };

static void add_texts(struct fixture *fixture)
{
    char id[2] = "a";
    for (size_t i = 0; i < TEXTS; i++, id[0]++)
        fixture_add_text(fixture, id, texts[i]);
}

static int search(struct fixture *fixture, const char *model, size_t candidates, size_t top_k,
                  struct engine_results *ret_results)
{
    const struct engine_query query = {.text = query_text, .text_size = strlen(query_text)};
    const struct engine_search_options options = {.top_k = top_k};
    const struct engine_rerank_options rerank = {model, candidates};
    return engine_search_reranked(fixture->engine, "default", &query, 1, &options, &rerank,
                                  &fixture->arena, ret_results, &fixture->err);
}

/* What the cross-encoder gives for a text by itself. */
static double score_alone(const char *text)
{
    struct err err = {0};
    struct cross_encoder *cross;
    struct cross_encoder_crew *crew;
    float logit, score;
    const struct encoder_text pair = {query_text, strlen(query_text), text, strlen(text)};
    assert_int_equal(cross_encoder_open(&cross, ONE_LABEL, NULL, &err), 0);
    assert_int_equal(cross_encoder_crew_open(&crew, cross, 1, false, &err), 0);
    assert_int_equal(cross_encoder_score(crew, &pair, 1, &logit, &score, NULL, NULL, &err), 0);
    cross_encoder_crew_close(crew);
    cross_encoder_close(cross);
    return (double)score;
}

static void the_order_and_the_scores_are_the_cross_encoders(void **state)
{
    struct fixture *fixture = *state;
    struct engine_results results,
        first = (add_texts(fixture),
                 fixture_search_text(fixture, "default", query_text, ENGINE_TOP_K_MAX));
    assert_ok(fixture, search(fixture, ONE_LABEL, 0, 10, &results));
    assert_int_equal(results.count, TEXTS);
    for (size_t i = 0; i < results.count; i++) {
        const struct engine_hit *hit = &results.hits[i];
        assert_true(hit->score == score_alone(hit->row.text));
        assert_true(i == 0 || results.hits[i - 1].score >= hit->score);
        for (size_t j = 0; j < first.count; j++)
            if (strcmp(first.hits[j].row.id, hit->row.id) == 0)
                assert_true(first.hits[j].score == hit->vector_score);
    }
}

static void only_the_best_candidates_are_read(void **state)
{
    struct fixture *fixture = *state;
    struct engine_results results, first;
    add_texts(fixture);
    first = fixture_search_text(fixture, "default", query_text, 2);
    assert_ok(fixture, search(fixture, ONE_LABEL, 2, 10, &results));
    assert_int_equal(results.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(strcmp(results.hits[i].row.id, first.hits[0].row.id) == 0 ||
                    strcmp(results.hits[i].row.id, first.hits[1].row.id) == 0);
    assert_ok(fixture, search(fixture, ONE_LABEL, 0, 1, &results));
    assert_int_equal(results.count, 1);
}

static void a_model_is_loaded_once(void **state)
{
    struct fixture *fixture = *state;
    struct engine_results results;
    add_texts(fixture);
    assert_ok(fixture, search(fixture, ONE_LABEL, 0, 10, &results));
    assert_true(fixture_logged(fixture, "for reranking"));
    buf_clear(&fixture->log);
    assert_ok(fixture, search(fixture, ONE_LABEL, 0, 10, &results));
    assert_false(fixture_logged(fixture, "for reranking"));
}

static void of_many_models_the_last_few_are_kept(void **state)
{
    static const char *const models[] = {ONE_LABEL, "tests/golden/cross_encoders/one-label-logits",
                                         "tests/golden/cross_encoders/distilbert-one-label",
                                         "tests/golden/cross_encoders/xlm-roberta-one-label",
                                         "tests/../tests/golden/cross_encoders/one-label-logits"};
    struct fixture *fixture = *state;
    struct engine_results results;
    add_texts(fixture);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        assert_ok(fixture, search(fixture, models[i], 0, 10, &results));
    buf_clear(&fixture->log);
    assert_ok(fixture, search(fixture, models[1], 0, 10, &results));
    assert_false(fixture_logged(fixture, "for reranking"));
    assert_ok(fixture, search(fixture, ONE_LABEL, 0, 10, &results));
    assert_true(fixture_logged(fixture, "for reranking"));
}

static void what_cannot_rerank_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct engine_results results;
    const float vector[64] = {1};
    add_texts(fixture);
    assert_int_equal(search(fixture, TINY_MODEL, 0, 10, &results), ERR_UNSUPPORTED);
    assert_non_null(strstr(fixture->err.message, "classification head"));
    assert_int_equal(search(fixture, "tests/golden/cross_encoders/three-labels", 0, 10, &results),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(fixture->err.message, "3 labels"));
    assert_int_equal(search(fixture, "no-such-model", 0, 10, &results), ERR_NOT_FOUND);
    assert_int_equal(search(fixture, ONE_LABEL, ENGINE_TOP_K_MAX + 1, 10, &results), ERR_LIMIT);

    const struct engine_query query = {.vector = vector, .vector_size = 64};
    const struct engine_search_options options = {.top_k = 1};
    const struct engine_rerank_options rerank = {ONE_LABEL, 0};
    assert_int_equal(engine_search_reranked(fixture->engine, "default", &query, 1, &options,
                                            &rerank, &fixture->arena, &results, &fixture->err),
                     ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(the_order_and_the_scores_are_the_cross_encoders),
        engine_test(only_the_best_candidates_are_read),
        engine_test(a_model_is_loaded_once),
        engine_test(of_many_models_the_last_few_are_kept),
        engine_test(what_cannot_rerank_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
