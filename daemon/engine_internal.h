/* What the files of the engine share; nobody else includes it.
 *
 * Locks, in the order in which they may be taken (the ones of the rooms below come last):
 *     collection_table.catalog    creating and dropping collections
 *     collection.write            one change of a collection: store, then index
 *     collection_table.lock       the list of collections and their reference counts
 * No text is encoded while one of them is held, and no thread of the lowest scheduling class takes
 * one, so that a query never waits for work in the background.
 */
#ifndef SBERT_DAEMON_ENGINE_INTERNAL_H
#define SBERT_DAEMON_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/err.h"
#include "daemon/engine.h"
#include "encoder/encoder.h"
#include "index/index.h"
#include "storage/store.h"

/* --- the data folder: engine_folder.c --- */

struct data_folder {
    char *path;
    char *store; /* the database file in it */
    char *index; /* the folder of index snapshots in it */
    int lock;    /* descriptor that holds the lock, or -1 */
};

/* Makes the folder where it is missing and locks it; ERR_BUSY names who has it. */
int data_folder_open(struct data_folder *ret_folder, const char *path, struct err *err);
void data_folder_close(struct data_folder *folder);

/* The path of a collection's snapshot, in fresh memory; NULL when memory runs out. */
char *data_folder_snapshot(const struct data_folder *folder, int64_t key);

/* Removes the snapshots of collections that are not among `collections`, and what a crash left half
 * written. Files of other names are not ours and stay. *ret_removed counts them. */
int data_folder_sweep(const struct data_folder *folder, const struct store_collection *collections,
                      size_t count, size_t *ret_removed, struct err *err);

/* --- texts encoded in the background: engine_bulk.c --- */

struct bulk_encoder;

/* A queue in front of a crew of `threads` threads of the lowest scheduling class. `cancel` must
 * outlive it. */
int bulk_open(struct bulk_encoder **ret_bulk, const struct encoder *encoder, int threads,
              const volatile int *cancel, struct err *err);
void bulk_close(struct bulk_encoder *bulk); /* accepts NULL; nobody may be waiting in it */

/* As encoder_encode; returns when all is encoded. Callers share the crew in slices, in turn. */
int bulk_encode(struct bulk_encoder *bulk, const struct encoder_text *texts, size_t count,
                const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                struct err *err);
size_t bulk_waiting(const struct bulk_encoder *bulk); /* texts not encoded yet */

/* --- texts that somebody waits for: engine_queries.c --- */

struct query_encoder;

/* Crews of this process's usual priority. `cancel` must outlive it. */
int queries_open(struct query_encoder **ret_queries, const struct encoder *encoder,
                 const volatile int *cancel, struct err *err);
void queries_close(struct query_encoder *queries); /* accepts NULL; nobody may be in it */

/* What a call wants done with its vectors, in one go for the calls of a batch that want the same.
 * Run at most once, and not where the encoding failed. */
struct query_step {
    bool (*same)(const struct query_step *step, const struct query_step *other);
    void (*run)(struct query_step *const *steps, size_t count);
};

/* As encoder_encode, for at most QUERY_TEXTS_MAX texts; goes at once where a crew is free, else
 * together with others that wait for one. `step` may be NULL. */
enum { QUERY_TEXTS_MAX = 16 };
int queries_encode(struct query_encoder *queries, const struct encoder_text *texts, size_t count,
                   const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                   struct query_step *step, struct err *err);
uint64_t queries_batches(struct query_encoder *queries); /* times that a crew was at work */

/* --- the table of models: engine_models.c --- */

struct engine_model {
    char *name;
    struct encoder *encoder;
    const struct encoder_info *info;
    size_t document_prompt_tokens; /* what a passage must leave room for */
    struct query_encoder *queries;
    struct bulk_encoder *bulk;

    atomic_uint_fast64_t texts_encoded, tokens_encoded;
};

/* Constant after opening. */
struct model_table {
    struct engine_model **models; /* the default one first */
    size_t count;
};

/* Loads the options' model (NULL: REGISTRY_DEFAULT_MODEL) as the default. */
int models_open(struct model_table *ret_table, const struct engine_options *options,
                const volatile int *cancel, struct err *err);
void models_close(struct model_table *table);

/* The model of that name (NULL: the default), or NULL where it is not loaded. */
struct engine_model *models_find(const struct model_table *table, const char *name);
struct engine_model *models_find_fingerprint(const struct model_table *table,
                                             const char *fingerprint);

/* As encoder_encode, at once where the texts are few and `bulk` is false, else in the background.
 * `prompt` is one of the model's info, `ret_usage` may be NULL. */
int model_encode(struct engine_model *model, const struct encoder_text *texts, size_t count,
                 const char *prompt, bool bulk, float *ret_vectors, struct encoder_usage *ret_usage,
                 struct err *err);
/* The same for queries. `step` (may be NULL) is run for those done at once: see there. */
int model_encode_queries(struct engine_model *model, const struct encoder_text *texts, size_t count,
                         float *ret_vectors, struct query_step *step, struct err *err);

/* --- cross-encoders for the second stage of a search: engine_rerank.c --- */

struct reranker_table;
int rerankers_open(struct reranker_table **ret_table, struct err *err);
void rerankers_close(struct reranker_table *table); /* accepts NULL; nobody may use one */

/* --- jobs: engine_jobs.c --- */

struct job_table;
int jobs_open(struct engine *engine, struct err *err);
void jobs_stop(struct engine *engine);  /* ends the work; accepts an engine without */
void jobs_close(struct engine *engine); /* likewise */

/* --- the table of collections: engine_collections.c --- */

/* Filters that were asked for lately, with what they select: engine_filter.c. */
struct filter_entry;
struct filter_cache {
    pthread_mutex_t lock;
    struct filter_entry *entries; /* (FILTER_CACHE_SIZE) */
    uint64_t clock;
};
enum { FILTER_CACHE_SIZE = 32 };
int filter_cache_open(struct filter_cache *cache, struct err *err);
void filter_cache_close(struct filter_cache *cache); /* accepts one that is zeroed */

struct collection {
    struct store_collection stored; /* as it was made; the counts in it are not kept up */
    struct engine_model *model;     /* NULL: clients bring vectors, or its model is not loaded */
    struct vector_index *index;
    char *snapshot;          /* path */
    char snapshot_mark[128]; /* ties the snapshot to this collection of this store and its model */

    pthread_mutex_t write; /* held over a change of the store and of the index, so that the index
                              sees the changes in the store's order */
    atomic_bool stale;     /* the index lacks a committed change; set under `write` */

    atomic_size_t changes;    /* vectors that a snapshot on disk would have to be caught up by */
    atomic_llong changed_at;  /* when the last change was: clock_seconds() */
    atomic_bool ready;        /* its index is there, for good; until then `index` is the loader's */
    atomic_llong loaded;      /* vectors that the loader has put into it */
    atomic_llong pause_until; /* the maintainer leaves it alone until then */
    atomic_bool dropped;
    atomic_llong version; /* raised by every change of documents before it is acknowledged */
    struct filter_cache filters;
    atomic_bool unfilled; /* there may be fields that are not filled */
    int cancel; /* non-zero ends long work on the index; __atomic, for it is lent as volatile int */

    size_t references; /* under collection_table.lock */
};

struct collection_table {
    pthread_mutex_t catalog;
    pthread_mutex_t lock;
    struct collection **items;
    size_t count, capacity;
};

/* Opens what the store lists, the indexes not loaded yet. */
int collections_open(struct engine *engine, struct err *err);
void collections_close(struct engine *engine);
void collections_cancel(struct engine *engine); /* ends long work on every index */

/* What ties a snapshot to a collection of this store and its model. */
void collection_snapshot_mark(const struct store_collection *stored, char *ret_mark, size_t size);

/* Finds a collection for use until collection_release. ERR_NOT_FOUND says what to do; ERR_BUSY: its
 * index is being loaded. */
int collection_take(struct engine *engine, const char *name, struct collection **ret_collection,
                    struct err *err);
/* The same for what needs no index. */
int collection_take_unready(struct engine *engine, const char *name,
                            struct collection **ret_collection, struct err *err);
/* Makes ENGINE_DEFAULT_COLLECTION, or finds it there by now. */
int collection_make_default(struct engine *engine, struct collection **ret_collection,
                            struct err *err);
/* What it would be like: `stored` but for the key, and `model`. */
int collection_plan_default(struct engine *engine, struct collection *ret_planned, struct err *err);
void collection_release(struct engine *engine, struct collection *collection);

/* All of them for use, in fresh memory; each is released by the caller. */
int collections_take_all(struct engine *engine, struct collection ***ret_items, size_t *ret_count,
                         struct err *err);

/* 0 where the collection's model can encode texts for it, else ERR_CONFLICT (its model is not
 * loaded) or ERR_INVALID (clients bring the vectors). */
int collection_check_texts(const struct engine *engine, const struct collection *collection,
                           struct err *err);
/* ERR_INVALID unless `vector` is one of this collection: the right size, and finite. */
int collection_check_vector(const struct collection *collection, const float *vector, size_t size,
                            struct err *err);

/* Takes what was just committed into the index. Under collection.write. Never fails: an index that
 * cannot take it is marked stale, and the maintainer catches it up. */
void collection_apply(struct engine *engine, struct collection *collection,
                      const struct store_changes *changes);

/* --- snapshots and replay: engine_recover.c --- */

/* Fills collection->index from its snapshot and the store, or from the store alone, and declares
 * the collection ready. */
int collection_load(struct engine *engine, struct collection *collection,
                    const volatile int *cancel, struct err *err);

/* Applies what the store has beyond the index; *ret_replayed counts the vectors that came or went.
 * Under collection.write, or before anybody else knows the collection. */
int collection_catch_up(struct engine *engine, struct collection *collection,
                        const volatile int *cancel, size_t *ret_replayed, struct err *err);

/* Writes a snapshot, and lets the store forget what it kept for older ones. */
int collection_save(struct engine *engine, struct collection *collection, struct err *err);

/* The index's options for a collection. */
struct index_options collection_index_options(const struct store_collection *stored,
                                              enum index_precision precision);

/* --- filters and fields: engine_filter.c --- */

/* What a filter selects, from the cache or from the store; the caller gives it up. */
int collection_select(struct engine *engine, struct collection *collection,
                      const struct engine_filter *filter, struct index_selection **ret_selection,
                      struct err *err);
int collection_declare(struct engine *engine, struct collection *collection,
                       const struct store_field *fields, size_t count, struct err *err);
/* Indexes documents that were there before their fields. */
int collection_fill(struct engine *engine, struct collection *collection, struct err *err);

/* --- the background: engine_maintain.c --- */

struct maintainer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken, stopping;
};

int maintainer_start(struct engine *engine, struct err *err);
void maintainer_stop(struct engine *engine); /* accepts one that was never started */
void maintainer_wake(struct engine *engine); /* there may be something to do */

/* Saves the snapshots that are worth saving at the end: all large ones, small ones while there is
 * time. */
void maintainer_save_all(struct engine *engine);

/* --- an add, step by step: engine_add.c --- */

struct add_batch {
    struct engine *engine;
    struct collection *collection;       /* `planned` until there is something to put into it */
    struct collection planned;           /* the collection to be made */
    const struct engine_document *given; /* (count) */
    struct store_document *documents;    /* (count) as they go to the store */
    struct store_plan *plans;            /* (count) */
    enum store_state *states;            /* (count) */
    struct store_passage **passages;     /* (count) those that were cut here, else NULL */
    bool *truncated;                     /* (count) */
    const char **ids;                    /* (count) */
    size_t count;
    bool bulk;
    struct arena *arena;
};

/* Finds the collection, or plans to make it. */
int add_batch_take_collection(struct add_batch *batch, const char *name, struct err *err);
/* Checks the documents and gives each its hash and id. */
int add_batch_prepare(struct add_batch *batch, struct err *err);
/* Asks the store which of them it has already. */
int add_batch_plan(struct add_batch *batch, struct err *err);
/* Gives those whose text is new passages and vectors. */
int add_batch_encode(struct add_batch *batch, struct err *err);
/* One transaction, then the index. ERR_BUSY: the store has changed since the plan. */
int add_batch_commit(struct add_batch *batch, struct err *err);
/* What it did, in numbers; counts them for engine_get_stats too. */
void add_batch_report(const struct add_batch *batch, struct engine_add_result *ret_result);
void add_batch_release(struct add_batch *batch);

/* --- a search, step by step: engine_search.c --- */

struct ranking;

/* What the index gave for some queries. */
struct search_found {
    size_t fetch;   /* passages asked for, of each query */
    int64_t *ids;   /* (count, fetch) */
    float *scores;  /* (count, fetch) */
    size_t *counts; /* (count) */
    bool done;
};

struct search {
    struct engine *engine;
    struct collection *collection;
    const struct engine_query *queries; /* (count) */
    size_t count;
    const struct engine_search_options *options;
    float *vectors;                    /* (count, dimension) */
    struct query_step together;        /* finds `first` together with other searches */
    struct search_found first;         /* done: what the index gave for all queries */
    struct ranking *rankings;          /* (count) */
    struct index_selection *selection; /* of the filter, or NULL */
    bool vanished;                     /* a passage that the index named was gone from the store */
    struct arena *arena;               /* of the results */
    struct arena scratch;              /* of what only the search needs */
};
void search_release(struct search *search);

/* What the filter selects, if there is one. */
int search_select(struct search *search, struct err *err);
/* Checks what is asked. */
int search_check(const struct search *search, struct err *err);
/* The queries' vectors. */
int search_encode(struct search *search, struct err *err);
/* The best passages, one for each document. */
int search_rank(struct search *search, struct err *err);
/* Their documents: the results. */
int search_fetch(struct search *search, struct engine_results *ret_results, struct err *err);
/* Waits until the index has what the store had when this was called. ERR_NOT_FOUND where the
 * collection was dropped. */
int search_wait_for_writer(struct search *search, struct err *err);

/* --- the engine: engine_open.c --- */

struct engine {
    struct engine_options options;
    struct data_folder folder;
    struct store *store;
    struct model_table models;
    struct reranker_table *rerankers;
    struct job_table *jobs;
    struct collection_table collections;
    struct maintainer maintainer;

    /* The gate that every call passes, so that closing can wait for those inside. */
    pthread_mutex_t gate;
    pthread_cond_t left;
    size_t calls;
    bool shut;

    int cancel; /* __atomic, for it is lent as volatile int */

    atomic_bool backing_up;
    atomic_llong backup_done, backup_total; /* pages of the backup under way */

    atomic_uint_fast64_t documents_added, documents_replaced, documents_unchanged,
        documents_deleted, queries_answered;
};

/* Begins a call; ERR_BUSY where the engine is stopping. Each success is ended by engine_leave. */
int engine_enter(struct engine *engine, struct err *err);
void engine_leave(struct engine *engine);
/* Begins a call on a collection that needs no index: engine_enter and collection_take_unready. Each
 * success is ended by engine_leave_collection; a failure leaves nothing to end. */
int engine_enter_collection(struct engine *engine, const char *name,
                            struct collection **ret_collection, struct err *err);
void engine_leave_collection(struct engine *engine, struct collection *collection);

/* Sends a line to the options' log; level as syslog has it. */
void engine_log(const struct engine *engine, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts a thread that no signal is delivered to. */
int engine_thread_start(pthread_t *ret_thread, void *(*main)(void *argument), void *argument,
                        struct err *err);

/* Whole seconds of clock_now(), which fit an atomic. */
long long clock_seconds(void);

#endif
