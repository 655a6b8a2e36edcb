/* Whole documents, page by page: text, metadata, passages with their vectors, and every claim. What
 * is given can be put again as it is; only times are left out. */
#include <string.h>

#include "storage/internal.h"

static int append(struct buf *list, const void *element, size_t size, struct err *err)
{
    return buf_append(list, element, size) < 0 ? err_memory(err, "an export") : 0;
}

/* Moves a list of elements of `size` bytes into the arena. */
static int finish_list(struct buf *list, size_t size, struct arena *arena, void *ret_elements,
                       size_t *ret_count, struct err *err)
{
    char *copy = arena_alloc(arena, list->size, 1);
    if (!copy)
        return err_memory(err, "an export");
    if (list->size)
        memcpy(copy, list->data, list->size);
    memcpy(ret_elements, &copy, sizeof copy);
    *ret_count = list->size / size;
    return 0;
}

static int read_passages(struct connection *connection, int64_t document, size_t dimension,
                         struct arena *arena, struct store_whole *whole, struct err *err)
{
    struct query query;
    struct buf passages = {0};
    bool row = false;
    size_t size = dimension * sizeof(float);
    int r;
    query_begin(&query, connection,
                "SELECT p.byte_start, p.byte_end, v.vector FROM passages p "
                "LEFT JOIN vectors v ON v.passage = p.key WHERE p.document = ? ORDER BY p.ordinal");
    query_int(&query, document);
    while ((r = query_next(&query, &row, err)) == 0 && row) {
        const void *stored = sqlite3_column_blob(query.statement, 2);
        if (!stored || (size_t)sqlite3_column_bytes(query.statement, 2) != size) {
            r = err_set(
                err, ERR_CORRUPT,
                "%s: a vector of document \"%.80s\" is not of dimension %zu: stop the daemon; "
                "sbert-index repair saves what can be read",
                connection->path, whole->id, dimension);
            break;
        }
        float *vector = arena_alloc(arena, dimension, sizeof *vector);
        if (!vector) {
            r = err_memory(err, "an export");
            break;
        }
        memcpy(vector, stored, size);
        struct store_passage passage = {
            .start = (size_t)sqlite3_column_int64(query.statement, 0),
            .end = (size_t)sqlite3_column_int64(query.statement, 1),
            .vector = vector,
        };
        if ((r = append(&passages, &passage, sizeof passage, err)) < 0)
            break;
    }
    query_end(&query);
    if (r == 0)
        r = finish_list(&passages, sizeof *whole->passages, arena, &whole->passages,
                        &whole->passage_count, err);
    buf_release(&passages);
    return r;
}

static int read_sources(struct connection *connection, int64_t document, struct arena *arena,
                        struct store_whole *whole, struct err *err)
{
    struct query query;
    struct buf sources = {0};
    bool row = false;
    int r;
    query_begin(&query, connection,
                "SELECT s.path, c.line, c.byte_start, c.byte_end FROM claims c "
                "JOIN sources s ON s.key = c.source WHERE c.document = ? ORDER BY c.source");
    query_int(&query, document);
    while ((r = query_next(&query, &row, err)) == 0 && row) {
        struct store_source source = {0};
        r = query_place(&query, 0, arena, &source, err);
        if (r == 0)
            r = append(&sources, &source, sizeof source, err);
        if (r < 0)
            break;
    }
    query_end(&query);
    if (r == 0)
        r = finish_list(&sources, sizeof *whole->sources, arena, &whole->sources,
                        &whole->source_count, err);
    buf_release(&sources);
    return r;
}

/* The row of a document, and what hangs on it. */
static int read_whole(struct query *query, size_t dimension, struct arena *arena,
                      struct store_whole *whole, struct err *err)
{
    size_t size = 0;
    uint8_t hash[DIGEST_SIZE];
    int64_t key = sqlite3_column_int64(query->statement, 0);
    int r = query_column_text(query, 1, arena, &whole->id, &size, err);
    if (r == 0)
        r = query_column_text(query, 2, arena, &whole->metadata, &size, err);
    if (r == 0)
        r = query_column_text(query, 3, arena, &whole->text, &whole->text_size, err);
    if (r == 0)
        r = digest_bytes(whole->text, whole->text_size, hash, err);
    if (r < 0)
        return r;
    const void *stored = sqlite3_column_blob(query->statement, 4);
    whole->own_vector = !stored || memcmp(stored, hash, DIGEST_SIZE) != 0;
    r = read_passages(query->connection, key, dimension, arena, whole, err);
    return r < 0 ? r : read_sources(query->connection, key, arena, whole, err);
}

static size_t whole_bytes(const struct store_whole *whole, size_t dimension)
{
    return whole->text_size + whole->passage_count * dimension * sizeof(float) +
           (whole->metadata ? strlen(whole->metadata) : 0);
}

int store_export(struct store *store, const struct store_collection *collection, const char *after,
                 size_t limit, size_t bytes, struct arena *arena, struct store_whole **ret_wholes,
                 size_t *ret_count, bool *ret_more, struct err *err)
{
    struct connection *connection = NULL;
    struct buf wholes = {0};
    struct query query;
    size_t taken = 0, count = 0;
    bool row = false;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    query_begin(&query, connection,
                "SELECT key, id, metadata, text, text_hash FROM documents "
                "WHERE collection = ? AND id > ? ORDER BY id");
    query_int(&query, collection->key);
    query_string(&query, after ? after : ""); /* ids are not empty */
    while ((r = query_next(&query, &row, err)) == 0 && row && count < limit && taken < bytes) {
        struct store_whole whole = {0};
        r = read_whole(&query, collection->dimension, arena, &whole, err);
        if (r == 0)
            r = append(&wholes, &whole, sizeof whole, err);
        if (r < 0)
            break;
        taken += whole_bytes(&whole, collection->dimension);
        count++;
    }
    query_end(&query);
    store_read_end(store, connection);
    if (r == 0)
        r = finish_list(&wholes, sizeof **ret_wholes, arena, ret_wholes, ret_count, err);
    if (r == 0)
        *ret_more = row;
    buf_release(&wholes);
    return r;
}
