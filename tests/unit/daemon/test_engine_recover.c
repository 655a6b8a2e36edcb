/* Tests of the engine: restarts with snapshots that are good, gone, damaged or of something else.
 * Whatever they are, the answers are the same. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "engine_fixture.h"

enum { DIMENSION = 6 };

/* Documents first to last - 1, by number, with vectors made from their numbers. */
static void add_numbers(struct fixture *fixture, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        char id[24];
        float vector[DIMENSION];
        uint64_t random = i + 1;
        snprintf(id, sizeof id, "%zu", i);
        for (size_t j = 0; j < DIMENSION; j++)
            vector[j] = random_float(&random) + random_float(&random);
        const struct engine_document document = vector_document(id, id, vector, DIMENSION);
        fixture_add(fixture, "v", &document, 1);
    }
}

static void delete_number(struct fixture *fixture, size_t number)
{
    char id[24];
    const char *ids[] = {id};
    size_t deleted;
    snprintf(id, sizeof id, "%zu", number);
    assert_ok(fixture, engine_delete(fixture->engine, "v", ids, 1, NULL, &deleted, &fixture->err));
    assert_int_equal(deleted, 1);
}

/* A collection of 90 documents whose snapshot, from the close in the middle, knows 60. */
static void fill(struct fixture *fixture)
{
    fixture_put_vectors(fixture, "v", DIMENSION, "cosine");
    add_numbers(fixture, 0, 62);
    delete_number(fixture, 5);
    delete_number(fixture, 6);
    fixture_reopen(fixture);
    add_numbers(fixture, 62, 94);
    delete_number(fixture, 7);
    delete_number(fixture, 80);
}

static void assert_all_there(struct fixture *fixture, size_t documents)
{
    struct engine_collection collection;
    assert_ok(fixture, engine_collection_get(fixture->engine, "v", &collection, &fixture->err));
    assert_int_equal(collection.stored.documents, documents);
    assert_int_equal(collection.index_live, documents);
    assert_int_equal(collection.index_sequence, collection.stored.sequence);
    uint64_t random = 7;
    for (size_t round = 0; round < 5; round++) {
        float query[DIMENSION];
        for (size_t j = 0; j < DIMENSION; j++)
            query[j] = random_float(&random);
        assert_matches_oracle(fixture, "v", query, 20);
    }
}

static char *snapshot_path(struct fixture *fixture)
{
    struct engine_collection collection;
    assert_ok(fixture, engine_collection_get(fixture->engine, "v", &collection, &fixture->err));
    char *path = data_folder_snapshot(&fixture->engine->folder, collection.stored.key);
    assert_non_null(path);
    return path;
}

static void copy_file(const char *from, const char *to)
{
    char *data;
    size_t size;
    struct err err;
    assert_int_equal(file_read(&data, &size, from, 1 << 30, &err), 0);
    assert_int_equal(file_write(to, data, size, 0600, &err), 0);
    free(data);
}

static void closing_leaves_a_snapshot_and_nothing_is_replayed(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    fixture_reopen(fixture);
    assert_true(fixture_logged(fixture, "90 vectors ready, 0 changes replayed"));
    assert_all_there(fixture, 90);
}

/* Goes on from a copy of the folder as it is now, which is what a kill would leave. */
static void kill_and_reopen(struct fixture *fixture)
{
    const char *names[] = {"store.sqlite3", "store.sqlite3-wal", "index/1.snapshot"};
    char copy[] = "/tmp/sbertd-engine-XXXXXX", from[128], to[128];
    assert_non_null(mkdtemp(copy));
    snprintf(to, sizeof to, "%s/index", copy);
    assert_int_equal(mkdir(to, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(from, sizeof from, "%s/%s", fixture->folder, names[i]);
        snprintf(to, sizeof to, "%s/%s", copy, names[i]);
        copy_file(from, to);
    }
    fixture_close(fixture);
    nftw(fixture->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
    strcpy(fixture->folder, copy);
    buf_clear(&fixture->log);
    fixture_open(fixture, TINY_MODEL);
}

static void after_a_kill_the_last_snapshot_is_caught_up_by_replay(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    kill_and_reopen(fixture);
    /* 32 were added since, one of these deleted, and another: 31 come, 2 are noted as gone */
    assert_true(fixture_logged(fixture, "90 vectors ready, 33 changes replayed"));
    assert_false(fixture_logged(fixture, "built from the store"));
    assert_all_there(fixture, 90);
}

static void a_snapshot_older_than_the_store_remembers_is_not_believed(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    /* The second close saves anew, and the store forgets the removals before it. */
    char *path = snapshot_path(fixture), old[128];
    snprintf(old, sizeof old, "%s/old", fixture->folder);
    copy_file(path, old);
    fixture_close(fixture);
    copy_file(old, path);
    buf_clear(&fixture->log);
    fixture_open(fixture, TINY_MODEL);
    assert_true(fixture_logged(fixture, "older than what the store remembers"));
    assert_all_there(fixture, 90);
    free(path);
}

static void without_a_snapshot_the_index_comes_from_the_store(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    char *path = snapshot_path(fixture);
    fixture_close(fixture);
    assert_int_equal(unlink(path), 0);
    fixture_open(fixture, TINY_MODEL);
    assert_true(fixture_logged(fixture, "built from the store"));
    assert_all_there(fixture, 90);
    free(path);
}

static void a_damaged_snapshot_is_said_and_replaced(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    char *path = snapshot_path(fixture);
    for (size_t round = 0; round < 12; round++) {
        fixture_close(fixture);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        if (round % 2 == 0) {
            assert_int_equal(truncate(path, status.st_size * (off_t)round / 12), 0);
        } else {
            int file = open(path, O_RDWR);
            unsigned char byte;
            off_t place = status.st_size * (off_t)round / 12;
            assert_int_equal(pread(file, &byte, 1, place), 1);
            byte ^= 0x40;
            assert_int_equal(pwrite(file, &byte, 1, place), 1);
            close(file);
        }
        buf_clear(&fixture->log);
        fixture_open(fixture, TINY_MODEL);
        assert_true(fixture_logged(fixture, "built from the store"));
        assert_all_there(fixture, 90);
    }
    free(path);
}

static void a_snapshot_of_another_collection_is_not_believed(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    fixture_put_vectors(fixture, "w", DIMENSION, "cosine");
    const float vector[DIMENSION] = {1, 2, 3, 4, 5, 6};
    const struct engine_document document = vector_document("w", "w", vector, DIMENSION);
    fixture_add(fixture, "w", &document, 1);
    struct engine_collection other;
    assert_ok(fixture, engine_collection_get(fixture->engine, "w", &other, &fixture->err));
    char *path = snapshot_path(fixture);
    char *other_path = data_folder_snapshot(&fixture->engine->folder, other.stored.key);
    fixture_close(fixture);
    copy_file(other_path, path);
    fixture_open(fixture, TINY_MODEL);
    assert_all_there(fixture, 90);
    free(other_path);
    free(path);
}

static void a_snapshot_that_is_ahead_of_the_store_is_not_believed(void **state)
{
    struct fixture *fixture = *state;
    char store[128], backup[128];
    fill(fixture);
    char *path = snapshot_path(fixture);
    snprintf(store, sizeof store, "%s/store.sqlite3", fixture->folder);
    snprintf(backup, sizeof backup, "%s/backup", fixture->folder);
    fixture_close(fixture);
    copy_file(store, backup);
    fixture_open(fixture, TINY_MODEL);
    add_numbers(fixture, 100, 150);
    fixture_close(fixture);
    copy_file(backup, store);
    buf_clear(&fixture->log);
    fixture_open(fixture, TINY_MODEL);
    assert_true(fixture_logged(fixture, "newer than the store"));
    assert_all_there(fixture, 90);
    free(path);
}

static void files_that_belong_to_nothing_are_swept_away(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    char *path = snapshot_path(fixture), temporary[256], dropped[256], foreign[256];
    snprintf(temporary, sizeof temporary, "%s.tmp.a1b2c3", path);
    snprintf(dropped, sizeof dropped, "%s/index/4711.snapshot", fixture->folder);
    snprintf(foreign, sizeof foreign, "%s/index/notes.txt", fixture->folder);
    fixture_close(fixture);
    copy_file(path, temporary);
    copy_file(path, dropped);
    copy_file(path, foreign);
    fixture_open(fixture, TINY_MODEL);
    assert_true(file_exists(path));
    assert_false(file_exists(temporary));
    assert_false(file_exists(dropped));
    assert_true(file_exists(foreign));
    assert_all_there(fixture, 90);
    free(path);
}

static void an_opening_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    char *path = snapshot_path(fixture);
    fixture_close(fixture);
    assert_int_equal(unlink(path), 0);
    free(path);
    const volatile int cancel = 1;
    const struct engine_options options = {.data_folder = fixture->folder, .model = TINY_MODEL};
    assert_int_equal(engine_open(&fixture->engine, &options, &cancel, &fixture->err),
                     ERR_CANCELLED);
    assert_null(fixture->engine);
    fixture_open(fixture, TINY_MODEL);
    assert_all_there(fixture, 90);
}

/* What happens when the index finds no memory for what the store has committed. */
static void an_index_that_fell_behind_catches_up_by_itself(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    struct collection *collection;
    assert_ok(fixture, collection_take(fixture->engine, "v", &collection, &fixture->err));
    /* One change is kept from the index, and what follows waits for it. */
    pthread_mutex_lock(&collection->write);
    atomic_store(&collection->stale, true);
    pthread_mutex_unlock(&collection->write);
    add_numbers(fixture, 100, 110);
    const struct timespec moment = {.tv_nsec = 1000000};
    for (size_t i = 0; atomic_load(&collection->stale) && i < 20000; i++)
        nanosleep(&moment, NULL);
    assert_false(atomic_load(&collection->stale));
    assert_true(fixture_logged(fixture, "the index has caught up"));
    collection_release(fixture->engine, collection);
    assert_all_there(fixture, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(closing_leaves_a_snapshot_and_nothing_is_replayed),
        engine_test(after_a_kill_the_last_snapshot_is_caught_up_by_replay),
        engine_test(a_snapshot_older_than_the_store_remembers_is_not_believed),
        engine_test(without_a_snapshot_the_index_comes_from_the_store),
        engine_test(a_damaged_snapshot_is_said_and_replaced),
        engine_test(a_snapshot_of_another_collection_is_not_believed),
        engine_test(a_snapshot_that_is_ahead_of_the_store_is_not_believed),
        engine_test(files_that_belong_to_nothing_are_swept_away),
        engine_test(an_opening_can_be_cancelled),
        engine_test(an_index_that_fell_behind_catches_up_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
