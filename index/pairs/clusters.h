/* Clusters: every vector in the one of k parts whose centre it is nearest to. */
#ifndef SBERT_INDEX_PAIRS_CLUSTERS_H
#define SBERT_INDEX_PAIRS_CLUSTERS_H

#include "index/pairs/groups.h"

struct pairs_clusters {
    struct pairs_partition partition; /* of all rows; empty clusters are left out */
    float *scores;                    /* (rows): of each member with its centre, as members */
};
void pairs_clusters_release(struct pairs_clusters *clusters); /* accepts a zeroed one */

/* k-means (FAISS's, spherical) of the rows; `sets` has no columns. The largest cluster first, equal
 * ones by their first member; members by falling score, so that the most central come first, equal
 * ones in ascending order. The same seed gives the same clusters. ERR_INVALID where k is 0 or more
 * than there are rows. */
int pairs_kmeans(const struct pairs_sets *sets, const struct pairs_run *run, size_t k, int seed,
                 struct pairs_clusters *ret_clusters, struct err *err);

#endif
