/* vocab.txt, one piece a line and the id its number, with tokenizer_config.json beside it: how BERT
 * models came before tokenizer.json. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { FILE_LIMIT = 64 << 20, MAX_CHARS = 100 };

static int load_lines(struct tokenizer *tokenizer, const char *data, size_t size, struct err *err)
{
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    size_t lines = 0;
    int r;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || i + 1 == size;
    if ((r = vocabulary_open(vocabulary, &tokenizer->arena, lines, lines, err)) < 0)
        return r;
    for (size_t line = 0, at = 0; line < lines; line++) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        size_t next = at + length + 1;
        if (length > 0 && data[at + length - 1] == '\r')
            length--;
        if (!utf8_valid(data + at, length, NULL))
            return err_set(err, ERR_CORRUPT, "line %zu is not valid UTF-8", line + 1);
        r = vocabulary_add(vocabulary, &tokenizer->arena, data + at, length, (uint32_t)line, err);
        if (r < 0)
            return r;
        at = next;
    }
    return 0;
}

/* The five tokens of BERT, of which [PAD] and [MASK] may be missing; or where the configuration has
 * an "added_tokens_decoder" ({"100": {"content": "[UNK]", "lstrip": false ...} ...}) those in it.
 */
static int load_specials(struct tokenizer *tokenizer, const json_t *config, struct err *err)
{
    static const struct {
        const char *key, *fallback;
        bool needed;
    } specials[] = {{"cls_token", "[CLS]", true},
                    {"sep_token", "[SEP]", true},
                    {"unk_token", "[UNK]", true},
                    {"pad_token", "[PAD]", false},
                    {"mask_token", "[MASK]", false}};
    uint32_t ids[5] = {0};
    json_t *decoder = json_object_get(config, "added_tokens_decoder"), *item;
    const char *key;
    int r = tokenizer_open_added(tokenizer, json_object_size(decoder), err);

    for (size_t i = 0; i < 5 && r == 0; i++) {
        const char *name = tokenizer_special_name(config, specials[i].key, specials[i].fallback);
        const struct piece *piece = vocabulary_find(&tokenizer->vocabulary, name, strlen(name));
        if (!piece && specials[i].needed)
            return err_set(err, ERR_CORRUPT, "the vocabulary lacks the %s '%.40s'", specials[i].key,
                           name);
        if (!piece)
            continue;
        ids[i] = piece->id;
        struct added_token_entry entry = {.text = name, .size = strlen(name), .special = true};
        if (!decoder)
            r = tokenizer_add_token(tokenizer, &entry, err);
    }
    json_object_foreach(decoder, key, item)
    {
        if (r == 0)
            r = tokenizer_add_described(tokenizer, item, err);
    }
    if (r < 0)
        return r;
    return tokenizer_set_bert_templates(tokenizer, ids[0], ids[1], err);
}

int tokenizer_refuse_added_tokens(const char *folder, const json_t *config, struct err *err)
{
    json_t *added = NULL;
    int r = 0;
    char *path = file_join(folder, "added_tokens.json");
    if (!path)
        return err_memory(err, "opening a tokenizer");
    if (!json_object_get(config, "added_tokens_decoder") && file_exists(path))
        r = json_read_object(&added, path, FILE_LIMIT, err);
    if (json_object_size(added) > 0)
        r = err_set(
            err, ERR_UNSUPPORTED,
            "%s adds tokens to the vocabulary, which is supported only as a tokenizer.json; "
            "make that once: python3 -c \"from transformers import AutoTokenizer as T; "
            "T.from_pretrained('%s').save_pretrained('%s')\"",
            path, folder, folder);
    json_decref(added);
    free(path);
    return r;
}

int tokenizer_load_vocab(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                         struct err *err)
{
    const json_t *config = source->config;
    char *path = file_join(source->folder, "vocab.txt");
    char *data = NULL;
    size_t size;
    int r = path ? 0 : err_memory(err, "opening a tokenizer");

    tokenizer->kind = &tokenizer_bert;
    tokenizer->normalizer = (struct bert_normalizer){true, true, true, true};
    if (r == 0)
        r = tokenizer_refuse_added_tokens(source->folder, config, err);
    if (r == 0)
        r = tokenizer_override_normalizer(&tokenizer->normalizer, source, err);
    if (r == 0)
        r = file_read(&data, &size, path, FILE_LIMIT, err);
    if (r == 0)
        r = load_lines(tokenizer, data, size, err);
    if (r == 0)
        r = tokenizer_set_model(tokenizer, tokenizer_special_name(config, "unk_token", "[UNK]"),
                                "##", MAX_CHARS, err);
    if (r == 0)
        r = load_specials(tokenizer, config, err);
    free(data);
    free(path);
    return r;
}
