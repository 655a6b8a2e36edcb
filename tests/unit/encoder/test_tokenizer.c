/* Tests of tokenizing with a vocabulary of a few pieces: words, normalising, places, added tokens,
 * pairs, limits.
 */
#include <pthread.h>

#include "encoder/tokenizer/template.h"
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

static void a_word_becomes_its_longest_pieces(void **state)
{
    assert_tokens(*state, "the unaffable running", "[CLS] the un ##aff ##able run ##ning [SEP]");
    assert_tokens(*state, "abc cab", "[CLS] a ##b ##c [UNK] [SEP]");
    assert_tokens(*state, "unx theun", "[CLS] [UNK] [UNK] [SEP]");
    assert_tokens(*state, "", "[CLS] [SEP]");
    assert_tokens(*state, " \t\n\r ", "[CLS] [SEP]");
}

static void a_word_of_more_than_a_hundred_code_points_is_unknown(void **state)
{
    char text[103] = "a";
    memset(text + 1, 'b', 100);
    char *shown = fixture_show(*state, text, 100, NULL, 0, false);
    assert_memory_equal(shown, "[CLS] a ##b ##b", 15);
    free(shown);
    shown = fixture_show(*state, text, 101, NULL, 0, true);
    assert_string_equal(shown, "[CLS] [UNK]|0-101 [SEP]");
    free(shown);
}

static void punctuation_stands_alone_and_symbols_do_not_split(void **state)
{
    assert_tokens(*state, "the,the.", "[CLS] the , the . [SEP]");
    assert_tokens(*state, "##s", "[CLS] # # [UNK] [SEP]");
    assert_tokens(*state,
                  "a\xE2\x82\xAC"
                  "b",
                  "[CLS] [UNK] [SEP]");
}

static void case_accents_and_controls_go(void **state)
{
    assert_tokens(*state, "THE Caf\xC3\x89 cafe\xCC\x81", "[CLS] the cafe cafe [SEP]");
    assert_tokens(*state,
                  "t\xE2\x80\x8Bh\xC2\xAD"
                  "e\xEF\xBB\xBF",
                  "[CLS] the [SEP]");
    assert_tokens(*state, "the\xC2\xA0the\xE3\x80\x80the", "[CLS] the the the [SEP]");
    assert_tokens(*state,
                  "the\x0B"
                  "un",
                  "[CLS] [UNK] [SEP]"); /* vanishes, splits nothing */
    assert_tokens(*state, "\xC4\xB0s", "[CLS] i ##s [SEP]");
    assert_tokens(*state, "\xE2\x84\xAA", "[CLS] k [SEP]"); /* the kelvin sign */
    char *shown = fixture_show(*state, "t\0he", 4, NULL, 0, false);
    assert_string_equal(shown, "[CLS] the [SEP]");
    free(shown);
}

static void every_token_knows_its_bytes(void **state)
{
    assert_places(*state, " the  Un\xC3\xA4\xCC\x81", "[CLS] the|1-4 [UNK]|6-10 [SEP]");
    assert_places(*state, "unaffable", "[CLS] un|0-2 ##aff|2-5 ##able|5-9 [SEP]");
    assert_places(*state, "caf\xC3\xA9.", "[CLS] cafe|0-5 .|5-6 [SEP]");
    assert_places(*state, "cafe\xCC\x81.", "[CLS] cafe|0-4 .|6-7 [SEP]");
    assert_places(*state, "\xC4\xB0s", "[CLS] i|0-2 ##s|2-3 [SEP]");
    assert_places(*state, "a\xE4\xB8\xAD\xE6\x96\x87",
                  "[CLS] a|0-1 \xE4\xB8\xAD|1-4 \xE6\x96\x87|4-7 [SEP]");
}

static void a_token_tells_whether_it_continues_a_word(void **state)
{
    struct token_list list = {0};
    struct err err;
    assert_int_equal(tokenizer_encode(*state, "unaffable a", 11, NULL, 0, 0, &list, &err), 0);
    static const bool continues[] = {false, false, true, true, false, false};
    static const bool special[] = {true, false, false, false, false, true};
    assert_int_equal(list.count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(list.tokens[i].continues, continues[i]);
        assert_int_equal(list.tokens[i].special, special[i]);
    }
    token_list_release(&list);
}

static void a_special_token_written_out_is_that_token(void **state)
{
    assert_places(*state, "the[SEP]the", "[CLS] the|0-3 [SEP]|3-8 the|8-11 [SEP]");
    assert_tokens(*state, "[sep]", "[CLS] [ sep ] [SEP]");
    assert_tokens(*state, "[SEP", "[CLS] [ sep [SEP]");
    assert_tokens(*state, "[[SEP]]", "[CLS] [ [SEP] ] [SEP]");
}

static void special_tokens_can_be_escaped(void **state)
{
    (void)state;
    struct tokenizer *tokenizer =
        fixture_open(&(struct fixture_parts){.added_tokens = "[{\"content\":\"[SEP]\",\"special\":"
                                                             "true},{\"content\":\"<m>\"}]"});
    assert_tokens(tokenizer, "the [SEP] <m>", "[CLS] the [SEP] <m> [SEP]");
    tokenizer_escape_special_tokens(tokenizer);
    assert_tokens(tokenizer, "the [SEP] <m>", "[CLS] the [ sep ] <m> [SEP]");
    tokenizer_close(tokenizer);
}

static void added_tokens_honour_their_flags(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = fixture_open(&(struct fixture_parts){
        .added_tokens =
            "[{\"id\":90,\"content\":\"<m>\",\"lstrip\":true,\"rstrip\":true,\"normalized\":false},"
            "{\"id\":91,\"content\":\"<one>\",\"single_word\":true,\"normalized\":false},"
            "{\"id\":92,\"content\":\"New Word\",\"normalized\":true},"
            "{\"id\":93,\"content\":\"<m>>\",\"normalized\":false},"
            "{\"id\":94,\"content\":\"\",\"normalized\":false}]"});
    assert_places(tokenizer, "the  <m> \xC2\xA0the", "[CLS] the|0-3 <m>|3-11 the|11-14 [SEP]");
    assert_places(tokenizer, "<m>><m>", "[CLS] <m>>|0-4 <m>|4-7 [SEP]");
    assert_places(tokenizer, "<one>,<one>", "[CLS] <one>|0-5 ,|5-6 <one>|6-11 [SEP]");
    assert_places(tokenizer, "a n\xC3\x8BW  new\nWORD",
                  "[CLS] a|0-1 [UNK]|2-6 New Word|8-16 [SEP]");
    char *shown = fixture_show(tokenizer, "the<one>", 8, NULL, 0, false);
    assert_null(strstr(shown, "<one>"));
    free(shown);
    struct token_list list = {0};
    struct err err = {0};
    assert_int_equal(tokenizer_encode(tokenizer, " \x82<m>", 5, NULL, 0, 0, &list, &err),
                     ERR_INVALID); /* white space is taken, ill-formed bytes are not */
    assert_non_null(strstr(err.message, "byte 1"));
    token_list_release(&list);
    size_t count = tokenizer_vocabulary_size(tokenizer); /* "<m>>" is the last */
    assert_string_equal(tokenizer_piece(tokenizer, (uint32_t)count - 2), "New Word");
    assert_null(tokenizer_piece(tokenizer, (uint32_t)count));
    tokenizer_close(tokenizer);
}

static void a_pair_has_types_and_three_special_tokens(void **state)
{
    char *shown = fixture_show(*state, "the", 3, "un", 0, false);
    assert_string_equal(shown, "[CLS] the [SEP] un:1 [SEP]:1");
    free(shown);
    shown = fixture_show(*state, "", 0, "", 0, false);
    assert_string_equal(shown, "[CLS] [SEP] [SEP]:1");
    free(shown);
}

static void a_pair_is_truncated_longest_first(void **state)
{
    (void)state;
    static const size_t table[][5] = {
        /* first, second, room, and what remains of each */
        {0, 0, 7, 0, 0},   {0, 2, 7, 0, 2},  {0, 8, 7, 0, 7}, {2, 4, 7, 2, 4}, {2, 8, 7, 2, 5},
        {4, 4, 7, 3, 4},   {4, 8, 7, 3, 4},  {8, 0, 7, 7, 0}, {8, 2, 7, 5, 2}, {8, 4, 7, 4, 3},
        {8, 8, 7, 3, 4},   {5, 3, 7, 4, 3},  {3, 5, 7, 3, 4}, {9, 9, 1, 0, 1}, {9, 8, 1, 1, 0},
        {9, 9, 0, 0, 0},   {1, 9, 2, 1, 1},  {9, 1, 2, 1, 1}, {2, 9, 4, 2, 2}, {3, 9, 4, 2, 2},
        {100, 3, 8, 5, 3}, {3, 100, 8, 3, 5}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t first = table[i][0], second = table[i][1];
        template_truncate_pair(&first, &second, table[i][2]);
        assert_int_equal(first, table[i][3]);
        assert_int_equal(second, table[i][4]);
    }
}

static void truncation_is_reported(void **state)
{
    struct token_list list = {0};
    struct err err = {0};
    const char *text = "the the the the", *pair = "un un un un un un";

    assert_int_equal(tokenizer_encode(*state, text, 15, NULL, 0, 4, &list, &err), 0);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.full_count, 6);
    assert_int_equal(tokenizer_encode(*state, text, 15, NULL, 0, 6, &list, &err), 0);
    assert_int_equal(list.count, list.full_count);
    assert_int_equal(tokenizer_encode(*state, text, 15, pair, 17, 10, &list, &err), 0);
    assert_int_equal(list.count, 10);
    assert_int_equal(list.full_count, 13);
    assert_int_equal(tokenizer_encode(*state, text, 15, NULL, 0, 2, &list, &err), 0);
    assert_int_equal(list.count, 2);
    assert_int_equal(tokenizer_encode(*state, text, 15, NULL, 0, 1, &list, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "no room"));
    token_list_release(&list);
}

static void ill_formed_text_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *place;
    } cases[] = {{"abc\xFF", "byte 3"},        {"\xC3", "byte 0"},
                 {"the \xE4\xB8", "byte 4"},   {"\xC3\xA9\xED\xA0\x80", "byte 2"},
                 {"[SEP]\x80[SEP]", "byte 5"}, {"\xF4\x90\x80\x80", "byte 0"},
                 {"a\xCC\x81\xCC", "byte 3"}};
    struct token_list list = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        const char *text = cases[i].text;
        assert_int_equal(tokenizer_encode(*state, text, strlen(text), NULL, 0, 0, &list, &err),
                         ERR_INVALID);
        assert_non_null(strstr(err.message, cases[i].place));
        assert_int_equal(tokenizer_encode(*state, "a", 1, text, strlen(text), 0, &list, &err),
                         ERR_INVALID);
    }
    token_list_release(&list);
}

static void a_list_that_has_grown_stays_where_it_is(void **state)
{
    struct token_list list = {0};
    struct err err;
    const char *text = "unaffable \xE4\xB8\xAD caf\xC3\xA9 running, the cafe.";
    size_t size = strlen(text);

    assert_int_equal(tokenizer_encode(*state, text, size, text, size, 0, &list, &err), 0);
    const struct token *tokens = list.tokens;
    const struct tokenizer_scratch *scratch = list.scratch;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tokenizer_encode(*state, text, size, text, size, 0, &list, &err), 0);
        assert_ptr_equal(list.tokens, tokens);
        assert_ptr_equal(list.scratch, scratch);
    }
    token_list_release(&list);
    assert_null(list.tokens);
}

static void a_long_run_of_marks_is_put_in_order_in_linear_time(void **state)
{
    (void)state;
    struct tokenizer *tokenizer = fixture_open(&(struct fixture_parts){0});
    struct token_list list = {0};
    struct err err;
    struct buf text = {0};
    assert_int_equal(buf_append_string(&text, "u"), 0);
    for (int i = 0; i < 200000; i++) /* above, then below: each pair is out of order */
        assert_int_equal(buf_append_string(&text, "\xCC\x88\xCC\xA3"), 0);
    assert_int_equal(tokenizer_encode(tokenizer, text.data, text.size, NULL, 0, 0, &list, &err), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(tokenizer_piece(tokenizer, list.tokens[1].id), "u");
    buf_release(&text);
    token_list_release(&list);
    tokenizer_close(tokenizer);
}

static void *encode_often(void *argument)
{
    const struct tokenizer *tokenizer = argument;
    struct token_list list = {0};
    struct err err;
    size_t wrong = 0;
    for (int i = 0; i < 2000; i++) {
        int r = tokenizer_encode(tokenizer, "Unaffable caf\xC3\xA9", 15, NULL, 0, 0, &list, &err);
        wrong += r != 0 || list.count != 6 || list.tokens[4].id != 11;
    }
    token_list_release(&list);
    return wrong ? argument : NULL;
}

static void threads_share_a_tokenizer(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_often, *state), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_becomes_its_longest_pieces),
        cmocka_unit_test(a_word_of_more_than_a_hundred_code_points_is_unknown),
        cmocka_unit_test(punctuation_stands_alone_and_symbols_do_not_split),
        cmocka_unit_test(case_accents_and_controls_go),
        cmocka_unit_test(every_token_knows_its_bytes),
        cmocka_unit_test(a_token_tells_whether_it_continues_a_word),
        cmocka_unit_test(a_special_token_written_out_is_that_token),
        cmocka_unit_test(special_tokens_can_be_escaped),
        cmocka_unit_test(added_tokens_honour_their_flags),
        cmocka_unit_test(a_pair_has_types_and_three_special_tokens),
        cmocka_unit_test(a_pair_is_truncated_longest_first),
        cmocka_unit_test(truncation_is_reported),
        cmocka_unit_test(ill_formed_text_is_refused_with_its_place),
        cmocka_unit_test(a_list_that_has_grown_stays_where_it_is),
        cmocka_unit_test(a_long_run_of_marks_is_put_in_order_in_linear_time),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
