/* The table of models, and who encodes what.
 *
 * A few texts that somebody waits for go to a crew taken from a list: alone in the house, to the
 * wide one, whose threads share the work of even one text; beside others, to one of those that are
 * just the caller's own thread, of which there are as many as cores. Many texts go to the
 * background (engine_bulk.c). The table is constant after opening. Today one model is loaded, the
 * default.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "daemon/engine_internal.h"
#include "encoder/model/registry.h"

enum {
    /* Up to so many texts are encoded at once; the longest take some 0.4 s then. */
    FEW_TEXTS = 16,
    /* Each crew has a workspace; more than this would help only a machine with more queries at one
     * moment. */
    NARROW_CREWS_MAX = 16,
    /* A short text has no work for more. */
    WIDE_THREADS_MAX = 4,
};

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

static int open_query_crews(struct engine_model *model, struct err *err)
{
    int wide = cpu_count() < WIDE_THREADS_MAX ? cpu_count() : WIDE_THREADS_MAX;
    int narrow = cpu_count() < NARROW_CREWS_MAX ? cpu_count() : NARROW_CREWS_MAX;
    model->idle = calloc(1 + (size_t)narrow, sizeof *model->idle);
    if (!model->idle)
        return err_memory(err, "the query crews");
    for (int i = 0; i < 1 + narrow; i++) {
        int threads = i == 0 ? wide : 1;
        int r = encoder_crew_open(&model->idle[i], model->encoder, threads, false, err);
        if (r)
            return r;
        model->idle_count++;
        model->crew_count++;
    }
    model->wide = model->idle[0];
    return 0;
}

static void model_close(struct engine_model *model)
{
    if (!model)
        return;
    bulk_close(model->bulk);
    for (size_t i = 0; i < model->idle_count; i++)
        encoder_crew_close(model->idle[i]);
    free(model->idle);
    encoder_close(model->encoder);
    pthread_cond_destroy(&model->given_back);
    pthread_mutex_destroy(&model->lock);
    free(model->name);
    free(model);
}

static int model_open(struct engine_model **ret_model, const char *name, int threads,
                      const volatile int *cancel, struct err *err)
{
    struct engine_model *model = calloc(1, sizeof *model);
    if (!model)
        return err_memory(err, "a model");
    model->cancel = cancel;
    pthread_mutex_init(&model->lock, NULL);
    pthread_cond_init(&model->given_back, NULL);

    char *folder = NULL;
    int r = registry_resolve(&folder, name, err);
    if (!r)
        r = encoder_open(&model->encoder, folder, NULL, err);
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
        r = open_query_crews(model, err);
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

int models_open(struct model_table *ret_table, const char *name, int threads,
                const volatile int *cancel, struct err *err)
{
    struct model_table table = {.models = calloc(1, sizeof *table.models)};
    if (!table.models)
        return err_memory(err, "the table of models");
    int r = model_open(&table.models[0], name ? name : REGISTRY_DEFAULT_MODEL,
                       threads > 0 ? threads : cpu_count(), cancel, err);
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

/* The wide crew is the first of the list whenever it is there, and so the last to be taken beside
 * others. */
static struct encoder_crew *take_crew(struct engine_model *model)
{
    pthread_mutex_lock(&model->lock);
    while (model->idle_count == 0)
        pthread_cond_wait(&model->given_back, &model->lock);
    bool alone = model->idle_count == model->crew_count;
    size_t taken = alone ? 0 : model->idle_count - 1;
    struct encoder_crew *crew = model->idle[taken];
    model->idle[taken] = model->idle[--model->idle_count];
    pthread_mutex_unlock(&model->lock);
    return crew;
}

static void give_crew_back(struct engine_model *model, struct encoder_crew *crew)
{
    pthread_mutex_lock(&model->lock);
    size_t place = crew == model->wide ? 0 : model->idle_count;
    model->idle[model->idle_count++] = model->idle[place];
    model->idle[place] = crew;
    pthread_cond_signal(&model->given_back);
    pthread_mutex_unlock(&model->lock);
}

int model_encode(struct engine_model *model, const struct encoder_text *texts, size_t count,
                 const char *prompt, bool bulk, float *ret_vectors, struct encoder_usage *ret_usage,
                 struct err *err)
{
    if (count == 0)
        return 0;
    struct encoder_usage *usage = ret_usage;
    if (!usage)
        usage = calloc(count, sizeof *usage);
    if (!usage)
        return err_memory(err, "the usage of texts");

    int r;
    if (bulk || count > FEW_TEXTS) {
        r = bulk_encode(model->bulk, texts, count, prompt, ret_vectors, usage, err);
    } else {
        struct encoder_crew *crew = take_crew(model);
        r = encoder_encode(crew, texts, count, prompt, ret_vectors, usage, model->cancel, err);
        give_crew_back(model, crew);
    }
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
