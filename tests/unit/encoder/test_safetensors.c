/* Tests of the safetensors reader: what is refused, and that nothing makes it read astray. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/model/safetensors.h"
#include "tests/test.h"

/* A file of the header, padded with spaces to a multiple of 8 as every writer of today does, and
 * `data_size` bytes 0, 1, 2 ... in fresh memory. */
static unsigned char *make_file(const char *header, size_t data_size, size_t *ret_size)
{
    size_t length = (strlen(header) + 7) / 8 * 8;
    unsigned char *bytes = malloc(8 + length + data_size);
    assert_non_null(bytes);
    memset(bytes, ' ', 8 + length);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(bytes + 8, header, strlen(header));
    for (size_t i = 0; i < data_size; i++)
        bytes[8 + length + i] = (unsigned char)i;
    *ret_size = 8 + length + data_size;
    return bytes;
}

static int parse(const char *header, size_t data_size, struct err *err)
{
    size_t size;
    struct safetensors *file = NULL;
    unsigned char *bytes = make_file(header, data_size, &size);
    int r = safetensors_parse(&file, bytes, size, "test", err);
    safetensors_close(file);
    free(bytes);
    return r;
}

static void tensors_are_found_by_name_where_they_lie(void **state)
{
    (void)state;
    /* 144 bytes: a multiple of 8, as every writer of today pads the header. */
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[8,12]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    size_t size;
    struct safetensors *file;
    struct err err;
    unsigned char *bytes = make_file(header, 12, &size);
    assert_int_equal(safetensors_parse(&file, bytes, size, "test", &err), 0);
    assert_int_equal(safetensors_count(file), 2);
    assert_string_equal(safetensors_at(file, 0)->name, "a");

    const struct tensor *b = safetensors_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, DTYPE_F16);
    assert_int_equal(b->dimensions, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->size, 4);
    assert_ptr_equal(b->data, bytes + size - 4);
    assert_null(safetensors_find(file, "c"));
    assert_null(safetensors_find(file, "__metadata__"));
    safetensors_close(file);
    free(bytes);
}

static void a_file_without_tensors_is_whole(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(parse("{}", 0, &err), 0);
}

static void a_scalar_and_an_empty_tensor_are_tensors(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(parse("{\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                           "\"e\":{\"dtype\":\"F16\",\"shape\":[0,5],\"data_offsets\":[8,8]}}",
                           8, &err),
                     0);
}

#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"t\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

/* Headers that lie, each with a word of the message that must name the lie. */
static const struct {
    const char *header;
    size_t data_size;
    int code;
    const char *says;
} lies[] = {
    {"", 0, ERR_CORRUPT, "JSON"},
    {"[]", 0, ERR_CORRUPT, "not a JSON object"},
    {"{\"t\":", 0, ERR_CORRUPT, "line 1"},
    {"{\"t\":1}", 0, ERR_CORRUPT, "not an object"},
    {"{\"t\":{}}", 0, ERR_CORRUPT, "no dtype"},
    {"{\"t\":{\"dtype\":\"U8\"}}", 0, ERR_CORRUPT, "no shape"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, ERR_CORRUPT, "data_offsets"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, ERR_CORRUPT, "duplicate"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"u\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, ERR_CORRUPT, "overlaps"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
     3, ERR_CORRUPT, "gap"},
    {ENTRY("U8", "[1]", "[0,1]"), 2, ERR_CORRUPT, "belong to no tensor"},
    {ENTRY("U8", "[1]", "[1,2]"), 2, ERR_CORRUPT, "gap"},
    {ENTRY("U8", "[4]", "[0,4]"), 3, ERR_CORRUPT, "cut short"},
    {ENTRY("U8", "[1]", "[1,0]"), 1, ERR_CORRUPT, "range"},
    {ENTRY("U8", "[1]", "[-1,0]"), 1, ERR_CORRUPT, "range"},
    {ENTRY("U8", "[1]", "[0.0,1.0]"), 1, ERR_CORRUPT, "range"},
    {ENTRY("U8", "[1]", "[0,1,2]"), 1, ERR_CORRUPT, "range"},
    {ENTRY("U8", "[-1]", "[0,1]"), 1, ERR_CORRUPT, "dimension 0"},
    {ENTRY("U8", "[\"1\"]", "[0,1]"), 1, ERR_CORRUPT, "dimension 0"},
    {ENTRY("F32", "[2]", "[0,4]"), 4, ERR_CORRUPT, "shape and dtype"},
    {ENTRY("F16", "[4294967296,4294967296]", "[0,0]"), 0, ERR_CORRUPT, "overflows"},
    {ENTRY("F16", "[9223372036854775807,2]", "[0,0]"), 0, ERR_CORRUPT, "overflows"},
    {ENTRY("F4", "[3]", "[0,1]"), 1, ERR_CORRUPT, "byte"},
    {ENTRY("Q8", "[1]", "[0,1]"), 1, ERR_UNSUPPORTED, "Q8"},
    {ENTRY("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, ERR_UNSUPPORTED, "dimensions"},
    {"{\"p\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
     5, ERR_CORRUPT, "aligned"},
};

static void a_header_that_lies_is_refused_by_its_lie(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct err err = {0};
        int r = parse(lies[i].header, lies[i].data_size, &err);
        if (r != lies[i].code || err.code != r || !strstr(err.message, lies[i].says))
            fail_msg("%s: %d %s", lies[i].header, r, err.message);
    }
}

static void a_header_longer_than_the_file_is_refused(void **state)
{
    (void)state;
    struct err err;
    struct safetensors *file = NULL;
    unsigned char bytes[16];
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(safetensors_parse(&file, bytes, sizeof bytes, "test", &err), ERR_CORRUPT);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = 9;
    assert_int_equal(safetensors_parse(&file, bytes, sizeof bytes, "test", &err), ERR_CORRUPT);
    assert_int_equal(safetensors_parse(&file, bytes, 7, "test", &err), ERR_CORRUPT);
    assert_null(file);
}

#define REAL_FILE "tests/golden/models/cls-32/model.safetensors"

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    char *data;
    size_t size;
    assert_int_equal(file_read(&data, &size, REAL_FILE, 1 << 24, NULL), 0);
    for (size_t cut = 0; cut < size; cut += cut < 5000 ? 1 : 997) {
        struct err err;
        struct safetensors *file = NULL;
        /* Memory of just this size, so that a sanitizer sees a byte too far. */
        unsigned char *part = malloc(cut ? cut : 1);
        assert_non_null(part);
        memcpy(part, data, cut);
        assert_int_equal(safetensors_parse(&file, part, cut, "cut", &err), ERR_CORRUPT);
        free(part);
    }
    free(data);
}

static void a_damaged_header_never_leads_outside_the_file(void **state)
{
    (void)state;
    char *data;
    size_t size;
    assert_int_equal(file_read(&data, &size, REAL_FILE, 1 << 24, NULL), 0);
    unsigned seed = 1;
    for (int round = 0; round < 3000; round++) {
        struct safetensors *file = NULL;
        seed = seed * 1103515245 + 12345;
        size_t at = (seed >> 8) % 4000;
        char kept = data[at];
        data[at] = (char)(seed >> 3);
        if (safetensors_parse(&file, data, size, "damaged", NULL) == 0) {
            for (size_t i = 0; i < safetensors_count(file); i++) {
                const struct tensor *tensor = safetensors_at(file, i);
                assert_true(tensor->data >= (unsigned char *)data);
                assert_true(tensor->data + tensor->size <= (unsigned char *)data + size);
            }
        }
        safetensors_close(file);
        data[at] = kept;
    }
    free(data);
}

static void a_missing_or_empty_file_is_named(void **state)
{
    (void)state;
    struct err err;
    struct safetensors *file = NULL;
    assert_int_equal(safetensors_open(&file, "/nowhere/model.safetensors", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/model.safetensors"));
    assert_int_equal(safetensors_open(&file, "/dev/null", &err), ERR_INVALID);
    assert_int_equal(safetensors_open(&file, REAL_FILE, &err), 0);
    assert_int_equal(safetensors_count(file), 39);
    safetensors_close(file);
    safetensors_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_by_name_where_they_lie),
        cmocka_unit_test(a_file_without_tensors_is_whole),
        cmocka_unit_test(a_scalar_and_an_empty_tensor_are_tensors),
        cmocka_unit_test(a_header_that_lies_is_refused_by_its_lie),
        cmocka_unit_test(a_header_longer_than_the_file_is_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_damaged_header_never_leads_outside_the_file),
        cmocka_unit_test(a_missing_or_empty_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
