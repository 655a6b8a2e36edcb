/* sentencepiece.bpe.model, as XLM-R models had it before tokenizer.json. Their ids are not the
 * file's: <s>, <pad>, </s> and <unk> come first, then the pieces after the file's own three, then
 * <mask>. Runs once, before the tokenizer is shared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/tokenizer/load.h"
#include "encoder/tokenizer/sentencepiece.h"
#include "encoder/tokenizer/unigram_kind.h"

enum { FILE_LIMIT = 64 << 20, FILE_SPECIALS = 3, SPECIALS = 4, UNKNOWN_ID = 3 };

static const char *const specials[SPECIALS] = {"<s>", "<pad>", "</s>", "<unk>"};

/* Other families number the pieces otherwise; what they are called is in one of two files. */
static int refuse_others(const struct tokenizer_source *source, struct err *err)
{
    const char *class = json_string_value(json_object_get(source->config, "tokenizer_class"));
    char *path = file_join(source->folder, "config.json");
    json_t *config = NULL;
    int r = path ? 0 : err_memory(err, "opening a tokenizer");

    if (r == 0 && file_exists(path))
        r = json_read_object(&config, path, FILE_LIMIT, err);
    const char *type = json_string_value(json_object_get(config, "model_type"));
    if (r == 0 && ((class && strncmp(class, "XLMRobertaTokenizer", 19) != 0) ||
                   (!class && type && strcmp(type, "camembert") == 0)))
        r = err_set(err, ERR_UNSUPPORTED,
                    "the tokenizer of %.80s is supported only as a tokenizer.json; make that once: "
                    "python3 -c \"from transformers import AutoTokenizer as T; "
                    "T.from_pretrained('%s').save_pretrained('%s')\"",
                    class ? class : type, source->folder, source->folder);
    json_decref(config);
    free(path);
    return r;
}

static int check_pieces(const struct sentencepiece *file, struct err *err)
{
    if (file->model_type != SENTENCEPIECE_UNIGRAM)
        return err_set(err, ERR_UNSUPPORTED,
                       "only SentencePiece models of the type Unigram are "
                       "supported");
    if (file->count < FILE_SPECIALS || file->pieces[0].type != SENTENCEPIECE_UNKNOWN)
        return err_set(err, ERR_CORRUPT, "the pieces must begin with <unk>, <s> and </s>");
    for (size_t i = 1; i < file->count; i++) {
        bool control = file->pieces[i].type == SENTENCEPIECE_CONTROL;
        if (control != (i < FILE_SPECIALS) || file->pieces[i].type == SENTENCEPIECE_BYTE ||
            file->pieces[i].type == SENTENCEPIECE_USER_DEFINED ||
            file->pieces[i].type == SENTENCEPIECE_UNKNOWN)
            return err_set(err, ERR_UNSUPPORTED,
                           "piece %zu ('%.*s') is of a kind that is not supported there", i,
                           file->pieces[i].size < 40 ? (int)file->pieces[i].size : 40,
                           file->pieces[i].text);
    }
    return 0;
}

/* Fills the vocabulary and scores[0..count + 2), the latter zeroed. */
static int add_pieces(struct tokenizer *tokenizer, const struct sentencepiece *file, double *scores,
                      struct err *err)
{
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    struct arena *arena = &tokenizer->arena;
    size_t count = file->count + SPECIALS - FILE_SPECIALS + 1;
    int r = vocabulary_open(vocabulary, arena, count, count, err);

    for (uint32_t i = 0; i < SPECIALS && r == 0; i++)
        r = vocabulary_add(vocabulary, arena, specials[i], strlen(specials[i]), i, err);
    for (size_t i = FILE_SPECIALS; i < file->count && r == 0; i++) {
        const struct sentencepiece_piece *piece = &file->pieces[i];
        size_t id = i + SPECIALS - FILE_SPECIALS;
        scores[id] = (double)piece->score;
        r = vocabulary_add(vocabulary, arena, piece->text, piece->size, (uint32_t)id, err);
    }
    if (r == 0)
        r = vocabulary_add(vocabulary, arena, "<mask>", 6, (uint32_t)(count - 1), err);
    return r;
}

/* The tokens that are matched as they stand: those of the configuration where it lists them, else
 * the five, <mask> taking the white space before it if the configuration says so. */
static int add_specials(struct tokenizer *tokenizer, const json_t *config, struct err *err)
{
    json_t *decoder = json_object_get(config, "added_tokens_decoder"), *item;
    const json_t *mask = json_object_get(config, "mask_token");
    struct added_token_entry entry = {.special = true};
    const char *key;
    int r = tokenizer_open_added(tokenizer, json_object_size(decoder) + SPECIALS + 1, err);

    json_object_foreach(decoder, key, item)
    {
        if (r == 0)
            r = tokenizer_add_described(tokenizer, item, err);
    }
    if (decoder || r < 0)
        return r;
    for (size_t i = 0; i < SPECIALS && r == 0; i++) {
        entry.text = specials[i];
        entry.size = strlen(specials[i]);
        r = tokenizer_add_token(tokenizer, &entry, err);
    }
    entry.text = "<mask>";
    entry.size = 6;
    if (r == 0)
        r = tokenizer_flag(mask, "lstrip", false, &entry.lstrip, err);
    return r < 0 ? r : tokenizer_add_token(tokenizer, &entry, err);
}

static int build(struct tokenizer *tokenizer, const struct sentencepiece *file,
                 const json_t *config, struct err *err)
{
    struct unigram_model *model = arena_alloc(&tokenizer->arena, 1, sizeof *model);
    size_t count = file->count + SPECIALS - FILE_SPECIALS + 1;
    double *scores = calloc(count, sizeof *scores);
    bool prefix;
    int r = model && scores ? 0 : err_memory(err, "opening a tokenizer");

    if (r < 0)
        goto out;
    tokenizer->kind = &tokenizer_unigram;
    tokenizer->model = model;
    if ((r = tokenizer_flag(config, "add_prefix_space", true, &prefix, err)) < 0)
        goto out;
    model->metaspace = (struct metaspace){.split_white_space = true,
                                          .split = true,
                                          .prepend = prefix ? PREPEND_ALWAYS : PREPEND_NEVER,
                                          .replacement = "\xE2\x96\x81",
                                          .replacement_size = 3};
    if (file->charsmap_size > 0)
        r = charsmap_open(&model->normalizer.charsmap, &tokenizer->arena, file->charsmap,
                          file->charsmap_size, err);
    if (r == 0)
        r = add_pieces(tokenizer, file, scores, err);
    if (r == 0)
        r = unigram_open(&model->unigram, &tokenizer->arena, &tokenizer->vocabulary, scores, count,
                         UNKNOWN_ID, err);
    if (r == 0)
        r = add_specials(tokenizer, config, err);
    if (r == 0)
        r = tokenizer_set_roberta_templates(tokenizer, 0, 2, err);
out:
    free(scores);
    return r;
}

int tokenizer_load_sentencepiece(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                                 struct err *err)
{
    char *path = file_join(source->folder, "sentencepiece.bpe.model"), *data = NULL;
    struct sentencepiece file;
    size_t size;
    int r = path ? refuse_others(source, err) : err_memory(err, "opening a tokenizer");

    if (r == 0)
        r = file_read(&data, &size, path, FILE_LIMIT, err);
    if (r == 0)
        r = sentencepiece_parse(&file, &tokenizer->arena, (const unsigned char *)data, size, err);
    if (r == 0)
        r = check_pieces(&file, err);
    if (r == 0)
        r = build(tokenizer, &file, source->config, err);
    free(data);
    free(path);
    return r;
}
