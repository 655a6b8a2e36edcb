/* Tokenizers for tests: from files written into a folder of their own, and what they gave as text.
 */
#ifndef SBERT_TESTS_UNIT_ENCODER_TOKENIZER_FIXTURE_H
#define SBERT_TESTS_UNIT_ENCODER_TOKENIZER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "encoder/tokenizer/tokenizer.h"
#include "tests/test.h"

/* The vocabulary of the hand-written tests, ids from 0. */
#define FIXTURE_PIECES                                                                             \
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "un", "##aff", "##able", "run", "##ning", \
        "cafe", "i", "##s", "a", "##b", "##c", ".", ",", "!", "[", "]", "sep", "\xE4\xB8\xAD",     \
        "\xE6\x96\x87", "caf\xC3\xA9", "The", "#", "k", "\xC3\xBC", "u"

struct fixture_folder {
    char path[64];
};

static inline struct fixture_folder fixture_folder(void)
{
    struct fixture_folder folder = {"/tmp/sbertd-tokenizer-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline void fixture_write(const struct fixture_folder *folder, const char *name,
                                 const char *text)
{
    char *path = file_join(folder->path, name);
    assert_non_null(path);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
    free(path);
}

static inline void fixture_unlink(const struct fixture_folder *folder, const char *name)
{
    char *path = file_join(folder->path, name);
    assert_non_null(path);
    unlink(path);
    free(path);
}

static inline void fixture_remove(const struct fixture_folder *folder)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "tokenizer_config.json",
                                        "added_tokens.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        fixture_unlink(folder, names[i]);
    assert_int_equal(rmdir(folder->path), 0);
}

/* A tokenizer.json with FIXTURE_PIECES; each part may be replaced by other JSON, or left NULL. */
struct fixture_parts {
    const char *normalizer, *pre_tokenizer, *model, *post_processor, *added_tokens;
};

static inline void fixture_vocabulary(struct buf *json)
{
    static const char *const pieces[] = {FIXTURE_PIECES};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        assert_int_equal(buf_printf(json, "%s\"%s\":%zu", i ? "," : "", pieces[i], i), 0);
}

static inline void fixture_write_json(const struct fixture_folder *folder,
                                      const struct fixture_parts *parts)
{
    struct buf model = {0}, json = {0};
    buf_printf(&model, "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
                       "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
                       "\"vocab\":{");
    fixture_vocabulary(&model);
    buf_append_string(&model, "}}");
    buf_printf(&json,
               "{\"truncation\":{\"max_length\":3},\"padding\":{\"strategy\":{\"Fixed\":9}},"
               "\"added_tokens\":%s,\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,"
               "\"model\":%s}",
               parts->added_tokens ? parts->added_tokens
                                   : "[{\"id\":3,\"content\":\"[SEP]\",\"special\":true,"
                                     "\"normalized\":false}]",
               parts->normalizer ? parts->normalizer
                                 : "{\"type\":\"BertNormalizer\",\"clean_text\":true,"
                                   "\"handle_chinese_chars\":true,\"strip_accents\":null,"
                                   "\"lowercase\":true}",
               parts->pre_tokenizer ? parts->pre_tokenizer : "{\"type\":\"BertPreTokenizer\"}",
               parts->post_processor ? parts->post_processor
                                     : "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],"
                                       "\"cls\":[\"[CLS]\",2]}",
               parts->model ? parts->model : model.data);
    fixture_write(folder, "tokenizer.json", json.data);
    buf_release(&model);
    buf_release(&json);
}

static inline struct tokenizer *fixture_open(const struct fixture_parts *parts)
{
    struct fixture_folder folder = fixture_folder();
    struct tokenizer *tokenizer = NULL;
    struct err err = {0};

    fixture_write_json(&folder, parts);
    if (tokenizer_open(&tokenizer, folder.path, -1, &err) < 0)
        fail_msg("%s", err.message);
    fixture_remove(&folder);
    return tokenizer;
}

/* The tokens as text: "[CLS] un ##aff|3-6 ...", with the bytes behind each where `places`. */
static inline char *fixture_show(const struct tokenizer *tokenizer, const char *text, size_t size,
                                 const char *pair, size_t max_length, bool places)
{
    struct token_list list = {0};
    struct buf shown = {0};
    struct err err = {0};

    if (tokenizer_encode(tokenizer, text, size, pair, pair ? strlen(pair) : 0, max_length, &list,
                         &err) < 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < list.count; i++) {
        const struct token *token = &list.tokens[i];
        buf_printf(&shown, "%s%s", i ? " " : "", tokenizer_piece(tokenizer, token->id));
        if (places && !token->special)
            buf_printf(&shown, "|%u-%u", token->start, token->end);
        if (token->type_id)
            buf_printf(&shown, ":%u", token->type_id);
    }
    token_list_release(&list);
    assert_non_null(shown.data);
    return shown.data;
}

static inline void assert_tokens(const struct tokenizer *tokenizer, const char *text,
                                 const char *expected)
{
    char *shown = fixture_show(tokenizer, text, strlen(text), NULL, 0, false);
    assert_string_equal(shown, expected);
    free(shown);
}

static inline void assert_places(const struct tokenizer *tokenizer, const char *text,
                                 const char *expected)
{
    char *shown = fixture_show(tokenizer, text, strlen(text), NULL, 0, true);
    assert_string_equal(shown, expected);
    free(shown);
}

#endif
