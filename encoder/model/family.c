/* The table of the families of transformers that can be loaded. */
#include "encoder/model/family.h"

#include <string.h>

/* Names that several families share. */
#define BERT_KEYS                                                                                  \
    .hidden_size = "hidden_size", .layers = "num_hidden_layers", .heads = "num_attention_heads",   \
    .intermediate_size = "intermediate_size", .activation = "hidden_act",                          \
    .layer_norm_eps = "layer_norm_eps", .vocabulary_size = "vocab_size",                           \
    .max_positions = "max_position_embeddings"

#define EMBEDDINGS                                                                                 \
    .word_embeddings = "embeddings.word_embeddings",                                               \
    .position_embeddings = "embeddings.position_embeddings",                                       \
    .embedding_norm = "embeddings.LayerNorm"

#define BERT_LAYER                                                                                 \
    .layers = "encoder.layer.", .intermediate = "intermediate.dense", .output = "output.dense",    \
    .output_norm = "output.LayerNorm"

#define BERT_TENSORS                                                                               \
    EMBEDDINGS, BERT_LAYER, .token_type_embeddings = "embeddings.token_type_embeddings"

#define BERT_ATTENTION                                                                             \
    .query = "attention.self.query", .key = "attention.self.key", .value = "attention.self.value", \
    .attention_output = "attention.output.dense", .attention_norm = "attention.output.LayerNorm"

/* What RoBERTa and its descendants share: BERT's layers, with positions that count after the
 * padding token. */
#define ROBERTA_LIKE                                                                               \
    .prefix = "roberta.", .positions_after_padding = true, .padding_id = 1,                        \
    .layer_norm_eps = 1e-12,                                                                       \
    .keys = {BERT_KEYS, .type_vocabulary_size = "type_vocab_size", .padding_id = "pad_token_id"},  \
    .tensors = {BERT_TENSORS, BERT_ATTENTION}

static const struct family families[] = {
    {
        .model_type = "bert",
        .classes = "Bert",
        .prefix = "bert.",
        .layer_norm_eps = 1e-12,
        .keys = {BERT_KEYS, .type_vocabulary_size = "type_vocab_size"},
        .tensors = {BERT_TENSORS, BERT_ATTENTION},
    },
    {.model_type = "roberta", .classes = "Roberta", ROBERTA_LIKE},
    {.model_type = "camembert", .classes = "Camembert", ROBERTA_LIKE},
    {.model_type = "xlm-roberta", .classes = "XLMRoberta", ROBERTA_LIKE},
    {
        .model_type = "mpnet",
        .classes = "MPNet",
        .prefix = "mpnet.",
        .positions_after_padding = true,
        .padding_id = 1,
        .layer_norm_eps = 1e-12,
        .relative_buckets = 32,
        .keys = {BERT_KEYS, .relative_buckets = "relative_attention_num_buckets"},
        .tensors =
            {
                EMBEDDINGS,
                BERT_LAYER,
                .relative_bias = "encoder.relative_attention_bias",
                .query = "attention.attn.q",
                .key = "attention.attn.k",
                .value = "attention.attn.v",
                .attention_output = "attention.attn.o",
                .attention_norm = "attention.LayerNorm",
            },
    },
    {
        .model_type = "distilbert",
        .classes = "DistilBert",
        .prefix = "distilbert.",
        .layer_norm_eps = 1e-12,
        .keys =
            {
                .hidden_size = "dim",
                .layers = "n_layers",
                .heads = "n_heads",
                .intermediate_size = "hidden_dim",
                .activation = "activation",
                .vocabulary_size = "vocab_size",
                .max_positions = "max_position_embeddings",
            },
        .tensors =
            {
                EMBEDDINGS,
                .layers = "transformer.layer.",
                .query = "attention.q_lin",
                .key = "attention.k_lin",
                .value = "attention.v_lin",
                .attention_output = "attention.out_lin",
                .attention_norm = "sa_layer_norm",
                .intermediate = "ffn.lin1",
                .output = "ffn.lin2",
                .output_norm = "output_layer_norm",
            },
    },
};

bool family_has_class(const struct family *family, const char *class_name)
{
    size_t length = strlen(family->classes);
    return strncmp(class_name, family->classes, length) == 0 &&
           (strncmp(class_name + length, "Model", 5) == 0 ||
            strncmp(class_name + length, "For", 3) == 0);
}

const struct family *family_find(const char *model_type, const char *class_name)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (model_type ? strcmp(families[i].model_type, model_type) == 0
                       : class_name && family_has_class(&families[i], class_name))
            return &families[i];
    }
    return NULL;
}
