/* Tests of the encoder of queries: what waits together goes together, and each call gets exactly
 * what it would have got alone. */
#include <pthread.h>
#include <stdatomic.h>

#include "engine_fixture.h"

enum { CALLERS = 8, TEXTS = 12, ROUNDS_MAX = 100000 };

static const char *const texts[TEXTS] = {"a man rides a horse",
                                         "stocks fall",
                                         "rain",
                                         "the mayor opens a bridge over the river",
                                         "a cat",
                                         "two dogs run through deep snow and bark at a red car",
                                         "bread",
                                         "war and peace",
                                         "a long day at the sea with nothing to do but look",
                                         "tea",
                                         "snow in april",
                                         "no"};

struct shared {
    struct encoder *encoder;
    struct query_encoder *queries;
    size_t dimension;
    float *alone[2]; /* (TEXTS, dimension), without and with the prompt */
    atomic_size_t calls;
};

struct caller {
    struct shared *shared;
    size_t number;
    size_t wrong; /* answers that were not those of the text alone */
    size_t steps_together;
    size_t mistaken; /* calls that failed and should not, or the other way */
    pthread_t thread;
};

static const char *prompt_of(size_t which)
{
    return which ? "query: " : NULL;
}

static struct encoder_text text_at(size_t i)
{
    return (struct encoder_text){.text = texts[i % TEXTS], .size = strlen(texts[i % TEXTS])};
}

static void open_shared(struct shared *shared)
{
    struct err err;
    assert_int_equal(encoder_open(&shared->encoder, TINY_MODEL, NULL, &err), 0);
    assert_int_equal(queries_open(&shared->queries, shared->encoder, NULL, &err), 0);
    shared->dimension = encoder_info(shared->encoder)->dimension;
    for (size_t which = 0; which < 2; which++) {
        shared->alone[which] = calloc(TEXTS, shared->dimension * sizeof(float));
        for (size_t i = 0; i < TEXTS; i++) {
            const struct encoder_text text = text_at(i);
            struct encoder_usage usage;
            assert_int_equal(queries_encode(shared->queries, &text, 1, prompt_of(which),
                                            shared->alone[which] + i * shared->dimension, &usage,
                                            NULL, &err),
                             0);
        }
    }
}

static void close_shared(struct shared *shared)
{
    queries_close(shared->queries);
    encoder_close(shared->encoder);
    free(shared->alone[0]);
    free(shared->alone[1]);
}

/* A step that looks at the vectors it was given. */
struct probe {
    struct query_step step; /* first */
    const float *vectors;
    float seen;
    size_t runs, together;
};

static bool always_same(const struct query_step *step, const struct query_step *other)
{
    (void)step;
    (void)other;
    return true;
}

static void look(struct query_step *const *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct probe *probe = (struct probe *)steps[i];
        probe->seen = probe->vectors[0];
        probe->runs++;
        probe->together = count;
    }
}

/* One call of one to three texts; every fourth caller's are not UTF-8. */
static void call_once(struct caller *caller, size_t round, float *vectors)
{
    struct shared *shared = caller->shared;
    struct encoder_text some[3];
    struct encoder_usage usage[3];
    struct err err = {0};
    size_t count = 1 + (round + caller->number) % 3, which = caller->number % 2;
    bool bad = caller->number % 4 == 3;
    for (size_t i = 0; i < count; i++)
        some[i] = bad ? (struct encoder_text){.text = "\xff", .size = 1} : text_at(round + i);
    struct probe probe = {.step = {always_same, look}, .vectors = vectors};
    int r = queries_encode(shared->queries, some, count, prompt_of(which), vectors, usage,
                           &probe.step, &err);
    atomic_fetch_add(&shared->calls, 1);
    if (bad) {
        caller->mistaken += probe.runs != 0 || r != ERR_INVALID || !strstr(err.message, "text 0");
        return;
    }
    caller->mistaken += r != 0 || probe.runs != 1 || probe.seen != vectors[0];
    caller->steps_together += probe.together > 1;
    for (size_t i = 0; i < count && r == 0; i++)
        caller->wrong += memcmp(vectors + i * shared->dimension,
                                shared->alone[which] + (round + i) % TEXTS * shared->dimension,
                                shared->dimension * sizeof *vectors) != 0;
}

/* Calls until some calls have gone together, and a few times more. */
static void *caller_main(void *argument)
{
    struct caller *caller = argument;
    struct shared *shared = caller->shared;
    float *vectors = calloc(3, shared->dimension * sizeof *vectors);
    size_t more = 50;
    for (size_t round = 0; round < ROUNDS_MAX && more > 0; round++) {
        size_t calls = atomic_load(&shared->calls);
        if (queries_batches(shared->queries) < calls + 2 * TEXTS)
            more--;
        call_once(caller, round, vectors);
    }
    free(vectors);
    return NULL;
}

static void
calls_that_come_together_share_a_batch_and_get_what_they_would_have_got_alone(void **state)
{
    struct shared shared = {0};
    struct caller callers[CALLERS];
    size_t steps_together = 0;
    (void)state;
    open_shared(&shared);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.shared = &shared, .number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(callers[i].wrong, 0);
        assert_int_equal(callers[i].mistaken, 0);
        steps_together += callers[i].steps_together;
    }
    assert_true(steps_together > 0);
    assert_true(queries_batches(shared.queries) < atomic_load(&shared.calls) + 2 * TEXTS);
    close_shared(&shared);
}

static void a_call_that_is_alone_is_a_batch_of_its_own(void **state)
{
    struct shared shared = {0};
    (void)state;
    open_shared(&shared);
    assert_int_equal(queries_batches(shared.queries), 2 * TEXTS);
    close_shared(&shared);
}

static void a_cancelled_engine_ends_what_waits(void **state)
{
    struct shared shared = {0};
    volatile int cancel = 1;
    struct encoder_usage usage;
    struct err err;
    (void)state;
    open_shared(&shared);
    struct query_encoder *queries;
    assert_int_equal(queries_open(&queries, shared.encoder, &cancel, &err), 0);
    float *vector = calloc(1, shared.dimension * sizeof *vector);
    const struct encoder_text text = text_at(0);
    assert_int_equal(queries_encode(queries, &text, 1, NULL, vector, &usage, NULL, &err),
                     ERR_CANCELLED);
    free(vector);
    queries_close(queries);
    close_shared(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            calls_that_come_together_share_a_batch_and_get_what_they_would_have_got_alone),
        cmocka_unit_test(a_call_that_is_alone_is_a_batch_of_its_own),
        cmocka_unit_test(a_cancelled_engine_ends_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
