/* Tests of what the daemon is told: precedence, the file, and mistakes with their places. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/settings.h"
#include "tests/test.h"

static char config[64];

static int set_up(void **state)
{
    (void)state;
    /* What tells cmocka how to report survives. */
    const char *kept = getenv("CMOCKA_MESSAGE_OUTPUT");
    char *output = kept ? strdup(kept) : NULL;
    clearenv();
    if (output)
        setenv("CMOCKA_MESSAGE_OUTPUT", output, 1);
    free(output);
    setenv("HOME", "/home/me", 1);
    snprintf(config, sizeof config, "/tmp/sbertd-settings-%d", (int)getpid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(config);
    return 0;
}

static void write_config(const char *text)
{
    assert_int_equal(file_write(config, text, strlen(text), 0600, NULL), 0);
    setenv("SBERTD_CONFIG", config, 1);
}

static void expect_error(const char *const given[SETTING_COUNT], const char *expected)
{
    struct settings settings;
    struct err err = {0};
    assert_int_equal(settings_load(&settings, given, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, expected));
}

static void nothing_said_means_the_defaults(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {0};
    struct settings settings;
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    assert_int_equal(settings.log_level, LOG_INFO);
    assert_int_equal(settings.socket_mode, 0600);
    assert_int_equal(settings.threads, 0);
    assert_false(settings.pull);
    assert_null(settings.model);
    assert_null(settings.log_file);
    assert_int_equal(settings.socket[0], '/');
    settings_release(&settings);
}

static void options_come_before_variables_and_these_before_the_file(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {[SETTING_SOCKET] = "/option"};
    struct settings settings;
    write_config("socket = /file\nmodel = file-model\nthreads = 3\n");
    setenv("SBERTD_SOCKET", "/variable", 1);
    setenv("SBERTD_MODEL", "variable-model", 1);
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    assert_string_equal(settings.socket, "/option");
    assert_string_equal(settings.model, "variable-model");
    assert_int_equal(settings.threads, 3);
    settings_release(&settings);
}

static void every_setting_can_stand_in_the_file(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {0};
    struct settings settings;
    write_config(
        "# all of them\n\n socket=/s\t\ndata-dir = /d e f\r\nmodel = m\nlog-level = debug\n"
        "log-file = /l\nthreads = 7\nprecision = f32\npull = yes\nsocket-mode = 0660\nsocket-group "
        "= g");
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    assert_string_equal(settings.socket, "/s");
    assert_string_equal(settings.data_folder, "/d e f");
    assert_string_equal(settings.model, "m");
    assert_int_equal(settings.log_level, LOG_DEBUG);
    assert_string_equal(settings.log_file, "/l");
    assert_int_equal(settings.threads, 7);
    assert_int_equal(settings.precision, PRECISION_F32);
    assert_true(settings.pull);
    assert_int_equal(settings.socket_mode, 0660);
    assert_string_equal(settings.socket_group, "g");
    settings_release(&settings);
}

static void paths_come_out_absolute_and_names_of_models_stay(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {[SETTING_SOCKET] = "s",
                                        [SETTING_DATA_DIR] = "a/b",
                                        [SETTING_MODEL] = "./models/x",
                                        [SETTING_RERANK_MODEL] = "./models/y"};
    struct settings settings;
    char *here = getcwd(NULL, 0), expected[512];
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    snprintf(expected, sizeof expected, "%s/a/b", here);
    assert_string_equal(settings.data_folder, expected);
    snprintf(expected, sizeof expected, "%s/./models/x", here);
    assert_string_equal(settings.model, expected);
    snprintf(expected, sizeof expected, "%s/./models/y", here);
    assert_string_equal(settings.rerank_model, expected);
    settings_release(&settings);
    given[SETTING_MODEL] = "all-MiniLM-L6-v2";
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    assert_string_equal(settings.model, "all-MiniLM-L6-v2");
    settings_release(&settings);
    free(here);
}

static void the_precision_is_one_that_has_a_name(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {0};
    struct settings settings;
    write_config("precision = bf16\n");
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    assert_int_equal(settings.precision, PRECISION_BF16);
    settings_release(&settings);
    assert_int_equal(settings.index_precision, INDEX_PRECISION_DEFAULT);
    given[SETTING_PRECISION] = "int8";
    given[SETTING_INDEX_PRECISION] = "f16";
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    assert_int_equal(settings.precision, PRECISION_INT8);
    assert_int_equal(settings.index_precision, INDEX_PRECISION_F16);
    char **arguments = settings_arguments(&settings, given);
    assert_non_null(arguments);
    int told = 0;
    for (char **each = arguments; *each; each++)
        told +=
            strcmp(*each, "--precision=int8") == 0 || strcmp(*each, "--index-precision=f16") == 0;
    assert_int_equal(told, 2);
    settings_free_arguments(arguments);
    settings_release(&settings);
}

static void a_mistake_names_where_it_stands(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {0};
    static const char *const mistakes[][2] = {
        {"threads = x", ":1: must be a number"},
        {"\n\npull = maybe", ":3: must be yes or no"},
        {"log-level = 7", ":1: must be error"},
        {"socket-mode = 0888", ":1: must be an octal"},
        {"socket-mode = 7777", ":1: must be an"},
        {"nonsense", ":1: expected \"name = value\""},
        {"Socket = /s", ":1: no setting is named"},
        {"model =", ":1: must not be empty"},
        {"precision = f8", ":1: must be auto, f32, bf16 or int8"},
        {"config = /x", ":1: no setting"},
        {"threads = 99999", ":1: must be a number"}};
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        write_config(mistakes[i][0]);
        expect_error(given, mistakes[i][1]);
    }
    write_config("");
    setenv("SBERTD_THREADS", "-2", 1);
    expect_error(given, "SBERTD_THREADS: must be");
    given[SETTING_THREADS] = "two";
    expect_error(given, "--threads: must be");
}

static void a_file_that_was_asked_for_must_be_there(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {[SETTING_CONFIG] = "/nowhere/at/all"};
    struct settings settings;
    struct err err = {0};
    assert_int_equal(settings_load(&settings, given, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
}

static void a_socket_s_path_has_its_limit(void **state)
{
    (void)state;
    char path[128];
    const char *given[SETTING_COUNT] = {[SETTING_SOCKET] = path};
    struct settings settings;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[107] = '\0';
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    settings_release(&settings);
    path[107] = 'x';
    path[108] = '\0';
    expect_error(given, "107");
}

static void a_child_is_told_the_same_in_absolute_paths(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {[SETTING_DATA_DIR] = "d", [SETTING_THREADS] = "2"};
    struct settings settings, again;
    write_config("socket = s\nlog-level = debug\n");
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    char **arguments = settings_arguments(&settings, given);
    assert_non_null(arguments);
    const char *told[SETTING_COUNT] = {0};
    for (char **each = arguments; *each; each++)
        for (int i = 0; i < SETTING_COUNT; i++) {
            size_t size = strlen(settings_name((enum setting)i));
            if (strncmp(*each + 2, settings_name((enum setting)i), size) == 0 &&
                (*each)[2 + size] == '=')
                told[i] = *each + 3 + size;
        }
    assert_null(told[SETTING_LOG_LEVEL]); /* so that a reload can change it */
    char *here = getcwd(NULL, 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(settings_load(&again, told, NULL), 0);
    assert_int_equal(chdir(here), 0);
    free(here);
    assert_string_equal(again.socket, settings.socket);
    assert_string_equal(again.data_folder, settings.data_folder);
    assert_int_equal(again.threads, 2);
    assert_int_equal(again.log_level, LOG_DEBUG);
    settings_release(&again);
    settings_release(&settings);
    settings_free_arguments(arguments);
}

static void the_log_level_can_be_read_again(void **state)
{
    (void)state;
    const char *given[SETTING_COUNT] = {0};
    struct settings settings;
    int level = -1;
    write_config("log-level = error\n");
    assert_int_equal(settings_load(&settings, given, NULL), 0);
    write_config("log-level = warning\n");
    assert_int_equal(settings_reload_level(&settings, given, &level, NULL), 0);
    assert_int_equal(level, LOG_WARNING);
    write_config("log-level = loud\n");
    assert_int_equal(settings_reload_level(&settings, given, &level, NULL), ERR_INVALID);
    assert_int_equal(level, LOG_WARNING);
    settings_release(&settings);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_said_means_the_defaults),
        TEST(options_come_before_variables_and_these_before_the_file),
        TEST(every_setting_can_stand_in_the_file),
        TEST(paths_come_out_absolute_and_names_of_models_stay),
        TEST(the_precision_is_one_that_has_a_name),
        TEST(a_mistake_names_where_it_stands),
        TEST(a_file_that_was_asked_for_must_be_there),
        TEST(a_socket_s_path_has_its_limit),
        TEST(a_child_is_told_the_same_in_absolute_paths),
        TEST(the_log_level_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
