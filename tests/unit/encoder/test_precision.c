/* Tests of the names of precisions. */

#include <string.h>

#include "encoder/precision.h"
#include "tests/test.h"

static void every_precision_is_found_by_its_name(void **state)
{
    (void)state;
    for (int i = PRECISION_AUTO; i <= PRECISION_INT8; i++) {
        enum precision precision = PRECISION_AUTO;
        struct err err = {0};
        assert_int_equal(precision_parse(precision_name((enum precision)i), &precision, &err), 0);
        assert_int_equal(precision, i);
    }
}

static void another_name_is_refused_and_named(void **state)
{
    (void)state;
    enum precision precision = PRECISION_BF16;
    struct err err = {0};
    assert_int_equal(precision_parse("int4", &precision, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "int4"));
    assert_int_equal(precision, PRECISION_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_precision_is_found_by_its_name),
        cmocka_unit_test(another_name_is_refused_and_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
