/* Tests of the kind Unigram: a small trained model against the reference's tokens, from both kinds
 * of file; the splitting by itself; and files that are damaged or of a kind that is not built here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "encoder/tokenizer/charsmap.h"
#include "encoder/tokenizer/sentencepiece.h"
#include "encoder/tokenizer/unigram.h"
#include "tests/unit/encoder/tokenizer_fixture.h"

#define GOLDEN "tests/golden/sentencepiece"

static char *read_golden(const char *name, size_t *ret_size)
{
    char *path = file_join(GOLDEN, name), *data = NULL;
    assert_non_null(path);
    assert_int_equal(file_read(&data, ret_size, path, 1 << 20, NULL), 0);
    free(path);
    return data;
}

/* Where the code point number `count` of a text starts. */
static size_t byte_of(const char *text, size_t count)
{
    size_t at = 0;
    while (count-- > 0)
        do
            at++;
        while ((text[at] & 0xC0) == 0x80);
    return at;
}

/* One line of expected.txt: a text as JSON, then id:start:end for each token. */
static void assert_line(const struct tokenizer *tokenizer, const char *line)
{
    const char *tab = strchr(line, '\t');
    struct token_list list = {0};
    struct buf quoted = {0};
    json_t *json;
    size_t i = 0;

    assert_non_null(tab);
    assert_int_equal(buf_printf(&quoted, "[%.*s]", (int)(tab - line), line), 0);
    assert_int_equal(json_parse(&json, quoted.data, quoted.size, "a text", NULL), 0);
    const char *text = json_string_value(json_array_get(json, 0));
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), NULL, 0, 0, &list, NULL), 0);
    for (const char *at = tab; *at != '\0'; i++) {
        unsigned long id, start, end;
        char *next;
        id = strtoul(at + 1, &next, 10);
        start = strtoul(next + 1, &next, 10);
        end = strtoul(next + 1, &next, 10);
        at = next;
        assert_true(i < list.count);
        assert_int_equal(list.tokens[i].id, id);
        assert_int_equal(list.tokens[i].start, byte_of(text, start));
        assert_int_equal(list.tokens[i].end, byte_of(text, end));
    }
    assert_int_equal(i, list.count);
    token_list_release(&list);
    json_decref(json);
    buf_release(&quoted);
}

static void assert_golden(const char *folder, const char *name)
{
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};
    size_t size, lines = 0;
    char *expected = read_golden(name, &size), *rest = expected, *line;

    if (tokenizer_open(&tokenizer, folder, -1, &err) < 0)
        fail_msg("%s", err.message);
    while ((line = strsep(&rest, "\n")) && *line != '\0') {
        assert_line(tokenizer, line);
        lines++;
    }
    assert_true(lines > 10);
    tokenizer_close(tokenizer);
    free(expected);
}

static void tokens_are_the_references_from_tokenizer_json(void **state)
{
    (void)state;
    assert_golden(GOLDEN, "expected.txt");
}

/* The golden .model as a folder of that class; what it gives must be what is in `expected`. */
static void assert_model_file(const char *config, const char *expected)
{
    struct fixture_folder folder = fixture_folder();
    char *path = file_join(folder.path, "sentencepiece.bpe.model");
    size_t size;
    char *model = read_golden("sentencepiece.bpe.model", &size);

    assert_non_null(path);
    assert_int_equal(file_write(path, model, size, 0644, NULL), 0);
    if (config)
        fixture_write(&folder, "tokenizer_config.json", config);
    assert_golden(folder.path, expected);
    unlink(path);
    fixture_remove(&folder);
    free(model);
    free(path);
}

static void tokens_are_the_references_from_the_model_file(void **state)
{
    (void)state;
    assert_model_file(NULL, "expected.txt");
}

static void camembert_numbers_the_same_file_otherwise(void **state)
{
    (void)state;
    assert_model_file("{\"tokenizer_class\": \"CamembertTokenizer\"}", "expected_camembert.txt");
}

/* A model of pieces and scores, the first unknown. */
struct small {
    struct arena arena;
    struct vocabulary vocabulary;
    struct unigram model;
    struct unigram_scratch scratch;
};

static void small_open(struct small *small, const char *const *pieces, const double *scores,
                       size_t count)
{
    *small = (struct small){0};
    assert_int_equal(vocabulary_open(&small->vocabulary, &small->arena, count, count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(vocabulary_add(&small->vocabulary, &small->arena, pieces[i],
                                        strlen(pieces[i]), (uint32_t)i, NULL),
                         0);
    assert_int_equal(
        unigram_open(&small->model, &small->arena, &small->vocabulary, scores, count, 0, NULL), 0);
}

static void small_close(struct small *small)
{
    unigram_scratch_release(&small->scratch);
    arena_release(&small->arena);
}

static void assert_split(struct small *small, const char *word, const char *expected)
{
    struct buf shown = {0};
    size_t count;
    assert_int_equal(
        unigram_split(&small->model, word, strlen(word), &small->scratch, &count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&shown, "%s%u|%u-%u", i ? " " : "", small->scratch.parts[i].id,
                   small->scratch.parts[i].start, small->scratch.parts[i].end);
    assert_string_equal(shown.data, expected);
    buf_release(&shown);
}

static void the_best_sum_wins_and_of_equals_the_first(void **state)
{
    static const char *const pieces[] = {"<unk>", "a", "b", "c", "ab", "bc", "abc"};
    static const double scores[] = {0, -1, -1, -1, -2, -2, -4};
    struct small small;

    (void)state;
    small_open(&small, pieces, scores, 7);
    assert_split(&small, "ab", "4|0-2");
    assert_split(&small, "abc", "1|0-1 5|1-3");
    assert_split(&small, "bc", "5|0-2");
    assert_split(&small, "cab", "3|0-1 4|1-3");
    small_close(&small);
}

static void neighbouring_unknown_code_points_are_one_token(void **state)
{
    static const char *const pieces[] = {"<unk>", "a", "xy"};
    static const double scores[] = {0, -1, -50};
    struct small small;

    (void)state;
    small_open(&small, pieces, scores, 3);
    assert_split(&small, "a\xED\x95\x9C\xEA\xB8\x80zza", "1|0-1 0|1-9 1|9-10");
    assert_split(&small, "zz", "0|0-2");
    assert_split(&small, "xy", "2|0-2");
    small_close(&small);
}

static void a_word_of_a_million_bytes_is_split(void **state)
{
    static const char *const pieces[] = {"<unk>", "a", "aa"};
    static const double scores[] = {0, -1, -1.5};
    enum { SIZE = 1 << 20 };
    char *word = malloc(SIZE);
    struct small small;
    size_t count;

    (void)state;
    assert_non_null(word);
    memset(word, 'a', SIZE);
    small_open(&small, pieces, scores, 3);
    assert_int_equal(unigram_split(&small.model, word, SIZE, &small.scratch, &count, NULL), 0);
    assert_int_equal(count, SIZE / 2);
    small_close(&small);
    free(word);
}

static void a_cut_model_is_refused_or_has_fewer_pieces(void **state)
{
    size_t size, refused = 0;
    char *model = read_golden("sentencepiece.bpe.model", &size);
    struct sentencepiece whole, file;
    struct arena arena = {0};

    (void)state;
    const unsigned char *bytes = (const unsigned char *)model;
    assert_int_equal(sentencepiece_parse(&whole, &arena, bytes, size, NULL), 0);
    assert_int_equal(whole.pieces[0].type, SENTENCEPIECE_UNKNOWN);
    assert_true(whole.charsmap_size > 0);
    for (size_t i = 0; i < size; i++) {
        struct err err = {0};
        char *cut = malloc(i + 1); /* its own block, so that reading on would be seen */
        assert_non_null(cut);
        memcpy(cut, model, i);
        if (sentencepiece_parse(&file, &arena, (unsigned char *)cut, i, &err) < 0) {
            assert_int_equal(err.code, ERR_CORRUPT);
            refused++;
        } else {
            assert_true(file.count < whole.count || file.charsmap_size < whole.charsmap_size ||
                        i + 2 >= size);
        }
        free(cut);
    }
    assert_true(refused > size / 2);
    arena_release(&arena);
    free(model);
}

static void a_damaged_character_map_is_refused_or_maps_within(void **state)
{
    static const unsigned char no_trie[] = {0, 0, 0, 0, 'a', 0};
    static const unsigned char too_long[] = {255, 255, 255, 255, 0, 0, 0, 0};
    static const unsigned char not_utf8[] = {4, 0, 0, 0, 0, 0, 0, 0, 0xC3};
    unsigned char long_one[8 + CHARSMAP_REPLACEMENT_LIMIT + 1] = {4};
    /* Every unit has a value and leads far away. */
    static const unsigned char wild[] = {8, 0, 0, 0, 0, 1, 0, 0, 'a', 0xFF, 0xFF, 0x7F, 'b', 0};
    struct arena arena = {0};
    struct charsmap map;
    const char *found;
    size_t size;

    (void)state;
    assert_int_equal(charsmap_open(&map, &arena, no_trie, 3, NULL), ERR_CORRUPT);
    assert_int_equal(charsmap_open(&map, &arena, no_trie, sizeof no_trie, NULL), ERR_CORRUPT);
    assert_int_equal(charsmap_open(&map, &arena, too_long, sizeof too_long, NULL), ERR_CORRUPT);
    assert_int_equal(charsmap_open(&map, &arena, not_utf8, sizeof not_utf8, NULL), ERR_CORRUPT);
    memset(long_one + 8, 'a', sizeof long_one - 8);
    assert_int_equal(charsmap_open(&map, &arena, long_one, sizeof long_one, NULL), ERR_LIMIT);
    assert_int_equal(charsmap_open(&map, &arena, wild, sizeof wild, NULL), 0);
    assert_false(charsmap_find(&map, "abc", 3, &found, &size));
    arena_release(&arena);
}

/* A tokenizer.json of the kind Unigram with parts of its own. */
static int open_with(const char *normalizer, const char *pre_tokenizer, const char *more,
                     struct err *err)
{
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct buf json = {0};

    buf_printf(
        &json,
        "{\"normalizer\":%s,\"pre_tokenizer\":%s,\"model\":{\"type\":\"Unigram\",\"unk_id\":0,"
        "%s\"vocab\":[[\"<unk>\",0.0],[\"a\",-1]]}}",
        normalizer, pre_tokenizer, more);
    fixture_write(&folder, "tokenizer.json", json.data);
    int r = tokenizer_open(&tokenizer, folder.path, -1, err);
    tokenizer_close(tokenizer);
    fixture_remove(&folder);
    buf_release(&json);
    return r;
}

static void what_is_not_built_is_refused_by_name(void **state)
{
    static const char metaspace[] = "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\"}";
    static const struct {
        const char *normalizer, *pre_tokenizer, *more, *named;
    } cases[] = {
        {"{\"type\":\"NFKC\"}", metaspace, "", "NFKC"},
        {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Lowercase\"}]}", metaspace, "",
         "Lowercase"},
        {"{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"\"}", metaspace, "",
         "x+"},
        {"{\"type\":\"NFC\"}", metaspace, "", "NFC"},
        {"{\"type\":\"NFD\"}", metaspace, "", "NFD"},
        {"{\"type\":\"NFKD\"}", metaspace, "", "NFKD"},
        {"{\"type\":\"StripAccents\"}", metaspace, "", "StripAccents"},
        {"{\"type\":\"Prepend\",\"prepend\":\"x\"}", metaspace, "", "Prepend"},
        {"{\"type\":\"BertNormalizer\"}", metaspace, "", "BertNormalizer"},
        {"null", "{\"type\":\"Digits\"}", "", "Digits"},
        {"null", "{\"type\":\"Whitespace\"}", "", "Whitespace"},
        {"null", "{\"type\":\"Punctuation\"}", "", "Punctuation"},
        {"null", "{\"type\":\"Split\"}", "", "Split"},
        {"null", "{\"type\":\"BertPreTokenizer\"}", "", "BertPreTokenizer"},
        {"null", "{\"type\":\"ByteLevel\"}", "", "ByteLevel"},
        {"null", metaspace, "\"byte_fallback\":true,", "byte_fallback"},
    };
    struct err err = {0};

    (void)state;
    assert_int_equal(open_with("null", metaspace, "", &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            open_with(cases[i].normalizer, cases[i].pre_tokenizer, cases[i].more, &err),
            ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, cases[i].named));
    }
    assert_int_equal(
        open_with("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"}", metaspace, "", &err),
        ERR_CORRUPT);
}

static void a_special_token_that_is_escaped_is_text(void **state)
{
    static const char text[] = "the </s> cat <mask>";
    struct token_list list = {0};
    struct tokenizer *tokenizer;

    (void)state;
    assert_int_equal(tokenizer_open(&tokenizer, GOLDEN, -1, NULL), 0);
    tokenizer_escape_special_tokens(tokenizer);
    assert_int_equal(tokenizer_encode(tokenizer, text, sizeof text - 1, NULL, 0, 0, &list, NULL),
                     0);
    uint32_t mask = (uint32_t)tokenizer_vocabulary_size(tokenizer) - 1;
    assert_string_equal(tokenizer_piece(tokenizer, mask), "<mask>");
    for (size_t i = 1; i + 1 < list.count; i++)
        assert_true(list.tokens[i].id > 2 && list.tokens[i].id != mask);
    assert_true(list.count > 8);
    token_list_release(&list);
    tokenizer_close(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_the_references_from_tokenizer_json),
        cmocka_unit_test(tokens_are_the_references_from_the_model_file),
        cmocka_unit_test(camembert_numbers_the_same_file_otherwise),
        cmocka_unit_test(the_best_sum_wins_and_of_equals_the_first),
        cmocka_unit_test(neighbouring_unknown_code_points_are_one_token),
        cmocka_unit_test(a_word_of_a_million_bytes_is_split),
        cmocka_unit_test(a_cut_model_is_refused_or_has_fewer_pieces),
        cmocka_unit_test(a_damaged_character_map_is_refused_or_maps_within),
        cmocka_unit_test(what_is_not_built_is_refused_by_name),
        cmocka_unit_test(a_special_token_that_is_escaped_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
