/* Softmax over a linear layer of (u; v; |u - v|; u * v), with any of the parts left out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/train/loss.h"

/* h = the parts, side by side. */
static void make_features(unsigned parts, const float *u, const float *v, size_t size, float *h)
{
    if (parts & PART_VECTORS) {
        memcpy(h, u, size * sizeof *h);
        memcpy(h + size, v, size * sizeof *h);
        h += 2 * size;
    }
    if (parts & PART_DIFFERENCE) {
        for (size_t i = 0; i < size; i++)
            h[i] = fabsf(u[i] - v[i]);
        h += size;
    }
    if (parts & PART_PRODUCT)
        for (size_t i = 0; i < size; i++)
            h[i] = u[i] * v[i];
}

/* From h's gradient to those of u and v. */
static void features_back(unsigned parts, const float *u, const float *v, size_t size,
                          const float *h_gradient, float *u_gradient, float *v_gradient)
{
    if (parts & PART_VECTORS) {
        memcpy(u_gradient, h_gradient, size * sizeof *u_gradient);
        memcpy(v_gradient, h_gradient + size, size * sizeof *v_gradient);
        h_gradient += 2 * size;
    }
    if (parts & PART_DIFFERENCE) {
        for (size_t i = 0; i < size; i++) {
            float slope = u[i] > v[i] ? h_gradient[i] : u[i] < v[i] ? -h_gradient[i] : 0;
            u_gradient[i] += slope;
            v_gradient[i] -= slope;
        }
        h_gradient += size;
    }
    if (parts & PART_PRODUCT)
        for (size_t i = 0; i < size; i++) {
            u_gradient[i] += h_gradient[i] * v[i];
            v_gradient[i] += h_gradient[i] * u[i];
        }
}

/* Turns an example's logits into their gradient and returns its cross-entropy. */
static double cross_entropy(float *logits, size_t labels, size_t label, double factor)
{
    double largest = (double)logits[0], sum = 0;
    for (size_t i = 1; i < labels; i++)
        largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < labels; i++)
        sum += exp((double)logits[i] - largest);
    double loss = log(sum) + largest - (double)logits[label];
    for (size_t i = 0; i < labels; i++) {
        double probability = exp((double)logits[i] - largest) / sum;
        logits[i] = (float)(factor * (probability - (i == label ? 1 : 0)));
    }
    return loss;
}

static void classifier_back(const struct product *product, const struct parameters *parameters,
                            const struct loss_batch *batch, const float *h,
                            const float *logit_gradients)
{
    const struct linear *linear = &parameters->classifier;
    float *bias = gradient_of(parameters, linear->bias);

    product_to_weight(product, logit_gradients, linear->out, h, batch->examples, linear->out,
                      linear->in, batch->add, gradient_of(parameters, linear->weight));
    if (!batch->add)
        memset(bias, 0, linear->out * sizeof *bias);
    for (size_t i = 0; i < batch->examples; i++)
        for (size_t k = 0; k < linear->out; k++)
            bias[k] += logit_gradients[i * linear->out + k];
}

int loss_classification(const struct loss *loss, const struct product *product,
                        const struct parameters *parameters, const struct loss_batch *batch,
                        float *ret_gradients, double *ret_loss, struct err *err)
{
    const struct linear *linear = &parameters->classifier;
    size_t examples = batch->examples, size = batch->dimension;
    double factor = (double)batch->scale / (double)examples, sum = 0;
    float *h = calloc(examples * (2 * linear->in + linear->out), sizeof *h);

    if (!h)
        return err_memory(err, "the classifier's inputs");
    float *h_gradient = h + examples * linear->in, *logits = h_gradient + examples * linear->in;
    for (size_t i = 0; i < examples; i++)
        make_features(loss->parts, batch->vectors + i * size,
                      batch->vectors + (examples + i) * size, size, h + i * linear->in);
    product_linear(product, h, examples, linear->in, linear->weight, linear->bias, linear->out,
                   logits);
    for (size_t i = 0; i < examples; i++)
        sum += cross_entropy(logits + i * linear->out, linear->out, batch->labels[i], factor);
    classifier_back(product, parameters, batch, h, logits);
    product_to_input(product, logits, examples, linear->out, linear->weight, linear->in, false,
                     h_gradient);
    for (size_t i = 0; i < examples; i++)
        features_back(loss->parts, batch->vectors + i * size,
                      batch->vectors + (examples + i) * size, size, h_gradient + i * linear->in,
                      ret_gradients + i * size, ret_gradients + (examples + i) * size);
    *ret_loss = sum / (double)examples;
    free(h);
    return 0;
}

size_t loss_classify(const struct loss *loss, const struct parameters *parameters, const float *u,
                     const float *v, size_t dimension, float *scratch)
{
    const struct linear *linear = &parameters->classifier;
    size_t best = 0;
    double best_logit = -INFINITY;

    make_features(loss->parts, u, v, dimension, scratch);
    for (size_t k = 0; k < linear->out; k++) {
        double logit = (double)linear->bias[k];
        for (size_t i = 0; i < linear->in; i++)
            logit += (double)linear->weight[k * linear->in + i] * (double)scratch[i];
        if (logit > best_logit) {
            best_logit = logit;
            best = k;
        }
    }
    return best;
}
