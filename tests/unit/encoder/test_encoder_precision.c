/* Tests of encoders in less than f32: how near their vectors are to those of f32, and that they do
 * not depend on what a text is encoded with. Each for every instruction set that runs here. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/encoder.h"
#include "encoder/model/registry.h"
#include "tests/test.h"

static const char *const isas[] = {"generic", "avx2", "avx512"};
static const enum precision precisions[] = {PRECISION_BF16, PRECISION_INT8};
static const char *const tiny_models[] = {
    "tests/golden/models/cls-32",         "tests/golden/models/mean-64",
    "tests/golden/models/max-32",         "tests/golden/models/distilbert-mean-32",
    "tests/golden/models/mpnet-mean-32",  "tests/golden/models/dense-16",
    "tests/golden/models/roberta-max-32", "tests/golden/models/xlm-roberta-mean-32",
};
static const char *const sentences[] = {
    "A man is playing a guitar.",
    "paris is a beautiful city",
    "The quick brown fox jumps over the lazy dog, and then sleeps for the rest of the day",
    "storm",
    "Shares fell sharply on Monday after the bank reported a loss of two billion dollars",
    "how do I bake bread without yeast?",
    "New study finds that coffee drinkers live longer than those who do not drink coffee",
    "1, 2, 3",
};
enum {
    SENTENCES = sizeof sentences / sizeof sentences[0],
    TINY_MODELS = sizeof tiny_models / sizeof tiny_models[0],
    PRECISIONS = sizeof precisions / sizeof precisions[0],
    HEADLINES = 200,
};

/* NULL where this CPU lacks the instruction set. */
static struct encoder *open_in(enum precision precision, const char *isa, const char *folder)
{
    struct encoder_options options = {.precision = precision};
    struct encoder *encoder = NULL;
    struct err err = {0};

    if (isa)
        setenv("SBERT_ISA", isa, 1);
    int r = encoder_open(&encoder, folder, &options, &err);
    unsetenv("SBERT_ISA");
    if (r == ERR_UNSUPPORTED && isa && strstr(err.message, isa))
        return NULL;
    if (r < 0)
        fail_msg("%s: %s", folder, err.message);
    return encoder;
}

static float *encode(const struct encoder *encoder, int threads, const struct encoder_text *texts,
                     size_t count)
{
    float *vectors = calloc(count * encoder_info(encoder)->dimension, sizeof *vectors);
    struct encoder_crew *crew;
    struct err err = {0};

    assert_non_null(vectors);
    if (encoder_crew_open(&crew, encoder, threads, false, &err) < 0 ||
        encoder_encode(crew, texts, count, NULL, vectors, NULL, NULL, &err) < 0)
        fail_msg("%s", err.message);
    encoder_crew_close(crew);
    return vectors;
}

struct nearness {
    double mean, smallest;
};

static struct nearness compare(const float *a, const float *b, size_t count, size_t dimension)
{
    struct nearness nearness = {0, 1};
    for (size_t i = 0; i < count; i++) {
        double cosine = encoder_cosine(a + i * dimension, b + i * dimension, dimension);
        nearness.mean += cosine / (double)count;
        nearness.smallest = cosine < nearness.smallest ? cosine : nearness.smallest;
    }
    return nearness;
}

static void fill_texts(struct encoder_text *texts)
{
    for (size_t i = 0; i < SENTENCES; i++)
        texts[i] = (struct encoder_text){.text = sentences[i], .size = strlen(sentences[i])};
}

/* Random weights leave less room for rounding than trained ones. */
static void tiny_models_stay_near_to_f32(void **state)
{
    (void)state;
    struct encoder_text texts[SENTENCES];
    fill_texts(texts);
    for (int m = 0; m < TINY_MODELS; m++) {
        struct encoder *reference = open_in(PRECISION_F32, "generic", tiny_models[m]);
        float *wanted = encode(reference, 1, texts, SENTENCES);
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
            for (int p = 0; p < PRECISIONS; p++) {
                struct encoder *encoder = open_in(precisions[p], isas[i], tiny_models[m]);
                if (!encoder)
                    continue;
                assert_string_equal(encoder_info(encoder)->precision,
                                    precision_name(precisions[p]));
                float *got = encode(encoder, 1, texts, SENTENCES);
                struct nearness nearness =
                    compare(got, wanted, SENTENCES, encoder_info(encoder)->dimension);
                if (!(nearness.smallest > 0.99))
                    fail_msg("%s, %s, %s: cosine %.5f", tiny_models[m], isas[i],
                             precision_name(precisions[p]), nearness.smallest);
                free(got);
                encoder_close(encoder);
            }
        free(wanted);
        encoder_close(reference);
    }
}

/* Each alone, all together, and by a team of three. */
static void vectors_do_not_depend_on_company_or_threads(void **state)
{
    (void)state;
    struct encoder_text texts[SENTENCES];
    fill_texts(texts);
    for (int m = 0; m < TINY_MODELS; m++)
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
            for (int p = 0; p < PRECISIONS; p++) {
                struct encoder *encoder = open_in(precisions[p], isas[i], tiny_models[m]);
                if (!encoder)
                    continue;
                size_t size = encoder_info(encoder)->dimension * sizeof(float);
                float *all = encode(encoder, 2, texts, SENTENCES);
                float *team = encode(encoder, 3, texts, SENTENCES);
                assert_memory_equal(all, team, SENTENCES * size);
                for (size_t t = 0; t < SENTENCES; t++) {
                    float *one = encode(encoder, 1 + (int)t % 2, &texts[t], 1);
                    assert_memory_equal((char *)all + t * size, one, size);
                    free(one);
                }
                free(all);
                free(team);
                encoder_close(encoder);
            }
}

/* The first lines of a file, or NULL. */
static struct encoder_text *read_headlines(char **ret_data)
{
    const char *folder = getenv("SBERTD_TEST_DATA");
    char path[512];
    size_t size;

    snprintf(path, sizeof path, "%s/sentences/headlines_en.txt",
             folder ? folder : "../shared/data");
    if (file_read(ret_data, &size, path, (size_t)1 << 30, NULL) < 0)
        return NULL;
    struct encoder_text *texts = calloc(HEADLINES, sizeof *texts);
    char *line = *ret_data;
    assert_non_null(texts);
    for (size_t i = 0; i < HEADLINES; i++) {
        char *end = memchr(line, '\n', size - (size_t)(line - *ret_data));
        assert_non_null(end);
        texts[i] = (struct encoder_text){.text = line, .size = (size_t)(end - line)};
        line = end + 1;
    }
    return texts;
}

/* The bounds that `auto` promises. What is slow does with fewer texts. */
static void the_real_model_keeps_its_quality(void **state)
{
    (void)state;
    char *folder = NULL, *data = NULL;
    struct encoder_text *texts = read_headlines(&data);

    if (!texts || registry_resolve(&folder, REGISTRY_DEFAULT_MODEL, NULL) < 0) {
        print_message("SKIPPED: needs the model " REGISTRY_DEFAULT_MODEL
                      " and the headlines of ../shared/data\n");
        free(texts);
        free(data);
        skip();
    }
    struct encoder *reference = open_in(PRECISION_F32, NULL, folder);
    float *wanted = encode(reference, 2, texts, HEADLINES);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        for (int p = 0; p < PRECISIONS; p++) {
            struct encoder *encoder = open_in(precisions[p], isas[i], folder);
            if (!encoder)
                continue;
            size_t count = i == 0 ? 5 : HEADLINES;
            float *got = encode(encoder, 2, texts, count);
            struct nearness nearness =
                compare(got, wanted, count, encoder_info(encoder)->dimension);
            print_message("%s, %s: cosine to f32 %.5f, %.5f at least\n", isas[i],
                          precision_name(precisions[p]), nearness.mean, nearness.smallest);
            assert_true(nearness.mean >= 0.999 && nearness.smallest >= 0.99);
            free(got);
            encoder_close(encoder);
        }
    free(wanted);
    encoder_close(reference);
    free(folder);
    free(texts);
    free(data);
}

static void auto_says_what_it_picked_and_why(void **state)
{
    (void)state;
    struct encoder *encoder = open_in(PRECISION_AUTO, NULL, tiny_models[0]);
    const struct encoder_info *info = encoder_info(encoder);
    enum precision precision;

    assert_int_equal(precision_parse(info->precision, &precision, NULL), 0);
    assert_true(precision != PRECISION_AUTO);
    assert_true(strlen(info->precision_reason) > 0);
    encoder_close(encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_models_stay_near_to_f32),
        cmocka_unit_test(vectors_do_not_depend_on_company_or_threads),
        cmocka_unit_test(the_real_model_keeps_its_quality),
        cmocka_unit_test(auto_says_what_it_picked_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
