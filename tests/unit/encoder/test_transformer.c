/* Tests of the forward pass, layer by layer: what PyTorch computed for the tiny models of
 * tests/golden, against ours, for every instruction set that runs here. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "encoder/model/weights.h"
#include "encoder/transformer/pooling.h"
#include "encoder/transformer/relative_bias.h"
#include "encoder/transformer/transformer.h"
#include "encoder/transformer/vector_head.h"
#include "tests/test.h"

static const char *const models[] = {
    "cls-32",
    "mean-64",
    "max-32",
    "cls-mean-64",
    "mean-32-f16",
    "roberta-max-32",
    "xlm-roberta-mean-32",
    "distilbert-mean-32",
    "mpnet-mean-32",
    "dense-16",
    "prompts-16",
    "activations-16",
};
static const char *const isas[] = {"generic", "avx2", "avx512"};

static json_t *read_expected(const char *model)
{
    char path[256];
    json_t *json;
    struct err err = {0};
    snprintf(path, sizeof path, "tests/golden/models/%s/expected/expected.json", model);
    if (json_read_object(&json, path, (size_t)1 << 20, &err) < 0)
        fail_msg("%s", err.message);
    return json;
}

static float *read_floats(const char *model, const char *name, size_t count)
{
    char path[256], *data;
    size_t size;
    struct err err = {0};
    snprintf(path, sizeof path, "tests/golden/models/%s/expected/%s.f32", model, name);
    if (file_read(&data, &size, path, (size_t)1 << 24, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(size, count * sizeof(float));
    return (float *)(void *)data;
}

/* All texts of the golden file as one batch. */
static void fill_batch(struct batch *batch, const json_t *expected)
{
    size_t i, t;
    const json_t *text, *id;

    batch->tokens = batch->sequences = 0;
    json_array_foreach(json_object_get(expected, "texts"), i, text)
    {
        const json_t *ids = json_object_get(text, "ids"),
                     *types = json_object_get(text, "type_ids");
        batch->starts[i] = batch->tokens;
        json_array_foreach(ids, t, id)
        {
            batch->ids[batch->tokens] = (uint32_t)json_integer_value(id);
            batch->type_ids[batch->tokens++] =
                (uint8_t)json_integer_value(json_array_get(types, t));
        }
    }
    batch->sequences = i;
    batch->starts[i] = batch->tokens;
}

static void assert_close(const char *model, const char *isa, const char *what, const float *got,
                         const float *wanted, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows * columns; i++)
        if (!(fabsf(got[i] - wanted[i]) <= 2e-5f))
            fail_msg("%s, %s, %s: (%zu, %zu) is %.7g, not %.7g", model, isa, what, i / columns,
                     i % columns, (double)got[i], (double)wanted[i]);
}

static void check_layers(const char *name, const char *isa, const struct model *model,
                         const struct transformer *transformer, struct workspace *workspace)
{
    size_t tokens = workspace->batch.tokens, hidden = model->hidden_size;

    transformer_embed(transformer, workspace);
    for (size_t layer = 0;; layer++) {
        char file[32];
        snprintf(file, sizeof file, "hidden_%zu", layer);
        float *wanted = read_floats(name, file, tokens * hidden);
        assert_close(name, isa, file, workspace->x, wanted, tokens, hidden);
        free(wanted);
        if (layer == model->layers)
            break;
        transformer_run_layer(transformer, layer, workspace, NULL);
    }
}

static void check_vectors(const char *name, const struct kernels *kernels,
                          const struct model *model, const struct transformer *transformer,
                          const struct workspace *workspace)
{
    size_t count = workspace->batch.sequences, dimension = model->pooled_size;
    const char *isa = kernels->isa;
    float *vectors = calloc(count * dimension, sizeof *vectors);

    assert_non_null(vectors);
    float *wanted = read_floats(name, "pooled", count * dimension);
    for (size_t i = 0; i < count; i++) {
        size_t start = workspace->batch.starts[i];
        pooling_run(model, kernels, workspace->x + start * model->hidden_size,
                    workspace->batch.starts[i + 1] - start, 0, vectors + i * dimension);
    }
    assert_close(name, isa, "pooled", vectors, wanted, count, dimension);
    free(wanted);
    free(vectors);

    dimension = model->dimension;
    vectors = calloc(count * dimension, sizeof *vectors);
    assert_non_null(vectors);
    wanted = read_floats(name, "final", count * dimension);
    for (size_t i = 0; i < count; i++)
        transformer_pool(transformer, workspace, i, 0, vectors + i * dimension);
    assert_close(name, isa, "final", vectors, wanted, count, dimension);
    free(wanted);
    free(vectors);
}

static void check_model(const char *name, const char *isa)
{
    char folder[256];
    struct model *model = NULL;
    struct transformer *transformer = NULL;
    struct workspace workspace = {0};
    const struct kernels *kernels;
    struct err err = {0};

    if (kernels_choose(&kernels, isa, NULL) < 0)
        return;
    json_t *expected = read_expected(name);
    snprintf(folder, sizeof folder, "tests/golden/models/%s", name);
    if (model_open(&model, folder, &err) < 0 ||
        transformer_open(&transformer, model, kernels, &matmul_packed, &err) < 0 ||
        workspace_open(&workspace, model, &matmul_packed, 1024, &err) < 0)
        fail_msg("%s", err.message);
    fill_batch(&workspace.batch, expected);
    check_layers(name, isa, model, transformer, &workspace);
    check_vectors(name, kernels, model, transformer, &workspace);
    workspace_close(&workspace);
    transformer_close(transformer);
    model_close(model);
    json_decref(expected);
}

static void every_layer_gives_what_pytorch_gave(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++)
        for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
            check_model(models[m], isas[i]);
}

/* How many pages of a table of f32 are in memory. */
static size_t resident_pages(const float *table, size_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    size_t pages = (count * sizeof *table + page - 1) / page;
    unsigned char *states = calloc(pages, 1);
    assert_non_null(states);
    assert_int_equal(mincore((void *)(uintptr_t)table, pages * page, states), 0);
    for (size_t i = 0; i < pages; i++)
        resident += states[i] & 1;
    free(states);
    return resident;
}

/* Its tables are read from the file, row by row or to be packed, and never stand in memory. */
static void a_model_in_half_precision_takes_no_memory_for_its_numbers_as_f32(void **state)
{
    (void)state;
    static const char *const halves[] = {"mean-32-f16", "cls-mean-64"}; /* f16, bf16 */

    for (size_t m = 0; m < sizeof halves / sizeof halves[0]; m++) {
        char folder[256];
        struct model *model = NULL;
        struct transformer *transformer = NULL;
        struct err err = {0};
        snprintf(folder, sizeof folder, "tests/golden/models/%s", halves[m]);
        if (model_open(&model, folder, &err) < 0 ||
            transformer_open(&transformer, model, &kernels_generic, &matmul_packed, &err) < 0)
            fail_msg("%s", err.message);
        const struct linear *linear = &model->layer[1].output;
        size_t words = model->vocabulary_size * model->hidden_size;
        assert_int_equal(resident_pages(model->word_embeddings, words), 0);
        assert_int_equal(resident_pages(linear->weight, linear->in * linear->out), 0);
        weights_widen(model->storage, linear->weight);
        assert_true(resident_pages(linear->weight, linear->in * linear->out) > 0);
        transformer_close(transformer);
        model_close(model);
    }
}

/* The distances at which PyTorch's f32 logarithm changes the bucket, found by computing all. */
static void relative_distances_fall_into_the_buckets_of_the_reference(void **state)
{
    (void)state;
    static const ptrdiff_t firsts[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    size_t bucket = 0;
    for (ptrdiff_t distance = 0; distance < 20000; distance++) {
        if (bucket + 1 < 16 && distance == firsts[bucket + 1])
            bucket++;
        assert_int_equal(relative_bias_bucket(distance, 32), bucket);
        if (distance > 0)
            assert_int_equal(relative_bias_bucket(-distance, 32), 16 + bucket);
    }
}

static const struct pooling all_modes = {.modes = {POOLING_CLS, POOLING_MAX, POOLING_MEAN,
                                                   POOLING_MEAN_SQRT_LEN, POOLING_WEIGHTED_MEAN,
                                                   POOLING_LAST_TOKEN},
                                         .count = 6};

/* The modes by hand: three tokens of two numbers. */
static void every_pooling_mode_follows_its_definition(void **state)
{
    (void)state;
    static const float x[6] = {1, 10, 2, -20, 6, 40};
    static const float wanted[12] = {
        1,
        10, /* the first token */
        6,
        40, /* the largest */
        3,
        10, /* the mean */
        9 / 1.7320508f,
        30 / 1.7320508f, /* the sum by the root of the count */
        23 / 6.0f,
        90 / 6.0f, /* weights 1, 2, 3 */
        6,
        40, /* the last token */
    };
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        const struct kernels *kernels;
        struct model model = {.hidden_size = 2, .pooling = all_modes, .pooled_size = 12};
        float pooled[12], other[12], vector[12];
        double length = 0;
        if (kernels_choose(&kernels, isas[i], NULL) < 0)
            continue;
        pooling_run(&model, kernels, x, 3, 0, pooled);
        assert_close("pooling", isas[i], "by hand", pooled, wanted, 1, 12);
        model.normalize = true;
        model.dimension = 12;
        head_run(&model, kernels, pooled, other, vector);
        for (int d = 0; d < 12; d++)
            length += (double)vector[d] * (double)vector[d];
        assert_true(fabs(length - 1) < 1e-6);
    }
}

static void tokens_of_a_prompt_do_not_count(void **state)
{
    (void)state;
    static const float x[6] = {1, 10, 2, -20, 6, 40};
    static const float one_left_out[12] = {
        2, -20, 6, 40, 4, 10, 8 / 1.4142136f, 20 / 1.4142136f, 22 / 5.0f, 16, 6, 40};
    static const float none_left[8] = {1, 10}; /* the first of all, else zeros */
    struct model model = {.hidden_size = 2, .pooling = all_modes, .pooled_size = 12};
    float pooled[12];

    pooling_run(&model, &kernels_generic, x, 3, 1, pooled);
    assert_close("pooling", "generic", "by hand", pooled, one_left_out, 1, 12);
    model.pooling = (struct pooling){
        .modes = {POOLING_CLS, POOLING_MEAN, POOLING_WEIGHTED_MEAN, POOLING_LAST_TOKEN},
        .count = 4};
    pooling_run(&model, &kernels_generic, x, 3, 3, pooled);
    assert_close("pooling", "generic", "by hand", pooled, none_left, 1, 8);
}

static void a_vector_of_zeros_stays_one_when_normalised(void **state)
{
    (void)state;
    static const float x[4] = {0};
    struct model model = {.hidden_size = 4,
                          .pooling = {.modes = {POOLING_MEAN}, .count = 1},
                          .pooled_size = 4,
                          .dimension = 4,
                          .normalize = true};
    float pooled[4], other[4], vector[4];
    pooling_run(&model, &kernels_generic, x, 1, 0, pooled);
    head_run(&model, &kernels_generic, pooled, other, vector);
    for (int d = 0; d < 4; d++)
        assert_true(vector[d] == 0);
}

static void a_workspace_beyond_all_bounds_is_refused(void **state)
{
    (void)state;
    struct model model = {.hidden_size = 64, .heads = 4, .intermediate_size = 128};
    struct workspace workspace;
    struct err err = {0};
    assert_int_equal(workspace_open(&workspace, &model, &matmul_packed, 0, &err), ERR_LIMIT);
    assert_int_equal(workspace_open(&workspace, &model, &matmul_packed, SIZE_MAX / 8, &err),
                     ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_gives_what_pytorch_gave),
        cmocka_unit_test(a_model_in_half_precision_takes_no_memory_for_its_numbers_as_f32),
        cmocka_unit_test(relative_distances_fall_into_the_buckets_of_the_reference),
        cmocka_unit_test(every_pooling_mode_follows_its_definition),
        cmocka_unit_test(tokens_of_a_prompt_do_not_count),
        cmocka_unit_test(a_vector_of_zeros_stays_one_when_normalised),
        cmocka_unit_test(a_workspace_beyond_all_bounds_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
