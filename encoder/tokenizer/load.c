/* Reading a tokenizer from a model's folder: which file it comes from, what overrides what, and
 * the pieces of work that both kinds of file need. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { FILE_LIMIT = 64 << 20 };

int tokenizer_flag(const json_t *object, const char *key, bool fallback, bool *ret_flag,
                   struct err *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return err_set(err, ERR_CORRUPT, "\"%s\" must be true or false", key);
    *ret_flag = json_is_boolean(value) ? json_is_true(value) : fallback;
    return 0;
}

const char *tokenizer_special_name(const json_t *config, const char *key, const char *fallback)
{
    const json_t *value = json_object_get(config, key);
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    return json_is_string(content) ? json_string_value(content) : fallback;
}

int tokenizer_set_model(struct tokenizer *tokenizer, const char *unknown, const char *prefix,
                        size_t max_chars, struct err *err)
{
    struct wordpiece *model = &tokenizer->wordpiece;
    const struct piece *piece = vocabulary_find(&tokenizer->vocabulary, unknown, strlen(unknown));

    if (!piece)
        return err_set(err, ERR_CORRUPT, "the vocabulary lacks the unknown token '%.40s'", unknown);
    model->prefix_size = strlen(prefix);
    model->prefix = arena_copy(&tokenizer->arena, prefix, model->prefix_size);
    if (!model->prefix)
        return err_memory(err, "the tokenizer");
    model->prefix_hash = VOCABULARY_HASH_START;
    for (size_t i = 0; i < model->prefix_size; i++)
        model->prefix_hash = vocabulary_hash(&tokenizer->vocabulary, model->prefix_hash, prefix[i]);
    model->vocabulary = &tokenizer->vocabulary;
    model->unknown_id = piece->id;
    model->max_chars = max_chars;
    return 0;
}

int tokenizer_set_bert_templates(struct tokenizer *tokenizer, int64_t cls, int64_t sep,
                                 struct err *err)
{
    struct template *single = &tokenizer->single, *pair = &tokenizer->pair;
    const struct template_part parts[] = {
        {cls, 0}, {TEMPLATE_FIRST, 0}, {sep, 0}, {TEMPLATE_SECOND, 1}, {sep, 1}};
    int r = 0;

    for (size_t i = 0; i < 5 && r == 0; i++)
        r = template_add(pair, parts[i].what, parts[i].type_id, err);
    for (size_t i = 0; i < 3 && r == 0; i++)
        r = template_add(single, parts[i].what, parts[i].type_id, err);
    return r;
}

int tokenizer_set_roberta_templates(struct tokenizer *tokenizer, int64_t cls, int64_t sep,
                                    struct err *err)
{
    const int64_t places[] = {cls, TEMPLATE_FIRST, sep, sep, TEMPLATE_SECOND, sep};
    int r = 0;

    for (size_t i = 0; i < 6 && r == 0; i++)
        r = template_add(&tokenizer->pair, places[i], 0, err);
    for (size_t i = 0; i < 3 && r == 0; i++)
        r = template_add(&tokenizer->single, places[i], 0, err);
    return r;
}

int tokenizer_open_added(struct tokenizer *tokenizer, size_t capacity, struct err *err)
{
    size_t first = tokenizer->vocabulary.count;
    return vocabulary_open(&tokenizer->extra, &tokenizer->arena, capacity, first + capacity, err);
}

/* The id of an added token, which is given the next free one where it has none yet. */
static int added_token_id(struct tokenizer *tokenizer, const char *text, size_t size,
                          uint32_t *ret_id, struct err *err)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;
    const struct piece *known = vocabulary_find(vocabulary, text, size);

    if (!known)
        known = vocabulary_find(&tokenizer->extra, text, size);
    *ret_id = known ? known->id : (uint32_t)(vocabulary->count + tokenizer->extra.count);
    if (known)
        return 0;
    return vocabulary_add(&tokenizer->extra, &tokenizer->arena, text, size, *ret_id, err);
}

/* The text that an added token is looked for by, once that is normalised. */
static int add_normalized(struct tokenizer *tokenizer, struct added_token token, struct err *err)
{
    struct normalized content = {0};
    int r = tokenizer->kind->normalize(tokenizer, token.text, 0, token.size, &content, err);

    if (r == 0 && content.size > 0) {
        token.size = content.size;
        token.text = arena_copy(&tokenizer->arena, content.text, content.size);
        r = token.text ? added_tokens_add(&tokenizer->normalized, &tokenizer->arena, token, err)
                       : err_memory(err, "the added tokens");
    }
    normalized_release(&content);
    return r;
}

int tokenizer_add_token(struct tokenizer *tokenizer, const struct added_token_entry *entry,
                        struct err *err)
{
    struct added_token token = {.size = entry->size,
                                .single_word = entry->single_word,
                                .lstrip = entry->lstrip,
                                .rstrip = entry->rstrip,
                                .special = entry->special};
    int r;

    if (entry->size == 0)
        return 0; /* it can match nowhere */
    if ((r = added_token_id(tokenizer, entry->text, entry->size, &token.id, err)) < 0)
        return r;
    token.text = arena_copy(&tokenizer->arena, entry->text, entry->size);
    if (!token.text)
        return err_memory(err, "the added tokens");
    return entry->normalized ? add_normalized(tokenizer, token, err)
                             : added_tokens_add(&tokenizer->raw, &tokenizer->arena, token, err);
}

int tokenizer_add_described(struct tokenizer *tokenizer, const json_t *description, struct err *err)
{
    const json_t *text = json_object_get(description, "content");
    struct added_token_entry entry = {0};
    int r;

    if (!json_is_string(text))
        return err_set(err, ERR_CORRUPT, "an added token has no content");
    entry.text = json_string_value(text);
    entry.size = json_string_length(text);
    if ((r = tokenizer_flag(description, "special", false, &entry.special, err)) < 0 ||
        (r = tokenizer_flag(description, "single_word", false, &entry.single_word, err)) < 0 ||
        (r = tokenizer_flag(description, "lstrip", false, &entry.lstrip, err)) < 0 ||
        (r = tokenizer_flag(description, "rstrip", false, &entry.rstrip, err)) < 0 ||
        (r = tokenizer_flag(description, "normalized", !entry.special, &entry.normalized, err)) < 0)
        return r;
    return tokenizer_add_token(tokenizer, &entry, err);
}

/* One more than the largest id that any part can give. */
static size_t count_ids(const struct tokenizer *tokenizer)
{
    size_t size = tokenizer->vocabulary.id_count;
    if (tokenizer->extra.count > 0 && size < tokenizer->vocabulary.count + tokenizer->extra.count)
        size = tokenizer->vocabulary.count + tokenizer->extra.count;
    for (size_t i = 0; i < tokenizer->single.count + tokenizer->pair.count; i++) {
        const struct template_part *part =
            i < tokenizer->single.count ? &tokenizer->single.parts[i]
                                        : &tokenizer->pair.parts[i - tokenizer->single.count];
        if (part->what >= (int64_t)size)
            size = (size_t)part->what + 1;
    }
    return size;
}

int tokenizer_read_optional(json_t **ret_json, const char *folder, const char *name,
                            struct err *err)
{
    char *path = file_join(folder, name);
    int r = 0;
    if (!path)
        return err_memory(err, "opening a tokenizer");
    if (file_exists(path))
        r = json_read_object(ret_json, path, FILE_LIMIT, err);
    free(path);
    return r;
}

/* The files that a tokenizer may come from, the first that the folder has counts. */
static const struct {
    const char *name;
    int (*load)(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                struct err *err);
} files[] = {{"tokenizer.json", tokenizer_load_json},
             {"vocab.txt", tokenizer_load_vocab},
             {"vocab.json", tokenizer_load_vocab_merges},
             {"sentencepiece.bpe.model", tokenizer_load_sentencepiece}};

static int load_from(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                     struct err *err)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = file_join(source->folder, files[i].name);
        int r = 1;
        if (!path)
            return err_memory(err, "opening a tokenizer");
        if (file_exists(path)) {
            r = files[i].load(tokenizer, source, err);
            if (r < 0)
                err_prefix(err, "%s", path);
        }
        free(path);
        if (r <= 0)
            return r;
    }
    return err_set(err, ERR_NOT_FOUND, "%s has neither tokenizer.json nor vocab.txt nor vocab.json",
                   source->folder);
}

int tokenizer_load(struct tokenizer *tokenizer, const char *folder, int do_lower_case,
                   struct err *err)
{
    json_t *json = NULL, *config = NULL;
    int r = tokenizer_read_optional(&config, folder, "tokenizer_config.json", err);

    if (r == 0)
        r = tokenizer_read_optional(&json, folder, "tokenizer.json", err);
    if (r < 0)
        goto out;
    struct tokenizer_source source = {folder, json, config, do_lower_case};
    r = load_from(tokenizer, &source, err);
    if (r < 0)
        goto out;
    added_tokens_seal(&tokenizer->raw);
    added_tokens_seal(&tokenizer->normalized);
    tokenizer->vocabulary_size = count_ids(tokenizer);
out:
    json_decref(json);
    json_decref(config);
    return r;
}
