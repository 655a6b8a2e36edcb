/* The engine: the whole flow, without sockets.
 *
 *     add:    encode(texts) -> store (rows + vectors + sequence, one transaction) -> index apply
 *     query:  encode(text)  -> index search -> fetch rows -> results
 *
 * The only place that knows encoder, index and storage together. It keeps a table of models (the
 * default one is loaded at opening) and a table of open collections, each bound to its model's
 * fingerprint.
 *
 * Threads: every call is thread-safe. Encoding happens outside every lock. Queries are encoded by a
 * crew of their own, bulk adds by background threads, so that a long add does not hold up a query.
 */
#ifndef SBERT_DAEMON_ENGINE_H
#define SBERT_DAEMON_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "encoder/encoder.h"
#include "index/index.h"
#include "storage/filter.h"
#include "storage/store.h"

struct engine;
struct engine_filter;

enum {
    ENGINE_TOP_K_MAX = 1000, /* hits in an answer */
    ENGINE_ID_MAX = 512,     /* bytes of a document's id */
    ENGINE_DIMENSION_MAX = 65536,
    ENGINE_DELETE_STEP = 2000, /* documents that a delete by filter takes in one transaction */
};
#define ENGINE_DEFAULT_COLLECTION "default"

struct engine_options {
    const char *data_folder;  /* store.sqlite3, index snapshots, the lock */
    const char *model;        /* name or folder of the default model; NULL: all-MiniLM-L6-v2 */
    const char *rerank_model; /* name or folder of the cross-encoder to use; NULL: none */
    enum precision precision; /* of the encoder */
    enum index_precision index_precision; /* of the vectors in memory */
    int threads;                          /* for bulk encoding; 0: cpu_count() */
    size_t job_bytes; /* memory for a job's vectors; 0: three quarters of what there is */
    bool load_later;  /* engine_open leaves the collections' indexes to engine_load */
    void (*log)(void *argument, int level, const char *message); /* may be NULL; syslog levels */
    void *log_argument;
};

/* Opens the data folder (made if missing, locked against a second daemon: ERR_BUSY names the folder
 * and the other's pid), loads the model, and, unless that is for later, catches every collection's
 * index up. `cancel` (may be NULL) ends it early with ERR_CANCELLED. */
int engine_open(struct engine **ret_engine, const struct engine_options *options,
                const volatile int *cancel, struct err *err);

/* Catches every collection's index up, the small ones first. Meanwhile the engine is in use: what
 * needs the index of a collection that has not come so far is ERR_BUSY and says how far it is.
 * Once, after engine_open with `load_later`; it must have returned before engine_close is called.
 */
int engine_load(struct engine *engine, const volatile int *cancel, struct err *err);

/* What engine_load has yet to do. */
struct engine_loading {
    size_t collections, ready;
    /* The one it is at, "" where there is none: the vectors that are there of how many. */
    char name[STORE_NAME_MAX + 1];
    int64_t vectors, total;
};
/* False once there is nothing to do. */
bool engine_is_loading(struct engine *engine, struct engine_loading *ret_loading);

/* From now on new calls are refused with ERR_BUSY, and calls under way that have committed nothing
 * end with ERR_CANCELLED as soon as they can, for a stop that cannot wait for a long add. Safe from
 * any thread, not from a signal handler. */
void engine_cancel(struct engine *engine);

/* Waits for calls under way, saves snapshots, and closes; accepts NULL. No call may begin once this
 * one has. */
void engine_close(struct engine *engine);

/* --- what it has done since it was opened --- */

struct engine_stats {
    uint64_t texts_encoded; /* passages, queries and plain texts that went through a model */
    uint64_t tokens_encoded;
    uint64_t documents_added, documents_replaced, documents_unchanged, documents_deleted;
    uint64_t queries_answered;
    size_t calls_under_way;    /* now, this one not counted */
    size_t bulk_texts_waiting; /* texts that wait for the background crew, or are with it */
    size_t collections;
    size_t index_bytes;  /* memory of all indexes */
    int64_t store_bytes; /* the database file with its log */
};
void engine_get_stats(struct engine *engine, struct engine_stats *ret_stats);

/* --- models and plain encoding --- */

/* The default model. Lives as long as the engine. */
const struct encoder_info *engine_model(const struct engine *engine);
const char *engine_model_name(const struct engine *engine);

/* Vectors of texts by the model of that name (NULL: the default; ERR_NOT_FOUND where it is not
 * loaded), as encoder_encode, with the model's prompt of the name `prompt_name` (ERR_INVALID where
 * there is none), or where that is NULL the one for texts that are neither documents nor queries. A
 * few texts are done at once, many in the background. */
int engine_embed(struct engine *engine, const char *model, const char *prompt_name,
                 const struct encoder_text *texts, size_t count, float *ret_vectors,
                 struct encoder_usage *ret_usage, struct err *err);

/* --- collections --- */

/* What PUT /v1/collections/NAME may say; NULL or 0 where it says nothing. */
struct engine_collection_options {
    const char *model;  /* NULL: the default model, unless a dimension is given */
    size_t dimension;   /* given without a model: the client brings vectors */
    const char *metric; /* "cosine", "dot", "l2"; NULL: the model's own similarity, else "cosine" */
    const char *index;  /* "auto" (default), "flat", "hnsw" */
    const struct store_field *fields; /* (field_count) declared if they are not yet */
    size_t field_count;
};

struct engine_collection {
    struct store_collection stored;
    bool ready;             /* false while its index is being loaded; all below is 0 then */
    const char *index_kind; /* what answers now: "flat" or "hnsw" */
    const char *index_precision;
    size_t index_live, index_tombstones, index_segments, index_tail, index_bytes;
    size_t index_unlinked;                   /* of the live, in no graph (yet) */
    size_t index_work_rows, index_work_done; /* of what is being built in the background */
    int64_t index_sequence;
};

/* Creates it (*ret_created true), or finds it there with the settings that are given; ERR_CONFLICT
 * where it is there with others. */
int engine_collection_put(struct engine *engine, const char *name,
                          const struct engine_collection_options *options, bool *ret_created,
                          struct err *err);
int engine_collection_get(struct engine *engine, const char *name,
                          struct engine_collection *ret_collection, struct err *err);
int engine_collection_list(struct engine *engine, struct arena *arena,
                           struct engine_collection **ret_collections, size_t *ret_count,
                           struct err *err);
/* Declares fields of metadata, as store_fields_declare; the documents that are there are indexed in
 * the background. */
int engine_fields_declare(struct engine *engine, const char *name, const struct store_field *fields,
                          size_t count, struct err *err);
/* The fields of a collection as it was given by engine_collection_get, from the arena. */
int engine_fields_list(struct engine *engine, const struct store_collection *collection,
                       struct arena *arena, struct store_field **ret_fields, size_t *ret_count,
                       struct err *err);
int engine_collection_drop(struct engine *engine, const char *name, struct err *err);

/* --- documents --- */

/* A document as a client gives it. */
struct engine_document {
    const char *id;   /* NULL: the first 32 hexadecimal digits of the text's SHA-256 */
    const char *text; /* may be empty only where id and vector are given */
    size_t text_size;
    const char *metadata; /* a JSON object in canonical form, or NULL */
    const float *vector;  /* (dimension) or NULL: the model makes it */
    size_t vector_size;   /* floats in it */
    /* As engine_export gave them, in the place of `vector`, or NULL: the text as the collection's
     * model has cut and encoded it before. `passage_sizes` (passage_count): floats in each. */
    const struct store_passage *passages;
    const size_t *passage_sizes;
    size_t passage_count;
    struct store_source source;
};

struct engine_add_result {
    size_t added, replaced, unchanged;
    size_t truncated; /* documents with a passage that lost tokens */
    const char **ids; /* (count), from the arena */
};

/* Adds documents, all or nothing; returns when the transaction is on disk and the index has it. The
 * collection "default" is made by the first add that is not refused; any other must exist. With
 * `bulk`, and where there are many, the texts are encoded by the background crew. ERR_INVALID names
 * the document, counted from 0 ("documents[3]: ..."). ERR_CONFLICT where the collection belongs to
 * a model that is not loaded. Should the index find no memory for what is on disk by then, the add
 * has succeeded; the index catches up in the background. */
int engine_add(struct engine *engine, const char *collection,
               const struct engine_document *documents, size_t count, bool bulk,
               struct arena *arena, struct engine_add_result *ret_result, struct err *err);

int engine_delete(struct engine *engine, const char *collection, const char *const *ids,
                  size_t count, const char *source, size_t *ret_deleted, struct err *err);
int engine_get(struct engine *engine, const char *collection, const char *id, struct arena *arena,
               struct store_row *ret_row, struct err *err);

/* What is listed: by id in byte order. */
struct engine_list_options {
    const char *after;                  /* only ids after it; NULL: from the first */
    const char *source;                 /* only of this file; NULL: of all */
    const struct engine_filter *filter; /* only what matches (not together with `source`) */
    size_t limit;
};
int engine_list(struct engine *engine, const char *collection,
                const struct engine_list_options *options, struct arena *arena,
                struct store_row **ret_rows, size_t *ret_count, struct err *err);

/* Documents with their vectors and claims, to be added elsewhere as they are: store_export. */
struct engine_export_options {
    const char *after; /* as in a list */
    size_t limit, bytes;
};
int engine_export(struct engine *engine, const char *collection,
                  const struct engine_export_options *options, struct arena *arena,
                  struct store_whole **ret_wholes, size_t *ret_count, size_t *ret_dimension,
                  bool *ret_more, struct err *err);

/* --- filters --- */

/* Conditions on the metadata of documents. */
struct engine_filter {
    const struct store_filter *filter;
    const char *key; /* what tells it from others: its JSON in canonical form */
};

/* The documents that match (NULL: all) are counted, listed, or deleted: ENGINE_DELETE_STEP in a
 * transaction, so that what fails on the way has deleted some, and says how many. ERR_INVALID where
 * a field is not declared, ERR_BUSY where it is still being indexed. */
int engine_count(struct engine *engine, const char *collection, const struct engine_filter *filter,
                 size_t *ret_count, struct err *err);
int engine_delete_selected(struct engine *engine, const char *collection,
                           const struct engine_filter *filter, size_t *ret_deleted,
                           struct err *err);

/* --- search --- */

/* A query by text, or by vector where `vector` is not NULL. */
struct engine_query {
    const char *text;
    size_t text_size;
    const float *vector;
    size_t vector_size;
};

struct engine_search_options {
    size_t top_k;
    bool has_min_score;
    double min_score;                   /* hits below it are left out */
    bool exact;                         /* look at every vector, also where there is a graph */
    const struct engine_filter *filter; /* only documents that match; NULL: all */
};

struct engine_hit {
    struct store_row row;
    double score;        /* of its best passage */
    double vector_score; /* of the first stage, where a second gave `score`: engine_rerank.h */
    size_t start, end;   /* that passage: bytes of the text */
};

struct engine_results {
    struct engine_hit *hits; /* best first */
    size_t count;
};

/* Answers `count` queries; results from the arena, `ret_results` (count). A document stands at most
 * once in an answer, by its best passage. ERR_INVALID names the query, counted from 0; ERR_LIMIT
 * where top_k is over ENGINE_TOP_K_MAX; ERR_CONFLICT for a text where the collection belongs to a
 * model that is not loaded. */
int engine_search(struct engine *engine, const char *collection, const struct engine_query *queries,
                  size_t count, const struct engine_search_options *options, struct arena *arena,
                  struct engine_results *ret_results, struct err *err);

#endif
