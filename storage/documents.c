/* Rows of documents, their passages and sources, as more than one kind of transaction needs them.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/internal.h"

static bool same_bytes(const void *stored, int stored_size, const void *given, size_t given_size)
{
    return (size_t)stored_size == given_size &&
           (given_size == 0 || memcmp(stored, given, given_size) == 0);
}

static enum store_state compare_row(struct query *query, const struct store_document *document)
{
    const void *hash = sqlite3_column_blob(query->statement, 1);
    if (!same_bytes(hash, sqlite3_column_bytes(query->statement, 1), document->text_hash,
                    DIGEST_SIZE))
        return STORE_TEXT;
    const void *metadata = sqlite3_column_text(query->statement, 2);
    if (!metadata || !document->metadata)
        return !metadata == !document->metadata ? STORE_UNCHANGED : STORE_METADATA;
    return same_bytes(metadata, sqlite3_column_bytes(query->statement, 2), document->metadata,
                      strlen(document->metadata))
               ? STORE_UNCHANGED
               : STORE_METADATA;
}

int source_find(struct connection *connection, int64_t collection, const char *path,
                int64_t *ret_key, struct err *err)
{
    struct query query;
    bool found = false;
    int64_t key = 0;
    query_begin(&query, connection, "SELECT key FROM sources WHERE collection = ? AND path = ?");
    query_int(&query, collection);
    query_string(&query, path);
    int r = query_number(&query, &found, &key, err);
    if (r == 0)
        *ret_key = key;
    return r;
}

int document_compare(struct connection *connection, int64_t collection,
                     const struct store_document *document, int64_t *ret_key,
                     enum store_state *ret_state, struct err *err)
{
    struct query query;
    bool row = false;
    query_begin(&query, connection,
                "SELECT key, text_hash, metadata FROM documents WHERE collection = ? AND id = ?");
    query_int(&query, collection);
    query_string(&query, document->id);
    int r = query_next(&query, &row, err);
    if (r == 0) {
        *ret_key = row ? sqlite3_column_int64(query.statement, 0) : 0;
        *ret_state = row ? compare_row(&query, document) : STORE_NEW;
    }
    query_end(&query);
    return r;
}

int document_find_text(struct connection *connection, int64_t collection,
                       const uint8_t text_hash[DIGEST_SIZE], int64_t *ret_key, struct err *err)
{
    struct query query;
    bool found = false;
    int64_t key = 0;
    query_begin(&query, connection,
                "SELECT key FROM documents WHERE collection = ? AND text_hash = ? LIMIT 1");
    query_int(&query, collection);
    query_blob(&query, text_hash, DIGEST_SIZE);
    int r = query_number(&query, &found, &key, err);
    if (r == 0)
        *ret_key = key;
    return r;
}

int document_passages(struct connection *connection, int64_t document, struct buf *passages,
                      struct err *err)
{
    struct query query;
    bool row = false;
    int r = 0;
    query_begin(&query, connection, "SELECT key FROM passages WHERE document = ? ORDER BY ordinal");
    query_int(&query, document);
    while ((r = query_next(&query, &row, err)) == 0 && row) {
        int64_t key = sqlite3_column_int64(query.statement, 0);
        if (buf_append(passages, &key, sizeof key) < 0) {
            r = err_memory(err, "a list of passages");
            break;
        }
    }
    query_end(&query);
    return r;
}

int document_remove_passages(struct connection *connection, int64_t collection, int64_t document,
                             int64_t sequence, struct buf *removed, struct err *err)
{
    size_t before = removed->size;
    int r = document_passages(connection, document, removed, err);
    struct query query;
    for (size_t at = before; at < removed->size && r == 0; at += sizeof(int64_t)) {
        int64_t key = 0;
        memcpy(&key, removed->data + at, sizeof key);
        query_begin(&query, connection,
                    "INSERT INTO removals (collection, sequence, passage) VALUES (?, ?, ?)");
        query_int(&query, collection);
        query_int(&query, sequence);
        query_int(&query, key);
        r = query_run(&query, err);
    }
    if (r == 0 && removed->size > before) { /* the vectors go with them, by cascade */
        query_begin(&query, connection, "DELETE FROM passages WHERE document = ?");
        query_int(&query, document);
        r = query_run(&query, err);
    }
    return r;
}

static int in_given_order(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int by_id(const void *a, const void *b, void *documents)
{
    const struct store_document *all = documents;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    int order = strcmp(all[i].id, all[j].id);
    return order ? order : in_given_order(i, j);
}

static int by_text(const void *a, const void *b, void *documents)
{
    const struct store_document *all = documents;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    int order = memcmp(all[i].text_hash, all[j].text_hash, DIGEST_SIZE);
    return order ? order : in_given_order(i, j);
}

static void sort(const struct store_document *documents, size_t count, size_t *ret_order,
                 int (*compare)(const void *, const void *, void *))
{
    for (size_t i = 0; i < count; i++)
        ret_order[i] = i;
    union { /* qsort_r's argument is not const; the comparisons only read it */
        const struct store_document *read;
        void *argument;
    } all = {.read = documents};
    if (count > 1)
        qsort_r(ret_order, count, sizeof *ret_order, compare, all.argument);
}

void documents_sort_by_id(const struct store_document *documents, size_t count, size_t *ret_order)
{
    sort(documents, count, ret_order, by_id);
}

void documents_sort_by_text(const struct store_document *documents, size_t count, size_t *ret_order)
{
    sort(documents, count, ret_order, by_text);
}
