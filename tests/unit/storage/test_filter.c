/* Tests of fields and filters: each answer against one that is worked out from the metadata itself,
 * document by document. */
#include <jansson.h>

#include "storage/filter.h"
#include "storage/internal.h"
#include "tests/unit/storage/fixture.h"

enum { DOCUMENTS = 300, MAX_DEPTH = 3 };

static const struct store_field fields[] = {
    {.name = "year", .type = FIELD_INTEGER}, {.name = "lang", .type = FIELD_TEXT},
    {.name = "price", .type = FIELD_REAL},   {.name = "new", .type = FIELD_BOOLEAN},
    {.name = "tags", .type = FIELD_TEXT},    {.name = "author.name", .type = FIELD_TEXT},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };
static const char *const words[] = {"", "a", "ab", "abc", "b", "en", "entry", "\xc3\xa9t\xc3\xa9"};
enum { WORDS = sizeof words / sizeof words[0] };

static unsigned seed;
static unsigned chance(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* Metadata in which each field may be missing, right, or of another type. */
static char *make_metadata(void)
{
    json_t *json = json_object();
    if (chance(4))
        json_object_set_new(json, "year",
                            chance(8) ? json_integer((int)chance(20) - 10) : json_real(3.0));
    if (chance(4))
        json_object_set_new(json, "lang",
                            chance(9) ? json_string(words[chance(WORDS)]) : json_integer(1));
    if (chance(4))
        json_object_set_new(json, "price",
                            chance(3) ? json_real((int)chance(20) / 4.0) : json_integer(2));
    if (chance(3))
        json_object_set_new(json, "new", json_boolean(chance(2)));
    if (chance(3)) {
        json_t *tags = json_array();
        for (unsigned i = chance(4); i > 0; i--)
            json_array_append_new(tags,
                                  chance(6) ? json_string(words[chance(WORDS)]) : json_null());
        json_object_set_new(json, "tags", tags);
    }
    if (chance(3))
        json_object_set_new(json, "author", json_pack("{s:s}", "name", words[chance(WORDS)]));
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

/* --- a filter made at random --- */

static struct filter_value random_value(enum field_type type)
{
    const char *text = words[chance(WORDS)];
    switch (type) {
    case FIELD_TEXT:
        return (struct filter_value){.type = type, .text = text, .text_size = strlen(text)};
    case FIELD_BOOLEAN:
        return (struct filter_value){.type = type, .integer = chance(2)};
    default:
        if (chance(2))
            return (struct filter_value){.type = FIELD_INTEGER, .integer = (int)chance(20) - 10};
        return (struct filter_value){.type = FIELD_REAL, .real = (int)chance(30) / 4.0};
    }
}

static struct store_filter random_filter(struct arena *arena, int depth)
{
    struct store_filter filter = {.kind = (enum filter_kind)chance(FILTER_PREFIX + 1)};
    if (depth == 0 && filter.kind <= FILTER_NOT)
        filter.kind = FILTER_RANGE;
    if (filter.kind <= FILTER_NOT) {
        filter.count = filter.kind == FILTER_NOT ? 1 : chance(4);
        struct store_filter *children = arena_alloc(arena, filter.count, sizeof *children);
        for (size_t i = 0; i < filter.count; i++)
            children[i] = random_filter(arena, depth - 1);
        filter.children = children;
        return filter;
    }
    const struct store_field *field = &fields[chance(FIELDS)];
    while (filter.kind == FILTER_PREFIX && field->type != FIELD_TEXT)
        field = &fields[chance(FIELDS)];
    filter.field = field->name;
    if (filter.kind == FILTER_RANGE) {
        filter.lower = (struct filter_bound){chance(2), chance(2), random_value(field->type)};
        filter.upper = (struct filter_bound){chance(2), chance(2), random_value(field->type)};
        return filter;
    }
    filter.count = filter.kind == FILTER_PREFIX ? 1 : chance(4);
    struct filter_value *values = arena_alloc(arena, filter.count, sizeof *values);
    for (size_t i = 0; i < filter.count; i++)
        values[i] = random_value(field->type);
    filter.values = values;
    return filter;
}

/* --- the oracle --- */

static int compare(const json_t *value, const struct filter_value *to)
{
    if (to->type == FIELD_TEXT) {
        size_t size = json_string_length(value);
        size_t least = size < to->text_size ? size : to->text_size;
        int order = memcmp(json_string_value(value), to->text, least);
        return order ? order : (size > to->text_size) - (size < to->text_size);
    }
    double x = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    double y = to->type == FIELD_REAL ? to->real : (double)to->integer;
    return (x > y) - (x < y);
}

static bool is_of_type(const json_t *value, enum field_type type)
{
    switch (type) {
    case FIELD_TEXT:
        return json_is_string(value);
    case FIELD_BOOLEAN:
        return json_is_boolean(value);
    case FIELD_INTEGER:
        return json_is_number(value) && json_number_value(value) == floor(json_number_value(value));
    default:
        return json_is_number(value);
    }
}

static bool value_matches(const json_t *value, const struct store_filter *filter)
{
    bool listed = false;
    for (size_t i = 0; i < filter->count; i++)
        listed |= compare(value, &filter->values[i]) == 0;
    switch (filter->kind) {
    case FILTER_VALUES:
        return listed;
    case FILTER_EXCEPT:
        return !listed;
    case FILTER_PREFIX:
        return json_string_length(value) >= filter->values[0].text_size &&
               memcmp(json_string_value(value), filter->values[0].text,
                      filter->values[0].text_size) == 0;
    default:
        return (!filter->lower.given ||
                compare(value, &filter->lower.value) >= (filter->lower.open ? 1 : 0)) &&
               (!filter->upper.given ||
                compare(value, &filter->upper.value) <= (filter->upper.open ? -1 : 0));
    }
}

static bool matches(const json_t *metadata, const struct store_filter *filter)
{
    if (filter->kind == FILTER_NOT)
        return !matches(metadata, filter->children);
    bool result = filter->kind == FILTER_AND;
    for (size_t i = 0; filter->kind < FILTER_NOT && i < filter->count; i++) {
        bool one = matches(metadata, &filter->children[i]);
        result = filter->kind == FILTER_AND ? result && one : result || one;
    }
    if (filter->kind < FILTER_NOT)
        return result;
    enum field_type type = FIELD_TEXT;
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].name, filter->field) == 0)
            type = fields[i].type;
    const json_t *value = json_object_get(metadata, filter->field);
    if (strcmp(filter->field, "author.name") == 0)
        value = json_object_get(json_object_get(metadata, "author"), "name");
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            result |= is_of_type(json_array_get(value, i), type) &&
                      value_matches(json_array_get(value, i), filter);
        return result;
    }
    return value && is_of_type(value, type) && value_matches(value, filter);
}

/* --- a store of such documents --- */

static void put_random(struct world *world, char **metadata, size_t i, bool same_text)
{
    char id[16], text[32];
    free(metadata[i]);
    metadata[i] = make_metadata();
    snprintf(id, sizeof id, "%03zu", i);
    snprintf(text, sizeof text, same_text ? "text %zu" : "other %zu %u", i, chance(1000));
    put_one(world, id, text, metadata[i], NULL, 1, NULL);
}

static void declare_all(struct world *world)
{
    expect_ok(world, store_fields_declare(world->store, world->collection.key, fields, FIELDS,
                                          &world->err));
    expect_ok(world, store_fields_fill(world->store, world->collection.key, NULL, &world->err));
}

static void check_select(struct world *world, const struct store_filter *filter, size_t expected)
{
    int64_t *passages = NULL;
    size_t count = 0, live = 0;
    expect_ok(world, store_select(world->store, world->collection.key, filter, &passages, &count,
                                  &world->err));
    int64_t *documents = calloc(count + 1, sizeof *documents);
    assert_non_null(documents);
    assert_int_equal(store_passage_documents(world->store, passages, count, documents, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        live += documents[i] != 0;
        assert_true(i == 0 || passages[i - 1] < passages[i]);
    }
    assert_int_equal(live, expected); /* one passage each */
    free(passages);
    free(documents);
}

static void check_filters(struct world *world, char **metadata, size_t rounds)
{
    json_t *parsed[DOCUMENTS];
    for (size_t i = 0; i < DOCUMENTS; i++)
        parsed[i] = metadata[i] ? json_loads(metadata[i], 0, NULL) : NULL;
    for (size_t round = 0; round < rounds; round++) {
        struct arena arena = {0};
        struct store_filter filter = random_filter(&arena, MAX_DEPTH);
        struct store_row *rows = NULL;
        size_t expected = 0, count = 0, listed = 0;
        expect_ok(world, store_list_selected(world->store, world->collection.key, &filter, NULL,
                                             DOCUMENTS, &arena, &rows, &listed, &world->err));
        for (size_t i = 0; i < DOCUMENTS; i++) {
            if (!parsed[i] || !matches(parsed[i], &filter))
                continue;
            char id[16];
            snprintf(id, sizeof id, "%03zu", i);
            assert_true(expected < listed);
            assert_string_equal(rows[expected].id, id);
            expected++;
        }
        assert_int_equal(listed, expected);
        expect_ok(world,
                  store_count(world->store, world->collection.key, &filter, &count, &world->err));
        assert_int_equal(count, expected);
        check_select(world, &filter, expected);
        arena_release(&arena);
    }
    for (size_t i = 0; i < DOCUMENTS; i++)
        json_decref(parsed[i]);
}

static void free_all(char **metadata)
{
    for (size_t i = 0; i < DOCUMENTS; i++)
        free(metadata[i]);
}

/* --- tests --- */

static void filters_select_what_the_metadata_says_through_all_changes(void **state)
{
    struct world *world = *state;
    char *metadata[DOCUMENTS] = {0};
    seed = 7;
    for (size_t i = 0; i < DOCUMENTS / 2; i++)
        put_random(world, metadata, i, true);
    declare_all(world); /* half were there before */
    for (size_t i = DOCUMENTS / 2; i < DOCUMENTS; i++)
        put_random(world, metadata, i, true);
    check_filters(world, metadata, 300);
    for (size_t n = 0; n < DOCUMENTS; n++) {
        size_t i = chance(DOCUMENTS);
        char id[16];
        snprintf(id, sizeof id, "%03zu", i);
        if (chance(3)) {
            put_random(world, metadata, i, chance(2)); /* other metadata, or another text */
        } else {
            delete_one(world, id, NULL, NULL);
            free(metadata[i]);
            metadata[i] = NULL;
        }
    }
    check_filters(world, metadata, 300);
    world_reopen(world);
    check_filters(world, metadata, 50);
    expect_ok(world, store_check(world->store, &world->err));
    free_all(metadata);
}

static struct store_filter year_is(const struct filter_value *year)
{
    return (struct store_filter){
        .kind = FILTER_VALUES, .field = "year", .values = year, .count = 1};
}

static void a_field_that_is_not_declared_is_refused_with_the_cure(void **state)
{
    struct world *world = *state;
    const struct filter_value year = {.type = FIELD_INTEGER, .integer = 1};
    const struct store_filter filter = year_is(&year);
    size_t count = 0;
    put_one(world, "a", "text", "{\"year\":1}", NULL, 1, NULL);
    assert_int_equal(store_count(world->store, world->collection.key, &filter, &count, &world->err),
                     ERR_INVALID);
    assert_non_null(strstr(world->err.message, "no field \"year\""));
    assert_non_null(strstr(world->err.message, "declare it"));
}

static void a_value_of_another_type_is_refused(void **state)
{
    struct world *world = *state;
    const struct filter_value year = {.type = FIELD_TEXT, .text = "1", .text_size = 1};
    const struct store_filter filter = year_is(&year);
    size_t count = 0;
    declare_all(world);
    assert_int_equal(store_count(world->store, world->collection.key, &filter, &count, &world->err),
                     ERR_INVALID);
    assert_non_null(strstr(world->err.message, "year has the type integer"));
}

static void a_declaration_holds_or_changes_nothing(void **state)
{
    struct world *world = *state;
    struct store_field other[] = {{.name = "fresh", .type = FIELD_TEXT},
                                  {.name = "year", .type = FIELD_TEXT}};
    struct store_field bad = {.name = "a..b", .type = FIELD_TEXT}, *listed = NULL;
    size_t count = 0;
    declare_all(world);
    declare_all(world); /* again is fine */
    assert_int_equal(
        store_fields_declare(world->store, world->collection.key, other, 2, &world->err),
        ERR_CONFLICT);
    assert_int_equal(
        store_fields_declare(world->store, world->collection.key, &bad, 1, &world->err),
        ERR_INVALID);
    expect_ok(world, store_fields_list(world->store, world->collection.key, &world->arena, &listed,
                                       &count, &world->err));
    assert_int_equal(count, FIELDS);
    assert_string_equal(listed[0].name, "author.name");
    assert_true(listed[0].ready);
}

static void a_field_is_not_asked_for_before_it_is_filled(void **state)
{
    struct world *world = *state;
    const struct filter_value year = {.type = FIELD_INTEGER, .integer = 1};
    const struct store_filter filter = year_is(&year);
    int cancel = 1;
    size_t count = 0;
    put_one(world, "a", "text", "{\"year\":1}", NULL, 1, NULL);
    expect_ok(world,
              store_fields_declare(world->store, world->collection.key, fields, 1, &world->err));
    assert_int_equal(store_fields_fill(world->store, world->collection.key, &cancel, &world->err),
                     ERR_CANCELLED);
    assert_int_equal(store_count(world->store, world->collection.key, &filter, &count, &world->err),
                     ERR_BUSY);
    world_reopen(world);
    put_one(world, "a", "text", "{\"year\":2}", NULL, 1, NULL); /* changed before it is filled */
    put_one(world, "b", "text", "{\"year\":1}", NULL, 1, NULL);
    expect_ok(world, store_fields_fill(world->store, world->collection.key, NULL, &world->err));
    expect_ok(world,
              store_count(world->store, world->collection.key, &filter, &count, &world->err));
    assert_int_equal(count, 1);
}

static void what_a_filter_selects_is_deleted_in_steps(void **state)
{
    struct world *world = *state;
    const struct filter_value year = {.type = FIELD_INTEGER, .integer = 1};
    const struct store_filter filter = year_is(&year);
    struct store_changes changes;
    size_t deleted = 0, count = 9;
    declare_all(world);
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        put_one(world, id, id, i % 2 ? "{\"year\":1}" : "{\"year\":2}", NULL, 1, NULL);
    }
    expect_ok(world, store_delete_selected(world->store, world->collection.key, &filter, 3,
                                           &deleted, &world->arena, &changes, &world->err));
    assert_int_equal(deleted, 3);
    assert_int_equal(changes.removed_count, 3);
    expect_ok(world, store_delete_selected(world->store, world->collection.key, &filter, 3,
                                           &deleted, &world->arena, &changes, &world->err));
    assert_int_equal(deleted, 2);
    expect_ok(world,
              store_count(world->store, world->collection.key, &filter, &count, &world->err));
    assert_int_equal(count, 0);
    refresh(world);
    assert_int_equal(world->collection.documents, 5);
    expect_ok(world, store_check(world->store, &world->err));
}

static void a_dropped_collection_takes_its_fields_along(void **state)
{
    struct world *world = *state;
    declare_all(world);
    put_one(world, "a", "text", "{\"lang\":\"en\",\"year\":1}", NULL, 1, NULL);
    expect_ok(world, store_collection_drop(world->store, world->collection.key, &world->err));
    store_tidy(world->store);
    int64_t rows = 9;
    assert_int_equal(connection_number(&world->store->writer,
                                       "SELECT (SELECT count(*) FROM fields) + "
                                       "(SELECT count(*) FROM field_values)",
                                       &rows, &world->err),
                     0);
    assert_int_equal(rows, 0);
}

#define filter_test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        filter_test(filters_select_what_the_metadata_says_through_all_changes),
        filter_test(a_field_that_is_not_declared_is_refused_with_the_cure),
        filter_test(a_value_of_another_type_is_refused),
        filter_test(a_declaration_holds_or_changes_nothing),
        filter_test(a_field_is_not_asked_for_before_it_is_filled),
        filter_test(what_a_filter_selects_is_deleted_in_steps),
        filter_test(a_dropped_collection_takes_its_fields_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
