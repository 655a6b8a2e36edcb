/* Widening half precision, without a branch so that the compiler makes vectors of it. */
#include "encoder/model/halves.h"

#include <stdint.h>
#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint16_t half_at(const unsigned char *bytes, size_t i)
{
    uint16_t half;
    memcpy(&half, bytes + i * sizeof half, sizeof half);
    return half;
}

/* The exponent's bias is 15 instead of 127, which a product with 2^112 makes up for, for subnormals
 * too; infinities and NaN have all bits of the exponent here and there. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, bits;
    float magnitude = float_of_bits((uint32_t)(half & 0x7fff) << 13) * 0x1p112f;

    memcpy(&bits, &magnitude, sizeof bits);
    bits |= (half & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
    return float_of_bits(sign | bits);
}

void halves_widen(enum dtype dtype, const unsigned char *bytes, size_t count, float *ret_numbers)
{
    if (dtype == DTYPE_F16)
        for (size_t i = 0; i < count; i++)
            ret_numbers[i] = float_of_half(half_at(bytes, i));
    else /* bfloat16 is the upper half of an f32 */
        for (size_t i = 0; i < count; i++)
            ret_numbers[i] = float_of_bits((uint32_t)half_at(bytes, i) << 16);
}
