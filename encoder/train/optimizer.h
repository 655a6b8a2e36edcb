/* From gradients to changed numbers: SGD, Adam (arXiv 1412.6980) and AdamW (arXiv 1711.05101), as
 * torch.optim has them.
 *
 * Rows of tables that no batch ever reached have moments of exact zeros, so a step leaves them as
 * they are and does not touch their memory; only AdamW's decay does. Work is shared out to the
 * pool's threads in pieces that do not depend on their number. One owner at a time.
 */
#ifndef SBERT_ENCODER_TRAIN_OPTIMIZER_H
#define SBERT_ENCODER_TRAIN_OPTIMIZER_H

#include "base/err.h"
#include "base/pool.h"
#include "encoder/train/arithmetic.h"
#include "encoder/train/parameters.h"

enum optimizer_kind { OPTIMIZER_ADAMW, OPTIMIZER_ADAM, OPTIMIZER_SGD };

struct optimizer_settings {
    enum optimizer_kind kind;
    double beta1, beta2, eps;
    double decay; /* of weights and tables, not of biases and norms; AdamW's alone */
};

struct optimizer_piece;

struct optimizer {
    struct optimizer_settings settings;
    struct parameters *parameters;
    const struct arithmetic *arithmetic;
    struct pool *pool;
    float *first, *second; /* moments, as parameters->numbers; NULL for SGD */
    float *zeros;          /* the gradient of a row that has none: as long as any row */
    struct optimizer_piece *pieces;
    double *sums; /* [piece_count] */
    size_t piece_count;

    /* The step under way. */
    struct adam_step step;
    double rate;
};

int optimizer_open(struct optimizer *ret_optimizer, const struct optimizer_settings *settings,
                   struct parameters *parameters, const struct arithmetic *arithmetic,
                   struct pool *pool, struct err *err);
void optimizer_close(struct optimizer *optimizer); /* accepts a zeroed one */

/* The length of all gradients together. */
double optimizer_norm(struct optimizer *optimizer);

/* The step number `number` (from 1), with gradients multiplied by gradient_scale first. */
void optimizer_step(struct optimizer *optimizer, size_t number, double learning_rate,
                    double gradient_scale);

/* After moments were loaded: which rows of tables they say were ever reached. */
void optimizer_find_touched(struct optimizer *optimizer);

#endif
