/* What a filter selects: passages for a search, documents counted and listed. */
#include <stdlib.h>

#include "storage/internal.h"

int store_select(struct store *store, int64_t collection, const struct store_filter *filter,
                 int64_t **ret_passages, size_t *ret_count, struct err *err)
{
    struct connection *connection = NULL;
    struct passage_set set = {0};
    size_t count = 0;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = filter_resolve(connection, collection, filter, &set, err);
    store_read_end(store, connection);
    if (r < 0)
        return r;
    for (size_t i = 0; i < (set.bits + 63) / 64; i++)
        count += (size_t)__builtin_popcountll(set.words[i]);
    int64_t *passages = calloc(count + 1, sizeof *passages);
    if (!passages) {
        r = err_memory(err, "what a filter selects");
        goto out;
    }
    count = 0;
    for (int64_t p = passage_set_next(&set, 0); p >= 0; p = passage_set_next(&set, p + 1))
        passages[count++] = p;
    *ret_passages = passages;
    *ret_count = count;
out:
    free(set.words);
    return r;
}

int store_count(struct store *store, int64_t collection, const struct store_filter *filter,
                size_t *ret_count, struct err *err)
{
    struct connection *connection = NULL;
    struct passage_set set = {0};
    size_t count = 0;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = filter_resolve(connection, collection, filter, &set, err);
    for (int64_t p = r == 0 ? passage_set_next(&set, 0) : -1; p >= 0 && r == 0;
         p = passage_set_next(&set, p + 1)) {
        struct query query;
        bool found = false;
        int64_t one = 0;
        query_begin(&query, connection,
                    "SELECT 1 FROM passages WHERE key = ? AND collection = ? AND ordinal = 0");
        query_int(&query, p);
        query_int(&query, collection);
        r = query_number(&query, &found, &one, err);
        count += found;
    }
    store_read_end(store, connection);
    free(set.words);
    if (r == 0)
        *ret_count = count;
    return r;
}

/* Goes through the documents by id: all pages of a list together read each of them once. */
static int list_selected(struct connection *connection, int64_t collection,
                         const struct passage_set *set, const char *after, size_t limit,
                         struct arena *arena, struct buf *rows, struct err *err)
{
    struct query query;
    bool more = false;
    int r = 0;
    query_begin(&query, connection,
                "SELECT d.id, p.key FROM documents d "
                "JOIN passages p ON p.document = d.key AND p.ordinal = 0 "
                "WHERE d.collection = ? AND d.id > ? ORDER BY d.id");
    query_int(&query, collection);
    query_string(&query, after);
    while (rows->size / sizeof(struct store_row) < limit &&
           (r = query_next(&query, &more, err)) == 0 && more) {
        if (!passage_set_has(set, sqlite3_column_int64(query.statement, 1)))
            continue;
        struct store_row row = {0};
        r = document_get(connection, collection,
                         (const char *)sqlite3_column_text(query.statement, 0), arena, &row, err);
        if (r == 0 && buf_append(rows, &row, sizeof row) < 0)
            r = err_memory(err, "a list of documents");
        if (r < 0)
            break;
    }
    query_end(&query);
    return r;
}

int store_list_selected(struct store *store, int64_t collection, const struct store_filter *filter,
                        const char *after, size_t limit, struct arena *arena,
                        struct store_row **ret_rows, size_t *ret_count, struct err *err)
{
    struct connection *connection = NULL;
    struct passage_set set = {0};
    struct buf rows = {0};
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = filter_resolve(connection, collection, filter, &set, err);
    if (r == 0)
        r = list_selected(connection, collection, &set, after ? after : "", limit, arena, &rows,
                          err);
    store_read_end(store, connection);
    if (r == 0)
        r = rows_finish(&rows, arena, ret_rows, ret_count, err);
    free(set.words);
    buf_release(&rows);
    return r;
}
