/* In-batch negatives: each first text must find its own second text among all second (and third)
 * texts of the batch, by softmax over scaled cosines. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/train/loss.h"

static const double least_length = 1e-12; /* torch.nn.functional.normalize's */

static double length_of(const float *x, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (double)x[i] * (double)x[i];
    return fmax(sqrt(sum), least_length);
}

/* unit = vectors, each divided by its length. */
static void normalize(const float *vectors, size_t count, size_t size, float *unit)
{
    for (size_t i = 0; i < count; i++) {
        double length = length_of(vectors + i * size, size);
        for (size_t d = 0; d < size; d++)
            unit[i * size + d] = (float)((double)vectors[i * size + d] / length);
    }
}

/* From the gradients of unit vectors to those of the vectors. */
static void normalize_back(const float *vectors, const float *unit, size_t count, size_t size,
                           const float *unit_gradients, float *gradients)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i * size;
        double length = length_of(vectors + at, size), along = 0;
        for (size_t d = 0; d < size; d++)
            along += (double)unit[at + d] * (double)unit_gradients[at + d];
        for (size_t d = 0; d < size; d++)
            gradients[at + d] =
                (float)(((double)unit_gradients[at + d] - along * (double)unit[at + d]) / length);
    }
}

/* Turns row `own` of cosines into their gradients and returns its cross-entropy. */
static double row_loss(float *cosines, size_t count, size_t own, double scale, double factor)
{
    double largest = -INFINITY, sum = 0;
    for (size_t j = 0; j < count; j++)
        largest = fmax(largest, scale * (double)cosines[j]);
    for (size_t j = 0; j < count; j++)
        sum += exp(scale * (double)cosines[j] - largest);
    double loss = log(sum) + largest - scale * (double)cosines[own];
    for (size_t j = 0; j < count; j++) {
        double probability = exp(scale * (double)cosines[j] - largest) / sum;
        cosines[j] = (float)(factor * scale * (probability - (j == own ? 1 : 0)));
    }
    return loss;
}

int loss_ranking(const struct loss *loss, const struct product *product,
                 const struct loss_batch *batch, float *ret_gradients, double *ret_loss,
                 struct err *err)
{
    size_t examples = batch->examples, size = batch->dimension;
    size_t count = batch->columns * examples, others = count - examples;
    double factor = (double)batch->scale / (double)examples, sum = 0;
    float *unit = calloc(2 * count * size + examples * others, sizeof *unit);

    if (!unit)
        return err_memory(err, "the cosines of a batch");
    float *unit_gradients = unit + count * size, *cosines = unit_gradients + count * size;
    const float *candidates = unit + examples * size;
    normalize(batch->vectors, count, size, unit);
    product_linear(product, unit, examples, size, candidates, NULL, others, cosines);
    for (size_t i = 0; i < examples; i++)
        sum += row_loss(cosines + i * others, others, i, (double)loss->ranking_scale, factor);
    product_to_input(product, cosines, examples, others, candidates, size, false, unit_gradients);
    product_to_weight(product, cosines, others, unit, examples, others, size, false,
                      unit_gradients + examples * size);
    normalize_back(batch->vectors, unit, count, size, unit_gradients, ret_gradients);
    *ret_loss = sum / (double)examples;
    free(unit);
    return 0;
}
