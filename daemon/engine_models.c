/* The table of models, and which way texts go: a few that somebody waits for at once
 * (engine_queries.c), many in the background (engine_bulk.c). The table is constant after opening.
 * Today one model is loaded, the default.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "daemon/engine_internal.h"
#include "encoder/model/registry.h"

/* Texts of up to so many bytes together are few; the longest take some 0.2 s then. */
enum { FEW_BYTES = 16384 };

/* The name a model goes by: a known model's own, else the last part of its folder's path. */
static char *model_name(const char *given, const char *folder)
{
    const struct registry_model *known = registry_find(given);
    if (known)
        return strdup(known->name);
    if (!strchr(given, '/') && strcmp(given, ".") != 0)
        return strdup(given);
    char *path = realpath(folder, NULL);
    if (!path)
        return NULL;
    char *name = strdup(strrchr(path, '/') + 1);
    free(path);
    return name;
}

/* The tokens that the prompt before documents takes, without the template's special ones. */
static int count_prompt_tokens(struct engine_model *model, struct err *err)
{
    const struct tokenizer *tokenizer = encoder_tokenizer(model->encoder);
    const char *prompt = model->info->document_prompt;
    struct token_list tokens = {0};
    if (!prompt)
        return 0;
    int r = tokenizer_encode(tokenizer, prompt, strlen(prompt), NULL, 0, 0, &tokens, err);
    if (!r)
        model->document_prompt_tokens = tokens.count - tokenizer_special_count(tokenizer);
    token_list_release(&tokens);
    return r;
}

static void model_close(struct engine_model *model)
{
    if (!model)
        return;
    bulk_close(model->bulk);
    queries_close(model->queries);
    encoder_close(model->encoder);
    free(model->name);
    free(model);
}

static int model_open(struct engine_model **ret_model, const struct engine_options *options,
                      const volatile int *cancel, struct err *err)
{
    const char *name = options->model ? options->model : REGISTRY_DEFAULT_MODEL;
    const struct encoder_options how = {.precision = options->precision};
    int threads = options->threads > 0 ? options->threads : cpu_count();
    struct engine_model *model = calloc(1, sizeof *model);
    if (!model)
        return err_memory(err, "a model");
    char *folder = NULL;
    int r = registry_resolve(&folder, name, err);
    if (!r)
        r = encoder_open(&model->encoder, folder, &how, err);
    if (r)
        goto out;
    model->info = encoder_info(model->encoder);
    model->name = model_name(name, folder);
    if (!model->name) {
        r = err_memory(err, "a model's name");
        goto out;
    }
    r = count_prompt_tokens(model, err);
    if (!r)
        r = queries_open(&model->queries, model->encoder, cancel, err);
    if (!r)
        r = bulk_open(&model->bulk, model->encoder, threads, cancel, err);
out:
    free(folder);
    if (r)
        model_close(model);
    else
        *ret_model = model;
    return r;
}

int models_open(struct model_table *ret_table, const struct engine_options *options,
                const volatile int *cancel, struct err *err)
{
    struct model_table table = {.models = calloc(1, sizeof *table.models)};
    if (!table.models)
        return err_memory(err, "the table of models");
    int r = model_open(&table.models[0], options, cancel, err);
    if (r) {
        models_close(&table);
        return r;
    }
    table.count = 1;
    *ret_table = table;
    return 0;
}

void models_close(struct model_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        model_close(table->models[i]);
    free(table->models);
    *table = (struct model_table){0};
}

struct engine_model *models_find(const struct model_table *table, const char *name)
{
    if (!name)
        return table->models[0];
    const struct registry_model *known = registry_find(name);
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->models[i]->name, known ? known->name : name) == 0)
            return table->models[i];
    }
    return NULL;
}

struct engine_model *models_find_fingerprint(const struct model_table *table,
                                             const char *fingerprint)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->models[i]->info->fingerprint, fingerprint) == 0)
            return table->models[i];
    }
    return NULL;
}

/* Whether texts are so few that somebody can be made to wait for them, and others for him. */
static bool are_few(const struct encoder_text *texts, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += texts[i].size + texts[i].pair_size;
    return count == 1 || (count <= QUERY_TEXTS_MAX && bytes <= FEW_BYTES);
}

static int encode(struct engine_model *model, const struct encoder_text *texts, size_t count,
                  const char *prompt, bool bulk, float *ret_vectors,
                  struct encoder_usage *ret_usage, struct query_step *step, struct err *err)
{
    if (count == 0)
        return 0;
    struct encoder_usage *usage = ret_usage;
    if (!usage)
        usage = calloc(count, sizeof *usage);
    if (!usage)
        return err_memory(err, "the usage of texts");

    int r =
        bulk || !are_few(texts, count)
            ? bulk_encode(model->bulk, texts, count, prompt, ret_vectors, usage, err)
            : queries_encode(model->queries, texts, count, prompt, ret_vectors, usage, step, err);
    if (!r) {
        uint64_t tokens = 0;
        for (size_t i = 0; i < count; i++)
            tokens += usage[i].tokens;
        atomic_fetch_add(&model->texts_encoded, count);
        atomic_fetch_add(&model->tokens_encoded, tokens);
    }
    if (!ret_usage)
        free(usage);
    return r;
}

int model_encode(struct engine_model *model, const struct encoder_text *texts, size_t count,
                 const char *prompt, bool bulk, float *ret_vectors, struct encoder_usage *ret_usage,
                 struct err *err)
{
    return encode(model, texts, count, prompt, bulk, ret_vectors, ret_usage, NULL, err);
}

int model_encode_queries(struct engine_model *model, const struct encoder_text *texts, size_t count,
                         float *ret_vectors, struct query_step *step, struct err *err)
{
    return encode(model, texts, count, model->info->query_prompt, false, ret_vectors, NULL, step,
                  err);
}
