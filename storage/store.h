/* Documents, their metadata and their vectors, in one SQLite file: the truth that all else is a
 * cache of.
 *
 * WAL with synchronous=FULL: what a call that writes has returned 0 for is on disk. A document has
 * passages (1:n), a passage one raw f32 vector; a document may come from several sources (files),
 * and lives as long as one of them, or an add without a source, claims it. Every committed change
 * has a sequence number in its collection, so that an index can be caught up by replay.
 *
 * Threads: all calls are thread-safe. Reads take a connection from a pool and run at once; writes
 * take turns, in the order they came, on the one connection that writes. ERR_NO_SPACE, ERR_IO and
 * ERR_CORRUPT leave what was committed before as it was.
 */
#ifndef SBERT_STORAGE_STORE_H
#define SBERT_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

struct store;

/* Opens or creates the file, and migrates an older schema forward. A file written by a newer
 * program is ERR_UNSUPPORTED and says which; a file that is no database is ERR_CORRUPT. One process
 * at a time: the second gets ERR_BUSY. */
int store_open(struct store **ret_store, const char *path, struct err *err);
void store_close(struct store *store); /* accepts NULL; checkpoints the log */

/* --- collections --- */

enum { STORE_NAME_MAX = 64 };

struct store_collection {
    int64_t key;                       /* internal number, never used again */
    char name[STORE_NAME_MAX + 1];     /* [A-Za-z0-9._-]{1,64} */
    char model[256];                   /* name of its model; "" where clients bring vectors */
    char fingerprint[DIGEST_HEX_SIZE]; /* of its model; "" where clients bring vectors */
    char precision[16];                /* recorded, not matched */
    char metric[16];                   /* "cosine", "dot", "l2" */
    char index[16];                    /* "auto", "flat", "hnsw" */
    size_t dimension;
    int64_t created_at;          /* seconds since 1970 */
    int64_t sequence;            /* of the last committed change; 0: none yet */
    int64_t documents, passages; /* counts */
};

/* True for [A-Za-z0-9._-]{1,64}, except "." and "..". */
bool store_name_valid(const char *name);

/* Creates a collection from name, model, fingerprint, precision, metric, index, dimension;
 * fills in the rest. ERR_CONFLICT where the name is taken. */
int store_collection_create(struct store *store, struct store_collection *collection,
                            struct err *err);
int store_collection_find(struct store *store, const char *name,
                          struct store_collection *ret_collection, struct err *err);
/* All of them, by name, from the arena. */
int store_collection_list(struct store *store, struct arena *arena,
                          struct store_collection **ret_collections, size_t *ret_count,
                          struct err *err);
/* Takes it away, also on a full disk: its name is free and nothing can be put into it any more. Its
 * rows go by store_tidy, or when the store is next opened. */
int store_collection_drop(struct store *store, int64_t collection, struct err *err);

/* Tidies up after drops and deletes, also those that failed for want of space: removes the rows of
 * dropped collections and hands free pages back to the file system (all of them after a drop or on
 * a full disk, else once they are a good part of the file). In short steps, between which other
 * writers have their turn; what fails is left for the next time. Where another thread is at it
 * already, it is left to that one. */
void store_tidy(struct store *store);

/* --- adding --- */

/* Where a document stands in a file. */
struct store_source {
    const char *path;             /* NULL: none */
    int64_t line;                 /* first line, from 1; 0: not by lines */
    int64_t byte_start, byte_end; /* byte range in the file; both 0: not known */
};

struct store_passage {
    size_t start, end;   /* bytes of the document's text */
    const float *vector; /* (dimension) */
};

enum { STORE_ID_MAX = 512 };

/* A document to put. Texts are UTF-8, not necessarily NUL-terminated. */
struct store_document {
    const char *id; /* NUL-terminated, 1 to STORE_ID_MAX bytes */
    const char *text;
    size_t text_size;
    uint8_t text_hash[DIGEST_SIZE]; /* SHA-256 of the text, and of the vector where the client
                                       brought it */
    const char *metadata; /* a JSON object in canonical form (sorted keys, no spaces), or NULL */
    struct store_source source;
    const struct store_passage *passages; /* NULL where none are needed: see store_plan */
    size_t passage_count;
};

enum store_state {
    STORE_NEW,       /* no such id yet */
    STORE_UNCHANGED, /* same id, text and metadata (its source may still be noted anew) */
    STORE_METADATA,  /* same id and text, other metadata: the vectors stay */
    STORE_TEXT,      /* same id, other text */
};

/* What putting a document would do. */
struct store_plan {
    enum store_state state;
    bool needs_vectors; /* false where the text is known, under this id or another, in the store or
                           earlier in the batch: its passages with their vectors are reused */
};

/* Looks `count` documents up; nothing is written. Of `documents` only id, text_hash, metadata. */
int store_plan(struct store *store, int64_t collection, const struct store_document *documents,
               size_t count, struct store_plan *ret_plans, struct err *err);

/* What the committed changes mean for the index. From the arena. */
struct store_changes {
    int64_t sequence; /* of the newest change */
    int64_t *added;   /* passage ids */
    float *vectors;   /* (added_count, dimension) */
    size_t added_count;
    int64_t *removed; /* passage ids */
    size_t removed_count;
};

/* Puts `count` documents in one transaction, all or nothing; two with one id: the later one wins,
 * and the earlier is STORE_UNCHANGED with its source noted. Passages are not looked at where the
 * text is the stored one. ERR_BUSY where a document came without passages and its text is no longer
 * known (the store changed since the plan): plan again. ERR_INVALID names a document with a bad id,
 * a passage outside its text or a vector that is not finite. `ret_states` (count) says what each
 * did. A source without a path is a claim that only a delete without source ends. */
int store_put(struct store *store, int64_t collection, const struct store_document *documents,
              size_t count, enum store_state *ret_states, struct arena *arena,
              struct store_changes *ret_changes, struct err *err);

/* Deletes documents by id in one transaction, also on a full disk; store_tidy gives their space
 * back. With `source`, only that file's
 * claim on each is dropped, and the document goes when it was the last. `ret_deleted` counts
 * documents that went; ids that are not there are not an error. */
int store_delete(struct store *store, int64_t collection, const char *const *ids, size_t count,
                 const char *source, size_t *ret_deleted, struct arena *arena,
                 struct store_changes *ret_changes, struct err *err);

/* --- reading --- */

/* A document as stored; strings from the arena. */
struct store_row {
    char *id;
    char *text;
    size_t text_size;
    char *metadata;             /* JSON text, or NULL */
    struct store_source source; /* the first file that was noted; in a list by source, that one */
    int64_t created_at, updated_at;
    size_t passages;
};

/* A document with everything that belongs to it but its times; all of it from the arena. */
struct store_whole {
    char *id;
    char *text;
    size_t text_size;
    char *metadata; /* JSON text, or NULL */
    struct store_passage *passages;
    size_t passage_count;
    bool own_vector;              /* a client brought its vector: see store_document.text_hash */
    struct store_source *sources; /* one or more; `path` NULL: an add that named none */
    size_t source_count;
};

/* Documents whose id is greater than `after` (NULL: from the start), by id in byte order: up to
 * `limit`, and none after those that come to `bytes`. *ret_more tells whether there are more. Of
 * `collection`, the key and the dimension count; ERR_CORRUPT where a vector is of another. One
 * snapshot of the store. */
int store_export(struct store *store, const struct store_collection *collection, const char *after,
                 size_t limit, size_t bytes, struct arena *arena, struct store_whole **ret_wholes,
                 size_t *ret_count, bool *ret_more, struct err *err);

/* A passage's document and place, for search results. `row.id` is NULL where the passage is gone;
 * `row.passages` is not counted. */
struct store_hit {
    struct store_row row;
    size_t start, end;
};

int store_get(struct store *store, int64_t collection, const char *id, struct arena *arena,
              struct store_row *ret_row, struct err *err);

/* Up to `limit` documents whose id is greater than `after` (NULL: from the start), by id in byte
 * order; only those of `source` where it is not NULL. */
int store_list(struct store *store, int64_t collection, const char *after, const char *source,
               size_t limit, struct arena *arena, struct store_row **ret_rows, size_t *ret_count,
               struct err *err);

/* The documents of passages, in the order asked. One snapshot of the store. */
int store_fetch_passages(struct store *store, int64_t collection, const int64_t *passages,
                         size_t count, struct arena *arena, struct store_hit *ret_hits,
                         struct err *err);

/* Which document (its internal number, 0 where the passage is gone) each passage belongs to, so
 * that the best passage of a document can stand for it. */
int store_passage_documents(struct store *store, const int64_t *passages, size_t count,
                            int64_t *ret_documents, struct err *err);

/* --- replay --- */

/* Gives the changes after `sequence` in order, in batches of at most `batch` passages, to `apply`,
 * whose non-zero result ends the replay and is returned. The batch's memory is the callee's to read
 * until it returns. A batch's sequence is the newest that it completes, and the last batch's is the
 * collection's; where there is nothing after `sequence`, nothing is given. All of it is one
 * snapshot of the store. From 0, removals are left out: what they remove is not given either.
 * ERR_CONFLICT where it cannot be told what came after `sequence` (it is under the floor, or newer
 * than the store): begin with 0. ERR_CORRUPT where a vector is not of `dimension`. */
int store_replay(struct store *store, int64_t collection, size_t dimension, int64_t sequence,
                 size_t batch,
                 int (*apply)(void *argument, const struct store_changes *changes, struct err *err),
                 void *argument, struct err *err);

/* Tells the store that a snapshot on disk holds everything up to `sequence`, so that notes of
 * removals before it can be forgotten. A snapshot older than that can no longer be caught up: see
 * store_replay_floor. */
int store_forget_removals(struct store *store, int64_t collection, int64_t sequence,
                          struct err *err);
/* The oldest sequence that store_replay can start from, besides 0. */
int store_replay_floor(struct store *store, int64_t collection, int64_t *ret_sequence,
                       struct err *err);

/* SQLite's own check of the file, and ours of its invariants; ERR_CORRUPT says what is wrong. */
int store_check(struct store *store, struct err *err);

/* Bytes of the database file with its log. */
int64_t store_bytes(struct store *store);

#endif
