/* Composing the canonical text of a model's identity and hashing it. The hashes of its files come
 * through hash_cache.c. */
#include "encoder/model/fingerprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "encoder/model/hash_cache.h"
#include "encoder/model/head.h"
#include "encoder/model/model.h"

/* Changing what the text says changes every fingerprint: raise its number then. */
#define FINGERPRINT_HEAD "sbertd model fingerprint 1\n"

static int append_file(struct buf *text, const char *what, const char *path, struct err *err)
{
    char hex[DIGEST_HEX_SIZE];
    int r = hash_cache_file(path, hex, err);
    if (r < 0)
        return r;
    return buf_printf(text, "%s %s\n", what, hex) < 0 ? err_memory(err, path) : 0;
}

/* The files that decide how text becomes ids: tokenizer.json holds the whole tokenizer where it is
 * there, and tokenizer_config.json can override parts of either form. */
static int append_tokenizer(struct buf *text, const char *folder, struct err *err)
{
    static const char *const names[] = {"tokenizer.json",
                                        "vocab.txt",
                                        "vocab.json",
                                        "merges.txt",
                                        "sentencepiece.bpe.model",
                                        "added_tokens.json",
                                        "special_tokens_map.json",
                                        "tokenizer_config.json"};
    bool whole = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof names / sizeof names[0]; i++) {
        bool config = strcmp(names[i], "tokenizer_config.json") == 0;
        if (whole && !config)
            continue;
        char *path = file_join(folder, names[i]);
        if (!path)
            return err_memory(err, names[i]);
        if (file_exists(path)) {
            r = append_file(text, names[i], path, err);
            whole = whole || i == 0;
        }
        free(path);
    }
    return r;
}

static int append_settings(struct buf *text, const struct model *model)
{
    char pooling[POOLING_NAME_SIZE];
    const char *prompt = model->document_prompt ? model->document_prompt : "";

    model_pooling_name(&model->pooling, pooling);
    int r = buf_printf(
        text,
        "architecture %s\nlayers %zu\nheads %zu\nactivation %d\nlayer_norm_eps %.9g\n"
        "position_offset %zu\npooling %s\nnormalize %d\nmax_seq_length %zu\ndo_lower_case %d\n",
        model->architecture, model->layers, model->heads, (int)model->activation,
        (double)model->embedding_norm.eps, model->position_offset, pooling, model->normalize,
        model->max_seq_length, model->do_lower_case);
    if (r == 0 && model->escape_special_tokens) /* said only where it is so */
        r = buf_append_string(text, "escape_special_tokens 1\n");
    if (r == 0 && model->pooling.without_prompt)
        r = buf_append_string(text, "include_prompt 0\n");
    if (r == 0)
        r = buf_printf(text, "document_prompt %zu %s\n", strlen(prompt), prompt);
    return r;
}

/* What follows pooling, said only where there is more than a Normalize. */
static int append_head(struct buf *text, const struct model *model)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < model->head_count; i++) {
        const struct head_module *head = &model->head[i];
        r = buf_printf(text, "module %d %zu %zu %d %d\n", (int)head->kind, head->in, head->out,
                       (int)head->activation, head->residual);
    }
    if (r == 0 && model->dimension != (model->head_count ? model->head[model->head_count - 1].out
                                                         : model->pooled_size))
        r = buf_printf(text, "truncate_dim %zu\n", model->dimension);
    return r;
}

static int append_weights(void *text, const char *path, struct err *err)
{
    return append_file(text, "weights", path, err);
}

int fingerprint_model(struct model *model, char *const *weights, size_t weights_count,
                      struct err *err)
{
    struct buf text = {0};
    int r = buf_append_string(&text, FINGERPRINT_HEAD);
    if (r == 0)
        r = append_settings(&text, model);
    if (r == 0)
        r = append_head(&text, model);
    if (r < 0) {
        r = err_memory(err, "the fingerprint");
        goto out;
    }
    size_t before_weights = text.size;
    for (size_t i = 0; r == 0 && i < weights_count; i++)
        r = append_weights(&text, weights[i], err);
    if (r == 0)
        r = digest_bytes_hex(text.data + before_weights, text.size - before_weights,
                             model->weights_fingerprint, err);
    if (r == 0)
        r = head_each_file(model, append_weights, &text, err);
    if (r == 0)
        r = append_tokenizer(&text, model->transformer_folder, err);
    if (r == 0)
        r = digest_bytes_hex(text.data, text.size, model->fingerprint, err);
out:
    buf_release(&text);
    return r;
}
