/* Choosing an objective, and those that look at one example at a time. */
#include "encoder/train/loss.h"

#include <string.h>

size_t loss_parts_count(unsigned parts)
{
    return (parts & PART_VECTORS ? 2u : 0u) + (parts & PART_DIFFERENCE ? 1u : 0u) +
           (parts & PART_PRODUCT ? 1u : 0u);
}

static double regression(const struct loss_batch *batch, float *gradients)
{
    size_t examples = batch->examples, size = batch->dimension;
    double sum = 0;

    for (size_t i = 0; i < examples; i++) {
        const float *u = batch->vectors + i * size, *v = u + examples * size;
        double error = loss_cosine(u, v, size) - (double)batch->targets[i];
        double factor = 2 * error / (double)examples * (double)batch->scale;
        loss_cosine_back(u, v, size, factor, gradients + i * size,
                         gradients + (examples + i) * size);
        sum += error * error;
    }
    return sum / (double)examples;
}

static double triplet(const struct loss *loss, const struct loss_batch *batch, float *gradients)
{
    size_t examples = batch->examples, size = batch->dimension, column = examples * size;
    double factor = (double)batch->scale / (double)examples, sum = 0;

    for (size_t i = 0; i < examples; i++) {
        const float *a = batch->vectors + i * size, *p = a + column, *n = p + column;
        float *a_back = gradients + i * size, *p_back = a_back + column, *n_back = p_back + column;
        double excess = loss_distance(loss->distance, a, p, size) -
                        loss_distance(loss->distance, a, n, size) + (double)loss->margin;
        if (excess <= 0)
            continue;
        loss_distance_back(loss->distance, a, p, size, factor, a_back, p_back);
        loss_distance_back(loss->distance, a, n, size, -factor, a_back, n_back);
        sum += excess;
    }
    return sum / (double)examples;
}

static double distillation(const struct loss_batch *batch, float *gradients)
{
    size_t count = batch->examples * batch->dimension;
    double factor = 2 * (double)batch->scale / (double)count, sum = 0;

    for (size_t i = 0; i < count; i++) {
        double error = (double)batch->vectors[i] - (double)batch->targets[i];
        gradients[i] = (float)(factor * error);
        sum += error * error;
    }
    return sum / (double)count;
}

int loss_run(const struct loss *loss, const struct product *product,
             const struct parameters *parameters, const struct loss_batch *batch,
             float *ret_gradients, double *ret_loss, struct err *err)
{
    size_t count = batch->columns * batch->examples * batch->dimension;

    memset(ret_gradients, 0, count * sizeof *ret_gradients);
    switch (loss->objective) {
    case OBJECTIVE_CLASSIFICATION:
        return loss_classification(loss, product, parameters, batch, ret_gradients, ret_loss, err);
    case OBJECTIVE_REGRESSION:
        *ret_loss = regression(batch, ret_gradients);
        return 0;
    case OBJECTIVE_TRIPLET:
        *ret_loss = triplet(loss, batch, ret_gradients);
        return 0;
    case OBJECTIVE_RANKING:
        return loss_ranking(loss, product, batch, ret_gradients, ret_loss, err);
    case OBJECTIVE_DISTILLATION:
        *ret_loss = distillation(batch, ret_gradients);
        return 0;
    }
    return err_set(err, ERR_INTERNAL, "an unknown objective");
}
