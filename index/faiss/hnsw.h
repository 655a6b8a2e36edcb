/* Building a graph's links with FAISS, over rows that stay where they are.
 *
 * What C++ throws is caught and becomes a struct err. A builder belongs to one caller; hnsw_add
 * alone runs on several threads.
 */
#ifndef SBERT_INDEX_FAISS_HNSW_H
#define SBERT_INDEX_FAISS_HNSW_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "index/format.h"
#include "index/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hnsw; /* a faiss::IndexHNSW over our rows */

struct hnsw_options {
    size_t M, ef_construction;
    size_t capacity;                 /* rows to reserve memory for; at most INT32_MAX */
    const struct row_format *format; /* these two must outlive the builder */
    unsigned char *const *blocks;    /* where the rows are: 2^format->block_shift in each */
};

/* A builder that starts with the links of `graph` (of the same M) over its rows, or with nothing
 * where that is NULL. */
int hnsw_new(struct hnsw **ret_builder, const struct hnsw_options *options,
             const struct graph *graph, struct err *err);
void hnsw_free(struct hnsw *builder); /* accepts NULL */

/* Links the next `count` rows, on `threads` threads. */
int hnsw_add(struct hnsw *builder, size_t count, int threads, struct err *err);

/* The links of all rows so far, of which there must be one; nothing can be added afterwards. */
int hnsw_take(struct hnsw *builder, struct graph **ret_graph, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
