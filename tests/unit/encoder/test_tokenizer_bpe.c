/* Byte-level BPE: merges, words, offsets, the files it comes from; and GPT-2's golden ids. */
#include "encoder/tokenizer/tokenizer.h"

#include "base/json.h"
#include "encoder/tokenizer/byte_level.h"
#include "tests/unit/encoder/tokenizer_fixture.h"

#define G "\xC4\xA0" /* the character that stands for a space */

#define VOCABULARY                                                                                 \
    "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"a\":4,\"b\":5,\"c\":6,\"" G "\":7,"           \
    "\"ab\":8,\"bc\":9,\"" G "a\":10,\"abc\":11,\"" G "ab\":12,\"'\":13,\"s\":14,\"\xC3\x83\":15," \
    "\"\xC2\xA9\":16,\"1\":17,\"!\":18,\"abab\":19,\"<mask>\":20}"
#define LEVEL(prefix) "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix "}"
#define ROBERTA(prefix)                                                                            \
    "{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",2],\"cls\":[\"<s>\",0],"                    \
    "\"trim_offsets\":true,\"add_prefix_space\":" prefix "}"
#define MASK                                                                                       \
    "[{\"id\":20,\"content\":\"<mask>\",\"lstrip\":true,\"special\":true,\"normalized\":false}]"

/* A model whose settings begin with `settings` ("\"fuse_unk\":true," or nothing). */
#define MODEL(settings)                                                                            \
    "{\"type\":\"BPE\"," settings "\"vocab\":" VOCABULARY ",\"merges\":[\"b c\",\"" G              \
    " a\",\"a b\",\"ab c\",\"" G "a b\",\"ab ab\"]}"

static const struct fixture_parts plain = {.normalizer = "null",
                                           .pre_tokenizer = LEVEL("false"),
                                           .model = MODEL(""),
                                           .post_processor = ROBERTA("false"),
                                           .added_tokens = MASK};

static struct tokenizer *open_with_model(const char *model)
{
    struct fixture_parts parts = plain;
    parts.model = model;
    return fixture_open(&parts);
}

static void assert_all_tokens(const struct fixture_parts *parts, const char *text,
                              const char *expected)
{
    struct tokenizer *tokenizer = fixture_open(parts);
    assert_places(tokenizer, text, expected);
    tokenizer_close(tokenizer);
}

static void the_lowest_rank_merges_first(void **state)
{
    (void)state;
    assert_all_tokens(&plain, "abc", "<s> a|0-1 bc|1-3 </s>");
    assert_all_tokens(&plain, "ababa", "<s> abab|0-4 a|4-5 </s>");
    assert_all_tokens(&plain, "", "<s> </s>");
}

static void a_word_begins_with_the_space_before_it_which_its_offsets_leave_out(void **state)
{
    (void)state;
    assert_all_tokens(&plain, "a ab", "<s> a|0-1 " G "ab|2-4 </s>");
    assert_all_tokens(&plain, "a  ab ", "<s> a|0-1 " G "|2-2 " G "ab|3-5 " G "|6-6 </s>");
}

static void endings_numbers_and_marks_are_words(void **state)
{
    (void)state;
    assert_all_tokens(&plain, "ab's1!b", "<s> ab|0-2 '|2-3 s|3-4 1|4-5 !|5-6 b|6-7 </s>");
}

static void the_split_pattern_takes_words_as_it_does_in_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t end;
    } cases[] = {{"'ve a", 3},
                 {"'vx", 1},
                 {"'S", 1},
                 {" a", 2},
                 {"  a", 1},
                 {"   ", 3},
                 {" \n a", 2},
                 {"\na", 1},
                 {"a1", 1},
                 {" 12a", 3},
                 {" !?'s", 4},
                 {"\xC3\xA9t", 3},
                 {"\xC2\xB2"
                  "1a",
                  3},
                 {"\xE3\x80\x80 a", 3},
                 {" \xCC\x81", 3},
                 {"a\xCC\x81", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(byte_level_word(cases[i].text, strlen(cases[i].text)), cases[i].end);
}

static void each_part_of_a_character_lies_on_all_of_it(void **state)
{
    (void)state;
    assert_all_tokens(&plain,
                      "a\xC3\xA9"
                      "b",
                      "<s> a|0-1 \xC3\x83|1-3 \xC2\xA9|1-3 b|3-4 </s>");
}

static void the_mask_takes_the_space_at_its_left(void **state)
{
    (void)state;
    assert_all_tokens(&plain, "a  <mask> a", "<s> a|0-1 <mask>|3-9 " G "a|10-11 </s>");
    struct tokenizer *tokenizer = fixture_open(&plain);
    tokenizer_escape_special_tokens(tokenizer);
    assert_tokens(tokenizer, "<mask>a", "<s> a s a </s>"); /* what of it is no piece is left out */
    tokenizer_close(tokenizer);
}

static void a_space_may_be_put_before_each_stretch(void **state)
{
    (void)state;
    struct fixture_parts parts = plain;
    parts.pre_tokenizer = LEVEL("true");
    parts.post_processor = ROBERTA("true");
    assert_all_tokens(&parts, "ab <mask>ab", "<s> " G "ab|0-2 <mask>|3-9 " G "ab|10-11 </s>");
    assert_all_tokens(&parts, " ab", "<s> " G "ab|0-3 </s>");
}

static void a_pair_has_two_separators_between_and_no_types(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = fixture_open(&plain);
    char *shown = fixture_show(tokenizer, "ab", 2, "c", 0, false);
    assert_string_equal(shown, "<s> ab </s> </s> c </s>");
    free(shown);
    assert_int_equal(tokenizer_special_count(tokenizer), 2);
    tokenizer_close(tokenizer);
}

static void a_byte_without_a_piece_is_unknown_or_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *model, *expected;
    } cases[] = {
        {MODEL(""), "<s> ab a </s>"},
        {MODEL("\"unk_token\":\"<unk>\","), "<s> a <unk> <unk> b a </s>"},
        {MODEL("\"unk_token\":\"<unk>\",\"fuse_unk\":true,"), "<s> a <unk> b a </s>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tokenizer *tokenizer = open_with_model(cases[i].model);
        assert_tokens(tokenizer, "axyba", cases[i].expected);
        tokenizer_close(tokenizer);
    }
}

static void a_word_that_is_a_piece_may_go_without_merges(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_with_model(MODEL("\"ignore_merges\":true,"));
    assert_tokens(tokenizer, "abc", "<s> abc </s>");
    assert_tokens(tokenizer, "abcb", "<s> a bc b </s>");
    tokenizer_close(tokenizer);
}

/* A heap does for long words what scanning does for short ones. */
static void a_long_word_merges_as_a_short_one_does(void **state)
{
    (void)state;
    enum { TIMES = 250000 };
    struct tokenizer *tokenizer = fixture_open(&plain);
    struct token_list list = {0};
    struct buf text = {0};

    for (int i = 0; i < TIMES; i++)
        assert_int_equal(buf_append(&text, "ababc", 5), 0);
    assert_int_equal(tokenizer_encode(tokenizer, text.data, text.size, NULL, 0, 0, &list, NULL), 0);
    assert_int_equal(list.count, 3 * TIMES + 2);
    for (size_t i = 0; i < TIMES; i++) { /* ab a bc */
        assert_int_equal(list.tokens[3 * i + 1].id, 8);
        assert_int_equal(list.tokens[3 * i + 2].id, 4);
        assert_int_equal(list.tokens[3 * i + 3].id, 9);
        assert_int_equal(list.tokens[3 * i + 3].end, 5 * (i + 1));
    }
    buf_release(&text);
    token_list_release(&list);
    tokenizer_close(tokenizer);
}

static void what_is_not_built_or_wrong_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        struct fixture_parts parts;
        int code;
        const char *reason;
    } cases[] = {
        {{.normalizer = "{\"type\":\"NFC\"}"}, ERR_UNSUPPORTED, "normalizer 'NFC'"},
        {{.pre_tokenizer = "{\"type\":\"Whitespace\"}"}, ERR_UNSUPPORTED, "'Whitespace'"},
        {{.model = MODEL("\"byte_fallback\":true,")}, ERR_UNSUPPORTED, "byte_fallback"},
        {{.model = MODEL("\"dropout\":0.1,")}, ERR_UNSUPPORTED, "dropout"},
        {{.model = MODEL("\"end_of_word_suffix\":\"</w>\",")}, ERR_UNSUPPORTED, "end_of_word"},
        {{.model = MODEL("\"unk_token\":\"nix\",")}, ERR_CORRUPT, "'nix'"},
        {{.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0}}"}, ERR_CORRUPT, "merges must be"},
        {{.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}"},
         ERR_CORRUPT,
         "merge 1: the vocabulary lacks"},
        {{.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a  a\"]}"},
         ERR_CORRUPT,
         "with a space between"},
        {{.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}"},
         ERR_CORRUPT,
         "two strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture_parts parts = plain;
        struct fixture_folder folder = fixture_folder();
        struct tokenizer *tokenizer = NULL;
        struct err err = {0};
        if (cases[i].parts.normalizer)
            parts.normalizer = cases[i].parts.normalizer;
        if (cases[i].parts.pre_tokenizer)
            parts.pre_tokenizer = cases[i].parts.pre_tokenizer;
        if (cases[i].parts.model)
            parts.model = cases[i].parts.model;
        fixture_write_json(&folder, &parts);
        int r = tokenizer_open(&tokenizer, folder.path, -1, &err);
        if (r != cases[i].code || !strstr(err.message, cases[i].reason))
            fail_msg("%d for %d, '%s' without '%s'", r, cases[i].code, err.message,
                     cases[i].reason);
        fixture_remove(&folder);
    }
}

static void merges_may_be_pairs(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = open_with_model("{\"type\":\"BPE\",\"vocab\":" VOCABULARY
                                                  ",\"merges\":[[\"a\",\"b\"],[\"ab\",\"c\"]]}");
    assert_tokens(tokenizer, "abc", "<s> abc </s>");
    tokenizer_close(tokenizer);
}

/* A folder with vocab.json, merges.txt and, where it is not NULL, special_tokens_map.json; all go
 * when it is opened. */
static struct tokenizer *open_files(const char *vocabulary, const char *merges, const char *map,
                                    struct err *err)
{
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;

    fixture_write(&folder, "vocab.json", vocabulary);
    fixture_write(&folder, "merges.txt", merges);
    if (map)
        fixture_write(&folder, "special_tokens_map.json", map);
    tokenizer_open(&tokenizer, folder.path, -1, err);
    fixture_unlink(&folder, "vocab.json");
    fixture_unlink(&folder, "merges.txt");
    fixture_unlink(&folder, "special_tokens_map.json");
    fixture_remove(&folder);
    return tokenizer;
}

static void the_older_files_give_the_same(void **state)
{
    (void)state;
    struct err err = {0};
    struct tokenizer *tokenizer =
        open_files(VOCABULARY, "#version: 0.2\nb c\r\n" G " a\na b\nab c\n" G "a b\nab ab",
                   "{\"mask_token\": {\"content\": \"<mask>\", \"lstrip\": true}}", &err);
    if (!tokenizer)
        fail_msg("%s", err.message);
    assert_places(tokenizer, "abc  <mask> ab", "<s> a|0-1 bc|1-3 <mask>|5-11 " G "ab|12-14 </s>");
    char *shown = fixture_show(tokenizer, "ab", 2, "c", 0, false);
    assert_string_equal(shown, "<s> ab </s> </s> c </s>");
    free(shown);
    tokenizer_close(tokenizer);

    assert_null(open_files(VOCABULARY, "a b\nb b\n", NULL, &err));
    assert_non_null(strstr(err.message, "merges.txt: merge 2"));
    assert_null(open_files("{\"a\":0}", "", NULL, &err));
    assert_non_null(strstr(err.message, "sep_token"));
}

static void the_mask_of_older_files_takes_a_space_only_where_they_say_so(void **state)
{
    (void)state;
    struct err err = {0};
    struct tokenizer *tokenizer = open_files(VOCABULARY, G " a\na b\n" G "a b\n", NULL, &err);
    if (!tokenizer)
        fail_msg("%s", err.message);
    assert_tokens(tokenizer, "ab <mask>", "<s> ab " G " <mask> </s>");
    tokenizer_close(tokenizer);
}

static char *read_data(const char *name, size_t *ret_size)
{
    const char *named = getenv("SBERTD_TEST_DATA");
    char *path = file_join(named ? named : "../shared/data", name), *data = NULL;
    assert_non_null(path);
    if (file_exists(path))
        assert_int_equal(file_read(&data, ret_size, path, 16 << 20, NULL), 0);
    free(path);
    return data;
}

/* GPT-2's vocabulary from its merges: bytes that print, the other bytes, what each merge makes. */
static char *gpt2_vocabulary(const char *merges)
{
    struct buf json = {0};
    size_t id = 0;
    json_t *object = json_object();

    for (int pass = 0; pass < 2; pass++)
        for (int byte = 0; byte < 256; byte++) {
            bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
            char piece[5] = {0};
            byte_level_character((unsigned char)byte, piece);
            if (prints == (pass == 0))
                json_object_set_new(object, piece, json_integer((json_int_t)id++));
        }
    for (const char *line = strchr(merges, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        const char *space = strchr(line, ' '), *end = strchr(line, '\n');
        json.size = 0;
        buf_append(&json, line, (size_t)(space - line));
        buf_append(&json, space + 1, (size_t)(end - space - 1));
        json_object_setn_new(object, json.data, json.size, json_integer((json_int_t)id++));
    }
    json_object_set_new(object, "<s>", json_integer((json_int_t)id++));
    json_object_set_new(object, "</s>", json_integer((json_int_t)id));
    char *text = json_dumps(object, 0);
    json_decref(object);
    buf_release(&json);
    assert_non_null(text);
    return text;
}

static void gpt2_golden_ids_are_met(void **state)
{
    (void)state;
    static const char mark[] = "\n__ggml_vocab_test__\n";
    size_t size = 0, cases = 0;
    char *merges = read_data("tokenizers/roberta-base/merges.txt", &size);
    char *input = read_data("golden/ggml-vocab-gpt-2.gguf.inp", &size);
    char *output = read_data("golden/ggml-vocab-gpt-2.gguf.out", &size);
    if (!merges || !input || !output) {
        free(merges);
        free(input);
        free(output);
        skip();
    }
    char *vocabulary = gpt2_vocabulary(merges);
    struct err err = {0};
    struct token_list list = {0};
    struct tokenizer *tokenizer = open_files(vocabulary, merges, NULL, &err);
    if (!tokenizer)
        fail_msg("%s", err.message);
    char *line = output;
    for (const char *text = input, *end; (end = strstr(text, mark)); text = end + strlen(mark)) {
        assert_int_equal(
            tokenizer_encode(tokenizer, text, (size_t)(end - text), NULL, 0, 0, &list, NULL), 0);
        for (size_t i = 1; i + 1 < list.count; i++)
            assert_int_equal(list.tokens[i].id, strtoul(line, &line, 10));
        assert_int_equal(*line++, '\n');
        cases++;
    }
    assert_true(cases > 30);
    token_list_release(&list);
    tokenizer_close(tokenizer);
    free(vocabulary);
    free(merges);
    free(input);
    free(output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_rank_merges_first),
        cmocka_unit_test(a_word_begins_with_the_space_before_it_which_its_offsets_leave_out),
        cmocka_unit_test(endings_numbers_and_marks_are_words),
        cmocka_unit_test(the_split_pattern_takes_words_as_it_does_in_the_reference),
        cmocka_unit_test(each_part_of_a_character_lies_on_all_of_it),
        cmocka_unit_test(the_mask_takes_the_space_at_its_left),
        cmocka_unit_test(a_space_may_be_put_before_each_stretch),
        cmocka_unit_test(a_pair_has_two_separators_between_and_no_types),
        cmocka_unit_test(a_byte_without_a_piece_is_unknown_or_left_out),
        cmocka_unit_test(a_word_that_is_a_piece_may_go_without_merges),
        cmocka_unit_test(a_long_word_merges_as_a_short_one_does),
        cmocka_unit_test(what_is_not_built_or_wrong_is_refused_with_the_reason),
        cmocka_unit_test(merges_may_be_pairs),
        cmocka_unit_test(the_older_files_give_the_same),
        cmocka_unit_test(the_mask_of_older_files_takes_a_space_only_where_they_say_so),
        cmocka_unit_test(gpt2_golden_ids_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
