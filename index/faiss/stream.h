/* Checks a serialised graph before FAISS reads it.
 *
 * FAISS 1.7.3's reader believes what it reads: it allocates what a length says, leaks when it
 * throws, and a search follows links wherever they lead. This walks over the same bytes first. It
 * doesn't look at the vectors' values.
 */
#ifndef SBERT_INDEX_FAISS_STREAM_H
#define SBERT_INDEX_FAISS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the bytes are exactly an IndexHNSWFlat as FAISS 1.7.3 writes it, of `count` vectors of
 * `dimension` under the metric, all of whose links stay inside the graph. Thread-safe. */
bool hnsw_stream_is_sound(const void *data, size_t size, size_t count, size_t dimension,
                          bool is_euclidean);

#ifdef __cplusplus
}
#endif

#endif
