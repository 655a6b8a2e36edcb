/* Tests of packed weights on disk: what was written is read back, nothing else is taken for it, and
 * a folder that cannot be written, or a damaged file, costs no more than packing. */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "encoder/transformer/packed_weights.h"
#include "tests/test.h"

enum { SIZE = 100 * 64 };

static char folder[64];
static char *path;
static uint8_t key[DIGEST_SIZE];
static unsigned char weights[SIZE];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sbertd-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    path = weight_cache_path(folder, "f32", "generic");
    assert_non_null(path);
    for (size_t i = 0; i < SIZE; i++)
        weights[i] = (unsigned char)(i * i >> 3);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    free(path);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left in it */
    return 0;
}

static void write_file(void)
{
    struct weight_cache_writer writer;
    struct err err = {0};
    if (weight_cache_begin(&writer, path, key, &err) < 0 ||
        weight_cache_add(&writer, weights, 64, &err) < 0 ||
        weight_cache_add(&writer, weights + 64, SIZE - 64, &err) < 0 ||
        weight_cache_commit(&writer, &err) < 0)
        fail_msg("%s", err.message);
}

/* A file beside the packed weights that was last written `age` seconds ago; its name. */
static char *leave(const char *name, time_t age)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    char *file;
    assert_true(asprintf(&file, "%s/%s", folder, name) > 0);
    assert_int_equal(file_write(file, "x", 1, 0644, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    return file;
}

static void what_a_killed_writer_left_is_removed_by_the_next(void **state)
{
    (void)state;
    char *stale = leave("sbertd-int8-avx2.weights.tmp.aB3dE6", 7200);
    char *fresh = leave("sbertd-int8-avx2.weights.tmp.aB3dE7", 60);
    char *other = leave("notes.weights.tmp.aB3dE6", 7200);

    write_file();
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(unlink(fresh), 0);
    assert_int_equal(unlink(other), 0);
    free(stale);
    free(fresh);
    free(other);
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    struct weight_cache cache;
    struct err err = {0};

    assert_int_equal(weight_cache_open(&cache, path, key, SIZE, &err), ERR_NOT_FOUND);
    write_file();
    assert_int_equal(weight_cache_open(&cache, path, key, SIZE, &err), 0);
    assert_int_equal((uintptr_t)cache.weights % 64, 0);
    assert_memory_equal(cache.weights, weights, SIZE);
    weight_cache_close(&cache);
    weight_cache_close(&cache);
}

static void what_is_not_committed_does_not_appear(void **state)
{
    (void)state;
    struct weight_cache_writer writer;
    assert_int_equal(weight_cache_begin(&writer, path, key, NULL), 0);
    assert_int_equal(weight_cache_add(&writer, weights, SIZE, NULL), 0);
    assert_false(file_exists(path));
    weight_cache_abort(&writer);
    assert_false(file_exists(path));
}

static void every_damage_is_noticed(void **state)
{
    (void)state;
    struct err err = {0};
    char *data;
    size_t size;

    write_file();
    assert_int_equal(file_read(&data, &size, path, 1 << 20, &err), 0);
    assert_int_equal(weight_cache_check(data, size, key, SIZE, path, &err), 0);
    /* Between the two are zeros that nothing reads. */
    for (size_t i = 0; i < size; i = i == 63 ? WEIGHT_CACHE_HEAD_SIZE : i + 1) {
        data[i] ^= (char)(1 << i % 8);
        if (weight_cache_check(data, size, key, SIZE, path, &err) != ERR_CORRUPT)
            fail_msg("a bit of byte %zu was turned unseen", i);
        data[i] ^= (char)(1 << i % 8);
    }
    for (size_t cut = 1; cut <= size; cut += 61)
        assert_int_equal(weight_cache_check(data, size - cut, key, SIZE, path, &err), ERR_CORRUPT);
    assert_int_equal(weight_cache_check(data, size, key, SIZE - 64, path, &err), ERR_CORRUPT);
    key[7] ^= 1;
    assert_int_equal(weight_cache_check(data, size, key, SIZE, path, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "other weights"));
    key[7] ^= 1;
    free(data);
}

/* --- the weights of a model --- */

enum { HIDDEN = 256, INNER = 1024, LAYERS = 2 };

/* A model of layers alone; its numbers are all in `numbers`. */
static struct model *make_model(float **ret_numbers)
{
    size_t count = HIDDEN * INNER + INNER;
    float *numbers = calloc(count, sizeof *numbers);
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(numbers);
    assert_non_null(model);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
    model->folder = model->transformer_folder = folder;
    model->architecture = "bert";
    model->layers = LAYERS;
    model->hidden_size = HIDDEN;
    model->intermediate_size = INNER;
    memset(model->weights_fingerprint, 'a', DIGEST_HEX_SIZE - 1);
    model->layer = calloc(LAYERS, sizeof *model->layer);
    assert_non_null(model->layer);
    for (size_t i = 0; i < LAYERS; i++) {
        struct linear square = {numbers + i, numbers, HIDDEN, HIDDEN};
        struct transformer_layer *layer = &model->layer[i];
        layer->query = layer->key = layer->value = layer->attention_output = square;
        layer->intermediate = (struct linear){numbers, numbers, HIDDEN, INNER};
        layer->output = (struct linear){numbers, numbers, INNER, HIDDEN};
    }
    *ret_numbers = numbers;
    return model;
}

static void free_model(struct model *model, float *numbers)
{
    free(model->layer);
    free(model);
    free(numbers);
}

static void open_packed(struct packed_weights *packed, const struct model *model)
{
    struct err err = {0};
    if (packed_weights_open(packed, model, &kernels_generic, &matmul_packed, &err) < 0)
        fail_msg("%s", err.message);
}

/* Whether the mapped weights are those that a backend packs. */
static void check_contents(const struct packed_weights *packed, const struct model *model)
{
    const unsigned char *at = packed->cache.weights;
    for (size_t i = 0; i < LAYERS * LAYER_PRODUCTS; i++) {
        struct linear linears[LAYER_PRODUCT_MAX_LINEARS];
        size_t size,
            count = packed_weights_linears(&model->layer[i / LAYER_PRODUCTS],
                                           (enum layer_product)(i % LAYER_PRODUCTS), linears);
        assert_int_equal(
            matmul_packed_size(&matmul_packed, &kernels_generic, linears, count, &size, NULL), 0);
        void *wanted = aligned_alloc(MATMUL_ALIGNMENT, size);
        assert_non_null(wanted);
        matmul_pack(&matmul_packed, &kernels_generic, linears, count, wanted);
        assert_memory_equal(at, wanted, size);
        free(wanted);
        at += size;
    }
}

static void weights_are_packed_once_and_mapped_from_then_on(void **state)
{
    (void)state;
    struct packed_weights packed;
    float *numbers;
    struct model *model = make_model(&numbers);

    open_packed(&packed, model);
    assert_non_null(strstr(packed.source, "packed into"));
    check_contents(&packed, model);
    packed_weights_close(&packed);
    open_packed(&packed, model);
    assert_non_null(strstr(packed.source, "mapped from"));
    check_contents(&packed, model);
    packed_weights_close(&packed);
    free_model(model, numbers);
}

static void a_file_that_is_damaged_or_of_other_weights_is_made_anew(void **state)
{
    (void)state;
    struct packed_weights packed;
    float *numbers;
    struct model *model = make_model(&numbers);

    open_packed(&packed, model);
    packed_weights_close(&packed);
    assert_int_equal(truncate(path, 100000), 0);
    open_packed(&packed, model);
    assert_non_null(strstr(packed.source, "packed into"));
    check_contents(&packed, model);
    packed_weights_close(&packed);

    model->weights_fingerprint[0] = 'b';
    numbers[0] = 1000;
    open_packed(&packed, model);
    assert_non_null(strstr(packed.source, "packed into"));
    check_contents(&packed, model);
    packed_weights_close(&packed);
    free_model(model, numbers);
}

static void where_nothing_can_be_kept_the_reason_is_said(void **state)
{
    (void)state;
    char closed[] = "/proc/self/fdinfo"; /* a folder where nobody makes files */
    struct packed_weights packed;
    float *numbers;
    struct model *model = make_model(&numbers);

    model->transformer_folder = closed;
    open_packed(&packed, model);
    assert_null(packed.cache.weights);
    assert_non_null(strstr(packed.source, "in memory: "));
    assert_non_null(strstr(packed.source, "/proc/self/fdinfo"));
    packed_weights_close(&packed);

    model->transformer_folder = folder;
    model->layers = 1;
    model->layer[0].query.out = model->layer[0].intermediate.out = 8; /* few weights */
    model->layer[0].output.in = 8;
    open_packed(&packed, model);
    assert_null(packed.cache.weights);
    assert_false(file_exists(path));
    packed_weights_close(&packed);
    free_model(model, numbers);
}

static void processes_that_start_together_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { PROCESSES = 4 };
    pid_t children[PROCESSES];
    float *numbers;
    struct model *model = make_model(&numbers);
    struct packed_weights packed;

    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct err err = {0};
            int r = packed_weights_open(&packed, model, &kernels_generic, &matmul_packed, &err);
            _exit(r == 0 && packed.cache.weights ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    open_packed(&packed, model);
    assert_non_null(strstr(packed.source, "mapped from"));
    check_contents(&packed, model);
    packed_weights_close(&packed);
    free_model(model, numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_killed_writer_left_is_removed_by_the_next,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_was_written_is_read_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_not_committed_does_not_appear, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_damage_is_noticed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(weights_are_packed_once_and_mapped_from_then_on,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_is_damaged_or_of_other_weights_is_made_anew,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(where_nothing_can_be_kept_the_reason_is_said, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(processes_that_start_together_do_not_disturb_each_other,
                                        make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
