/* An engine on a folder of its own with a tiny model, what it logged, and short ways to use it.
 *
 * All of it is in this header, because each test is one source file.
 */
#ifndef SBERT_TESTS_DAEMON_ENGINE_FIXTURE_H
#define SBERT_TESTS_DAEMON_ENGINE_FIXTURE_H

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "daemon/engine.h"
#include "daemon/engine_internal.h"
#include "tests/test.h"

#define TINY_MODEL "tests/golden/models/mean-64"
#define OTHER_MODEL "tests/golden/models/cls-32"

struct fixture {
    char folder[64];
    struct engine *engine;
    struct arena arena;
    struct err err;
    pthread_mutex_t log_lock;
    struct buf log;
};

static inline void fixture_log(void *argument, int level, const char *message)
{
    struct fixture *fixture = argument;
    pthread_mutex_lock(&fixture->log_lock);
    assert_int_equal(buf_printf(&fixture->log, "<%d>%s\n", level, message), 0);
    pthread_mutex_unlock(&fixture->log_lock);
}

static inline bool fixture_logged(struct fixture *fixture, const char *text)
{
    pthread_mutex_lock(&fixture->log_lock);
    bool found = fixture->log.data && strstr(fixture->log.data, text);
    pthread_mutex_unlock(&fixture->log_lock);
    return found;
}

/* Fails the test with the error's message. */
#define assert_ok(fixture, call)                                                                   \
    do {                                                                                           \
        int result_ = (call);                                                                      \
        if (result_ != 0)                                                                          \
            fail_msg("%s: %d: %s", #call, result_, (fixture)->err.message);                        \
    } while (0)

static inline int fixture_try_open(struct fixture *fixture, const char *model)
{
    const struct engine_options options = {
        .data_folder = fixture->folder,
        .model = model,
        .threads = 2,
        .log = fixture_log,
        .log_argument = fixture,
    };
    return engine_open(&fixture->engine, &options, NULL, &fixture->err);
}

static inline void fixture_open(struct fixture *fixture, const char *model)
{
    assert_ok(fixture, fixture_try_open(fixture, model));
}

static inline void fixture_close(struct fixture *fixture)
{
    engine_close(fixture->engine);
    fixture->engine = NULL;
}

/* Closes and opens with the same model; the log begins anew. */
static inline void fixture_reopen(struct fixture *fixture)
{
    fixture_close(fixture);
    buf_clear(&fixture->log);
    fixture_open(fixture, TINY_MODEL);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    pthread_mutex_init(&fixture->log_lock, NULL);
    strcpy(fixture->folder, "/tmp/sbertd-engine-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture_open(fixture, TINY_MODEL);
    *state = fixture;
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_close(fixture);
    nftw(fixture->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    arena_release(&fixture->arena);
    buf_release(&fixture->log);
    pthread_mutex_destroy(&fixture->log_lock);
    free(fixture);
    return 0;
}

#define engine_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* --- short ways --- */

static inline struct engine_document text_document(const char *id, const char *text)
{
    return (struct engine_document){.id = id, .text = text, .text_size = strlen(text)};
}

static inline struct engine_document vector_document(const char *id, const char *text,
                                                     const float *vector, size_t size)
{
    return (struct engine_document){
        .id = id, .text = text, .text_size = strlen(text), .vector = vector, .vector_size = size};
}

static inline int fixture_try_add(struct fixture *fixture, const char *collection,
                                  const struct engine_document *documents, size_t count,
                                  struct engine_add_result *ret_result)
{
    return engine_add(fixture->engine, collection, documents, count, false, &fixture->arena,
                      ret_result, &fixture->err);
}

static inline struct engine_add_result fixture_add(struct fixture *fixture, const char *collection,
                                                   const struct engine_document *documents,
                                                   size_t count)
{
    struct engine_add_result result;
    assert_ok(fixture, fixture_try_add(fixture, collection, documents, count, &result));
    return result;
}

static inline struct engine_add_result fixture_add_text(struct fixture *fixture, const char *id,
                                                        const char *text)
{
    const struct engine_document document = text_document(id, text);
    return fixture_add(fixture, "default", &document, 1);
}

static inline void fixture_put_vectors(struct fixture *fixture, const char *name, size_t dimension,
                                       const char *metric)
{
    const struct engine_collection_options options = {.dimension = dimension, .metric = metric};
    bool created;
    assert_ok(fixture,
              engine_collection_put(fixture->engine, name, &options, &created, &fixture->err));
    assert_true(created);
}

static inline int fixture_try_search(struct fixture *fixture, const char *collection,
                                     const struct engine_query *query, size_t top_k,
                                     struct engine_results *ret_results)
{
    const struct engine_search_options options = {.top_k = top_k};
    return engine_search(fixture->engine, collection, query, 1, &options, &fixture->arena,
                         ret_results, &fixture->err);
}

static inline struct engine_results
fixture_search_text(struct fixture *fixture, const char *collection, const char *text, size_t top_k)
{
    const struct engine_query query = {.text = text, .text_size = strlen(text)};
    struct engine_results results;
    assert_ok(fixture, fixture_try_search(fixture, collection, &query, top_k, &results));
    return results;
}

static inline struct engine_results fixture_search_vector(struct fixture *fixture,
                                                          const char *collection,
                                                          const float *vector, size_t size,
                                                          size_t top_k)
{
    const struct engine_query query = {.vector = vector, .vector_size = size};
    struct engine_results results;
    assert_ok(fixture, fixture_try_search(fixture, collection, &query, top_k, &results));
    return results;
}

static inline size_t fixture_texts_encoded(struct fixture *fixture)
{
    struct engine_stats stats;
    engine_get_stats(fixture->engine, &stats);
    return (size_t)stats.texts_encoded;
}

/* Reproducible numbers in [-1, 1) (xorshift64*, Vigna 2014); `state` is not 0. */
static inline float random_float(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (float)((double)((*state * 0x2545F4914F6CDD1DULL) >> 40) / (double)(1 << 23) - 1);
}

/* --- the oracle: what the store holds, searched by brute force --- */

struct oracle {
    int64_t *ids;
    float *vectors; /* (count, dimension) */
    size_t count, dimension;
};

static inline int oracle_apply(void *argument, const struct store_changes *changes, struct err *err)
{
    struct oracle *oracle = argument;
    (void)err;
    size_t floats = oracle->dimension, total = oracle->count + changes->added_count;
    oracle->ids = reallocarray(oracle->ids, total + 1, sizeof *oracle->ids);
    oracle->vectors = reallocarray(oracle->vectors, total + 1, floats * sizeof(float));
    assert_true(oracle->ids && oracle->vectors);
    if (changes->added_count) {
        memcpy(oracle->ids + oracle->count, changes->added, changes->added_count * sizeof(int64_t));
        memcpy(oracle->vectors + oracle->count * floats, changes->vectors,
               changes->added_count * floats * sizeof(float));
    }
    oracle->count = total;
    for (size_t i = 0; i < changes->removed_count; i++) {
        for (size_t j = 0; j < oracle->count; j++) {
            if (oracle->ids[j] != changes->removed[i])
                continue;
            oracle->count--;
            oracle->ids[j] = oracle->ids[oracle->count];
            memmove(oracle->vectors + j * floats, oracle->vectors + oracle->count * floats,
                    floats * sizeof(float));
            break;
        }
    }
    return 0;
}

static inline struct oracle oracle_read(struct fixture *fixture, const char *collection)
{
    struct store_collection stored;
    assert_ok(fixture,
              store_collection_find(fixture->engine->store, collection, &stored, &fixture->err));
    struct oracle oracle = {.dimension = stored.dimension};
    assert_ok(fixture, store_replay(fixture->engine->store, stored.key, stored.dimension, 0, 100,
                                    oracle_apply, &oracle, &fixture->err));
    assert_int_equal(oracle.count, stored.passages);
    return oracle;
}

static inline void oracle_release(struct oracle *oracle)
{
    free(oracle->ids);
    free(oracle->vectors);
}

/* The cosine of the nearest vector that is below `bound`: called again and again, it walks down the
 * right answer. Returns -2 at its end. */
static inline double oracle_next(const struct oracle *oracle, const float *query, double bound)
{
    double best = -2;
    for (size_t i = 0; i < oracle->count; i++) {
        double cosine =
            encoder_cosine(query, oracle->vectors + i * oracle->dimension, oracle->dimension);
        if (cosine < bound && cosine > best)
            best = cosine;
    }
    return best;
}

/* That an answer has the scores that brute force gives, for vectors without ties and documents of
 * one passage. */
static inline void assert_matches_oracle(struct fixture *fixture, const char *collection,
                                         const float *query, size_t top_k)
{
    struct oracle oracle = oracle_read(fixture, collection);
    struct engine_results results =
        fixture_search_vector(fixture, collection, query, oracle.dimension, top_k);
    assert_int_equal(results.count, oracle.count < top_k ? oracle.count : top_k);
    double bound = 3;
    for (size_t i = 0; i < results.count; i++) {
        double right = oracle_next(&oracle, query, bound);
        assert_true(fabs(results.hits[i].score - right) < 1e-5);
        bound = right;
    }
    oracle_release(&oracle);
}

#endif
