/* vocab.json with merges.txt, how RoBERTa models came before tokenizer.json. Runs once, before the
 * tokenizer is shared.
 */
#include "encoder/tokenizer/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "encoder/tokenizer/load_bpe.h"

enum { FILE_LIMIT = 64 << 20 };

/* A line of `data` that starts at *at, without its end; moves *at to the next. */
static size_t read_line(const char *data, size_t size, size_t *at)
{
    const char *end = memchr(data + *at, '\n', size - *at);
    size_t length = end ? (size_t)(end - data) - *at : size - *at;
    size_t start = *at;
    *at += length + (end != NULL);
    return length > 0 && data[start + length - 1] == '\r' ? length - 1 : length;
}

/* Merges, one a line and the best first; "#version" lines are none. */
static int load_merges(struct tokenizer *tokenizer, const char *data, size_t size,
                       struct bpe **ret_model, struct err *err)
{
    size_t lines = 0, rank = 0, bad;
    int r;

    if (!utf8_valid(data, size, &bad))
        return err_set(err, ERR_CORRUPT, "not valid UTF-8 at byte %zu", bad);
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || i + 1 == size;
    if ((r = bpe_load_open(tokenizer, ret_model, lines, err)) < 0)
        return r;
    for (size_t at = 0; at < size && r == 0;) {
        const char *line = data + at;
        size_t length = read_line(data, size, &at);
        if (length >= 8 && memcmp(line, "#version", 8) == 0)
            continue;
        r = bpe_load_merge(*ret_model, line, length, rank++, err);
    }
    return r < 0 ? r : bpe_load_pieces(tokenizer, *ret_model, err);
}

static int read_merges(struct tokenizer *tokenizer, const char *folder, struct bpe **ret_model,
                       struct err *err)
{
    char *path = file_join(folder, "merges.txt"), *data = NULL;
    size_t size = 0;
    int r = path ? file_read(&data, &size, path, FILE_LIMIT, err)
                 : err_memory(err, "opening a tokenizer");

    if (r == 0 && (r = load_merges(tokenizer, data, size, ret_model, err)) < 0)
        err_prefix(err, "merges.txt");
    free(data);
    free(path);
    return r;
}

/* As the reference has it now, the mask takes the white space before it only where a file says so.
 */
static const struct special_token specials[] = {
    {"bos_token", "<s>", false, false},     {"eos_token", "</s>", false, false},
    {"unk_token", "<unk>", false, false},   {"sep_token", "</s>", true, false},
    {"pad_token", "<pad>", false, false},   {"cls_token", "<s>", true, false},
    {"mask_token", "<mask>", false, false}, {NULL, NULL, false, false}};

/* vocab.json and the settings; the merges need the first, the added tokens both. */
static int load(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                const json_t *pieces, struct err *err)
{
    int64_t cls = -1, sep = -1;
    struct bpe *model;
    int r = tokenizer_load_pieces(tokenizer, pieces, err);

    if (r < 0 || (r = read_merges(tokenizer, source->folder, &model, err)) < 0 ||
        (r = tokenizer_flag(source->config, "add_prefix_space", false, &model->add_prefix_space,
                            err)) < 0 ||
        (r = tokenizer_flag(source->config, "trim_offsets", true, &tokenizer->trim.on, err)) < 0)
        return r;
    tokenizer->trim.prefixed = model->add_prefix_space;
    r = tokenizer_load_specials(tokenizer, source, specials, true, &cls, &sep, err);
    return r < 0 ? r : tokenizer_set_roberta_templates(tokenizer, cls, sep, err);
}

int tokenizer_load_vocab_merges(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                                struct err *err)
{
    static const struct tokenizer_class classes[] = {{"RobertaTokenizer", "roberta"}, {NULL, NULL}};
    json_t *pieces = NULL;
    size_t class;
    int r;

    if (source->do_lower_case > 0)
        return tokenizer_unsupported("setting", "do_lower_case", err);
    if ((r = tokenizer_find_class(source, classes, &class, err)) == 0 &&
        (r = tokenizer_read_optional(&pieces, source->folder, "vocab.json", err)) == 0)
        r = load(tokenizer, source, pieces, err);
    json_decref(pieces);
    return r;
}
