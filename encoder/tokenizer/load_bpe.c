/* The parts of tokenizer.json that the kind of GPT-2 and RoBERTa has: ByteLevel and BPE; and the
 * filling of the model, from whatever file. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load_bpe.h"

#include <string.h>

#include "encoder/tokenizer/byte_level.h"

int bpe_load_open(struct tokenizer *tokenizer, struct bpe **ret_model, size_t merges,
                  struct err *err)
{
    struct bpe *model = arena_alloc(&tokenizer->arena, 1, sizeof *model);
    if (!model)
        return err_memory(err, "the tokenizer");
    tokenizer->kind = &tokenizer_byte_level_bpe;
    tokenizer->model = *ret_model = model;
    model->vocabulary = &tokenizer->vocabulary;
    model->use_regex = true;
    model->unknown_id = BPE_NONE;
    return bpe_open(model, &tokenizer->arena, merges, err);
}

int bpe_load_pieces(struct tokenizer *tokenizer, struct bpe *model, struct err *err)
{
    const struct vocabulary *vocabulary = &tokenizer->vocabulary;

    for (int byte = 0; byte < 256; byte++) {
        char character[4];
        size_t size = byte_level_character((unsigned char)byte, character);
        const struct piece *piece = vocabulary_find(vocabulary, character, size);
        model->character_sizes[byte] = (uint8_t)size;
        model->byte_ids[byte] = piece ? piece->id : BPE_NONE;
        if (!piece && model->unknown_id == BPE_NONE)
            model->misses_bytes = true;
    }
    model->spaces = arena_alloc(&tokenizer->arena, vocabulary->id_count + 1, sizeof *model->spaces);
    if (!model->spaces)
        return err_memory(err, "the tokenizer");
    for (size_t i = 0; i < vocabulary->count; i++) {
        const struct piece *piece = &vocabulary->pieces[i];
        size_t leading, trailing;
        offset_trim_count(piece->text, piece->size, &leading, &trailing);
        model->spaces[piece->id] = (struct bpe_spaces){(uint16_t)leading, (uint16_t)trailing};
    }
    return 0;
}

/* The merge of two pieces; both, and what they make, must be in the vocabulary. */
static int add_merge(struct bpe *model, const char *left, size_t left_size, const char *right,
                     size_t right_size, size_t rank, struct err *err)
{
    char joined[VOCABULARY_PIECE_LIMIT];
    const struct piece *first = vocabulary_find(model->vocabulary, left, left_size);
    const struct piece *second = vocabulary_find(model->vocabulary, right, right_size);
    const struct piece *made = NULL;

    if (first && second && left_size + right_size <= sizeof joined) {
        memcpy(joined, left, left_size);
        memcpy(joined + left_size, right, right_size);
        made = vocabulary_find(model->vocabulary, joined, left_size + right_size);
    }
    if (!made)
        return err_set(err, ERR_CORRUPT,
                       "merge %zu: the vocabulary lacks '%.*s', '%.*s' or both "
                       "joined",
                       rank + 1, left_size < 40 ? (int)left_size : 40, left,
                       right_size < 40 ? (int)right_size : 40, right);
    bpe_add(model, first->id, second->id, (uint32_t)rank, made->id);
    return 0;
}

int bpe_load_merge(struct bpe *model, const char *text, size_t size, size_t rank, struct err *err)
{
    const char *space = memchr(text, ' ', size);
    size_t left = space ? (size_t)(space - text) : 0;

    if (!space || memchr(space + 1, ' ', size - left - 1))
        return err_set(err, ERR_CORRUPT, "merge %zu must be two pieces with a space between",
                       rank + 1);
    return add_merge(model, text, left, space + 1, size - left - 1, rank, err);
}

static int load_merges(struct bpe *model, const json_t *merges, struct err *err)
{
    const json_t *item;
    size_t i;
    int r = 0;

    json_array_foreach(merges, i, item)
    {
        const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
        if (json_is_string(item))
            r = bpe_load_merge(model, json_string_value(item), json_string_length(item), i, err);
        else if (json_array_size(item) == 2 && json_is_string(left) && json_is_string(right))
            r = add_merge(model, json_string_value(left), json_string_length(left),
                          json_string_value(right), json_string_length(right), i, err);
        else
            r = err_set(err, ERR_CORRUPT, "merge %zu must be a string or two strings", i + 1);
        if (r < 0) {
            err_prefix(err, "model.merges");
            return r;
        }
    }
    return 0;
}

/* Settings of the reference's BPE that byte-level models do without. */
static int refuse_settings(const json_t *model, struct err *err)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *dropout = json_object_get(model, "dropout");
    bool byte_fallback;
    int r = tokenizer_flag(model, "byte_fallback", false, &byte_fallback, err);

    if (r < 0)
        return r;
    if (byte_fallback)
        return tokenizer_unsupported("BPE setting", "byte_fallback", err);
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0)
        return tokenizer_unsupported("BPE setting", "dropout", err);
    for (size_t i = 0; i < 2; i++) {
        const json_t *affix = json_object_get(model, affixes[i]);
        if (affix && !json_is_null(affix) && json_string_length(affix) > 0)
            return tokenizer_unsupported("BPE setting", affixes[i], err);
    }
    return 0;
}

static int load_model(struct tokenizer *tokenizer, const json_t *from, struct bpe **ret_model,
                      struct err *err)
{
    const json_t *merges = json_object_get(from, "merges");
    const json_t *unknown = json_object_get(from, "unk_token");
    struct bpe *model;
    int r;

    if (!json_is_array(merges) || (unknown && !json_is_null(unknown) && !json_is_string(unknown)))
        return err_set(err, ERR_CORRUPT,
                       "model: merges must be a list, and unk_token a string or null");
    if ((r = refuse_settings(from, err)) < 0 ||
        (r = tokenizer_load_pieces(tokenizer, json_object_get(from, "vocab"), err)) < 0 ||
        (r = bpe_load_open(tokenizer, ret_model, json_array_size(merges), err)) < 0)
        return r;
    model = *ret_model;
    if (json_is_string(unknown)) {
        const struct piece *piece = vocabulary_find(
            &tokenizer->vocabulary, json_string_value(unknown), json_string_length(unknown));
        if (!piece)
            return err_set(err, ERR_CORRUPT, "the vocabulary lacks the unknown token '%.40s'",
                           json_string_value(unknown));
        model->unknown_id = piece->id;
    }
    if ((r = tokenizer_flag(from, "fuse_unk", false, &model->fuse_unknown, err)) < 0 ||
        (r = tokenizer_flag(from, "ignore_merges", false, &model->ignore_merges, err)) < 0 ||
        (r = bpe_load_pieces(tokenizer, model, err)) < 0)
        return r;
    return load_merges(model, merges, err);
}

int tokenizer_load_bpe(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                       struct err *err)
{
    const json_t *json = source->json;
    const json_t *normalizer = json_object_get(json, "normalizer");
    const json_t *level = json_object_get(json, "pre_tokenizer");
    struct bpe *model;
    int r;

    if (strcmp(tokenizer_type(level), "ByteLevel") != 0)
        return tokenizer_unsupported("pre_tokenizer", tokenizer_type(level), err);
    if (source->do_lower_case > 0)
        return tokenizer_unsupported("setting", "do_lower_case", err);
    if (strcmp(tokenizer_type(normalizer), "null") != 0 &&
        (r = tokenizer_check_class(source, "normalizer", tokenizer_type(normalizer), err)) < 0)
        return r;
    if ((r = tokenizer_load_normalizer(tokenizer, source, normalizer, err)) < 0 ||
        (r = load_model(tokenizer, json_object_get(json, "model"), &model, err)) < 0 ||
        (r = tokenizer_flag(level, "add_prefix_space", true, &model->add_prefix_space, err)) < 0 ||
        (r = tokenizer_flag(level, "use_regex", true, &model->use_regex, err)) < 0 ||
        (r = tokenizer_load_added_tokens(tokenizer, json_object_get(json, "added_tokens"), err)) <
            0 ||
        (r = tokenizer_load_post_processor(tokenizer, json_object_get(json, "post_processor"),
                                           err)) < 0)
        return r;
    /* As in the reference, what tokenizer_config.json says wins. */
    if ((r = tokenizer_flag(source->config, "add_prefix_space", model->add_prefix_space,
                            &model->add_prefix_space, err)) < 0)
        return r;
    return tokenizer_flag(source->config, "add_prefix_space", tokenizer->trim.prefixed,
                          &tokenizer->trim.prefixed, err);
}
