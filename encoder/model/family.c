/* The table of the families of transformers that can be loaded. */
#include "encoder/model/family.h"

#include <string.h>

static const struct family families[] = {
    {
        .model_type = "bert",
        .classes = "Bert",
        .prefix = "bert.",
        .position_offset = 0,
        .layer_norm_eps = 1e-12,
        .keys =
            {
                .hidden_size = "hidden_size",
                .layers = "num_hidden_layers",
                .heads = "num_attention_heads",
                .intermediate_size = "intermediate_size",
                .activation = "hidden_act",
                .layer_norm_eps = "layer_norm_eps",
                .vocabulary_size = "vocab_size",
                .max_positions = "max_position_embeddings",
                .type_vocabulary_size = "type_vocab_size",
            },
        .tensors =
            {
                .word_embeddings = "embeddings.word_embeddings",
                .position_embeddings = "embeddings.position_embeddings",
                .token_type_embeddings = "embeddings.token_type_embeddings",
                .embedding_norm = "embeddings.LayerNorm",
                .layers = "encoder.layer.",
                .query = "attention.self.query",
                .key = "attention.self.key",
                .value = "attention.self.value",
                .attention_output = "attention.output.dense",
                .attention_norm = "attention.output.LayerNorm",
                .intermediate = "intermediate.dense",
                .output = "output.dense",
                .output_norm = "output.LayerNorm",
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
