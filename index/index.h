/* Vectors in, nearest ids out: one collection's index, kept in memory by FAISS.
 *
 * It is a cache of what the store holds, and can be rebuilt from it at any time. It is a list of
 * immutable segments (flat or HNSW), one flat tail that takes the adds, and a bitmap of tombstones
 * for what was removed. Ids are the store's passage ids: positive, unique, never used again.
 *
 * Vectors are kept as given, in the index's precision, except that under METRIC_COSINE they are
 * normalised to length 1 when they are added, and scores are cosines. Scores, also those of an
 * exact search, are of the vectors as they are kept.
 *
 * Threads: any number may search, save and ask for statistics at once, beside callers of apply
 * (which wait for each other) and one caller of maintain. A search sees the state before an apply
 * or the one after it, and waits for neither it nor maintain. It runs on the calling thread, except
 * that a scan of many rows and walks over several graphs are shared out over the processors, by
 * threads that the process's indexes have in common.
 */
#ifndef SBERT_INDEX_INDEX_H
#define SBERT_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum index_metric {
    METRIC_COSINE, /* score: cosine, -1 to 1 */
    METRIC_DOT,    /* score: inner product */
    METRIC_L2,     /* score: minus the Euclidean distance, so that larger is nearer everywhere */
};

enum index_kind {
    INDEX_AUTO, /* flat (exact) up to flat_limit vectors, HNSW segments beyond */
    INDEX_FLAT, /* always exact */
    INDEX_HNSW, /* HNSW segments as soon as the tail is full */
};

/* How vectors are held, and so what a search computes with. */
enum index_precision {
    INDEX_PRECISION_DEFAULT, /* F32 */
    INDEX_PRECISION_F32,
    INDEX_PRECISION_F16,
    INDEX_PRECISION_INT8, /* 8 bits a component, and a scale for each vector */
};

/* "f32", "f16" or "int8"; of the default, the one that it is. */
const char *index_precision_name(enum index_precision precision);
/* False, with *ret_precision untouched, where no precision has this name. */
bool index_precision_parse(const char *name, enum index_precision *ret_precision);

struct index_options {
    size_t dimension; /* 1 to 65536 */
    enum index_metric metric;
    enum index_kind kind;
    enum index_precision precision;
    size_t flat_limit;      /* vectors; 0: 20000 */
    size_t segment_size;    /* the most vectors in a segment; 0: 262144 */
    size_t M;               /* HNSW links a node; 0: 16 */
    size_t ef_construction; /* 0: 100 */
    size_t ef_search;       /* 0: 128; longer where there are more than 131072 vectors */
    int build_threads;      /* threads while maintain builds; 0: 1 */
};

struct vector_index;

/* An empty index. ERR_INVALID or ERR_LIMIT names the option that is out of range: M is 2 to 1024,
 * an ef at most 2^20, a segment at most 2^31 - 1 vectors, threads 1 to 1024. */
int index_create(struct vector_index **ret_index, const struct index_options *options,
                 struct err *err);
void index_free(struct vector_index *index); /* accepts NULL; nobody may be using it */

/* Adds `add_count` vectors (add_count, dimension), then removes `remove_count` ids, and notes that
 * the index now holds the store up to `sequence`. All or nothing. An id that is there already is
 * skipped, and so is a removed id that is not: replaying twice changes nothing. A vector with a NaN
 * or infinity is ERR_INVALID, and so is an added id that is not positive. */
int index_apply(struct vector_index *index, const int64_t *add_ids, const float *vectors,
                size_t add_count, const int64_t *remove_ids, size_t remove_count, int64_t sequence,
                struct err *err);

/* A set of ids that searches are restricted to. It never changes, and is counted: each holder gives
 * its reference up with index_selection_free. Which rows of an index the ids are is found out by
 * the first search and remembered, so keeping a selection makes the next search with it cheap. It
 * stays right whatever is applied meanwhile: an id that is added later is found, one that was
 * removed is not. Any number of threads may search with one selection at once, also in several
 * indexes. */
struct index_selection;

/* Copies the ids, which may come in any order; one that is in no index, or not positive, matches
 * nothing. ERR_MEMORY. */
int index_selection_new(struct index_selection **ret_selection, const int64_t *ids, size_t count,
                        struct err *err);
struct index_selection *index_selection_ref(struct index_selection *selection);
void index_selection_free(struct index_selection *selection); /* accepts NULL */

/* The ids without repeats, and the memory that the set takes with what it remembers. */
size_t index_selection_count(const struct index_selection *selection);
size_t index_selection_bytes(struct index_selection *selection);

struct index_search_options {
    size_t top_k;
    bool exact;                        /* scan everything, also what has a graph */
    size_t ef_search;                  /* 0: the index's */
    struct index_selection *selection; /* NULL: all */
};

/* The top_k nearest live vectors to each of `count` queries (count, dimension), of the selected
 * ones where there is a selection: fewer only where fewer are there. `ret_ids` and
 * `ret_scores` get (count, top_k) entries, best first, equal scores in the order of their ids;
 * `ret_counts` (count) says how many of a row are filled. ERR_INVALID where top_k is 0 or a query
 * has a NaN or infinity. */
int index_search(const struct vector_index *index, const float *queries, size_t count,
                 const struct index_search_options *options, int64_t *ret_ids, float *ret_scores,
                 size_t *ret_counts, struct err *err);

/* Does the most pressing piece of background work, if there is one: turns a full tail into a
 * segment, builds a segment's graph, rebuilds a segment with many tombstones. *ret_worked says
 * whether there was any. `cancel` (may be NULL; see base/cancel.h) is looked at in between; raised:
 * ERR_CANCELLED. */
int index_maintain(struct vector_index *index, bool *ret_worked, const volatile int *cancel,
                   struct err *err);

struct index_stats {
    size_t live, tombstones;
    size_t segments, graph_segments; /* of which have an HNSW graph */
    size_t tail;                     /* vectors in the flat tail */
    size_t unlinked;             /* in no graph: in the tail, or waiting where there are graphs */
    size_t work_rows, work_done; /* of what maintain is building; 0 while it rests */
    size_t bytes;                /* memory that vectors, graphs and ids take */
    int64_t sequence;            /* the store's, up to which this index holds it */
    enum index_precision precision; /* not the default */
    const char *kind;               /* what answers now: "flat" or "hnsw" */
};
void index_get_stats(const struct vector_index *index, struct index_stats *ret_stats);

/* Writes a snapshot: magic, version, checksum, `fingerprint` (at most 127 bytes), options and
 * sequence, then the segments. Whole-file replacement: the old snapshot stands until the new one is
 * on disk. It is of one moment; searches and applies go on meanwhile. docs/INDEX-SNAPSHOT.md
 * describes the format. */
int index_save(const struct vector_index *index, const char *path, const char *fingerprint,
               struct err *err);

/* Loads a snapshot. ERR_NOT_FOUND where there is none; ERR_CORRUPT where it is cut off, altered, of
 * another version, fingerprint, dimension or metric: the caller then rebuilds from the store. Never
 * trusts a byte before the checksum held. */
int index_load(struct vector_index **ret_index, const char *path, const char *fingerprint,
               const struct index_options *options, struct err *err);

#endif
