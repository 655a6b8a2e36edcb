/* Collections: made, found, listed, dropped.
 *
 * A drop takes the name away in one small transaction. The rows go after it in bounded steps; what
 * a crash or a full disk leaves is taken up again when the store is opened.
 */
#include <string.h>
#include <time.h>

#include "storage/internal.h"

enum {
    PURGE_STEP = 1000, /* rows a transaction removes */
    DIMENSION_MAX = 65536,
};

#define SELECT_COLLECTIONS                                                                         \
    "SELECT key, name, model, fingerprint, precision, metric, index_kind, dimension, created_at, " \
    "sequence, documents, passages FROM collections "

bool store_name_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-";
    size_t size = strlen(name);
    return size >= 1 && size <= STORE_NAME_MAX && strspn(name, allowed) == size &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words))
        words++;
    return *words;
}

static int validate(const struct store_collection *collection, struct err *err)
{
    static const char *const metrics[] = {"cosine", "dot", "l2", NULL};
    static const char *const indexes[] = {"auto", "flat", "hnsw", NULL};
    if (!store_name_valid(collection->name))
        return err_set(err, ERR_INVALID,
                       "\"%.80s\" cannot name a collection: 1 to %d of A-Z a-z 0-9 . _ -",
                       collection->name, STORE_NAME_MAX);
    if (!one_of(collection->metric, metrics))
        return err_set(err, ERR_INVALID, "metric \"%s\" is none of cosine, dot, l2",
                       collection->metric);
    if (!one_of(collection->index, indexes))
        return err_set(err, ERR_INVALID, "index \"%s\" is none of auto, flat, hnsw",
                       collection->index);
    if (collection->dimension < 1 || collection->dimension > DIMENSION_MAX)
        return err_set(err, ERR_INVALID, "dimension %zu is not within 1 to %d",
                       collection->dimension, DIMENSION_MAX);
    return 0;
}

/* Copies a column into an array that is known to hold what the store ever wrote there. */
static void copy_column(struct query *query, int column, char *ret_text, size_t size)
{
    const unsigned char *text = sqlite3_column_text(query->statement, column);
    sqlite3_snprintf((int)size, ret_text, "%s", text ? (const char *)text : "");
}

static void read_row(struct query *query, struct store_collection *ret_collection)
{
    struct store_collection *c = ret_collection;
    *c = (struct store_collection){0};
    c->key = sqlite3_column_int64(query->statement, 0);
    copy_column(query, 1, c->name, sizeof c->name);
    copy_column(query, 2, c->model, sizeof c->model);
    copy_column(query, 3, c->fingerprint, sizeof c->fingerprint);
    copy_column(query, 4, c->precision, sizeof c->precision);
    copy_column(query, 5, c->metric, sizeof c->metric);
    copy_column(query, 6, c->index, sizeof c->index);
    c->dimension = (size_t)sqlite3_column_int64(query->statement, 7);
    c->created_at = sqlite3_column_int64(query->statement, 8);
    c->sequence = sqlite3_column_int64(query->statement, 9);
    c->documents = sqlite3_column_int64(query->statement, 10);
    c->passages = sqlite3_column_int64(query->statement, 11);
}

static int find(struct connection *connection, const char *name, bool *ret_found,
                struct store_collection *ret_collection, struct err *err)
{
    struct query query;
    query_begin(&query, connection, SELECT_COLLECTIONS "WHERE name = ?");
    query_string(&query, name);
    int r = query_next(&query, ret_found, err);
    if (r == 0 && *ret_found)
        read_row(&query, ret_collection);
    query_end(&query);
    return r;
}

static int insert(struct connection *connection, struct store_collection *collection,
                  struct err *err)
{
    bool found = false;
    struct store_collection existing;
    int r = find(connection, collection->name, &found, &existing, err);
    if (r < 0)
        return r;
    if (found)
        return err_set(err, ERR_CONFLICT, "there is a collection \"%s\" already", collection->name);
    struct query query;
    query_begin(&query, connection,
                "INSERT INTO collections (name, model, fingerprint, precision, metric, index_kind, "
                "dimension, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    query_string(&query, collection->name);
    query_string(&query, collection->model);
    query_string(&query, collection->fingerprint);
    query_string(&query, collection->precision);
    query_string(&query, collection->metric);
    query_string(&query, collection->index);
    query_int(&query, (int64_t)collection->dimension);
    query_int(&query, (int64_t)time(NULL));
    r = query_run(&query, err);
    if (r == 0) /* as stored, key and all */
        r = find(connection, collection->name, &found, collection, err);
    return r;
}

int store_collection_create(struct store *store, struct store_collection *collection,
                            struct err *err)
{
    int r = validate(collection, err);
    if (r < 0)
        return r;
    struct connection *connection = NULL;
    struct store_collection made = *collection;
    r = store_write_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = space_reserve(store, err);
    if (r == 0)
        r = insert(connection, &made, err);
    r = store_write_end(store, r, err);
    if (r == 0)
        *collection = made;
    return r;
}

int store_collection_find(struct store *store, const char *name,
                          struct store_collection *ret_collection, struct err *err)
{
    struct connection *connection = NULL;
    bool found = false;
    struct store_collection collection;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = find(connection, name, &found, &collection, err);
    store_read_end(store, connection);
    if (r < 0)
        return r;
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "there is no collection \"%.80s\"", name);
    *ret_collection = collection;
    return 0;
}

static int read_all(struct connection *connection, struct buf *rows, struct err *err)
{
    struct query query;
    bool row = false;
    int r = 0;
    query_begin(&query, connection, SELECT_COLLECTIONS "WHERE name IS NOT NULL ORDER BY name");
    while ((r = query_next(&query, &row, err)) == 0 && row) {
        struct store_collection collection;
        read_row(&query, &collection);
        if (buf_append(rows, &collection, sizeof collection) < 0) {
            r = err_memory(err, "the list of collections");
            break;
        }
    }
    query_end(&query);
    return r;
}

int store_collection_list(struct store *store, struct arena *arena,
                          struct store_collection **ret_collections, size_t *ret_count,
                          struct err *err)
{
    struct connection *connection = NULL;
    struct buf rows = {0};
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = read_all(connection, &rows, err);
    store_read_end(store, connection);
    struct store_collection *collections = NULL;
    if (r == 0) {
        collections = arena_alloc(arena, rows.size, 1);
        if (!collections)
            r = err_memory(err, "the list of collections");
    }
    if (r == 0) {
        if (rows.size)
            memcpy(collections, rows.data, rows.size);
        *ret_collections = collections;
        *ret_count = rows.size / sizeof *collections;
    }
    buf_release(&rows);
    return r;
}

/* --- for writers and replays --- */

int collection_read(struct connection *connection, int64_t key, struct collection_state *ret_state,
                    struct err *err)
{
    struct query query;
    bool row = false;
    query_begin(&query, connection,
                "SELECT sequence, replay_floor, dimension, documents, passages FROM collections "
                "WHERE key = ? AND name IS NOT NULL");
    query_int(&query, key);
    int r = query_next(&query, &row, err);
    if (r == 0 && !row)
        r = err_set(err, ERR_NOT_FOUND, "the collection is not there any more");
    if (r == 0)
        *ret_state = (struct collection_state){
            .key = key,
            .sequence = sqlite3_column_int64(query.statement, 0),
            .replay_floor = sqlite3_column_int64(query.statement, 1),
            .dimension = (size_t)sqlite3_column_int64(query.statement, 2),
            .documents = sqlite3_column_int64(query.statement, 3),
            .passages = sqlite3_column_int64(query.statement, 4),
        };
    query_end(&query);
    return r;
}

int collection_write(struct connection *connection, const struct collection_state *state,
                     struct err *err)
{
    struct query query;
    query_begin(&query, connection,
                "UPDATE collections SET sequence = ?, documents = ?, passages = ? WHERE key = ?");
    query_int(&query, state->sequence);
    query_int(&query, state->documents);
    query_int(&query, state->passages);
    query_int(&query, state->key);
    return query_run(&query, err);
}

/* --- dropping --- */

static int take_name(struct store *store, int64_t key, struct err *err)
{
    struct connection *connection = NULL;
    struct collection_state state;
    int r = store_write_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = collection_read(connection, key, &state, err);
    if (r == 0) {
        struct query query;
        query_begin(&query, connection, "UPDATE collections SET name = NULL WHERE key = ?");
        query_int(&query, key);
        r = query_run(&query, err);
    }
    store->dropped |= r == 0;
    return store_write_end(store, r, err);
}

/* What is of a collection, in an order that its references allow; each removes up to ?2 rows. */
static const char *const purges[] = {
    "DELETE FROM passages WHERE key IN "
    "(SELECT key FROM passages WHERE collection = ?1 ORDER BY sequence LIMIT ?2)",
    "DELETE FROM documents WHERE key IN "
    "(SELECT key FROM documents WHERE collection = ?1 ORDER BY id LIMIT ?2)",
    "DELETE FROM removals WHERE (collection, sequence, passage) IN (SELECT collection, sequence, "
    "passage FROM removals WHERE collection = ?1 ORDER BY sequence, passage LIMIT ?2)",
    "DELETE FROM sources WHERE key IN "
    "(SELECT key FROM sources WHERE collection = ?1 ORDER BY path LIMIT ?2)",
    "DELETE FROM fields WHERE key IN "
    "(SELECT key FROM fields WHERE collection = ?1 ORDER BY name LIMIT ?2)",
    "DELETE FROM collections WHERE key IN (SELECT key FROM collections WHERE key = ?1 LIMIT ?2)",
};

/* Removes up to PURGE_STEP rows of a dropped collection, its own last. */
static int purge_some(struct connection *connection, int64_t collection, struct err *err)
{
    for (size_t i = 0; i < sizeof purges / sizeof purges[0]; i++) {
        struct query query;
        query_begin(&query, connection, purges[i]);
        query_int(&query, collection);
        query_int(&query, PURGE_STEP);
        int r = query_run(&query, err);
        if (r < 0 || sqlite3_changes(connection->db) > 0)
            return r;
    }
    return 0;
}

int collection_purge(struct store *store, bool *ret_any, struct err *err)
{
    bool found = true;
    int r = 0;
    while (r == 0 && found) {
        struct connection *connection = NULL;
        struct query query;
        int64_t key = 0;
        r = store_write_begin(store, &connection, err);
        if (r < 0)
            return r;
        query_begin(&query, connection, "SELECT key FROM collections WHERE name IS NULL LIMIT 1");
        r = query_number(&query, &found, &key, err);
        if (r == 0 && found)
            r = purge_some(connection, key, err);
        r = store_write_end(store, r, err);
        *ret_any |= r == 0 && found;
    }
    return r;
}

int store_collection_drop(struct store *store, int64_t collection, struct err *err)
{
    int r = take_name(store, collection, err);
    if (r == ERR_NO_SPACE && space_release_reserve(store))
        r = take_name(store, collection, err);
    return r;
}
