/* The layout of a snapshot file; docs/INDEX-SNAPSHOT.md describes it byte by byte.
 *
 * A header, a table with one entry for each part, then the parts' contents. All numbers are
 * little-endian, which is also how they lie in memory here.
 */
#ifndef SBERT_INDEX_SNAPSHOT_H
#define SBERT_INDEX_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "snapshots are written as memory lies");

#define SNAPSHOT_MAGIC "SBERTIDX"

enum {
    SNAPSHOT_VERSION = 2,
    SNAPSHOT_VERSION_1 = 1,  /* f32, and graphs as FAISS writes them: read, not written */
    SNAPSHOT_ALIGNMENT = 64, /* of each part's contents */
    SNAPSHOT_FINGERPRINT_SIZE = 128,
    SNAPSHOT_HAS_TAIL = 1,  /* header flag: the last part takes adds */
    SNAPSHOT_HAS_GRAPH = 1, /* part flag: it has an HNSW graph */
};

struct snapshot_header {
    char magic[8];
    uint32_t version;
    uint32_t part_count;
    uint64_t checksum; /* XXH3-64 of header and table, this field as 0 */
    uint64_t file_size;
    int64_t sequence;
    uint32_t dimension;
    uint32_t metric; /* enum index_metric */
    uint32_t kind;   /* enum index_kind; this and the next five are recorded, not matched */
    uint32_t M;
    uint32_t ef_construction;
    uint32_t ef_search;
    uint64_t flat_limit;
    uint64_t segment_size;
    uint32_t flags;
    uint32_t precision; /* enum index_precision, not the default; version 1: 0 */
    uint32_t zero[10];
    char fingerprint[SNAPSHOT_FINGERPRINT_SIZE]; /* padded with NUL, of which there is at least 1 */
};
_Static_assert(sizeof(struct snapshot_header) == 256, "no padding");

struct snapshot_part {
    uint64_t count;      /* rows, the dead ones counted; at least 1 */
    uint64_t dead_count; /* 0: there is no bitmap */
    uint64_t offset;     /* of the contents in the file */
    uint64_t size;       /* of ids, bitmap, rows and graph, without the padding */
    uint32_t M;          /* of the graph, or 0; version 1: an f32 of no use any more */
    uint32_t flags;
    uint64_t entry; /* of the graph: where walks begin; version 1: 0 */
    uint64_t zero;
    uint64_t checksum; /* XXH3-64 of the contents with their padding, then of the fields above */
};
_Static_assert(sizeof(struct snapshot_part) == 64, "no padding");

/* The checksum of header and table, which lie behind each other. */
uint64_t snapshot_checksum(const struct snapshot_header *header);

/* The checksum of a part, whose contents with their padding are at `contents`. */
uint64_t snapshot_part_checksum(const struct snapshot_part *part, const void *contents);

/* The table behind a header. */
struct snapshot_part *snapshot_table(struct snapshot_header *header);

/* Rounded up to the alignment. */
uint64_t snapshot_padded(uint64_t size);

#endif
