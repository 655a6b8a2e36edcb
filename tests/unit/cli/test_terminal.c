/* Tests of what people see: widths, numbers, text on one line. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/numbers.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "tests/test.h"

static int columns(const char *text)
{
    return terminal_columns(text, strlen(text));
}

static void wide_characters_take_two_columns_and_marks_none(void **state)
{
    (void)state;
    assert_int_equal(columns("plain"), 5);
    assert_int_equal(columns("\xE6\x9D\xB1\xE4\xBA\xAC"), 4); /* 東京 */
    assert_int_equal(columns("e\xCC\x81"), 1);                /* e and a combining acute */
    assert_int_equal(columns("\xF0\x9F\xA6\xA6"), 2);         /* an otter */
    assert_int_equal(columns("\xFF"), 1);
    assert_int_equal(columns(""), 0);
}

static void text_is_fitted_by_columns_not_bytes(void **state)
{
    (void)state;
    const char *tokyo = "\xE6\x9D\xB1\xE4\xBA\xAC!";
    assert_int_equal(terminal_fit(tokyo, strlen(tokyo), 1), 0);
    assert_int_equal(terminal_fit(tokyo, strlen(tokyo), 2), 3);
    assert_int_equal(terminal_fit(tokyo, strlen(tokyo), 3), 3);
    assert_int_equal(terminal_fit(tokyo, strlen(tokyo), 5), 7);
    assert_int_equal(terminal_fit("e\xCC\x81x", 4, 1), 3);
}

static void what_does_not_fit_is_cut_with_an_ellipsis(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int columns;
        bool keep_end, pad;
        const char *expected;
    } cases[] = {
        {"short", 8, false, false, "short"},
        {"short", 8, false, true, "short   "},
        {"a long text", 6, false, false, "a lon\xE2\x80\xA6"},
        {"a long text", 7, true, false, "\xE2\x80\xA6g text"},
        {"two words", 5, false, false, "two\xE2\x80\xA6"},
        {"\xE6\x9D\xB1\xE4\xBA\xAC\xE6\x9D\xB1", 4, false, true, "\xE6\x9D\xB1\xE2\x80\xA6 "},
        {"x", 0, false, true, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf line = {0};
        assert_int_equal(text_fit(&line, cases[i].text, strlen(cases[i].text), cases[i].columns,
                                  cases[i].keep_end, cases[i].pad),
                         0);
        assert_string_equal(line.data ? line.data : "", cases[i].expected);
        assert_true(columns(line.data ? line.data : "") <= cases[i].columns);
        buf_release(&line);
    }
}

static void control_characters_never_reach_the_terminal(void **state)
{
    (void)state;
    struct buf line = {0};
    const char *text = "  a\x1b[31m\r\n\tb\x7f\xC2\x9B"
                       "c\xFF d  ";
    assert_int_equal(text_flatten(&line, text, strlen(text)), 0);
    assert_string_equal(line.data, "a[31m bc d");
    buf_release(&line);
}

static void a_field_of_a_table_stays_on_its_line(void **state)
{
    (void)state;
    struct buf line = {0};
    assert_int_equal(text_escape(&line, "a\tb\nc\\n\r", 8), 0);
    assert_string_equal(line.data, "a\\tb\\nc\\\\n\\r");
    buf_release(&line);
}

static void numbers_read_well(void **state)
{
    (void)state;
    char text[NUMBER_SIZE];
    assert_string_equal(number_count(text, 0), "0");
    assert_string_equal(number_count(text, 999), "999");
    assert_string_equal(number_count(text, 60000), "60,000");
    assert_string_equal(number_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(number_bytes(text, 999), "999 B");
    assert_string_equal(number_bytes(text, 1500), "1.5 KB");
    assert_string_equal(number_bytes(text, 999999), "1.0 MB");
    assert_string_equal(number_bytes(text, UINT64_MAX), "18.4 EB");
    assert_string_equal(number_duration(text, 74.4), "1:14");
    assert_string_equal(number_duration(text, 7390), "2:03:10");
    assert_string_equal(number_duration(text, 59.6), "1:00");
    assert_string_equal(number_duration(text, -1), "0:00");
    assert_string_equal(number_duration(text, 1e300), "0:00");
}

static void the_width_is_the_terminals_or_the_environments(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(setenv("COLUMNS", "132", 1), 0);
    assert_int_equal(terminal_width(pipes[0]), 132);
    assert_int_equal(setenv("COLUMNS", "-3", 1), 0);
    assert_int_equal(terminal_width(pipes[0]), 80);
    assert_int_equal(unsetenv("COLUMNS"), 0);
    assert_int_equal(terminal_width(pipes[0]), 80);
    assert_false(terminal_colour(pipes[0]));
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_characters_take_two_columns_and_marks_none),
        cmocka_unit_test(text_is_fitted_by_columns_not_bytes),
        cmocka_unit_test(what_does_not_fit_is_cut_with_an_ellipsis),
        cmocka_unit_test(control_characters_never_reach_the_terminal),
        cmocka_unit_test(a_field_of_a_table_stays_on_its_line),
        cmocka_unit_test(numbers_read_well),
        cmocka_unit_test(the_width_is_the_terminals_or_the_environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
