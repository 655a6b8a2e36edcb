/* The normalisation forms NFC, NFD, NFKC and NFKD, with the places that the reference gives. What
 * decomposes and combines is the reference's, too (unicode.h). Safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_UNICODE_FORM_H
#define SBERT_ENCODER_TOKENIZER_UNICODE_FORM_H

#include "encoder/tokenizer/bert_normalizer.h"

struct unicode_form {
    bool compose, compatible;
};

/* Normalises text[from..to) into `normalized`, as bert_normalizer_run. */
int unicode_form_run(const struct unicode_form *form, const char *text, size_t from, size_t to,
                     struct normalized *normalized, struct err *err);

#endif
