/* The parts of tokenizer.json that a model of WordPiece has: normalisers, pre-tokenizers, pieces;
 * and what overrides its normaliser. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <string.h>

/* A BertNormalizer by itself can be overridden; of others the caller's wish is refused. */
static int load_normalizer(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                           struct err *err)
{
    const json_t *from = json_object_get(source->json, "normalizer");
    const char *type = tokenizer_type(from);
    int r;

    if (strcmp(type, "null") != 0 && strcmp(type, "BertNormalizer") != 0) {
        if (source->do_lower_case > 0)
            return tokenizer_unsupported("setting of this normalizer", "do_lower_case", err);
        if ((r = tokenizer_check_class(source, "normalizer", type, err)) < 0)
            return r;
        return tokenizer_load_normalizer(tokenizer, source, from, err);
    }
    tokenizer->normalizer = (struct bert_normalizer){false, false, false, false};
    if (from && strcmp(type, "BertNormalizer") == 0 &&
        (r = tokenizer_load_bert_normalizer(&tokenizer->normalizer, from, err)) < 0)
        return r;
    return tokenizer_override_normalizer(&tokenizer->normalizer, source, err);
}

/* What one pre-tokenizer, or a sequence of them, adds to how words are cut. */
static int load_words(struct words *words, const json_t *from, struct err *err)
{
    const char *type = tokenizer_type(from);
    const json_t *list = json_object_get(from, "pretokenizers"), *item;
    const char *behavior = json_string_value(json_object_get(from, "behavior"));
    size_t i;
    int r = 0;

    if (strcmp(type, "Sequence") == 0) {
        if (json_array_size(list) == 0)
            return err_set(err, ERR_CORRUPT, "pre_tokenizer.pretokenizers must be a list");
        json_array_foreach(list, i, item)
        {
            if ((r = load_words(words, item, err)) < 0)
                return r;
        }
    } else if (strcmp(type, "BertPreTokenizer") == 0) {
        words->drop_spaces = words->isolate_punctuation = true;
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        words->drop_spaces = true;
    } else if (strcmp(type, "Whitespace") == 0) {
        words->drop_spaces = words->split_words = true;
    } else if (strcmp(type, "Punctuation") == 0) {
        if (behavior && strcmp(behavior, "Isolated") != 0)
            return tokenizer_unsupported("behavior of Punctuation", behavior, err);
        words->isolate_punctuation = true;
    } else if (strcmp(type, "Digits") == 0) {
        bool each;
        r = tokenizer_flag(from, "individual_digits", false, &each, err);
        words->split_digits = true;
        words->isolate_digits = words->isolate_digits || each;
    } else {
        r = tokenizer_unsupported("pre_tokenizer", type, err);
    }
    return r;
}

int tokenizer_override_normalizer(struct bert_normalizer *normalizer,
                                  const struct tokenizer_source *source, struct err *err)
{
    const json_t *config = source->config;
    bool followed = normalizer->strip_accents == normalizer->lowercase;
    int r =
        tokenizer_flag(config, "do_lower_case", normalizer->lowercase, &normalizer->lowercase, err);

    if (r == 0)
        r = tokenizer_flag(config, "tokenize_chinese_chars", normalizer->handle_chinese_chars,
                           &normalizer->handle_chinese_chars, err);
    if (source->do_lower_case >= 0)
        normalizer->lowercase = source->do_lower_case != 0;
    if (r == 0)
        r = tokenizer_flag(config, "strip_accents",
                           followed ? normalizer->lowercase : normalizer->strip_accents,
                           &normalizer->strip_accents, err);
    return r;
}

static int load_model(struct tokenizer *tokenizer, const json_t *model, struct err *err)
{
    const json_t *unknown = json_object_get(model, "unk_token");
    const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
    const json_t *most = json_object_get(model, "max_input_chars_per_word");
    int r;

    if ((unknown && !json_is_string(unknown)) || (prefix && !json_is_string(prefix)) ||
        (most && (!json_is_integer(most) || json_integer_value(most) < 0)))
        return err_set(err, ERR_CORRUPT,
                       "model: unk_token and continuing_subword_prefix must be strings and "
                       "max_input_chars_per_word a whole number");
    if ((r = tokenizer_load_pieces(tokenizer, json_object_get(model, "vocab"), err)) < 0)
        return r;
    return tokenizer_set_model(tokenizer, unknown ? json_string_value(unknown) : "[UNK]",
                               prefix ? json_string_value(prefix) : "##",
                               most ? (size_t)json_integer_value(most) : 100, err);
}

int tokenizer_load_wordpiece(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                             struct err *err)
{
    const json_t *json = source->json;
    const json_t *pre_tokenizer = json_object_get(json, "pre_tokenizer");
    const char *type = tokenizer_type(pre_tokenizer);
    int r;

    tokenizer->kind = &tokenizer_bert;
    if ((r = load_words(&tokenizer->words, pre_tokenizer, err)) < 0)
        return r;
    if (strcmp(type, "BertPreTokenizer") != 0 &&
        (r = tokenizer_check_class(source, "pre_tokenizer", type, err)) < 0)
        return r;
    if ((r = load_normalizer(tokenizer, source, err)) < 0 ||
        (r = load_model(tokenizer, json_object_get(json, "model"), err)) < 0 ||
        (r = tokenizer_load_added_tokens(tokenizer, json_object_get(json, "added_tokens"), err)) <
            0)
        return r;
    return tokenizer_load_post_processor(tokenizer, json_object_get(json, "post_processor"), err);
}
