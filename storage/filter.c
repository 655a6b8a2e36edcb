/* Resolving a filter: each condition reads a range of the index of values into a set of passages,
 * and the sets are joined word by word. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "storage/internal.h"

/* A complement may name ids that are no passage of the collection, which do no harm but cost memory
 * where the ids lie far apart. */
enum { GAPS_TOLERATED = 2 };

/* One filter being resolved, in one snapshot of the store. A set is `words` words; bit i stands for
 * the passage `first` + i. */
struct resolver {
    struct connection *connection;
    int64_t collection;
    int64_t first;
    size_t bits, words;
    size_t passages; /* of the collection */
    const struct field_row *fields;
    size_t field_count;
};

static uint64_t *set_new(const struct resolver *resolver, struct err *err)
{
    uint64_t *set = calloc(resolver->words + 1, sizeof *set);
    if (!set)
        err_memory(err, "a filter");
    return set;
}

static void set_add(const struct resolver *resolver, uint64_t *set, int64_t passage)
{
    uint64_t bit = (uint64_t)(passage - resolver->first);
    if (passage >= resolver->first && bit < resolver->bits)
        set[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* Runs a query that gives passages. */
static int take_passages(struct resolver *resolver, struct query *query, uint64_t *set,
                         struct err *err)
{
    bool row = false;
    int r;
    while ((r = query_next(query, &row, err)) == 0 && row)
        set_add(resolver, set, sqlite3_column_int64(query->statement, 0));
    query_end(query);
    return r;
}

/* --- conditions about a field --- */

static bool is_number(enum field_type type)
{
    return type == FIELD_INTEGER || type == FIELD_REAL;
}

static int check_value(const struct field_row *field, const struct filter_value *value,
                       struct err *err)
{
    enum field_type type = field->field.type;
    if (type == value->type || (is_number(type) && is_number(value->type)))
        return 0;
    return err_set(err, ERR_INVALID, "the field %s has the type %s, and is compared with a %s",
                   field->field.name, field_type_name(type), field_type_name(value->type));
}

static void bind_value(struct query *query, const struct filter_value *value)
{
    if (value->type == FIELD_TEXT)
        query_text(query, value->text, value->text_size);
    else if (value->type == FIELD_REAL)
        query_real(query, value->real);
    else
        query_int(query, value->integer);
}

/* SQLite sorts numbers before texts, and texts before blobs: so each type has ends. */
static void bind_lower(struct query *query, enum field_type type, const struct filter_bound *bound)
{
    if (bound->given)
        bind_value(query, &bound->value);
    else if (type == FIELD_TEXT)
        query_text(query, "", 0);
    else
        query_real(query, -INFINITY);
}

static void bind_upper(struct query *query, enum field_type type, const struct filter_bound *bound)
{
    if (bound->given)
        bind_value(query, &bound->value);
    else if (type == FIELD_TEXT)
        query_blob(query, "", 0);
    else
        query_text(query, "", 0);
}

#define SELECT_VALUES "SELECT passage FROM field_values WHERE field = ? AND value "

static int take_range(struct resolver *resolver, const struct field_row *field,
                      const struct filter_bound *lower, const struct filter_bound *upper,
                      uint64_t *set, struct err *err)
{
    static const char *const selects[2][2] = {
        {SELECT_VALUES ">= ? AND value <= ?", SELECT_VALUES ">= ? AND value < ?"},
        {SELECT_VALUES "> ? AND value <= ?", SELECT_VALUES "> ? AND value < ?"},
    };
    struct query query;
    query_begin(&query, resolver->connection,
                selects[lower->given && lower->open][upper->given && upper->open]);
    query_int(&query, field->key);
    bind_lower(&query, field->field.type, lower);
    bind_upper(&query, field->field.type, upper);
    return take_passages(resolver, &query, set, err);
}

static int take_values(struct resolver *resolver, const struct field_row *field,
                       const struct store_filter *filter, uint64_t *set, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < filter->count && r == 0; i++) {
        struct query query;
        query_begin(&query, resolver->connection, SELECT_VALUES "= ?");
        query_int(&query, field->key);
        bind_value(&query, &filter->values[i]);
        r = take_passages(resolver, &query, set, err);
    }
    return r;
}

static double number(const struct filter_value *value)
{
    return value->type == FIELD_REAL ? value->real : (double)value->integer;
}

/* The order that SQLite gives values of one type; numbers that a double cannot tell apart are
 * compared as whole ones. */
static int compare_values(const void *a, const void *b)
{
    const struct filter_value *x = a, *y = b;
    if (x->type == FIELD_TEXT) {
        size_t least = x->text_size < y->text_size ? x->text_size : y->text_size;
        int order = least ? memcmp(x->text, y->text, least) : 0;
        return order ? order : (x->text_size > y->text_size) - (x->text_size < y->text_size);
    }
    if (x->type != FIELD_REAL && y->type != FIELD_REAL)
        return (x->integer > y->integer) - (x->integer < y->integer);
    return (number(x) > number(y)) - (number(x) < number(y));
}

/* The gaps between the sorted values that are not wanted. */
static int take_others(struct resolver *resolver, const struct field_row *field,
                       const struct store_filter *filter, uint64_t *set, struct err *err)
{
    struct filter_value *sorted = calloc(filter->count + 1, sizeof *sorted);
    if (!sorted)
        return err_memory(err, "a filter");
    memcpy(sorted, filter->values, filter->count * sizeof *sorted);
    qsort(sorted, filter->count, sizeof *sorted, compare_values);
    struct filter_bound lower = {0};
    int r = 0;
    for (size_t i = 0; i <= filter->count && r == 0; i++) {
        struct filter_bound upper = {.given = i < filter->count, .open = true, .value = sorted[i]};
        r = take_range(resolver, field, &lower, &upper, set, err);
        lower = upper;
    }
    free(sorted);
    return r;
}

/* Texts from the prefix up to, without it, the first text that is greater than all of them. */
static int take_prefixed(struct resolver *resolver, const struct field_row *field,
                         const struct filter_value *prefix, uint64_t *set, struct err *err)
{
    size_t size = prefix->text_size;
    struct filter_bound lower = {.given = true, .value = *prefix}, upper = {.open = true};
    char *end = malloc(size + 1);
    if (!end)
        return err_memory(err, "a filter");
    if (size)
        memcpy(end, prefix->text, size);
    while (size > 0 && (unsigned char)end[size - 1] == 0xFF)
        size--;
    if (size > 0) {
        end[size - 1] = (char)((unsigned char)end[size - 1] + 1);
        upper.given = true;
        upper.value = (struct filter_value){.type = FIELD_TEXT, .text = end, .text_size = size};
    }
    int r = take_range(resolver, field, &lower, &upper, set, err);
    free(end);
    return r;
}

static int check_field(const struct resolver *resolver, const struct store_filter *filter,
                       const struct field_row **ret_field, struct err *err)
{
    const struct field_row *field =
        fields_find(resolver->fields, resolver->field_count, filter->field);
    int r = 0;
    if (!field)
        return err_set(err, ERR_INVALID,
                       "the collection has no field \"%.80s\": declare it with its type first "
                       "(sbert-index fields add %.80s:text|integer|real|boolean)",
                       filter->field, filter->field);
    if (!field->field.ready)
        return err_set(err, ERR_BUSY, "the field %s is still being indexed", field->field.name);
    if (filter->kind == FILTER_PREFIX && field->field.type != FIELD_TEXT)
        return err_set(err, ERR_INVALID, "the field %s has the type %s: only texts have a prefix",
                       field->field.name, field_type_name(field->field.type));
    for (size_t i = 0; i < filter->count && r == 0; i++)
        r = check_value(field, &filter->values[i], err);
    if (r == 0 && filter->lower.given)
        r = check_value(field, &filter->lower.value, err);
    if (r == 0 && filter->upper.given)
        r = check_value(field, &filter->upper.value, err);
    if (r == 0)
        *ret_field = field;
    return r;
}

static int take_condition(struct resolver *resolver, const struct store_filter *filter,
                          uint64_t *set, struct err *err)
{
    const struct field_row *field = NULL;
    int r = check_field(resolver, filter, &field, err);
    if (r < 0)
        return r;
    switch (filter->kind) {
    case FILTER_VALUES:
        return take_values(resolver, field, filter, set, err);
    case FILTER_EXCEPT:
        return take_others(resolver, field, filter, set, err);
    case FILTER_PREFIX:
        return take_prefixed(resolver, field, &filter->values[0], set, err);
    default:
        return take_range(resolver, field, &filter->lower, &filter->upper, set, err);
    }
}

/* --- and, or, not --- */

static int take_all_passages(struct resolver *resolver, uint64_t *set, struct err *err)
{
    struct query query;
    query_begin(&query, resolver->connection,
                "SELECT key FROM passages INDEXED BY passages_by_sequence WHERE collection = ?");
    query_int(&query, resolver->collection);
    return take_passages(resolver, &query, set, err);
}

static int complement(struct resolver *resolver, uint64_t *set, struct err *err)
{
    uint64_t *all = NULL;
    int r = 0;
    if (resolver->bits / GAPS_TOLERATED > resolver->passages) {
        all = set_new(resolver, err);
        r = all ? take_all_passages(resolver, all, err) : ERR_MEMORY;
    }
    for (size_t i = 0; i < resolver->words && r == 0; i++)
        set[i] = (all ? all[i] : UINT64_MAX) & ~set[i];
    if (r == 0 && resolver->bits % 64)
        set[resolver->words - 1] &= (UINT64_C(1) << (resolver->bits % 64)) - 1;
    free(all);
    return r;
}

/* What `filter` selects, in a set that is empty so far. The depth of a filter is its maker's to
 * bound. */
static int resolve(struct resolver *resolver, const struct store_filter *filter, uint64_t *set,
                   struct err *err)
{
    if (filter->kind > FILTER_NOT)
        return take_condition(resolver, filter, set, err);
    if (filter->kind == FILTER_NOT || (filter->kind == FILTER_AND && filter->count == 0)) {
        int r = filter->kind == FILTER_NOT ? resolve(resolver, filter->children, set, err) : 0;
        return r < 0 ? r : complement(resolver, set, err);
    }
    uint64_t *child = set_new(resolver, err);
    int r = child ? 0 : ERR_MEMORY;
    for (size_t i = 0; i < filter->count && r == 0; i++) {
        memset(child, 0, resolver->words * sizeof *child);
        r = resolve(resolver, &filter->children[i], child, err);
        for (size_t w = 0; w < resolver->words && r == 0; w++)
            set[w] = i == 0                       ? child[w]
                     : filter->kind == FILTER_AND ? set[w] & child[w]
                                                  : set[w] | child[w];
    }
    free(child);
    return r;
}

static int edge_passage(struct resolver *resolver, const char *sql, int64_t *ret_passage,
                        struct err *err)
{
    struct query query;
    bool found = false;
    query_begin(&query, resolver->connection, sql);
    query_int(&query, resolver->collection);
    return query_number(&query, &found, ret_passage, err);
}

/* The range that the collection's passages lie in: keys rise with sequences. */
static int find_range(struct resolver *resolver, struct err *err)
{
    int64_t first = 0, last = -1;
    int r = edge_passage(resolver,
                         "SELECT key FROM passages WHERE collection = ? "
                         "ORDER BY sequence, key LIMIT 1",
                         &first, err);
    if (r == 0)
        r = edge_passage(resolver,
                         "SELECT key FROM passages WHERE collection = ? "
                         "ORDER BY sequence DESC, key DESC LIMIT 1",
                         &last, err);
    if (r == 0 && (first < 0 || last < first - 1 || last - first >= INT64_MAX / 2))
        r = err_set(err, ERR_CORRUPT, "%s: the passages are not numbered as they were added",
                    resolver->connection->path);
    if (r < 0)
        return r;
    resolver->first = first;
    resolver->bits = (size_t)(last - first + 1);
    resolver->words = (resolver->bits + 63) / 64;
    return 0;
}

int filter_resolve(struct connection *connection, int64_t collection,
                   const struct store_filter *filter, struct passage_set *ret_set, struct err *err)
{
    struct resolver resolver = {.connection = connection, .collection = collection};
    struct collection_state state;
    struct field_row *fields = NULL;
    struct arena arena = {0};
    uint64_t *words = NULL;
    int r = collection_read(connection, collection, &state, err);
    if (r < 0)
        goto out;
    resolver.passages = (size_t)state.passages;
    r = fields_read(connection, collection, &arena, &fields, &resolver.field_count, err);
    resolver.fields = fields;
    if (r == 0)
        r = find_range(&resolver, err);
    if (r < 0)
        goto out;
    words = set_new(&resolver, err);
    r = words ? resolve(&resolver, filter, words, err) : ERR_MEMORY;
    if (r < 0)
        goto out;
    *ret_set = (struct passage_set){.first = resolver.first, .bits = resolver.bits, .words = words};
    words = NULL;
out:
    free(words);
    arena_release(&arena);
    return r;
}

bool passage_set_has(const struct passage_set *set, int64_t passage)
{
    uint64_t bit = (uint64_t)(passage - set->first);
    return passage >= set->first && bit < set->bits && (set->words[bit / 64] >> (bit % 64) & 1);
}

int64_t passage_set_next(const struct passage_set *set, int64_t passage)
{
    uint64_t bit = passage > set->first ? (uint64_t)(passage - set->first) : 0;
    size_t words = (set->bits + 63) / 64;
    for (size_t i = bit / 64; i < words; i++, bit = i * 64) {
        uint64_t word = set->words[i] >> (bit % 64);
        if (word)
            return set->first + (int64_t)bit + __builtin_ctzll(word);
    }
    return -1;
}
