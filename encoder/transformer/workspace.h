/* The memory of one forward pass, allocated once and owned by one thread at a time. Everything in
 * it is overwritten by each pass. */
#ifndef SBERT_ENCODER_TRANSFORMER_WORKSPACE_H
#define SBERT_ENCODER_TRANSFORMER_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "encoder/kernels/matmul.h"
#include "encoder/model/model.h"

/* Sequences to encode together, standing behind each other without padding. `ids` and `type_ids`
 * have `tokens` entries; sequence i is [starts[i], starts[i + 1]). */
struct batch {
    uint32_t *ids;     /* below vocabulary_size */
    uint8_t *type_ids; /* below type_vocabulary_size, ignored where the model has no types */
    size_t *starts;
    size_t tokens, sequences;
};

struct workspace {
    size_t max_tokens;
    struct batch batch; /* room for max_tokens tokens and as many sequences */
    float *x;           /* (tokens, hidden_size): what goes from layer to layer */
    float *y;           /* (tokens, hidden_size): what is added to it */
    float *qkv;         /* (tokens, 3 hidden_size): query, key and value of each token */
    float *context;     /* (tokens, hidden_size): what attention gives */
    void *input;        /* (tokens, hidden_size): x, then context, as the backend's products read
                           them; not used where they read floats */
    void *inner;        /* (tokens, intermediate_size), as the backend's products read them */
    float *scratch;     /* attention's */
    float *vectors[2];  /* (model's widest) each: from pooling to the vector that comes out */
    void *memory;
};

/* Allocates for batches of up to `max_tokens` tokens and products of that backend. ERR_LIMIT where
 * that is beyond all bounds. */
int workspace_open(struct workspace *ret_workspace, const struct model *model,
                   const struct matmul_backend *backend, size_t max_tokens, struct err *err);
void workspace_close(struct workspace *workspace); /* accepts a zeroed one */

#endif
