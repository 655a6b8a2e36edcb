/* vocab.json with merges.txt, and tokenizer_config.json and special_tokens_map.json beside them:
 * how RoBERTa models came before tokenizer.json. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "encoder/tokenizer/load_bpe.h"

enum { FILE_LIMIT = 64 << 20 };

/* A line of `data` that starts at *at, without its end; moves *at to the next. */
static size_t read_line(const char *data, size_t size, size_t *at)
{
    const char *end = memchr(data + *at, '\n', size - *at);
    size_t length = end ? (size_t)(end - data) - *at : size - *at;
    size_t start = *at;
    *at += length + (end != NULL);
    return length > 0 && data[start + length - 1] == '\r' ? length - 1 : length;
}

/* Merges, one a line and the best first; "#version" lines are none. */
static int load_merges(struct tokenizer *tokenizer, const char *data, size_t size,
                       struct bpe **ret_model, struct err *err)
{
    size_t lines = 0, rank = 0, bad;
    int r;

    if (!utf8_valid(data, size, &bad))
        return err_set(err, ERR_CORRUPT, "not valid UTF-8 at byte %zu", bad);
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || i + 1 == size;
    if ((r = bpe_load_open(tokenizer, ret_model, lines, err)) < 0)
        return r;
    for (size_t at = 0; at < size && r == 0;) {
        const char *line = data + at;
        size_t length = read_line(data, size, &at);
        if (length >= 8 && memcmp(line, "#version", 8) == 0)
            continue;
        r = bpe_load_merge(*ret_model, line, length, rank++, err);
    }
    return r < 0 ? r : bpe_load_pieces(tokenizer, *ret_model, err);
}

static int read_merges(struct tokenizer *tokenizer, const char *folder, struct bpe **ret_model,
                       struct err *err)
{
    char *path = file_join(folder, "merges.txt"), *data = NULL;
    size_t size = 0;
    int r = path ? file_read(&data, &size, path, FILE_LIMIT, err)
                 : err_memory(err, "opening a tokenizer");

    if (r == 0 && (r = load_merges(tokenizer, data, size, ret_model, err)) < 0)
        err_prefix(err, "merges.txt");
    free(data);
    free(path);
    return r;
}

/* The configuration that describes a special token, or NULL: tokenizer_config.json comes first. */
static const json_t *describing(const json_t *config, const json_t *map, const char *key)
{
    const json_t *value = json_object_get(config, key);
    if (!value || json_is_null(value))
        value = json_object_get(map, key);
    return value && !json_is_null(value) ? value : NULL;
}

/* A special token that the vocabulary has; *ret_id is -1 where it lacks it. */
static int add_special(struct tokenizer *tokenizer, const json_t *value, const char *name,
                       bool lstrip, bool add, int64_t *ret_id, struct err *err)
{
    struct added_token_entry entry = {.lstrip = lstrip, .special = true};
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    int r;

    if (value && !json_is_string(content))
        return err_set(err, ERR_CORRUPT, "a special token has no content");
    entry.text = content ? json_string_value(content) : name;
    entry.size = content ? json_string_length(content) : strlen(name);
    const struct piece *piece = vocabulary_find(&tokenizer->vocabulary, entry.text, entry.size);
    *ret_id = piece ? (int64_t)piece->id : -1;
    if (!piece || !add)
        return 0;
    if ((r = tokenizer_flag(value, "lstrip", entry.lstrip, &entry.lstrip, err)) < 0 ||
        (r = tokenizer_flag(value, "rstrip", false, &entry.rstrip, err)) < 0 ||
        (r = tokenizer_flag(value, "single_word", false, &entry.single_word, err)) < 0)
        return r;
    return tokenizer_add_token(tokenizer, &entry, err);
}

/* The special tokens of RoBERTa; or where the configuration has an "added_tokens_decoder" those in
 * it. The mask takes the white space before it. */
static int load_specials(struct tokenizer *tokenizer, const json_t *config, const json_t *map,
                         struct err *err)
{
    static const struct {
        const char *key, *name;
        bool lstrip, needed;
    } specials[] = {{"cls_token", "<s>", false, true},
                    {"sep_token", "</s>", false, true},
                    {"unk_token", "<unk>", false, false},
                    {"pad_token", "<pad>", false, false},
                    {"mask_token", "<mask>", true, false}};
    int64_t ids[5];
    json_t *decoder = json_object_get(config, "added_tokens_decoder"), *item;
    const char *key;
    int r = tokenizer_open_added(tokenizer, json_object_size(decoder), err);

    for (size_t i = 0; i < 5 && r == 0; i++) {
        r = add_special(tokenizer, describing(config, map, specials[i].key), specials[i].name,
                        specials[i].lstrip, !decoder, &ids[i], err);
        if (r == 0 && specials[i].needed && ids[i] < 0)
            r = err_set(err, ERR_CORRUPT, "the vocabulary lacks the %s", specials[i].key);
    }
    json_object_foreach(decoder, key, item)
    {
        if (r == 0)
            r = tokenizer_add_described(tokenizer, item, err);
    }
    return r < 0 ? r : tokenizer_set_roberta_templates(tokenizer, ids[0], ids[1], err);
}

/* vocab.json and the settings; the merges need the first, the added tokens both. */
static int load(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                const json_t *pieces, const json_t *map, struct err *err)
{
    struct bpe *model;
    int r = tokenizer_load_pieces(tokenizer, pieces, err);

    if (r < 0 || (r = read_merges(tokenizer, source->folder, &model, err)) < 0 ||
        (r = tokenizer_flag(source->config, "add_prefix_space", false, &model->add_prefix_space,
                            err)) < 0 ||
        (r = tokenizer_flag(source->config, "trim_offsets", true, &tokenizer->trim.on, err)) < 0)
        return r;
    tokenizer->trim.prefixed = model->add_prefix_space;
    return load_specials(tokenizer, source->config, map, err);
}

int tokenizer_load_vocab_merges(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                                struct err *err)
{
    json_t *pieces = NULL, *map = NULL;
    int r;

    if (source->do_lower_case > 0)
        return tokenizer_unsupported("setting", "do_lower_case", err);
    if ((r = tokenizer_refuse_added_tokens(source->folder, source->config, err)) == 0 &&
        (r = tokenizer_read_optional(&pieces, source->folder, "vocab.json", err)) == 0 &&
        (r = tokenizer_read_optional(&map, source->folder, "special_tokens_map.json", err)) == 0)
        r = load(tokenizer, source, pieces, map, err);
    json_decref(pieces);
    json_decref(map);
    return r;
}
