/* The measures on a development set. */
#include "encoder/train/evaluate.h"

#include <math.h>
#include <stdlib.h>

const char *metric_name(enum metric metric)
{
    static const char *const names[] = {
        [METRIC_SPEARMAN] = "spearman",
        [METRIC_ACCURACY] = "accuracy",
        [METRIC_TRIPLETS] = "triplet accuracy",
        [METRIC_RANKING] = "accuracy@1",
        [METRIC_ERROR] = "negative squared error",
    };
    return names[metric];
}

/* --- Spearman --- */

struct ranked {
    double value;
    size_t place;
};

static int by_value(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

static void rank(const double *values, size_t count, struct ranked *space, double *ret_ranks)
{
    for (size_t i = 0; i < count; i++)
        space[i] = (struct ranked){values[i], i};
    qsort(space, count, sizeof *space, by_value);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && space[end].value == space[i].value)
            end++;
        for (size_t j = i; j < end; j++)
            ret_ranks[space[j].place] = (double)(i + end - 1) / 2;
        i = end;
    }
}

static double correlation(const double *a, const double *b, size_t count)
{
    double a_mean = 0, b_mean = 0, product = 0, a_square = 0, b_square = 0;

    for (size_t i = 0; i < count; i++) {
        a_mean += a[i] / (double)count;
        b_mean += b[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        product += (a[i] - a_mean) * (b[i] - b_mean);
        a_square += (a[i] - a_mean) * (a[i] - a_mean);
        b_square += (b[i] - b_mean) * (b[i] - b_mean);
    }
    return a_square > 0 && b_square > 0 ? product / sqrt(a_square * b_square) : 0;
}

int evaluate_spearman(const double *a, const double *b, size_t count, double *ret_correlation,
                      struct err *err)
{
    struct ranked *space = calloc(count + 1, sizeof *space);
    double *ranks = calloc(2 * count + 1, sizeof *ranks);
    int r = space && ranks ? 0 : err_memory(err, "ranks");

    if (r == 0) {
        rank(a, count, space, ranks);
        rank(b, count, space, ranks + count);
        *ret_correlation = correlation(ranks, ranks + count, count);
    }
    free(space);
    free(ranks);
    return r;
}

static int spearman(const struct examples *examples, const float *vectors, size_t dimension,
                    double *ret_value, struct err *err)
{
    double *cosines = calloc(2 * examples->count + 1, sizeof *cosines);
    if (!cosines)
        return err_memory(err, "the cosines");
    double *scores = cosines + examples->count;

    for (size_t i = 0; i < examples->count; i++) {
        const float *u = vectors + i * 2 * dimension;
        cosines[i] = loss_cosine(u, u + dimension, dimension);
        scores[i] = (double)examples->targets[i];
    }
    int r = evaluate_spearman(cosines, scores, examples->count, ret_value, err);
    *ret_value *= 100;
    free(cosines);
    return r;
}

/* --- the others --- */

static int accuracy(const struct loss *loss, const struct parameters *parameters,
                    const struct examples *examples, const float *vectors, size_t dimension,
                    double *ret_value, struct err *err)
{
    float *scratch = calloc(parameters->classifier.in, sizeof *scratch);
    size_t right = 0;

    if (!scratch)
        return err_memory(err, "the classifier's inputs");
    for (size_t i = 0; i < examples->count; i++) {
        const float *u = vectors + i * 2 * dimension;
        right += loss_classify(loss, parameters, u, u + dimension, dimension, scratch) ==
                 examples->labels[i];
    }
    free(scratch);
    *ret_value = 100 * (double)right / (double)examples->count;
    return 0;
}

static double triplets(const struct loss *loss, const struct examples *examples,
                       const float *vectors, size_t dimension)
{
    enum distance distance =
        loss->objective == OBJECTIVE_TRIPLET ? loss->distance : DISTANCE_COSINE;
    size_t right = 0;

    for (size_t i = 0; i < examples->count; i++) {
        const float *a = vectors + i * 3 * dimension;
        right += loss_distance(distance, a, a + dimension, dimension) <
                 loss_distance(distance, a, a + 2 * dimension, dimension);
    }
    return 100 * (double)right / (double)examples->count;
}

static double ranking(const struct examples *examples, const float *vectors, size_t dimension)
{
    size_t right = 0, stride = examples->columns * dimension;

    for (size_t i = 0; i < examples->count; i++) {
        double own = loss_cosine(vectors + i * stride, vectors + i * stride + dimension, dimension);
        bool best = true;
        for (size_t j = 0; best && j < examples->count; j++)
            best = j == i || loss_cosine(vectors + i * stride, vectors + j * stride + dimension,
                                         dimension) <= own;
        right += best;
    }
    return 100 * (double)right / (double)examples->count;
}

static double negative_error(const struct examples *examples, const float *vectors,
                             size_t dimension)
{
    double sum = 0;
    for (size_t i = 0; i < examples->count * dimension; i++) {
        double error = (double)vectors[i] - (double)examples->targets[i];
        sum += error * error;
    }
    return -sum / (double)(examples->count * dimension);
}

int evaluate(enum metric metric, const struct loss *loss, const struct parameters *parameters,
             const struct examples *examples, const float *vectors, size_t dimension,
             double *ret_value, struct err *err)
{
    switch (metric) {
    case METRIC_SPEARMAN:
        return spearman(examples, vectors, dimension, ret_value, err);
    case METRIC_ACCURACY:
        return accuracy(loss, parameters, examples, vectors, dimension, ret_value, err);
    case METRIC_TRIPLETS:
        *ret_value = triplets(loss, examples, vectors, dimension);
        return 0;
    case METRIC_RANKING:
        *ret_value = ranking(examples, vectors, dimension);
        return 0;
    case METRIC_ERROR:
        *ret_value = negative_error(examples, vectors, dimension);
        return 0;
    }
    return err_set(err, ERR_INTERNAL, "an unknown measure");
}
