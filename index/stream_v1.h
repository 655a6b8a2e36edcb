/* Reads a graph as FAISS 1.7.3 serialised it, which is how snapshots of version 1 hold one.
 *
 * Nothing of it is believed: every length must fit, every link must stay inside the graph. FAISS's
 * own reader (which allocates what a length says, leaks when it throws, and follows links wherever
 * they lead) is not used. The vectors' values are not looked at.
 */
#ifndef SBERT_INDEX_STREAM_V1_H
#define SBERT_INDEX_STREAM_V1_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "index/graph.h"

/* A graph of `count` vectors of `dimension` under the metric, and where in the data its vectors
 * (count, dimension; f32, not aligned) are. ERR_CORRUPT, ERR_MEMORY. Thread-safe. */
int stream_v1_read(const void *data, size_t size, size_t count, size_t dimension, bool is_euclidean,
                   struct graph **ret_graph, const void **ret_vectors, struct err *err);

#endif
