/* Every step of the way back against central differences: each test has the step's forward formula
 * in double, written plainly, and compares its slopes, by differences, with the gradients that the
 * trainer computes in f32. All instruction sets of this CPU, at odd sizes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/train/arithmetic.h"
#include "encoder/train/head.h"
#include "encoder/train/loss.h"
#include "encoder/train/product.h"
#include "encoder/train/random.h"
#include "tests/test.h"

enum { LIMIT = 4096 };

/* Numbers from -1 to 1. */
static void fill(float *x, size_t count, uint64_t key)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)random_bits(key, (uint32_t)i) * 0x1p-31f - 1;
}

/* A number that depends on others; `context` says how. */
typedef double (*function)(const double *x, const void *context);

/* The slope at each of `count` numbers by central differences must be `gradient`. */
static void check(const char *what, function f, const void *context, const float *x, size_t count,
                  const float *gradient)
{
    const double step = 1e-5;
    double exact[LIMIT], largest = 1e-3;

    assert_true(count <= LIMIT);
    for (size_t i = 0; i < count; i++) {
        exact[i] = (double)x[i];
        largest = fmax(largest, fabs((double)gradient[i]));
    }
    for (size_t i = 0; i < count; i++) {
        double at = exact[i];
        exact[i] = at + step;
        double above = f(exact, context);
        exact[i] = at - step;
        double below = f(exact, context);
        exact[i] = at;
        double slope = (above - below) / (2 * step);
        if (!(fabs(slope - (double)gradient[i]) < 2e-5 * largest))
            fail_msg("%s: slope %zu is %.9g, the gradient %.9g", what, i, slope,
                     (double)gradient[i]);
    }
}

/* Runs a test with each table that this CPU has. */
static void each_isa(void (*test)(const struct kernels *kernels))
{
    static const char *const names[] = {"generic", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct kernels *kernels;
        if (kernels_choose(&kernels, names[i], NULL) == 0)
            test(kernels);
    }
}

/* --- activations --- */

static void check_activations(const struct kernels *kernels)
{
    const struct arithmetic *arithmetic = arithmetic_for(kernels);
    enum { COUNT = 101 };

    for (int a = 0; a < ACTIVATION_COUNT; a++) {
        float x[COUNT], above[COUNT], below[COUNT], ones[COUNT], slopes[COUNT];
        const float step = 0.01f;
        for (int i = 0; i < COUNT; i++) {
            x[i] = (float)(i - 50) * 0.0973f + 0.04f; /* not at a corner */
            above[i] = x[i] + step;
            below[i] = x[i] - step;
            ones[i] = 1;
            slopes[i] = x[i];
        }
        kernels_generic.activate((enum activation)a, above, COUNT);
        kernels_generic.activate((enum activation)a, below, COUNT);
        arithmetic->activate_backward((enum activation)a, ones, COUNT, slopes);
        for (int i = 0; i < COUNT; i++) {
            double slope = ((double)above[i] - (double)below[i]) / (2 * (double)step);
            double formula = (double)activation_slope((enum activation)a, x[i]);
            if (fabs(slope - formula) > 2e-3 || fabs((double)slopes[i] - formula) > 1e-6)
                fail_msg("activation %d at %.4f: by differences %.6f, formula %.7f, %s %.7f", a,
                         (double)x[i], slope, formula, kernels->isa, (double)slopes[i]);
        }
    }
}

static void slopes_of_activations_are_right(void **state)
{
    (void)state;
    each_isa(check_activations);
}

static double gelu_sum(const double *x, const void *context)
{
    double sum = 0;
    for (size_t i = 0; i < *(const size_t *)context; i++)
        sum += x[i] * 0.5 * erfc(-x[i] / sqrt(2));
    return sum;
}

static void check_gelu(const struct kernels *kernels)
{
    size_t count = 77;
    float x[77], ones[77], slopes[77];

    fill(x, count, 1);
    for (size_t i = 0; i < count; i++) {
        x[i] *= 5;
        ones[i] = 1;
        slopes[i] = x[i];
    }
    arithmetic_for(kernels)->activate_backward(ACTIVATION_GELU, ones, count, slopes);
    check("GELU", gelu_sum, &count, x, count, slopes);
}

static void gelus_slope_is_that_of_differences_in_double(void **state)
{
    (void)state;
    each_isa(check_gelu);
}

/* --- linear layers --- */

/* sum of weights y, y = x W^T + b; x, W and b one after another. */
struct linear_case {
    size_t rows, in, out;
    const float *weights; /* (rows, out) */
};

static double linear_sum(const double *x, const void *context)
{
    const struct linear_case *c = context;
    const double *weight = x + c->rows * c->in, *bias = weight + c->out * c->in;
    double sum = 0;
    for (size_t r = 0; r < c->rows; r++)
        for (size_t o = 0; o < c->out; o++) {
            double y = bias[o];
            for (size_t i = 0; i < c->in; i++)
                y += x[r * c->in + i] * weight[o * c->in + i];
            sum += y * (double)c->weights[r * c->out + o];
        }
    return sum;
}

static void check_linear(const struct kernels *kernels)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {13, 33, 17}, {5, 34, 70}};
    float x[LIMIT], weights[LIMIT], y[LIMIT], gradient[LIMIT];
    struct product product;

    assert_int_equal(product_open(&product, kernels, NULL), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct linear_case c = {sizes[i][0], sizes[i][1], sizes[i][2], weights};
        size_t of_x = c.rows * c.in, of_weight = c.in * c.out, count = of_x + of_weight + c.out;
        float *weight = x + of_x, *bias = weight + of_weight;
        double sum = 0, exact[LIMIT];
        fill(x, count, 2 + i);
        fill(weights, c.rows * c.out, 3 + i);
        product_linear(&product, x, c.rows, c.in, weight, bias, c.out, y);
        for (size_t k = 0; k < c.rows * c.out; k++)
            sum += (double)y[k] * (double)weights[k];
        for (size_t k = 0; k < count; k++)
            exact[k] = (double)x[k];
        assert_true(fabs(sum - linear_sum(exact, &c)) < 1e-4);

        product_to_input(&product, weights, c.rows, c.out, weight, c.in, false, gradient);
        product_to_weight(&product, weights, c.out, x, c.rows, c.out, c.in, false, gradient + of_x);
        memset(gradient + of_x + of_weight, 0, c.out * sizeof *gradient);
        arithmetic_for(kernels)->add_columns(weights, c.out, c.rows, c.out,
                                             gradient + of_x + of_weight);
        check("a linear layer", linear_sum, &c, x, count, gradient);
    }
    product_close(&product);
}

static void gradients_of_linear_layers_are_right(void **state)
{
    (void)state;
    each_isa(check_linear);
}

/* Beyond one block of depth and one of rows, beside sums in double. */
static void check_large(const struct kernels *kernels)
{
    enum { ROWS = 401, OUT = 197, IN = 37 };
    float *y_gradient = malloc(ROWS * OUT * sizeof(float)), *x = malloc(ROWS * IN * sizeof(float));
    float *gradient = calloc(OUT * IN, sizeof(float));
    struct product product;

    assert_true(y_gradient && x && gradient);
    assert_int_equal(product_open(&product, kernels, NULL), 0);
    fill(y_gradient, ROWS * OUT, 5);
    fill(x, ROWS * IN, 6);
    for (int times = 1; times <= 2; times++) {
        product_to_weight(&product, y_gradient, OUT, x, ROWS, OUT, IN, times > 1, gradient);
        for (size_t o = 0; o < OUT; o += 7)
            for (size_t i = 0; i < IN; i++) {
                double sum = 0;
                for (size_t r = 0; r < ROWS; r++)
                    sum += (double)y_gradient[r * OUT + o] * (double)x[r * IN + i];
                assert_true(fabs(times * sum - (double)gradient[o * IN + i]) < 1e-4);
            }
    }
    product_close(&product);
    free(y_gradient);
    free(x);
    free(gradient);
}

static void gradients_over_many_rows_are_added_block_by_block(void **state)
{
    (void)state;
    each_isa(check_large);
}

/* --- layer norm --- */

struct norm_case {
    size_t size;
    const float *weights;
};

/* x, weight and bias one after another. */
static double norm_sum(const double *x, const void *context)
{
    const struct norm_case *c = context;
    double mean = 0, variance = 0, sum = 0;
    for (size_t i = 0; i < c->size; i++)
        mean += x[i] / (double)c->size;
    for (size_t i = 0; i < c->size; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)c->size;
    for (size_t i = 0; i < c->size; i++) {
        double normed = (x[i] - mean) / sqrt(variance + 1e-5);
        sum += (normed * x[c->size + i] + x[2 * c->size + i]) * (double)c->weights[i];
    }
    return sum;
}

static void check_norm(const struct kernels *kernels)
{
    static const size_t sizes[] = {3, 16, 31, 100};
    const struct arithmetic *arithmetic = arithmetic_for(kernels);

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t size = sizes[s];
        float x[300], y[100], normed[100], inverse, weights[100], gradient[300] = {0};
        struct layer_norm norm = {x + size, x + 2 * size, 1e-5f};
        struct norm_case c = {size, weights};
        fill(x, 3 * size, 10 + s);
        fill(weights, size, 20 + s);
        arithmetic->norm_forward(x, &norm, size, normed, &inverse, y);
        arithmetic->norm_backward(weights, normed, inverse, norm.weight, size, gradient,
                                  gradient + size, gradient + 2 * size);
        check("a layer norm", norm_sum, &c, x, 3 * size, gradient);
    }
}

static void gradients_of_layer_norm_are_right(void **state)
{
    (void)state;
    each_isa(check_norm);
}

/* --- attention --- */

enum { TOKENS = 9, HEAD = 5, TALL = 40 };

struct attention_case {
    size_t tokens, size;
    const float *weights; /* (tokens, size): of the output */
    const float *kept;    /* (tokens, tokens): what dropout makes of ones */
};

/* q, k and v side by side in each row, then the biases by query - key + tokens. */
static double attention_sum(const double *x, const void *context)
{
    const struct attention_case *c = context;
    size_t stride = 3 * c->size;
    const double *bias = x + c->tokens * stride + c->tokens;
    double sum = 0, weights[TALL];

    for (size_t i = 0; i < c->tokens; i++) {
        double total = 0;
        for (size_t j = 0; j < c->tokens; j++) {
            double score = 0;
            for (size_t d = 0; d < c->size; d++)
                score += x[i * stride + d] * x[j * stride + c->size + d];
            weights[j] = exp(score * 0.4 + bias[(ptrdiff_t)i - (ptrdiff_t)j]);
            total += weights[j];
        }
        for (size_t j = 0; j < c->tokens; j++)
            for (size_t d = 0; d < c->size; d++)
                sum += weights[j] / total * (double)c->kept[i * c->tokens + j] *
                       x[j * stride + 2 * c->size + d] * (double)c->weights[i * c->size + d];
    }
    return sum;
}

/* What dropout of the head's weights makes of ones. */
static void find_kept(const struct arithmetic *arithmetic, struct dropout dropout, size_t tokens,
                      float *kept)
{
    uint64_t key = dropout.key;
    for (size_t i = 0; i < tokens; i++) {
        for (size_t j = 0; j < tokens; j++)
            kept[i * tokens + j] = 1;
        dropout.key = random_key(key, i);
        arithmetic->drop(&dropout, tokens, kept + i * tokens);
    }
}

static void check_head(const struct kernels *kernels, size_t tokens, size_t size, float keep)
{
    const struct arithmetic *arithmetic = arithmetic_for(kernels);
    size_t stride = 3 * size, of_qkv = tokens * stride, count = of_qkv + 2 * tokens;
    float *x = calloc(5 * LIMIT, sizeof *x), *gradient = x + LIMIT, *weights = gradient + LIMIT;
    float *kept = weights + LIMIT, *out = kept + LIMIT;
    float *scratch = malloc(arithmetic_head_scratch(tokens, size) * sizeof *scratch);
    struct attention_case c = {tokens, size, weights, kept};
    struct head_pass head = {
        .q = x,
        .k = x + size,
        .v = x + 2 * size,
        .stride = stride,
        .tokens = tokens,
        .head_size = size,
        .scale = 0.4f,
        .bias = x + of_qkv + tokens,
        .dropout = {.key = 77, .keep = keep},
        .scratch = scratch,
        .out = out,
        .out_stride = size,
        .out_gradient = weights,
        .q_gradient = gradient,
        .k_gradient = gradient + size,
        .v_gradient = gradient + 2 * size,
        .bias_gradient = gradient + of_qkv + tokens,
    };
    double sum = 0, exact[LIMIT];

    assert_true(x && scratch && count <= LIMIT);
    fill(x, count, 30 + tokens);
    fill(weights, tokens * size, 40);
    find_kept(arithmetic, head.dropout, tokens, kept);
    arithmetic->head_forward(&head);
    for (size_t i = 0; i < tokens * size; i++)
        sum += (double)out[i] * (double)weights[i];
    for (size_t i = 0; i < count; i++)
        exact[i] = (double)x[i];
    assert_true(fabs(sum - attention_sum(exact, &c)) < 1e-4);
    arithmetic->head_backward(&head);
    check("attention", attention_sum, &c, x, count, gradient);
    free(x);
    free(scratch);
}

static void check_attention(const struct kernels *kernels)
{
    check_head(kernels, 1, 4, 1);
    check_head(kernels, TOKENS, HEAD, 1);
    check_head(kernels, TOKENS, HEAD, 0.7f);
    check_head(kernels, TALL, 16, 0.9f);
    check_head(kernels, 17, 33, 1);
}

static void gradients_of_attention_with_biases_and_dropout_are_right(void **state)
{
    (void)state;
    each_isa(check_attention);
}

/* --- dropout --- */

static void check_dropout(const struct kernels *kernels)
{
    enum { COUNT = 20000 };
    float *x = malloc(COUNT * sizeof *x), *plain = malloc(COUNT * sizeof *x);
    struct dropout dropout = {.key = 5, .keep = 0.9f};
    size_t zeros = 0;

    assert_true(x && plain);
    for (int i = 0; i < COUNT; i++)
        x[i] = plain[i] = 1;
    arithmetic_for(kernels)->drop(&dropout, COUNT, x);
    arithmetic_generic.drop(&dropout, COUNT, plain);
    assert_memory_equal(x, plain, COUNT * sizeof *x);
    for (int i = 0; i < COUNT; i++) {
        zeros += x[i] == 0;
        assert_true(x[i] == 0 || fabsf(x[i] - 1 / 0.9f) < 1e-6f);
    }
    assert_in_range(zeros, COUNT / 10 - 200, COUNT / 10 + 200);
    free(x);
    free(plain);
}

static void dropout_is_of_its_key_and_its_share(void **state)
{
    (void)state;
    each_isa(check_dropout);
}

/* --- pooling --- */

struct pooling_case {
    enum pooling_mode mode;
    size_t tokens, hidden;
    const float *weights;
};

static double pooling_sum(const double *x, const void *context)
{
    const struct pooling_case *c = context;
    double sum = 0, count = (double)c->tokens;
    for (size_t i = 0; i < c->hidden; i++) {
        double pooled = 0, largest = x[i];
        for (size_t t = 0; t < c->tokens; t++) {
            double number = x[t * c->hidden + i];
            largest = fmax(largest, number);
            pooled += c->mode == POOLING_MEAN            ? number / count
                      : c->mode == POOLING_MEAN_SQRT_LEN ? number / sqrt(count)
                      : c->mode == POOLING_WEIGHTED_MEAN
                          ? number * (double)(t + 1) / (count * (count + 1) / 2)
                      : c->mode == POOLING_CLS        ? (t == 0 ? number : 0)
                      : c->mode == POOLING_LAST_TOKEN ? (t + 1 == c->tokens ? number : 0)
                                                      : 0;
        }
        sum += (c->mode == POOLING_MAX ? largest : pooled) * (double)c->weights[i];
    }
    return sum;
}

static void gradients_of_every_pooling_are_right(void **state)
{
    enum { POOL_TOKENS = 5, POOL_HIDDEN = 7 };
    float x[POOL_TOKENS * POOL_HIDDEN], weights[POOL_HIDDEN], vector[POOL_HIDDEN];
    struct model model = {
        .hidden_size = POOL_HIDDEN, .pooled_size = POOL_HIDDEN, .pooling = {.count = 1}};

    (void)state;
    fill(x, POOL_TOKENS * POOL_HIDDEN, 50);
    fill(weights, POOL_HIDDEN, 51);
    for (int mode = POOLING_CLS; mode <= POOLING_LAST_TOKEN; mode++) {
        float gradient[POOL_TOKENS * POOL_HIDDEN] = {0};
        struct pooling_case c = {(enum pooling_mode)mode, POOL_TOKENS, POOL_HIDDEN, weights};
        model.pooling.modes[0] = c.mode;
        pooling_run(&model, &kernels_generic, x, POOL_TOKENS, 0, vector);
        pooling_back(&model, &kernels_generic, x, POOL_TOKENS, vector, weights, gradient);
        check("a pooling", pooling_sum, &c, x, POOL_TOKENS * POOL_HIDDEN, gradient);
    }
}

/* --- normalize, and distances --- */

static double unit_sum(const double *x, const void *context)
{
    const struct norm_case *c = context;
    double square = 0, sum = 0;
    for (size_t i = 0; i < c->size; i++)
        square += x[i] * x[i];
    for (size_t i = 0; i < c->size; i++)
        sum += x[i] / sqrt(square) * (double)c->weights[i];
    return sum;
}

static void the_gradient_through_normalize_is_right(void **state)
{
    float x[13], y[13], weights[13], gradient[13];
    struct norm_case c = {13, weights};

    (void)state;
    fill(x, 13, 60);
    fill(weights, 13, 61);
    normalize_forward(&kernels_generic, x, 13, y);
    normalize_back(&kernels_generic, x, y, 13, weights, gradient);
    check("normalize", unit_sum, &c, x, 13, gradient);
}

struct distance_case {
    enum distance distance;
    size_t size;
};

static double distance_of(const double *x, const void *context)
{
    const struct distance_case *c = context;
    const double *y = x + c->size;
    double sum = 0, product = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < c->size; i++) {
        double d = x[i] - y[i] + 1e-6;
        sum += c->distance == DISTANCE_MANHATTAN ? fabs(d) : d * d;
        product += x[i] * y[i];
        xx += x[i] * x[i];
        yy += y[i] * y[i];
    }
    return c->distance == DISTANCE_COSINE      ? 1 - product / sqrt(xx * yy)
           : c->distance == DISTANCE_MANHATTAN ? sum
                                               : sqrt(sum);
}

static void gradients_of_distances_are_right(void **state)
{
    (void)state;
    for (int d = DISTANCE_EUCLIDEAN; d <= DISTANCE_MANHATTAN; d++) {
        float x[22], gradient[22] = {0};
        double exact[22];
        struct distance_case c = {(enum distance)d, 11};
        fill(x, 22, 70);
        for (int i = 0; i < 22; i++)
            exact[i] = (double)x[i];
        assert_true(fabs(loss_distance(c.distance, x, x + 11, 11) - distance_of(exact, &c)) < 1e-6);
        loss_distance_back(c.distance, x, x + 11, 11, 1, gradient, gradient + 11);
        check("a distance", distance_of, &c, x, 22, gradient);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes_of_activations_are_right),
        cmocka_unit_test(gelus_slope_is_that_of_differences_in_double),
        cmocka_unit_test(gradients_of_linear_layers_are_right),
        cmocka_unit_test(gradients_over_many_rows_are_added_block_by_block),
        cmocka_unit_test(gradients_of_layer_norm_are_right),
        cmocka_unit_test(gradients_of_attention_with_biases_and_dropout_are_right),
        cmocka_unit_test(dropout_is_of_its_key_and_its_share),
        cmocka_unit_test(gradients_of_every_pooling_are_right),
        cmocka_unit_test(the_gradient_through_normalize_is_right),
        cmocka_unit_test(gradients_of_distances_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
