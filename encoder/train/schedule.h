/* The learning rate of each step, as a share of the largest: rising linearly over the warm-up, then
 * constant, falling linearly to 0, or along half a cosine. Steps count from 0, and the first of a
 * warm-up has the rate 0, as in the `transformers` package. */
#ifndef SBERT_ENCODER_TRAIN_SCHEDULE_H
#define SBERT_ENCODER_TRAIN_SCHEDULE_H

#include <stddef.h>

enum schedule { SCHEDULE_LINEAR, SCHEDULE_CONSTANT, SCHEDULE_COSINE };

double schedule_share(enum schedule schedule, size_t step, size_t warmup, size_t total);

#endif
