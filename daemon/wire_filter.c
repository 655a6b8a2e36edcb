/* A filter on metadata, read from JSON: see wire.h. */
#include <string.h>

#include "daemon/wire.h"
#include "daemon/wire_field.h"
#include "daemon/wire_json.h"
#include "daemon/wire_limits.h"

/* A filter being read: its size is bounded as a whole, and so is its depth. */
struct reader {
    struct arena *arena;
    struct wire_fault *fault;
    size_t items; /* conditions and values so far */
};

static int read_group(struct reader *reader, const json_t *value, const char *where, int depth,
                      struct store_filter *ret);

static void *allocate(struct reader *reader, size_t count, size_t size)
{
    void *memory = arena_alloc(reader->arena, count, size);
    if (!memory)
        wire_fail(reader->fault, ERR_MEMORY, "", "out of memory for the request");
    return memory;
}

static int count_items(struct reader *reader, const char *where, size_t count)
{
    reader->items += count;
    if (reader->items <= LIMIT_FILTER)
        return 0;
    return wire_fail(reader->fault, ERR_LIMIT, where,
                     "the filter has more than %d conditions and values", LIMIT_FILTER);
}

static int read_value(struct reader *reader, const json_t *value, const char *where,
                      struct filter_value *ret)
{
    int r = count_items(reader, where, 1);
    if (r < 0)
        return r;
    if (json_is_string(value))
        *ret = (struct filter_value){.type = FIELD_TEXT,
                                     .text = json_string_value(value),
                                     .text_size = json_string_length(value)};
    else if (json_is_boolean(value))
        *ret = (struct filter_value){.type = FIELD_BOOLEAN, .integer = json_is_true(value)};
    else if (json_is_integer(value))
        *ret = (struct filter_value){.type = FIELD_INTEGER, .integer = json_integer_value(value)};
    else if (json_is_real(value))
        *ret = (struct filter_value){.type = FIELD_REAL, .real = json_real_value(value)};
    else
        return wire_fail(reader->fault, ERR_INVALID, where,
                         "must be a string, a number or a boolean");
    return 0;
}

/* Negates a filter in place. */
static int negate(struct reader *reader, struct store_filter *filter)
{
    struct store_filter *child = allocate(reader, 1, sizeof *child);
    if (!child)
        return ERR_MEMORY;
    *child = *filter;
    *filter = (struct store_filter){.kind = FILTER_NOT, .children = child, .count = 1};
    return 0;
}

/* The one member that an object of conditions has, of those that it may have. */
static const char *only_member(const json_t *object, const char *const *names)
{
    const char *only = NULL;
    for (; *names; names++) {
        if (!wire_member(object, *names))
            continue;
        if (only)
            return NULL;
        only = *names;
    }
    return only;
}

static int read_match(struct reader *reader, const json_t *match, const char *where,
                      struct store_filter *ret)
{
    static const char *const known[] = {"value", "any", "except", "prefix", NULL};
    if (!json_is_object(match))
        return wire_fail(reader->fault, ERR_INVALID, where, "must be an object");
    int r = wire_check_fields(match, where, known, reader->fault);
    if (r < 0)
        return r;
    const char *name = only_member(match, known);
    if (!name)
        return wire_fail(reader->fault, ERR_INVALID, where,
                         "give exactly one of value, any, except and prefix");
    const json_t *member = wire_member(match, name);
    struct wire_path path = wire_path_member(where, name);
    bool list = strcmp(name, "any") == 0 || strcmp(name, "except") == 0;
    ret->kind = strcmp(name, "except") == 0   ? FILTER_EXCEPT
                : strcmp(name, "prefix") == 0 ? FILTER_PREFIX
                                              : FILTER_VALUES;
    ret->count = 1;
    if (list &&
        (r = wire_list(member, path.text, LIMIT_FILTER, "values", &ret->count, reader->fault)) < 0)
        return r;
    if (ret->kind == FILTER_PREFIX && !json_is_string(member))
        return wire_fail(reader->fault, ERR_INVALID, path.text, "must be a string");
    struct filter_value *values = allocate(reader, ret->count, sizeof *values);
    if (!values)
        return ERR_MEMORY;
    for (size_t i = 0; i < ret->count && r == 0; i++)
        r = read_value(reader, list ? json_array_get(member, i) : member,
                       list ? wire_path_index(path.text, "", i).text : path.text, &values[i]);
    ret->values = values;
    return r;
}

static int read_bound(struct reader *reader, const json_t *range, const char *where,
                      const char *closed, const char *open, struct filter_bound *ret)
{
    const json_t *with = wire_member(range, closed), *without = wire_member(range, open);
    if (with && without)
        return wire_fail(reader->fault, ERR_INVALID, where, "give one of %s and %s", closed, open);
    if (!with && !without)
        return 0;
    ret->given = true;
    ret->open = without != NULL;
    return read_value(reader, with ? with : without,
                      wire_path_member(where, with ? closed : open).text, &ret->value);
}

static int read_range(struct reader *reader, const json_t *range, const char *where,
                      struct store_filter *ret)
{
    static const char *const known[] = {"gt", "gte", "lt", "lte", NULL};
    if (!json_is_object(range))
        return wire_fail(reader->fault, ERR_INVALID, where, "must be an object");
    int r = wire_check_fields(range, where, known, reader->fault);
    ret->kind = FILTER_RANGE;
    if (r == 0)
        r = read_bound(reader, range, where, "gte", "gt", &ret->lower);
    if (r == 0)
        r = read_bound(reader, range, where, "lte", "lt", &ret->upper);
    if (r == 0 && !ret->lower.given && !ret->upper.given)
        r = wire_fail(reader->fault, ERR_INVALID, where, "give one of gt, gte, lt and lte");
    return r;
}

/* A condition about a field. */
static int read_condition(struct reader *reader, const json_t *value, const char *where,
                          struct store_filter *ret)
{
    static const char *const known[] = {"key", "match", "range", "exists", NULL};
    const json_t *exists = wire_member(value, "exists");
    int r = wire_check_fields(value, where, known, reader->fault);
    if (r < 0)
        return r;
    if ((r = wire_name(wire_member(value, "key"), wire_path_member(where, "key").text,
                       FIELD_NAME_MAX, &ret->field, reader->fault)) < 0)
        return r;
    const char *name = only_member(value, known + 1);
    if (!name)
        return wire_fail(reader->fault, ERR_INVALID, where,
                         "give exactly one of match, range and exists beside key");
    struct wire_path path = wire_path_member(where, name);
    if (strcmp(name, "match") == 0)
        return read_match(reader, wire_member(value, name), path.text, ret);
    if (strcmp(name, "range") == 0)
        return read_range(reader, wire_member(value, name), path.text, ret);
    if (!json_is_boolean(exists))
        return wire_fail(reader->fault, ERR_INVALID, path.text, "must be true or false");
    ret->kind = FILTER_RANGE;
    return json_is_true(exists) ? 0 : negate(reader, ret);
}

/* A condition, or conditions joined. */
static int read_clause(struct reader *reader, const json_t *value, const char *where, int depth,
                       struct store_filter *ret)
{
    int r = count_items(reader, where, 1);
    if (r < 0)
        return r;
    if (!json_is_object(value))
        return wire_fail(reader->fault, ERR_INVALID, where, "must be an object");
    return json_object_get(value, "key") ? read_condition(reader, value, where, ret)
                                         : read_group(reader, value, where, depth, ret);
}

/* The clauses of a list, or the one that stands without a list. */
static int read_clauses(struct reader *reader, const json_t *value, const char *where, int depth,
                        enum filter_kind kind, struct store_filter *ret)
{
    bool list = json_is_array(value);
    size_t count = list ? json_array_size(value) : 1;
    int r = 0;
    struct store_filter *clauses = allocate(reader, count, sizeof *clauses);
    if (!clauses)
        return ERR_MEMORY;
    for (size_t i = 0; i < count && r == 0; i++)
        r = read_clause(reader, list ? json_array_get(value, i) : value,
                        list ? wire_path_index(where, "", i).text : where, depth, &clauses[i]);
    *ret = (struct store_filter){.kind = kind, .children = clauses, .count = count};
    return r;
}

/* {must, should, must_not}: all of the first, one of the second where there are any, none of the
 * third. */
static int read_group(struct reader *reader, const json_t *value, const char *where, int depth,
                      struct store_filter *ret)
{
    static const char *const known[] = {"must", "should", "must_not", NULL};
    const json_t *must = wire_member(value, "must"), *should = wire_member(value, "should"),
                 *must_not = wire_member(value, "must_not");
    if (depth >= LIMIT_FILTER_DEPTH)
        return wire_fail(reader->fault, ERR_LIMIT, where, "is nested more than %d levels deep",
                         LIMIT_FILTER_DEPTH);
    int r = wire_check_fields(value, where, known, reader->fault);
    struct store_filter *parts = allocate(reader, 3, sizeof *parts);
    size_t count = 0;
    if (r < 0 || !parts)
        return r < 0 ? r : ERR_MEMORY;
    if (must)
        r = read_clauses(reader, must, wire_path_member(where, "must").text, depth + 1, FILTER_AND,
                         &parts[count++]);
    if (r == 0 && should && !(json_is_array(should) && json_array_size(should) == 0))
        r = read_clauses(reader, should, wire_path_member(where, "should").text, depth + 1,
                         FILTER_OR, &parts[count++]);
    if (r == 0 && must_not) {
        r = read_clauses(reader, must_not, wire_path_member(where, "must_not").text, depth + 1,
                         FILTER_OR, &parts[count]);
        if (r == 0)
            r = negate(reader, &parts[count++]);
    }
    *ret = (struct store_filter){.kind = FILTER_AND, .children = parts, .count = count};
    return r;
}

int wire_read_filter(const json_t *value, const char *where, struct arena *arena,
                     struct engine_filter *ret, struct wire_fault *fault)
{
    struct reader reader = {.arena = arena, .fault = fault};
    struct store_filter *filter = allocate(&reader, 1, sizeof *filter);
    struct buf text = {0};
    struct json_writer writer = {.buf = &text};
    if (!filter)
        return ERR_MEMORY;
    int r = read_clause(&reader, value, where, 0, filter);
    if (r < 0)
        return r;
    json_put_value(&writer, value);
    const char *key = writer.failed ? NULL : arena_copy(arena, text.data, text.size);
    if (!key)
        r = wire_fail(fault, ERR_MEMORY, "", "out of memory for the request");
    else
        *ret = (struct engine_filter){.filter = filter, .key = key};
    buf_release(&text);
    return r;
}

int wire_read_fields(const json_t *value, const char *where, struct arena *arena,
                     struct store_field **ret_fields, size_t *ret_count, struct wire_fault *fault)
{
    if (!json_is_object(value))
        return wire_fail(fault, ERR_INVALID, where,
                         "must be an object of names and types, as {\"year\": \"integer\"}");
    size_t count = json_object_size(value), i = 0;
    if (count > FIELDS_MAX)
        return wire_fail(fault, ERR_LIMIT, where, "holds %zu fields; the limit is %d", count,
                         FIELDS_MAX);
    struct store_field *fields = arena_alloc(arena, count, sizeof *fields);
    if (!fields)
        return wire_fail(fault, ERR_MEMORY, "", "out of memory for the request");
    const char *name;
    json_t *type;
    json_object_foreach((json_t *)value, name, type)
    {
        const char *word = json_is_string(type) ? json_string_value(type) : "";
        struct wire_path path = wire_path_member(where, name);
        if (!field_name_valid(name))
            return wire_fail(fault, ERR_INVALID, path.text,
                             "a field's name has 1 to %d bytes, and its parts between dots are "
                             "not empty",
                             FIELD_NAME_MAX);
        if (!field_type_parse(word, &fields[i].type))
            return wire_fail(fault, ERR_INVALID, path.text,
                             "must be \"text\", \"integer\", \"real\" or \"boolean\"");
        memcpy(fields[i++].name, name, strlen(name) + 1);
    }
    *ret_fields = fields;
    *ret_count = count;
    return 0;
}
