/* MPNet's relative position bias: a number for each head and each distance between a query and a
 * key, laid out as the attention kernels read it. Made once, when a transformer is opened, then
 * constant.
 *
 * Source: the bucketing of Raffel et al., arXiv 1910.10683 (T5), as MPNet uses it.
 */
#ifndef SBERT_ENCODER_TRANSFORMER_RELATIVE_BIAS_H
#define SBERT_ENCODER_TRANSFORMER_RELATIVE_BIAS_H

#include <stddef.h>

#include "base/err.h"
#include "encoder/model/model.h"

struct relative_bias {
    float *numbers; /* (heads, stride), NULL where the model has no such bias */
    size_t stride;
    size_t centre; /* where distance 0 stands in a row */
};

/* Makes the biases for sequences as long as the model's positions. */
int relative_bias_open(struct relative_bias *ret_bias, const struct model *model, struct err *err);
void relative_bias_close(struct relative_bias *bias); /* accepts a zeroed one */

/* A head's biases for attention_head.bias: those of distance 0, where the pointer points, and
 * around it; NULL where there are none. */
const float *relative_bias_of_head(const struct relative_bias *bias, size_t head);

/* The row of the model's table for query - key = `distance`: half of the `buckets` are for keys
 * that follow the query. Of each half, the first half is for one distance each, the others grow by
 * powers up to a distance of 128, and the last takes all beyond. */
size_t relative_bias_bucket(ptrdiff_t distance, size_t buckets);

#endif
