/* Tests of opening a tokenizer: what each file says, what wins, and files that are wrong. */
#include "encoder/tokenizer/vocabulary.h"
#include "tests/unit/encoder/tokenizer_fixture.h"

#define VOCAB "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\ncafe\ncaf\xC3\xA9\n\xE4\xB8\xAD\n"

static struct tokenizer *open_folder(const struct fixture_folder *folder, int do_lower_case)
{
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    if (tokenizer_open(&tokenizer, folder->path, do_lower_case, &err) < 0)
        fail_msg("%s", err.message);
    return tokenizer;
}

static void opened_assert_tokens(const struct fixture_folder *folder, int do_lower_case,
                                 const char *text, const char *expected)
{
    struct tokenizer *tokenizer = open_folder(folder, do_lower_case);
    assert_tokens(tokenizer, text, expected);
    tokenizer_close(tokenizer);
}

static void a_folder_without_tokenizer_files_is_not_found(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, folder.path));
    assert_null(tokenizer);
    fixture_remove(&folder);
    tokenizer_close(NULL);
}

static void a_vocabulary_of_lines_makes_a_tokenizer(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write(&folder, "vocab.txt", VOCAB);
    opened_assert_tokens(&folder, -1, "The Caf\xC3\xA9 [SEP]", "[CLS] the cafe [SEP] [SEP]");
    opened_assert_tokens(&folder, 0, "The caf\xC3\xA9", "[CLS] The caf\xC3\xA9 [SEP]");
    fixture_write(&folder, "tokenizer_config.json",
                  "{\"do_lower_case\": false,"
                  " \"model_max_length\": 1000000000000000019884624838656}");
    opened_assert_tokens(&folder, -1, "The caf\xC3\xA9", "[CLS] The caf\xC3\xA9 [SEP]");
    opened_assert_tokens(&folder, 1, "The caf\xC3\xA9", "[CLS] the cafe [SEP]");
    fixture_write(&folder, "tokenizer_config.json",
                  "{\"do_lower_case\": true, \"strip_accents\": false,"
                  " \"tokenize_chinese_chars\": false}");
    opened_assert_tokens(&folder, -1, "The CAF\xC3\x89 \xE4\xB8\xAD\xE4\xB8\xAD",
                         "[CLS] the caf\xC3\xA9 [UNK] [SEP]");
    fixture_remove(&folder);
}

static void tokens_added_beside_a_vocabulary_come_after_it(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    fixture_write(&folder, "vocab.txt", VOCAB);
    fixture_write(&folder, "added_tokens.json", "{}");
    opened_assert_tokens(&folder, -1, "the", "[CLS] the [SEP]");
    fixture_write(&folder, "added_tokens.json", "{\"<b>\": 11, \"NEW\": 10}");
    opened_assert_tokens(&folder, -1, "the <b> new the", "[CLS] the <b> NEW the [SEP]");
    assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), 0);
    assert_int_equal(tokenizer_vocabulary_size(tokenizer), 12);
    tokenizer_close(tokenizer);
    fixture_write(&folder, "added_tokens.json", "{\"<b>\": \"ten\"}");
    assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "<b>"));
    fixture_remove(&folder);
}

static void the_map_of_special_tokens_comes_before_the_configuration(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write(&folder, "vocab.txt", VOCAB);
    fixture_write(&folder, "tokenizer_config.json", "{\"cls_token\": \"[CLS]\"}");
    fixture_write(&folder, "special_tokens_map.json",
                  "{\"cls_token\": {\"content\": \"cafe\", \"rstrip\": true},"
                  " \"additional_special_tokens\": [\"<x>\"]}");
    opened_assert_tokens(&folder, -1, "the <x> caf\xC3\xA9", "cafe the <x> cafe [SEP]");
    fixture_write(&folder, "tokenizer_config.json", "{\"added_tokens_decoder\": {}}");
    opened_assert_tokens(&folder, -1, "the", "[CLS] the [SEP]");
    fixture_unlink(&folder, "special_tokens_map.json");
    fixture_remove(&folder);
}

#define MPNET_VOCAB "<s>\n<pad>\n</s>\n[UNK]\n<mask>\nthe\ncafe\n"

static void mpnet_has_its_own_special_tokens_and_pairs(void **state)
{
    static const char *const says[][2] = {
        {"tokenizer_config.json", "{\"tokenizer_class\": \"MPNetTokenizerFast\"}"},
        {"config.json", "{\"model_type\": \"mpnet\"}"}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture_folder folder = fixture_folder();
        struct tokenizer *tokenizer = NULL;
        struct err err = {0};
        fixture_write(&folder, "vocab.txt", MPNET_VOCAB);
        fixture_write(&folder, says[i][0], says[i][1]);
        if (tokenizer_open(&tokenizer, folder.path, -1, &err) < 0)
            fail_msg("%s", err.message);
        char *shown = fixture_show(tokenizer, "The <mask>", 10, "caf\xC3\xA9 x", 0, false);
        assert_string_equal(shown, "<s> the <mask> </s> </s> cafe [UNK] </s>");
        free(shown);
        tokenizer_close(tokenizer);
        fixture_unlink(&folder, says[i][0]);
        fixture_remove(&folder);
    }
}

static void the_class_of_another_tokenizer_is_refused_by_name(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    fixture_write(&folder, "vocab.txt", VOCAB);
    fixture_write(&folder, "tokenizer_config.json",
                  "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}");
    assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "BertJapaneseTokenizer"));
    assert_non_null(strstr(err.message, "save_pretrained"));
    fixture_remove(&folder);
}

static void lines_may_end_as_windows_ends_them_and_the_last_may_lack_its_end(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write(&folder, "vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\nthe");
    struct tokenizer *tokenizer = open_folder(&folder, -1);
    assert_tokens(tokenizer, "the", "[CLS] the [SEP]");
    assert_int_equal(tokenizer_vocabulary_size(tokenizer), 4);
    assert_int_equal(tokenizer_special_count(tokenizer), 2);
    tokenizer_close(tokenizer);
    fixture_remove(&folder);
}

static void a_configuration_names_its_special_tokens(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write(&folder, "vocab.txt", "<u>\n<s>\n</s>\nthe\n");
    fixture_write(&folder, "tokenizer_config.json",
                  "{\"unk_token\": \"<u>\", \"cls_token\": {\"content\": \"<s>\"},"
                  " \"sep_token\": \"</s>\"}");
    opened_assert_tokens(&folder, -1, "the x </s>", "<s> the <u> </s> </s>");
    fixture_write(&folder, "tokenizer_config.json",
                  "{\"unk_token\": \"<u>\", \"cls_token\": \"<s>\", \"sep_token\": \"</s>\","
                  " \"added_tokens_decoder\": {\"3\": {\"content\": \"the\", \"lstrip\": true,"
                  " \"special\": true}, \"9\": {\"content\": \"+\", \"normalized\": false}}}");
    opened_assert_tokens(&folder, -1, "x THE + the", "<s> <u> the + the </s>");
    fixture_remove(&folder);
}

static void added_tokens_that_do_not_stand_by_their_ids_are_refused(void **state)
{
    static const char *const decoders[] = {"[{\"content\": \"x\", \"special\": true}]", "[]",
                                           "\"x\"", "null"};

    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write(&folder, "vocab.txt", VOCAB);
    for (size_t i = 0; i < sizeof decoders / sizeof *decoders; i++) {
        struct tokenizer *tokenizer = NULL;
        struct err err = {0};
        char config[128];
        snprintf(config, sizeof config, "{\"added_tokens_decoder\": %s}", decoders[i]);
        fixture_write(&folder, "tokenizer_config.json", config);
        assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.message, "added_tokens_decoder"));
    }
    fixture_remove(&folder);
}

static void the_configuration_wins_over_tokenizer_json(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write_json(&folder, &(struct fixture_parts){0});
    opened_assert_tokens(&folder, -1, "The caf\xC3\xA9", "[CLS] the cafe [SEP]");
    opened_assert_tokens(&folder, 0, "The caf\xC3\xA9", "[CLS] The caf\xC3\xA9 [SEP]");
    fixture_write(&folder, "tokenizer_config.json", "{\"do_lower_case\": false}");
    opened_assert_tokens(&folder, -1, "The caf\xC3\xA9", "[CLS] The caf\xC3\xA9 [SEP]");
    fixture_write(&folder, "tokenizer_config.json", "{\"strip_accents\": false}");
    opened_assert_tokens(&folder, -1, "The CAF\xC3\x89", "[CLS] the caf\xC3\xA9 [SEP]");
    fixture_remove(&folder);
}

static void embedded_truncation_and_padding_are_ignored(void **state)
{
    (void)state; /* the fixture's file truncates to 3 and pads to 9 */
    struct tokenizer *tokenizer = fixture_open(&(struct fixture_parts){0});
    assert_tokens(tokenizer, "the the the", "[CLS] the the the [SEP]");
    tokenizer_close(tokenizer);
}

static void a_template_says_where_special_tokens_go(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = fixture_open(&(struct fixture_parts){
        .post_processor = "{\"type\":\"TemplateProcessing\","
                          "\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                          "{\"SpecialToken\":{\"id\":\"end\",\"type_id\":2}}],"
                          "\"pair\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},"
                          "{\"SpecialToken\":{\"id\":\"end\",\"type_id\":0}},"
                          "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
                          "\"special_tokens\":{\"end\":{\"id\":\"end\",\"ids\":[3,4],\"tokens\":["
                          "\"x\",\"y\"]}}}"});
    assert_tokens(tokenizer, "the", "the [SEP]:2 [MASK]:2");
    assert_int_equal(tokenizer_special_count(tokenizer), 2);
    char *shown = fixture_show(tokenizer, "the", 3, "un a", 0, false);
    assert_string_equal(shown, "un:1 a:1 [SEP] [MASK] the");
    free(shown);
    tokenizer_close(tokenizer);
}

static void without_a_post_processor_nothing_is_put_in(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = fixture_open(&(struct fixture_parts){.post_processor = "null"});
    assert_tokens(tokenizer, "the", "the");
    char *shown = fixture_show(tokenizer, "the", 3, "un", 0, false);
    assert_string_equal(shown, "the un:1");
    free(shown);
    tokenizer_close(tokenizer);
}

/* The longest run of slots that are taken, which is what a search may have to look at. */
static size_t longest_run(const struct vocabulary *vocabulary)
{
    size_t longest = 0, run = 0;
    for (size_t i = 0; i <= vocabulary->mask; i++) {
        run = vocabulary->slots[i].piece ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void nobody_can_foresee_which_pieces_collide(void **state)
{
    (void)state;
    enum { PIECES = 20000 };
    uint64_t hashes[2] = {VOCABULARY_HASH_START, VOCABULARY_HASH_START};
    for (int round = 0; round < 2; round++) {
        struct vocabulary vocabulary;
        struct arena arena = {0};
        char piece[32];
        assert_int_equal(vocabulary_open(&vocabulary, &arena, PIECES, PIECES, NULL), 0);
        for (uint32_t i = 0; i < PIECES; i++) {
            int size = snprintf(piece, sizeof piece, "##%08x", i << 12);
            assert_int_equal(vocabulary_add(&vocabulary, &arena, piece, (size_t)size, i, NULL), 0);
        }
        assert_in_range(longest_run(&vocabulary), 1, 500);
        assert_int_equal(vocabulary_find(&vocabulary, "##00001000", 10)->id, 1);
        assert_null(vocabulary_find(&vocabulary, "##00001001", 10));
        for (int i = 0; i < 3; i++)
            hashes[round] = vocabulary_hash(&vocabulary, hashes[round], 'a');
        arena_release(&arena);
    }
    assert_true(hashes[0] != hashes[1]);
}

static void without_a_normalizer_text_stays_as_it_is(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = fixture_open(&(struct fixture_parts){.normalizer = "null"});
    assert_tokens(tokenizer,
                  "The the\x0B"
                  "caf\xC3\xA9 CAF\xC3\x89",
                  "[CLS] The the caf\xC3\xA9 [UNK] [SEP]");
    tokenizer_close(tokenizer);
}

/* A tokenizer whose class has no components of its own, with these. */
static struct tokenizer *open_generic(const char *normalizer, const char *pre_tokenizer)
{
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};

    fixture_write_json(
        &folder, &(struct fixture_parts){.normalizer = normalizer, .pre_tokenizer = pre_tokenizer});
    fixture_write(&folder, "tokenizer_config.json",
                  "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}");
    if (tokenizer_open(&tokenizer, folder.path, -1, &err) < 0)
        fail_msg("%s", err.message);
    fixture_remove(&folder);
    return tokenizer;
}

static void normalizers_run_as_the_file_lists_them(void **state)
{
    static const char list[] =
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Strip\"},{\"type\":\"NFD\"},"
        "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"StripAccents\"}]},"
        "{\"type\":\"Lowercase\"},"
        "{\"type\":\"Replace\",\"pattern\":{\"String\":\"q\"},\"content\":\"un\"},"
        "{\"type\":\"Prepend\",\"prepend\":\"the \"}]}";
    struct tokenizer *tokenizer = open_generic(list, NULL);

    (void)state;
    assert_places(tokenizer, " CAFE\xCC\x81. qAffable",
                  "[CLS] the|1-2 cafe|1-5 .|7-8 un|9-10 ##aff|10-13 ##able|13-17 [SEP]");
    assert_tokens(tokenizer, "", "[CLS] [SEP]");
    tokenizer_close(tokenizer);
}

static void a_form_composes_and_decomposes_with_its_places(void **state)
{
    struct tokenizer *tokenizer = open_generic("{\"type\":\"NFKC\"}", NULL);

    (void)state;
    assert_places(tokenizer, "cafe\xCC\x81 \xE2\x82\xA8 u\xCC\x88",
                  "[CLS] caf\xC3\xA9|0-4 [UNK]|7-10 \xC3\xBC|11-12 [SEP]");
    tokenizer_close(tokenizer);
}

static void words_are_cut_as_the_file_lists_it(void **state)
{
    struct tokenizer *tokenizer = open_generic(
        NULL, "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
              "{\"type\":\"Digits\",\"individual_digits\":true}]}");

    (void)state;
    assert_places(tokenizer, "the12a a.",
                  "[CLS] the|0-3 [UNK]|3-4 [UNK]|4-5 a|5-6 [UNK]|7-9 [SEP]");
    tokenizer_close(tokenizer);
    tokenizer = open_generic(NULL, "{\"type\":\"Whitespace\"}");
    assert_places(tokenizer, "the.!a", "[CLS] the|0-3 [UNK]|3-5 a|5-6 [SEP]");
    tokenizer_close(tokenizer);
    tokenizer = open_generic(NULL, "{\"type\":\"Punctuation\"}");
    assert_places(tokenizer, "the.a a", "[CLS] the|0-3 .|3-4 [UNK]|4-7 [SEP]");
    tokenizer_close(tokenizer);
}

static void assert_refused(const struct fixture_parts *parts, int code, const char *reason)
{
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};

    fixture_write_json(&folder, parts);
    int r = tokenizer_open(&tokenizer, folder.path, -1, &err);
    if (r != code || !strstr(err.message, reason) || !strstr(err.message, "tokenizer.json"))
        fail_msg("%d for %d, '%s' without '%s'", r, code, err.message, reason);
    assert_null(tokenizer);
    fixture_remove(&folder);
}

static void a_component_that_is_not_built_is_refused_by_name(void **state)
{
    (void)state;
    assert_refused(&(struct fixture_parts){.normalizer = "{\"type\":\"NFKC\"}"}, ERR_UNSUPPORTED,
                   "normalizer 'NFKC'");
    assert_refused(&(struct fixture_parts){.normalizer = "{\"type\":\"Sequence\"}"},
                   ERR_UNSUPPORTED, "normalizer 'Sequence'");
    assert_refused(&(struct fixture_parts){.pre_tokenizer = "{\"type\":\"Whitespace\"}"},
                   ERR_UNSUPPORTED, "pre_tokenizer 'Whitespace'");
    assert_refused(&(struct fixture_parts){.pre_tokenizer = "{\"type\":\"Metaspace\"}"},
                   ERR_UNSUPPORTED, "pre_tokenizer 'Metaspace'");
    assert_refused(&(struct fixture_parts){.pre_tokenizer = "null"}, ERR_UNSUPPORTED,
                   "pre_tokenizer 'null'");
    assert_refused(&(struct fixture_parts){.model = "{\"type\":\"WordLevel\"}"}, ERR_UNSUPPORTED,
                   "model 'WordLevel'");
    assert_refused(&(struct fixture_parts){.post_processor = "{\"type\":\"Sequence\"}"},
                   ERR_UNSUPPORTED, "post_processor 'Sequence'");
}

static void a_model_that_is_wrong_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        int code;
        const char *reason;
    } cases[] = {
        {"{\"type\":\"WordPiece\"}", ERR_CORRUPT, "model.vocab must be"},
        {"{\"type\":\"WordPiece\",\"vocab\":[]}", ERR_CORRUPT, "model.vocab must be"},
        {"{\"type\":\"WordPiece\",\"vocab\":{}}", ERR_CORRUPT, "unknown token '[UNK]'"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":-1}}", ERR_CORRUPT, "not a whole number"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":\"0\"}}", ERR_CORRUPT, "not a whole number"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":1.5}}", ERR_CORRUPT, "not a whole number"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":4294967296}}", ERR_LIMIT, "below"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":9223372036854775807}}", ERR_LIMIT, "below"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":0}}", ERR_CORRUPT, "both have"},
        {"{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"[UNK]\":1}}", ERR_CORRUPT, "duplicate"},
        {"{\"type\":\"WordPiece\",\"unk_token\":3,\"vocab\":{\"[UNK]\":0}}", ERR_CORRUPT,
         "strings"},
        {"{\"type\":\"WordPiece\",\"max_input_chars_per_word\":-1,\"vocab\":{\"[UNK]\":0}}",
         ERR_CORRUPT, "whole number"},
        {"[]", ERR_UNSUPPORTED, "(no type)"},
        {"{", ERR_CORRUPT, "not valid JSON"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(&(struct fixture_parts){.model = cases[i].model}, cases[i].code,
                       cases[i].reason);
}

static void parts_that_are_wrong_are_refused_with_the_reason(void **state)
{
    (void)state;
#define TEMPLATE(single)                                                                           \
    "{\"type\":\"TemplateProcessing\",\"single\":" single ",\"pair\":[],"                          \
    "\"special_tokens\":{\"x\":{\"ids\":[-1]},\"y\":{\"ids\":[2]}}}"
    static const struct {
        const char *post_processor;
        int code;
        const char *reason;
    } cases[] = {
        {"{\"type\":\"BertProcessing\"}", ERR_CORRUPT, "cls and sep"},
        {"{\"type\":\"BertProcessing\",\"cls\":[\"\",1e9],\"sep\":[\"\",4194304]}", ERR_CORRUPT,
         "cls and sep"},
        {TEMPLATE("1"), ERR_CORRUPT, "single: must be a list"},
        {TEMPLATE("[{}]"), ERR_CORRUPT, "place 0"},
        {TEMPLATE("[{\"Sequence\":{\"id\":\"C\",\"type_id\":0}}]"), ERR_CORRUPT, "A or B"},
        {TEMPLATE("[{\"Sequence\":{\"id\":\"A\",\"type_id\":256}}]"), ERR_CORRUPT, "0 to 255"},
        {TEMPLATE("[{\"SpecialToken\":{\"id\":\"z\",\"type_id\":0}}]"), ERR_CORRUPT, "lacks 'z'"},
        {TEMPLATE("[{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}]"), ERR_CORRUPT, "bad id"},
        {TEMPLATE("[{\"SpecialToken\":{\"id\":\"y\",\"type_id\":0}}]"), ERR_UNSUPPORTED,
         "each text once"},
        {TEMPLATE("[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]"), ERR_UNSUPPORTED,
         "each text once"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(&(struct fixture_parts){.post_processor = cases[i].post_processor},
                       cases[i].code, cases[i].reason);
    assert_refused(&(struct fixture_parts){.added_tokens = "{}"}, ERR_CORRUPT, "must be a list");
    assert_refused(&(struct fixture_parts){.added_tokens = "[{\"id\":1}]"}, ERR_CORRUPT,
                   "added_tokens[0]: an added token has no content");
    assert_refused(&(struct fixture_parts){.added_tokens = "[{\"content\":\"a\",\"lstrip\":1}]"},
                   ERR_CORRUPT, "\"lstrip\" must be true or false");
    assert_refused(
        &(struct fixture_parts){.normalizer = "{\"type\":\"BertNormalizer\",\"lowercase\":\"y\"}"},
        ERR_CORRUPT, "\"lowercase\" must be");
}

static void a_vocabulary_of_lines_that_is_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "unknown token"},
        {"[UNK]\n[CLS]\n", "sep_token '[SEP]'"},
        {"[UNK]\n[CLS]\n[SEP]\n\xFF\n", "line 4 is not valid UTF-8"}};
    struct fixture_folder folder = fixture_folder();
    for (size_t i = 0; i < 3; i++) {
        struct tokenizer *tokenizer = NULL;
        struct err err = {0};
        fixture_write(&folder, "vocab.txt", cases[i][0]);
        assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.message, cases[i][1]));
    }
    fixture_remove(&folder);
}

static void a_piece_longer_than_any_word_is_refused(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    struct buf text = {0};
    buf_append_string(&text, "[UNK]\n[CLS]\n[SEP]\n");
    for (int i = 0; i < 1025; i++)
        buf_append_byte(&text, 'a');
    fixture_write(&folder, "vocab.txt", text.data);
    assert_int_equal(tokenizer_open(&tokenizer, folder.path, -1, &err), ERR_LIMIT);
    text.data[text.size - 1] = '\0';
    fixture_write(&folder, "vocab.txt", text.data);
    tokenizer = open_folder(&folder, -1);
    tokenizer_close(tokenizer);
    buf_release(&text);
    fixture_remove(&folder);
}

static void the_last_of_two_equal_lines_counts(void **state)
{
    (void)state;
    struct fixture_folder folder = fixture_folder();
    fixture_write(&folder, "vocab.txt", "[UNK]\n[CLS]\n[SEP]\nthe\nun\nthe\n");
    struct tokenizer *tokenizer = open_folder(&folder, -1);
    assert_string_equal(tokenizer_piece(tokenizer, 5), "the");
    assert_null(tokenizer_piece(tokenizer, 3));
    assert_null(tokenizer_piece(tokenizer, UINT32_MAX));
    tokenizer_close(tokenizer);
    fixture_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_without_tokenizer_files_is_not_found),
        cmocka_unit_test(a_vocabulary_of_lines_makes_a_tokenizer),
        cmocka_unit_test(tokens_added_beside_a_vocabulary_come_after_it),
        cmocka_unit_test(the_map_of_special_tokens_comes_before_the_configuration),
        cmocka_unit_test(mpnet_has_its_own_special_tokens_and_pairs),
        cmocka_unit_test(the_class_of_another_tokenizer_is_refused_by_name),
        cmocka_unit_test(lines_may_end_as_windows_ends_them_and_the_last_may_lack_its_end),
        cmocka_unit_test(a_configuration_names_its_special_tokens),
        cmocka_unit_test(added_tokens_that_do_not_stand_by_their_ids_are_refused),
        cmocka_unit_test(the_configuration_wins_over_tokenizer_json),
        cmocka_unit_test(embedded_truncation_and_padding_are_ignored),
        cmocka_unit_test(a_template_says_where_special_tokens_go),
        cmocka_unit_test(without_a_post_processor_nothing_is_put_in),
        cmocka_unit_test(nobody_can_foresee_which_pieces_collide),
        cmocka_unit_test(without_a_normalizer_text_stays_as_it_is),
        cmocka_unit_test(normalizers_run_as_the_file_lists_them),
        cmocka_unit_test(a_form_composes_and_decomposes_with_its_places),
        cmocka_unit_test(words_are_cut_as_the_file_lists_it),
        cmocka_unit_test(a_component_that_is_not_built_is_refused_by_name),
        cmocka_unit_test(a_model_that_is_wrong_is_refused_with_the_reason),
        cmocka_unit_test(parts_that_are_wrong_are_refused_with_the_reason),
        cmocka_unit_test(a_vocabulary_of_lines_that_is_wrong_is_refused),
        cmocka_unit_test(a_piece_longer_than_any_word_is_refused),
        cmocka_unit_test(the_last_of_two_equal_lines_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
