/* Tests of filters as they are typed: what JSON they become, and what is said of mistakes. */
#include <stdlib.h>
#include <string.h>

#include "cli/filter.h"
#include "tests/test.h"

static void expect(const char *text, const char *json)
{
    struct err err = {0};
    json_t *filter = NULL;
    if (filter_parse(&filter, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
    char *given = json_dumps(filter, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(given, json);
    free(given);
    json_decref(filter);
}

static void refuse(const char *text, const char *message)
{
    struct err err = {0};
    json_t *filter = NULL;
    assert_int_equal(filter_parse(&filter, text, strlen(text), &err), ERR_INVALID);
    if (!strstr(err.message, message))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.message, message);
}

static void each_operator_is_its_condition(void **state)
{
    (void)state;
    expect("year = 2020", "{\"key\":\"year\",\"match\":{\"value\":2020}}");
    expect("year==2020", "{\"key\":\"year\",\"match\":{\"value\":2020}}");
    expect("lang != 'en'", "{\"must_not\":[{\"key\":\"lang\",\"match\":{\"value\":\"en\"}}]}");
    expect("a < -1.5", "{\"key\":\"a\",\"range\":{\"lt\":-1.5}}");
    expect("a.b-c <= 1e2", "{\"key\":\"a.b-c\",\"range\":{\"lte\":100.0}}");
    expect("a > \"x\"", "{\"key\":\"a\",\"range\":{\"gt\":\"x\"}}");
    expect("a>=1", "{\"key\":\"a\",\"range\":{\"gte\":1}}");
    expect("path ^= \"src/\"", "{\"key\":\"path\",\"match\":{\"prefix\":\"src/\"}}");
    expect("draft = TRUE", "{\"key\":\"draft\",\"match\":{\"value\":true}}");
    expect("lang exists", "{\"exists\":true,\"key\":\"lang\"}");
    expect("`a b` in ( 1 , \"x\", false )",
           "{\"key\":\"a b\",\"match\":{\"any\":[1,\"x\",false]}}");
    expect("a not in (1)", "{\"must_not\":[{\"key\":\"a\",\"match\":{\"any\":[1]}}]}");
    expect("a = 'it\\'s'", "{\"key\":\"a\",\"match\":{\"value\":\"it's\"}}");
}

static void and_binds_closer_than_or(void **state)
{
    (void)state;
    expect("a=1 or b=2 AND c=3",
           "{\"should\":[{\"key\":\"a\",\"match\":{\"value\":1}},{\"must\":[{\"key\":\"b\","
           "\"match\":{\"value\":2}},{\"key\":\"c\",\"match\":{\"value\":3}}]}]}");
    expect("(a=1 or b=2) and not c exists",
           "{\"must\":[{\"should\":[{\"key\":\"a\",\"match\":{\"value\":1}},{\"key\":\"b\","
           "\"match\":{\"value\":2}}]},{\"must_not\":[{\"exists\":true,\"key\":\"c\"}]}]}");
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    refuse("", "a field should stand");
    refuse("year", "should stand");
    refuse("year > ", "a number, true, false or a text in quotes should stand");
    refuse("lang = en", "a text in quotes expected at character 8, not \"en\"");
    refuse("lang = \"en", "a \" is missing");
    refuse("a = 1 b = 2", "expected at character 7");
    refuse("(a = 1", "\")\" should stand");
    refuse("a in 1", "\"(\" expected at character 6");
    refuse("a in (1 2)", "expected at character 9");
    refuse("\"a\" = 1", "a field expected at character 1");
    refuse("a = 1x", "a number expected");
    refuse("a not 1", "in expected");
    refuse("\xc3\xa9 = 1 )", "at character 7");
    refuse("\xff = 1", "UTF-8");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[256] = "";
    struct err err = {0};
    json_t *filter = NULL;
    for (int i = 0; i < 50; i++)
        strcat(text, "not ");
    strcat(text, "a=1");
    assert_int_equal(filter_parse(&filter, text, strlen(text), &err), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operator_is_its_condition),
        cmocka_unit_test(and_binds_closer_than_or),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(nesting_is_bounded),
    };
    return cmocka_run_group_tests_name("cli: filters", tests, NULL, NULL);
}
