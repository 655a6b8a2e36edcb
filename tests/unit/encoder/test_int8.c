/* Tests of the products in 8-bit integers: every table of functions that this CPU runs against
 * plain C and against double, at odd sizes and at the ends of the range. */

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/int8.h"
#include "encoder/kernels/matmul.h"
#include "tests/test.h"

/* A table of functions and the kernels that it belongs to. */
struct table {
    const struct int8_kernels *int8;
    const struct kernels *kernels;
};
static struct table tables[5];
static int table_count;

static void find_tables(void)
{
    static const struct table all[] = {
        {&int8_generic, &kernels_generic},   {&int8_avx2, &kernels_avx2},
        {&int8_avxvnni, &kernels_avx2},      {&int8_avx512, &kernels_avx512},
        {&int8_avx512vnni, &kernels_avx512},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct kernels *kernels;
        if (kernels_choose(&kernels, all[i].kernels->isa, NULL) < 0)
            continue;
        if (!all[i].int8->vnni || int8_choose(kernels) == all[i].int8)
            tables[table_count++] = all[i];
    }
}

static float *random_floats(size_t count, float size)
{
    static uint32_t state = 1;
    float *floats = aligned_alloc(64, (count * sizeof *floats + 64) / 64 * 64);
    assert_non_null(floats);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        floats[i] = size * ((float)(state >> 8) * 0x1p-23f - 1);
    }
    return floats;
}

static void *zeroed(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    assert_non_null(memory);
    return memset(memory, 0, size);
}

/* Where the scales of a converted row are. */
static const struct int8_scale *scales_of(const uint8_t *row, size_t size)
{
    return (const struct int8_scale *)(const void *)(row + int8_scales_offset(size));
}

/* --- quantising --- */

static void a_group_is_rounded_to_the_nearest_of_256_steps(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 13, 16, 31, 64, 100, 127, 128};
    for (int t = 0; t < table_count; t++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            size_t size = sizes[s];
            float *x = random_floats(size, 3);
            uint8_t u8[INT8_GROUP + 1] = {0};
            struct int8_scale scale;
            u8[size] = 77;
            tables[t].int8->quantise(x, size, u8, &scale);
            for (size_t i = 0; i < size; i++) {
                float back = scale.scale * (float)(u8[i] + (int16_t)scale.minus_zero);
                /* 0 is exact, which shifts the ends by up to half a step. */
                if (!(fabsf(back - x[i]) <= 1.001f * scale.scale))
                    fail_msg("%s: %g became %g, the step is %g", tables[t].int8->name, (double)x[i],
                             (double)back, (double)scale.scale);
            }
            assert_int_equal(u8[size], 77);
            free(x);
        }
}

static void every_table_quantises_to_the_same_bits(void **state)
{
    (void)state;
    for (int shift = 0; shift < 3; shift++)
        for (size_t size = 1; size <= INT8_GROUP; size++) {
            float *x = random_floats(size, 1);
            uint8_t wanted[INT8_GROUP], got[INT8_GROUP];
            struct int8_scale wanted_scale, got_scale;
            for (size_t i = 0; i < size; i++)
                x[i] += (float)(shift - 1) * 0.9f; /* mostly below, around, mostly above zero */
            int8_generic.quantise(x, size, wanted, &wanted_scale);
            for (int t = 0; t < table_count; t++) {
                tables[t].int8->quantise(x, size, got, &got_scale);
                assert_memory_equal(got, wanted, size);
                assert_memory_equal(&got_scale, &wanted_scale, sizeof got_scale);
            }
            free(x);
        }
}

static void zeros_stay_zero_and_ends_reach_the_ends(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++) {
        float x[INT8_GROUP] = {0};
        uint8_t u8[INT8_GROUP];
        struct int8_scale scale;
        tables[t].int8->quantise(x, INT8_GROUP, u8, &scale);
        assert_true(scale.scale == 0 && scale.minus_zero == 0);
        assert_int_equal(u8[0], 0);
        for (int i = 0; i < INT8_GROUP; i++)
            x[i] = i % 2 ? -1.5f : 1.5f;
        tables[t].int8->quantise(x, INT8_GROUP, u8, &scale);
        assert_true(u8[0] >= 254 && u8[1] == 0);
        for (int i = 0; i < INT8_GROUP; i++)
            x[i] = 7;
        tables[t].int8->quantise(x, INT8_GROUP, u8, &scale);
        assert_int_equal(u8[3], 255);
        assert_int_equal((int16_t)scale.minus_zero, 0);
        for (int i = 0; i < INT8_GROUP; i++)
            x[i] = -7;
        tables[t].int8->quantise(x, INT8_GROUP, u8, &scale);
        assert_int_equal(u8[3], 0);
        assert_int_equal((int16_t)scale.minus_zero, -255);
    }
}

static void gelu_is_applied_before_quantising(void **state)
{
    (void)state;
    static const size_t sizes[] = {5, 77, 128};
    for (int t = 0; t < table_count; t++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            float *x = random_floats(sizes[s], 5);
            uint8_t u8[INT8_GROUP];
            struct int8_scale scale;
            tables[t].int8->quantise_gelu(x, sizes[s], u8, &scale);
            for (size_t i = 0; i < sizes[s]; i++) {
                float wanted = x[i] * 0.5f * erfcf(-x[i] * 0.70710678f);
                float got = scale.scale * (float)(u8[i] + (int16_t)scale.minus_zero);
                if (!(fabsf(got - wanted) <= 1.02f * scale.scale))
                    fail_msg("%s: GELU of %g is %g, not %g", tables[t].int8->name, (double)x[i],
                             (double)wanted, (double)got);
            }
            free(x);
        }
}

/* --- products --- */

struct operands {
    size_t in, out, rows;
    float *weights, *bias, *x;
};

/* What a table makes of the operands: y (rows, out). */
static float *multiply(const struct table *table, const struct operands *operands)
{
    const struct operands *o = operands;
    size_t width = table->kernels->panel_width, row_size = int8_row_size(o->in), packed_size;
    struct linear linear = {o->weights, o->bias, o->in, o->out};
    struct err err = {0};

    assert_int_equal(
        matmul_packed_size(&matmul_int8, table->kernels, &linear, 1, &packed_size, &err), 0);
    void *packed = zeroed(packed_size);
    uint8_t *rows = zeroed(o->rows * row_size);
    float *y = zeroed((o->rows * o->out + 1) * sizeof *y);
    const float *scales = packed, *biases = scales + int8_vector_size(o->out, width);
    const int8_t *panels = (const int8_t *)(biases + int8_vector_size(o->out, width));

    matmul_pack(&matmul_int8, table->kernels, &linear, 1, packed);
    for (size_t r = 0; r < o->rows; r++)
        for (size_t from = 0; from < o->in; from += INT8_GROUP) {
            uint8_t *row = rows + r * row_size;
            struct int8_scale *scale =
                (struct int8_scale *)(void *)(row + int8_scales_offset(o->in));
            size_t size = o->in - from < INT8_GROUP ? o->in - from : INT8_GROUP;
            table->int8->quantise(o->x + r * o->in + from, size, row + from,
                                  scale + from / INT8_GROUP);
        }
    y[o->rows * o->out] = 77;
    for (size_t panel = 0; panel < int8_panels(o->out, width); panel++) {
        size_t column = panel * width;
        struct int8_block block = {
            .x = rows,
            .x_stride = row_size,
            .rows = o->rows,
            .in = o->in,
            .panel = panels + panel * int8_panel_size(o->in, width),
            .scale = scales + column,
            .bias = biases + column,
            .y = y + column,
            .y_stride = o->out,
            .columns = o->out - column < width ? o->out - column : width,
        };
        table->int8->multiply(&block);
    }
    assert_true(y[o->rows * o->out] == 77);
    free(rows);
    free(packed);
    return y;
}

/* The same of one output, of exactly what is quantised, summed in double. */
static double multiply_one(const struct operands *operands, size_t row, size_t column)
{
    const float *x = operands->x + row * operands->in;
    const float *w = operands->weights + column * operands->in;
    double sum = 0;
    float largest = 0;

    for (size_t k = 0; k < operands->in; k++)
        largest = fmaxf(largest, fabsf(w[k]));
    float inverse = largest > 0 ? 127 / largest : 0;
    for (size_t from = 0; from < operands->in; from += INT8_GROUP) {
        size_t size = operands->in - from < INT8_GROUP ? operands->in - from : INT8_GROUP;
        uint8_t u8[INT8_GROUP];
        struct int8_scale scale;
        long total = 0;
        int8_generic.quantise(x + from, size, u8, &scale);
        for (size_t k = 0; k < size; k++)
            total += (u8[k] + (int16_t)scale.minus_zero) * lrintf(w[from + k] * inverse);
        sum += (double)total * (double)scale.scale;
    }
    return sum * (double)largest / 127 + (double)operands->bias[column];
}

static void check_products(const struct operands *operands)
{
    for (int t = 0; t < table_count; t++) {
        float *y = multiply(&tables[t], operands);
        for (size_t r = 0; r < operands->rows; r++)
            for (size_t o = 0; o < operands->out; o++) {
                double wanted = multiply_one(operands, r, o);
                double got = (double)y[r * operands->out + o];
                if (!(fabs(got - wanted) <= 1e-5 * (1 + fabs(wanted))))
                    fail_msg("%s, %zu to %zu, %zu rows: (%zu, %zu) is %.9g, not %.9g",
                             tables[t].int8->name, operands->in, operands->out, operands->rows, r,
                             o, got, wanted);
            }
        free(y);
    }
}

static void products_are_exact_but_for_the_scales(void **state)
{
    (void)state;
    static const size_t ins[] = {1, 3, 4, 13, 31, 64, 127, 128, 129, 200, 256, 391};
    static const size_t outs[] = {1, 3, 13, 16, 31, 32, 33, 70};
    static const size_t row_counts[] = {1, 2, 3, 5, 6, 7, 13, 31};
    for (size_t i = 0; i < sizeof ins / sizeof ins[0]; i++)
        for (size_t o = 0; o < sizeof outs / sizeof outs[0]; o++) {
            struct operands operands = {.in = ins[i],
                                        .out = outs[o],
                                        .rows = row_counts[(i + o) % 8],
                                        .weights = random_floats(ins[i] * outs[o], 0.2f),
                                        .bias = random_floats(outs[o], 1),
                                        .x = random_floats(31 * ins[i], 2)};
            check_products(&operands);
            free(operands.weights);
            free(operands.bias);
            free(operands.x);
        }
}

/* 255 times 127 or -127 at every place: sums of two such products do not fit in 16 bits. */
static void extremes_do_not_saturate(void **state)
{
    (void)state;
    enum { IN = 261, OUT = 34, ROWS = 4 };
    struct operands operands = {.in = IN,
                                .out = OUT,
                                .rows = ROWS,
                                .weights = random_floats(IN * OUT, 1),
                                .bias = random_floats(OUT, 0),
                                .x = random_floats(ROWS * IN, 1)};
    for (size_t i = 0; i < IN * OUT; i++)
        operands.weights[i] = i / IN % 2 ? -1 : 1;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t k = 0; k < IN; k++) /* all 255, all 0 with zero at 255, and both by turns */
            operands.x[r * IN + k] = r == 0 ? 1 : r == 1 ? -1 : (k / (r - 1)) % 2 ? 1 : -1;
    check_products(&operands);
    free(operands.weights);
    free(operands.bias);
    free(operands.x);
}

/* --- through the backend --- */

enum { IN = 200, OUT = 330, ROWS = 101 };

/* Products that give floats and products that give rows for the next, in parts and of some rows
 * alone: always the bits of the whole. */
static void check_parts(const struct kernels *kernels, bool converted)
{
    float *weights = random_floats(IN * OUT, 1), *bias = random_floats(OUT, 1);
    float *x = random_floats(ROWS * IN, 1);
    struct linear linear = {weights, bias, IN, OUT};
    struct matmul_weight *weight;
    struct err err = {0};
    size_t x_stride = matmul_row_size(&matmul_int8, IN);
    size_t y_stride = converted ? matmul_row_size(&matmul_int8, OUT) : OUT * sizeof(float);
    char *rows = zeroed(ROWS * x_stride);
    char *whole = zeroed(ROWS * y_stride), *parts = zeroed(ROWS * y_stride);

    assert_int_equal(matmul_prepare(&weight, &matmul_int8, kernels, &linear, 1, NULL, &err), 0);
    for (size_t r = 0; r < ROWS; r++)
        matmul_convert(&matmul_int8, kernels, x + r * IN, IN, rows + r * x_stride);
    struct matmul_product product = {weight,          rows,      x_stride, ROWS,
                                     ACTIVATION_GELU, converted, whole,    y_stride};
    matmul_run(&product);
    product.y = parts;
    for (size_t count = 2; count < 20; count += 5) {
        memset(parts, 0, ROWS * y_stride);
        for (size_t part = count; part-- > 0;)
            matmul_run_part(&product, part, count);
        assert_memory_equal(parts, whole, ROWS * y_stride);
    }
    for (size_t count = 1; count < ROWS; count++) {
        size_t from = count * 37 % (ROWS - count);
        memset(parts, 0, ROWS * y_stride);
        product.x = rows + from * x_stride;
        product.rows = count;
        matmul_run(&product);
        assert_memory_equal(parts, whole + from * y_stride, count * y_stride);
    }
    matmul_release(weight);
    free(weights);
    free(bias);
    free(x);
    free(rows);
    free(whole);
    free(parts);
}

static void a_row_has_the_same_bits_wherever_it_stands_and_in_parts(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++) {
        check_parts(tables[t].kernels, false);
        check_parts(tables[t].kernels, true);
    }
}

static void rows_written_by_a_product_are_those_converted_from_its_floats(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++) {
        const struct kernels *kernels = tables[t].kernels;
        float *weights = random_floats(IN * OUT, 1), *bias = random_floats(OUT, 1);
        float *x = random_floats(IN, 1), y[OUT];
        struct linear linear = {weights, bias, IN, OUT};
        struct matmul_weight *weight;
        struct err err = {0};
        size_t size = matmul_row_size(&matmul_int8, OUT);
        uint8_t *row = zeroed(matmul_row_size(&matmul_int8, IN));
        uint8_t *got = zeroed(size), *wanted = zeroed(size);

        assert_int_equal(matmul_prepare(&weight, &matmul_int8, kernels, &linear, 1, NULL, &err), 0);
        matmul_convert(&matmul_int8, kernels, x, IN, row);
        struct matmul_product product = {
            weight, row, matmul_row_size(&matmul_int8, IN), 1, ACTIVATION_RELU, true, got, size};
        matmul_run(&product);
        product.convert = false;
        product.y = y;
        product.y_stride = sizeof y;
        matmul_run(&product);
        matmul_convert(&matmul_int8, kernels, y, OUT, wanted);
        assert_memory_equal(got, wanted, size);
        assert_true(scales_of(got, OUT)->scale > 0);
        matmul_release(weight);
        free(weights);
        free(bias);
        free(x);
        free(row);
        free(got);
        free(wanted);
    }
}

int main(void)
{
    find_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_rounded_to_the_nearest_of_256_steps),
        cmocka_unit_test(every_table_quantises_to_the_same_bits),
        cmocka_unit_test(zeros_stay_zero_and_ends_reach_the_ends),
        cmocka_unit_test(gelu_is_applied_before_quantising),
        cmocka_unit_test(products_are_exact_but_for_the_scales),
        cmocka_unit_test(extremes_do_not_saturate),
        cmocka_unit_test(a_row_has_the_same_bits_wherever_it_stands_and_in_parts),
        cmocka_unit_test(rows_written_by_a_product_are_those_converted_from_its_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
