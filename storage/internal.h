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

/* Indices of `documents` in the order of id or text_hash, equal ones in the order they came. */
void documents_sort_by_id(const struct store_document *documents, size_t count, size_t *ret_order);
void documents_sort_by_text(const struct store_document *documents, size_t count,
                            size_t *ret_order);

#endif
