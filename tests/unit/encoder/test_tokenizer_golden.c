/* The real vocabulary against recorded ids of the reference. Skips where the model or the shared
 * data are absent.
 */
#include <sys/stat.h>

#include "base/json.h"
#include "encoder/model/registry.h"
#include "tests/unit/encoder/tokenizer_fixture.h"

struct golden {
    struct tokenizer *tokenizer;
    char *data; /* the folder of shared data */
};

static int open_golden(void **state)
{
    static struct golden golden;
    const char *named = getenv("SBERTD_TEST_DATA");
    char *folder = NULL;

    golden.data = file_join(named ? named : "../shared/data", "golden");
    if (registry_resolve(&folder, REGISTRY_DEFAULT_MODEL, NULL) == 0)
        assert_int_equal(tokenizer_open(&golden.tokenizer, folder, -1, NULL), 0);
    free(folder);
    *state = &golden;
    return 0;
}

static int close_golden(void **state)
{
    struct golden *golden = *state;
    tokenizer_close(golden->tokenizer);
    free(golden->data);
    return 0;
}

/* A file of the golden folder in fresh memory; skips the test where it or the model is absent. */
static char *read_golden(const struct golden *golden, const char *name, size_t *ret_size)
{
    char *path = file_join(golden->data, name), *text = NULL;
    int r = golden->tokenizer ? file_read(&text, ret_size, path, 16 << 20, NULL) : ERR_NOT_FOUND;
    free(path);
    if (r < 0)
        skip();
    return text;
}

static void every_text_has_the_ids_of_sentence_transformers(void **state)
{
    const struct golden *golden = *state;
    struct token_list list = {0};
    size_t size, texts = 0;
    char *lines = read_golden(golden, "all-MiniLM-L6-v2/texts.jsonl", &size);

    for (char *line = lines, *end; (end = memchr(line, '\n', size - (size_t)(line - lines)));
         line = end + 1) {
        struct err err = {0};
        json_t *json;
        if (json_parse(&json, line, (size_t)(end - line), "a line", &err) < 0)
            fail_msg("%s", err.message);
        const json_t *text = json_object_get(json, "text"), *ids = json_object_get(json, "ids");
        assert_int_equal(tokenizer_encode(golden->tokenizer, json_string_value(text),
                                          json_string_length(text), NULL, 0, 256, &list, &err),
                         0);
        assert_int_equal(list.count, json_array_size(ids));
        for (size_t i = 0; i < list.count; i++)
            assert_int_equal(list.tokens[i].id, json_integer_value(json_array_get(ids, i)));
        json_decref(json);
        texts++;
    }
    assert_int_equal(texts, 421);
    token_list_release(&list);
    free(lines);
}

static void another_projects_cases_for_this_vocabulary_match(void **state)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    const struct golden *golden = *state;
    struct token_list list = {0};
    size_t size, cases = 0;
    char *texts = read_golden(golden, "ggml-vocab-bert-bge.gguf.inp", &size);
    char *numbers = read_golden(golden, "ggml-vocab-bert-bge.gguf.out", &size);

    for (char *text = texts, *end, *line = numbers; text; text = end, cases++) {
        end = strstr(text, separator);
        size_t length = end ? (size_t)(end - text) : strlen(text);
        struct err err = {0};
        assert_int_equal(tokenizer_encode(golden->tokenizer, text, length, NULL, 0, 0, &list, &err),
                         0);
        for (size_t i = 1; i + 1 < list.count; i++)
            assert_int_equal(list.tokens[i].id, strtoul(line, &line, 10));
        line += strspn(line, " ");
        assert_int_equal(*line++, '\n');
        if (end && !*(end += strlen(separator)))
            end = NULL;
    }
    assert_int_equal(cases, 46);
    token_list_release(&list);
    free(texts);
    free(numbers);
}

static void the_vocabulary_is_that_of_the_model(void **state)
{
    const struct golden *golden = *state;
    if (!golden->tokenizer)
        skip();
    assert_int_equal(tokenizer_vocabulary_size(golden->tokenizer), 30522);
    assert_string_equal(tokenizer_piece(golden->tokenizer, 2075), "##ing");
    assert_string_equal(tokenizer_piece(golden->tokenizer, 101), "[CLS]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_has_the_ids_of_sentence_transformers),
        cmocka_unit_test(another_projects_cases_for_this_vocabulary_match),
        cmocka_unit_test(the_vocabulary_is_that_of_the_model),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
