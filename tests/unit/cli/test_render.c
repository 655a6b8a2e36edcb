/* Tests of how answers are shown. */
#include <stdlib.h>
#include <string.h>

#include "cli/json_text.h"
#include "cli/query/render.h"
#include "cli/terminal.h"
#include "tests/test.h"

static const char answer_text[] =
    "{\"results\": ["
    "{\"id\": \"5891b5b522d5df086d0ff0b110fbd9d2\", \"score\": 0.731904, \"text\": \"First "
    "line.\\nSecond line.\\nThe "
    "passage\\tis "
    "here, and it goes on for a while so that it must be cut.\", \"metadata\": {\"a\": 1},"
    " \"source\": {\"path\": \"/home/me/notes/a.md\"}, \"passage\": {\"start\": 25, \"end\": 96}},"
    "{\"id\": \"line\", \"score\": 0.5, \"text\": \"\xE6\x9D\xB1\xE4\xBA\xAC \\u001b[31mred\","
    " \"metadata\": null, \"source\": {\"path\": \"/elsewhere/b.txt\", \"line\": 12},"
    " \"passage\": {\"start\": 0, \"end\": 15}},"
    "{\"id\": \"no-file\", \"score\": -0.25, \"text\": \"x\\\\y\", \"metadata\": null,"
    " \"passage\": {\"start\": 0, \"end\": 3}}], \"took_ms\": 2.4}";

static char *rendered(const struct render *render, const char *text, size_t *ret_count)
{
    json_t *answer = json_loads(text, 0, NULL);
    struct buf out = {0};
    struct err err = {0};
    assert_non_null(answer);
    int r = render_answer(render, "great day", 9, 3, answer, &out, ret_count, &err);
    json_decref(answer);
    if (r < 0)
        fail_msg("%s", err.message);
    return out.data;
}

static void a_pipe_gets_stable_tab_separated_lines(void **state)
{
    (void)state;
    struct render render = {.form = RENDER_TABS};
    size_t count;
    char *out = rendered(&render, answer_text, &count);
    assert_int_equal(count, 3);
    assert_string_equal(
        out, "1\t0.7319\t5891b5b522d5df086d0ff0b110fbd9d2\t/home/me/notes/a.md:3\tThe passage\\tis "
             "here, and it goes "
             "on for a while so that it must be cut.\n"
             "2\t0.5000\tline\t/elsewhere/b.txt:12\t\xE6\x9D\xB1\xE4\xBA\xAC \x1b[31mred\n"
             "3\t-0.2500\tno-file\t\tx\\\\y\n");
    free(out);
    render.numbered = true;
    out = rendered(&render, answer_text, &count);
    assert_memory_equal(out, "3\t1\t0.7319\t5891b5b522d5df086d0ff0b110fbd9d2\t", 44);
    free(out);
}

static void a_terminal_gets_aligned_lines_of_its_width(void **state)
{
    (void)state;
    struct render render = {.form = RENDER_TABLE, .width = 60, .folder = "/home/me"};
    size_t count;
    char *out = rendered(&render, answer_text, &count);
    static const char expected[] =
        "1   0.7319  notes/a.md:3  The passage is here, and it goes\xE2\x80\xA6\n"
        "2   0.5000  line          \xE6\x9D\xB1\xE4\xBA\xAC [31mred\n"
        "3  -0.2500  no-file       x\\y\n"
        "2.4 ms\n";
    assert_string_equal(out, expected);
    free(out);
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    for (int width = 50; width < 140; width++) {
        struct render render = {.form = RENDER_TABLE, .width = width};
        size_t count;
        char *out = rendered(&render, answer_text, &count), *rest = NULL;
        for (char *line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            assert_true(terminal_columns(line, strlen(line)) <= width);
        free(out);
    }
}

static void colour_is_only_added_where_it_is_asked_for(void **state)
{
    (void)state;
    struct render render = {.form = RENDER_TABLE, .width = 80};
    size_t count;
    char *out = rendered(&render, answer_text, &count);
    assert_null(strchr(out, '\x1b'));
    free(out);
    render.colour = true;
    out = rendered(&render, answer_text, &count);
    assert_non_null(strstr(out, "\x1b[32m 0.7319\x1b[0m"));
    free(out);
}

static void json_is_one_object_with_the_results_as_they_came(void **state)
{
    (void)state;
    struct render render = {.form = RENDER_JSON};
    size_t count;
    char *out = rendered(&render, answer_text, &count);
    assert_null(strchr(strchr(out, '\n') + 1, '\n'));
    json_t *object = json_loads(out, 0, NULL), *answer = json_loads(answer_text, 0, NULL);
    assert_non_null(object);
    assert_int_equal(json_object_size(object), 3);
    assert_string_equal(json_string_value(json_object_get(object, "query")), "great day");
    assert_true(json_equal(json_object_get(object, "results"), json_object_get(answer, "results")));
    assert_non_null(strstr(out, "\"took_ms\":2.4}"));
    json_decref(object);
    json_decref(answer);
    free(out);
}

static void numbers_in_json_are_neither_cut_nor_padded(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0.1",    "0.505975485",         "1700000000.1234567",
                                          "1e+300", "0.30000000000000004", "12345678901234567"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct buf out = {0};
        json_t *value = json_loads(numbers[i], JSON_DECODE_ANY, NULL);
        assert_int_equal(json_text_append(&out, value), 0);
        json_t *again = json_loads(out.data, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(value, again));
        if (i < 2)
            assert_string_equal(out.data, numbers[i]);
        json_decref(value);
        json_decref(again);
        buf_release(&out);
    }
}

static void nothing_found_is_no_line_on_a_pipe(void **state)
{
    (void)state;
    struct render render = {.form = RENDER_TABS};
    size_t count = 7;
    char *out = rendered(&render, "{\"results\": [], \"took_ms\": 1}", &count);
    assert_int_equal(count, 0);
    assert_null(out);
    render = (struct render){.form = RENDER_TABLE, .width = 80};
    out = rendered(&render, "{\"results\": [], \"took_ms\": 1}", &count);
    assert_string_equal(out, "nothing found, 1.0 ms\n");
    free(out);
}

static void an_answer_that_breaks_the_protocol_is_an_error(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "{}",
        "{\"results\": 3}",
        "{\"results\": [1]}",
        "{\"results\": [{\"id\": \"a\"}]}",
        "{\"results\": [{\"id\": \"a\", \"score\": \"b\", \"text\": \"c\"}]}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct render render = {.form = RENDER_TABS};
        struct buf out = {0};
        struct err err = {0};
        size_t count;
        json_t *answer = json_loads(broken[i], 0, NULL);
        assert_int_equal(render_answer(&render, "q", 1, 1, answer, &out, &count, &err),
                         ERR_CORRUPT);
        json_decref(answer);
        buf_release(&out);
    }
}

static void a_passage_out_of_range_shows_the_whole_text(void **state)
{
    (void)state;
    struct render render = {.form = RENDER_TABS};
    size_t count;
    char *out = rendered(&render,
                         "{\"results\": [{\"id\": \"a\", \"score\": 1, \"text\": \"abc\","
                         " \"passage\": {\"start\": 2, \"end\": 99}}], \"took_ms\": 1}",
                         &count);
    assert_string_equal(out, "1\t1.0000\ta\t\tabc\n");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_stable_tab_separated_lines),
        cmocka_unit_test(a_terminal_gets_aligned_lines_of_its_width),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(colour_is_only_added_where_it_is_asked_for),
        cmocka_unit_test(json_is_one_object_with_the_results_as_they_came),
        cmocka_unit_test(numbers_in_json_are_neither_cut_nor_padded),
        cmocka_unit_test(nothing_found_is_no_line_on_a_pipe),
        cmocka_unit_test(an_answer_that_breaks_the_protocol_is_an_error),
        cmocka_unit_test(a_passage_out_of_range_shows_the_whole_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
