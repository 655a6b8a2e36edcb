/* Training beside PyTorch: the losses and their gradients, the optimizers on given gradients, and
 * ten whole steps of every family with dropout off, against tests/golden/training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "encoder/model/safetensors.h"
#include "encoder/train/trainer.h"
#include "tests/test.h"

#define GOLDEN "tests/golden/"
#define TRAINING GOLDEN "training/"

static json_t *read_json(const char *path)
{
    json_t *json;
    struct err err = {0};
    if (json_read_object(&json, path, 1 << 24, &err) < 0)
        fail_msg("%s", err.message);
    return json;
}

static double field(const json_t *json, const char *key)
{
    return json_number_value(json_object_get(json, key));
}

/* Appends all numbers of nested arrays. */
static size_t flatten(const json_t *json, float *numbers, size_t count)
{
    size_t i;
    json_t *value;
    if (json_is_number(json)) {
        numbers[count++] = (float)json_number_value(json);
        return count;
    }
    json_array_foreach(json, i, value)
    {
        count = flatten(value, numbers, count);
    }
    return count;
}

static size_t numbers_of(const json_t *json, const char *key, float *numbers)
{
    return flatten(json_object_get(json, key), numbers, 0);
}

static void assert_near(const float *got, const float *wanted, size_t count, double tolerance,
                        const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)wanted[i]) <=
              tolerance * fmax(1, fabs((double)wanted[i]))))
            fail_msg("%s: number %zu is %.9g, PyTorch has %.9g", what, i, (double)got[i],
                     (double)wanted[i]);
}

static int choose(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (word && strcmp(word, words[i]) == 0)
            return i;
    fail_msg("unknown: %s", word ? word : "(none)");
    return 0;
}

/* An objective and its settings as the golden files spell them. */
static struct loss read_loss(const json_t *json)
{
    static const char *const objectives[] = {"nli", "sts", "triplet", "mnrl", "distill", NULL};
    static const char *const distances[] = {"euclidean", "cosine", "manhattan", NULL};
    const json_t *settings = json_object_get(json, "settings");
    const char *distance = json_string_value(json_object_get(settings, "distance"));
    struct loss loss = train_defaults(OBJECTIVE_REGRESSION).loss;

    loss.objective =
        (enum objective)choose(json_string_value(json_object_get(json, "objective")), objectives);
    if (distance)
        loss.distance = (enum distance)choose(distance, distances);
    if (json_is_false(json_object_get(settings, "vectors")))
        loss.parts &= ~(unsigned)PART_VECTORS;
    if (json_is_false(json_object_get(settings, "difference")))
        loss.parts &= ~(unsigned)PART_DIFFERENCE;
    if (json_is_true(json_object_get(settings, "product")))
        loss.parts |= PART_PRODUCT;
    return loss;
}

/* --- losses --- */

enum { LOSS_EXAMPLES = 5, LOSS_SIZE = 6, LOSS_LABELS = 3, LOSS_NUMBERS = 256 };

static void check_loss(const json_t *json, const struct product *product)
{
    float vectors[LOSS_NUMBERS], wanted[LOSS_NUMBERS], targets[LOSS_NUMBERS], got[LOSS_NUMBERS];
    float numbers[LOSS_NUMBERS], gradients[LOSS_NUMBERS] = {0};
    float labels[LOSS_NUMBERS];
    size_t classes[LOSS_EXAMPLES] = {0};
    struct loss loss = read_loss(json);
    struct parameters parameters = {.numbers = numbers, .gradients = gradients};
    size_t count = numbers_of(json, "vectors", vectors);
    double value;

    numbers_of(json, "gradients", wanted);
    numbers_of(json, loss.objective == OBJECTIVE_DISTILLATION ? "teacher" : "scores", targets);
    numbers_of(json, "labels", labels);
    for (size_t i = 0; i < LOSS_EXAMPLES; i++)
        classes[i] = (size_t)labels[i];
    size_t weights = numbers_of(json, "weight", numbers);
    size_t all = weights + numbers_of(json, "bias", numbers + weights);
    parameters.classifier = (struct linear){.weight = numbers,
                                            .bias = numbers + weights,
                                            .in = weights / LOSS_LABELS,
                                            .out = LOSS_LABELS};
    struct loss_batch batch = {
        .vectors = vectors,
        .examples = LOSS_EXAMPLES,
        .columns = count / LOSS_EXAMPLES / LOSS_SIZE,
        .dimension = LOSS_SIZE,
        .targets = targets,
        .labels = classes,
        .scale = 1,
    };
    assert_int_equal(loss_run(&loss, product, &parameters, &batch, got, &value, NULL), 0);
    assert_true(fabs(value - field(json, "loss")) < 1e-6 * fmax(1, fabs(value)));
    assert_near(got, wanted, count, 1e-6, "a loss's gradient");
    if (weights) {
        numbers_of(json, "weight_gradient", wanted);
        numbers_of(json, "bias_gradient", wanted + weights);
        assert_near(gradients, wanted, all, 1e-6, "the classifier's gradient");
    }
}

static void losses_and_their_gradients_are_pytorchs(void **state)
{
    json_t *json = read_json(TRAINING "losses.json"), *loss;
    const struct kernels *best;
    struct product product;
    size_t i;

    (void)state;
    assert_true(json_array_size(json_object_get(json, "losses")) >= 11);
    assert_int_equal(kernels_choose(&best, NULL, NULL), 0);
    assert_int_equal(product_open(&product, best, NULL), 0);
    json_array_foreach(json_object_get(json, "losses"), i, loss)
    {
        check_loss(loss, &product);
    }
    product_close(&product);
    json_decref(json);
}

/* --- optimizers --- */

enum { OPTIMIZER_SIZE = 6 };

static void check_optimizer(const json_t *all, const json_t *json, const struct kernels *kernels)
{
    static const char *const kinds[] = {"adamw", "adam", "sgd", NULL};
    const json_t *settings = json_object_get(json, "settings");
    const char *name = json_string_value(json_object_get(json, "optimizer"));
    struct optimizer_settings how = {(enum optimizer_kind)choose(name, kinds), 0.9, 0.999, 1e-8,
                                     field(settings, "weight_decay")};
    float numbers[OPTIMIZER_SIZE], gradients[OPTIMIZER_SIZE], wanted[OPTIMIZER_SIZE];
    struct parameter parameter = {
        .kind = PARAMETER_WEIGHT, .rows = 1, .columns = OPTIMIZER_SIZE, .size = OPTIMIZER_SIZE};
    struct parameters parameters = {.numbers = numbers,
                                    .gradients = gradients,
                                    .size = OPTIMIZER_SIZE,
                                    .list = &parameter,
                                    .count = 1};
    const json_t *steps = json_object_get(all, "gradients");
    struct optimizer optimizer;
    struct pool *pool;

    numbers_of(all, "start", numbers);
    assert_int_equal(pool_open(&pool, 2, false, NULL), 0);
    assert_int_equal(
        optimizer_open(&optimizer, &how, &parameters, arithmetic_for(kernels), pool, NULL), 0);
    for (size_t step = 0; step < json_array_size(steps); step++) {
        flatten(json_array_get(steps, step), gradients, 0);
        optimizer_step(&optimizer, step + 1, field(settings, "lr"), 1);
        flatten(json_array_get(json_object_get(json, "numbers"), step), wanted, 0);
        assert_near(numbers, wanted, OPTIMIZER_SIZE, 1e-6, name);
    }
    optimizer_close(&optimizer);
    pool_close(pool);
}

static void optimizers_take_pytorchs_steps_on_given_gradients(void **state)
{
    json_t *json = read_json(TRAINING "optimizers.json"), *optimizer;
    const struct kernels *best;
    size_t i;

    (void)state;
    assert_int_equal(kernels_choose(&best, NULL, NULL), 0);
    json_array_foreach(json_object_get(json, "optimizers"), i, optimizer)
    {
        check_optimizer(json, optimizer, &kernels_generic);
        check_optimizer(json, optimizer, best);
    }
    json_decref(json);
}

/* --- ten steps --- */

/* A trainer over a golden case. */
struct rig {
    struct trainer trainer;
    struct examples examples;
    json_t *expected;
};

static void add_examples(struct rig *rig, const struct tokenizer *tokenizer)
{
    static const char *const labels[] = {"contradiction", "entailment", "neutral", NULL};
    const json_t *rows = json_object_get(rig->expected, "examples");
    size_t i;
    json_t *row;

    examples_start(&rig->examples,
                   json_array_size(json_object_get(json_array_get(rows, 0), "texts")), 1);
    json_array_foreach(rows, i, row)
    {
        struct example_text texts[EXAMPLE_TEXTS_MAX];
        float score = (float)(field(row, "score") / 5);
        struct example example = {
            texts, &score,
            (size_t)choose(json_string_value(json_object_get(row, "label")), labels)};
        for (size_t c = 0; c < rig->examples.columns; c++) {
            const json_t *text = json_array_get(json_object_get(row, "texts"), c);
            texts[c] = (struct example_text){json_string_value(text), json_string_length(text)};
        }
        assert_int_equal(examples_add(&rig->examples, tokenizer, rig->trainer.settings.max_length,
                                      &example, NULL),
                         0);
    }
}

static void set_up(struct rig *rig, const char *name, int threads, size_t accumulate)
{
    char path[256];
    struct err err = {0};
    struct tokenizer *tokenizer;

    snprintf(path, sizeof path, TRAINING "%s/expected.json", name);
    *rig = (struct rig){.expected = read_json(path)};
    struct train_settings settings = train_defaults(OBJECTIVE_REGRESSION);
    settings.loss = read_loss(rig->expected);
    settings.optimizer.kind = OPTIMIZER_SGD;
    settings.schedule = SCHEDULE_CONSTANT;
    settings.learning_rate = field(rig->expected, "rate");
    settings.warmup_ratio = 0;
    settings.epochs = 10;
    settings.batch_size = (size_t)field(rig->expected, "batch") / accumulate;
    settings.accumulate = accumulate;
    settings.clip = 0;
    settings.dropout = 0;
    settings.order = ORDER_FILE;
    settings.labels = settings.loss.objective == OBJECTIVE_CLASSIFICATION ? 3 : 0;
    settings.threads = threads;
    snprintf(path, sizeof path, GOLDEN "models/%s", name);
    if (trainer_open(&rig->trainer, path, &settings, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(
        tokenizer_open(&tokenizer, path, rig->trainer.parameters.model->do_lower_case, NULL), 0);
    add_examples(rig, tokenizer);
    tokenizer_close(tokenizer);
    assert_int_equal(trainer_take_examples(&rig->trainer, &rig->examples, NULL), 0);
}

static void tear_down(struct rig *rig)
{
    trainer_close(&rig->trainer);
    examples_release(&rig->examples);
    json_decref(rig->expected);
}

/* The name that PyTorch has for a parameter: without a family's prefix, today's names of a norm,
 * and a module's number before its own. */
static void pytorch_name(const struct parameter *parameter, char ret_name[256])
{
    const char *name = parameter->name;
    if (strncmp(name, "bert.", 5) == 0)
        name += 5;
    if (parameter->place >= 0)
        snprintf(ret_name, 256, "%d/%s", parameter->place, name);
    else
        snprintf(ret_name, 256, "%s", name);
    char *old = strstr(ret_name, "LayerNorm.gamma");
    if (old)
        memcpy(old, "LayerNorm.weight", sizeof "LayerNorm.weight");
    old = strstr(ret_name, "LayerNorm.beta");
    if (old)
        memcpy(old, "LayerNorm.bias", sizeof "LayerNorm.bias");
}

static void check_parameters(const struct rig *rig, const char *name)
{
    const struct parameters *parameters = &rig->trainer.parameters;
    char path[256], full[256];
    struct safetensors *file;

    snprintf(path, sizeof path, TRAINING "%s/trained.safetensors", name);
    assert_int_equal(safetensors_open(&file, path, NULL), 0);
    assert_int_equal(safetensors_count(file), parameters->count);
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *parameter = &parameters->list[i];
        pytorch_name(parameter, full);
        const struct tensor *tensor = safetensors_find(file, full);
        if (!tensor)
            fail_msg("%s has no %s", path, full);
        assert_int_equal(tensor->size, parameter->size * sizeof(float));
        assert_near(parameters->numbers + parameter->offset,
                    (const float *)(const void *)tensor->data, parameter->size, 1e-5, full);
    }
    safetensors_close(file);
}

static void check_steps(const char *name, int threads)
{
    struct rig rig;
    struct train_report report;
    struct err err = {0};

    set_up(&rig, name, threads, 1);
    const json_t *losses = json_object_get(rig.expected, "losses");
    assert_int_equal(json_array_size(losses), 10);
    for (size_t step = 0; step < json_array_size(losses); step++) {
        double wanted = json_number_value(json_array_get(losses, step));
        if (trainer_step(&rig.trainer, &report, &err) < 0)
            fail_msg("%s: %s", name, err.message);
        if (fabs(report.loss - wanted) > 1e-4 * fmax(fabs(wanted), 1e-2))
            fail_msg("%s: the loss of step %zu is %.9g, PyTorch has %.9g", name, step + 1,
                     report.loss, wanted);
    }
    check_parameters(&rig, name);
    tear_down(&rig);
}

#define TEN_STEPS(test, name)                                                                      \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        check_steps(name, 2);                                                                      \
    }
TEN_STEPS(ten_steps_of_bert_by_classification_are_pytorchs, "cls-32")
TEN_STEPS(ten_steps_of_max_pooling_and_tanh_gelu_are_pytorchs, "max-32")
TEN_STEPS(ten_steps_from_f16_with_relu_by_triplets_are_pytorchs, "mean-32-f16")
TEN_STEPS(ten_steps_of_roberta_by_ranking_are_pytorchs, "roberta-max-32")
TEN_STEPS(ten_steps_of_xlm_roberta_by_cosine_triplets_are_pytorchs, "xlm-roberta-mean-32")
TEN_STEPS(ten_steps_of_distilbert_are_pytorchs, "distilbert-mean-32")
TEN_STEPS(ten_steps_of_mpnet_with_relative_positions_are_pytorchs, "mpnet-mean-32")
TEN_STEPS(ten_steps_through_dense_modules_are_pytorchs, "dense-16")

static void gradients_of_two_half_batches_are_those_of_the_whole(void **state)
{
    struct rig rig;
    struct train_report report;

    (void)state;
    set_up(&rig, "mpnet-mean-32", 2, 2);
    for (int step = 0; step < 10; step++)
        assert_int_equal(trainer_step(&rig.trainer, &report, NULL), 0);
    check_parameters(&rig, "mpnet-mean-32");
    tear_down(&rig);
}

static void the_number_of_threads_changes_no_bit(void **state)
{
    struct rig one, three;
    struct train_report report;

    (void)state;
    set_up(&one, "dense-16", 1, 1);
    set_up(&three, "dense-16", 3, 1);
    for (int step = 0; step < 4; step++) {
        assert_int_equal(trainer_step(&one.trainer, &report, NULL), 0);
        assert_int_equal(trainer_step(&three.trainer, &report, NULL), 0);
    }
    assert_memory_equal(one.trainer.parameters.numbers, three.trainer.parameters.numbers,
                        one.trainer.parameters.size * sizeof(float));
    tear_down(&one);
    tear_down(&three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_and_their_gradients_are_pytorchs),
        cmocka_unit_test(optimizers_take_pytorchs_steps_on_given_gradients),
        cmocka_unit_test(ten_steps_of_bert_by_classification_are_pytorchs),
        cmocka_unit_test(ten_steps_of_max_pooling_and_tanh_gelu_are_pytorchs),
        cmocka_unit_test(ten_steps_from_f16_with_relu_by_triplets_are_pytorchs),
        cmocka_unit_test(ten_steps_of_roberta_by_ranking_are_pytorchs),
        cmocka_unit_test(ten_steps_of_xlm_roberta_by_cosine_triplets_are_pytorchs),
        cmocka_unit_test(ten_steps_of_distilbert_are_pytorchs),
        cmocka_unit_test(ten_steps_of_mpnet_with_relative_positions_are_pytorchs),
        cmocka_unit_test(ten_steps_through_dense_modules_are_pytorchs),
        cmocka_unit_test(gradients_of_two_half_batches_are_those_of_the_whole),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
