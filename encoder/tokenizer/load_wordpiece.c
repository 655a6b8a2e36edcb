/* The parts of tokenizer.json that a BERT model has: BertNormalizer, BertPreTokenizer, WordPiece;
 * and what overrides its normaliser. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <string.h>

static int load_normalizer(struct bert_normalizer *normalizer, const json_t *json, struct err *err)
{
    const json_t *from = json_object_get(json, "normalizer");
    const char *type = tokenizer_type(from);
    int r;

    if (strcmp(type, "null") == 0) {
        *normalizer = (struct bert_normalizer){false, false, false, false};
        return 0;
    }
    if (strcmp(type, "BertNormalizer") != 0)
        return tokenizer_unsupported("normalizer", type, err);
    if ((r = tokenizer_flag(from, "clean_text", true, &normalizer->clean_text, err)) < 0 ||
        (r = tokenizer_flag(from, "handle_chinese_chars", true, &normalizer->handle_chinese_chars,
                            err)) < 0 ||
        (r = tokenizer_flag(from, "lowercase", true, &normalizer->lowercase, err)) < 0)
        return r;
    return tokenizer_flag(from, "strip_accents", normalizer->lowercase, &normalizer->strip_accents,
                          err);
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
    int r;

    tokenizer->kind = &tokenizer_bert;
    if (strcmp(tokenizer_type(pre_tokenizer), "BertPreTokenizer") != 0)
        return tokenizer_unsupported("pre_tokenizer", tokenizer_type(pre_tokenizer), err);
    if ((r = load_normalizer(&tokenizer->normalizer, json, err)) < 0 ||
        (r = tokenizer_override_normalizer(&tokenizer->normalizer, source, err)) < 0 ||
        (r = load_model(tokenizer, json_object_get(json, "model"), err)) < 0 ||
        (r = tokenizer_load_added_tokens(tokenizer, json_object_get(json, "added_tokens"), err)) <
            0)
        return r;
    return tokenizer_load_post_processor(tokenizer, json_object_get(json, "post_processor"), err);
}
