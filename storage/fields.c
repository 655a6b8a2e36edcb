/* Declared fields: their rows, the values that documents have in them, and the index of values
 * filled for documents that were there before.
 *
 * Values stand by passage, so that what a filter selects is what the vector index knows; they go
 * with their passages, by cascade.
 */
#include <math.h>
#include <string.h>

#include "base/cancel.h"
#include "base/json.h"
#include "storage/internal.h"

enum { FILL_STEP = 500 }; /* passages a transaction indexes */

static const char *const type_names[] = {"text", "integer", "real", "boolean"};

bool field_type_parse(const char *word, enum field_type *ret_type)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (strcmp(word, type_names[i]) == 0) {
            *ret_type = (enum field_type)i;
            return true;
        }
    }
    return false;
}

const char *field_type_name(enum field_type type)
{
    return type_names[type];
}

bool field_name_valid(const char *name)
{
    size_t size = strlen(name);
    if (size < 1 || size > FIELD_NAME_MAX || name[0] == '.' || name[size - 1] == '.' ||
        strstr(name, ".."))
        return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

/* --- rows --- */

int fields_read(struct connection *connection, int64_t collection, struct arena *arena,
                struct field_row **ret_fields, size_t *ret_count, struct err *err)
{
    struct query query;
    bool row = false;
    int r = 0;
    size_t count = 0;
    struct field_row *fields = NULL;
    query_begin(&query, connection,
                "SELECT key, name, type, fill_to FROM fields WHERE collection = ? ORDER BY name");
    query_int(&query, collection);
    while ((r = query_next(&query, &row, err)) == 0 && row && count < FIELDS_MAX) {
        if (!fields && !(fields = arena_alloc(arena, FIELDS_MAX, sizeof *fields))) {
            r = err_memory(err, "the fields of a collection");
            break;
        }
        struct field_row *field = &fields[count];
        const char *name = (const char *)sqlite3_column_text(query.statement, 1);
        const char *type = (const char *)sqlite3_column_text(query.statement, 2);
        if (!name || !type || !field_type_parse(type, &field->field.type) ||
            strlen(name) > FIELD_NAME_MAX) {
            r = err_set(err, ERR_CORRUPT, "%s: a field has no name or no type", connection->path);
            break;
        }
        sqlite3_snprintf(sizeof field->field.name, field->field.name, "%s", name);
        field->key = sqlite3_column_int64(query.statement, 0);
        field->field.ready = sqlite3_column_int64(query.statement, 3) == 0;
        count++;
    }
    query_end(&query);
    if (r == 0) {
        *ret_fields = fields;
        *ret_count = count;
    }
    return r;
}

const struct field_row *fields_find(const struct field_row *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].field.name, name) == 0)
            return &fields[i];
    return NULL;
}

int store_fields_list(struct store *store, int64_t collection, struct arena *arena,
                      struct store_field **ret_fields, size_t *ret_count, struct err *err)
{
    struct connection *connection = NULL;
    struct field_row *rows = NULL;
    size_t count = 0;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = fields_read(connection, collection, arena, &rows, &count, err);
    store_read_end(store, connection);
    if (r < 0)
        return r;
    struct store_field *fields = arena_alloc(arena, count, sizeof *fields);
    if (!fields)
        return err_memory(err, "the fields of a collection");
    for (size_t i = 0; i < count; i++)
        fields[i] = rows[i].field;
    *ret_fields = fields;
    *ret_count = count;
    return 0;
}

/* --- declaring --- */

static int insert_field(struct connection *connection, const struct collection_state *collection,
                        const struct store_field *field, struct err *err)
{
    struct query query;
    query_begin(&query, connection,
                "INSERT INTO fields (collection, name, type, fill_to) VALUES (?, ?, ?, ?)");
    query_int(&query, collection->key);
    query_string(&query, field->name);
    query_string(&query, type_names[field->type]);
    query_int(&query, collection->passages ? collection->sequence : 0);
    return query_run(&query, err);
}

static int declare(struct connection *connection, int64_t key, const struct store_field *fields,
                   size_t count, struct err *err)
{
    struct arena scratch = {0};
    struct collection_state collection;
    struct field_row *there = NULL;
    size_t there_count = 0, added = 0;
    int r = collection_read(connection, key, &collection, err);
    if (r == 0)
        r = fields_read(connection, key, &scratch, &there, &there_count, err);
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct field_row *same = fields_find(there, there_count, fields[i].name);
        if (!field_name_valid(fields[i].name))
            r = err_set(err, ERR_INVALID,
                        "\"%.80s\" cannot name a field: 1 to %d bytes, parts between dots not "
                        "empty",
                        fields[i].name, FIELD_NAME_MAX);
        else if (same && same->field.type != fields[i].type)
            r = err_set(err, ERR_CONFLICT, "the field %s is there already, of type %s",
                        same->field.name, type_names[same->field.type]);
        else if (!same && there_count + added++ >= FIELDS_MAX)
            r = err_set(err, ERR_LIMIT, "a collection has at most %d fields", FIELDS_MAX);
        else if (!same)
            r = insert_field(connection, &collection, &fields[i], err);
    }
    arena_release(&scratch);
    return r;
}

int store_fields_declare(struct store *store, int64_t collection, const struct store_field *fields,
                         size_t count, struct err *err)
{
    struct connection *connection = NULL;
    int r = store_write_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = space_reserve(store, err);
    if (r == 0)
        r = declare(connection, collection, fields, count, err);
    return store_write_end(store, r, err);
}

/* --- values --- */

/* What a path of metadata leads to, or NULL. */
static const json_t *follow(const json_t *object, const char *path)
{
    while (object && *path) {
        size_t size = strcspn(path, ".");
        object = json_is_object(object) ? json_object_getn(object, path, size) : NULL;
        path += size + (path[size] == '.');
    }
    return object;
}

/* Binds a value as the field's type has it; false where it is of another. */
static bool bind_value(struct query *query, enum field_type type, const json_t *value)
{
    double real = json_number_value(value);
    switch (type) {
    case FIELD_TEXT:
        if (json_is_string(value))
            query_text(query, json_string_value(value), json_string_length(value));
        return json_is_string(value);
    case FIELD_INTEGER: /* 2020.0 is a whole number too */
        if (json_is_integer(value))
            query_int(query, json_integer_value(value));
        else if (json_is_real(value) && real == trunc(real) && fabs(real) <= 0x1p53)
            query_int(query, (int64_t)real);
        else
            return false;
        return true;
    case FIELD_REAL:
        if (json_is_number(value))
            query_real(query, real);
        return json_is_number(value);
    case FIELD_BOOLEAN:
        if (json_is_boolean(value))
            query_int(query, json_is_true(value));
        return json_is_boolean(value);
    }
    return false;
}

static int insert_value(struct connection *connection, const struct field_row *field,
                        int64_t passage, const json_t *value, struct err *err)
{
    struct query query;
    query_begin(&query, connection,
                "INSERT OR IGNORE INTO field_values (field, passage, value) VALUES (?, ?, ?)");
    query_int(&query, field->key);
    query_int(&query, passage);
    if (bind_value(&query, field->field.type, value))
        return query_run(&query, err);
    query_end(&query);
    return 0;
}

static int index_field(struct connection *connection, const struct field_row *field,
                       const json_t *metadata, int64_t passage, struct err *err)
{
    const json_t *value = follow(metadata, field->field.name);
    int r = 0;
    if (!json_is_array(value))
        return value ? insert_value(connection, field, passage, value, err) : 0;
    for (size_t i = 0; i < json_array_size(value) && r == 0; i++)
        r = insert_value(connection, field, passage, json_array_get(value, i), err);
    return r;
}

int fields_index(struct connection *connection, const struct field_row *fields, size_t field_count,
                 const char *metadata, const int64_t *passages, size_t count, struct err *err)
{
    if (field_count == 0 || !metadata)
        return 0;
    json_t *json = NULL;
    int r = json_parse(&json, metadata, strlen(metadata), "metadata", err);
    for (size_t i = 0; i < field_count && r == 0; i++)
        for (size_t p = 0; p < count && r == 0; p++)
            r = index_field(connection, &fields[i], json, passages[p], err);
    json_decref(json);
    return r;
}

int fields_index_again(struct connection *connection, const struct field_row *fields,
                       size_t field_count, const char *metadata, int64_t document, struct err *err)
{
    struct buf passages = {0};
    struct query query;
    int r = field_count ? document_passages(connection, document, &passages, err) : 0;
    size_t count = passages.size / sizeof(int64_t);
    const void *ids = passages.data;
    for (size_t i = 0; i < count && r == 0; i++) {
        int64_t passage = 0;
        memcpy(&passage, passages.data + i * sizeof passage, sizeof passage);
        query_begin(&query, connection, "DELETE FROM field_values WHERE passage = ?");
        query_int(&query, passage);
        r = query_run(&query, err);
    }
    if (r == 0 && count)
        r = fields_index(connection, fields, field_count, metadata, ids, count, err);
    buf_release(&passages);
    return r;
}

/* --- filling --- */

/* How far a field is filled: passages are taken in the order of their sequences and keys. */
struct fill {
    struct field_row field;
    int64_t sequence, passage, last; /* of the last one done; the last sequence to do, 0: none */
};

static int find_unfilled(struct connection *connection, int64_t collection, struct fill *ret_fill,
                         bool *ret_found, struct err *err)
{
    struct query query;
    query_begin(&query, connection,
                "SELECT key, name, type, filled_sequence, filled_passage, fill_to FROM fields "
                "WHERE collection = ? AND fill_to <> 0 ORDER BY key LIMIT 1");
    query_int(&query, collection);
    int r = query_next(&query, ret_found, err);
    if (r == 0 && *ret_found) {
        const char *name = (const char *)sqlite3_column_text(query.statement, 1);
        const char *type = (const char *)sqlite3_column_text(query.statement, 2);
        *ret_fill = (struct fill){.field.key = sqlite3_column_int64(query.statement, 0),
                                  .sequence = sqlite3_column_int64(query.statement, 3),
                                  .passage = sqlite3_column_int64(query.statement, 4),
                                  .last = sqlite3_column_int64(query.statement, 5)};
        sqlite3_snprintf(sizeof ret_fill->field.field.name, ret_fill->field.field.name, "%s",
                         name ? name : "");
        if (!type || !field_type_parse(type, &ret_fill->field.field.type))
            r = err_set(err, ERR_CORRUPT, "%s: a field has no type", connection->path);
    }
    query_end(&query);
    return r;
}

static int write_fill(struct connection *connection, const struct fill *fill, struct err *err)
{
    struct query query;
    query_begin(&query, connection,
                "UPDATE fields SET filled_sequence = ?, filled_passage = ?, fill_to = ? "
                "WHERE key = ?");
    query_int(&query, fill->sequence);
    query_int(&query, fill->passage);
    query_int(&query, fill->last);
    query_int(&query, fill->field.key);
    return query_run(&query, err);
}

/* One transaction's worth of one field. */
static int fill_step(struct connection *connection, int64_t collection, bool *ret_more,
                     struct err *err)
{
    struct fill fill;
    struct query query;
    bool row = false;
    size_t done = 0;
    int r = find_unfilled(connection, collection, &fill, ret_more, err);
    if (r < 0 || !*ret_more)
        return r;
    query_begin(&query, connection,
                "SELECT p.sequence, p.key, d.metadata FROM passages p "
                "INDEXED BY passages_by_sequence JOIN documents d ON d.key = p.document "
                "WHERE p.collection = ? AND p.sequence >= ? AND p.sequence <= ? AND p.key > ? "
                "ORDER BY p.sequence, p.key LIMIT ?");
    query_int(&query, collection);
    query_int(&query, fill.sequence);
    query_int(&query, fill.last);
    query_int(&query, fill.passage);
    query_int(&query, FILL_STEP);
    while ((r = query_next(&query, &row, err)) == 0 && row) {
        fill.sequence = sqlite3_column_int64(query.statement, 0);
        fill.passage = sqlite3_column_int64(query.statement, 1);
        r = fields_index(connection, &fill.field, 1,
                         (const char *)sqlite3_column_text(query.statement, 2), &fill.passage, 1,
                         err);
        if (r < 0)
            break;
        done++;
    }
    query_end(&query);
    if (r == 0 && done < FILL_STEP)
        fill.last = 0;
    return r < 0 ? r : write_fill(connection, &fill, err);
}

int store_fields_fill(struct store *store, int64_t collection, const volatile int *cancel,
                      struct err *err)
{
    bool more = true;
    int r = 0;
    while (r == 0 && more) {
        struct connection *connection = NULL;
        if (cancel_raised(cancel))
            return err_set(err, ERR_CANCELLED, "stopped while a field was being indexed");
        r = store_write_begin(store, &connection, err);
        if (r < 0)
            return r;
        r = space_reserve(store, err);
        if (r == 0)
            r = fill_step(connection, collection, &more, err);
        r = store_write_end(store, r, err);
    }
    return r;
}
