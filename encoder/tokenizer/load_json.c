/* tokenizer.json of the Python package `tokenizers`: the component types that are built here, by
 * name. Any other type is refused, never guessed at. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <string.h>

/* The value of a component's "type"; "null" for a missing component. */
static const char *type_of(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));
    if (!component || json_is_null(component))
        return "null";
    return type ? type : "(no type)";
}

static int unsupported(const char *what, const char *type, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "the %s '%.80s' is not supported", what, type);
}

int tokenizer_load_normalizer(struct bert_normalizer *normalizer, const json_t *json,
                              struct err *err)
{
    const json_t *from = json_object_get(json, "normalizer");
    const char *type = type_of(from);
    int r;

    if (strcmp(type, "null") == 0) {
        *normalizer = (struct bert_normalizer){false, false, false, false};
        return 0;
    }
    if (strcmp(type, "BertNormalizer") != 0)
        return unsupported("normalizer", type, err);
    if ((r = tokenizer_flag(from, "clean_text", true, &normalizer->clean_text, err)) < 0 ||
        (r = tokenizer_flag(from, "handle_chinese_chars", true, &normalizer->handle_chinese_chars,
                            err)) < 0 ||
        (r = tokenizer_flag(from, "lowercase", true, &normalizer->lowercase, err)) < 0)
        return r;
    return tokenizer_flag(from, "strip_accents", normalizer->lowercase, &normalizer->strip_accents,
                          err);
}

static int load_vocabulary(struct tokenizer *tokenizer, json_t *vocab, struct err *err)
{
    struct vocabulary *vocabulary = &tokenizer->model.vocabulary;
    json_int_t largest = -1;
    const char *piece;
    size_t size;
    json_t *id;
    int r;

    if (!json_is_object(vocab))
        return err_set(err, ERR_CORRUPT, "model.vocab must be an object of pieces and ids");
    json_object_keylen_foreach(vocab, piece, size, id)
    {
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0)
            return err_set(err, ERR_CORRUPT, "model.vocab: the id of '%.40s' is not a whole number",
                           piece);
        if (value > largest)
            largest = value;
    }
    if (largest >= VOCABULARY_ID_LIMIT)
        return err_set(err, ERR_LIMIT, "model.vocab: ids must be below %d", VOCABULARY_ID_LIMIT);
    r = vocabulary_open(vocabulary, &tokenizer->arena, json_object_size(vocab),
                        (size_t)(largest + 1), err);
    if (r < 0)
        return r;
    json_object_keylen_foreach(vocab, piece, size, id)
    {
        r = vocabulary_add(vocabulary, &tokenizer->arena, piece, size,
                           (uint32_t)json_integer_value(id), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_model(struct tokenizer *tokenizer, const json_t *model, struct err *err)
{
    const json_t *unknown = json_object_get(model, "unk_token");
    const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
    const json_t *most = json_object_get(model, "max_input_chars_per_word");
    int r;

    if (strcmp(type_of(model), "WordPiece") != 0)
        return unsupported("model", type_of(model), err);
    if ((unknown && !json_is_string(unknown)) || (prefix && !json_is_string(prefix)) ||
        (most && (!json_is_integer(most) || json_integer_value(most) < 0)))
        return err_set(err, ERR_CORRUPT,
                       "model: unk_token and continuing_subword_prefix must be strings and "
                       "max_input_chars_per_word a whole number");
    if ((r = load_vocabulary(tokenizer, json_object_get(model, "vocab"), err)) < 0)
        return r;
    return tokenizer_set_model(tokenizer, unknown ? json_string_value(unknown) : "[UNK]",
                               prefix ? json_string_value(prefix) : "##",
                               most ? (size_t)json_integer_value(most) : 100, err);
}

static int load_added_tokens(struct tokenizer *tokenizer, const json_t *list, struct err *err)
{
    const json_t *item;
    size_t i;
    int r;

    if (list && !json_is_array(list) && !json_is_null(list))
        return err_set(err, ERR_CORRUPT, "added_tokens must be a list");
    if ((r = tokenizer_open_added(tokenizer, json_array_size(list), err)) < 0)
        return r;
    json_array_foreach(list, i, item)
    {
        if ((r = tokenizer_add_described(tokenizer, item, err)) < 0) {
            err_prefix(err, "added_tokens[%zu]", i);
            return r;
        }
    }
    return 0;
}

/* The ids behind a special token of a template, each a place of its own. */
static int add_special(struct template *template, const json_t *special_tokens, const char *name,
                       uint8_t type_id, struct err *err)
{
    const json_t *ids = json_object_get(json_object_get(special_tokens, name), "ids");
    const json_t *id;
    size_t i;

    if (!json_is_array(ids))
        return err_set(err, ERR_CORRUPT, "special_tokens lacks '%.40s'", name);
    json_array_foreach(ids, i, id)
    {
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || value >= VOCABULARY_ID_LIMIT)
            return err_set(err, ERR_CORRUPT, "special_tokens: '%.40s' has a bad id", name);
        int r = template_add(template, value, type_id, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_template(struct template *template, const json_t *pieces,
                         const json_t *special_tokens, struct err *err)
{
    const json_t *piece;
    size_t i;
    int r;

    if (!json_is_array(pieces))
        return err_set(err, ERR_CORRUPT, "must be a list");
    json_array_foreach(pieces, i, piece)
    {
        const json_t *special = json_object_get(piece, "SpecialToken");
        const json_t *body = special ? special : json_object_get(piece, "Sequence");
        const char *name = json_string_value(json_object_get(body, "id"));
        const json_t *type_id = json_object_get(body, "type_id");
        json_int_t type = json_is_integer(type_id) ? json_integer_value(type_id) : -1;
        if (!name || type < 0 || type > UINT8_MAX)
            return err_set(err, ERR_CORRUPT, "place %zu needs an id and a type_id of 0 to 255", i);
        if (special)
            r = add_special(template, special_tokens, name, (uint8_t)type, err);
        else if (strcmp(name, "A") == 0 || strcmp(name, "B") == 0)
            r = template_add(template, *name == 'A' ? TEMPLATE_FIRST : TEMPLATE_SECOND,
                             (uint8_t)type, err);
        else
            r = err_set(err, ERR_CORRUPT, "place %zu must be the sequence A or B", i);
        if (r < 0)
            return r;
    }
    return 0;
}

/* BertProcessing writes "sep" and "cls" as a list of a token and its id. */
static int load_bert_processing(struct tokenizer *tokenizer, const json_t *from, struct err *err)
{
    const json_t *cls = json_array_get(json_object_get(from, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(from, "sep"), 1);

    if (!json_is_integer(cls) || !json_is_integer(sep) || json_integer_value(cls) < 0 ||
        json_integer_value(sep) < 0 || json_integer_value(cls) >= VOCABULARY_ID_LIMIT ||
        json_integer_value(sep) >= VOCABULARY_ID_LIMIT)
        return err_set(err, ERR_CORRUPT, "post_processor: cls and sep need a token and its id");
    return tokenizer_set_bert_templates(tokenizer, json_integer_value(cls), json_integer_value(sep),
                                        err);
}

static int load_post_processor(struct tokenizer *tokenizer, const json_t *from, struct err *err)
{
    struct template *single = &tokenizer->single, *pair = &tokenizer->pair;
    const json_t *special_tokens = json_object_get(from, "special_tokens");
    const char *type = type_of(from);
    int r;

    if (strcmp(type, "BertProcessing") == 0)
        return load_bert_processing(tokenizer, from, err);
    if (strcmp(type, "null") == 0) {
        r = template_add(single, TEMPLATE_FIRST, 0, err);
        if (r == 0)
            r = template_add(pair, TEMPLATE_FIRST, 0, err);
        return r < 0 ? r : template_add(pair, TEMPLATE_SECOND, 1, err);
    }
    if (strcmp(type, "TemplateProcessing") != 0)
        return unsupported("post_processor", type, err);
    if ((r = load_template(single, json_object_get(from, "single"), special_tokens, err)) < 0) {
        err_prefix(err, "post_processor.single");
        return r;
    }
    if ((r = load_template(pair, json_object_get(from, "pair"), special_tokens, err)) < 0) {
        err_prefix(err, "post_processor.pair");
        return r;
    }
    if (template_uses(single, TEMPLATE_FIRST) != 1 || template_uses(single, TEMPLATE_SECOND) != 0 ||
        template_uses(pair, TEMPLATE_FIRST) != 1 || template_uses(pair, TEMPLATE_SECOND) != 1)
        return err_set(err, ERR_UNSUPPORTED,
                       "post_processor: only templates with each text once are supported");
    return 0;
}

int tokenizer_load_json(struct tokenizer *tokenizer, const json_t *json, struct err *err)
{
    const json_t *pre_tokenizer = json_object_get(json, "pre_tokenizer");
    int r;

    if (strcmp(type_of(pre_tokenizer), "BertPreTokenizer") != 0)
        return unsupported("pre_tokenizer", type_of(pre_tokenizer), err);
    if ((r = load_model(tokenizer, json_object_get(json, "model"), err)) < 0 ||
        (r = load_added_tokens(tokenizer, json_object_get(json, "added_tokens"), err)) < 0)
        return r;
    return load_post_processor(tokenizer, json_object_get(json, "post_processor"), err);
}
