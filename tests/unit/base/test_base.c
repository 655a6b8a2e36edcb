/* Tests of base: errors, buffers, arenas, files, digests, UTF-8, JSON, the pool. */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cpu.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/utf8.h"
#include "tests/test.h"

static void an_error_carries_code_reason_and_context(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set_errno(&err, ENOSPC, "cannot write %s", "x"), ERR_NO_SPACE);
    assert_string_equal(err.message, "cannot write x: No space left on device");
    assert_int_equal(err_prefix(&err, "adding"), ERR_NO_SPACE);
    assert_string_equal(err.message, "adding: cannot write x: No space left on device");
    assert_int_equal(err_set(NULL, ERR_INVALID, "nobody listens"), ERR_INVALID);
    assert_string_equal(err_code_name(ERR_NOT_FOUND), "not_found");
}

static void a_long_message_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err err = {0};
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&err, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    err_prefix(&err, "before");
    assert_memory_equal(err.message, "before: aaa", 11);
}

static void a_buffer_grows_and_stays_a_string(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&buf, "%d,", i), 0);
    assert_int_equal(strlen(buf.data), buf.size);
    assert_memory_equal(buf.data, "0,1,2,", 6);
    assert_int_equal(buf_reserve(&buf, (size_t)-2), ERR_MEMORY);
    buf_clear(&buf);
    assert_string_equal(buf.data, "");
    buf_release(&buf);
}

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t i = 1; i < 300; i++) {
        unsigned char *memory = arena_alloc(&arena, i, 7);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % sizeof(double), 0);
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(memory[j], 0);
        memset(memory, 0xFF, i * 7);
    }
    assert_null(arena_alloc(&arena, (size_t)-1 / 2, 16));
    arena_release(&arena);
}

static char *temporary_folder(void)
{
    char *folder = strdup("/tmp/sbertd-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void a_file_is_replaced_whole_or_not_at_all(void **state)
{
    (void)state;
    struct err err;
    char *folder = temporary_folder();
    char *path = file_join(folder, "f");
    char *data;
    size_t size;

    assert_int_equal(file_write(path, "old", 3, 0600, &err), 0);
    struct file_replace replace;
    assert_int_equal(file_replace_begin(&replace, path, 0600, &err), 0);
    fputs("half", replace.stream);
    file_replace_abort(&replace);
    assert_int_equal(file_read(&data, &size, path, 100, &err), 0);
    assert_string_equal(data, "old");
    free(data);
    assert_int_equal(file_write(path, "newer", 5, 0600, &err), 0);
    assert_int_equal(file_read(&data, &size, path, 100, &err), 0);
    assert_string_equal(data, "newer");
    free(data);
    assert_int_equal(file_read(&data, &size, path, 4, &err), ERR_LIMIT);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* no temporary file was left */
    free(path);
    free(folder);
}

static void a_write_that_nobody_checked_fails_the_commit(void **state)
{
    (void)state;
    struct err err;
    struct file_replace replace;
    struct rlimit old, tight;
    char *folder = temporary_folder(), *path = file_join(folder, "f");
    static const char much[1 << 16];

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = (struct rlimit){.rlim_cur = 1, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(file_replace_begin(&replace, path, 0600, &err), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    fwrite(much, 1, sizeof much, replace.stream);
    assert_int_equal(file_write(path, much, sizeof much, 0600, &err), ERR_IO);
    assert_non_null(strstr(err.message, strerror(EFBIG)));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    errno = 0;
    assert_int_equal(file_replace_commit(&replace, &err), ERR_IO);
    assert_null(strstr(err.message, strerror(0)));
    assert_int_equal(rmdir(folder), 0);
    free(path);
    free(folder);
}

static void missing_and_odd_files_are_named(void **state)
{
    (void)state;
    struct err err;
    struct file_map map;
    assert_int_equal(file_map(&map, "/nonexistent/x", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/x"));
    assert_int_equal(file_map(&map, "/tmp", &err), ERR_INVALID);
    assert_int_equal(file_write("/nonexistent/x", "", 0, 0600, &err), ERR_NOT_FOUND);
    assert_int_equal(file_make_folder("", 0700, &err), ERR_INVALID);
}

static void a_pipe_is_refused_without_waiting_for_a_writer(void **state)
{
    (void)state;
    struct err err;
    struct file_map map;
    char *folder = temporary_folder();
    char *path = file_join(folder, "model.safetensors");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_map(&map, path, &err), ERR_INVALID);
    unlink(path);
    rmdir(folder);
    free(path);
    free(folder);
}

static void sha256_matches_the_standard_example(void **state)
{
    (void)state;
    char hex[DIGEST_HEX_SIZE];
    struct err err;
    const char *abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_int_equal(digest_bytes_hex("abc", 3, hex, &err), 0);
    assert_string_equal(hex, abc);
}

static void every_code_point_survives_utf8(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char bytes[4];
        uint32_t back = 0;
        size_t size = utf8_encode(c, bytes);
        size_t used = utf8_decode(bytes, size, &back);
        if (c >= 0xD800 && c <= 0xDFFF) {
            assert_int_equal(used, 0);
        } else {
            assert_int_equal(used, size);
            assert_int_equal(back, c);
        }
    }
}

static void broken_utf8_is_found_and_mended(void **state)
{
    (void)state;
    size_t bad = 99;
    const char *overlong = "ab\xC0\xAF";
    assert_false(utf8_valid(overlong, 4, &bad));
    assert_int_equal(bad, 2);
    assert_false(utf8_valid("\xE2\x82", 2, &bad));
    assert_false(utf8_valid("\xF4\x90\x80\x80", 4, &bad));
    struct buf buf = {0};
    /* A cut sequence is one replacement, as the Unicode Standard's example in 3.9 has it. */
    assert_int_equal(utf8_mend(&buf,
                               "a\xF1\x80\x80\xE1\x80\xC2"
                               "b",
                               8),
                     0);
    assert_string_equal(buf.data, "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                                  "b");
    buf_release(&buf);
}

static void bad_json_says_where(void **state)
{
    (void)state;
    struct err err;
    json_t *json;
    assert_int_equal(json_parse(&json, "{\n \"a\": tru}", 12, "the body", &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "the body"));
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(json_parse(&json, "{\"a\":1,\"a\":2}", 13, "the body", &err), ERR_INVALID);
}

static void a_file_may_say_no_limit_as_a_huge_integer(void **state)
{
    (void)state;
    struct err err;
    json_t *json = NULL;
    char *folder = temporary_folder(), *path = file_join(folder, "f");
    const char *text = "{\"model_max_length\": 1000000000000000019884624838656}";
    assert_int_equal(json_parse(&json, text, strlen(text), "a request", &err), ERR_INVALID);
    assert_int_equal(file_write(path, text, strlen(text), 0600, &err), 0);
    assert_int_equal(json_read_object(&json, path, 100, &err), 0);
    assert_true(json_number_value(json_object_get(json, "model_max_length")) == 1e30);
    json_decref(json);
    assert_int_equal(file_write(path, "[", 1, 0600, &err), 0);
    assert_int_equal(json_read_object(&json, path, 100, NULL), ERR_CORRUPT);
    unlink(path);
    rmdir(folder);
    free(path);
    free(folder);
}

static void add_one(void *argument, size_t i, int thread)
{
    (void)thread;
    atomic_int *counts = argument;
    atomic_fetch_add(&counts[i], 1);
}

static void a_pool_does_every_task_once(void **state)
{
    (void)state;
    enum { TASKS = 1000 };
    static atomic_int counts[TASKS];
    struct err err;
    for (int threads = 1; threads <= 4; threads++) {
        struct pool *pool;
        assert_int_equal(pool_open(&pool, threads, threads == 3, &err), 0);
        for (int round = 0; round < 50; round++) {
            memset(counts, 0, sizeof counts);
            pool_run(pool, TASKS, add_one, counts);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(counts[i], 1);
        }
        pool_close(pool);
    }
    assert_true(cpu_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_carries_code_reason_and_context),
        cmocka_unit_test(a_long_message_is_cut_not_overrun),
        cmocka_unit_test(a_buffer_grows_and_stays_a_string),
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(a_file_is_replaced_whole_or_not_at_all),
        cmocka_unit_test(a_write_that_nobody_checked_fails_the_commit),
        cmocka_unit_test(missing_and_odd_files_are_named),
        cmocka_unit_test(a_pipe_is_refused_without_waiting_for_a_writer),
        cmocka_unit_test(sha256_matches_the_standard_example),
        cmocka_unit_test(every_code_point_survives_utf8),
        cmocka_unit_test(broken_utf8_is_found_and_mended),
        cmocka_unit_test(bad_json_says_where),
        cmocka_unit_test(a_file_may_say_no_limit_as_a_huge_integer),
        cmocka_unit_test(a_pool_does_every_task_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
