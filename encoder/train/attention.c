/* Attention over a shard's sequences, forward and back, and the relative position bias. */
#include <math.h>
#include <string.h>

#include "encoder/train/pass.h"
#include "encoder/train/random.h"
#include "encoder/transformer/relative_bias.h"

/* Everything of a head that is the same both ways. */
static struct head_pass head_of(const struct pass *pass, size_t layer, size_t sequence, size_t h,
                                int thread)
{
    const struct model *model = pass->parameters->model;
    const struct batch *batch = &pass->batch;
    size_t hidden = model->hidden_size, head_size = hidden / model->heads;
    size_t start = batch->starts[sequence], length = 2 * pass->max_length;
    struct dropout dropout =
        pass_dropout(pass, pass->rates.attention, pass_site(layer, SITE_WEIGHTS), sequence);

    dropout.key = random_key(dropout.key, h);
    return (struct head_pass){
        .q = pass->layers[layer].qkv + start * 3 * hidden + h * head_size,
        .k = pass->layers[layer].qkv + start * 3 * hidden + h * head_size + hidden,
        .v = pass->layers[layer].qkv + start * 3 * hidden + h * head_size + 2 * hidden,
        .stride = 3 * hidden,
        .tokens = batch->starts[sequence + 1] - start,
        .head_size = head_size,
        .scale = 1 / sqrtf((float)head_size),
        .bias = pass->bias_numbers ? pass->bias_numbers + h * length + pass->max_length : NULL,
        .dropout = dropout,
        .scratch = pass->scratch[thread],
        .out_stride = hidden,
    };
}

void pass_attend(const struct pass *pass, const struct shard *shard, size_t layer, int thread)
{
    const struct model *model = pass->parameters->model;
    size_t hidden = model->hidden_size, head_size = hidden / model->heads;

    for (size_t s = shard->first; s < shard->end; s++)
        for (size_t h = 0; h < model->heads; h++) {
            struct head_pass head = head_of(pass, layer, s, h, thread);
            head.out = pass->layers[layer].context + pass->batch.starts[s] * hidden + h * head_size;
            pass->arithmetic->head_forward(&head);
        }
}

/* The gradient of the context is in pass->other; that of query, key and value takes their place. */
void pass_attend_back(const struct pass *pass, const struct shard *shard, size_t layer, int thread)
{
    const struct model *model = pass->parameters->model;
    size_t hidden = model->hidden_size, head_size = hidden / model->heads;
    size_t length = 2 * pass->max_length;
    float *bias_gradients = NULL;

    if (pass->bias_gradients)
        bias_gradients =
            pass->bias_gradients + (size_t)(shard - pass->shards) * model->heads * length;
    for (size_t s = shard->first; s < shard->end; s++)
        for (size_t h = 0; h < model->heads; h++) {
            struct head_pass head = head_of(pass, layer, s, h, thread);
            head.out_gradient = pass->other + pass->batch.starts[s] * hidden + h * head_size;
            head.q_gradient = (float *)head.q;
            head.k_gradient = (float *)head.k;
            head.v_gradient = (float *)head.v;
            if (bias_gradients)
                head.bias_gradient = bias_gradients + h * length + pass->max_length;
            pass->arithmetic->head_backward(&head);
        }
}

void pass_lay_out_bias(struct pass *pass)
{
    const struct model *model = pass->parameters->model;
    size_t length = 2 * pass->max_length;

    for (size_t i = 0; i < length; i++) {
        ptrdiff_t distance = (ptrdiff_t)i - (ptrdiff_t)pass->max_length;
        size_t bucket = relative_bias_bucket(distance, model->relative_buckets);
        for (size_t h = 0; h < model->heads; h++)
            pass->bias_numbers[h * length + i] = model->relative_bias[bucket * model->heads + h];
    }
    memset(pass->bias_gradients, 0,
           pass->shard_count * model->heads * length * sizeof *pass->bias_gradients);
}

/* From distances to buckets, shard by shard. */
void pass_collect_bias(const struct pass *pass)
{
    const struct model *model = pass->parameters->model;
    size_t length = 2 * pass->max_length;
    float *gradient = gradient_of(pass->parameters, model->relative_bias);

    if (!pass->add)
        memset(gradient, 0, model->relative_buckets * model->heads * sizeof *gradient);
    for (size_t s = 0; s < pass->shard_count; s++)
        for (size_t h = 0; h < model->heads; h++) {
            const float *shard = pass->bias_gradients + (s * model->heads + h) * length;
            for (size_t i = 0; i < length; i++) {
                ptrdiff_t distance = (ptrdiff_t)i - (ptrdiff_t)pass->max_length;
                size_t bucket = relative_bias_bucket(distance, model->relative_buckets);
                gradient[bucket * model->heads + h] += shard[i];
            }
        }
}
