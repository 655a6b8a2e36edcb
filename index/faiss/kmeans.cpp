/* The glue around faiss::Clustering: no decisions here, only calls and caught exceptions. */
extern "C" {
#include "base/err.h"
}
#include "index/faiss/kmeans.h"

#include <algorithm>
#include <exception>
#include <new>
#include <vector>

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <omp.h>

static void train(const struct kmeans_options *options, const float *vectors, float *ret_centroids,
                  int64_t *ret_nearest)
{
    faiss::ClusteringParameters parameters;
    parameters.niter = options->iterations;
    parameters.seed = options->seed;
    parameters.spherical = true;
    parameters.min_points_per_centroid = 1; /* else it warns on standard error */
    faiss::Clustering clustering(static_cast<int>(options->dimension), static_cast<int>(options->k),
                                 parameters);
    faiss::IndexFlatIP centroids(static_cast<faiss::Index::idx_t>(options->dimension));
    auto count = static_cast<faiss::Index::idx_t>(options->count);
    clustering.train(count, vectors, centroids);
    std::copy(clustering.centroids.begin(), clustering.centroids.end(), ret_centroids);

    std::vector<float> scores(options->count);
    std::vector<faiss::Index::idx_t> nearest(options->count);
    centroids.search(count, vectors, 1, scores.data(), nearest.data());
    std::copy(nearest.begin(), nearest.end(), ret_nearest);
}

int kmeans_train(const struct kmeans_options *options, const float *vectors, float *ret_centroids,
                 int64_t *ret_nearest, struct err *err)
{
    int r = 0;
    omp_set_num_threads(options->threads);
    try {
        train(options, vectors, ret_centroids, ret_nearest);
    } catch (const std::bad_alloc &) {
        r = err_memory(err, "k-means");
    } catch (const std::exception &e) {
        r = err_set(err, ERR_INTERNAL, "k-means: %s", e.what());
    }
    omp_set_num_threads(1);
    return r;
}
