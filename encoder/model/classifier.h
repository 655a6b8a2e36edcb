/* The head of a model for sequence classification: what comes after the transformer in a
 * cross-encoder.
 *
 * logits = out(activation(dense(x))), with x the hidden state of a sequence's first token. So are
 * BertForSequenceClassification (whose dense is the pooler) and RobertaForSequenceClassification of
 * the `transformers` project. Constant after reading.
 */
#ifndef SBERT_ENCODER_MODEL_CLASSIFIER_H
#define SBERT_ENCODER_MODEL_CLASSIFIER_H

#include "base/err.h"
#include "encoder/model/model.h"

enum score_rule { SCORE_SIGMOID, SCORE_IDENTITY };

struct classifier {
    struct linear dense; /* hidden -> hidden */
    enum activation activation;
    struct linear out; /* hidden -> labels */
    size_t labels;
    enum score_rule rule; /* what makes scores of logits */
};

/* Reads the head of an open model, from its weights and its configuration; the pointers live as
 * long as the model. Before the model is shared. ERR_UNSUPPORTED where the model has no such head,
 * or the head or its activation is not one that is built here; ERR_CORRUPT names the tensor or key.
 * The rule is the reference's (CrossEncoder of sentence-transformers): the activation_fn of
 * config_sentence_transformers.json, else that of config.json, else sigmoid for one label and
 * identity for several. */
int classifier_read(struct classifier *ret_classifier, const struct model *model, struct err *err);

#endif
