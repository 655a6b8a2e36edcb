/* Showing what the tokenizer makes of texts. The transformer is not loaded for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/encode/encode.h"
#include "cli/encode/source.h"
#include "cli/terminal.h"
#include "encoder/model/model.h"
#include "encoder/model/prompts.h"
#include "encoder/model/registry.h"

/* One object on a line of its own. */
static int print_tokens(const struct tokenizer *tokenizer, const struct token_list *list,
                        struct err *err)
{
    json_t *ids = json_array(), *pieces = json_array();

    for (size_t i = 0; i < list->count; i++) {
        const char *piece = tokenizer_piece(tokenizer, list->tokens[i].id);
        json_array_append_new(ids, json_integer(list->tokens[i].id));
        json_array_append_new(pieces, json_string(piece ? piece : ""));
    }
    json_t *line = json_pack("{s:o, s:o, s:I}", "ids", ids, "pieces", pieces, "full_count",
                             (json_int_t)list->full_count);
    if (!line)
        return err_memory(err, "the tokens");
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
    return 0;
}

/* The text with the prompt before it, as the encoder reads it. */
static int with_prompt(struct buf *buf, const char *prompt, const char *text, size_t size,
                       struct err *err)
{
    buf_clear(buf);
    if (buf_append_string(buf, prompt ? prompt : "") < 0 || buf_append(buf, text, size) < 0)
        return err_memory(err, "a text");
    return 0;
}

static int print_all(const struct encode_options *options, const struct tokenizer *tokenizer,
                     const struct model *model, struct err *err)
{
    const char *prompt = options->prompt ? options->prompt : model->default_prompt;
    struct source source = {0};
    struct token_list list = {0};
    struct buf whole = {0};
    const char *text;
    size_t size;

    int r = options->prompt_name ? prompts_find(model, options->prompt_name, &prompt, err) : 0;
    if (r == 0)
        r = source_open(&source, options, err);
    while (r == 0 && (r = source_next(&source, &text, &size, err)) == 1) {
        r = with_prompt(&whole, prompt, text, size, err);
        if (r == 0)
            r = tokenizer_encode(tokenizer, whole.data, whole.size, NULL, 0, model->max_seq_length,
                                 &list, err);
        if (r == 0)
            r = print_tokens(tokenizer, &list, err);
    }
    buf_release(&whole);
    token_list_release(&list);
    source_close(&source);
    return r;
}

int encode_tokens(const struct encode_options *options)
{
    struct err err;
    struct model *model = NULL;
    struct tokenizer *tokenizer = NULL;
    char *folder;

    int r = registry_resolve(&folder, options->model, &err);
    if (r < 0)
        return terminal_fail(&err);
    r = model_open(&model, folder, &err);
    free(folder);
    if (r == 0 && options->max_seq_length)
        r = model_set_max_seq_length(model, options->max_seq_length, &err);
    if (r == 0)
        r = tokenizer_open(&tokenizer, model->transformer_folder, model->do_lower_case, &err);
    if (r == 0 && options->escape_special_tokens)
        tokenizer_escape_special_tokens(tokenizer);
    if (r == 0)
        r = print_all(options, tokenizer, model, &err);
    tokenizer_close(tokenizer);
    model_close(model);
    return r < 0 ? terminal_fail(&err) : EXIT_FOUND;
}
