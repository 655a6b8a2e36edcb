/* Tests of the bfloat16 products: rounding, right sums for every table that runs here, and bits
 * that depend on a row alone. */

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/bf16.h"
#include "encoder/kernels/matmul.h"
#include "tests/test.h"

static const struct bf16_kernels *tables[4];
static const struct kernels *beside[4]; /* the kernels of the same width */
static int table_count;

static void add_table(const struct bf16_kernels *table, const struct kernels *kernels)
{
    tables[table_count] = table;
    beside[table_count++] = kernels;
}

static void find_tables(void)
{
    const struct kernels *kernels;
    add_table(&bf16_generic, &kernels_generic);
    if (kernels_choose(&kernels, "avx2", NULL) == 0)
        add_table(&bf16_avx2, kernels);
    if (kernels_choose(&kernels, "avx512", NULL) == 0) {
        add_table(&bf16_avx512, kernels);
        if (bf16_kernels_of(kernels) != &bf16_avx512)
            add_table(bf16_kernels_of(kernels), kernels);
    }
}

static uint32_t random_bits(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static float random_float(void)
{
    return (float)random_bits() * 0x1p-24f - 0.5f;
}

static void *aligned(size_t count, size_t size)
{
    void *memory = aligned_alloc(64, (count * size + 63) / 64 * 64);
    assert_non_null(memory);
    return memory;
}

static float *random_floats(size_t count)
{
    float *floats = aligned(count, sizeof *floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = random_float();
    return floats;
}

static float widen(uint16_t upper)
{
    uint32_t bits = (uint32_t)upper << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static void numbers_round_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(bf16_of_float(1), 0x3f80);
    assert_int_equal(bf16_of_float(-0.0f), 0x8000);
    assert_int_equal(bf16_of_float(0x1.01p0f), 0x3f80);     /* half way: to the even one below */
    assert_int_equal(bf16_of_float(0x1.03p0f), 0x3f82);     /* half way: to the even one above */
    assert_int_equal(bf16_of_float(0x1.010002p0f), 0x3f81); /* beyond half way */
    assert_int_equal(bf16_of_float(0x1.fffffep127f), 0x7f80);
    assert_int_equal(bf16_of_float(INFINITY), 0x7f80);
    assert_int_equal(bf16_of_float(-INFINITY), 0xff80);
    assert_true(isnan(widen(bf16_of_float(NAN))));
}

static void every_table_converts_alike(void **state)
{
    (void)state;
    enum { SIZE = 387, ROW = 416 };
    float *x = random_floats(SIZE);
    uint16_t row[ROW];

    for (size_t i = 0; i < SIZE; i++)
        x[i] = ldexpf(x[i], (int)(random_bits() % 200) - 100);
    x[3] = INFINITY;
    x[4] = 0x1.01p0f;
    x[5] = 0x1.03p0f;
    x[6] = -0x1.fffffep127f;
    for (int t = 0; t < table_count; t++) {
        memset(row, 0xff, sizeof row);
        tables[t]->convert(x, SIZE, row, ROW);
        for (size_t i = 0; i < ROW; i++)
            if (row[i] != (i < SIZE ? bf16_of_float(x[i]) : 0))
                fail_msg("%s: [%zu] %a becomes %#x", tables[t]->isa, i, (double)x[i], row[i]);
        x[0] = NAN;
        tables[t]->convert(x, 32, row, 32);
        assert_true(isnan(widen(row[0])));
        x[0] = 1;
    }
    free(x);
}

/* One panel of random numbers, as a block and as numbers to check it by. */
struct fixture {
    struct bf16_block block;
    uint32_t *panel;
    uint16_t *x;
    float *bias, *y;
    uint16_t *y_bf16;
};

static void make_fixture(struct fixture *fixture, int t, size_t rows, size_t pairs, size_t columns)
{
    size_t width = tables[t]->panel_width, x_stride = 2 * pairs + 6;
    fixture->panel = aligned(pairs * width, sizeof *fixture->panel);
    fixture->x = aligned(rows * x_stride, sizeof *fixture->x);
    fixture->bias = random_floats(width);
    fixture->y = random_floats(rows * (width + 5));
    fixture->y_bf16 = aligned(rows * (width + 32), sizeof *fixture->y_bf16);
    for (size_t i = 0; i < pairs * width; i++)
        fixture->panel[i] =
            (uint32_t)bf16_of_float(random_float()) << 16 | bf16_of_float(random_float());
    for (size_t i = 0; i < rows * x_stride; i++)
        fixture->x[i] = bf16_of_float(random_float());
    fixture->block = (struct bf16_block){
        .kernels = beside[t],
        .x = fixture->x,
        .x_stride = x_stride,
        .rows = rows,
        .panel = fixture->panel,
        .pairs = pairs,
        .next = fixture->panel,
        .bias = fixture->bias,
        .activation = ACTIVATION_RELU,
        .columns = columns,
        .y = fixture->y,
        .y_stride = width + 5,
    };
}

static void release_fixture(struct fixture *fixture)
{
    free(fixture->panel);
    free(fixture->x);
    free(fixture->bias);
    free(fixture->y);
    free(fixture->y_bf16);
}

static double sum_in_double(const struct bf16_block *block, size_t width, double start, size_t r,
                            size_t c)
{
    double sum = start;
    for (size_t k = 0; k < block->pairs; k++) {
        uint32_t pair = block->panel[k * width + c];
        const uint16_t *x = block->x + r * block->x_stride + 2 * k;
        sum += (double)widen(x[0]) * (double)widen((uint16_t)pair);
        sum += (double)widen(x[1]) * (double)widen((uint16_t)(pair >> 16));
    }
    return sum > 0 ? sum : 0;
}

static void check_block(int t, size_t rows, size_t pairs, size_t columns)
{
    struct fixture fixture;
    make_fixture(&fixture, t, rows, pairs, columns);
    struct bf16_block *block = &fixture.block;
    size_t width = tables[t]->panel_width, stride = block->y_stride;
    float *before = random_floats(rows * stride);

    for (int from_y = 0; from_y < 2; from_y++) {
        memcpy(before, fixture.y, rows * stride * sizeof *before);
        block->bias = from_y ? NULL : fixture.bias;
        tables[t]->multiply_block(block);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < stride; c++) {
                float got = fixture.y[r * stride + c], was = before[r * stride + c];
                if (c >= columns) {
                    assert_true(got == was);
                    continue;
                }
                double start = (double)(from_y ? was : fixture.bias[c]);
                double wanted = sum_in_double(block, width, start, r, c);
                if (!(fabs((double)got - wanted) <= 2e-5))
                    fail_msg("%s, %zu rows, %zu pairs, %zu columns: (%zu, %zu) is %.9g, not %.9g",
                             tables[t]->isa, rows, pairs, columns, r, c, (double)got, wanted);
            }
    }
    free(before);
    release_fixture(&fixture);
}

static void blocks_agree_with_double(void **state)
{
    (void)state;
    static const size_t row_counts[] = {1, 2, 3, 5, 13, 14, 15, 29};
    static const size_t pair_counts[] = {1, 2, 17, 192, 401};
    for (int t = 0; t < table_count; t++)
        for (size_t r = 0; r < sizeof row_counts / sizeof row_counts[0]; r++)
            for (size_t p = 0; p < sizeof pair_counts / sizeof pair_counts[0]; p++)
                for (size_t columns = tables[t]->panel_width; columns > 0;
                     columns -= columns / 2 + 1)
                    check_block(t, row_counts[r], pair_counts[p], columns);
}

static void sums_for_the_next_product_are_those_in_f32_rounded(void **state)
{
    (void)state;
    static const enum activation activations[] = {ACTIVATION_IDENTITY, ACTIVATION_RELU,
                                                  ACTIVATION_GELU_TANH};
    for (int t = 0; t < table_count; t++)
        for (size_t rows = 1; rows < 32; rows++) {
            struct fixture fixture;
            size_t width = tables[t]->panel_width;
            make_fixture(&fixture, t, rows, 33, width);
            fixture.block.activation = activations[rows % 3];
            tables[t]->multiply_block(&fixture.block);
            fixture.block.y = NULL;
            fixture.block.y_bf16 = fixture.y_bf16;
            size_t f32_stride = fixture.block.y_stride;
            fixture.block.y_stride = width + 32;
            tables[t]->multiply_block(&fixture.block);
            for (size_t r = 0; r < rows; r++)
                for (size_t c = 0; c < width; c++)
                    assert_int_equal(fixture.y_bf16[r * (width + 32) + c],
                                     bf16_of_float(fixture.y[r * f32_stride + c]));
            release_fixture(&fixture);
        }
}

/* The sums are the biases here, which go through GELU's range, and its tails. */
static void gelu_before_rounding_is_right_to_1e_5(void **state)
{
    (void)state;
    for (int t = 0; t < table_count; t++) {
        struct fixture fixture;
        size_t rows = 15, width = tables[t]->panel_width;
        make_fixture(&fixture, t, rows, 3, width);
        memset(fixture.x, 0, rows * fixture.block.x_stride * sizeof *fixture.x);
        fixture.block.activation = ACTIVATION_GELU;
        fixture.block.y = NULL;
        fixture.block.y_bf16 = fixture.y_bf16;
        for (double from = -9; from < 9; from += 0.0013 * (double)width) {
            for (size_t c = 0; c < width; c++)
                fixture.bias[c] = (float)(from + 0.0013 * (double)c);
            tables[t]->multiply_block(&fixture.block);
            for (size_t i = 0; i < rows * width; i++) {
                double x = (double)fixture.bias[i % width], wanted = x / 2 * (1 + erf(x / sqrt(2)));
                double slack = 1.1e-5 < 1e-4 * fabs(x) ? 1.1e-5 : 1e-4 * fabs(x);
                float got = widen(fixture.y_bf16[i / width * fixture.block.y_stride + i % width]);
                if (!(fabs((double)got - wanted) <= slack + fabs(wanted) / 256 * 1.002))
                    fail_msg("%s: GELU of %.9g is %.9g, not %.9g", tables[t]->isa, x, (double)got,
                             wanted);
            }
        }
        release_fixture(&fixture);
    }
}

/* --- whole products, by the tables that are chosen here --- */

static void for_each_isa(void (*test)(const struct kernels *))
{
    static const char *const isas[] = {"generic", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        const struct kernels *kernels;
        if (kernels_choose(&kernels, isas[i], NULL) == 0)
            test(kernels);
    }
}

static struct matmul_weight *prepare(const struct kernels *kernels, const float *data,
                                     const float *bias, size_t in, size_t out)
{
    struct linear linear = {.weight = data, .bias = bias, .in = in, .out = out};
    const struct matmul_backend *backend;
    struct matmul_weight *weight = NULL;
    struct err err = {0};
    if (matmul_choose(&backend, PRECISION_BF16, NULL, kernels, &err) < 0 ||
        matmul_prepare(&weight, backend, kernels, &linear, 1, NULL, &err) < 0)
        fail_msg("%s", err.message);
    return weight;
}

/* Two products after each other, the first giving rows for the second: `rows` of x from `from`. */
static void run_two(const struct matmul_weight *first, const struct matmul_weight *second,
                    const char *x, size_t rows, size_t parts, char *inner, float *y)
{
    const struct matmul_backend *backend = first->backend;
    struct matmul_product product = {
        .weight = first,
        .x = x,
        .x_stride = matmul_row_size(backend, first->in),
        .rows = rows,
        .activation = ACTIVATION_GELU,
        .convert = true,
        .y = inner,
        .y_stride = matmul_row_size(backend, first->out),
    };
    for (size_t part = parts; part-- > 0;)
        matmul_run_part(&product, part, parts);
    product.weight = second;
    product.x = inner;
    product.x_stride = product.y_stride;
    product.activation = ACTIVATION_IDENTITY;
    product.convert = false;
    product.y = y;
    product.y_stride = second->out * sizeof *y;
    for (size_t part = parts; part-- > 0;)
        matmul_run_part(&product, part, parts);
}

static void check_shape(const struct kernels *kernels, size_t in, size_t between, size_t out)
{
    enum { ROWS = 300 };
    float *data = random_floats(in * between + between * out), *bias = random_floats(between + out);
    float *floats = random_floats(in);
    struct matmul_weight *first = prepare(kernels, data, bias, in, between);
    struct matmul_weight *second =
        prepare(kernels, data + in * between, bias + between, between, out);
    size_t x_size = matmul_row_size(first->backend, in);
    size_t inner_size = matmul_row_size(first->backend, between);
    char *x = aligned(ROWS, x_size), *inner = aligned(ROWS, inner_size);
    float *all = random_floats(ROWS * out), *some = random_floats(ROWS * out);

    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < in; i++)
            floats[i] = random_float();
        matmul_convert(first->backend, kernels, floats, in, x + r * x_size);
    }
    run_two(first, second, x, ROWS, 1, inner, all);
    for (size_t i = 0; i < ROWS * out; i++)
        assert_true(isfinite(all[i]));
    for (size_t rows = 1; rows <= 64; rows += rows < 32 ? 1 : 7) {
        size_t from = rows * 37 % (ROWS - rows);
        memset(inner, 0xff, ROWS * inner_size); /* whatever is left unwritten is no number */
        run_two(first, second, x + from * x_size, rows, rows % 5 + 1, inner, some);
        if (memcmp(some, all + from * out, rows * out * sizeof *some) != 0)
            fail_msg("%s, %zu to %zu to %zu: %zu rows from %zu on differ", kernels->isa, in,
                     between, out, rows, from);
    }
    matmul_release(first);
    matmul_release(second);
    free(data);
    free(bias);
    free(floats);
    free(x);
    free(inner);
    free(all);
    free(some);
}

static void check_shapes(const struct kernels *kernels)
{
    check_shape(kernels, 32, 64, 32);
    check_shape(kernels, 33, 47, 19);
    check_shape(kernels, 1, 3, 1);
    check_shape(kernels, 130, 801, 65);
}

static void a_row_has_the_same_bits_wherever_it_stands_and_in_any_parts(void **state)
{
    (void)state;
    for_each_isa(check_shapes);
}

/* The packed form holds no pointers, so it may be kept and given back. */
static void check_packed(const struct kernels *kernels)
{
    enum { IN = 33, OUT = 70 };
    float *data = random_floats(IN * OUT);
    struct linear linear = {.weight = data, .in = IN, .out = OUT};
    const struct matmul_backend *backend;
    struct matmul_weight *weight = prepare(kernels, data, NULL, IN, OUT), *given;
    size_t size;

    backend = weight->backend;
    assert_int_equal(matmul_packed_size(backend, kernels, &linear, 1, &size, NULL), 0);
    char *packed = aligned(size, 1);
    matmul_pack(backend, kernels, &linear, 1, packed);
    assert_memory_equal(packed, weight->packed, backend->packed_size(kernels, IN, OUT));
    assert_int_equal(matmul_prepare(&given, backend, kernels, &linear, 1, packed, NULL), 0);
    assert_ptr_equal(given->packed, packed);
    matmul_release(given);
    matmul_release(weight);
    free(packed);
    free(data);
}

static void the_packed_form_may_be_given(void **state)
{
    (void)state;
    for_each_isa(check_packed);
}

int main(void)
{
    find_tables();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_round_to_nearest_even),
        cmocka_unit_test(every_table_converts_alike),
        cmocka_unit_test(blocks_agree_with_double),
        cmocka_unit_test(sums_for_the_next_product_are_those_in_f32_rounded),
        cmocka_unit_test(gelu_before_rounding_is_right_to_1e_5),
        cmocka_unit_test(a_row_has_the_same_bits_wherever_it_stands_and_in_any_parts),
        cmocka_unit_test(the_packed_form_may_be_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
