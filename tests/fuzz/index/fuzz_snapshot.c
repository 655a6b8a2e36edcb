/* Feeds bytes to index_load as a snapshot, and uses what it lets through.
 *
 * The checksums are made right first, so that the checks behind them are reached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "index/index.h"
#include "index/snapshot.h"

enum { LARGEST_DIMENSION = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_checksums(uint8_t *data, size_t size)
{
    struct snapshot_header *header = (void *)data;
    if (size < sizeof *header ||
        header->part_count > (size - sizeof *header) / sizeof(struct snapshot_part))
        return;
    struct snapshot_part *parts = snapshot_table(header);
    for (uint32_t i = 0; i < header->part_count; i++)
        if (parts[i].offset <= size && parts[i].size <= size &&
            snapshot_padded(parts[i].size) <= size - parts[i].offset)
            parts[i].checksum = snapshot_part_checksum(&parts[i], data + parts[i].offset);
    header->checksum = snapshot_checksum(header);
}

/* What was loaded must answer, change and be written again. */
static void use(struct vector_index *index, size_t dimension)
{
    float vectors[2 * LARGEST_DIMENSION];
    const int64_t added[] = {INT64_MAX, 3}, removed[] = {1, 2};
    int64_t ids[2 * 5];
    float scores[2 * 5];
    size_t counts[2];
    bool worked = true;
    struct index_stats stats;
    struct err err = {0};
    const struct index_search_options near = {.top_k = 5};
    const struct index_search_options nearest = {.top_k = 1, .ef_search = 1}; /* walks a graph */

    for (size_t i = 0; i < 2 * dimension; i++)
        vectors[i] = (float)i - 3;
    if (index_search(index, vectors, 2, &near, ids, scores, counts, &err) < 0 || counts[0] > 5 ||
        index_search(index, vectors, 2, &nearest, ids, scores, counts, &err) < 0 ||
        index_apply(index, added, vectors, 2, removed, 2, 7, &err) < 0)
        abort();
    for (int step = 0; worked && step < 8; step++)
        if (index_maintain(index, &worked, NULL, &err) < 0)
            abort();
    if (index_search(index, vectors, 2, &near, ids, scores, counts, &err) < 0 || !counts[0])
        abort();
    index_get_stats(index, &stats);
    if (!stats.live || stats.sequence != 7)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], fingerprint[SNAPSHOT_FINGERPRINT_SIZE] = "";
    struct index_options options = {.dimension = 4};
    struct vector_index *index;
    struct err err = {0};
    struct snapshot_header header;
    uint8_t *copy = malloc(size + 1);
    int file = memfd_create("snapshot", MFD_CLOEXEC);

    if (!copy || file < 0)
        abort();
    memcpy(copy, data, size);
    mend_checksums(copy, size);
    if (size >= sizeof header) {
        memcpy(&header, copy, sizeof header);
        memcpy(fingerprint, header.fingerprint, sizeof fingerprint - 1);
        options.metric = (enum index_metric)(header.metric % 3);
        options.precision = (enum index_precision)(1 + (header.precision - 1) % 3);
        options.dimension = 1 + (header.dimension - 1) % LARGEST_DIMENSION;
    }
    if (write(file, copy, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (index_load(&index, path, fingerprint, &options, &err) == 0) {
        use(index, options.dimension);
        index_free(index);
    } else if (err.code != ERR_CORRUPT && err.code != ERR_MEMORY) {
        abort();
    }
    close(file);
    free(copy);
    return 0;
}
