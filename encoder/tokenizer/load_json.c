/* tokenizer.json of the Python package `tokenizers`: the parts that all kinds share. A type that
 * is not built here is refused by name, never guessed at. Runs once, before the tokenizer is
 * shared.
 */
#include "encoder/tokenizer/load.h"

#include <string.h>

/* The value of a component's "type"; "null" for a missing component. */
const char *tokenizer_type(const json_t *component)
{
    const char *type = json_string_value(json_object_get(component, "type"));
    if (!component || json_is_null(component))
        return "null";
    return type ? type : "(no type)";
}

int tokenizer_unsupported(const char *what, const char *type, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "the %s '%.80s' is not supported", what, type);
}

int tokenizer_load_pieces(struct tokenizer *tokenizer, const json_t *pieces, struct err *err)
{
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    json_t *list = (json_t *)(uintptr_t)pieces; /* the walk changes nothing but wants it so */
    json_int_t largest = -1;
    const char *piece;
    size_t size;
    json_t *id;
    int r;

    if (!json_is_object(pieces))
        return err_set(err, ERR_CORRUPT, "model.vocab must be an object of pieces and ids");
    json_object_keylen_foreach(list, piece, size, id)
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
    r = vocabulary_open(vocabulary, &tokenizer->arena, json_object_size(pieces),
                        (size_t)(largest + 1), err);
    if (r < 0)
        return r;
    json_object_keylen_foreach(list, piece, size, id)
    {
        r = vocabulary_add(vocabulary, &tokenizer->arena, piece, size,
                           (uint32_t)json_integer_value(id), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int tokenizer_load_added_tokens(struct tokenizer *tokenizer, const json_t *list, struct err *err)
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

/* BertProcessing and RobertaProcessing write "sep" and "cls" as a list of a token and its id. */
static int load_processing(struct tokenizer *tokenizer, const json_t *from,
                           int (*set)(struct tokenizer *tokenizer, int64_t cls, int64_t sep,
                                      struct err *err),
                           struct err *err)
{
    const json_t *cls = json_array_get(json_object_get(from, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(from, "sep"), 1);

    if (!json_is_integer(cls) || !json_is_integer(sep) || json_integer_value(cls) < 0 ||
        json_integer_value(sep) < 0 || json_integer_value(cls) >= VOCABULARY_ID_LIMIT ||
        json_integer_value(sep) >= VOCABULARY_ID_LIMIT)
        return err_set(err, ERR_CORRUPT, "post_processor: cls and sep need a token and its id");
    return set(tokenizer, json_integer_value(cls), json_integer_value(sep), err);
}

/* No special tokens; the second text of a pair is of type 1. */
static int set_plain_templates(struct tokenizer *tokenizer, struct err *err)
{
    int r = template_add(&tokenizer->single, TEMPLATE_FIRST, 0, err);
    if (r == 0)
        r = template_add(&tokenizer->pair, TEMPLATE_FIRST, 0, err);
    return r < 0 ? r : template_add(&tokenizer->pair, TEMPLATE_SECOND, 1, err);
}

static int load_template_processing(struct tokenizer *tokenizer, const json_t *from,
                                    struct err *err)
{
    struct template *single = &tokenizer->single, *pair = &tokenizer->pair;
    const json_t *special_tokens = json_object_get(from, "special_tokens");
    int r;

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

static int load_trim(struct offset_trim *trim, const json_t *from, struct err *err)
{
    int r = tokenizer_flag(from, "trim_offsets", true, &trim->on, err);
    return r < 0 ? r : tokenizer_flag(from, "add_prefix_space", true, &trim->prefixed, err);
}

int tokenizer_load_post_processor(struct tokenizer *tokenizer, const json_t *from, struct err *err)
{
    const char *type = tokenizer_type(from);
    int r;

    if (strcmp(type, "BertProcessing") == 0)
        return load_processing(tokenizer, from, tokenizer_set_bert_templates, err);
    if (strcmp(type, "TemplateProcessing") == 0)
        return load_template_processing(tokenizer, from, err);
    if (strcmp(type, "null") == 0)
        return set_plain_templates(tokenizer, err);
    if (strcmp(type, "RobertaProcessing") == 0) {
        r = load_trim(&tokenizer->trim, from, err);
        return r < 0 ? r : load_processing(tokenizer, from, tokenizer_set_roberta_templates, err);
    }
    if (strcmp(type, "ByteLevel") == 0) {
        r = load_trim(&tokenizer->trim, from, err);
        return r < 0 ? r : set_plain_templates(tokenizer, err);
    }
    return tokenizer_unsupported("post_processor", type, err);
}

int tokenizer_load_json(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                        struct err *err)
{
    static const struct {
        const char *type;
        int (*load)(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                    struct err *err);
    } models[] = {{"WordPiece", tokenizer_load_wordpiece},
                  {"BPE", tokenizer_load_bpe},
                  {"Unigram", tokenizer_load_unigram}};
    const char *type = tokenizer_type(json_object_get(source->json, "model"));

    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strcmp(type, models[i].type) == 0)
            return models[i].load(tokenizer, source, err);
    return tokenizer_unsupported("model", type, err);
}
