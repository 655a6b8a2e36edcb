/* Tests of the whole encoder: that vectors are those of the reference, and that they do not depend
 * on what a text is encoded with. Each for every backend and instruction set that runs here. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "encoder/encoder.h"
#include "encoder/model/registry.h"
#include "tests/test.h"

static const struct configuration {
    const char *isa, *backend;
} configurations[] = {
    {"generic", "packed"}, {"generic", "openblas"}, {"avx2", "packed"},
    {"avx2", "openblas"},  {"avx512", "packed"},    {"avx512", "openblas"},
};
enum { CONFIGURATIONS = sizeof configurations / sizeof configurations[0] };

/* An encoder of that configuration, or NULL where this CPU lacks the instruction set. */
static struct encoder *open_configured(const struct configuration *configuration,
                                       const char *folder)
{
    struct encoder *encoder = NULL;
    struct encoder_options options = {.precision = PRECISION_F32};
    struct err err = {0};

    setenv("SBERT_ISA", configuration->isa, 1);
    setenv("SBERT_BACKEND", configuration->backend, 1);
    int r = encoder_open(&encoder, folder, &options, &err);
    unsetenv("SBERT_ISA");
    unsetenv("SBERT_BACKEND");
    if (r == ERR_UNSUPPORTED)
        return NULL;
    if (r < 0)
        fail_msg("%s: %s", folder, err.message);
    assert_string_equal(encoder_info(encoder)->isa, configuration->isa);
    assert_string_equal(encoder_info(encoder)->backend, configuration->backend);
    assert_string_equal(encoder_info(encoder)->precision, "f32");
    assert_string_equal(encoder_info(encoder)->precision_reason, "asked for");
    return encoder;
}

static void encode(const struct encoder *encoder, int threads, const struct encoder_text *texts,
                   size_t count, float *ret_vectors)
{
    struct encoder_crew *crew;
    struct err err = {0};

    if (encoder_crew_open(&crew, encoder, threads, false, &err) < 0 ||
        encoder_encode(crew, texts, count, NULL, ret_vectors, NULL, NULL, &err) < 0)
        fail_msg("%s", err.message);
    encoder_crew_close(crew);
}

/* --- texts with the vectors that are expected of them --- */

struct golden {
    json_t *json; /* keeps the texts alive */
    struct encoder_text *texts;
    float *vectors;
    size_t count, dimension;
};

static void golden_release(struct golden *golden)
{
    json_decref(golden->json);
    free(golden->texts);
    free(golden->vectors);
}

static struct encoder_text text_of(const json_t *entry)
{
    const json_t *text = json_object_get(entry, "text"), *pair = json_object_get(entry, "pair");
    return (struct encoder_text){json_string_value(text), json_string_length(text),
                                 json_string_value(pair), json_string_length(pair)};
}

static void read_vectors(struct golden *golden, const char *path)
{
    struct err err = {0};
    size_t size;
    char *data;

    if (file_read(&data, &size, path, (size_t)1 << 30, &err) < 0)
        fail_msg("%s", err.message);
    golden->vectors = (float *)(void *)data;
    golden->dimension = size / sizeof(float) / golden->count;
    assert_int_equal(golden->count * golden->dimension * sizeof(float), size);
}

static void fill_texts(struct golden *golden, const json_t *entries)
{
    size_t i;
    const json_t *entry;

    golden->count = json_array_size(entries);
    golden->texts = calloc(golden->count, sizeof *golden->texts);
    assert_non_null(golden->texts);
    json_array_foreach(entries, i, entry) golden->texts[i] = text_of(entry);
}

/* One of the tiny models of tests/golden. */
static void read_tiny(struct golden *golden, const char *folder)
{
    char path[256];
    struct err err = {0};

    snprintf(path, sizeof path, "%s/expected/expected.json", folder);
    if (json_read_object(&golden->json, path, (size_t)1 << 20, &err) < 0)
        fail_msg("%s", err.message);
    fill_texts(golden, json_object_get(golden->json, "texts"));
    snprintf(path, sizeof path, "%s/expected/final.f32", folder);
    read_vectors(golden, path);
}

/* Lines of JSON, one object a line, as an array; NULL where there is no such file. */
static json_t *read_lines(const char *path)
{
    FILE *stream = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;

    if (!stream)
        return NULL;
    json_t *lines = json_array();
    while ((size = getline(&line, &capacity, stream)) >= 0) {
        json_t *json;
        struct err err = {0};
        if (json_parse(&json, line, (size_t)size, path, &err) < 0)
            fail_msg("%s", err.message);
        json_array_append_new(lines, json);
    }
    free(line);
    fclose(stream);
    return lines;
}

/* The reference's vectors of the real model: false where they are not on this machine. */
static bool read_reference(struct golden *golden, const char *model)
{
    char path[512];
    const char *data = getenv("SBERTD_TEST_DATA");

    if (!data)
        data = "../shared/data";
    snprintf(path, sizeof path, "%s/golden/%s/texts.jsonl", data, model);
    golden->json = read_lines(path);
    if (!golden->json)
        return false;
    fill_texts(golden, golden->json);
    snprintf(path, sizeof path, "%s/golden/%s/embeddings.f32", data, model);
    read_vectors(golden, path);
    return true;
}

static char *real_model(void)
{
    char *folder;
    struct err err = {0};
    return registry_resolve(&folder, REGISTRY_DEFAULT_MODEL, &err) < 0 ? NULL : folder;
}

/* --- the tests --- */

static const char *const tiny_models[] = {
    "tests/golden/models/cls-32",         "tests/golden/models/mean-64",
    "tests/golden/models/max-32",         "tests/golden/models/cls-mean-64",
    "tests/golden/models/mean-32-f16",    "tests/golden/models/distilbert-mean-32",
    "tests/golden/models/mpnet-mean-32",  "tests/golden/models/dense-16",
    "tests/golden/models/roberta-max-32", "tests/golden/models/xlm-roberta-mean-32",
    "tests/golden/models/prompts-16",     "tests/golden/models/activations-16",
};
enum { TINY_MODELS = sizeof tiny_models / sizeof tiny_models[0] };

/* Of prompts-16, whose pooling leaves the prompt's tokens out. */
static void a_prompt_by_name_gives_the_vectors_of_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"query", "passage"};
    static const char folder[] = "tests/golden/models/prompts-16";
    static const struct encoder_options in_f32 = {.precision = PRECISION_F32};
    for (int n = 0; n < 2; n++) {
        struct golden golden = {0};
        struct encoder *encoder;
        struct encoder_crew *crew;
        struct err err = {0};
        const char *prompt;
        char path[256];

        read_tiny(&golden, folder);
        free(golden.vectors);
        golden.count = 9; /* the texts without a second one, which come first */
        assert_null(golden.texts[golden.count - 1].pair);
        assert_non_null(golden.texts[golden.count].pair);
        snprintf(path, sizeof path, "%s/expected/prompt_%s.f32", folder, names[n]);
        read_vectors(&golden, path);
        float *vectors = calloc(golden.count * golden.dimension, sizeof *vectors);
        assert_int_equal(encoder_open(&encoder, folder, &in_f32, &err), 0);
        assert_int_equal(encoder_prompt(encoder, names[n], &prompt, &err), 0);
        assert_int_equal(encoder_crew_open(&crew, encoder, 2, false, &err), 0);
        assert_int_equal(
            encoder_encode(crew, golden.texts, golden.count, prompt, vectors, NULL, NULL, &err), 0);
        for (size_t i = 0; i < golden.count * golden.dimension; i++)
            if (!(fabsf(vectors[i] - golden.vectors[i]) < 2e-5f))
                fail_msg("%s: text %zu: %g where %g is right", names[n], i / golden.dimension,
                         (double)vectors[i], (double)golden.vectors[i]);
        encoder_crew_close(crew);
        encoder_close(encoder);
        free(vectors);
        golden_release(&golden);
    }
}

/* "awesom" alone is six letters, but "awesome" is one token. */
static void a_prompt_that_leaves_no_token_is_refused_where_there_is_a_maximum(void **state)
{
    (void)state;
    struct encoder *encoder;
    struct encoder_crew *crew;
    struct err err = {0};
    float vector[7 * 16];
    struct encoder_text text = {"e", 1, NULL, 0};

    assert_int_equal(encoder_open(&encoder, "tests/golden/models/prompts-16", NULL, &err), 0);
    assert_int_equal(encoder_crew_open(&crew, encoder, 1, false, &err), 0);
    assert_int_equal(encoder_encode(crew, &text, 1, "awesome ", vector, NULL, NULL, &err), 0);
    assert_int_equal(encoder_encode(crew, &text, 1, "awesom", vector, NULL, NULL, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.message, "the prompt's"));
    encoder_crew_close(crew);
    encoder_close(encoder);
}

static void an_unknown_prompt_is_refused_with_the_names_there_are(void **state)
{
    (void)state;
    struct encoder *encoder;
    struct err err = {0};
    const char *prompt = NULL;

    assert_int_equal(encoder_open(&encoder, "tests/golden/models/prompts-16", NULL, &err), 0);
    assert_int_equal(encoder_prompt(encoder, "document", &prompt, &err), 0);
    assert_string_equal(prompt, "");
    assert_int_equal(encoder_prompt(encoder, "clustering", &prompt, &err), ERR_INVALID);
    assert_string_equal(err.message, "there is no prompt clustering; the model has: document, "
                                     "passage, query");
    encoder_close(encoder);
}

static void tiny_models_give_the_vectors_of_the_reference(void **state)
{
    (void)state;
    for (int m = 0; m < TINY_MODELS; m++) {
        struct golden golden = {0};
        read_tiny(&golden, tiny_models[m]);
        float *vectors = calloc(golden.count * golden.dimension, sizeof *vectors);
        for (int c = 0; c < CONFIGURATIONS; c++) {
            struct encoder *encoder = open_configured(&configurations[c], tiny_models[m]);
            if (!encoder)
                continue;
            assert_int_equal(encoder_info(encoder)->dimension, golden.dimension);
            encode(encoder, 2, golden.texts, golden.count, vectors);
            for (size_t i = 0; i < golden.count * golden.dimension; i++)
                if (!(fabsf(vectors[i] - golden.vectors[i]) < 2e-5f))
                    fail_msg("%s (%s, %s): text %zu: %g where %g is right", tiny_models[m],
                             configurations[c].isa, configurations[c].backend, i / golden.dimension,
                             (double)vectors[i], (double)golden.vectors[i]);
            encoder_close(encoder);
        }
        free(vectors);
        golden_release(&golden);
    }
}

static void compare_with_reference(const struct encoder *encoder, const struct golden *golden)
{
    float *vectors = calloc(golden->count * golden->dimension, sizeof *vectors);
    double largest = 0;

    assert_non_null(vectors);
    encode(encoder, 2, golden->texts, golden->count, vectors);
    for (size_t i = 0; i < golden->count; i++) {
        const float *got = vectors + i * golden->dimension;
        const float *wanted = golden->vectors + i * golden->dimension;
        if (encoder_cosine(got, wanted, golden->dimension) < 0.99999)
            fail_msg("text %zu: cosine %.7f", i, encoder_cosine(got, wanted, golden->dimension));
        for (size_t d = 0; d < golden->dimension; d++)
            largest = fmax(largest, fabs((double)got[d] - (double)wanted[d]));
    }
    print_message("%s, %s: largest difference %.2e\n", encoder_info(encoder)->isa,
                  encoder_info(encoder)->backend, largest);
    assert_true(largest < 2e-6);
    free(vectors);
}

static void the_real_model_gives_the_vectors_of_the_reference(void **state)
{
    (void)state;
    struct golden golden = {0};
    char *folder = real_model();

    if (!folder || !read_reference(&golden, REGISTRY_DEFAULT_MODEL)) {
        print_message("SKIPPED: needs the model " REGISTRY_DEFAULT_MODEL
                      " and its golden vectors in ../shared/data\n");
        free(folder);
        skip();
    }
    assert_int_equal(golden.count, 421);
    size_t all = golden.count;
    for (int c = 0; c < CONFIGURATIONS; c++) {
        struct encoder *encoder = open_configured(&configurations[c], folder);
        /* What is slow, and differs from what is fast in the kernels alone, does with fewer. */
        bool fast = strcmp(configurations[c].isa, "generic") != 0 &&
                    strcmp(configurations[c].backend, "packed") == 0;
        golden.count = fast ? all : 30;
        if (encoder)
            compare_with_reference(encoder, &golden);
        encoder_close(encoder);
    }
    golden_release(&golden);
    free(folder);
}

/* Encodes the texts in a shuffled order, `batch` at a time, and compares bit for bit. */
static void compare_shuffled(const struct encoder *encoder, int threads, size_t batch,
                             const struct golden *golden, const float *alone)
{
    size_t count = golden->count, size = encoder_info(encoder)->dimension * sizeof(float);
    size_t dimension = encoder_info(encoder)->dimension;
    struct encoder_text *texts = calloc(count, sizeof *texts);
    size_t *order = calloc(count, sizeof *order);
    float *vectors = calloc(count, size);
    uint32_t random = (uint32_t)(threads * 1000) + (uint32_t)batch;

    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        random = random * 1664525u + 1013904223u;
        size_t j = (random >> 8) % i, swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
    for (size_t i = 0; i < count; i++)
        texts[i] = golden->texts[order[i]];
    for (size_t from = 0; from < count; from += batch)
        encode(encoder, threads, texts + from, count - from < batch ? count - from : batch,
               vectors + from * dimension);
    for (size_t i = 0; i < count; i++)
        if (memcmp(vectors + i * dimension, alone + order[i] * dimension, size) != 0)
            fail_msg("text %zu differs in batches of %zu by %d threads (%s, %s)", order[i], batch,
                     threads, encoder_info(encoder)->isa, encoder_info(encoder)->backend);
    free(vectors);
    free(order);
    free(texts);
}

static void check_invariance(const char *folder, const struct golden *golden)
{
    for (int c = 0; c < CONFIGURATIONS; c++) {
        struct encoder *encoder = open_configured(&configurations[c], folder);
        if (!encoder)
            continue;
        size_t dimension = encoder_info(encoder)->dimension;
        float *alone = calloc(golden->count * dimension, sizeof *alone);
        for (size_t i = 0; i < golden->count; i++)
            encode(encoder, 1, &golden->texts[i], 1, alone + i * dimension);
        for (int threads = 1; threads <= 4; threads++)
            for (size_t batch = 2; batch < 2 * golden->count; batch = batch * 4 + 1)
                compare_shuffled(encoder, threads, batch, golden, alone);
        free(alone);
        encoder_close(encoder);
    }
}

static void a_vector_does_not_depend_on_what_it_is_batched_with(void **state)
{
    (void)state;
    for (int m = 0; m < TINY_MODELS; m++) {
        struct golden golden = {0};
        read_tiny(&golden, tiny_models[m]);
        check_invariance(tiny_models[m], &golden);
        golden_release(&golden);
    }
}

static void nor_does_it_with_the_real_model(void **state)
{
    (void)state;
    struct golden golden = {0};
    char *folder = real_model();

    if (!folder || !read_reference(&golden, REGISTRY_DEFAULT_MODEL)) {
        print_message("SKIPPED: needs the model " REGISTRY_DEFAULT_MODEL
                      " and its golden texts in ../shared/data\n");
        free(folder);
        skip();
    }
    golden.count = 12;
    check_invariance(folder, &golden);
    golden_release(&golden);
    free(folder);
}

static struct encoder *open_tiny(void)
{
    struct encoder *encoder;
    struct err err = {0};
    if (encoder_open(&encoder, tiny_models[1], NULL, &err) < 0)
        fail_msg("%s", err.message);
    return encoder;
}

static struct encoder_crew *open_crew(const struct encoder *encoder)
{
    struct encoder_crew *crew;
    struct err err = {0};
    if (encoder_crew_open(&crew, encoder, 2, false, &err) < 0)
        fail_msg("%s", err.message);
    return crew;
}

static void a_prompt_is_put_before_the_text(void **state)
{
    (void)state;
    struct encoder *encoder = open_tiny();
    struct encoder_crew *crew = open_crew(encoder);
    struct encoder_text bare = {.text = "the cat", .size = 7};
    struct encoder_text whole = {.text = "a dog the cat", .size = 13};
    float prompted[64], joined[64];

    assert_int_equal(encoder_info(encoder)->dimension, 64);
    assert_int_equal(encoder_encode(crew, &bare, 1, "a dog ", prompted, NULL, NULL, NULL), 0);
    assert_int_equal(encoder_encode(crew, &whole, 1, NULL, joined, NULL, NULL, NULL), 0);
    assert_memory_equal(prompted, joined, sizeof prompted);
    encoder_crew_close(crew);
    encoder_close(encoder);
}

static void usage_tells_what_was_cut_off(void **state)
{
    (void)state;
    struct encoder *encoder = open_tiny();
    struct encoder_crew *crew = open_crew(encoder);
    char words[400] = "";
    struct encoder_usage usage[2];
    float vectors[2 * 64];

    for (int i = 0; i < 60; i++)
        strncat(words, "! ", sizeof words - strlen(words) - 1);
    struct encoder_text texts[2] = {{.text = "!", .size = 1},
                                    {.text = words, .size = strlen(words)}};
    assert_int_equal(encoder_encode(crew, texts, 2, NULL, vectors, usage, NULL, NULL), 0);
    assert_int_equal(usage[0].tokens, 3);
    assert_int_equal(usage[0].full_tokens, 3);
    assert_false(usage[0].truncated);
    assert_int_equal(usage[1].tokens, encoder_info(encoder)->max_seq_length);
    assert_int_equal(usage[1].full_tokens, 62);
    assert_true(usage[1].truncated);
    encoder_crew_close(crew);
    encoder_close(encoder);
}

static void broken_utf8_is_refused_with_the_number_of_the_text(void **state)
{
    (void)state;
    struct encoder *encoder = open_tiny();
    struct encoder_crew *crew = open_crew(encoder);
    struct encoder_text texts[50];
    float vectors[50 * 64];
    struct err err = {0};

    for (size_t i = 0; i < 50; i++)
        texts[i] = (struct encoder_text){.text = "the cat", .size = 7};
    texts[31] = texts[33] = (struct encoder_text){.text = "the \xff cat", .size = 9};
    assert_int_equal(encoder_encode(crew, texts, 50, NULL, vectors, NULL, NULL, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "text 31"));
    /* The crew is as good as new afterwards. */
    assert_int_equal(encoder_encode(crew, texts, 31, NULL, vectors, NULL, NULL, &err), 0);
    encoder_crew_close(crew);
    encoder_close(encoder);
}

static void a_call_can_be_cancelled(void **state)
{
    (void)state;
    struct encoder *encoder = open_tiny();
    struct encoder_crew *crew = open_crew(encoder);
    struct encoder_text text = {.text = "the cat", .size = 7};
    float vector[64];
    volatile int cancel = 1;

    assert_int_equal(encoder_encode(crew, &text, 1, NULL, vector, NULL, &cancel, NULL),
                     ERR_CANCELLED);
    cancel = 0;
    assert_int_equal(encoder_encode(crew, &text, 1, NULL, vector, NULL, &cancel, NULL), 0);
    assert_int_equal(encoder_encode(crew, &text, 0, NULL, vector, NULL, NULL, NULL), 0);
    encoder_crew_close(crew);
    encoder_close(encoder);
}

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    struct encoder *encoder;
    struct err err = {0};
    struct encoder_options options = {.max_seq_length = 41};

    assert_int_equal(encoder_open(&encoder, tiny_models[0], &options, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "40"));
    assert_int_equal(encoder_open(&encoder, "tests/golden/models/none", NULL, &err), ERR_NOT_FOUND);
    setenv("SBERT_ISA", "mmx", 1);
    assert_int_equal(encoder_open(&encoder, tiny_models[0], NULL, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "mmx"));
    unsetenv("SBERT_ISA");
    setenv("SBERT_BACKEND", "abacus", 1);
    assert_int_equal(encoder_open(&encoder, tiny_models[0], NULL, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "abacus"));
    unsetenv("SBERT_BACKEND");
}

int main(int argc, char **argv)
{
    /* OpenBLAS is tested with kernels that every x86-64 CPU has and that keep the promise; it reads
     * this when it is loaded. */
    (void)argc;
    if (!getenv("OPENBLAS_CORETYPE") || strcmp(getenv("OPENBLAS_CORETYPE"), "Nehalem") != 0) {
        setenv("OPENBLAS_CORETYPE", "Nehalem", 1);
        execv("/proc/self/exe", argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_by_name_gives_the_vectors_of_the_reference),
        cmocka_unit_test(a_prompt_that_leaves_no_token_is_refused_where_there_is_a_maximum),
        cmocka_unit_test(an_unknown_prompt_is_refused_with_the_names_there_are),
        cmocka_unit_test(tiny_models_give_the_vectors_of_the_reference),
        cmocka_unit_test(the_real_model_gives_the_vectors_of_the_reference),
        cmocka_unit_test(a_vector_does_not_depend_on_what_it_is_batched_with),
        cmocka_unit_test(nor_does_it_with_the_real_model),
        cmocka_unit_test(a_prompt_is_put_before_the_text),
        cmocka_unit_test(usage_tells_what_was_cut_off),
        cmocka_unit_test(broken_utf8_is_refused_with_the_number_of_the_text),
        cmocka_unit_test(a_call_can_be_cancelled),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
