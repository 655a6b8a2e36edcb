/* The normalisers of tokenizer.json, for tokenizers of any kind. Runs once, before the tokenizer is
 * shared.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/tokenizer/load.h"

static int load_charsmap(struct charsmap *charsmap, struct arena *arena, const json_t *from,
                         struct err *err)
{
    const json_t *map = json_object_get(from, "precompiled_charsmap");
    const char *text = json_string_value(map);
    size_t size = json_string_length(map), padding = 0;
    int r;

    if (!text || size == 0 || size > INT32_MAX)
        return err_set(err, ERR_CORRUPT, "precompiled_charsmap must be base64");
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    unsigned char *bytes = malloc(size / 4 * 3 + 3);
    if (!bytes)
        return err_memory(err, "the character map");
    int length = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)size);
    if (length < 0 || (size_t)length < padding)
        r = err_set(err, ERR_CORRUPT, "precompiled_charsmap is not base64");
    else
        r = charsmap_open(charsmap, arena, bytes, (size_t)length - padding, err);
    free(bytes);
    return r;
}

static int load_replace(struct rewrite *step, struct arena *arena, const json_t *from,
                        struct err *err)
{
    const json_t *pattern = json_object_get(from, "pattern");
    const json_t *string = json_object_get(pattern, "String");
    const char *regex = json_string_value(json_object_get(pattern, "Regex"));
    const json_t *content = json_object_get(from, "content");

    if ((!json_is_string(string) && !regex) || !json_is_string(content))
        return err_set(err, ERR_CORRUPT, "Replace needs a pattern and a content");
    if (!json_is_string(string) && strcmp(regex, " {2,}") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "Replace with the regular expression '%.80s' is not supported", regex);
    if (json_string_length(content) > REWRITE_CONTENT_LIMIT ||
        (string && json_string_length(string) == 0))
        return err_set(err, ERR_UNSUPPORTED,
                       "Replace with an empty pattern or more than %d bytes is not supported",
                       REWRITE_CONTENT_LIMIT);
    step->kind = string ? REWRITE_STRING : REWRITE_SPACES;
    step->pattern_size = json_string_length(string);
    step->pattern = arena_copy(arena, string ? json_string_value(string) : "", step->pattern_size);
    step->content_size = json_string_length(content);
    step->content = arena_copy(arena, json_string_value(content), step->content_size);
    return step->pattern && step->content ? 0 : err_memory(err, "the normaliser");
}

static int load_prepend(struct rewrite *step, struct arena *arena, const json_t *from,
                        struct err *err)
{
    const json_t *prefix = json_object_get(from, "prepend");

    if (!json_is_string(prefix) || json_string_length(prefix) == 0 ||
        json_string_length(prefix) > REWRITE_CONTENT_LIMIT)
        return err_set(err, ERR_UNSUPPORTED, "Prepend of nothing or more than %d bytes",
                       REWRITE_CONTENT_LIMIT);
    step->content_size = json_string_length(prefix);
    step->content = arena_copy(arena, json_string_value(prefix), step->content_size);
    return step->content ? 0 : err_memory(err, "the normaliser");
}

static int load_strip(struct rewrite *step, const json_t *from, struct err *err)
{
    int r = tokenizer_flag(from, "strip_left", true, &step->left, err);
    return r < 0 ? r : tokenizer_flag(from, "strip_right", true, &step->right, err);
}

int tokenizer_check_class(const struct tokenizer_source *source, const char *what, const char *type,
                          struct err *err)
{
    static const char *const without_own[] = {"PreTrainedTokenizerFast", "PreTrainedTokenizer",
                                              "TokenizersBackend"};
    const char *class = json_string_value(json_object_get(source->config, "tokenizer_class"));

    for (size_t i = 0; class && i < sizeof without_own / sizeof *without_own; i++)
        if (strcmp(class, without_own[i]) == 0)
            return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "the %s '%.80s' is not supported where tokenizer_config.json has not the "
                   "tokenizer_class PreTrainedTokenizerFast",
                   what, type);
}

int tokenizer_load_bert_normalizer(struct bert_normalizer *normalizer, const json_t *from,
                                   struct err *err)
{
    int r;
    if ((r = tokenizer_flag(from, "clean_text", true, &normalizer->clean_text, err)) < 0 ||
        (r = tokenizer_flag(from, "handle_chinese_chars", true, &normalizer->handle_chinese_chars,
                            err)) < 0 ||
        (r = tokenizer_flag(from, "lowercase", true, &normalizer->lowercase, err)) < 0)
        return r;
    return tokenizer_flag(from, "strip_accents", normalizer->lowercase, &normalizer->strip_accents,
                          err);
}

/* The normalisers that a file may list, and what each is here. */
static const struct pipeline_name {
    const char *type;
    enum step_kind step;
    enum rewrite_kind rewrite;
    struct unicode_form form;
    bool of_sentencepiece;
} names[] = {
    {"Precompiled", STEP_CHARSMAP, 0, {false, false}, true},
    {"BertNormalizer", STEP_BERT, 0, {false, false}, false},
    {"NFC", STEP_FORM, 0, {true, false}, false},
    {"NFD", STEP_FORM, 0, {false, false}, false},
    {"NFKC", STEP_FORM, 0, {true, true}, false},
    {"NFKD", STEP_FORM, 0, {false, true}, false},
    {"Replace", STEP_REWRITE, REWRITE_STRING, {false, false}, true},
    {"Prepend", STEP_REWRITE, REWRITE_PREPEND, {false, false}, false},
    {"Strip", STEP_REWRITE, REWRITE_STRIP, {false, false}, true},
    {"StripAccents", STEP_REWRITE, REWRITE_ACCENTS, {false, false}, false},
    {"Lowercase", STEP_REWRITE, REWRITE_LOWER, {false, false}, false},
};

static int load_rewrite(struct rewrite *rewrite, struct arena *arena, const json_t *from,
                        struct err *err)
{
    switch (rewrite->kind) {
    case REWRITE_STRING:
    case REWRITE_SPACES:
        return load_replace(rewrite, arena, from, err);
    case REWRITE_PREPEND:
        return load_prepend(rewrite, arena, from, err);
    case REWRITE_STRIP:
        return load_strip(rewrite, from, err);
    case REWRITE_ACCENTS:
    case REWRITE_LOWER:
        break;
    }
    return 0;
}

/* One normaliser that is no sequence. */
static int load_step(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                     const json_t *from, struct err *err)
{
    struct pipeline *pipeline = &tokenizer->pipeline;
    struct arena *arena = &tokenizer->arena;
    const char *type = tokenizer_type(from);
    const struct pipeline_name *name = names, *end = names + sizeof names / sizeof *names;
    struct pipeline_step *step = &pipeline->steps[pipeline->count];
    int r;

    while (name < end && strcmp(name->type, type) != 0)
        name++;
    if (name == end)
        return tokenizer_unsupported("normalizer", type, err);
    if (pipeline->count == PIPELINE_STEPS)
        return err_set(err, ERR_UNSUPPORTED, "more than %d normalizers are not supported",
                       PIPELINE_STEPS);
    if (!name->of_sentencepiece && (r = tokenizer_check_class(source, "normalizer", type, err)) < 0)
        return r;
    pipeline->count++;
    step->kind = name->step;
    if (step->kind == STEP_CHARSMAP)
        return load_charsmap(&step->charsmap, arena, from, err);
    if (step->kind == STEP_BERT)
        return tokenizer_load_bert_normalizer(&step->bert, from, err);
    if (step->kind == STEP_REWRITE) {
        step->rewrite.kind = name->rewrite;
        return load_rewrite(&step->rewrite, arena, from, err);
    }
    step->form = name->form;
    return 0;
}

int tokenizer_load_normalizer(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                              const json_t *from, struct err *err)
{
    const json_t *list = json_object_get(from, "normalizers"), *item;
    size_t i;
    int r = 0;

    if (strcmp(tokenizer_type(from), "null") == 0)
        return 0;
    if (strcmp(tokenizer_type(from), "Sequence") != 0)
        return load_step(tokenizer, source, from, err);
    if (!json_is_array(list))
        return err_set(err, ERR_CORRUPT, "normalizer.normalizers must be a list");
    json_array_foreach(list, i, item)
    {
        if ((r = tokenizer_load_normalizer(tokenizer, source, item, err)) < 0)
            return r;
    }
    return 0;
}
