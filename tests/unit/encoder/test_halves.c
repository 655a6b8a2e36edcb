/* Tests of widening half precision: every number of both kinds. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/model/halves.h"
#include "tests/test.h"

enum { COUNT = 1 << 16 };

/* All 16-bit patterns in order, behind an odd address. */
static void widen_all(enum dtype dtype, float numbers[COUNT])
{
    unsigned char *bytes = malloc(1 + COUNT * sizeof(uint16_t));
    assert_non_null(bytes);
    for (size_t i = 0; i < COUNT; i++) {
        uint16_t half = (uint16_t)i;
        memcpy(bytes + 1 + i * sizeof half, &half, sizeof half);
    }
    halves_widen(dtype, bytes + 1, COUNT, numbers);
    free(bytes);
}

static void expect_number(size_t pattern, float number, double expected)
{
    if (isnan(expected))
        assert_true(isnan(number));
    else if ((double)number != expected || !signbit(number) != !signbit(expected))
        fail_msg("pattern %zx: %a, not %a", pattern, (double)number, expected);
}

/* A sign, an exponent of `exponent_bits` and a fraction, by their definition. */
static double by_definition(size_t pattern, int exponent_bits)
{
    int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(pattern >> fraction_bits) & ((1 << exponent_bits) - 1);
    double fraction = (double)(pattern & ((1u << fraction_bits) - 1));
    double number;

    if (exponent == (1 << exponent_bits) - 1)
        number = fraction > 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        number = ldexp(fraction, 1 - bias - fraction_bits);
    else
        number = ldexp(1 + ldexp(fraction, -fraction_bits), exponent - bias);
    return pattern & 0x8000 ? -number : number;
}

static void every_number_is_widened_exactly(void **state)
{
    (void)state;
    static float numbers[COUNT];

    widen_all(DTYPE_F16, numbers);
    for (size_t i = 0; i < COUNT; i++)
        expect_number(i, numbers[i], by_definition(i, 5));
    widen_all(DTYPE_BF16, numbers);
    for (size_t i = 0; i < COUNT; i++)
        expect_number(i, numbers[i], by_definition(i, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_number_is_widened_exactly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
