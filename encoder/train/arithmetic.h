/* The arithmetic of training that matrix products do not cover, as one table of functions for each
 * instruction set, beside the table of the forward pass (encoder/kernels/kernels.h): one plain text
 * that the compiler vectorises.
 *
 * All functions are thread-safe and allocate nothing, and each output is computed in an order that
 * depends on its own row alone.
 */
#ifndef SBERT_ENCODER_TRAIN_ARITHMETIC_H
#define SBERT_ENCODER_TRAIN_ARITHMETIC_H

#include <stddef.h>
#include <stdint.h>

#include "encoder/kernels/kernels.h"

/* Dropout of one row: each number stays, divided by `keep`, with the probability `keep`, by the
 * bits under `key`. keep 1 leaves all. */
struct dropout {
    uint64_t key;
    float keep;
};

/* One head over one sequence, for attention and back. q, k and v are (tokens, head_size) with
 * `stride` floats between rows; so are their gradients, which may stand in the same place. The bias
 * of query i and key j is bias[i - j], or 0 where it is NULL, before the scaling is applied to the
 * product alone: score = scale q k^T + bias. Row i of the weights has the dropout key
 * random_key(dropout.key, i). `scratch` holds arithmetic_head_scratch() floats. */
struct head_pass {
    const float *q, *k, *v;
    size_t stride, tokens, head_size;
    float scale;
    const float *bias;
    struct dropout dropout;
    float *scratch;

    float *out; /* forward: (tokens, head_size) with out_stride */
    size_t out_stride;

    const float *out_gradient; /* backward: as out */
    float *q_gradient, *k_gradient, *v_gradient;
    float *bias_gradient; /* [i - j], added to; NULL where there is no bias */
};

size_t arithmetic_head_scratch(size_t tokens, size_t head_size);

/* One step of Adam over numbers side by side: Kingma and Ba, arXiv 1412.6980, in the form of
 * torch.optim; decay as in AdamW, arXiv 1711.05101. */
struct adam_step {
    float beta1, beta2;
    float rate; /* learning rate / (1 - beta1^t) */
    float root; /* sqrt(1 - beta2^t) */
    float eps;
    float shrink;         /* numbers are multiplied by it first: 1 - learning rate * decay */
    float gradient_scale; /* gradients are multiplied by it first: clipping */
};

struct arithmetic {
    const char *isa;

    /* normed = (x - mean) / sqrt(variance + eps), y = normed * weight + bias; ret_inverse is the
     * factor of the first. x may be normed. */
    void (*norm_forward)(const float *x, const struct layer_norm *norm, size_t size, float *normed,
                         float *ret_inverse, float *y);

    /* From y's gradient to x's, which may be in the same place; what the row adds to the gradients
     * of weight and bias is added there. */
    void (*norm_backward)(const float *y_gradient, const float *normed, float inverse,
                          const float *weight, size_t size, float *x_gradient,
                          float *weight_gradient, float *bias_gradient);

    /* x[i] = gradient[i] * activation'(x[i]). */
    void (*activate_backward)(enum activation activation, const float *gradient, size_t size,
                              float *x);

    void (*drop)(const struct dropout *dropout, size_t size, float *x);
    void (*head_forward)(const struct head_pass *head);
    void (*head_backward)(const struct head_pass *head);

    /* sum[i] += the sum of column i of x (rows, size), rows first to last. */
    void (*add_columns)(const float *x, size_t stride, size_t rows, size_t size, float *sum);

    void (*adam)(const struct adam_step *step, size_t size, const float *gradient, float *first,
                 float *second, float *numbers);

    /* transposed (columns, ...) with `width` floats between its rows = x (rows, columns)^T. */
    void (*transpose)(const float *x, size_t stride, size_t rows, size_t columns, size_t width,
                      float *transposed);

    /* copy (rows, columns) with `width` floats between its rows = x (rows, columns). */
    void (*copy_columns)(const float *x, size_t stride, size_t rows, size_t columns, size_t width,
                         float *copy);

    /* The sum of squares, in double. */
    double (*squares)(const float *x, size_t size);
};

/* The derivative of any activation, by the formula and in double: activate_backward has faster ones
 * for those in wide use. */
float activation_slope(enum activation activation, float x);

/* The table that goes with one of the forward pass. */
const struct arithmetic *arithmetic_for(const struct kernels *kernels);

extern const struct arithmetic arithmetic_generic;
extern const struct arithmetic arithmetic_avx2;
extern const struct arithmetic arithmetic_avx512;

#endif
