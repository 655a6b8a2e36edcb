/* How good vectors are, by the measure that goes with what an example has. Thread-safe. */
#ifndef SBERT_ENCODER_TRAIN_EVALUATE_H
#define SBERT_ENCODER_TRAIN_EVALUATE_H

#include <stddef.h>

#include "base/err.h"
#include "encoder/train/examples.h"
#include "encoder/train/loss.h"

enum metric {
    METRIC_SPEARMAN, /* of cosine and score, times 100 */
    METRIC_ACCURACY, /* of the classifier, in percent */
    METRIC_TRIPLETS, /* percent whose positive is nearer than the negative */
    METRIC_RANKING,  /* percent of first texts whose second is the nearest of all second ones */
    METRIC_ERROR,    /* the mean squared error to the teacher's vectors, as a negative number, so
                        that more is better */
};

const char *metric_name(enum metric metric);

/* `vectors` is (count, columns, dimension), in the order of the examples. */
int evaluate(enum metric metric, const struct loss *loss, const struct parameters *parameters,
             const struct examples *examples, const float *vectors, size_t dimension,
             double *ret_value, struct err *err);

/* Spearman's rank correlation, equal numbers sharing their mean rank; 0 where it is not defined. */
int evaluate_spearman(const double *a, const double *b, size_t count, double *ret_correlation,
                      struct err *err);

#endif
