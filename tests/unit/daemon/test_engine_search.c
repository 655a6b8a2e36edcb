/* Tests of the engine: what a search answers, against brute force over the stored vectors. */
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include "engine_fixture.h"

enum { DIMENSION = 8 };

/* `count` documents with random vectors, named by number, in a collection of client vectors. */
static void add_random(struct fixture *fixture, const char *collection, size_t count,
                       uint64_t *random)
{
    struct engine_document *documents = calloc(count, sizeof *documents);
    float *vectors = calloc(count * DIMENSION, sizeof *vectors);
    assert_true(documents && vectors);
    for (size_t i = 0; i < count; i++) {
        char *id = arena_alloc(&fixture->arena, 24, 1);
        snprintf(id, 24, "%zu", i);
        for (size_t j = 0; j < DIMENSION; j++)
            vectors[i * DIMENSION + j] = random_float(random);
        documents[i] = vector_document(id, id, vectors + i * DIMENSION, DIMENSION);
    }
    fixture_add(fixture, collection, documents, count);
    free(vectors);
    free(documents);
}

static void answers_equal_brute_force_through_adds_and_deletes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 42;
    fixture_put_vectors(fixture, "v", DIMENSION, NULL);
    add_random(fixture, "v", 500, &random);
    for (size_t round = 0; round < 10; round++) {
        char id[24];
        const char *ids[] = {id};
        size_t deleted;
        snprintf(id, sizeof id, "%zu", round * 37);
        assert_ok(fixture,
                  engine_delete(fixture->engine, "v", ids, 1, NULL, &deleted, &fixture->err));
        add_random(fixture, "v", 20 + round, &random); /* takes the place of the first ones */

        float query[DIMENSION];
        for (size_t j = 0; j < DIMENSION; j++)
            query[j] = random_float(&random);
        assert_matches_oracle(fixture, "v", query, 1);
        assert_matches_oracle(fixture, "v", query, 25);
        assert_matches_oracle(fixture, "v", query, 1000);
    }
}

static void a_query_by_text_is_a_query_by_its_vector(void **state)
{
    struct fixture *fixture = *state;
    fixture_add_text(fixture, "a", "the cat sat on the mat");
    fixture_add_text(fixture, "b", "stock market");
    fixture_add_text(fixture, "c", "edit a movie file");
    const struct encoder_text text = {.text = "edits of films", .size = 14};
    float vector[64];
    assert_ok(fixture,
              engine_embed(fixture->engine, NULL, NULL, &text, 1, vector, NULL, &fixture->err));
    struct engine_results by_text = fixture_search_text(fixture, "default", "edits of films", 3);
    struct engine_results by_vector = fixture_search_vector(fixture, "default", vector, 64, 3);
    assert_int_equal(by_text.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(by_text.hits[i].row.id, by_vector.hits[i].row.id);
        assert_true(by_text.hits[i].score == by_vector.hits[i].score);
    }
    assert_matches_oracle(fixture, "default", vector, 3);
}

/* The tiny model with prompts of its own, in a folder made of links to its files. */
static void make_prompted_model(const char *folder)
{
    static const char config[] =
        "{\"prompts\": {\"query\": \"find a \", \"document\": \"this is the \"}}";
    char *model = realpath(TINY_MODEL, NULL), from[512], to[512];
    struct err err;
    assert_int_equal(mkdir(folder, 0700), 0);
    DIR *stream = opendir(TINY_MODEL);
    assert_true(model && stream);
    for (struct dirent *entry; (entry = readdir(stream));) {
        snprintf(from, sizeof from, "%s/%s", model, entry->d_name);
        snprintf(to, sizeof to, "%s/%s", folder, entry->d_name);
        if (strcmp(entry->d_name, "config_sentence_transformers.json") == 0)
            assert_int_equal(file_write(to, config, sizeof config - 1, 0600, &err), 0);
        else if (entry->d_name[0] != '.')
            assert_int_equal(symlink(from, to), 0);
    }
    closedir(stream);
    free(model);
}

static void documents_and_queries_get_the_models_prompts(void **state)
{
    struct fixture *fixture = *state;
    const struct encoder_text joined[] = {{.text = "find a film", .size = 11},
                                          {.text = "this is the movie", .size = 17}};
    float vectors[2][64];
    assert_ok(fixture, engine_embed(fixture->engine, NULL, NULL, joined, 2, vectors[0], NULL,
                                    &fixture->err));
    fixture_close(fixture);
    char folder[128];
    snprintf(folder, sizeof folder, "%s/prompted", fixture->folder);
    make_prompted_model(folder);
    fixture_open(fixture, folder);

    fixture_add_text(fixture, "a", "movie");
    struct engine_results results = fixture_search_text(fixture, "default", "film", 1);
    double expected = encoder_cosine(vectors[0], vectors[1], 64);
    assert_true(fabs(results.hits[0].score - expected) < 1e-5);

    /* passages leave room for the prompt */
    struct engine_add_result result =
        fixture_add_text(fixture, "long",
                         "the cat sat on the mat and the dog runs fast in the rain of the city and "
                         "old people play new music for the happy world with you");
    assert_int_equal(result.truncated, 0);
}

static void several_queries_are_answered_as_each_alone(void **state)
{
    struct fixture *fixture = *state;
    const char *texts[] = {"the weather", "a great movie", "password", "old songs"};
    for (size_t i = 0; i < 4; i++)
        fixture_add_text(fixture, NULL, texts[i]);
    float vector[64];
    const struct encoder_text password = {.text = "password", .size = 8};
    assert_ok(fixture,
              engine_embed(fixture->engine, NULL, NULL, &password, 1, vector, NULL, &fixture->err));
    /* the third brings its vector */
    struct engine_query queries[4];
    for (size_t i = 0; i < 4; i++)
        queries[i] = (struct engine_query){.text = texts[i], .text_size = strlen(texts[i])};
    queries[2] = (struct engine_query){.vector = vector, .vector_size = 64};
    struct engine_results results[4];
    const struct engine_search_options options = {.top_k = 2};
    assert_ok(fixture, engine_search(fixture->engine, "default", queries, 4, &options,
                                     &fixture->arena, results, &fixture->err));
    for (size_t i = 0; i < 4; i++) {
        struct engine_results alone = fixture_search_text(fixture, "default", texts[i], 2);
        assert_int_equal(results[i].count, 2);
        assert_string_equal(results[i].hits[0].row.text, texts[i]);
        for (size_t j = 0; j < 2; j++) {
            assert_string_equal(results[i].hits[j].row.id, alone.hits[j].row.id);
            assert_true(fabs(results[i].hits[j].score - alone.hits[j].score) < 1e-6);
        }
    }
}

enum { ASKERS = 8, ASKED = 6, ROUNDS = 40 };

struct asker {
    pthread_t thread;
    struct engine *engine;
    size_t number;
    const char *const *texts;           /* (ASKED) */
    const struct engine_results *alone; /* (ASKED) */
    size_t wrong;
};

static void *ask_again_and_again(void *argument)
{
    struct asker *asker = argument;
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t which = (asker->number + round) % ASKED;
        const struct engine_results *alone = &asker->alone[which];
        const struct engine_query query = {.text = asker->texts[which],
                                           .text_size = strlen(asker->texts[which])};
        const struct engine_search_options options = {.top_k = alone->count,
                                                      .exact = asker->number % 2 == 1};
        struct arena arena = {0};
        struct engine_results results;
        struct err err;
        int r =
            engine_search(asker->engine, "default", &query, 1, &options, &arena, &results, &err);
        bool same = r == 0 && results.count == alone->count;
        for (size_t i = 0; same && i < results.count; i++)
            same = strcmp(results.hits[i].row.id, alone->hits[i].row.id) == 0 &&
                   memcmp(&results.hits[i].score, &alone->hits[i].score, sizeof(double)) == 0;
        asker->wrong += !same;
        arena_release(&arena);
    }
    return NULL;
}

static void searches_at_once_are_answered_as_each_alone(void **state)
{
    static const char *const texts[ASKED] = {"the weather", "a great movie", "password",
                                             "old songs",   "bread and tea", "a long day at sea"};
    struct fixture *fixture = *state;
    struct engine_results alone[ASKED];
    struct asker askers[ASKERS];
    for (size_t i = 0; i < ASKED; i++)
        fixture_add_text(fixture, NULL, texts[i]);
    for (size_t i = 0; i < ASKED; i++)
        alone[i] = fixture_search_text(fixture, "default", texts[i], 2 + i % 3);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] =
            (struct asker){.engine = fixture->engine, .number = i, .texts = texts, .alone = alone};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_again_and_again, &askers[i]),
                         0);
    }
    for (size_t i = 0; i < ASKERS; i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(askers[i].wrong, 0);
}

static void a_document_of_many_passages_does_not_crowd_the_others_out(void **state)
{
    struct fixture *fixture = *state;
    /* Some 300 passages that are all nearer than the other documents. */
    struct buf text = {0};
    for (size_t i = 0; i < 1200; i++)
        buf_append_string(&text, "the cat sat on the mat. ");
    fixture_add_text(fixture, "crowd", text.data);
    buf_release(&text);
    for (size_t i = 0; i < 12; i++) {
        char line[32];
        snprintf(line, sizeof line, "%zu share prices", i);
        fixture_add_text(fixture, NULL, line);
    }
    struct engine_results results =
        fixture_search_text(fixture, "default", "the cat sat on the mat.", 5);
    assert_int_equal(results.count, 5);
    assert_string_equal(results.hits[0].row.id, "crowd");
    for (size_t i = 1; i < results.count; i++)
        assert_string_not_equal(results.hits[i].row.id, "crowd");
    assert_int_equal(fixture_search_text(fixture, "default", "the cat sat on the mat.", 1000).count,
                     13);
}

static void hits_below_the_least_score_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    const float vectors[3][2] = {{1, 0}, {1, 1}, {-1, 0}};
    fixture_put_vectors(fixture, "v", 2, "cosine");
    const struct engine_document documents[] = {vector_document("same", "s", vectors[0], 2),
                                                vector_document("near", "n", vectors[1], 2),
                                                vector_document("far", "f", vectors[2], 2)};
    fixture_add(fixture, "v", documents, 3);
    const struct engine_query query = {.vector = vectors[0], .vector_size = 2};
    struct engine_search_options options = {.top_k = 10, .has_min_score = true, .min_score = 0.5};
    struct engine_results results;
    assert_ok(fixture, engine_search(fixture->engine, "v", &query, 1, &options, &fixture->arena,
                                     &results, &fixture->err));
    assert_int_equal(results.count, 2);
    assert_string_equal(results.hits[1].row.id, "near");
    assert_true(fabs(results.hits[1].score - sqrt(0.5)) < 1e-6);
    options.min_score = NAN;
    assert_int_equal(engine_search(fixture->engine, "v", &query, 1, &options, &fixture->arena,
                                   &results, &fixture->err),
                     ERR_INVALID);
}

static void metrics_rank_as_they_say(void **state)
{
    struct fixture *fixture = *state;
    const float vectors[2][2] = {{1, 0}, {10, 10}}, query[2] = {1, 0};
    const char *metrics[] = {"cosine", "dot", "l2"}, *nearest[] = {"unit", "large", "unit"};
    const double scores[] = {1, 10, 0};
    const struct engine_document documents[] = {vector_document("unit", "u", vectors[0], 2),
                                                vector_document("large", "l", vectors[1], 2)};
    for (size_t i = 0; i < 3; i++) {
        fixture_put_vectors(fixture, metrics[i], 2, metrics[i]);
        fixture_add(fixture, metrics[i], documents, 2);
        struct engine_results results = fixture_search_vector(fixture, metrics[i], query, 2, 1);
        assert_string_equal(results.hits[0].row.id, nearest[i]);
        assert_true(fabs(results.hits[0].score - scores[i]) < 1e-6);
    }
}

static void what_cannot_be_asked_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct engine_results results;
    struct engine_query query = {.text = "cat", .text_size = 3};
    assert_int_equal(fixture_try_search(fixture, "default", &query, 10, &results), ERR_NOT_FOUND);
    assert_string_equal(fixture->err.message, "nothing is indexed yet: sbert-index add FILE");
    fixture_add_text(fixture, "a", "cat");
    assert_int_equal(fixture_try_search(fixture, "default", &query, 0, &results), ERR_INVALID);
    assert_int_equal(fixture_try_search(fixture, "default", &query, 1001, &results), ERR_LIMIT);
    query = (struct engine_query){.text = "", .text_size = 0};
    assert_int_equal(fixture_try_search(fixture, "default", &query, 10, &results), ERR_INVALID);
    query = (struct engine_query){.text = "\x80", .text_size = 1};
    assert_int_equal(fixture_try_search(fixture, "default", &query, 10, &results), ERR_INVALID);
    const float three[3] = {0};
    query = (struct engine_query){.vector = three, .vector_size = 3};
    assert_int_equal(fixture_try_search(fixture, "default", &query, 10, &results), ERR_INVALID);
    assert_string_equal(fixture->err.message, "the vector has 3 floats, collection default has 64");
    assert_int_equal(fixture_try_search(fixture, "other", &query, 10, &results), ERR_NOT_FOUND);
}

static void an_empty_collection_answers_nothing(void **state)
{
    struct fixture *fixture = *state;
    const float query[2] = {1, 0};
    fixture_put_vectors(fixture, "v", 2, "cosine");
    assert_int_equal(fixture_search_vector(fixture, "v", query, 2, 10).count, 0);
}

/* A search that had its collection before it was dropped, and goes on after. */
static void a_search_whose_collection_is_dropped_meanwhile_says_so(void **state)
{
    struct fixture *fixture = *state;
    const struct engine_search_options options = {.top_k = 3};
    const struct engine_query query = {.text = "cat", .text_size = 3};
    struct search search = {.engine = fixture->engine,
                            .queries = &query,
                            .count = 1,
                            .options = &options,
                            .arena = &fixture->arena};
    struct err *err = &fixture->err;
    fixture_add_text(fixture, "a", "cat");
    assert_ok(fixture, collection_take(fixture->engine, "default", &search.collection, err));
    assert_ok(fixture, search_encode(&search, err));
    assert_ok(fixture, engine_collection_drop(fixture->engine, "default", err));
    assert_ok(fixture, search_rank(&search, err));
    assert_true(search.vanished);
    assert_int_equal(search_wait_for_writer(&search, err), ERR_NOT_FOUND);
    search_release(&search);
    collection_release(fixture->engine, search.collection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(answers_equal_brute_force_through_adds_and_deletes),
        engine_test(a_query_by_text_is_a_query_by_its_vector),
        engine_test(documents_and_queries_get_the_models_prompts),
        engine_test(several_queries_are_answered_as_each_alone),
        engine_test(searches_at_once_are_answered_as_each_alone),
        engine_test(a_document_of_many_passages_does_not_crowd_the_others_out),
        engine_test(hits_below_the_least_score_are_left_out),
        engine_test(metrics_rank_as_they_say),
        engine_test(what_cannot_be_asked_is_refused),
        engine_test(an_empty_collection_answers_nothing),
        engine_test(a_search_whose_collection_is_dropped_meanwhile_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
