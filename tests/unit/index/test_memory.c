/* Tests of the process's memory, as the kernel counts it: no peak far above what an index takes in
 * the end, and all of it given back. Where the count of the peak cannot be set back, or a sanitizer
 * keeps memory of its own, they are skipped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/index/oracle.h"

enum { DIMENSION = 1024, COUNT = 20480, BATCH = 512 };

static const double MIB = 1 << 20, ROWS = (double)COUNT * DIMENSION * sizeof(float);
static const struct index_options OPTIONS = {.dimension = DIMENSION,
                                             .kind = INDEX_HNSW,
                                             .segment_size = COUNT,
                                             .M = 4,
                                             .ef_construction = 8};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HAS_SANITIZER = 1 };
#elif defined(__has_feature)
enum { HAS_SANITIZER = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#else
enum { HAS_SANITIZER = 0 };
#endif

/* Bytes: of VmRSS, or of VmHWM, the most since watch_peak. */
static double memory(const char *field)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = atof(line + strlen(field) + 1);
    fclose(file);
    return kib * 1024;
}

/* Forgets the peak so far, and returns what is in use. */
static double watch_peak(void)
{
    FILE *file = HAS_SANITIZER ? NULL : fopen("/proc/self/clear_refs", "w");
    bool done = file && fputs("5", file) >= 0;
    if (!file || fclose(file) != 0 || !done)
        skip();
    return memory("VmRSS");
}

static void add(struct vector_index *index, int64_t first, size_t count)
{
    struct random_numbers random = {(uint64_t)first};
    float *vectors = calloc(BATCH * DIMENSION, sizeof *vectors);
    int64_t ids[BATCH];
    struct err err;
    assert_non_null(vectors);
    for (size_t done = 0; done < count; done += BATCH) {
        random_clustered(&random, 10, 40, BATCH, DIMENSION, vectors);
        for (size_t i = 0; i < BATCH; i++)
            ids[i] = first + (int64_t)(done + i);
        assert_int_equal(index_apply(index, ids, vectors, BATCH, NULL, 0, 1, &err), 0);
    }
    free(vectors);
}

static void maintain_all(struct vector_index *index)
{
    struct err err;
    for (bool worked = true; worked;)
        assert_int_equal(index_maintain(index, &worked, NULL, &err), 0);
}

static struct vector_index *new_index(struct index_options options)
{
    struct vector_index *index;
    struct err err;
    assert_int_equal(index_create(&index, &options, &err), 0);
    return index;
}

static void a_graph_that_grows_does_not_hold_its_rows_twice(void **state)
{
    (void)state;
    double before = watch_peak();
    struct vector_index *index = new_index(OPTIONS);
    add(index, 1, COUNT);
    maintain_all(index);
    assert_true(memory("VmRSS") - before >= ROWS);
    assert_true(memory("VmHWM") - before < 1.15 * ROWS);
    index_free(index);
}

static void a_compaction_takes_one_segment_s_memory_and_gives_the_space_back(void **state)
{
    (void)state;
    enum { SEGMENT = 4096 };
    struct index_options options = OPTIONS;
    struct err err;
    options.segment_size = SEGMENT;
    watch_peak();
    struct vector_index *index = new_index(options);
    add(index, 1, COUNT);
    maintain_all(index);
    double before = watch_peak();
    for (int64_t id = 1; id <= COUNT; id++)
        if (id % 2)
            assert_int_equal(index_apply(index, NULL, NULL, 0, &id, 1, 2, &err), 0);
    maintain_all(index);
    assert_true(memory("VmHWM") - before < 0.3 * ROWS);
    assert_true(memory("VmRSS") < before - 0.45 * ROWS);
    index_free(index);
}

static void an_index_is_loaded_without_a_second_copy_and_freed_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/sbertd-memory-XXXXXX";
    struct err err;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct vector_index *index = new_index(OPTIONS), *loaded;
    add(index, 1, COUNT);
    maintain_all(index);
    assert_int_equal(index_save(index, path, "a model", &err), 0);
    index_free(index);

    double before = watch_peak();
    int r = index_load(&loaded, path, "a model", &OPTIONS, &err);
    unlink(path);
    assert_int_equal(r, 0);
    assert_true(memory("VmRSS") - before >= ROWS);
    assert_true(memory("VmHWM") - before < 1.25 * ROWS);
    index_free(loaded);
    assert_true(memory("VmRSS") - before < 4 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_that_grows_does_not_hold_its_rows_twice),
        cmocka_unit_test(a_compaction_takes_one_segment_s_memory_and_gives_the_space_back),
        cmocka_unit_test(an_index_is_loaded_without_a_second_copy_and_freed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
