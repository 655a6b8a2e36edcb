/* Tests of splitting: what the passages of any text must be, and where cuts should fall. */
#include <time.h>

#include "base/utf8.h"
#include "encoder/passages.h"
#include "encoder/tokenizer/unicode.h"
#include "tests/unit/encoder/tokenizer_fixture.h"

static int open_fixture(void **state)
{
    *state = fixture_open(&(struct fixture_parts){0});
    return 0;
}

static int close_fixture(void **state)
{
    tokenizer_close(*state);
    return 0;
}

static struct passage_list split(const struct tokenizer *tokenizer, const char *text, size_t size,
                                 size_t max_length)
{
    struct token_list scratch = {0};
    struct passage_list list = {0};
    struct err err = {0};
    if (passages_split(tokenizer, text, size, max_length, 0, &scratch, &list, &err) < 0)
        fail_msg("%s", err.message);
    token_list_release(&scratch);
    return list;
}

static bool only_space(const char *text, size_t from, size_t to)
{
    uint32_t code_point;
    for (; from < to; from += utf8_decode(text + from, to - from, &code_point))
        if (utf8_decode(text + from, to - from, &code_point) == 0 ||
            !(unicode_classify(code_point) & UNICODE_SPACE))
            return false;
    return true;
}

/* What must hold of the passages of any text. A passage that does not fit may only be what cannot
 * be cut, the tokens of one code point. */
static void assert_sound(const struct tokenizer *tokenizer, const char *text, size_t size,
                         size_t max_length)
{
    struct passage_list list = split(tokenizer, text, size, max_length);
    struct token_list tokens = {0};
    size_t covered = 0;

    assert_true(list.count >= 1);
    for (size_t i = 0; i < list.count; i++) {
        struct passage_span span = list.spans[i];
        struct err err = {0};
        assert_true(span.end <= size);
        assert_true(span.start < span.end || size == 0);
        if (i > 0) {
            assert_true(span.start > list.spans[i - 1].start);
            assert_true(span.end > list.spans[i - 1].end);
        }
        if (span.start > covered)
            assert_true(only_space(text, covered, span.start));
        covered = span.end;
        int r = tokenizer_encode(tokenizer, text + span.start, span.end - span.start, NULL, 0, 0,
                                 &tokens, &err);
        if (r < 0)
            fail_msg("a passage was cut inside a code point: %s", err.message);
        for (size_t j = 2; tokens.count > max_length && j + 1 < tokens.count; j++)
            assert_int_equal(tokens.tokens[j].start, tokens.tokens[1].start);
        if (list.count > 1) {
            assert_false(only_space(text, span.start, span.start + 1));
            assert_false(only_space(text, span.end - 1, span.end));
        }
    }
    assert_true(only_space(text, covered, size));
    token_list_release(&tokens);
    passage_list_release(&list);
}

static void a_short_text_is_one_passage(void **state)
{
    static const char *const texts[] = {"the cafe.", "  the cafe.  ", "a"};
    static const struct passage_span spans[] = {{0, 9}, {2, 11}, {0, 1}};
    for (size_t i = 0; i < 3; i++) {
        struct passage_list list = split(*state, texts[i], strlen(texts[i]), 5);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.spans[0].start, spans[i].start);
        assert_int_equal(list.spans[0].end, spans[i].end);
        passage_list_release(&list);
    }
}

static void a_text_without_words_is_one_passage(void **state)
{
    struct passage_list list = split(*state, "", 0, 5);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.spans[0].end, 0);
    passage_list_release(&list);
    list = split(*state, " \n ", 3, 5);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.spans[0].end, 3);
    passage_list_release(&list);
}

/* The passages with a bar between them, so that a test shows where the cuts are. */
static void assert_passages(const struct tokenizer *tokenizer, const char *text, size_t max_length,
                            const char *expected)
{
    struct passage_list list = split(tokenizer, text, strlen(text), max_length);
    struct buf shown = {0};
    for (size_t i = 0; i < list.count; i++)
        buf_printf(&shown, "%s%.*s", i ? " | " : "", (int)(list.spans[i].end - list.spans[i].start),
                   text + list.spans[i].start);
    assert_string_equal(shown.data, expected);
    buf_release(&shown);
    passage_list_release(&list);
}

static void a_cut_falls_at_the_end_of_a_sentence(void **state)
{
    assert_passages(*state, "the run. the un the run the. un", 9,
                    "the run. | the un the run the. un");
    assert_passages(*state, "(the run!) \"the un.\" the run the.", 11,
                    "(the run!) | \"the un.\" the run the.");
    assert_passages(*state, "the run the\n\nthe un the run the un", 8,
                    "the run the | the un the run the un");
}

static void without_sentences_a_cut_falls_at_white_space_and_then_between_words(void **state)
{
    assert_passages(*state, "the unaffable the unaffable", 7, "the unaffable the | unaffable");
    assert_passages(*state, "the,the,the,the", 6, "the,the, | the,the");
    assert_passages(*state, "\xE4\xB8\xAD\xE6\x96\x87\xE3\x80\x82\xE4\xB8\xAD\xE6\x96\x87", 6,
                    "\xE4\xB8\xAD\xE6\x96\x87\xE3\x80\x82 | \xE4\xB8\xAD\xE6\x96\x87");
}

static void a_word_longer_than_the_limit_is_cut_between_its_pieces(void **state)
{
    assert_passages(*state, "abcbcbcb", 6, "abcb | cbcb");
    assert_sound(*state, "abcbcbcbcbcbcb cbcbcbcbcbcbcbcbc", 32, 6);
}

static void passages_overlap_by_about_an_eighth_and_start_at_sentences(void **state)
{
    struct buf text = {0};
    for (int i = 0; i < 100; i++)
        buf_append_string(&text, i % 5 == 4 ? "the un. " : "the un ");
    struct passage_list list = split(*state, text.data, text.size, 66);
    assert_true(list.count > 3);
    for (size_t i = 1; i < list.count; i++) {
        assert_true(list.spans[i].start < list.spans[i - 1].end);
        assert_memory_equal(text.data + list.spans[i].start - 2, ". the", 5);
    }
    passage_list_release(&list);
    assert_sound(*state, text.data, text.size, 66);
    buf_release(&text);
}

static void no_room_and_ill_formed_text_are_refused(void **state)
{
    struct token_list scratch = {0};
    struct passage_list list = {0};
    struct err err = {0};
    assert_int_equal(passages_split(*state, "the", 3, 4, 2, &scratch, &list, &err), ERR_INVALID);
    assert_int_equal(passages_split(*state, "the\xFF", 4, 9, 0, &scratch, &list, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.message, "byte 3"));
    token_list_release(&scratch);
    passage_list_release(&list);
}

static void prompt_tokens_are_taken_off_the_limit(void **state)
{
    struct token_list scratch = {0};
    struct passage_list list = {0};
    const char *text = "the un the un the un the un";
    assert_int_equal(passages_split(*state, text, 27, 10, 4, &scratch, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(passages_split(*state, text, 27, 10, 0, &scratch, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    token_list_release(&scratch);
    passage_list_release(&list);
}

/* Text from pieces that stress the rules, by a generator of fixed numbers. */
static void random_text(struct buf *text, uint32_t seed)
{
    static const char *const pieces[] = {"the",
                                         " ",
                                         "unaffable",
                                         ".",
                                         ". ",
                                         "! ",
                                         "?\"",
                                         "\n\n",
                                         "abcbc",
                                         "[SEP]",
                                         "\t",
                                         "\xE4\xB8\xAD",
                                         "\xE3\x80\x82",
                                         "\xCC\x88",
                                         "\xE2\x80\x8B",
                                         "zzzz",
                                         " the ",
                                         "caf\xC3\xA9 ",
                                         "run. ",
                                         "\"",
                                         ")",
                                         "           ",
                                         "a",
                                         "\xEA\xB0\x81"};
    buf_clear(text);
    buf_append_string(text, "");
    for (uint32_t i = 0, count = seed % 97; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        buf_append_string(text, pieces[(seed >> 16) % (sizeof pieces / sizeof *pieces)]);
    }
}

static void passages_of_any_text_are_sound(void **state)
{
    struct buf text = {0};
    for (uint32_t seed = 1; seed < 1000; seed++) {
        random_text(&text, seed * 2654435761u);
        assert_sound(*state, text.data, text.size, 3 + seed % 4);
        assert_sound(*state, text.data, text.size, 10 + seed % 23);
    }
    buf_release(&text);
}

/* Seconds of the processor that splitting a line of `size` bytes takes. */
static double split_line(const struct tokenizer *tokenizer, const char *piece, size_t size)
{
    struct buf text = {0};
    while (text.size < size)
        assert_int_equal(buf_append_string(&text, piece), 0);
    clock_t start = clock();
    struct passage_list list = split(tokenizer, text.data, text.size, 256);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_true(list.count >= 1);
    passage_list_release(&list);
    buf_release(&text);
    return seconds;
}

static void a_line_of_ten_megabytes_takes_time_in_proportion(void **state)
{
    static const char *const pieces[] = {"the cafe. ", "abcbcbcbcb",           "zzzzzzzzzz",
                                         "          ", "\"\"\"\"\"\"\"\"\"\"", "the          "};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        double small = split_line(*state, pieces[i], 1 << 20);
        double large = split_line(*state, pieces[i], 10 << 20);
        if (large > 40 * small + 0.5)
            fail_msg("'%s': %.3f s for 1 MiB, %.3f s for 10 MiB", pieces[i], small, large);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_text_is_one_passage),
        cmocka_unit_test(a_text_without_words_is_one_passage),
        cmocka_unit_test(a_cut_falls_at_the_end_of_a_sentence),
        cmocka_unit_test(without_sentences_a_cut_falls_at_white_space_and_then_between_words),
        cmocka_unit_test(a_word_longer_than_the_limit_is_cut_between_its_pieces),
        cmocka_unit_test(passages_overlap_by_about_an_eighth_and_start_at_sentences),
        cmocka_unit_test(no_room_and_ill_formed_text_are_refused),
        cmocka_unit_test(prompt_tokens_are_taken_off_the_limit),
        cmocka_unit_test(passages_of_any_text_are_sound),
        cmocka_unit_test(a_line_of_ten_megabytes_takes_time_in_proportion),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
