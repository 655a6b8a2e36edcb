/* What sets one family of transformers apart from another, as a table: a new family is a new row.
 *
 * Names are those of the `transformers` project's configuration keys and tensors.
 */
#ifndef SBERT_ENCODER_MODEL_FAMILY_H
#define SBERT_ENCODER_MODEL_FAMILY_H

#include <stdbool.h>
#include <stddef.h>

/* Keys of config.json. NULL where the family has no such setting: it has no token types or no
 * relative positions then, and its eps and its padding token are the table's. */
struct family_keys {
    const char *hidden_size, *layers, *heads, *intermediate_size, *activation, *layer_norm_eps,
        *vocabulary_size, *max_positions, *type_vocabulary_size, *padding_id, *relative_buckets;
};

/* Tensor names without ".weight" or ".bias"; those of a layer follow "<layers><number>.".
 * token_type_embeddings and relative_bias are NULL where the key of their size is. */
struct family_tensors {
    const char *word_embeddings, *position_embeddings, *token_type_embeddings, *embedding_norm;
    const char *relative_bias;
    const char *layers;
    const char *query, *key, *value, *attention_output, *attention_norm;
    const char *intermediate, *output, *output_norm;
};

struct family {
    const char *model_type; /* config.json's */
    const char *classes;    /* how the names in config.json's `architectures` begin */
    const char *prefix;     /* what tensors saved with a task's head have before their names */
    bool positions_after_padding; /* the first token's row in the position table is that after the
                                     padding token's id, and padding tokens take none; else 0 */
    size_t padding_id;            /* where the configuration says nothing */
    double layer_norm_eps;        /* likewise */
    size_t relative_buckets;      /* likewise */
    struct family_keys keys;
    struct family_tensors tensors;
};

/* The families, for a message. */
#define FAMILY_NAMES "bert, roberta, camembert, xlm-roberta, mpnet, distilbert"

/* The family of a model_type, or of a class ("BertModel") where `model_type` is NULL; NULL where
 * there is none. */
const struct family *family_find(const char *model_type, const char *class_name);

/* True for a class of the family: its prefix is followed by "Model" or "For...". */
bool family_has_class(const struct family *family, const char *class_name);

#endif
