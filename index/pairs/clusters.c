/* Clusters by k-means: FAISS finds the centres, the rest is putting its answer in order. */
#include "index/pairs/clusters.h"

#include <cblas-openblas.h>
#include <limits.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "index/faiss/kmeans.h"

enum { ITERATIONS = 25 };

void pairs_clusters_release(struct pairs_clusters *clusters)
{
    pairs_partition_release(&clusters->partition);
    free(clusters->scores);
    *clusters = (struct pairs_clusters){0};
}

struct member {
    size_t cluster_size, cluster_first; /* the cluster's order among the others */
    size_t cluster, row;
    float score;
};

static int in_order(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    if (a->cluster_size != b->cluster_size)
        return a->cluster_size > b->cluster_size ? -1 : 1;
    if (a->cluster_first != b->cluster_first)
        return a->cluster_first < b->cluster_first ? -1 : 1;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static void measure_members(const struct pairs_sets *sets, size_t k, const float *centroids,
                            const int64_t *nearest, size_t *sizes, size_t *firsts,
                            struct member *members)
{
    for (size_t i = 0; i < k; i++)
        firsts[i] = SIZE_MAX;
    for (size_t row = 0; row < sets->row_count; row++) {
        size_t cluster = (size_t)nearest[row];
        sizes[cluster]++;
        if (firsts[cluster] == SIZE_MAX)
            firsts[cluster] = row;
    }
    for (size_t row = 0; row < sets->row_count; row++) {
        size_t cluster = (size_t)nearest[row];
        float score = pairs_score(sets->rows + row * sets->dimension,
                                  centroids + cluster * sets->dimension, sets->dimension);
        members[row] = (struct member){sizes[cluster], firsts[cluster], cluster, row, score};
    }
}

static int list_clusters(const struct member *members, size_t rows, size_t k,
                         struct pairs_clusters *ret_clusters, struct err *err)
{
    struct pairs_clusters list = {0};
    list.partition.starts = calloc(k + 1, sizeof *list.partition.starts);
    list.partition.members = calloc(rows + 1, sizeof *list.partition.members);
    list.scores = calloc(rows + 1, sizeof *list.scores);
    if (!list.partition.starts || !list.partition.members || !list.scores) {
        pairs_clusters_release(&list);
        return err_memory(err, "clusters");
    }
    for (size_t i = 0; i < rows; i++) {
        if (i == 0 || members[i].cluster != members[i - 1].cluster)
            list.partition.starts[list.partition.count++] = i;
        list.partition.members[i] = members[i].row;
        list.scores[i] = members[i].score;
    }
    list.partition.starts[list.partition.count] = rows;
    *ret_clusters = list;
    return 0;
}

int pairs_kmeans(const struct pairs_sets *sets, const struct pairs_run *run, size_t k, int seed,
                 struct pairs_clusters *ret_clusters, struct err *err)
{
    size_t rows = sets->row_count, floats;
    if (k == 0 || k > rows || k > INT_MAX || sets->dimension > INT_MAX)
        return err_set(err, ERR_INVALID, "%zu vectors cannot be put into %zu clusters", rows, k);
    if (__builtin_mul_overflow(k, sets->dimension, &floats))
        return err_memory(err, "clusters");

    const struct kmeans_options options = {.count = rows,
                                           .dimension = sets->dimension,
                                           .k = k,
                                           .iterations = ITERATIONS,
                                           .threads = pool_threads(run->pool),
                                           .seed = seed};
    float *centroids = calloc(floats, sizeof *centroids);
    int64_t *nearest = calloc(rows, sizeof *nearest);
    size_t *sizes = calloc(k, sizeof *sizes), *firsts = calloc(k, sizeof *firsts);
    struct member *members = calloc(rows, sizeof *members);
    int r = centroids && nearest && sizes && firsts && members ? 0 : err_memory(err, "clusters");

    openblas_set_num_threads(1);
    if (r == 0)
        r = kmeans_train(&options, sets->rows, centroids, nearest, err);
    if (r == 0 && cancel_raised(run->cancel))
        r = err_set(err, ERR_CANCELLED, "clustering was cancelled");
    if (r == 0) {
        measure_members(sets, k, centroids, nearest, sizes, firsts, members);
        qsort(members, rows, sizeof *members, in_order);
        r = list_clusters(members, rows, k, ret_clusters, err);
    }
    free(centroids);
    free(nearest);
    free(sizes);
    free(firsts);
    free(members);
    return r;
}
