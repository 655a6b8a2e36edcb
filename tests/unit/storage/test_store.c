/* Tests of the file as a whole: opening, migration, locks, collections, replay, space, threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/file.h"
#include "storage/internal.h"
#include "storage/schema.h"
#include "tests/unit/storage/fixture.h"

static void sql(const char *path, const char *statement)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* --- opening --- */

static void a_second_opening_is_refused_and_names_the_process(void **state)
{
    struct world *world = *state;
    struct store *second = NULL;
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(store_open(&second, world->path, &world->err), ERR_BUSY);
    assert_null(second);
    assert_non_null(strstr(world->err.message, pid));
}

static void a_file_of_a_newer_program_is_refused(void **state)
{
    struct world *world = *state;
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    world_close(world);
    sql(world->path, "PRAGMA user_version = 999");
    assert_int_equal(store_open(&world->store, world->path, &world->err), ERR_UNSUPPORTED);
    assert_non_null(strstr(world->err.message, "was written by a newer sbertd"));
    char statement[64];
    snprintf(statement, sizeof statement, "PRAGMA user_version = %zu", schema_step_count);
    sql(world->path, statement);
    world_reopen(world);
    assert_true(has_document(world, "a"));
}

static void a_file_that_is_no_store_is_refused_and_left_alone(void **state)
{
    struct world *world = *state;
    struct store *store = NULL;
    char path[128];
    char text[6000];
    memset(text, 'x', sizeof text);
    snprintf(path, sizeof path, "%s/other", world->folder);
    assert_int_equal(file_write(path, text, sizeof text, 0600, &world->err), 0);
    assert_int_equal(store_open(&store, path, &world->err), ERR_CORRUPT);
    assert_non_null(strstr(world->err.message, path));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, sizeof text);

    snprintf(path, sizeof path, "%s/foreign", world->folder);
    sql(path, "CREATE TABLE t (a)");
    assert_int_equal(store_open(&store, path, &world->err), ERR_CORRUPT);
    assert_non_null(strstr(world->err.message, "another program"));
    snprintf(path, sizeof path, "%s/folder", world->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store_open(&store, path, &world->err), ERR_IO);
    snprintf(path, sizeof path, "%s/missing/store", world->folder);
    assert_int_equal(store_open(&store, path, &world->err), ERR_NOT_FOUND);
}

static void a_damaged_file_is_found_out(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        put_one(world, id, id, NULL, NULL, 1, NULL);
    }
    world_close(world);
    struct stat status;
    assert_int_equal(stat(world->path, &status), 0);
    assert_true(status.st_size > 5 * 8192);
    int descriptor = open(world->path, O_WRONLY | O_CLOEXEC);
    char rubbish[8192];
    memset(rubbish, 0xAB, sizeof rubbish);
    for (off_t at = 2 * 8192; at < status.st_size; at += 8192)
        assert_int_equal(pwrite(descriptor, rubbish, sizeof rubbish, at), sizeof rubbish);
    close(descriptor);
    int r = store_open(&world->store, world->path, &world->err);
    if (r == 0)
        r = store_check(world->store, &world->err);
    assert_int_equal(r, ERR_CORRUPT);
    assert_non_null(strstr(world->err.message, world->path));
}

static void a_broken_promise_between_tables_is_found_out(void **state)
{
    struct world *world = *state;
    static const char *const damages[] = {
        "UPDATE collections SET documents = documents + 1",
        "UPDATE vectors SET vector = x'00'",
        "PRAGMA foreign_keys = OFF; DELETE FROM vectors",
        "UPDATE passages SET collection = collection + 1",
        "UPDATE passages SET byte_end = 1000",
        "UPDATE passages SET sequence = 1000",
        "INSERT INTO removals VALUES (1, 1000, 5)",
        "INSERT INTO removals VALUES (1, 1, 1)",
        "DELETE FROM claims",
        "UPDATE claims SET id = 'other'",
        "PRAGMA foreign_keys = OFF; DELETE FROM documents",
    };
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        char copy[128];
        char *bytes = NULL;
        size_t size = 0;
        world_close(world);
        expect_ok(world, file_read(&bytes, &size, world->path, 1 << 24, &world->err));
        snprintf(copy, sizeof copy, "%s/copy%zu", world->folder, i);
        expect_ok(world, file_write(copy, bytes, size, 0600, &world->err));
        free(bytes);
        sql(copy, damages[i]);
        struct store *store = NULL;
        expect_ok(world, store_open(&store, copy, &world->err));
        if (store_check(store, &world->err) != ERR_CORRUPT)
            fail_msg("not found out: %s", damages[i]);
        store_close(store);
        world_reopen(world);
    }
}

static void an_older_schema_is_migrated_forward_all_or_nothing(void **state)
{
    struct world *world = *state;
    struct connection connection;
    const char *steps[16] = {0};
    size_t count = schema_step_count;
    int64_t version = 0;
    assert_true(count + 2 <= 16);
    memcpy(steps, schema_steps, count * sizeof *steps);
    steps[count] = "ALTER TABLE documents ADD COLUMN extra INTEGER";
    steps[count + 1] = "this is not SQL";
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    world_close(world);
    expect_ok(world, connection_open_write(&connection, world->path, &world->err));
    assert_true(schema_migrate(&connection, steps, count + 2, &world->err) < 0);
    expect_ok(world, connection_number(&connection, "PRAGMA user_version", &version, &world->err));
    assert_int_equal(version, count);
    expect_ok(world, schema_migrate(&connection, steps, count + 1, &world->err));
    expect_ok(world,
              connection_number(&connection, "SELECT count(*) FROM documents WHERE extra IS NULL",
                                &version, &world->err));
    assert_int_equal(version, 1);
    connection_close(&connection);
    /* and this program is now the older one */
    assert_int_equal(store_open(&world->store, world->path, &world->err), ERR_UNSUPPORTED);
}

static void the_files_are_for_their_owner_alone(void **state)
{
    struct world *world = *state;
    char path[128];
    struct stat status;
    static const char *const suffixes[] = {"", "-wal", ".lock", ".reserve"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", world->path, suffixes[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    assert_true(store_bytes(world->store) > 0);
}

/* --- collections --- */

static void collections_are_made_found_and_listed_by_name(void **state)
{
    struct world *world = *state;
    struct store_collection other, found, *all;
    size_t count;
    world_create_collection(world, "B", &other);
    assert_true(other.key > world->collection.key);
    found = other;
    assert_int_equal(store_collection_create(world->store, &found, &world->err), ERR_CONFLICT);
    assert_int_equal(store_collection_find(world->store, "none", &found, &world->err),
                     ERR_NOT_FOUND);
    expect_ok(world, store_collection_find(world->store, "B", &found, &world->err));
    assert_int_equal(found.dimension, DIMENSION);
    assert_string_equal(found.model, "m");
    assert_string_equal(found.fingerprint, "f");
    assert_string_equal(found.precision, "f32");
    assert_string_equal(found.metric, "cosine");
    assert_string_equal(found.index, "auto");
    assert_true(found.created_at > 0);
    expect_ok(world, store_collection_list(world->store, &world->arena, &all, &count, &world->err));
    assert_int_equal(count, 2);
    assert_string_equal(all[0].name, "B");
    assert_string_equal(all[1].name, "c");
}

static void bad_collections_are_refused(void **state)
{
    struct world *world = *state;
    struct store_collection good = {.metric = "dot", .index = "flat", .dimension = 1};
    static const char *const names[] = {"", ".", "..", "a b", "a/b", "\xC3\xA9"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_false(store_name_valid(names[i]));
    assert_true(store_name_valid("a.B_9-"));
    char name[STORE_NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[STORE_NAME_MAX + 1] = '\0';
    assert_false(store_name_valid(name));
    assert_true(store_name_valid(name + 1));

    struct store_collection bad = good;
    assert_int_equal(store_collection_create(world->store, &bad, &world->err), ERR_INVALID);
    snprintf(good.name, sizeof good.name, "x");
    bad = good;
    bad.dimension = 0;
    assert_int_equal(store_collection_create(world->store, &bad, &world->err), ERR_INVALID);
    bad = good;
    bad.metric[0] = 'x';
    assert_int_equal(store_collection_create(world->store, &bad, &world->err), ERR_INVALID);
    bad = good;
    bad.index[0] = 'x';
    assert_int_equal(store_collection_create(world->store, &bad, &world->err), ERR_INVALID);
}

/* Puts `count` documents of some 2 KB each. */
static void put_many(struct world *world, int64_t collection, int first, int count)
{
    enum { SIZE = 2000 };
    struct made *made = calloc((size_t)count, sizeof *made);
    struct store_document *documents = calloc((size_t)count, sizeof *documents);
    enum store_state *did = calloc((size_t)count, sizeof *did);
    char(*texts)[SIZE + 1] = calloc((size_t)count, sizeof *texts);
    char(*ids)[16] = calloc((size_t)count, sizeof *ids);
    assert_true(made && documents && did && texts && ids);
    struct arena arena = {0};
    struct store_changes changes;
    for (int i = 0; i < count; i++) {
        memset(texts[i], 't', SIZE);
        snprintf(ids[i], sizeof ids[i], "%d", first + i);
        memcpy(texts[i], ids[i], strlen(ids[i]));
        documents[i] = *make_document(&made[i], ids[i], texts[i], NULL, "f", (float)(i + 1));
    }
    expect_ok(world, store_put(world->store, collection, documents, (size_t)count, did, &arena,
                               &changes, &world->err));
    arena_release(&arena);
    free(ids);
    free(texts);
    free(did);
    free(documents);
    free(made);
}

static void a_dropped_collection_gives_its_space_back(void **state)
{
    struct world *world = *state;
    struct store_collection big, again;
    put_one(world, "kept", "text", NULL, NULL, 1, NULL);
    int64_t before = store_bytes(world->store);
    world_create_collection(world, "big", &big);
    for (int i = 0; i < 4; i++)
        put_many(world, big.key, i * 1000, 1000);
    assert_true(store_bytes(world->store) > before + 4 * 1000 * 2000);
    expect_ok(world, store_collection_drop(world->store, big.key, &world->err));
    store_tidy(world->store);
    assert_true(store_bytes(world->store) < before + 200000);
    assert_int_equal(store_collection_drop(world->store, big.key, &world->err), ERR_NOT_FOUND);
    assert_int_equal(store_collection_find(world->store, "big", &again, &world->err),
                     ERR_NOT_FOUND);
    world_create_collection(world, "big", &again);
    assert_true(again.key > big.key);
    assert_true(has_document(world, "kept"));
    expect_ok(world, store_check(world->store, &world->err));
}

static void many_deletes_give_space_back_too(void **state)
{
    struct world *world = *state;
    const char *ids[1000];
    char names[1000][16];
    size_t deleted = 0;
    struct store_changes changes;
    for (int i = 0; i < 4; i++)
        put_many(world, world->collection.key, i * 1000, 1000);
    int64_t full = store_bytes(world->store);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 1000; j++) {
            snprintf(names[j], sizeof names[j], "%d", i * 1000 + j);
            ids[j] = names[j];
        }
        expect_ok(world, store_delete(world->store, world->collection.key, ids, 1000, "f", &deleted,
                                      &world->arena, &changes, &world->err));
        assert_int_equal(deleted, 1000);
        store_tidy(world->store);
    }
    assert_true(store_bytes(world->store) < full / 2);
    expect_ok(world, store_check(world->store, &world->err));
}

static void a_drop_that_was_cut_short_is_finished_at_the_next_opening(void **state)
{
    struct world *world = *state;
    struct store_collection *all;
    size_t count;
    put_many(world, world->collection.key, 0, 1000);
    delete_one(world, "7", NULL, NULL);
    world_close(world);
    sql(world->path, "UPDATE collections SET name = NULL");
    expect_ok(world, store_open(&world->store, world->path, &world->err));
    expect_ok(world, store_collection_list(world->store, &world->arena, &all, &count, &world->err));
    assert_int_equal(count, 0);
    world_create_collection(world, "c", &world->collection);
    assert_int_equal(world->collection.documents, 0);
    world_close(world);
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(world->path, &db), SQLITE_OK);
    static const char left[] =
        "SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM passages) + "
        "(SELECT count(*) FROM vectors) + (SELECT count(*) FROM claims) + "
        "(SELECT count(*) FROM sources) + (SELECT count(*) FROM removals) + "
        "(SELECT count(*) FROM collections WHERE name IS NULL)";
    assert_int_equal(sqlite3_prepare_v2(db, left, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* --- replay --- */

/* An index as simple as can be: the set of ids with the first number of their vectors. */
struct model_index {
    float values[4096]; /* by passage id; 0: not there */
    int64_t sequence;
    size_t batches, largest;
};

static int apply(void *argument, const struct store_changes *changes, struct err *err)
{
    struct model_index *index = argument;
    (void)err;
    for (size_t i = 0; i < changes->added_count; i++)
        index->values[changes->added[i]] = changes->vectors[i * DIMENSION];
    for (size_t i = 0; i < changes->removed_count; i++)
        index->values[changes->removed[i]] = 0;
    assert_true(changes->sequence >= index->sequence);
    index->sequence = changes->sequence;
    index->batches++;
    if (changes->added_count + changes->removed_count > index->largest)
        index->largest = changes->added_count + changes->removed_count;
    return 0;
}

static int replay(struct world *world, struct model_index *index, size_t batch)
{
    return store_replay(world->store, world->collection.key, DIMENSION, index->sequence, batch,
                        apply, index, &world->err);
}

static void a_replay_from_any_point_gives_the_same_index(void **state)
{
    struct world *world = *state;
    static struct model_index live, whole;
    static struct model_index from[40];
    struct store_changes changes;
    memset(&live, 0, sizeof live);
    memset(&whole, 0, sizeof whole);
    for (int step = 0; step < 40; step++) {
        char id[16], text[32];
        from[step] = live;
        snprintf(id, sizeof id, "%d", step * 7 % 10);
        snprintf(text, sizeof text, "text %d", step);
        if (step % 5 == 4)
            delete_one(world, id, NULL, &changes);
        else
            put_one(world, id, text, NULL, NULL, (float)step + 1, &changes);
        assert_int_equal(apply(&live, &changes, NULL), 0);
    }
    refresh(world);
    assert_int_equal(live.sequence, world->collection.sequence);
    expect_ok(world, replay(world, &whole, 3));
    assert_memory_equal(whole.values, live.values, sizeof live.values);
    assert_int_equal(whole.sequence, live.sequence);
    assert_true(whole.largest <= 3 && whole.batches > 1);
    for (int step = 0; step < 40; step++) {
        expect_ok(world, replay(world, &from[step], 1 + (size_t)step % 4));
        assert_memory_equal(from[step].values, live.values, sizeof live.values);
        assert_int_equal(from[step].sequence, live.sequence);
    }
}

/* A replay that ends early in the middle of a transaction must not claim it. */
static int apply_once(void *argument, const struct store_changes *changes, struct err *err)
{
    struct model_index *index = argument;
    if (index->batches)
        return err_set(err, ERR_CANCELLED, "enough");
    return apply(argument, changes, err);
}

static void a_replay_cut_short_can_be_taken_up_again(void **state)
{
    struct world *world = *state;
    static struct model_index index;
    memset(&index, 0, sizeof index);
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    put_many(world, world->collection.key, 0, 10);
    assert_int_equal(store_replay(world->store, world->collection.key, DIMENSION, 0, 4, apply_once,
                                  &index, &world->err),
                     ERR_CANCELLED);
    assert_int_equal(index.sequence, 1);
    expect_ok(world, replay(world, &index, 4));
    assert_int_equal(index.sequence, 2);
    int there = 0;
    for (size_t i = 0; i < 4096; i++)
        there += index.values[i] != 0;
    assert_int_equal(there, 11);
}

static void forgotten_removals_raise_the_floor_of_replay(void **state)
{
    struct world *world = *state;
    static struct model_index index, empty;
    int64_t floor = -1;
    memset(&index, 0, sizeof index);
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    delete_one(world, "a", NULL, NULL);
    put_one(world, "b", "other", NULL, NULL, 2, NULL);
    delete_one(world, "b", NULL, NULL);
    expect_ok(world, store_forget_removals(world->store, world->collection.key, 2, &world->err));
    expect_ok(world, store_replay_floor(world->store, world->collection.key, &floor, &world->err));
    assert_int_equal(floor, 2);
    index.sequence = 1;
    assert_int_equal(replay(world, &index, 8), ERR_CONFLICT);
    index.sequence = 9;
    assert_int_equal(replay(world, &index, 8), ERR_CONFLICT);
    index.sequence = 2;
    expect_ok(world, replay(world, &index, 8));
    assert_int_equal(index.sequence, 4);
    /* nothing is left, and the index learns up to where it holds it */
    memset(&empty, 0, sizeof empty);
    expect_ok(world, replay(world, &empty, 8));
    assert_int_equal(empty.sequence, 4);
    assert_int_equal(empty.largest, 0);
    /* an older snapshot takes nothing back, a newer one is not believed */
    expect_ok(world, store_forget_removals(world->store, world->collection.key, 1, &world->err));
    assert_int_equal(store_forget_removals(world->store, world->collection.key, 5, &world->err),
                     ERR_CONFLICT);
    expect_ok(world, store_replay_floor(world->store, world->collection.key, &floor, &world->err));
    assert_int_equal(floor, 2);
}

static void a_replay_of_another_dimension_is_refused(void **state)
{
    struct world *world = *state;
    static struct model_index index;
    put_one(world, "a", "text", NULL, NULL, 1, NULL);
    assert_int_equal(store_replay(world->store, world->collection.key, DIMENSION + 1, 0, 8, apply,
                                  &index, &world->err),
                     ERR_CORRUPT);
}

/* --- threads --- */

enum { WRITES = 60, READERS = 12 };

struct reading {
    struct world *world;
    atomic_int *done;
    const char *failure; /* set by the reader, looked at after it has ended */
};

static void *read_all_the_time(void *argument)
{
    struct reading *reading = argument;
    struct store *store = reading->world->store;
    int64_t key = reading->world->collection.key;
    size_t last = 0;
    struct err err = {0};
    do {
        struct arena arena = {0};
        struct store_row *rows = NULL;
        struct store_collection collection;
        size_t count = 0;
        if (store_list(store, key, NULL, NULL, 1000, &arena, &rows, &count, &err) < 0)
            reading->failure = "list";
        else if (count < last || count % 2)
            reading->failure = "half a put was seen, or less than before";
        last = count;
        if (store_collection_find(store, "c", &collection, &err) < 0)
            reading->failure = "find";
        else if (collection.documents % 2 || collection.documents < (int64_t)last)
            reading->failure = "counts";
        arena_release(&arena);
    } while (!atomic_load(reading->done) && !reading->failure);
    return NULL;
}

static void readers_see_whole_puts_while_they_are_made(void **state)
{
    struct world *world = *state;
    pthread_t threads[READERS];
    struct reading readings[READERS];
    atomic_int done = 0;
    for (int i = 0; i < READERS; i++) {
        readings[i] = (struct reading){world, &done, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &readings[i]), 0);
    }
    for (int i = 0; i < WRITES; i++)
        put_many(world, world->collection.key, i * 2, 2);
    atomic_store(&done, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < READERS; i++)
        if (readings[i].failure)
            fail_msg("%s", readings[i].failure);
}

struct writing {
    struct world *world;
    int first;
    int failed;
};

static void *write_some(void *argument)
{
    struct writing *writing = argument;
    for (int i = 0; i < 20; i++) {
        struct made made;
        char id[16];
        enum store_state did;
        struct store_changes changes;
        struct arena arena = {0};
        snprintf(id, sizeof id, "%d", writing->first + i);
        make_document(&made, id, id, NULL, NULL, 1);
        if (store_put(writing->world->store, writing->world->collection.key, &made.document, 1,
                      &did, &arena, &changes, NULL) < 0)
            writing->failed++;
        arena_release(&arena);
    }
    return NULL;
}

static void writers_take_turns(void **state)
{
    struct world *world = *state;
    pthread_t threads[4];
    struct writing writings[4];
    for (int i = 0; i < 4; i++) {
        writings[i] = (struct writing){world, i * 100, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, &writings[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(writings[i].failed, 0);
    refresh(world);
    assert_int_equal(world->collection.documents, 80);
    assert_int_equal(world->collection.sequence, 80);
    expect_ok(world, store_check(world->store, &world->err));
}

/* Takes the write lock twice and notes each time. */
struct turns {
    struct store *store;
    char name;
    char *noted; /* under the write lock */
};

static void *take_two_turns(void *argument)
{
    struct turns *turns = argument;
    for (int i = 0; i < 2; i++) {
        store_write_lock(turns->store);
        strncat(turns->noted, &turns->name, 1);
        store_write_unlock(turns->store);
    }
    return NULL;
}

static size_t waiting_writers(struct store *store)
{
    pthread_mutex_lock(&store->write_mutex);
    size_t waiting = (size_t)(store->next_ticket - store->served - 1);
    pthread_mutex_unlock(&store->write_mutex);
    return waiting;
}

static void a_writer_of_many_steps_lets_the_others_in_between(void **state)
{
    struct world *world = *state;
    char noted[8] = "";
    pthread_t threads[2];
    struct turns turns[] = {{world->store, 'a', noted}, {world->store, 'b', noted}};
    store_write_lock(world->store);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_two_turns, &turns[i]), 0);
        while (waiting_writers(world->store) < i + 1)
            sched_yield();
    }
    store_write_unlock(world->store);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(strncmp(noted, "ab", 2), 0);
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_second_opening_is_refused_and_names_the_process),
        WORLD_TEST(a_file_of_a_newer_program_is_refused),
        WORLD_TEST(a_file_that_is_no_store_is_refused_and_left_alone),
        WORLD_TEST(a_damaged_file_is_found_out),
        WORLD_TEST(a_broken_promise_between_tables_is_found_out),
        WORLD_TEST(an_older_schema_is_migrated_forward_all_or_nothing),
        WORLD_TEST(the_files_are_for_their_owner_alone),
        WORLD_TEST(collections_are_made_found_and_listed_by_name),
        WORLD_TEST(bad_collections_are_refused),
        WORLD_TEST(a_dropped_collection_gives_its_space_back),
        WORLD_TEST(many_deletes_give_space_back_too),
        WORLD_TEST(a_drop_that_was_cut_short_is_finished_at_the_next_opening),
        WORLD_TEST(a_replay_from_any_point_gives_the_same_index),
        WORLD_TEST(a_replay_cut_short_can_be_taken_up_again),
        WORLD_TEST(forgotten_removals_raise_the_floor_of_replay),
        WORLD_TEST(a_replay_of_another_dimension_is_refused),
        WORLD_TEST(readers_see_whole_puts_while_they_are_made),
        WORLD_TEST(writers_take_turns),
        WORLD_TEST(a_writer_of_many_steps_lets_the_others_in_between),
    };
    return cmocka_run_group_tests_name("storage: the store", tests, NULL, NULL);
}
