/* The transformer forward and back: what encoder/transformer does, with everything kept that the
 * way back needs, and the gradients of all weights.
 *
 * A batch's sequences stand behind each other without padding and are cut into shards, by their
 * numbers of tokens alone; the threads of a pool take a shard at a time through all layers. The
 * gradients of weights are computed afterwards over all tokens, each slice of a weight by one
 * thread. So every number is summed in the same order however many threads there are.
 *
 * A pass belongs to one caller at a time.
 */
#ifndef SBERT_ENCODER_TRAIN_PASS_H
#define SBERT_ENCODER_TRAIN_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/pool.h"
#include "encoder/kernels/kernels.h"
#include "encoder/train/arithmetic.h"
#include "encoder/train/parameters.h"
#include "encoder/train/product.h"
#include "encoder/transformer/workspace.h"

/* How much is dropped, as the model's configuration says. */
struct dropout_rates {
    float hidden;         /* of embeddings and of what is added to each layer's residuals ... */
    bool after_attention; /* ... that of attention too: all families but DistilBERT */
    float attention;      /* of attention's weights */
};

/* Reads them from config.json; 0 where it has none. */
int dropout_rates_read(struct dropout_rates *ret_rates, const struct model *model, struct err *err);

/* What a layer's way back needs, each (tokens, ...). The way back replaces the four marked by the
 * gradients of what they came from. */
struct layer_record {
    const float *input;  /* hidden: the layer's input */
    float *qkv;          /* 3 hidden (*) */
    float *context;      /* hidden: what attention gives */
    float *normed1;      /* hidden: the sum after attention, normed (*) */
    float *inverse1;     /* 1 */
    float *middle;       /* hidden: that times the norm's weight plus its bias */
    float *before_inner; /* intermediate: before the activation (*) */
    float *inner;        /* intermediate: after it */
    float *normed2;      /* hidden (*) */
    float *inverse2;     /* 1 */
    float *output;       /* hidden */
};

/* A module after pooling, each (sequences, ...). */
struct module_record {
    float *output;  /* out */
    float *before;  /* Dense: out, before the activation; LayerNorm: in, normed */
    float *inverse; /* LayerNorm: 1 */
};

struct shard {
    size_t first, end; /* sequences */
    size_t first_token, end_token;
};

enum { SHARDS_MAX = 64 };

struct pass {
    const struct parameters *parameters;
    const struct kernels *kernels;
    const struct arithmetic *arithmetic;
    struct pool *pool;

    /* The batch: to be filled by the caller after pass_reserve. */
    struct batch batch;
    size_t max_tokens, max_sequences, max_length;

    struct dropout_rates rates; /* of this forward pass: all 0 where nothing is dropped */
    uint64_t dropout_key;

    struct shard shards[SHARDS_MAX];
    size_t shard_count;

    float *embedded_normed, *embedded_inverse, *embedded;
    struct layer_record *layers;
    float *pooled;                 /* (sequences, pooled_size) */
    struct module_record *modules; /* [module_count] */
    size_t module_count;           /* model->head's, and the Normalize at the end */

    float *gradient, *other;    /* (tokens, hidden): flow back */
    float *inner_gradient;      /* (tokens, intermediate) */
    float *vector_gradients[2]; /* (sequences, widest) */
    float *norm_gradients;      /* (SHARDS_MAX, norm_size): a shard's share of all norms' */
    size_t norm_size;

    float *bias_numbers;   /* (heads, 2 max_length): relative biases by query - key + max_length */
    float *bias_gradients; /* (SHARDS_MAX, heads, 2 max_length) */

    float **scratch;          /* [threads]: a head's */
    struct product *products; /* [threads] */
    bool add;                 /* of the way back: to the gradients that are there */
    struct arena memory;
};

int pass_open(struct pass *ret_pass, const struct parameters *parameters,
              const struct kernels *kernels, struct pool *pool, struct err *err);
void pass_close(struct pass *pass); /* accepts a zeroed one */

/* Makes room for a batch; sequences of at most `length` tokens. What the pass held is gone. */
int pass_reserve(struct pass *pass, size_t tokens, size_t sequences, size_t length,
                 struct err *err);

/* Runs the batch forward; `rates` NULL drops nothing. The vectors are pass_vectors: (sequences,
 * output_size) of the parameters. */
void pass_forward(struct pass *pass, const struct dropout_rates *rates, uint64_t dropout_key);
const float *pass_vectors(const struct pass *pass);

/* From the gradients of the vectors to those of all parameters that are not frozen. With `add` they
 * are added to those that are there. Once after each forward pass that goes back. */
void pass_backward(struct pass *pass, const float *vector_gradients, bool add);

/* The first thing of the forward pass with a number that is no number, for a message, or NULL. The
 * text is written into `ret_name`. */
enum { PASS_NAME_SIZE = 64 };
const char *pass_find_nan(const struct pass *pass, char ret_name[PASS_NAME_SIZE]);

/* --- its parts, in files of their own --- */

struct dropout pass_dropout(const struct pass *pass, float rate, uint64_t site, size_t row);
enum pass_site { SITE_EMBEDDINGS, SITE_WEIGHTS, SITE_ATTENTION, SITE_OUTPUT };
uint64_t pass_site(size_t layer, enum pass_site site);

/* attention.c: over a shard. */
void pass_attend(const struct pass *pass, const struct shard *shard, size_t layer, int thread);
void pass_attend_back(const struct pass *pass, const struct shard *shard, size_t layer, int thread);
void pass_lay_out_bias(struct pass *pass);
void pass_collect_bias(const struct pass *pass);

/* forward.c and backward.c: a shard through all layers. */
void pass_shard_forward(const struct pass *pass, const struct shard *shard, int thread);
void pass_shard_backward(const struct pass *pass, size_t shard, int thread);

/* weight_gradients.c: over all tokens. */
void pass_weight_gradients(struct pass *pass);

/* head.c: pooling of a sequence, and the modules over all sequences. The way back leaves the
 * gradients of the pooled vectors in *ret_pooled. */
void pass_pool(const struct pass *pass, size_t sequence);
void pass_pool_back(const struct pass *pass, const float *pooled_gradients, size_t sequence);
void pass_modules(struct pass *pass);
const float *pass_modules_back(struct pass *pass, const float *vector_gradients);

#endif
