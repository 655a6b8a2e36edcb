/* Tests of snapshots: what is saved comes back; what is cut off, altered or of something else is
 * refused and never believed; a write that fails leaves the old snapshot standing. */

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "index/snapshot.h"
#include "tests/unit/index/oracle.h"

enum { DIMENSION = 8, COUNT = 1000, SEGMENT = 400, SKIP = 77 };

static const char FINGERPRINT[] = "a-model's-fingerprint";
static const struct index_options OPTIONS = {.dimension = DIMENSION,
                                             .precision = INDEX_PRECISION_F32,
                                             .segment_size = SEGMENT,
                                             .flat_limit = COUNT / 2,
                                             .ef_search = 10};

struct fixture {
    char folder[64];
    char *path;
    struct vector_index *index;
    struct oracle oracle;
    float *vectors;
};

/* An index of two segments, the first with a graph, and a tail, each with some tombstones. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct random_numbers random = {7};
    int64_t ids[COUNT], gone[COUNT];
    size_t removed = 0;
    bool worked;
    struct err err = {0};

    snprintf(f->folder, sizeof f->folder, "/tmp/sbertd-snapshot-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->path = file_join(f->folder, "index");
    f->vectors = calloc(COUNT * DIMENSION, sizeof *f->vectors);
    f->oracle.dimension = DIMENSION;
    random_clustered(&random, 3, 20, COUNT, DIMENSION, f->vectors);
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = (int64_t)i * 3 + 1;
        oracle_add(&f->oracle, ids[i], f->vectors + i * DIMENSION);
    }
    for (size_t i = 5; i < COUNT; i += 10)
        gone[removed++] = ids[i];
    for (size_t i = 0; i < removed; i++)
        oracle_remove(&f->oracle, gone[i]);
    assert_int_equal(index_create(&f->index, &OPTIONS, &err), 0);
    assert_int_equal(index_apply(f->index, ids, f->vectors, COUNT, NULL, 0, 41, &err), 0);
    assert_int_equal(index_maintain(f->index, &worked, NULL, &err), 0);
    assert_int_equal(index_apply(f->index, NULL, NULL, 0, gone, removed, 42, &err), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    index_free(f->index);
    oracle_release(&f->oracle);
    unlink(f->path);
    assert_int_equal(rmdir(f->folder), 0); /* nothing else was left behind */
    free(f->path);
    free(f->vectors);
    free(f);
    return 0;
}

static int load(const struct fixture *f, struct vector_index **ret_index, struct err *err)
{
    return index_load(ret_index, f->path, FINGERPRINT, &OPTIONS, err);
}

static void save(const struct fixture *f)
{
    struct err err = {0};
    assert_int_equal(index_save(f->index, f->path, FINGERPRINT, &err), 0);
}

static void what_is_saved_comes_back(void **state)
{
    struct fixture *f = *state;
    struct vector_index *loaded = NULL;
    struct index_stats before, after;
    struct err err = {0};
    const struct index_search_options exact = {.top_k = 10, .exact = true}, near = {.top_k = 10};

    save(f);
    assert_int_equal(load(f, &loaded, &err), 0);
    index_get_stats(f->index, &before);
    index_get_stats(loaded, &after);
    assert_int_equal(before.graph_segments, 1);
    assert_int_equal(before.live, after.live);
    assert_int_equal(before.tombstones, after.tombstones);
    assert_int_equal(before.segments, after.segments);
    assert_int_equal(before.graph_segments, after.graph_segments);
    assert_int_equal(before.tail, after.tail);
    assert_int_equal(after.sequence, 42);
    check_search(&f->oracle, loaded, f->vectors, 50, &exact);
    assert_true(check_search(&f->oracle, loaded, f->vectors, 50, &near) > 0.9);
    /* And it goes on: adds, removals and graphs as before. */
    const int64_t id = 900000;
    bool worked;
    assert_int_equal(index_apply(loaded, &id, f->vectors, 1, &id, 0, 43, &err), 0);
    oracle_add(&f->oracle, id, f->vectors);
    assert_int_equal(index_maintain(loaded, &worked, NULL, &err), 0);
    assert_true(worked);
    check_search(&f->oracle, loaded, f->vectors, 50, &exact);
    index_free(loaded);
}

static void an_empty_index_is_saved_too(void **state)
{
    struct fixture *f = *state;
    struct vector_index *empty = NULL, *loaded = NULL;
    struct index_stats stats;
    struct err err = {0};
    assert_int_equal(index_create(&empty, &OPTIONS, &err), 0);
    assert_int_equal(index_save(empty, f->path, "", &err), 0);
    assert_int_equal(index_load(&loaded, f->path, "", &OPTIONS, &err), 0);
    index_get_stats(loaded, &stats);
    assert_int_equal(stats.live, 0);
    index_free(empty);
    index_free(loaded);
}

static void an_index_that_is_to_be_flat_takes_only_the_vectors_of_a_graph(void **state)
{
    struct fixture *f = *state;
    struct index_options flat = OPTIONS;
    struct vector_index *loaded = NULL;
    struct index_stats stats;
    struct err err = {0};
    const struct index_search_options options = {.top_k = 10};
    save(f);
    flat.kind = INDEX_FLAT;
    assert_int_equal(index_load(&loaded, f->path, FINGERPRINT, &flat, &err), 0);
    index_get_stats(loaded, &stats);
    assert_int_equal(stats.graph_segments, 0);
    assert_true(check_search(&f->oracle, loaded, f->vectors, 50, &options) >= 1);
    index_free(loaded);
}

static void what_belongs_to_something_else_is_refused(void **state)
{
    struct fixture *f = *state;
    struct vector_index *loaded = NULL;
    struct err err = {0};
    struct index_options other = OPTIONS;

    assert_int_equal(load(f, &loaded, &err), ERR_NOT_FOUND);
    save(f);
    assert_int_equal(index_load(&loaded, f->path, "another", &OPTIONS, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "model"));
    assert_non_null(strstr(err.message, f->path));
    other.dimension = DIMENSION + 1;
    assert_int_equal(index_load(&loaded, f->path, FINGERPRINT, &other, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "dimension"));
    other = OPTIONS;
    other.metric = METRIC_DOT;
    assert_int_equal(index_load(&loaded, f->path, FINGERPRINT, &other, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "metric"));
    assert_null(loaded);

    char longest[SNAPSHOT_FINGERPRINT_SIZE + 1];
    memset(longest, 'x', sizeof longest);
    longest[SNAPSHOT_FINGERPRINT_SIZE] = '\0';
    assert_int_equal(index_save(f->index, f->path, longest, &err), ERR_INVALID);
    longest[SNAPSHOT_FINGERPRINT_SIZE - 1] = '\0';
    assert_int_equal(index_save(f->index, f->path, longest, &err), 0);
    assert_int_equal(index_load(&loaded, f->path, longest, &OPTIONS, &err), 0);
    index_free(loaded);
}

/* Overwrites the snapshot in place, so that the fixture's file is the one that is loaded. */
static void put(const struct fixture *f, const char *data, size_t size)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void assert_corrupt(const struct fixture *f)
{
    struct vector_index *loaded = NULL;
    struct err err = {0};
    assert_int_equal(load(f, &loaded, &err), ERR_CORRUPT);
    assert_null(loaded);
    assert_true(strlen(err.message) > 0);
}

static void a_cut_off_snapshot_is_refused_at_every_length(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char *data;
    size_t size;
    save(f);
    assert_int_equal(file_read(&data, &size, f->path, 1 << 24, &err), 0);
    assert_true(size > 1000);
    for (size_t length = 0; length < size; length += length < 700 ? 1 : 509) {
        put(f, data, length);
        assert_corrupt(f);
    }
    put(f, data, size - 1);
    assert_corrupt(f);
    char *longer = calloc(1, size + 64);
    memcpy(longer, data, size);
    put(f, longer, size + 64);
    assert_corrupt(f);
    free(longer);
    free(data);
}

static void an_altered_byte_is_noticed_anywhere(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char *data;
    size_t size;
    save(f);
    assert_int_equal(file_read(&data, &size, f->path, 1 << 24, &err), 0);
    for (size_t at = 0; at < size; at += at < 600 ? 1 : 211) {
        data[at] ^= 0x10;
        put(f, data, size);
        assert_corrupt(f);
        data[at] ^= 0x10;
    }
    put(f, data, size);
    struct vector_index *loaded = NULL;
    assert_int_equal(load(f, &loaded, &err), 0);
    index_free(loaded);
    free(data);
}

/* Alters one field and makes the checksums over it right again, but for one that is altered itself.
 */
static void put_with_checksums(const struct fixture *f, const char *data, size_t size, size_t at,
                               unsigned char flip)
{
    char *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    copy[at] = (char)(copy[at] ^ flip);
    struct snapshot_header *header = (void *)copy;
    struct snapshot_part *first = snapshot_table(header);
    if (at != sizeof *header + offsetof(struct snapshot_part, checksum) && first->offset < size &&
        snapshot_padded(first->size) <= size - first->offset)
        first->checksum = snapshot_part_checksum(first, copy + first->offset);
    if (header->part_count < 100)
        header->checksum = snapshot_checksum(header);
    put(f, copy, size);
    free(copy);
}

static void a_right_checksum_over_nonsense_is_not_believed(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char *data;
    size_t size;
    save(f);
    assert_int_equal(file_read(&data, &size, f->path, 1 << 24, &err), 0);
    const size_t part = sizeof(struct snapshot_header);
    const size_t fields[] = {
        offsetof(struct snapshot_header, magic),
        offsetof(struct snapshot_header, version),
        offsetof(struct snapshot_header, part_count),
        offsetof(struct snapshot_header, file_size),
        offsetof(struct snapshot_header, dimension),
        offsetof(struct snapshot_header, metric),
        offsetof(struct snapshot_header, zero),
        offsetof(struct snapshot_header, fingerprint),
        offsetof(struct snapshot_header, flags) + 1,
        part + offsetof(struct snapshot_part, count),
        part + offsetof(struct snapshot_part, size),
        part + offsetof(struct snapshot_part, offset),
        part + offsetof(struct snapshot_part, flags),
        part + offsetof(struct snapshot_part, zero),
        part + offsetof(struct snapshot_part, checksum),
        part + offsetof(struct snapshot_part, dead_count),
        part + offsetof(struct snapshot_part, M),
        part + offsetof(struct snapshot_part, entry) + 2,
        offsetof(struct snapshot_header, precision),
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (int bit = 0; bit < 8; bit++) {
            put_with_checksums(f, data, size, fields[i], (unsigned char)(1 << bit));
            assert_corrupt(f);
        }
    free(data);
}

/* Files that the first version of the format wrote, of one segment with a graph, whose every tenth
 * vector is removed, and a tail. */
static void snapshots_of_the_first_version_are_read(void **state)
{
    enum { OLD_COUNT = 600 };
    static const struct {
        const char *path;
        enum index_metric metric;
    } files[] = {{"tests/golden/index/snapshot-v1-cosine", METRIC_COSINE},
                 {"tests/golden/index/snapshot-v1-dot", METRIC_DOT},
                 {"tests/golden/index/snapshot-v1-l2", METRIC_L2}};
    const struct index_search_options exact = {.top_k = 10, .exact = true}, near = {.top_k = 10};
    struct fixture *f = *state;
    struct err err = {0};
    float vectors[OLD_COUNT * DIMENSION];
    struct random_numbers random = {11};
    random_clustered(&random, 5, 10, OLD_COUNT, DIMENSION, vectors);
    for (size_t i = 0; i < 3; i++) {
        struct index_options options = OPTIONS;
        struct oracle oracle = {.metric = files[i].metric, .dimension = DIMENSION};
        struct vector_index *loaded = NULL, *again = NULL;
        struct index_stats stats;
        options.metric = files[i].metric;
        for (size_t j = 0; j < OLD_COUNT; j++)
            if (j % 10 != 5)
                oracle_add(&oracle, (int64_t)j * 3 + 1, vectors + j * DIMENSION);
        assert_int_equal(index_load(&loaded, files[i].path, "a model", &options, &err), 0);
        index_get_stats(loaded, &stats);
        assert_int_equal(stats.sequence, 42);
        assert_int_equal(stats.tombstones, OLD_COUNT / 10);
        assert_int_equal(stats.graph_segments, 1);
        assert_int_equal(stats.tail, 180);
        check_search(&oracle, loaded, vectors, 50, &exact);
        assert_true(check_search(&oracle, loaded, vectors, 50, &near) > 0.95);
        /* Written again it is of this version. */
        assert_int_equal(index_save(loaded, f->path, "a model", &err), 0);
        assert_int_equal(index_load(&again, f->path, "a model", &options, &err), 0);
        check_search(&oracle, again, vectors, 50, &exact);
        index_free(again);
        index_free(loaded);
        /* It suits every precision, and an index without graphs. */
        options.precision = INDEX_PRECISION_INT8;
        options.kind = INDEX_FLAT;
        assert_int_equal(index_load(&loaded, files[i].path, "a model", &options, &err), 0);
        index_get_stats(loaded, &stats);
        assert_int_equal(stats.live, OLD_COUNT * 9 / 10);
        assert_int_equal(stats.graph_segments, 0);
        index_free(loaded);
        oracle_release(&oracle);
    }
}

static void every_precision_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    for (enum index_precision p = INDEX_PRECISION_F32; p <= INDEX_PRECISION_INT8; p++)
        for (enum index_metric metric = METRIC_COSINE; metric <= METRIC_L2; metric++) {
            const struct index_options options = {.dimension = DIMENSION,
                                                  .metric = metric,
                                                  .kind = INDEX_HNSW,
                                                  .precision = p,
                                                  .segment_size = SEGMENT};
            struct index_options other = options;
            struct vector_index *index = NULL, *loaded = NULL;
            bool worked = true;
            int64_t ids[2][20];
            float scores[2][20];
            size_t counts[2];
            assert_int_equal(index_create(&index, &options, &err), 0);
            for (int64_t id = 1; id <= COUNT; id++)
                assert_int_equal(index_apply(index, &id, f->vectors + (id - 1) * DIMENSION, 1, NULL,
                                             0, id, &err),
                                 0);
            while (worked)
                assert_int_equal(index_maintain(index, &worked, NULL, &err), 0);
            assert_int_equal(index_save(index, f->path, FINGERPRINT, &err), 0);
            assert_int_equal(index_load(&loaded, f->path, FINGERPRINT, &options, &err), 0);
            for (size_t q = 0; q < COUNT; q += 50) {
                const struct vector_index *both[] = {index, loaded};
                for (size_t i = 0; i < 2; i++) {
                    const struct index_search_options near = {.top_k = 20, .exact = q % 100 == 0};
                    assert_int_equal(index_search(both[i], f->vectors + q * DIMENSION, 1, &near,
                                                  ids[i], scores[i], &counts[i], &err),
                                     0);
                }
                assert_int_equal(counts[0], 20);
                assert_int_equal(counts[1], 20);
                assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
                assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
            }
            index_free(loaded);
            other.precision = p == INDEX_PRECISION_F32 ? INDEX_PRECISION_F16 : INDEX_PRECISION_F32;
            assert_int_equal(index_load(&loaded, f->path, FINGERPRINT, &other, &err), ERR_CORRUPT);
            index_free(index);
        }
}

static void a_write_that_fails_leaves_the_old_snapshot(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, small;
    struct vector_index *loaded = NULL;
    struct index_stats stats;
    struct err err = {0};
    const int64_t id = 999999;

    save(f);
    assert_int_equal(index_apply(f->index, &id, f->vectors, 1, NULL, 0, 50, &err), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (rlim_t limit = 0; limit < 100000; limit += limit < 600 ? 37 : 4999) {
        small = old;
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        int r = index_save(f->index, f->path, FINGERPRINT, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(r, ERR_IO);
        assert_non_null(strstr(err.message, "File too large"));
    }
    assert_int_equal(load(f, &loaded, &err), 0);
    index_get_stats(loaded, &stats);
    assert_int_equal(stats.sequence, 42);
    index_free(loaded);
}

/* In a child with a file system of its own that is too small; its exit status is the result. */
static int save_on_full_disk(const struct fixture *f)
{
    struct err err = {0};
    char target[96];
    struct vector_index *small = NULL, *loaded = NULL;
    struct index_stats stats;

    if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return SKIP;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", f->folder, "tmpfs", 0, "size=64k") < 0)
        return SKIP;
    snprintf(target, sizeof target, "%s/index", f->folder);
    if (index_create(&small, &OPTIONS, &err) < 0 ||
        index_save(small, target, FINGERPRINT, &err) < 0)
        return 1;
    if (index_save(f->index, target, FINGERPRINT, &err) != ERR_NO_SPACE)
        return 2;
    if (index_load(&loaded, target, FINGERPRINT, &OPTIONS, &err) < 0)
        return 3;
    index_get_stats(loaded, &stats);
    index_free(small);
    index_free(loaded);
    return stats.live == 0 && umount2(f->folder, MNT_DETACH) == 0 ? 0 : 4;
}

static void a_full_disk_is_reported_and_leaves_the_old_snapshot(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(save_on_full_disk(f));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIP) {
        print_message("skipped: a file system of one's own is not allowed here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_saved_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_index_is_saved_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_index_that_is_to_be_flat_takes_only_the_vectors_of_a_graph, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_belongs_to_something_else_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_cut_off_snapshot_is_refused_at_every_length, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_altered_byte_is_noticed_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_right_checksum_over_nonsense_is_not_believed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(snapshots_of_the_first_version_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_precision_comes_back_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_the_old_snapshot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_reported_and_leaves_the_old_snapshot, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
