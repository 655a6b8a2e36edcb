/* The parts of tokenizer.json that a SentencePiece model of the kind Unigram has: the
 * pre-tokenizers Metaspace and WhitespaceSplit before it, and the pieces with their scores. Runs
 * once, before the tokenizer is shared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/load.h"
#include "encoder/tokenizer/unigram_kind.h"

/* --- the pre-tokenizer --- */

/* Files before "prepend_scheme" came say "add_prefix_space". */
static int load_scheme(struct metaspace *metaspace, const json_t *from, struct err *err)
{
    const char *scheme = json_string_value(json_object_get(from, "prepend_scheme"));
    bool prefix;
    int r = tokenizer_flag(from, "add_prefix_space", true, &prefix, err);

    if (r < 0)
        return r;
    if (!scheme)
        scheme = prefix ? "always" : "never";
    if (strcmp(scheme, "always") == 0)
        metaspace->prepend = PREPEND_ALWAYS;
    else if (strcmp(scheme, "first") == 0)
        metaspace->prepend = PREPEND_FIRST;
    else if (strcmp(scheme, "never") == 0)
        metaspace->prepend = PREPEND_NEVER;
    else
        return err_set(err, ERR_UNSUPPORTED, "the prepend_scheme '%.40s' is not supported", scheme);
    return 0;
}

static int load_metaspace(struct metaspace *metaspace, const json_t *from, struct err *err)
{
    const json_t *replacement = json_object_get(from, "replacement");
    size_t size = json_string_length(replacement);
    uint32_t code_point;
    int r;

    if (size == 0 || size >= sizeof metaspace->replacement ||
        utf8_decode(json_string_value(replacement), size, &code_point) != size)
        return err_set(err, ERR_CORRUPT, "Metaspace: the replacement must be one character");
    memcpy(metaspace->replacement, json_string_value(replacement), size);
    metaspace->replacement_size = size;
    if ((r = load_scheme(metaspace, from, err)) < 0)
        return r;
    return tokenizer_flag(from, "split", true, &metaspace->split, err);
}

static int load_pre_tokenizer(struct metaspace *metaspace, const json_t *from, struct err *err)
{
    const json_t *list = json_object_get(from, "pretokenizers");

    if (strcmp(tokenizer_type(from), "Sequence") == 0) {
        if (json_array_size(list) != 2 ||
            strcmp(tokenizer_type(json_array_get(list, 0)), "WhitespaceSplit") != 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "the pre_tokenizer 'Sequence' is supported only "
                           "with WhitespaceSplit and Metaspace");
        metaspace->split_white_space = true;
        from = json_array_get(list, 1);
    }
    if (strcmp(tokenizer_type(from), "Metaspace") != 0)
        return tokenizer_unsupported("pre_tokenizer of Unigram", tokenizer_type(from), err);
    return load_metaspace(metaspace, from, err);
}

/* --- the pieces --- */

static int load_pieces(struct tokenizer *tokenizer, const json_t *list, double *scores,
                       struct err *err)
{
    const json_t *item;
    size_t i;
    int r = vocabulary_open(&tokenizer->vocabulary, &tokenizer->arena, json_array_size(list),
                            json_array_size(list), err);

    if (r < 0)
        return r;
    json_array_foreach(list, i, item)
    {
        const json_t *piece = json_array_get(item, 0), *score = json_array_get(item, 1);
        if (!json_is_string(piece) || !json_is_number(score))
            return err_set(err, ERR_CORRUPT, "model.vocab[%zu] must be a piece and its score", i);
        scores[i] = json_number_value(score);
        r = vocabulary_add(&tokenizer->vocabulary, &tokenizer->arena, json_string_value(piece),
                           json_string_length(piece), (uint32_t)i, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_model(struct tokenizer *tokenizer, struct unigram *unigram, const json_t *model,
                      struct err *err)
{
    const json_t *list = json_object_get(model, "vocab");
    const json_t *unknown = json_object_get(model, "unk_id");
    size_t count = json_array_size(list);
    bool fallback;
    int r = tokenizer_flag(model, "byte_fallback", false, &fallback, err);

    if (r < 0)
        return r;
    if (fallback)
        return err_set(err, ERR_UNSUPPORTED, "Unigram with byte_fallback is not supported");
    if (!json_is_array(list) || count == 0)
        return err_set(err, ERR_CORRUPT, "model.vocab must be a list of pieces and scores");
    if (!json_is_integer(unknown))
        return err_set(err, ERR_UNSUPPORTED, "Unigram without an unk_id is not supported");
    if (json_integer_value(unknown) < 0 || (size_t)json_integer_value(unknown) >= count)
        return err_set(err, ERR_CORRUPT, "model.unk_id is outside the vocabulary");
    double *scores = calloc(count, sizeof *scores);
    if (!scores)
        return err_memory(err, "the vocabulary");
    if ((r = load_pieces(tokenizer, list, scores, err)) == 0)
        r = unigram_open(unigram, &tokenizer->arena, &tokenizer->vocabulary, scores, count,
                         (uint32_t)json_integer_value(unknown), err);
    free(scores);
    return r;
}

int tokenizer_load_unigram(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                           struct err *err)
{
    const json_t *json = source->json;
    struct unigram_model *model = arena_alloc(&tokenizer->arena, 1, sizeof *model);
    int r;

    if (!model)
        return err_memory(err, "opening a tokenizer");
    tokenizer->kind = &tokenizer_unigram;
    tokenizer->model = model;
    if ((r = tokenizer_load_normalizer(tokenizer, source, json_object_get(json, "normalizer"),
                                       err)) < 0 ||
        (r = load_pre_tokenizer(&model->metaspace, json_object_get(json, "pre_tokenizer"), err)) <
            0 ||
        (r = load_model(tokenizer, &model->unigram, json_object_get(json, "model"), err)) < 0 ||
        (r = tokenizer_load_added_tokens(tokenizer, json_object_get(json, "added_tokens"), err)) <
            0)
        return r;
    return tokenizer_load_post_processor(tokenizer, json_object_get(json, "post_processor"), err);
}
