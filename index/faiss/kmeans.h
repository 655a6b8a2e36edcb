/* FAISS's k-means of vectors of length 1: centroids that are of length 1 too ("spherical"). */
#ifndef SBERT_INDEX_FAISS_KMEANS_H
#define SBERT_INDEX_FAISS_KMEANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kmeans_options {
    size_t count, dimension;
    size_t k; /* 1 to count */
    int iterations, threads;
    int seed;
};

/* vectors (count, dimension) to ret_centroids (k, dimension), and for each vector the nearest of
 * them, ret_nearest (count). Repeatable for one seed and number of threads. What C++ throws becomes
 * a struct err. */
int kmeans_train(const struct kmeans_options *options, const float *vectors, float *ret_centroids,
                 int64_t *ret_nearest, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
