/* Tests of the model's identity and of the hashes that are remembered for it. */
#include <fcntl.h>
#include <time.h>

#include "base/pool.h"
#include "encoder/model/hash_cache.h"
#include "encoder/model/model.h"
#include "tests/unit/encoder/golden_copy.h"

static char cache[] = "/tmp/sbertd-cache-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(cache) ? setenv("XDG_CACHE_HOME", cache, 1) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(cache, golden_copy_drop_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void fingerprint_of(const struct golden_copy *copy, char ret_hex[DIGEST_HEX_SIZE])
{
    struct err err;
    struct model *model = NULL;
    if (model_open(&model, copy->folder, &err) < 0)
        fail_msg("%s", err.message);
    memcpy(ret_hex, model->fingerprint, DIGEST_HEX_SIZE);
    model_close(model);
}

static void a_model_is_the_same_wherever_it_stands(void **state)
{
    (void)state;
    char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];
    struct golden_copy first = golden_copy_make("mean-64"), second = golden_copy_make("mean-64");
    golden_copy_write(&second, "README.md", "words about it");
    golden_copy_write(&second, "vocab.txt", "tokenizer.json is what is read");
    fingerprint_of(&first, a);
    fingerprint_of(&second, b);
    assert_string_equal(a, b);
    golden_copy_drop(&first);
    golden_copy_drop(&second);
}

static void what_document_vectors_depend_on_changes_it(void **state)
{
    (void)state;
    static const struct {
        const char *file, *old, *new;
        bool changes;
    } edits[] = {
        {"tokenizer.json", "\"awesome\": 106", "\"awesomf\": 106", true},
        {"1_Pooling/config.json", "\"cls\"", "\"mean\"", true},
        {"tokenizer_config.json", "\"model_max_length\": 32", "\"model_max_length\": 31", true},
        {"config.json", "\"gelu\"", "\"relu\"", true},
        {"config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 2", true},
        {"config_sentence_transformers.json", "\"document\": \"\"", "\"document\": \"doc: \"",
         true},
        {"config_sentence_transformers.json", "\"query\": \"\"", "\"query\": \"ask: \"", false},
        {"config_sentence_transformers.json", "\"cosine\"", "\"dot\"", false},
        {"config.json", "\"use_cache\"", "\"use_no_cache\"", false},
    };
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];
    struct golden_copy plain = golden_copy_make("cls-32");
    fingerprint_of(&plain, before);
    golden_copy_drop(&plain);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct golden_copy copy = golden_copy_make("cls-32");
        golden_copy_edit(&copy, edits[i].file, edits[i].old, edits[i].new);
        fingerprint_of(&copy, after);
        if ((strcmp(before, after) != 0) != edits[i].changes)
            fail_msg("%s: %s", edits[i].file, edits[i].new);
        golden_copy_drop(&copy);
    }
}

static void one_changed_weight_changes_it(void **state)
{
    (void)state;
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];
    struct golden_copy copy = golden_copy_make("cls-32");
    fingerprint_of(&copy, before);
    char *path = golden_copy_path(&copy, "model.safetensors");
    FILE *file = fopen(path, "r+e");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    assert_int_equal(fputc(0x11, file), 0x11);
    assert_int_equal(fclose(file), 0);
    fingerprint_of(&copy, after);
    assert_string_not_equal(before, after);
    free(path);
    golden_copy_drop(&copy);
}

/* --- remembered hashes --- */

enum { LARGE = 2 << 20 };
static const char cache_file[] = "sbertd/hashes.json";

/* A large file in `copy`, last changed `age` seconds ago. */
static char *make_large(const struct golden_copy *copy, char fill, time_t age)
{
    char *path = golden_copy_path(copy, "large"), *data = malloc(LARGE);
    assert_non_null(data);
    memset(data, fill, LARGE);
    assert_int_equal(file_write(path, data, LARGE, 0644, NULL), 0);
    free(data);
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= age;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return path;
}

static char *read_cache_file(void)
{
    char *path = file_join(cache, cache_file), *data = NULL;
    size_t size;
    if (file_read(&data, &size, path, 1 << 24, NULL) < 0)
        data = NULL;
    free(path);
    return data;
}

static void write_cache_file(const char *text)
{
    char *path = file_join(cache, cache_file);
    assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
    free(path);
}

static void a_large_file_is_hashed_once(void **state)
{
    (void)state;
    char real[DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];
    struct golden_copy copy = golden_copy_make("cls-32");
    char *path = make_large(&copy, 'a', 3600);
    assert_int_equal(digest_file_hex(path, real, NULL), 0);
    assert_int_equal(hash_cache_file(path, hex, NULL), 0);
    assert_string_equal(hex, real);

    /* That the memory is used shows when it is wrong. */
    char *text = read_cache_file(), *place = text ? strstr(text, real) : NULL;
    assert_non_null(place);
    memset(place, '5', DIGEST_HEX_SIZE - 1);
    write_cache_file(text);
    assert_int_equal(hash_cache_file(path, hex, NULL), 0);
    assert_memory_equal(hex, "5555", 4);

    /* What is no hash is not believed. */
    memset(place, 'z', DIGEST_HEX_SIZE - 1);
    write_cache_file(text);
    assert_int_equal(hash_cache_file(path, hex, NULL), 0);
    assert_string_equal(hex, real);
    free(text);
    free(path);
    golden_copy_drop(&copy);
}

static void a_changed_file_is_hashed_again(void **state)
{
    (void)state;
    char first[DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE], real[DIGEST_HEX_SIZE];
    struct golden_copy copy = golden_copy_make("cls-32");
    char *path = make_large(&copy, 'a', 3600);
    assert_int_equal(hash_cache_file(path, first, NULL), 0);
    free(path);
    path = make_large(&copy, 'b', 1800);
    assert_int_equal(hash_cache_file(path, hex, NULL), 0);
    assert_int_equal(digest_file_hex(path, real, NULL), 0);
    assert_string_equal(hex, real);
    assert_string_not_equal(hex, first);
    free(path);
    golden_copy_drop(&copy);
}

static void a_file_that_just_changed_is_not_remembered(void **state)
{
    (void)state;
    const time_t ages[] = {0,
                           -8600000000}; /* nor one from a future beyond 64 bits of nanoseconds */
    for (int i = 0; i < 2; i++) {
        char hex[DIGEST_HEX_SIZE];
        struct golden_copy copy = golden_copy_make("cls-32");
        char *path = make_large(&copy, (char)('x' + i), ages[i]);
        assert_int_equal(hash_cache_file(path, hex, NULL), 0);
        char *text = read_cache_file();
        assert_true(!text || !strstr(text, hex));
        free(text);
        free(path);
        golden_copy_drop(&copy);
    }
}

static void a_damaged_cache_is_only_slower(void **state)
{
    (void)state;
    static const char *const damaged[] = {"",
                                          "{",
                                          "[]",
                                          "{\"version\": 2}",
                                          "{\"version\": 2, \"files\": []}",
                                          "{\"version\": 99, \"files\": {}}",
                                          "\xff\xfe"};
    char real[DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];
    struct golden_copy copy = golden_copy_make("cls-32");
    char *path = make_large(&copy, 'd', 3600);
    assert_int_equal(digest_file_hex(path, real, NULL), 0);
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        write_cache_file(damaged[i]);
        assert_int_equal(hash_cache_file(path, hex, NULL), 0);
        assert_string_equal(hex, real);
        char *text = read_cache_file(); /* and it is whole again */
        assert_non_null(strstr(text, real));
        free(text);
    }
    free(path);
    golden_copy_drop(&copy);
}

static void a_cache_that_cannot_be_is_only_slower(void **state)
{
    (void)state;
    char real[DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];
    struct golden_copy copy = golden_copy_make("cls-32");
    char *path = make_large(&copy, 'e', 3600);
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    assert_int_equal(digest_file_hex(path, real, NULL), 0);
    assert_int_equal(hash_cache_file(path, hex, NULL), 0);
    assert_string_equal(hex, real);
    setenv("XDG_CACHE_HOME", cache, 1);
    free(path);
    golden_copy_drop(&copy);
}

static void hash_again(void *argument, size_t i, int thread)
{
    char hex[DIGEST_HEX_SIZE];
    (void)i;
    (void)thread;
    if (hash_cache_file(argument, hex, NULL) < 0)
        abort();
}

static void writers_at_once_leave_a_whole_cache(void **state)
{
    (void)state;
    struct pool *pool;
    char hex[DIGEST_HEX_SIZE];
    struct golden_copy copy = golden_copy_make("cls-32");
    char *path = make_large(&copy, 'f', 3600);
    write_cache_file("");
    assert_int_equal(pool_open(&pool, 4, false, NULL), 0);
    pool_run(pool, 16, hash_again, path);
    pool_close(pool);
    assert_int_equal(hash_cache_file(path, hex, NULL), 0);
    char *text = read_cache_file();
    assert_non_null(strstr(text, hex));
    free(text);
    free(path);
    golden_copy_drop(&copy);
}

static void a_missing_file_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct err err;
    char hex[DIGEST_HEX_SIZE] = "untouched";
    assert_int_equal(hash_cache_file("/nowhere/model", hex, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/model"));
    assert_string_equal(hex, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_the_same_wherever_it_stands),
        cmocka_unit_test(what_document_vectors_depend_on_changes_it),
        cmocka_unit_test(one_changed_weight_changes_it),
        cmocka_unit_test(a_large_file_is_hashed_once),
        cmocka_unit_test(a_changed_file_is_hashed_again),
        cmocka_unit_test(a_file_that_just_changed_is_not_remembered),
        cmocka_unit_test(a_damaged_cache_is_only_slower),
        cmocka_unit_test(a_cache_that_cannot_be_is_only_slower),
        cmocka_unit_test(writers_at_once_leave_a_whole_cache),
        cmocka_unit_test(a_missing_file_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
