/* A model's folder, read: configuration, modules, and weights mapped from safetensors.
 *
 * What differs between model families is data here; the forward pass sees only this struct.
 * Constant after loading; shared by any number of threads.
 */
#ifndef SBERT_ENCODER_MODEL_MODEL_H
#define SBERT_ENCODER_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "encoder/model/activation.h"

/* A linear layer y = x W^T + b: weight is (out, in) row-major as PyTorch keeps it; bias (out) or
 * NULL. The pointers are into the mapped file or into memory of the model; a layer's weight is a
 * table (weights_widen). */
struct linear {
    const float *weight;
    const float *bias;
    size_t in, out;
};

struct layer_norm {
    const float *weight, *bias; /* (hidden_size) each */
    float eps;
};

struct transformer_layer {
    struct linear query, key, value;  /* hidden -> hidden */
    struct linear attention_output;   /* hidden -> hidden */
    struct layer_norm attention_norm; /* after the first residual */
    struct linear intermediate;       /* hidden -> intermediate */
    struct linear output;             /* intermediate -> hidden */
    struct layer_norm output_norm;    /* after the second residual */
};

enum pooling_mode {
    POOLING_CLS,
    POOLING_MAX,
    POOLING_MEAN,
    POOLING_MEAN_SQRT_LEN,
    POOLING_WEIGHTED_MEAN,
    POOLING_LAST_TOKEN,
};

/* How hidden states become one vector: what each mode gives, one after another. A mode may stand
 * there twice. */
enum { POOLING_LIMIT = 16, POOLING_NAME_SIZE = 24 * POOLING_LIMIT };
struct pooling {
    enum pooling_mode modes[POOLING_LIMIT];
    size_t count;        /* 0: the model gives no vectors of its own */
    bool without_prompt; /* include_prompt false: a prompt's tokens are left out of it */
};

/* A module between Pooling and the end of the list. */
enum head_kind { HEAD_NORMALIZE, HEAD_DENSE, HEAD_LAYER_NORM };

struct head_module {
    enum head_kind kind;
    char *folder;
    size_t in, out;       /* floats that it takes and gives */
    struct linear linear; /* HEAD_DENSE, with its activation */
    enum activation activation;
    bool residual;            /* the input is added to the output ... */
    struct linear projection; /* ... through this where it has a weight */
    struct layer_norm norm;   /* HEAD_LAYER_NORM */
    struct model_storage *storage;
};

struct model_prompt {
    char *name, *text;
};

struct model {
    char *folder;
    char *transformer_folder; /* where config.json, the weights and the tokenizer's files stand: the
                                 folder itself, or one below it in old models */
    const char *architecture; /* "bert", "roberta" ...: config.json's model_type */

    size_t vocabulary_size, hidden_size, layers, heads, intermediate_size;
    size_t max_positions;         /* rows of the position table */
    size_t position_offset;       /* the first token's row there: 0 for BERT */
    bool positions_after_padding; /* tokens whose id is position_offset - 1, the padding token's,
                                     have that row and are not counted for those after them */
    size_t type_vocabulary_size;  /* 0 where the model has no token types */
    size_t relative_buckets;      /* rows of relative_bias, or 0 */
    enum activation activation;

    const float *word_embeddings;       /* (vocabulary_size, hidden_size): a table (weights_row) */
    const float *position_embeddings;   /* (max_positions, hidden_size) */
    const float *token_type_embeddings; /* (type_vocabulary_size, hidden_size) or NULL */
    struct layer_norm embedding_norm;
    const float *relative_bias;      /* (relative_buckets, heads), for all layers, or NULL */
    struct transformer_layer *layer; /* [layers] */

    struct pooling pooling;
    size_t pooled_size;       /* hidden_size times pooling.count */
    struct head_module *head; /* [head_count]: what follows pooling, but for the Normalize ... */
    size_t head_count;
    bool normalize;   /* ... that ends the list */
    size_t widest;    /* floats of the longest vector from pooling on */
    size_t dimension; /* floats in the vector that comes out: truncate_dim cuts what the modules
                         give, and Normalize makes what is left of unit length */
    size_t max_seq_length;
    int do_lower_case; /* for tokenizer_open: 1 where sentence_bert_config.json says true, else -1
                          (its false leaves the tokenizer's files as they are) */
    bool escape_special_tokens; /* model_escape_special_tokens was called */
    char similarity[16];        /* similarity_fn_name, "cosine" where the folder says nothing */

    /* Of config_sentence_transformers.json. The prompt before queries is the one named "query", the
     * one before documents the first of "document", "passage", "corpus", else that of
     * default_prompt_name, which is default_prompt itself; NULL where there is none or it is empty.
     */
    struct model_prompt *prompts; /* [prompt_count]: encoder/model/prompts.h */
    size_t prompt_count;
    const char *query_prompt, *document_prompt, *default_prompt;
    const char *default_prompt_name; /* or NULL */

    char fingerprint[DIGEST_HEX_SIZE];
    char weights_fingerprint[DIGEST_HEX_SIZE]; /* of the transformer's weights alone */

    struct model_storage *storage; /* mapped files and converted tensors, behind the pointers */
};

/* Loads the folder. Everything in it that the vectors depend on is validated: ERR_NOT_FOUND names
 * the missing file, ERR_CORRUPT the file and the tensor, ERR_UNSUPPORTED the module, architecture,
 * or format (a pytorch_model.bin alone is refused with how to convert it). */
int model_open(struct model **ret_model, const char *folder, struct err *err);
void model_close(struct model *model); /* accepts NULL */

/* Another limit than the folder's own, in tokens with the special ones; it is part of the
 * fingerprint, which is renewed. ERR_INVALID where it is 0 or beyond the model's positions. Before
 * the model is shared. */
int model_set_max_seq_length(struct model *model, size_t max_seq_length, struct err *err);

/* Special tokens written out in a text are to be text (tokenizer_escape_special_tokens, which the
 * caller calls); it is part of the fingerprint, which is renewed. Before the model is shared. */
int model_escape_special_tokens(struct model *model, struct err *err);

/* The names of the pooling modes joined by '+' ("cls+mean"), into `ret_name`. */
void model_pooling_name(const struct pooling *pooling, char ret_name[POOLING_NAME_SIZE]);

#endif
