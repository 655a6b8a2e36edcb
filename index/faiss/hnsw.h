/* One HNSW graph with its vectors: the few things FAISS 1.7.3's C API lacks (search with
 * parameters, efSearch for each query, reading the vectors in place, serialising into memory).
 *
 * What C++ throws is caught and becomes a struct err. Any number of threads may search a graph that
 * nobody is adding to. Each call runs on the calling thread alone, except hnsw_add.
 */
#ifndef SBERT_INDEX_FAISS_HNSW_H
#define SBERT_INDEX_FAISS_HNSW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hnsw; /* a faiss::IndexHNSWFlat */

struct hnsw_options {
    size_t dimension;
    bool euclidean; /* else inner product */
    size_t M, ef_construction;
    size_t capacity; /* rows to reserve memory for; at most INT32_MAX */
};

int hnsw_new(struct hnsw **ret_graph, const struct hnsw_options *options, struct err *err);
void hnsw_free(struct hnsw *graph); /* accepts NULL */

/* Adds vectors (count, dimension) and links them, on `threads` threads. */
int hnsw_add(struct hnsw *graph, const float *vectors, size_t count, int threads, struct err *err);

/* Gives memory back that building left over. */
int hnsw_finish(struct hnsw *graph, struct err *err);

/* The vectors (count, dimension), where they are; valid until the next add. */
const float *hnsw_vectors(const struct hnsw *graph);
size_t hnsw_bytes(const struct hnsw *graph);

/* The positions of the up to `ef` nearest that a walk with a queue of that length finds, in no
 * particular order. `distances` is (ef) of scratch. */
int hnsw_search(const struct hnsw *graph, const float *query, size_t ef, int64_t *ret_positions,
                float *distances, size_t *ret_count, struct err *err);

/* Serialises in FAISS's own format ("IHNf") through `write`, which returns 0 or an error. */
typedef int hnsw_write_function(void *context, const void *data, size_t size, struct err *err);
int hnsw_write(const struct hnsw *graph, hnsw_write_function *write, void *context,
               struct err *err);

/* Reads what hnsw_write wrote of `count` vectors. The bytes are checked first, since FAISS's reader
 * trusts them (stream.h). ERR_CORRUPT. */
int hnsw_read(struct hnsw **ret_graph, const void *data, size_t size, size_t count,
              size_t dimension, bool is_euclidean, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
