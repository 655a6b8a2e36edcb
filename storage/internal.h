/* What the files of this room share: the open store, its transactions, and the rows that more than
 * one of them reads or removes. */
#ifndef SBERT_STORAGE_INTERNAL_H
#define SBERT_STORAGE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "storage/connection.h"
#include "storage/filter.h"
#include "storage/store.h"

enum { STORE_READERS = 8 };

struct store {
    char *path, *log_path, *lock_path, *reserve_path;
    int lock; /* descriptor, -1: not held */

    pthread_mutex_t write_mutex; /* guards the two numbers */
    pthread_cond_t write_turn;
    uint64_t next_ticket, served; /* the write lock: its holder has the ticket `served` */
    struct connection writer;     /* the holder's */
    bool reserved;         /* the holder's, like the next: the reserve file is in place (space.c) */
    bool tidying, dropped; /* store_tidy is under way; a collection was dropped since it began */

    pthread_mutex_t read_mutex; /* guards idle and idle_count */
    pthread_cond_t read_idle;
    struct connection readers[STORE_READERS]; /* db is NULL until first needed */
    struct connection *idle[STORE_READERS];   /* a stack: the warmest is taken first */
    size_t idle_count;
};

/* A read transaction: one snapshot of the store on a connection of the pool, waited for where all
 * are in use. After success store_read_end must follow. */
int store_read_begin(struct store *store, struct connection **ret_connection, struct err *err);
void store_read_end(struct store *store, struct connection *connection);

/* The write lock. Those who wait have it in the order they came: a mutex would let one that works
 * in many short steps pass the others by. */
void store_write_lock(struct store *store);
void store_write_unlock(struct store *store);

/* A write transaction on the connection that writes, under the write lock. After success
 * store_write_end must follow; it commits where `r` is 0, else rolls back, and returns `r` or why
 * the commit failed. */
int store_write_begin(struct store *store, struct connection **ret_connection, struct err *err);
int store_write_end(struct store *store, int r, struct err *err);

/* --- space.c --- */

/* Sets the reserve aside where it is missing; ERR_NO_SPACE where the disk has no room for it. The
 * caller holds the write lock. */
int space_reserve(struct store *store, struct err *err);
/* Gives the reserve to the file system, so that a delete can be written on a full disk; false where
 * there was none. Takes the write lock. */
bool space_release_reserve(struct store *store);

/* --- collections.c --- */

/* What changes of a collection, and what writers and replays need besides. */
struct collection_state {
    int64_t key;
    int64_t sequence;     /* of the last committed change */
    int64_t replay_floor; /* the oldest sequence that a replay can start from, besides 0 */
    size_t dimension;
    int64_t documents, passages;
};

/* ERR_NOT_FOUND where it is not there or was dropped. */
int collection_read(struct connection *connection, int64_t key, struct collection_state *ret_state,
                    struct err *err);
/* Writes sequence and counts. */
int collection_write(struct connection *connection, const struct collection_state *state,
                     struct err *err);
/* Removes what is left of dropped collections, in bounded steps; *ret_any tells whether there was
 * something. Takes the write lock step by step. */
int collection_purge(struct store *store, bool *ret_any, struct err *err);

/* --- documents.c --- */

/* The source of that path; *ret_key is 0 where the collection has none. */
int source_find(struct connection *connection, int64_t collection, const char *path,
                int64_t *ret_key, struct err *err);

/* The document of that id, and how `document` (id, text_hash and metadata) differs from it. Where
 * it is STORE_NEW, *ret_key is 0. */
int document_compare(struct connection *connection, int64_t collection,
                     const struct store_document *document, int64_t *ret_key,
                     enum store_state *ret_state, struct err *err);
/* Some document with that text (and vector); *ret_key is 0 where there is none. */
int document_find_text(struct connection *connection, int64_t collection,
                       const uint8_t text_hash[DIGEST_SIZE], int64_t *ret_key, struct err *err);
/* Removes a document's passages with their vectors, notes the removals under `sequence` and appends
 * the passage ids (int64_t) to `removed`. */
int document_remove_passages(struct connection *connection, int64_t collection, int64_t document,
                             int64_t sequence, struct buf *removed, struct err *err);

/* Appends the passages (int64_t) of a document, in the order of its text. */
int document_passages(struct connection *connection, int64_t document, struct buf *passages,
                      struct err *err);

/* Indices of `documents` in the order of id or text_hash, equal ones in the order they came. */
void documents_sort_by_id(const struct store_document *documents, size_t count, size_t *ret_order);
void documents_sort_by_text(const struct store_document *documents, size_t count,
                            size_t *ret_order);

/* --- read.c --- */

/* As store_get, in the transaction that is open. */
int document_get(struct connection *connection, int64_t collection, const char *id,
                 struct arena *arena, struct store_row *ret_row, struct err *err);
/* A place in a source from the columns path, line, byte_start, byte_end, the first of them being
 * `first`. */
int query_place(struct query *query, int first, struct arena *arena,
                struct store_source *ret_source, struct err *err);
/* Moves rows (struct store_row) from a buffer into the arena. */
int rows_finish(const struct buf *rows, struct arena *arena, struct store_row **ret_rows,
                size_t *ret_count, struct err *err);

/* --- check.c --- */

/* As store_check, on any connection. */
int check_connection(struct connection *connection, struct err *err);

/* --- fields.c --- */

struct field_row {
    int64_t key;
    struct store_field field;
};

/* A collection's fields by name, from the arena; NULL where it has none. */
int fields_read(struct connection *connection, int64_t collection, struct arena *arena,
                struct field_row **ret_fields, size_t *ret_count, struct err *err);
/* The field of that name, or NULL. */
const struct field_row *fields_find(const struct field_row *fields, size_t count, const char *name);
/* Indexes the values that new passages of a document with this metadata (NULL: none) have. */
int fields_index(struct connection *connection, const struct field_row *fields, size_t field_count,
                 const char *metadata, const int64_t *passages, size_t count, struct err *err);
/* The same for a document's passages that are there, in the place of what was indexed. */
int fields_index_again(struct connection *connection, const struct field_row *fields,
                       size_t field_count, const char *metadata, int64_t document, struct err *err);

/* --- filter.c --- */

/* Passages `first` + i for each bit i that is set. */
struct passage_set {
    int64_t first;
    size_t bits;
    uint64_t *words; /* the owner frees them */
};
/* As store_select, in the transaction that is open. */
int filter_resolve(struct connection *connection, int64_t collection,
                   const struct store_filter *filter, struct passage_set *ret_set, struct err *err);
bool passage_set_has(const struct passage_set *set, int64_t passage);
/* The first one from `passage` on, or -1. */
int64_t passage_set_next(const struct passage_set *set, int64_t passage);

#endif
