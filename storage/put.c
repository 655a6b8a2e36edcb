/* Planning and putting documents.
 *
 * A put is one transaction in four steps: see what each document is to the store, gather the
 * passages (given, or those of a document with the same text) before anything changes, write, and
 * claim the documents for their sources.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "storage/internal.h"

/* What is known of one document of a put. */
struct item {
    enum store_state state;
    int64_t key;   /* of its row; 0 until it has one */
    size_t winner; /* the last document of the batch with its id: that one is written */
    size_t donor;  /* one of the batch with its text that has passages; `count`: none */
    const struct store_passage *passages; /* to write; NULL where the stored ones stay */
    size_t passage_count;
};

struct put {
    struct connection *connection;
    struct collection_state collection, before; /* as it becomes, and as it was */
    const struct store_document *documents;
    size_t count;
    struct item *items;       /* (count) */
    struct field_row *fields; /* (field_count) whose values are indexed */
    size_t field_count;
    struct arena scratch; /* what is not needed after the put */
    struct buf removed;   /* passage ids (int64_t) */
    struct store_changes changes;
    int64_t now;      /* seconds since 1970 */
    int64_t sequence; /* of this transaction's changes */
};

/* --- what may be put --- */

static int validate_passages(const struct store_document *document, size_t dimension,
                             struct err *err)
{
    for (size_t i = 0; document->passages && i < document->passage_count; i++) {
        const struct store_passage *passage = &document->passages[i];
        if (passage->start > passage->end || passage->end > document->text_size || !passage->vector)
            return err_set(err, ERR_INVALID, "document \"%.80s\": passage %zu is not in its text",
                           document->id, i);
        for (size_t j = 0; j < dimension; j++)
            if (!isfinite(passage->vector[j]))
                return err_set(err, ERR_INVALID,
                               "document \"%.80s\": the vector of passage %zu is not finite",
                               document->id, i);
    }
    return 0;
}

static int validate(const struct store_document *document, size_t dimension, struct err *err)
{
    size_t size = document->id ? strlen(document->id) : 0;
    if (size < 1 || size > STORE_ID_MAX)
        return err_set(err, ERR_INVALID, "the id \"%.80s\" is not 1 to %d bytes long",
                       document->id ? document->id : "", STORE_ID_MAX);
    return validate_passages(document, dimension, err);
}

/* --- planning --- */

/* A text that stands twice among the documents needs its vectors once. */
static int plan_repeated_texts(const struct store_document *documents, size_t count,
                               struct store_plan *plans, struct err *err)
{
    struct arena scratch = {0};
    size_t *order = arena_alloc(&scratch, count, sizeof *order);
    int r = 0;
    if (!order) {
        r = err_memory(err, "a plan");
        goto out;
    }
    documents_sort_by_text(documents, count, order);
    const uint8_t *text = NULL; /* the last one that needs vectors */
    for (size_t i = 0; i < count; i++) {
        if (!plans[order[i]].needs_vectors)
            continue;
        const uint8_t *own = documents[order[i]].text_hash;
        if (text && memcmp(text, own, DIGEST_SIZE) == 0)
            plans[order[i]].needs_vectors = false;
        text = own;
    }
out:
    arena_release(&scratch);
    return r;
}

static int plan_document(struct connection *connection, int64_t collection,
                         const struct store_document *document, struct store_plan *ret_plan,
                         struct err *err)
{
    int64_t key = 0, donor = 0;
    struct store_plan plan = {0};
    int r = validate(document, 0, err);
    if (r == 0)
        r = document_compare(connection, collection, document, &key, &plan.state, err);
    bool known = plan.state == STORE_UNCHANGED || plan.state == STORE_METADATA;
    if (r == 0 && !known)
        r = document_find_text(connection, collection, document->text_hash, &donor, err);
    plan.needs_vectors = !known && !donor;
    if (r == 0)
        *ret_plan = plan;
    return r;
}

int store_plan(struct store *store, int64_t collection, const struct store_document *documents,
               size_t count, struct store_plan *ret_plans, struct err *err)
{
    struct connection *connection = NULL;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count && r == 0; i++)
        r = plan_document(connection, collection, &documents[i], &ret_plans[i], err);
    store_read_end(store, connection);
    return r < 0 ? r : plan_repeated_texts(documents, count, ret_plans, err);
}

/* --- step 1: what each document is to the store --- */

static int find_winners(struct put *put, struct err *err)
{
    size_t *order = arena_alloc(&put->scratch, put->count, sizeof *order);
    if (!order)
        return err_memory(err, "a put");
    documents_sort_by_id(put->documents, put->count, order);
    for (size_t i = put->count; i-- > 0;) {
        size_t own = order[i];
        bool last = i + 1 == put->count ||
                    strcmp(put->documents[own].id, put->documents[order[i + 1]].id) != 0;
        put->items[own].winner = last ? own : put->items[order[i + 1]].winner;
    }
    return 0;
}

static int compare_all(struct put *put, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < put->count && r == 0; i++) {
        struct item *item = &put->items[i];
        if (item->winner != i)
            item->state = STORE_UNCHANGED; /* the later one says what becomes of the id */
        else
            r = document_compare(put->connection, put->collection.key, &put->documents[i],
                                 &item->key, &item->state, err);
    }
    return r;
}

/* --- step 2: their passages --- */

static int count_passages(struct put *put, int64_t document, size_t *ret_count, struct err *err)
{
    struct query query;
    bool found = false;
    int64_t count = 0;
    query_begin(&query, put->connection, "SELECT count(*) FROM passages WHERE document = ?");
    query_int(&query, document);
    int r = query_number(&query, &found, &count, err);
    if (r == 0)
        *ret_count = (size_t)count;
    return r;
}

static int copy_passage(struct put *put, struct query *query, struct store_passage *ret_passage,
                        struct err *err)
{
    size_t size = put->collection.dimension * sizeof(float);
    const void *blob = sqlite3_column_blob(query->statement, 2);
    if (!blob || (size_t)sqlite3_column_bytes(query->statement, 2) != size)
        return err_set(err, ERR_CORRUPT, "%s: a stored vector is not of its collection's dimension",
                       put->connection->path);
    float *vector = arena_alloc(&put->scratch, put->collection.dimension, sizeof *vector);
    if (!vector)
        return err_memory(err, "a put");
    memcpy(vector, blob, size);
    ret_passage->start = (size_t)sqlite3_column_int64(query->statement, 0);
    ret_passage->end = (size_t)sqlite3_column_int64(query->statement, 1);
    ret_passage->vector = vector;
    return 0;
}

/* Copies the passages of a document in the store. */
static int copy_passages(struct put *put, int64_t donor, struct item *item, struct err *err)
{
    size_t count = 0;
    int r = count_passages(put, donor, &count, err);
    if (r < 0)
        return r;
    struct store_passage *passages = arena_alloc(&put->scratch, count + 1, sizeof *passages);
    if (!passages)
        return err_memory(err, "a put");
    struct query query;
    bool row = false;
    size_t filled = 0;
    query_begin(&query, put->connection,
                "SELECT p.byte_start, p.byte_end, v.vector FROM passages p "
                "JOIN vectors v ON v.passage = p.key WHERE p.document = ? ORDER BY p.ordinal");
    query_int(&query, donor);
    while ((r = query_next(&query, &row, err)) == 0 && row && filled < count) {
        r = copy_passage(put, &query, &passages[filled], err);
        if (r < 0)
            break;
        filled++;
    }
    query_end(&query);
    if (r == 0 && filled != count)
        r = err_set(err, ERR_CORRUPT, "%s: a passage has no vector", put->connection->path);
    if (r == 0) {
        item->passages = passages;
        item->passage_count = count;
    }
    return r;
}

static bool same_text(const struct put *put, size_t i, size_t j)
{
    return memcmp(put->documents[i].text_hash, put->documents[j].text_hash, DIGEST_SIZE) == 0;
}

/* Where a text stands several times in the batch, its passages may have come once. */
static int find_donors(struct put *put, struct err *err)
{
    size_t *order = arena_alloc(&put->scratch, put->count, sizeof *order);
    if (!order)
        return err_memory(err, "a put");
    documents_sort_by_text(put->documents, put->count, order);
    for (size_t first = 0, end; first < put->count; first = end) {
        size_t donor = put->count;
        for (end = first; end < put->count && same_text(put, order[first], order[end]); end++)
            if (put->documents[order[end]].passages)
                donor = order[end];
        for (size_t i = first; i < end; i++)
            put->items[order[i]].donor = donor;
    }
    return 0;
}

static int find_passages(struct put *put, size_t i, struct err *err)
{
    const struct store_document *document = &put->documents[i];
    struct item *item = &put->items[i];
    if (item->state == STORE_UNCHANGED || item->state == STORE_METADATA)
        return 0;
    if (document->passages) {
        item->passages = document->passages;
        item->passage_count = document->passage_count;
        return 0;
    }
    int64_t stored = 0;
    int r =
        document_find_text(put->connection, put->collection.key, document->text_hash, &stored, err);
    if (r < 0)
        return r;
    if (stored)
        return copy_passages(put, stored, item, err);
    if (item->donor == put->count)
        return err_set(err, ERR_BUSY,
                       "the text of document \"%.80s\" is not known any more: its vectors are "
                       "needed",
                       document->id);
    item->passages = put->documents[item->donor].passages;
    item->passage_count = put->documents[item->donor].passage_count;
    return 0;
}

/* --- step 3: rows --- */

static int write_row(struct put *put, const struct store_document *document, struct item *item,
                     struct err *err)
{
    struct query query;
    query_begin(&query, put->connection,
                item->key ? "UPDATE documents SET text_hash = ?2, updated_at = ?3, metadata = ?4, "
                            "text = ?5 WHERE key = ?1"
                          : "INSERT INTO documents (collection, text_hash, created_at, updated_at, "
                            "metadata, text, id) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)");
    query_int(&query, item->key ? item->key : put->collection.key);
    query_blob(&query, document->text_hash, DIGEST_SIZE);
    query_int(&query, put->now);
    query_string(&query, document->metadata);
    query_text(&query, document->text ? document->text : "", document->text_size);
    if (!item->key)
        query_string(&query, document->id);
    int r = query_run(&query, err);
    if (r == 0 && !item->key) {
        item->key = sqlite3_last_insert_rowid(put->connection->db);
        put->collection.documents++;
    }
    return r;
}

static int write_metadata(struct put *put, const struct store_document *document,
                          const struct item *item, struct err *err)
{
    struct query query;
    query_begin(&query, put->connection,
                "UPDATE documents SET updated_at = ?, metadata = ? WHERE key = ?");
    query_int(&query, put->now);
    query_string(&query, document->metadata);
    query_int(&query, item->key);
    int r = query_run(&query, err);
    return r < 0 ? r
                 : fields_index_again(put->connection, put->fields, put->field_count,
                                      document->metadata, item->key, err);
}

static int write_passage(struct put *put, const struct item *item, size_t ordinal, struct err *err)
{
    const struct store_passage *passage = &item->passages[ordinal];
    struct query query;
    query_begin(&query, put->connection,
                "INSERT INTO passages (collection, document, ordinal, byte_start, byte_end, "
                "sequence) VALUES (?, ?, ?, ?, ?, ?)");
    query_int(&query, put->collection.key);
    query_int(&query, item->key);
    query_int(&query, (int64_t)ordinal);
    query_int(&query, (int64_t)passage->start);
    query_int(&query, (int64_t)passage->end);
    query_int(&query, put->sequence);
    int r = query_run(&query, err);
    if (r < 0)
        return r;
    int64_t key = sqlite3_last_insert_rowid(put->connection->db);
    size_t dimension = put->collection.dimension;
    query_begin(&query, put->connection, "INSERT INTO vectors (passage, vector) VALUES (?, ?)");
    query_int(&query, key);
    query_blob(&query, passage->vector, dimension * sizeof(float));
    r = query_run(&query, err);
    if (r < 0)
        return r;
    struct store_changes *changes = &put->changes;
    memcpy(changes->vectors + changes->added_count * dimension, passage->vector,
           dimension * sizeof(float));
    changes->added[changes->added_count++] = key;
    put->collection.passages++;
    return 0;
}

static int write_document(struct put *put, size_t i, struct err *err)
{
    const struct store_document *document = &put->documents[i];
    struct item *item = &put->items[i];
    if (item->state == STORE_UNCHANGED)
        return 0;
    if (item->state == STORE_METADATA)
        return write_metadata(put, document, item, err);
    int r = 0;
    if (item->key)
        r = document_remove_passages(put->connection, put->collection.key, item->key, put->sequence,
                                     &put->removed, err);
    if (r == 0)
        r = write_row(put, document, item, err);
    size_t first = put->changes.added_count;
    for (size_t p = 0; p < item->passage_count && r == 0; p++)
        r = write_passage(put, item, p, err);
    return r < 0 ? r
                 : fields_index(put->connection, put->fields, put->field_count, document->metadata,
                                put->changes.added + first, item->passage_count, err);
}

/* Room in the arena for what the passages to write will be to the index. */
static int make_room(struct put *put, struct arena *arena, struct err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < put->count; i++)
        count += put->items[i].passage_count;
    put->changes.added = arena_alloc(arena, count, sizeof *put->changes.added);
    put->changes.vectors =
        arena_alloc(arena, count, put->collection.dimension * sizeof *put->changes.vectors);
    return put->changes.added && put->changes.vectors ? 0 : err_memory(err, "a put");
}

static int finish_changes(struct put *put, struct arena *arena, struct err *err)
{
    struct store_changes *changes = &put->changes;
    changes->removed_count = put->removed.size / sizeof *changes->removed;
    changes->removed = arena_alloc(arena, changes->removed_count, sizeof *changes->removed);
    if (!changes->removed)
        return err_memory(err, "a put");
    if (put->removed.size)
        memcpy(changes->removed, put->removed.data, put->removed.size);
    if (changes->added_count || changes->removed_count)
        put->collection.sequence = put->sequence;
    put->collection.passages -= (int64_t)changes->removed_count;
    changes->sequence = put->collection.sequence;
    if (put->collection.sequence == put->before.sequence &&
        put->collection.documents == put->before.documents)
        return 0; /* a put that changes nothing writes nothing */
    return collection_write(put->connection, &put->collection, err);
}

/* --- step 4: sources --- */

static int find_or_make_source(struct put *put, const char *path, int64_t *ret_source,
                               struct err *err)
{
    struct connection *connection = put->connection;
    struct query query;
    int r = source_find(connection, put->collection.key, path, ret_source, err);
    if (r < 0 || *ret_source)
        return r;
    query_begin(&query, connection, "INSERT INTO sources (collection, path) VALUES (?, ?)");
    query_int(&query, put->collection.key);
    query_string(&query, path);
    r = query_run(&query, err);
    if (r == 0)
        *ret_source = sqlite3_last_insert_rowid(connection->db);
    return r;
}

/* Notes that a document's source claims it, at its new place; one with the same place costs no
 * write. */
static int claim(struct put *put, const struct store_document *document, int64_t key,
                 struct err *err)
{
    int64_t source = 0;
    const struct store_source *place = &document->source;
    int r = find_or_make_source(put, place->path ? place->path : "", &source, err);
    if (r < 0)
        return r;
    struct query query;
    query_begin(&query, put->connection,
                "INSERT INTO claims (source, id, document, line, byte_start, byte_end) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO UPDATE SET "
                "line = excluded.line, byte_start = excluded.byte_start, "
                "byte_end = excluded.byte_end WHERE line <> excluded.line OR "
                "byte_start <> excluded.byte_start OR byte_end <> excluded.byte_end");
    query_int(&query, source);
    query_string(&query, document->id);
    query_int(&query, key);
    query_int(&query, place->line);
    query_int(&query, place->byte_start);
    query_int(&query, place->byte_end);
    return query_run(&query, err);
}

static int put_all(struct put *put, struct arena *arena, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < put->count && r == 0; i++)
        r = validate(&put->documents[i], put->collection.dimension, err);
    if (r == 0)
        r = find_winners(put, err);
    if (r == 0)
        r = compare_all(put, err);
    if (r == 0)
        r = find_donors(put, err);
    if (r == 0)
        r = fields_read(put->connection, put->collection.key, &put->scratch, &put->fields,
                        &put->field_count, err);
    for (size_t i = 0; i < put->count && r == 0; i++)
        r = find_passages(put, i, err);
    if (r == 0)
        r = make_room(put, arena, err);
    for (size_t i = 0; i < put->count && r == 0; i++)
        r = write_document(put, i, err);
    for (size_t i = 0; i < put->count && r == 0; i++)
        r = claim(put, &put->documents[i], put->items[put->items[i].winner].key, err);
    return r < 0 ? r : finish_changes(put, arena, err);
}

int store_put(struct store *store, int64_t collection, const struct store_document *documents,
              size_t count, enum store_state *ret_states, struct arena *arena,
              struct store_changes *ret_changes, struct err *err)
{
    struct put put = {.documents = documents, .count = count, .now = (int64_t)time(NULL)};
    put.items = arena_alloc(&put.scratch, count, sizeof *put.items);
    int r = put.items ? store_write_begin(store, &put.connection, err) : err_memory(err, "a put");
    if (r < 0)
        goto out;
    r = space_reserve(store, err);
    if (r == 0)
        r = collection_read(put.connection, collection, &put.collection, err);
    put.before = put.collection;
    put.sequence = put.collection.sequence + 1;
    if (r == 0)
        r = put_all(&put, arena, err);
    r = store_write_end(store, r, err);
    if (r < 0)
        goto out;
    for (size_t i = 0; i < count; i++)
        ret_states[i] = put.items[i].state;
    *ret_changes = put.changes;
out:
    buf_release(&put.removed);
    arena_release(&put.scratch);
    return r;
}
