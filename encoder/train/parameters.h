/* A model whose numbers can change: all its weights in one array of f32, their gradients in another
 * of the same layout, and the names that they have in the model's files.
 *
 * The `struct model` is the one that the encoder loads, with its pointers led into the array, so
 * what reads a model works on it unchanged; the gradient of a number stands at the same place of
 * the other array. Filled by one thread; who may write when is the trainer's business.
 */
#ifndef SBERT_ENCODER_TRAIN_PARAMETERS_H
#define SBERT_ENCODER_TRAIN_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "encoder/model/model.h"

enum parameter_kind {
    PARAMETER_TABLE,  /* a table of which a step reads some rows: words, positions, types */
    PARAMETER_WEIGHT, /* a matrix */
    PARAMETER_PLAIN,  /* a bias, or a norm's: weight decay leaves it alone */
};

/* Where a parameter is saved. */
enum { PARAMETER_IN_TRANSFORMER = -1, PARAMETER_IN_LOSS = -2 }; /* else the number of a module */

struct parameter {
    char *name; /* in its file */
    int place;
    enum parameter_kind kind;
    size_t offset, rows, columns; /* columns 0: a vector */
    size_t size;
    bool frozen;

    /* PARAMETER_TABLE: the rows that the gradients since the last step reached, in the order of
     * their first use; and which rows were ever reached. */
    size_t *touched;
    size_t touched_count;
    uint8_t *touched_now, *touched_ever;
};

/* What is to be left as it is. */
struct freeze {
    bool embeddings;
    size_t layers; /* so many, from the lowest */
};

struct parameters {
    struct model *model;
    float *numbers, *gradients; /* (size) */
    size_t size;
    struct parameter *list;
    size_t count;
    struct freeze freeze;
    size_t output_size; /* floats that the last module gives, before truncation */

    /* The linear layer of the classification loss: (labels, columns); labels 0 where there is
     * none. */
    struct linear classifier;
};

/* Opens a model's folder for training. `labels` and `columns` are the classifier's sizes, or 0; it
 * begins as torch.nn.Linear does, uniform in +-1/sqrt(columns), from `seed`. With `keep_count`, the
 * model has only the layers `keep` (rising numbers). ERR_INVALID where layers to keep or to freeze
 * are not there, else as model_open. */
struct parameters_options {
    struct freeze freeze;
    const size_t *keep;
    size_t keep_count;
    size_t labels, columns_per_vector; /* the classifier takes so many vectors' lengths */
    uint64_t seed;
};
int parameters_open(struct parameters *ret_parameters, const char *folder,
                    const struct parameters_options *options, struct err *err);
void parameters_close(struct parameters *parameters); /* accepts a zeroed one */

/* The gradient of the number that `number` points to. */
static inline float *gradient_of(const struct parameters *parameters, const float *number)
{
    return parameters->gradients + (number - parameters->numbers);
}

/* The parameter that begins at `number`. */
struct parameter *parameter_at(const struct parameters *parameters, const float *number);

/* Notes that row `row` of a table has a gradient; it is zeroed at the first time. */
void parameter_touch(const struct parameters *parameters, struct parameter *table, size_t row);

/* Forgets which rows have gradients: before the first batch of a step. */
void parameters_begin_step(struct parameters *parameters);

#endif
