/* The cross-encoder: pairs of texts in, logits and scores out.
 *
 * A cross-encoder is a transformer with a classification head, which reads both texts of a pair
 * together. It is constant after opening and may be shared by any number of threads; a crew does
 * the work, as an encoder's does (encoder.h), with the same promise: the same pair gives the same
 * numbers, bit for bit, whatever it is batched with and however many threads there are.
 */
#ifndef SBERT_ENCODER_CROSS_ENCODER_H
#define SBERT_ENCODER_CROSS_ENCODER_H

#include "encoder/encoder.h"

struct cross_encoder;

struct cross_encoder_info {
    const char *folder;
    const char *architecture; /* "bert" */
    const char *activation;   /* what makes scores of logits: "sigmoid" or "identity" */
    size_t labels;            /* logits of a pair */
    size_t max_seq_length;    /* tokens of both texts together, the special ones included */
};

/* Opens the model in `folder`. `options` may be NULL. Errors as encoder_open's; ERR_UNSUPPORTED
 * also where the model has no classification head. */
int cross_encoder_open(struct cross_encoder **ret_cross, const char *folder,
                       const struct encoder_options *options, struct err *err);
void cross_encoder_close(struct cross_encoder *cross); /* accepts NULL; no crew may be left */

/* Lives as long as the cross-encoder. */
const struct cross_encoder_info *cross_encoder_info(const struct cross_encoder *cross);

/* As encoder_crew_open. */
struct cross_encoder_crew;
int cross_encoder_crew_open(struct cross_encoder_crew **ret_crew, const struct cross_encoder *cross,
                            int threads, bool background, struct err *err);
void cross_encoder_crew_close(struct cross_encoder_crew *crew); /* accepts NULL */

/* Classifies `count` pairs. An empty second text is one here; without one (NULL) the text is read
 * alone. `ret_logits` gets (count, labels) floats, row-major, in the order of the pairs; so does
 * `ret_scores`, by the model's activation, unless it is NULL. `ret_usage`, `cancel` and errors are
 * encoder_encode's. */
int cross_encoder_score(struct cross_encoder_crew *crew, const struct encoder_text *pairs,
                        size_t count, float *ret_logits, float *ret_scores,
                        struct encoder_usage *ret_usage, const volatile int *cancel,
                        struct err *err);

#endif
