/* vocab.txt, one piece a line and the id its number: how BERT, DistilBERT and MPNet models came
 * before tokenizer.json. Runs once, before the tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { FILE_LIMIT = 64 << 20, MAX_CHARS = 100 };

static int load_lines(struct tokenizer *tokenizer, const char *data, size_t size, struct err *err)
{
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    size_t lines = 0;
    int r;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || i + 1 == size;
    if ((r = vocabulary_open(vocabulary, &tokenizer->arena, lines, lines, err)) < 0)
        return r;
    for (size_t line = 0, at = 0; line < lines; line++) {
        const char *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        size_t next = at + length + 1;
        if (length > 0 && data[at + length - 1] == '\r')
            length--;
        if (!utf8_valid(data + at, length, NULL))
            return err_set(err, ERR_CORRUPT, "line %zu is not valid UTF-8", line + 1);
        r = vocabulary_add(vocabulary, &tokenizer->arena, data + at, length, (uint32_t)line, err);
        if (r < 0)
            return r;
        at = next;
    }
    return 0;
}

/* MPNet's vocabulary is BERT's with other special tokens, and its pairs are RoBERTa's. */
enum { CLASS_MPNET = 2 };
static const struct tokenizer_class classes[] = {{"BertTokenizer", "bert"},
                                                 {"DistilBertTokenizer", "distilbert"},
                                                 {"MPNetTokenizer", "mpnet"},
                                                 {NULL, NULL}};

static const struct special_token bert_specials[] = {
    {"unk_token", "[UNK]", true, false},    {"sep_token", "[SEP]", true, false},
    {"pad_token", "[PAD]", false, false},   {"cls_token", "[CLS]", true, false},
    {"mask_token", "[MASK]", false, false}, {NULL, NULL, false, false}};

static const struct special_token mpnet_specials[] = {
    {"bos_token", "<s>", false, false},    {"eos_token", "</s>", false, false},
    {"unk_token", "[UNK]", true, false},   {"sep_token", "</s>", true, false},
    {"pad_token", "<pad>", false, false},  {"cls_token", "<s>", true, false},
    {"mask_token", "<mask>", false, true}, {NULL, NULL, false, false}};

static int load_specials(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                         bool mpnet, struct err *err)
{
    int64_t cls = -1, sep = -1;
    int r = tokenizer_load_specials(tokenizer, source, mpnet ? mpnet_specials : bert_specials, true,
                                    &cls, &sep, err);
    if (r < 0)
        return r;
    tokenizer->trim.on = mpnet; /* of the mask and the white space that it takes */
    return mpnet ? tokenizer_set_roberta_templates(tokenizer, cls, sep, err)
                 : tokenizer_set_bert_templates(tokenizer, cls, sep, err);
}

int tokenizer_load_vocab(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                         struct err *err)
{
    char *path = file_join(source->folder, "vocab.txt");
    char *data = NULL;
    size_t size, class = 0;
    int r = path ? 0 : err_memory(err, "opening a tokenizer");

    tokenizer->kind = &tokenizer_bert;
    tokenizer->words = (struct words){.drop_spaces = true, .isolate_punctuation = true};
    tokenizer->normalizer = (struct bert_normalizer){true, true, true, true};
    if (r == 0)
        r = tokenizer_find_class(source, classes, &class, err);
    if (r == 0)
        r = tokenizer_override_normalizer(&tokenizer->normalizer, source, err);
    if (r == 0)
        r = file_read(&data, &size, path, FILE_LIMIT, err);
    if (r == 0)
        r = load_lines(tokenizer, data, size, err);
    if (r == 0)
        r = tokenizer_set_model(tokenizer,
                                tokenizer_special_name(source->config, "unk_token", "[UNK]"), "##",
                                MAX_CHARS, err);
    if (r == 0)
        r = load_specials(tokenizer, source, class == CLASS_MPNET, err);
    free(data);
    free(path);
    return r;
}
