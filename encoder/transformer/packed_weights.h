/* The packed forms of all linear layers of a model: mapped from the file beside it where there is
 * one that fits (weight_cache.h), else packed and put there, else packed in memory.
 *
 * Filled once, when a transformer is opened, then constant.
 */
#ifndef SBERT_ENCODER_TRANSFORMER_PACKED_WEIGHTS_H
#define SBERT_ENCODER_TRANSFORMER_PACKED_WEIGHTS_H

#include "encoder/kernels/matmul.h"
#include "encoder/model/model.h"
#include "encoder/transformer/weight_cache.h"

/* The products of a layer, in the order in which their weights are kept. */
enum layer_product { PRODUCT_QKV, PRODUCT_ATTENTION_OUTPUT, PRODUCT_INTERMEDIATE, PRODUCT_OUTPUT };
enum { LAYER_PRODUCTS = 4, LAYER_PRODUCT_MAX_LINEARS = 3 };

/* The linears that make up one product; returns how many. */
size_t packed_weights_linears(const struct transformer_layer *layer, enum layer_product product,
                              struct linear ret_linears[LAYER_PRODUCT_MAX_LINEARS]);

/* Makes the numbers of a product's linears be there, or no more (weights_widen). */
void packed_weights_widen(const struct model *model, const struct linear *linears, size_t count);
void packed_weights_drop(const struct model *model, const struct linear *linears, size_t count);

struct packed_weights {
    struct weight_cache cache; /* open where the weights are mapped */
    char source[256];          /* where they are from, in a clause, and why */
};

/* Never fails for the file's sake: then `source` says what was wrong with it, and the weights are
 * not mapped. Fails as matmul_packed_size, and when memory runs out. */
int packed_weights_open(struct packed_weights *ret_weights, const struct model *model,
                        const struct kernels *kernels, const struct matmul_backend *backend,
                        struct err *err);
void packed_weights_close(struct packed_weights *weights); /* accepts a zeroed one */

#endif
