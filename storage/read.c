/* Reading documents: one by id, lists by id, and those that passages belong to. */
#include <string.h>

#include "storage/internal.h"

/* What read_row expects, in its order (for a hit without the number of passages); to be completed
 * with the place in a source where the query knows which one. */
#define HIT_COLUMNS "d.key, d.id, d.created_at, d.updated_at, d.metadata, d.text, 0"
#define ROW_COLUMNS                                                                                \
    "d.key, d.id, d.created_at, d.updated_at, d.metadata, d.text, "                                \
    "(SELECT count(*) FROM passages q WHERE q.document = d.key)"
#define PLACE_COLUMNS "s.path, c.line, c.byte_start, c.byte_end"

enum { ROW_COLUMN_COUNT = 7 };

int query_place(struct query *query, int first, struct arena *arena,
                struct store_source *ret_source, struct err *err)
{
    char *path = NULL;
    size_t size = 0;
    int r = query_column_text(query, first, arena, &path, &size, err);
    if (r == 0)
        *ret_source = (struct store_source){
            .path = size ? path : NULL,
            .line = sqlite3_column_int64(query->statement, first + 1),
            .byte_start = sqlite3_column_int64(query->statement, first + 2),
            .byte_end = sqlite3_column_int64(query->statement, first + 3),
        };
    return r;
}

/* The columns of ROW_COLUMNS, the first of them being `first`. */
static int read_row(struct query *query, int first, struct arena *arena, int64_t *ret_key,
                    struct store_row *ret_row, struct err *err)
{
    sqlite3_stmt *statement = query->statement;
    struct store_row row = {
        .created_at = sqlite3_column_int64(statement, first + 2),
        .updated_at = sqlite3_column_int64(statement, first + 3),
        .passages = (size_t)sqlite3_column_int64(statement, first + 6),
    };
    size_t size = 0;
    int r = query_column_text(query, first + 1, arena, &row.id, &size, err);
    if (r == 0)
        r = query_column_text(query, first + 4, arena, &row.metadata, &size, err);
    if (r == 0)
        r = query_column_text(query, first + 5, arena, &row.text, &row.text_size, err);
    if (r < 0)
        return r;
    *ret_key = sqlite3_column_int64(statement, first);
    *ret_row = row;
    return 0;
}

/* The file that was noted first among a document's sources. */
static int read_first_source(struct connection *connection, int64_t document, struct arena *arena,
                             struct store_source *ret_source, struct err *err)
{
    struct query query;
    bool row = false;
    query_begin(&query, connection,
                "SELECT " PLACE_COLUMNS " FROM claims c JOIN sources s ON s.key = c.source "
                "WHERE c.document = ? AND s.path <> '' ORDER BY c.source LIMIT 1");
    query_int(&query, document);
    int r = query_next(&query, &row, err);
    if (r == 0 && row)
        r = query_place(&query, 0, arena, ret_source, err);
    query_end(&query);
    return r;
}

int document_get(struct connection *connection, int64_t collection, const char *id,
                 struct arena *arena, struct store_row *ret_row, struct err *err)
{
    struct query query;
    struct store_row row = {0};
    bool found = false;
    int64_t key = 0;
    query_begin(&query, connection,
                "SELECT " ROW_COLUMNS " FROM documents d WHERE d.collection = ? AND d.id = ?");
    query_int(&query, collection);
    query_string(&query, id);
    int r = query_next(&query, &found, err);
    if (r == 0 && !found)
        r = err_set(err, ERR_NOT_FOUND, "there is no document \"%.80s\"", id);
    if (r == 0)
        r = read_row(&query, 0, arena, &key, &row, err);
    query_end(&query);
    if (r == 0)
        r = read_first_source(connection, key, arena, &row.source, err);
    if (r == 0)
        *ret_row = row;
    return r;
}

int store_get(struct store *store, int64_t collection, const char *id, struct arena *arena,
              struct store_row *ret_row, struct err *err)
{
    struct connection *connection = NULL;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = document_get(connection, collection, id, arena, ret_row, err);
    store_read_end(store, connection);
    return r;
}

/* --- lists --- */

static int append_row(struct buf *rows, const struct store_row *row, struct err *err)
{
    return buf_append(rows, row, sizeof *row) < 0 ? err_memory(err, "a list of documents") : 0;
}

static int list_collection(struct connection *connection, int64_t collection, const char *after,
                           size_t limit, struct arena *arena, struct buf *rows, struct err *err)
{
    struct query query;
    bool more = false;
    int r = 0;
    query_begin(&query, connection,
                "SELECT " ROW_COLUMNS " FROM documents d "
                "WHERE d.collection = ? AND d.id > ? ORDER BY d.id LIMIT ?");
    query_int(&query, collection);
    query_string(&query, after);
    query_int(&query, (int64_t)limit);
    while ((r = query_next(&query, &more, err)) == 0 && more) {
        struct store_row row = {0};
        int64_t key = 0;
        r = read_row(&query, 0, arena, &key, &row, err);
        if (r == 0)
            r = read_first_source(connection, key, arena, &row.source, err);
        if (r == 0)
            r = append_row(rows, &row, err);
        if (r < 0)
            break;
    }
    query_end(&query);
    return r;
}

static int list_source(struct connection *connection, int64_t collection, const char *source,
                       const char *after, size_t limit, struct arena *arena, struct buf *rows,
                       struct err *err)
{
    struct query query;
    bool more = false;
    int r = 0;
    query_begin(&query, connection,
                "SELECT " ROW_COLUMNS ", " PLACE_COLUMNS " FROM sources s "
                "JOIN claims c ON c.source = s.key JOIN documents d ON d.key = c.document "
                "WHERE s.collection = ? AND s.path = ? AND c.id > ? ORDER BY c.id LIMIT ?");
    query_int(&query, collection);
    query_string(&query, source);
    query_string(&query, after);
    query_int(&query, (int64_t)limit);
    while ((r = query_next(&query, &more, err)) == 0 && more) {
        struct store_row row = {0};
        int64_t key = 0;
        r = read_row(&query, 0, arena, &key, &row, err);
        if (r == 0)
            r = query_place(&query, ROW_COLUMN_COUNT, arena, &row.source, err);
        if (r == 0)
            r = append_row(rows, &row, err);
        if (r < 0)
            break;
    }
    query_end(&query);
    return r;
}

int rows_finish(const struct buf *rows, struct arena *arena, struct store_row **ret_rows,
                size_t *ret_count, struct err *err)
{
    struct store_row *copy = arena_alloc(arena, rows->size, 1);
    if (!copy)
        return err_memory(err, "a list of documents");
    if (rows->size)
        memcpy(copy, rows->data, rows->size);
    *ret_rows = copy;
    *ret_count = rows->size / sizeof *copy;
    return 0;
}

int store_list(struct store *store, int64_t collection, const char *after, const char *source,
               size_t limit, struct arena *arena, struct store_row **ret_rows, size_t *ret_count,
               struct err *err)
{
    struct connection *connection = NULL;
    struct buf rows = {0};
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    after = after ? after : ""; /* ids are not empty */
    limit = limit <= INT64_MAX ? limit : INT64_MAX;
    r = source ? list_source(connection, collection, source, after, limit, arena, &rows, err)
               : list_collection(connection, collection, after, limit, arena, &rows, err);
    store_read_end(store, connection);
    if (r == 0)
        r = rows_finish(&rows, arena, ret_rows, ret_count, err);
    buf_release(&rows);
    return r;
}

/* --- by passage --- */

static int fetch_hit(struct connection *connection, int64_t collection, int64_t passage,
                     struct arena *arena, struct store_hit *ret_hit, struct err *err)
{
    struct query query;
    bool found = false;
    int64_t document = 0;
    *ret_hit = (struct store_hit){0};
    query_begin(&query, connection,
                "SELECT p.byte_start, p.byte_end, " HIT_COLUMNS " FROM passages p "
                "JOIN documents d ON d.key = p.document WHERE p.key = ? AND p.collection = ?");
    query_int(&query, passage);
    query_int(&query, collection);
    int r = query_next(&query, &found, err);
    if (r == 0 && found) {
        ret_hit->start = (size_t)sqlite3_column_int64(query.statement, 0);
        ret_hit->end = (size_t)sqlite3_column_int64(query.statement, 1);
        r = read_row(&query, 2, arena, &document, &ret_hit->row, err);
    }
    query_end(&query);
    if (r == 0 && found)
        r = read_first_source(connection, document, arena, &ret_hit->row.source, err);
    return r;
}

int store_fetch_passages(struct store *store, int64_t collection, const int64_t *passages,
                         size_t count, struct arena *arena, struct store_hit *ret_hits,
                         struct err *err)
{
    struct connection *connection = NULL;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count && r == 0; i++)
        r = fetch_hit(connection, collection, passages[i], arena, &ret_hits[i], err);
    store_read_end(store, connection);
    return r;
}

int store_passage_documents(struct store *store, const int64_t *passages, size_t count,
                            int64_t *ret_documents, struct err *err)
{
    struct connection *connection = NULL;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count && r == 0; i++) {
        struct query query;
        bool found = false;
        int64_t document = 0;
        query_begin(&query, connection, "SELECT document FROM passages WHERE key = ?");
        query_int(&query, passages[i]);
        r = query_number(&query, &found, &document, err);
        ret_documents[i] = document;
    }
    store_read_end(store, connection);
    return r;
}
