/* Tests of putting, deleting and reading documents. */
#include "tests/unit/storage/fixture.h"

static void a_new_document_is_stored_with_all_that_was_given(void **state)
{
    struct world *world = *state;
    struct made made;
    struct store_changes changes;
    enum store_state did;
    make_document(&made, "a", "some text", "{\"k\":1}", "notes.txt", 0.5f);
    made.document.source.line = 7;
    made.document.source.byte_start = 100;
    made.document.source.byte_end = 109;
    expect_ok(world, store_put(world->store, world->collection.key, &made.document, 1, &did,
                               &world->arena, &changes, &world->err));
    assert_int_equal(did, STORE_NEW);
    assert_int_equal(changes.added_count, 1);
    assert_int_equal(changes.removed_count, 0);
    assert_int_equal(changes.sequence, 1);
    assert_memory_equal(changes.vectors, made.vector, sizeof made.vector);

    world_reopen(world);
    struct store_row row;
    expect_ok(world, store_get(world->store, world->collection.key, "a", &world->arena, &row,
                               &world->err));
    assert_string_equal(row.id, "a");
    assert_string_equal(row.text, "some text");
    assert_int_equal(row.text_size, 9);
    assert_string_equal(row.metadata, "{\"k\":1}");
    assert_string_equal(row.source.path, "notes.txt");
    assert_int_equal(row.source.line, 7);
    assert_int_equal(row.source.byte_start, 100);
    assert_int_equal(row.source.byte_end, 109);
    assert_int_equal(row.passages, 1);
    assert_true(row.created_at > 0 && row.updated_at >= row.created_at);
    assert_int_equal(world->collection.documents, 1);
    assert_int_equal(world->collection.passages, 1);
}

static void the_same_again_changes_nothing(void **state)
{
    struct world *world = *state;
    struct store_changes changes;
    put_one(world, "a", "text", "{}", NULL, 1, NULL);
    assert_int_equal(put_one(world, "a", "text", "{}", NULL, 0, &changes), STORE_UNCHANGED);
    assert_int_equal(changes.added_count + changes.removed_count, 0);
    assert_int_equal(changes.sequence, 1);
}

static void other_metadata_leaves_the_vectors(void **state)
{
    struct world *world = *state;
    struct store_changes changes;
    struct store_row row;
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    assert_int_equal(put_one(world, "a", "text", "{\"k\":2}", NULL, 0, &changes), STORE_METADATA);
    assert_int_equal(changes.added_count + changes.removed_count, 0);
    assert_int_equal(changes.sequence, 1);
    expect_ok(world, store_get(world->store, world->collection.key, "a", &world->arena, &row,
                               &world->err));
    assert_string_equal(row.metadata, "{\"k\":2}");
    assert_int_equal(put_one(world, "a", "text", NULL, NULL, 0, NULL), STORE_METADATA);
}

static void another_text_replaces_the_passages(void **state)
{
    struct world *world = *state;
    struct store_changes first, second;
    struct store_row row;
    put_one(world, "a", "text", NULL, NULL, 1, &first);
    assert_int_equal(put_one(world, "a", "other", NULL, NULL, 2, &second), STORE_TEXT);
    assert_int_equal(second.added_count, 1);
    assert_int_equal(second.removed_count, 1);
    assert_int_equal(second.removed[0], first.added[0]);
    assert_true(second.added[0] > first.added[0]);
    assert_int_equal(second.sequence, 2);
    expect_ok(world, store_get(world->store, world->collection.key, "a", &world->arena, &row,
                               &world->err));
    assert_string_equal(row.text, "other");
    refresh(world);
    assert_int_equal(world->collection.documents, 1);
    assert_int_equal(world->collection.passages, 1);
}

static void a_known_text_under_another_id_reuses_its_vectors(void **state)
{
    struct world *world = *state;
    struct store_changes changes;
    float expected[DIMENSION] = {3, 3, 3, 3};
    put_one(world, "a", "text", NULL, NULL, 3, NULL);
    assert_int_equal(put_one(world, "b", "text", NULL, NULL, 0, &changes), STORE_NEW);
    assert_int_equal(changes.added_count, 1);
    assert_memory_equal(changes.vectors, expected, sizeof expected);
    /* and they outlive the donor */
    assert_int_equal(delete_one(world, "a", NULL, NULL), 1);
    assert_int_equal(put_one(world, "c", "text", NULL, NULL, 0, NULL), STORE_NEW);
}

static void a_text_that_is_known_no_more_asks_for_a_new_plan(void **state)
{
    struct world *world = *state;
    struct made made;
    enum store_state did;
    struct store_changes changes;
    make_document(&made, "a", "text", NULL, NULL, 1);
    made.document.passages = NULL;
    assert_int_equal(store_put(world->store, world->collection.key, &made.document, 1, &did,
                               &world->arena, &changes, &world->err),
                     ERR_BUSY);
    assert_false(has_document(world, "a"));
}

static void a_plan_tells_what_a_put_would_do(void **state)
{
    struct world *world = *state;
    struct made made[6];
    struct store_document documents[6];
    struct store_plan plans[6];
    put_one(world, "a", "text a", NULL, NULL, 1, NULL);
    put_one(world, "b", "text b", NULL, NULL, 2, NULL);
    documents[0] = *make_document(&made[0], "a", "text a", NULL, NULL, 1);
    documents[1] = *make_document(&made[1], "a", "text a", "{}", NULL, 1);
    documents[2] = *make_document(&made[2], "a", "text b", NULL, NULL, 1);
    documents[3] = *make_document(&made[3], "n", "text b", NULL, NULL, 1);
    documents[4] = *make_document(&made[4], "m", "fresh", NULL, NULL, 1);
    documents[5] = *make_document(&made[5], "a", "fresh", NULL, NULL, 1);
    expect_ok(world,
              store_plan(world->store, world->collection.key, documents, 6, plans, &world->err));
    const struct store_plan expected[6] = {{STORE_UNCHANGED, false}, {STORE_METADATA, false},
                                           {STORE_TEXT, false},      {STORE_NEW, false},
                                           {STORE_NEW, true},        {STORE_TEXT, false}};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(plans[i].state, expected[i].state);
        assert_int_equal(plans[i].needs_vectors, expected[i].needs_vectors);
    }
}

static void what_a_plan_asked_for_is_enough_for_the_put(void **state)
{
    /* The donor of "n" is rewritten by the same put, and "fresh" comes with its vector once. */
    struct world *world = *state;
    struct made made[4];
    struct store_document documents[4];
    struct store_plan plans[4];
    enum store_state did[4];
    struct store_changes changes;
    put_one(world, "a", "text a", NULL, NULL, 1, NULL);
    documents[0] = *make_document(&made[0], "a", "fresh", NULL, NULL, 5);
    documents[1] = *make_document(&made[1], "n", "text a", NULL, NULL, 9);
    documents[2] = *make_document(&made[2], "m", "fresh", NULL, NULL, 9);
    documents[3] = *make_document(&made[3], "a", "text a", NULL, NULL, 9);
    expect_ok(world,
              store_plan(world->store, world->collection.key, documents, 4, plans, &world->err));
    for (int i = 0; i < 4; i++)
        if (!plans[i].needs_vectors)
            documents[i].passages = NULL;
    assert_non_null(documents[0].passages);
    assert_null(documents[1].passages);
    assert_null(documents[2].passages);
    expect_ok(world, store_put(world->store, world->collection.key, documents, 4, did,
                               &world->arena, &changes, &world->err));
    assert_int_equal(did[0], STORE_UNCHANGED); /* the later "a" wins */
    assert_int_equal(did[1], STORE_NEW);
    assert_int_equal(did[2], STORE_NEW);
    assert_int_equal(did[3], STORE_UNCHANGED);
    assert_int_equal(changes.added_count, 2);
    assert_true(changes.vectors[0] == 1.0f && changes.vectors[DIMENSION] == 5.0f);
}

static void of_two_with_one_id_the_later_wins(void **state)
{
    struct world *world = *state;
    struct made made[2];
    struct store_document documents[2];
    enum store_state did[2];
    struct store_changes changes;
    struct store_row row;
    documents[0] = *make_document(&made[0], "a", "first", NULL, "f1", 1);
    documents[1] = *make_document(&made[1], "a", "second", NULL, "f2", 2);
    expect_ok(world, store_put(world->store, world->collection.key, documents, 2, did,
                               &world->arena, &changes, &world->err));
    assert_int_equal(did[0], STORE_UNCHANGED);
    assert_int_equal(did[1], STORE_NEW);
    assert_int_equal(changes.added_count, 1);
    expect_ok(world, store_get(world->store, world->collection.key, "a", &world->arena, &row,
                               &world->err));
    assert_string_equal(row.text, "second");
    /* both files claim it */
    assert_int_equal(delete_one(world, "a", "f2", NULL), 0);
    assert_int_equal(delete_one(world, "a", "f1", NULL), 1);
}

static void a_put_is_all_or_nothing(void **state)
{
    struct world *world = *state;
    struct made made[3];
    struct store_document documents[3];
    enum store_state did[3];
    struct store_changes changes;
    documents[0] = *make_document(&made[0], "a", "one", NULL, NULL, 1);
    documents[1] = *make_document(&made[1], "b", "two", NULL, NULL, 2);
    documents[2] = *make_document(&made[2], "c", "three", NULL, NULL, 3);
    documents[2].passages = NULL; /* a text nobody knows */
    assert_int_equal(store_put(world->store, world->collection.key, documents, 3, did,
                               &world->arena, &changes, &world->err),
                     ERR_BUSY);
    assert_false(has_document(world, "a"));
    refresh(world);
    assert_int_equal(world->collection.documents, 0);
    assert_int_equal(world->collection.sequence, 0);
}

static void bad_documents_are_refused_by_name(void **state)
{
    struct world *world = *state;
    struct made made;
    enum store_state did;
    struct store_changes changes;
    char long_id[STORE_ID_MAX + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    const int64_t key = world->collection.key;

    make_document(&made, "", "text", NULL, NULL, 1);
    assert_int_equal(
        store_put(world->store, key, &made.document, 1, &did, &world->arena, &changes, &world->err),
        ERR_INVALID);
    make_document(&made, long_id, "text", NULL, NULL, 1);
    assert_int_equal(
        store_put(world->store, key, &made.document, 1, &did, &world->arena, &changes, &world->err),
        ERR_INVALID);
    make_document(&made, "out", "text", NULL, NULL, 1);
    made.passage.end = 5;
    assert_int_equal(
        store_put(world->store, key, &made.document, 1, &did, &world->arena, &changes, &world->err),
        ERR_INVALID);
    assert_non_null(strstr(world->err.message, "\"out\""));
    make_document(&made, "nan", "text", NULL, NULL, 1);
    made.vector[2] = (float)NAN;
    assert_int_equal(
        store_put(world->store, key, &made.document, 1, &did, &world->arena, &changes, &world->err),
        ERR_INVALID);
    assert_non_null(strstr(world->err.message, "\"nan\""));
    assert_int_equal(store_put(world->store, key + 1, &made.document, 1, &did, &world->arena,
                               &changes, &world->err),
                     ERR_NOT_FOUND);
}

static void a_text_may_hold_nul_bytes_and_be_empty(void **state)
{
    struct world *world = *state;
    struct made made;
    enum store_state did;
    struct store_changes changes;
    struct store_row row;
    make_document(&made, "nul", "a?b", NULL, NULL, 1);
    made.document.text = "a\0b";
    expect_ok(world, store_put(world->store, world->collection.key, &made.document, 1, &did,
                               &world->arena, &changes, &world->err));
    expect_ok(world, store_get(world->store, world->collection.key, "nul", &world->arena, &row,
                               &world->err));
    assert_int_equal(row.text_size, 3);
    assert_memory_equal(row.text, "a\0b", 4);

    make_document(&made, "empty", "", NULL, NULL, 1);
    made.document.text = NULL;
    made.document.passage_count = 0;
    expect_ok(world, store_put(world->store, world->collection.key, &made.document, 1, &did,
                               &world->arena, &changes, &world->err));
    expect_ok(world, store_get(world->store, world->collection.key, "empty", &world->arena, &row,
                               &world->err));
    assert_string_equal(row.text, "");
    assert_int_equal(row.passages, 0);
}

static void a_document_has_many_passages(void **state)
{
    struct world *world = *state;
    enum { PASSAGES = 300 };
    static char text[PASSAGES * 10 + 1];
    static float vectors[PASSAGES][DIMENSION];
    static struct store_passage passages[PASSAGES];
    memset(text, 'a', sizeof text - 1);
    for (size_t i = 0; i < PASSAGES; i++) {
        vectors[i][0] = (float)i;
        passages[i] = (struct store_passage){i * 10, i * 10 + 10, vectors[i]};
    }
    struct made made;
    enum store_state did;
    struct store_changes changes;
    make_document(&made, "long", text, NULL, NULL, 1);
    made.document.passages = passages;
    made.document.passage_count = PASSAGES;
    expect_ok(world, store_put(world->store, world->collection.key, &made.document, 1, &did,
                               &world->arena, &changes, &world->err));
    assert_int_equal(changes.added_count, PASSAGES);

    int64_t asked[4] = {changes.added[299], changes.added[0], 123456789, changes.added[7]};
    struct store_hit hits[4];
    int64_t documents[4];
    expect_ok(world, store_fetch_passages(world->store, world->collection.key, asked, 4,
                                          &world->arena, hits, &world->err));
    assert_string_equal(hits[0].row.id, "long");
    assert_int_equal(hits[0].start, 2990);
    assert_int_equal(hits[1].start, 0);
    assert_null(hits[2].row.id);
    assert_int_equal(hits[3].end, 80);
    struct store_row row;
    expect_ok(world, store_get(world->store, world->collection.key, "long", &world->arena, &row,
                               &world->err));
    assert_int_equal(row.passages, PASSAGES);
    expect_ok(world, store_passage_documents(world->store, asked, 4, documents, &world->err));
    assert_true(documents[0] > 0 && documents[0] == documents[1] && documents[0] == documents[3]);
    assert_int_equal(documents[2], 0);
}

static void passages_of_another_collection_are_not_fetched(void **state)
{
    struct world *world = *state;
    struct store_collection other;
    struct store_changes changes;
    struct store_hit hit;
    put_one(world, "a", "text", NULL, NULL, 1, &changes);
    world_create_collection(world, "other", &other);
    expect_ok(world, store_fetch_passages(world->store, other.key, changes.added, 1, &world->arena,
                                          &hit, &world->err));
    assert_null(hit.row.id);
}

static void a_document_lives_as_long_as_a_source_claims_it(void **state)
{
    struct world *world = *state;
    struct store_changes changes;
    put_one(world, "a", "text", NULL, "f1", 1, NULL);
    assert_int_equal(put_one(world, "a", "text", NULL, "f2", 0, NULL), STORE_UNCHANGED);
    assert_int_equal(delete_one(world, "a", "f3", NULL), 0);
    assert_int_equal(delete_one(world, "a", "f1", &changes), 0);
    assert_int_equal(changes.removed_count, 0);
    assert_true(has_document(world, "a"));
    assert_int_equal(delete_one(world, "a", "f1", NULL), 0); /* it has no claim any more */
    assert_int_equal(delete_one(world, "a", "f2", &changes), 1);
    assert_int_equal(changes.removed_count, 1);
    assert_false(has_document(world, "a"));
}

static void an_add_without_a_source_outlives_every_file(void **state)
{
    struct world *world = *state;
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    put_one(world, "a", "text", NULL, "f1", 0, NULL);
    assert_int_equal(delete_one(world, "a", "f1", NULL), 0);
    assert_true(has_document(world, "a"));
    assert_int_equal(delete_one(world, "a", NULL, NULL), 1);
    assert_int_equal(delete_one(world, "a", NULL, NULL), 0); /* not there: no error */
}

static void a_line_that_moved_is_noted_anew(void **state)
{
    struct world *world = *state;
    struct made made;
    enum store_state did;
    struct store_changes changes;
    struct store_row row;
    make_document(&made, "a", "text", NULL, "f", 1);
    for (int line = 3; line <= 9; line += 6) {
        made.document.source.line = line;
        expect_ok(world, store_put(world->store, world->collection.key, &made.document, 1, &did,
                                   &world->arena, &changes, &world->err));
    }
    assert_int_equal(did, STORE_UNCHANGED);
    expect_ok(world, store_get(world->store, world->collection.key, "a", &world->arena, &row,
                               &world->err));
    assert_int_equal(row.source.line, 9);
}

static void lists_go_by_id_in_byte_order_page_by_page(void **state)
{
    struct world *world = *state;
    const char *ids[] = {"b", "a", "\xC3\xA9", "B", "aa"};
    for (size_t i = 0; i < 5; i++)
        put_one(world, ids[i], ids[i], NULL, i % 2 ? "odd" : "even", (float)i + 1, NULL);
    struct store_row *rows;
    size_t count;
    expect_ok(world, store_list(world->store, world->collection.key, NULL, NULL, 3, &world->arena,
                                &rows, &count, &world->err));
    assert_int_equal(count, 3);
    assert_string_equal(rows[0].id, "B");
    assert_string_equal(rows[1].id, "a");
    assert_string_equal(rows[2].id, "aa");
    assert_string_equal(rows[2].source.path, "even");
    expect_ok(world, store_list(world->store, world->collection.key, "aa", NULL, 3, &world->arena,
                                &rows, &count, &world->err));
    assert_int_equal(count, 2);
    assert_string_equal(rows[1].id, "\xC3\xA9");
    expect_ok(world, store_list(world->store, world->collection.key, NULL, "odd", 10, &world->arena,
                                &rows, &count, &world->err));
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].id, "B");
    assert_string_equal(rows[1].id, "a");
    expect_ok(world, store_list(world->store, world->collection.key, NULL, "none", 10,
                                &world->arena, &rows, &count, &world->err));
    assert_int_equal(count, 0);
}

static int check_and_teardown(void **state)
{
    struct world *world = *state;
    expect_ok(world, store_check(world->store, &world->err));
    return world_teardown(state);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, check_and_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_new_document_is_stored_with_all_that_was_given),
        WORLD_TEST(the_same_again_changes_nothing),
        WORLD_TEST(other_metadata_leaves_the_vectors),
        WORLD_TEST(another_text_replaces_the_passages),
        WORLD_TEST(a_known_text_under_another_id_reuses_its_vectors),
        WORLD_TEST(a_text_that_is_known_no_more_asks_for_a_new_plan),
        WORLD_TEST(a_plan_tells_what_a_put_would_do),
        WORLD_TEST(what_a_plan_asked_for_is_enough_for_the_put),
        WORLD_TEST(of_two_with_one_id_the_later_wins),
        WORLD_TEST(a_put_is_all_or_nothing),
        WORLD_TEST(bad_documents_are_refused_by_name),
        WORLD_TEST(a_text_may_hold_nul_bytes_and_be_empty),
        WORLD_TEST(a_document_has_many_passages),
        WORLD_TEST(passages_of_another_collection_are_not_fetched),
        WORLD_TEST(a_document_lives_as_long_as_a_source_claims_it),
        WORLD_TEST(an_add_without_a_source_outlives_every_file),
        WORLD_TEST(a_line_that_moved_is_noted_anew),
        WORLD_TEST(lists_go_by_id_in_byte_order_page_by_page),
    };
    return cmocka_run_group_tests_name("storage: documents", tests, NULL, NULL);
}
