/* Attention: which query meets which keys. The arithmetic is a kernel's. */
#include "encoder/transformer/attention.h"

#include <math.h>

void attention_run(const struct model *model, const struct relative_bias *bias,
                   const struct kernels *kernels, struct workspace *workspace)
{
    const struct batch *batch = &workspace->batch;
    size_t hidden = model->hidden_size, head_size = hidden / model->heads;
    struct attention_head head = {
        .stride = 3 * hidden,
        .head_size = head_size,
        .scale = 1 / sqrtf((float)head_size),
        .out_stride = hidden,
        .scratch = workspace->scratch,
    };

    for (size_t s = 0; s < batch->sequences; s++) {
        const float *qkv = workspace->qkv + batch->starts[s] * head.stride;
        float *context = workspace->context + batch->starts[s] * hidden;
        head.tokens = batch->starts[s + 1] - batch->starts[s];
        for (size_t h = 0; h < model->heads; h++) {
            head.q = qkv + h * head_size;
            head.k = head.q + hidden;
            head.v = head.k + hidden;
            head.out = context + h * head_size;
            head.bias = relative_bias_of_head(bias, h);
            kernels->attend(&head);
        }
    }
}
