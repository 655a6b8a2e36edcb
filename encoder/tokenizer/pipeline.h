/* The normalisers that a tokenizer.json lists, one after another. Constant after loading and safe
 * in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_PIPELINE_H
#define SBERT_ENCODER_TOKENIZER_PIPELINE_H

#include "encoder/tokenizer/bert_normalizer.h"
#include "encoder/tokenizer/charsmap.h"
#include "encoder/tokenizer/rewrite.h"
#include "encoder/tokenizer/unicode_form.h"

enum { PIPELINE_STEPS = 16 };

struct pipeline_step {
    enum step_kind { STEP_CHARSMAP, STEP_BERT, STEP_FORM, STEP_REWRITE } kind;
    union {
        struct charsmap charsmap;
        struct bert_normalizer bert;
        struct unicode_form form;
        struct rewrite rewrite;
    };
};

/* A zeroed struct changes nothing. */
struct pipeline {
    struct pipeline_step steps[PIPELINE_STEPS];
    size_t count;
};

/* Normalises text[from..to) into `normalized`, as bert_normalizer_run. */
int pipeline_run(const struct pipeline *pipeline, const char *text, size_t from, size_t to,
                 struct normalized *normalized, struct err *err);

#endif
