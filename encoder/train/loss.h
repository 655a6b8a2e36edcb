/* The objectives: from a batch's vectors to a number and its gradient.
 *
 * Each gives the mean over the batch, and the gradients of the vectors multiplied by `scale` (for
 * batches whose gradients are summed). Vectors are (columns, examples, dimension): all first texts,
 * then all second ones, and so on. Scalars are summed in double, in order.
 * Source of the first three: Reimers and Gurevych, arXiv 1908.10084; of in-batch negatives:
 * Henderson et al., arXiv 1705.00652; details as in sentence-transformers' losses.
 */
#ifndef SBERT_ENCODER_TRAIN_LOSS_H
#define SBERT_ENCODER_TRAIN_LOSS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "encoder/train/parameters.h"
#include "encoder/train/product.h"

enum objective {
    OBJECTIVE_CLASSIFICATION, /* softmax(W (u; v; |u - v|)): pairs with a class */
    OBJECTIVE_REGRESSION,     /* (cos(u, v) - score)^2: pairs with a score */
    OBJECTIVE_TRIPLET,        /* max(d(a, p) - d(a, n) + margin, 0) */
    OBJECTIVE_RANKING,        /* the positive among the batch's: pairs, or triplets */
    OBJECTIVE_DISTILLATION,   /* (u - teacher's u)^2: single texts */
};

enum distance { DISTANCE_EUCLIDEAN, DISTANCE_COSINE, DISTANCE_MANHATTAN };

/* Which parts of (u; v; |u - v|; u * v) the classifier sees, as bits. */
enum loss_part { PART_VECTORS = 1 << 0, PART_DIFFERENCE = 1 << 1, PART_PRODUCT = 1 << 2 };

struct loss {
    enum objective objective;
    unsigned parts;         /* classification: enum loss_part bits */
    enum distance distance; /* triplet */
    float margin;           /* triplet */
    float ranking_scale;    /* ranking: what cosines are multiplied by */
};

/* The number of vectors' lengths that the classifier takes in. */
size_t loss_parts_count(unsigned parts);

struct loss_batch {
    const float *vectors; /* (columns, examples, dimension) */
    size_t examples, columns, dimension;
    const float *targets; /* regression: (examples); distillation: (examples, dimension) */
    const size_t *labels; /* classification: (examples), below the classifier's outputs */
    float scale;
    bool add; /* whether the classifier's gradients are added to those there */
};

/* Computes *ret_loss (not scaled) and `ret_gradients`, as vectors. With parameters, the
 * classification's weights and their gradients are theirs. ERR_MEMORY. */
int loss_run(const struct loss *loss, const struct product *product,
             const struct parameters *parameters, const struct loss_batch *batch,
             float *ret_gradients, double *ret_loss, struct err *err);

/* The class that the classifier finds most likely for a pair of vectors. `scratch` has room for the
 * classifier's inputs. */
size_t loss_classify(const struct loss *loss, const struct parameters *parameters, const float *u,
                     const float *v, size_t dimension, float *scratch);

/* --- in files of their own --- */

/* d(x, y); adds factor times its gradients to x_gradient and y_gradient. */
double loss_distance(enum distance distance, const float *x, const float *y, size_t size);
void loss_distance_back(enum distance distance, const float *x, const float *y, size_t size,
                        double factor, float *x_gradient, float *y_gradient);

/* cos(x, y), and likewise. */
double loss_cosine(const float *x, const float *y, size_t size);
void loss_cosine_back(const float *x, const float *y, size_t size, double factor, float *x_gradient,
                      float *y_gradient);

int loss_classification(const struct loss *loss, const struct product *product,
                        const struct parameters *parameters, const struct loss_batch *batch,
                        float *ret_gradients, double *ret_loss, struct err *err);
int loss_ranking(const struct loss *loss, const struct product *product,
                 const struct loss_batch *batch, float *ret_gradients, double *ret_loss,
                 struct err *err);

#endif
