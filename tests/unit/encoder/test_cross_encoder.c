/* Tests of cross-encoders: that logits and scores are those of the reference, that they do not
 * depend on what a pair is scored with, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "encoder/cross_encoder.h"
#include "tests/test.h"

#define FOLDER "tests/golden/cross_encoders/"

static const char *const models[] = {
    "one-label",        "one-label-logits",      "three-labels",       "distilbert-one-label",
    "mpnet-two-labels", "xlm-roberta-one-label", "roberta-two-labels", "camembert-three-labels"};
static const struct encoder_options in_f32 = {.precision = PRECISION_F32};
enum { MODELS = sizeof models / sizeof models[0], FILE_LIMIT = 1 << 20, REPEATS = 300 };

/* Pairs with what is expected of them. */
struct expected {
    json_t *json, *entries; /* json keeps the texts alive */
    struct encoder_text *pairs;
    size_t count, labels;
};

static void expected_read(struct expected *expected, const char *name)
{
    char path[200];
    struct err err = {0};
    size_t i;
    json_t *entry;

    snprintf(path, sizeof path, FOLDER "%s/expected.json", name);
    if (json_read(&expected->json, path, FILE_LIMIT, &err) < 0)
        fail_msg("%s", err.message);
    expected->entries = json_object_get(expected->json, "pairs");
    expected->count = json_array_size(expected->entries);
    expected->labels = (size_t)json_integer_value(json_object_get(expected->json, "labels"));
    assert_true(expected->count >= 10 && expected->labels >= 1);
    expected->pairs = calloc(expected->count, sizeof *expected->pairs);
    assert_non_null(expected->pairs);
    json_array_foreach(expected->entries, i, entry)
    {
        const json_t *text = json_object_get(entry, "text"), *pair = json_object_get(entry, "pair");
        expected->pairs[i] =
            (struct encoder_text){json_string_value(text), json_string_length(text),
                                  json_string_value(pair), json_string_length(pair)};
    }
}

static void expected_release(struct expected *expected)
{
    json_decref(expected->json);
    free(expected->pairs);
}

static struct cross_encoder *open_model_in(const char *name, enum precision precision)
{
    struct encoder_options options = {.precision = precision};
    char folder[200];
    struct cross_encoder *cross;
    struct err err = {0};

    snprintf(folder, sizeof folder, FOLDER "%s", name);
    if (cross_encoder_open(&cross, folder, &options, &err) < 0)
        fail_msg("%s", err.message);
    return cross;
}

static struct cross_encoder *open_model(const char *name)
{
    return open_model_in(name, PRECISION_F32);
}

static void score(const struct cross_encoder *cross, int threads, const struct encoder_text *pairs,
                  size_t count, float *ret_logits, float *ret_scores, struct encoder_usage *usage)
{
    struct cross_encoder_crew *crew;
    struct err err = {0};

    if (cross_encoder_crew_open(&crew, cross, threads, false, &err) < 0 ||
        cross_encoder_score(crew, pairs, count, ret_logits, ret_scores, usage, NULL, &err) < 0)
        fail_msg("%s", err.message);
    cross_encoder_crew_close(crew);
}

static void compare(const char *model, size_t pair, const json_t *expected, const float *numbers)
{
    for (size_t i = 0; i < json_array_size(expected); i++) {
        double wanted = json_number_value(json_array_get(expected, i));
        if (!(fabs(wanted - (double)numbers[i]) < 2e-5))
            fail_msg("%s, pair %zu, label %zu: %g where %g is expected", model, pair, i,
                     (double)numbers[i], wanted);
    }
}

static void check_model(const char *name)
{
    struct expected expected;
    expected_read(&expected, name);
    struct cross_encoder *cross = open_model(name);
    size_t count = expected.count, labels = expected.labels;
    float *logits = calloc(2 * count * labels, sizeof *logits), *scores = logits + count * labels;
    struct encoder_usage *usage = calloc(count, sizeof *usage);
    assert_true(logits && usage);

    assert_int_equal(cross_encoder_info(cross)->labels, labels);
    assert_string_equal(cross_encoder_info(cross)->activation,
                        json_string_value(json_object_get(expected.json, "activation")));
    score(cross, 2, expected.pairs, count, logits, scores, usage);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(expected.entries, i);
        assert_int_equal(json_array_size(json_object_get(entry, "logits")), labels);
        compare(name, i, json_object_get(entry, "logits"), logits + i * labels);
        compare(name, i, json_object_get(entry, "scores"), scores + i * labels);
        assert_int_equal(usage[i].tokens, json_integer_value(json_object_get(entry, "tokens")));
        assert_int_equal(usage[i].full_tokens,
                         json_integer_value(json_object_get(entry, "full_count")));
    }
    free(logits);
    free(usage);
    cross_encoder_close(cross);
    expected_release(&expected);
}

/* Random weights: what is rounded moves logits of up to 2 by 0.05. */
static void other_precisions_stay_near_the_logits_of_the_reference(void **state)
{
    (void)state;
    static const enum precision precisions[] = {PRECISION_BF16, PRECISION_INT8};
    for (int m = 0; m < MODELS; m++)
        for (int p = 0; p < 2; p++) {
            struct expected expected;
            expected_read(&expected, models[m]);
            struct cross_encoder *cross = open_model_in(models[m], precisions[p]);
            size_t labels = expected.labels, size = expected.count * labels;
            float *logits = calloc(2 * size, sizeof *logits);
            assert_non_null(logits);
            score(cross, 2, expected.pairs, expected.count, logits, logits + size, NULL);
            for (size_t i = 0; i < size; i++) {
                const json_t *entry = json_array_get(expected.entries, i / labels);
                const json_t *wanted = json_object_get(entry, "logits");
                double logit = json_number_value(json_array_get(wanted, i % labels));
                if (!(fabs(logit - (double)logits[i]) < 0.15))
                    fail_msg("%s in %s: %g where %g is near", models[m],
                             precision_name(precisions[p]), (double)logits[i], logit);
            }
            free(logits);
            cross_encoder_close(cross);
            expected_release(&expected);
        }
}

static void logits_and_scores_are_those_of_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < MODELS; i++)
        check_model(models[i]);
}

/* More pairs than fit into one window, against each alone. */
static void a_pair_has_the_same_logits_whatever_it_is_scored_with(void **state)
{
    (void)state;
    struct expected expected;
    expected_read(&expected, "three-labels");
    struct cross_encoder *cross = open_model("three-labels");
    size_t labels = expected.labels, count = expected.count * REPEATS;
    struct encoder_text *pairs = calloc(count, sizeof *pairs);
    float *together = calloc(count * labels, sizeof *together);
    float *alone = calloc(expected.count * labels, sizeof *alone);
    assert_true(pairs && together && alone);

    for (size_t i = 0; i < expected.count; i++)
        score(cross, 1, &expected.pairs[i], 1, alone + i * labels, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        pairs[i] = expected.pairs[(i * i + 3 * i) % expected.count];
    score(cross, 3, pairs, count, together, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(together + i * labels,
                            alone + (i * i + 3 * i) % expected.count * labels,
                            labels * sizeof *alone);
    free(pairs);
    free(together);
    free(alone);
    cross_encoder_close(cross);
    expected_release(&expected);
}

static void a_text_that_is_not_utf8_is_named(void **state)
{
    (void)state;
    const struct encoder_text pairs[] = {{"a", 1, "b", 1}, {"a", 1, "\xff", 1}};
    struct cross_encoder *cross = open_model("one-label");
    struct cross_encoder_crew *crew;
    struct err err = {0};
    float logits[2];

    assert_int_equal(cross_encoder_crew_open(&crew, cross, 1, false, &err), 0);
    assert_int_equal(cross_encoder_score(crew, pairs, 2, logits, NULL, NULL, NULL, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.message, "text 1"));
    cross_encoder_crew_close(crew);
    cross_encoder_close(cross);
}

static void a_raised_cancel_ends_it(void **state)
{
    (void)state;
    const struct encoder_text pair = {"a", 1, "b", 1};
    const volatile int cancel = 1;
    struct cross_encoder *cross = open_model("one-label");
    struct cross_encoder_crew *crew;
    struct err err = {0};
    float logit;

    assert_int_equal(cross_encoder_crew_open(&crew, cross, 1, false, &err), 0);
    assert_int_equal(cross_encoder_score(crew, &pair, 1, &logit, NULL, NULL, &cancel, &err),
                     ERR_CANCELLED);
    cross_encoder_crew_close(crew);
    cross_encoder_close(cross);
}

static void a_model_of_vectors_is_no_cross_encoder_nor_the_other_way_round(void **state)
{
    (void)state;
    struct cross_encoder *cross;
    struct encoder *encoder;
    struct err err = {0};

    assert_int_equal(cross_encoder_open(&cross, "tests/golden/models/cls-32", NULL, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "tests/golden/models/cls-32/modules.json"));
    assert_int_equal(encoder_open(&encoder, FOLDER "one-label", NULL, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "sbert-encode --pairs"));
}

/* The model with one change of its config.json must be refused, and the message say `said`. */
static void expect_refusal(const char *key, json_t *value, int code, const char *said)
{
    char folder[] = "/tmp/sbertd-cross-XXXXXX", path[64];
    struct cross_encoder *cross;
    struct err err = {0};
    json_t *config;
    const char *const copied[] = {"model.safetensors", "tokenizer.json", "tokenizer_config.json"};

    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        char *real = realpath(FOLDER "one-label", NULL), *from = file_join(real, copied[i]);
        snprintf(path, sizeof path, "%s/%s", folder, copied[i]);
        assert_int_equal(symlink(from, path), 0);
        free(from);
        free(real);
    }
    assert_int_equal(json_read(&config, FOLDER "one-label/config.json", FILE_LIMIT, &err), 0);
    json_object_set_new(config, key, value);
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
    int r = cross_encoder_open(&cross, folder, &in_f32, &err);
    if (r != code || !strstr(err.message, said))
        fail_msg("%s: %d, %s", key, r, err.message);
    unlink(path);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, copied[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void what_the_head_does_not_fit_is_named(void **state)
{
    (void)state;
    expect_refusal("architectures", json_pack("[s]", "BertModel"), ERR_UNSUPPORTED, "BertModel");
    expect_refusal("architectures", json_pack("[s]", "BertForTokenClassification"), ERR_UNSUPPORTED,
                   "BertForTokenClassification");
    expect_refusal("id2label", json_pack("{s:s, s:s}", "0", "no", "1", "yes"), ERR_CORRUPT,
                   "classifier.weight");
    expect_refusal("id2label", json_object(), ERR_CORRUPT, "number of labels");
    expect_refusal("sentence_transformers",
                   json_pack("{s:s}", "activation_fn", "torch.nn.modules.activation.Softmax"),
                   ERR_UNSUPPORTED, "Softmax");
    expect_refusal("sbert_ce_default_activation_function", json_string("my.module.Sigmoid"),
                   ERR_UNSUPPORTED, "my.module.Sigmoid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_and_scores_are_those_of_the_reference),
        cmocka_unit_test(other_precisions_stay_near_the_logits_of_the_reference),
        cmocka_unit_test(a_pair_has_the_same_logits_whatever_it_is_scored_with),
        cmocka_unit_test(a_text_that_is_not_utf8_is_named),
        cmocka_unit_test(a_raised_cancel_ends_it),
        cmocka_unit_test(a_model_of_vectors_is_no_cross_encoder_nor_the_other_way_round),
        cmocka_unit_test(what_the_head_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
