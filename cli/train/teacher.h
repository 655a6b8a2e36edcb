/* A teacher's vectors, for distillation. */
#ifndef SBERT_CLI_TRAIN_TEACHER_H
#define SBERT_CLI_TRAIN_TEACHER_H

#include "encoder/encoder.h"

/* Encodes texts by the model named `teacher` into fresh memory: (count, dimension), which must be
 * the teacher's dimension too (ERR_INVALID). */
int teacher_encode(const char *teacher, int threads, const struct encoder_text *texts, size_t count,
                   size_t dimension, const volatile int *cancel, float **ret_vectors,
                   struct err *err);

#endif
