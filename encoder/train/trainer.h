/* Training, step by step: a model, an objective and examples in; better numbers out.
 *
 * The state after a step is a function of the settings, the examples and the number of steps: the
 * order of examples and what is dropped are drawn by step and seed (random.h), every sum is made in
 * one order however many threads there are, so a run that goes on from a checkpoint gives the same
 * bits as one that was never interrupted, on one instruction set and OpenBLAS.
 *
 * A trainer belongs to one caller at a time; it starts threads of its own.
 */
#ifndef SBERT_ENCODER_TRAIN_TRAINER_H
#define SBERT_ENCODER_TRAIN_TRAINER_H

#include "base/json.h"
#include "base/pool.h"
#include "encoder/train/evaluate.h"
#include "encoder/train/examples.h"
#include "encoder/train/loss.h"
#include "encoder/train/optimizer.h"
#include "encoder/train/parameters.h"
#include "encoder/train/pass.h"
#include "encoder/train/schedule.h"

struct train_settings {
    struct loss loss;
    struct optimizer_settings optimizer;
    enum schedule schedule;
    double learning_rate, warmup_ratio; /* warm-up: that share of all steps, rounded up */
    size_t epochs, max_steps;           /* max_steps 0: as many as the epochs have */
    size_t batch_size, accumulate;      /* batches in a step */
    double clip;                        /* longest gradient; 0: none is too long */
    double dropout;                     /* for all rates of the model; below 0: the model's own */
    enum order order;
    uint64_t seed;
    size_t max_length; /* tokens; 0: the model's own */
    struct freeze freeze;
    const size_t *keep_layers;
    size_t keep_count;
    size_t labels; /* classes */
    int threads;
};

/* The defaults: those of the paper, with AdamW. */
struct train_settings train_defaults(enum objective objective);

struct trainer {
    struct train_settings settings;
    struct parameters parameters;
    struct pass pass;
    struct optimizer optimizer;
    struct pool *pool;
    struct dropout_rates rates;
    const struct examples *examples;
    size_t *order; /* of the epoch `ordered`, [examples->count] */
    size_t ordered;
    float *gradients; /* of a batch's vectors */
    size_t step;      /* steps done */
    size_t batches, epoch_steps, total_steps;
};

/* Opens the base model for training; trainer->settings.max_length is then the limit for tokens. */
int trainer_open(struct trainer *trainer, const char *base, const struct train_settings *settings,
                 struct err *err);
void trainer_close(struct trainer *trainer); /* accepts a zeroed one */

/* What to train on, outliving the trainer. Before the first step. */
int trainer_take_examples(struct trainer *trainer, const struct examples *examples,
                          struct err *err);

struct train_report {
    double loss, rate, gradient_norm; /* the loss: mean over the step's batches */
    size_t examples, tokens;
};

/* One step of the optimizer. ERR_INVALID where the loss or a gradient is no number: the message
 * names the step and where it was seen first, and the numbers are those of the step before. */
int trainer_step(struct trainer *trainer, struct train_report *ret_report, struct err *err);

/* The vectors of examples, without dropout: (count, columns, dimension). `cancel` as
 * encoder_encode's. */
int trainer_encode(struct trainer *trainer, const struct examples *examples, float *ret_vectors,
                   const volatile int *cancel, struct err *err);
int trainer_evaluate(struct trainer *trainer, enum metric metric, const struct examples *examples,
                     const volatile int *cancel, double *ret_value, struct err *err);

/* --- checkpoint.c: all that a run needs to go on, as one file --- */

/* `state` is the caller's own, an object; it comes back with the rest. */
int trainer_save(const struct trainer *trainer, const char *path, const json_t *state,
                 struct err *err);

/* Into a trainer that was opened with the same base and settings and has its examples. ERR_CORRUPT
 * says what is wrong with the file, ERR_INVALID which setting differs. The caller owns
 * *ret_state. */
int trainer_load(struct trainer *trainer, const char *path, json_t **ret_state, struct err *err);

/* The state of a checkpoint in memory, checked: the numbers that trainer_load takes. */
struct checkpoint_state {
    size_t step;
    json_t *settings, *caller; /* owned by `json` */
    uint64_t examples;         /* digest */
    json_t *json;              /* the caller's to end */
};
int checkpoint_parse(struct checkpoint_state *ret_state, const void *text, size_t size,
                     const char *name, struct err *err);

/* --- output.c --- */

/* Writes the model as a folder: safetensors with the base's names, the base's other files beside
 * them. Each file is replaced whole. The classifier goes to training/classifier.safetensors. */
int trainer_write_model(const struct trainer *trainer, const char *folder, struct err *err);

#endif
