/* Deleting documents, or one source's claim on them, or what a filter selects. */
#include <stdlib.h>
#include <string.h>

#include "storage/internal.h"

/* What is to be deleted: documents by id (of one source), or what a filter selects. */
struct wanted {
    const char *const *ids; /* (count) */
    size_t count;           /* of ids, or at most so many documents of the filter */
    const char *source;
    const struct store_filter *filter;
};

struct deletion {
    struct connection *connection;
    struct collection_state collection;
    bool by_source;
    int64_t source;     /* its key, where by_source; 0: nothing was ever claimed by it */
    int64_t sequence;   /* of this transaction's changes */
    struct buf removed; /* passage ids (int64_t) */
    size_t deleted;     /* documents */
};

static int find_document(struct deletion *deletion, const char *id, int64_t *ret_key,
                         struct err *err)
{
    struct query query;
    bool found = false;
    int64_t key = 0;
    query_begin(&query, deletion->connection,
                "SELECT key FROM documents WHERE collection = ? AND id = ?");
    query_int(&query, deletion->collection.key);
    query_string(&query, id);
    int r = query_number(&query, &found, &key, err);
    if (r == 0)
        *ret_key = key;
    return r;
}

/* Ends the source's claim; *ret_last tells that it had one and no other is left. */
static int drop_claim(struct deletion *deletion, const char *id, int64_t document, bool *ret_last,
                      struct err *err)
{
    struct query query;
    bool found = false;
    int64_t others = 0;
    query_begin(&query, deletion->connection, "DELETE FROM claims WHERE source = ? AND id = ?");
    query_int(&query, deletion->source);
    query_string(&query, id);
    int r = query_run(&query, err);
    *ret_last = false;
    if (r < 0 || sqlite3_changes(deletion->connection->db) == 0)
        return r;
    query_begin(&query, deletion->connection, "SELECT count(*) FROM claims WHERE document = ?");
    query_int(&query, document);
    r = query_number(&query, &found, &others, err);
    *ret_last = r == 0 && others == 0;
    return r;
}

static int delete_document(struct deletion *deletion, int64_t key, struct err *err)
{
    int r = document_remove_passages(deletion->connection, deletion->collection.key, key,
                                     deletion->sequence, &deletion->removed, err);
    if (r < 0)
        return r;
    struct query query; /* its claims go with it, by cascade */
    query_begin(&query, deletion->connection, "DELETE FROM documents WHERE key = ?");
    query_int(&query, key);
    r = query_run(&query, err);
    if (r == 0)
        deletion->deleted++;
    return r;
}

static int delete_one(struct deletion *deletion, const char *id, struct err *err)
{
    int64_t key = 0;
    bool goes = true;
    int r = find_document(deletion, id, &key, err);
    if (r < 0 || !key)
        return r;
    if (deletion->by_source) {
        r = drop_claim(deletion, id, key, &goes, err);
        if (r < 0 || !goes)
            return r;
    }
    return delete_document(deletion, key, err);
}

/* A source that claims nothing any more is forgotten. */
static int drop_source(struct deletion *deletion, struct err *err)
{
    struct query query;
    query_begin(&query, deletion->connection,
                "DELETE FROM sources WHERE key = ?1 "
                "AND NOT EXISTS (SELECT 1 FROM claims WHERE source = ?1)");
    query_int(&query, deletion->source);
    return query_run(&query, err);
}

static int delete_ids(struct deletion *deletion, const struct wanted *wanted, struct err *err)
{
    int r = 0;
    if (wanted->source)
        r = source_find(deletion->connection, deletion->collection.key, wanted->source,
                        &deletion->source, err);
    for (size_t i = 0; i < wanted->count && r == 0; i++)
        r = delete_one(deletion, wanted->ids[i], err);
    return r == 0 && deletion->source ? drop_source(deletion, err) : r;
}

static int delete_selected(struct deletion *deletion, const struct wanted *wanted, struct err *err)
{
    struct passage_set set = {0};
    int r =
        filter_resolve(deletion->connection, deletion->collection.key, wanted->filter, &set, err);
    for (int64_t p = r == 0 ? passage_set_next(&set, 0) : -1;
         p >= 0 && r == 0 && deletion->deleted < wanted->count; p = passage_set_next(&set, p + 1)) {
        struct query query;
        bool found = false; /* false too where an earlier passage took its document away */
        int64_t document = 0;
        query_begin(&query, deletion->connection,
                    "SELECT document FROM passages WHERE key = ? AND collection = ?");
        query_int(&query, p);
        query_int(&query, deletion->collection.key);
        r = query_number(&query, &found, &document, err);
        if (r == 0 && found)
            r = delete_document(deletion, document, err);
    }
    free(set.words);
    return r;
}

static int delete_all(struct deletion *deletion, const struct wanted *wanted, struct err *err)
{
    int r =
        wanted->filter ? delete_selected(deletion, wanted, err) : delete_ids(deletion, wanted, err);
    if (r < 0 || deletion->deleted == 0)
        return r;
    size_t removed = deletion->removed.size / sizeof(int64_t);
    if (removed)
        deletion->collection.sequence = deletion->sequence;
    deletion->collection.documents -= (int64_t)deletion->deleted;
    deletion->collection.passages -= (int64_t)removed;
    return collection_write(deletion->connection, &deletion->collection, err);
}

static int finish(const struct deletion *deletion, struct arena *arena,
                  struct store_changes *ret_changes, struct err *err)
{
    struct store_changes changes = {.sequence = deletion->collection.sequence};
    changes.removed_count = deletion->removed.size / sizeof *changes.removed;
    changes.removed = arena_alloc(arena, changes.removed_count, sizeof *changes.removed);
    if (!changes.removed)
        return err_memory(err, "a delete");
    if (changes.removed_count)
        memcpy(changes.removed, deletion->removed.data, deletion->removed.size);
    *ret_changes = changes;
    return 0;
}

static int run(struct store *store, int64_t collection, const struct wanted *wanted,
               size_t *ret_deleted, struct arena *arena, struct store_changes *ret_changes,
               struct err *err)
{
    struct deletion deletion = {.by_source = wanted->source != NULL};
    struct store_changes changes = {0};
    int r = store_write_begin(store, &deletion.connection, err);
    if (r < 0)
        return r;
    r = collection_read(deletion.connection, collection, &deletion.collection, err);
    deletion.sequence = deletion.collection.sequence + 1;
    if (r == 0)
        r = delete_all(&deletion, wanted, err);
    if (r == 0)
        r = finish(&deletion, arena, &changes, err);
    r = store_write_end(store, r, err);
    if (r == 0) {
        *ret_deleted = deletion.deleted;
        *ret_changes = changes;
    }
    buf_release(&deletion.removed);
    return r;
}

static int run_on_full_disk(struct store *store, int64_t collection, const struct wanted *wanted,
                            size_t *ret_deleted, struct arena *arena,
                            struct store_changes *ret_changes, struct err *err)
{
    int r = run(store, collection, wanted, ret_deleted, arena, ret_changes, err);
    if (r == ERR_NO_SPACE && space_release_reserve(store))
        r = run(store, collection, wanted, ret_deleted, arena, ret_changes, err);
    if (r == ERR_NO_SPACE)
        err_prefix(err, "deleting %zu documents at once (fewer at a time need less)",
                   wanted->count);
    return r;
}

int store_delete(struct store *store, int64_t collection, const char *const *ids, size_t count,
                 const char *source, size_t *ret_deleted, struct arena *arena,
                 struct store_changes *ret_changes, struct err *err)
{
    const struct wanted wanted = {.ids = ids, .count = count, .source = source};
    return run_on_full_disk(store, collection, &wanted, ret_deleted, arena, ret_changes, err);
}

int store_delete_selected(struct store *store, int64_t collection,
                          const struct store_filter *filter, size_t limit, size_t *ret_deleted,
                          struct arena *arena, struct store_changes *ret_changes, struct err *err)
{
    const struct wanted wanted = {.count = limit, .filter = filter};
    return run_on_full_disk(store, collection, &wanted, ret_deleted, arena, ret_changes, err);
}
