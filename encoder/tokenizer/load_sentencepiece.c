/* sentencepiece.bpe.model, as XLM-R and CamemBERT models had it before tokenizer.json. Their ids
 * are not the file's, and not numbered alike. Runs once, before the tokenizer is shared.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/tokenizer/load.h"
#include "encoder/tokenizer/sentencepiece.h"
#include "encoder/tokenizer/unigram_kind.h"

enum { FILE_LIMIT = 64 << 20, FILE_SPECIALS = 3, SPECIALS_LIMIT = 5, UNKNOWN_ID = 3 };

/* How a family numbers the pieces: `first` of its own, then those of the file but for as many as
 * `skipped`, then <mask>. CamemBERT keeps the file's <s> and </s>, which are its special tokens;
 * the reference wants its doubled <unk> never to be taken. */
struct numbering {
    size_t count, skipped;
    struct {
        const char *text;
        double score;
    } first[SPECIALS_LIMIT];
    bool camembert; /* whose mask takes the white space before it, and whose map is not asked for
                       more */
};
static const struct numbering xlm_roberta = {
    4, 3, {{"<s>", 0}, {"<pad>", 0}, {"</s>", 0}, {"<unk>", 0}}, false};
static const struct numbering camembert = {
    5,
    1,
    {{"<s>NOTUSED", 0}, {"<pad>", 0}, {"</s>NOTUSED", 0}, {"<unk>", 0}, {"<unk>NOTUSED", -100}},
    true};

static size_t count_pieces(const struct sentencepiece *file, const struct numbering *numbering)
{
    return numbering->count + file->count - numbering->skipped + 1;
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

/* Fills the vocabulary and scores[0..count_pieces), the latter zeroed. */
static int add_pieces(struct tokenizer *tokenizer, const struct sentencepiece *file,
                      const struct numbering *numbering, double *scores, struct err *err)
{
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    struct arena *arena = &tokenizer->arena;
    size_t count = count_pieces(file, numbering), id = 0;
    int r = vocabulary_open(vocabulary, arena, count, count, err);

    for (; id < numbering->count && r == 0; id++) {
        const char *text = numbering->first[id].text;
        scores[id] = numbering->first[id].score;
        r = vocabulary_add(vocabulary, arena, text, strlen(text), (uint32_t)id, err);
    }
    for (size_t i = numbering->skipped; i < file->count && r == 0; i++, id++) {
        const struct sentencepiece_piece *piece = &file->pieces[i];
        scores[id] = (double)piece->score;
        r = vocabulary_add(vocabulary, arena, piece->text, piece->size, (uint32_t)id, err);
    }
    if (r == 0)
        r = vocabulary_add(vocabulary, arena, "<mask>", 6, (uint32_t)id, err);
    return r;
}

static int add_specials(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                        const struct numbering *numbering, struct err *err)
{
    const struct special_token specials[] = {{"bos_token", "<s>", true, false},
                                             {"eos_token", "</s>", true, false},
                                             {"unk_token", "<unk>", false, false},
                                             {"sep_token", "</s>", true, false},
                                             {"pad_token", "<pad>", false, false},
                                             {"cls_token", "<s>", true, false},
                                             {"mask_token", "<mask>", false, numbering->camembert},
                                             {NULL, NULL, false, false}};
    int64_t cls = -1, sep = -1;
    int r = tokenizer_load_specials(tokenizer, source, specials, !numbering->camembert, &cls, &sep,
                                    err);
    return r < 0 ? r : tokenizer_set_roberta_templates(tokenizer, cls, sep, err);
}

static int build(struct tokenizer *tokenizer, const struct sentencepiece *file,
                 const struct numbering *numbering, const struct tokenizer_source *source,
                 struct err *err)
{
    struct unigram_model *model = arena_alloc(&tokenizer->arena, 1, sizeof *model);
    size_t count = count_pieces(file, numbering);
    double *scores = calloc(count, sizeof *scores);
    bool prefix;
    int r = model && scores ? 0 : err_memory(err, "opening a tokenizer");

    if (r < 0)
        goto out;
    tokenizer->kind = &tokenizer_unigram;
    tokenizer->model = model;
    if ((r = tokenizer_flag(source->config, "add_prefix_space", true, &prefix, err)) < 0)
        goto out;
    model->metaspace = (struct metaspace){.split_white_space = true,
                                          .split = true,
                                          .prepend = prefix ? PREPEND_ALWAYS : PREPEND_NEVER,
                                          .replacement = "\xE2\x96\x81",
                                          .replacement_size = 3};
    if (file->charsmap_size > 0) {
        struct pipeline_step *step = &tokenizer->pipeline.steps[tokenizer->pipeline.count++];
        step->kind = STEP_CHARSMAP;
        r = charsmap_open(&step->charsmap, &tokenizer->arena, file->charsmap, file->charsmap_size,
                          err);
    }
    if (r == 0)
        r = add_pieces(tokenizer, file, numbering, scores, err);
    if (r == 0)
        r = unigram_open(&model->unigram, &tokenizer->arena, &tokenizer->vocabulary, scores, count,
                         UNKNOWN_ID, err);
    if (r == 0)
        r = add_specials(tokenizer, source, numbering, err);
out:
    free(scores);
    return r;
}

int tokenizer_load_sentencepiece(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                                 struct err *err)
{
    char *path = file_join(source->folder, "sentencepiece.bpe.model"), *data = NULL;
    static const struct tokenizer_class classes[] = {
        {"XLMRobertaTokenizer", "xlm-roberta"}, {"CamembertTokenizer", "camembert"}, {NULL, NULL}};
    struct sentencepiece file;
    size_t size, class = 0;
    int r = path ? tokenizer_find_class(source, classes, &class, err)
                 : err_memory(err, "opening a tokenizer");

    if (r == 0)
        r = file_read(&data, &size, path, FILE_LIMIT, err);
    if (r == 0)
        r = sentencepiece_parse(&file, &tokenizer->arena, (const unsigned char *)data, size, err);
    if (r == 0)
        r = check_pieces(&file, err);
    if (r == 0)
        r = build(tokenizer, &file, class ? &camembert : &xlm_roberta, source, err);
    free(data);
    free(path);
    return r;
}
