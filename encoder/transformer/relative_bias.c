/* Laying out the relative position bias: distances to buckets, buckets to numbers. */
#include "encoder/transformer/relative_bias.h"

#include <math.h>
#include <stdlib.h>

#include "encoder/kernels/kernels.h"

size_t relative_bias_bucket(ptrdiff_t distance, size_t buckets)
{
    const double farthest = 128;
    size_t half = buckets / 2, exact = half / 2;
    size_t first = distance < 0 ? half : 0;
    size_t size = distance < 0 ? (size_t)-distance : (size_t)distance;

    if (size < exact)
        return first + size;
    /* In f32, as in the reference: the truncation is of its roundings. */
    float power = logf((float)size / (float)exact) / (float)log(farthest / (double)exact);
    size_t bucket = exact + (size_t)(power * (float)(half - exact));
    return first + (bucket < half ? bucket : half - 1);
}

int relative_bias_open(struct relative_bias *ret_bias, const struct model *model, struct err *err)
{
    if (!model->relative_bias)
        return 0;
    size_t tokens = model->max_positions;
    struct relative_bias bias = {
        .stride = 2 * tokens + ATTENTION_QUERY_BLOCK,
        .centre = tokens,
    };
    /* The kernels scale the sum of product and bias. */
    float factor = sqrtf((float)(model->hidden_size / model->heads));

    bias.numbers = calloc(model->heads * bias.stride, sizeof *bias.numbers);
    if (!bias.numbers)
        return err_memory(err, "the relative position bias");
    for (size_t h = 0; h < model->heads; h++)
        for (size_t i = 0; i < 2 * tokens; i++) {
            ptrdiff_t distance = (ptrdiff_t)i - (ptrdiff_t)bias.centre;
            size_t bucket = relative_bias_bucket(distance, model->relative_buckets);
            bias.numbers[h * bias.stride + i] =
                factor * model->relative_bias[bucket * model->heads + h];
        }
    *ret_bias = bias;
    return 0;
}

void relative_bias_close(struct relative_bias *bias)
{
    free(bias->numbers);
    *bias = (struct relative_bias){0};
}

const float *relative_bias_of_head(const struct relative_bias *bias, size_t head)
{
    return bias->numbers ? bias->numbers + head * bias->stride + bias->centre : NULL;
}
