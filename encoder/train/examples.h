/* What a model is trained on or measured by, as tokens: each example has one to three texts and
 * what is wanted of them. Filled by one thread, then constant. */
#ifndef SBERT_ENCODER_TRAIN_EXAMPLES_H
#define SBERT_ENCODER_TRAIN_EXAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "encoder/tokenizer/tokenizer.h"
#include "encoder/train/parameters.h"

enum { EXAMPLE_TEXTS_MAX = 3 };

struct examples {
    size_t columns; /* texts in each */
    size_t count;
    uint32_t *ids;
    uint8_t *type_ids;
    size_t *starts; /* (count * columns + 1): text c of example i is number i * columns + c */
    float *targets; /* (count), where there are scores, or (count, target_size) */
    size_t target_size;
    size_t *labels;   /* (count), where there are classes */
    size_t truncated; /* texts that were longer than the limit */

    size_t token_capacity, capacity;
    struct token_list list;
};

struct example_text {
    const char *text;
    size_t size;
};

/* An example to add: `texts` [columns]; target or label where examples have them. */
struct example {
    const struct example_text *texts;
    const float *target; /* (target_size), or NULL */
    size_t label;
};

/* `target_size` is 0 where examples have no scores. */
void examples_start(struct examples *examples, size_t columns, size_t target_size);
void examples_release(struct examples *examples);

/* Adds one. Errors as tokenizer_encode's; ERR_INVALID also where a text has no tokens. */
int examples_add(struct examples *examples, const struct tokenizer *tokenizer, size_t max_length,
                 const struct example *example, struct err *err);

/* Tokens of an example's texts together, and of text c. */
size_t examples_tokens(const struct examples *examples, size_t i);
size_t examples_text_tokens(const struct examples *examples, size_t i, size_t c);

/* The order of an epoch: numbers of examples, each batch's behind those of the batch before. Only
 * the last may be short. ORDER_LENGTH puts texts of similar length into a batch: shuffled windows
 * of some batches are sorted by length, and the batches shuffled. */
enum order { ORDER_LENGTH, ORDER_RANDOM, ORDER_FILE };
int examples_order(const struct examples *examples, enum order order, size_t batch_size,
                   uint64_t seed, uint64_t epoch, size_t *ret_order, struct err *err);

/* A number that tells two sets of examples apart. */
uint64_t examples_digest(const struct examples *examples);

#endif
