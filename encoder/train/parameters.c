/* Taking a loaded model's weights over into one array that can change. */
#include "encoder/train/parameters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/model/weights.h"
#include "encoder/train/random.h"

/* A pointer of the model to a weight, and what it is. */
struct binding {
    const float **numbers;
    enum parameter_kind kind;
    const struct model_storage *storage;
    int place;
    bool frozen;
};

struct bindings {
    struct binding *list;
    size_t count;
    struct freeze freeze;
};

static void bind(struct bindings *to, const struct model_storage *storage, int place, bool frozen,
                 enum parameter_kind kind, const float **numbers)
{
    if (*numbers)
        to->list[to->count++] = (struct binding){numbers, kind, storage, place, frozen};
}

static void bind_norm(struct bindings *to, const struct model_storage *storage, int place,
                      bool frozen, struct layer_norm *norm)
{
    bind(to, storage, place, frozen, PARAMETER_PLAIN, &norm->weight);
    bind(to, storage, place, frozen, PARAMETER_PLAIN, &norm->bias);
}

/* Weights that make one product stand side by side, and so do their biases. */
static void bind_linears(struct bindings *to, const struct model_storage *storage, int place,
                         bool frozen, struct linear *linears[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        bind(to, storage, place, frozen, PARAMETER_WEIGHT, &linears[i]->weight);
    for (size_t i = 0; i < count; i++)
        bind(to, storage, place, frozen, PARAMETER_PLAIN, &linears[i]->bias);
}

static void bind_layer(struct bindings *to, struct model *model, size_t i)
{
    struct transformer_layer *layer = &model->layer[i];
    const struct model_storage *storage = model->storage;
    bool frozen = i < to->freeze.layers;
    const int place = PARAMETER_IN_TRANSFORMER;

    bind_linears(to, storage, place, frozen,
                 (struct linear *[]){&layer->query, &layer->key, &layer->value}, 3);
    bind_linears(to, storage, place, frozen, (struct linear *[]){&layer->attention_output}, 1);
    bind_norm(to, storage, place, frozen, &layer->attention_norm);
    bind_linears(to, storage, place, frozen, (struct linear *[]){&layer->intermediate}, 1);
    bind_linears(to, storage, place, frozen, (struct linear *[]){&layer->output}, 1);
    bind_norm(to, storage, place, frozen, &layer->output_norm);
}

static void bind_head(struct bindings *to, struct model *model)
{
    for (size_t i = 0; i < model->head_count; i++) {
        struct head_module *head = &model->head[i];
        bind_linears(to, head->storage, (int)i, false, (struct linear *[]){&head->linear}, 1);
        bind_linears(to, head->storage, (int)i, false, (struct linear *[]){&head->projection}, 1);
        bind_norm(to, head->storage, (int)i, false, &head->norm);
    }
}

static int bind_all(struct bindings *to, struct model *model, struct err *err)
{
    const struct model_storage *storage = model->storage;
    const int place = PARAMETER_IN_TRANSFORMER;
    bool embeddings = to->freeze.embeddings;

    to->list = calloc(8 + 16 * model->layers + 8 * model->head_count, sizeof *to->list);
    if (!to->list)
        return err_memory(err, "the list of weights");
    bind(to, storage, place, embeddings, PARAMETER_TABLE, &model->word_embeddings);
    bind(to, storage, place, embeddings, PARAMETER_TABLE, &model->position_embeddings);
    bind(to, storage, place, embeddings, PARAMETER_TABLE, &model->token_type_embeddings);
    bind(to, storage, place, embeddings, PARAMETER_WEIGHT, &model->relative_bias);
    bind_norm(to, storage, place, embeddings, &model->embedding_norm);
    for (size_t i = 0; i < model->layers; i++)
        bind_layer(to, model, i);
    bind_head(to, model);
    return 0;
}

/* The name and shape behind a pointer, from what the storage gave out. */
static int describe(const struct binding *binding, struct parameter *parameter, struct err *err)
{
    size_t count;
    const struct weights_tensor *given = weights_given(binding->storage, &count);

    for (size_t i = 0; i < count; i++) {
        if (given[i].numbers != *binding->numbers)
            continue;
        parameter->name = strdup(given[i].name);
        parameter->rows = given[i].rows;
        parameter->columns = given[i].columns;
        parameter->size = given[i].rows * (given[i].columns ? given[i].columns : 1);
        parameter->place = binding->place;
        parameter->kind = binding->kind;
        parameter->frozen = binding->frozen;
        return parameter->name ? 0 : err_memory(err, "a weight's name");
    }
    return err_set(err, ERR_INTERNAL, "a weight without a name");
}

static int prepare_table(struct parameter *table, struct err *err)
{
    table->touched = calloc(table->rows, sizeof *table->touched);
    table->touched_now = calloc(table->rows, 1);
    table->touched_ever = calloc(table->rows, 1);
    return table->touched && table->touched_now && table->touched_ever
               ? 0
               : err_memory(err, "the rows of a table");
}

/* Adds the classifier's two parameters, whose names are those of sentence-transformers. */
static int describe_classifier(struct parameters *parameters,
                               const struct parameters_options *options, struct err *err)
{
    static const char *const names[] = {"classifier.weight", "classifier.bias"};
    size_t columns = options->columns_per_vector * parameters->output_size;

    if (options->labels == 0)
        return 0;
    for (int i = 0; i < 2; i++) {
        struct parameter *parameter = &parameters->list[parameters->count++];
        *parameter = (struct parameter){
            .name = strdup(names[i]),
            .place = PARAMETER_IN_LOSS,
            .kind = i == 0 ? PARAMETER_WEIGHT : PARAMETER_PLAIN,
            .rows = options->labels,
            .columns = i == 0 ? columns : 0,
            .size = options->labels * (i == 0 ? columns : 1),
        };
        if (!parameter->name)
            return err_memory(err, names[i]);
    }
    parameters->classifier = (struct linear){.in = columns, .out = options->labels};
    return 0;
}

static int describe_all(struct parameters *parameters, const struct bindings *bindings,
                        const struct parameters_options *options, struct err *err)
{
    parameters->list = calloc(bindings->count + 2, sizeof *parameters->list);
    if (!parameters->list)
        return err_memory(err, "the list of weights");
    for (size_t i = 0; i < bindings->count; i++) {
        struct parameter *parameter = &parameters->list[parameters->count++];
        int r = describe(&bindings->list[i], parameter, err);
        if (r == 0 && parameter->kind == PARAMETER_TABLE)
            r = prepare_table(parameter, err);
        if (r < 0)
            return r;
    }
    int r = describe_classifier(parameters, options, err);
    for (size_t i = 0; i < parameters->count; i++) {
        parameters->list[i].offset = parameters->size;
        parameters->size += parameters->list[i].size;
    }
    return r;
}

static void begin_classifier(struct parameters *parameters, uint64_t seed)
{
    struct linear *classifier = &parameters->classifier;
    if (classifier->out == 0)
        return;
    struct parameter *weight = &parameters->list[parameters->count - 2];
    float *numbers = parameters->numbers + weight->offset;
    uint64_t key = random_key(seed, 0x636c6173);
    float reach = 1 / sqrtf((float)classifier->in);

    for (size_t i = 0; i < weight->size + classifier->out; i++)
        numbers[i] = ((float)random_bits(key, (uint32_t)i) * 0x1p-31f - 1) * reach;
    classifier->weight = numbers;
    classifier->bias = numbers + weight->size;
}

/* Copies the numbers over and lets go of the files behind them. */
static int take_numbers(struct parameters *parameters, const struct bindings *bindings,
                        struct err *err)
{
    struct model *model = parameters->model;

    parameters->numbers = aligned_alloc(64, (parameters->size * sizeof(float) + 63) / 64 * 64);
    parameters->gradients = calloc(parameters->size, sizeof(float));
    if (!parameters->numbers || !parameters->gradients)
        return err_memory(err, "the weights and their gradients");
    for (size_t i = 0; i < bindings->count; i++) {
        const struct parameter *parameter = &parameters->list[i];
        float *numbers = parameters->numbers + parameter->offset;
        weights_widen(bindings->list[i].storage, *bindings->list[i].numbers);
        memcpy(numbers, *bindings->list[i].numbers, parameter->size * sizeof *numbers);
        weights_drop(bindings->list[i].storage, *bindings->list[i].numbers);
        *bindings->list[i].numbers = numbers;
    }
    weights_close(model->storage);
    model->storage = NULL;
    for (size_t i = 0; i < model->head_count; i++) {
        weights_close(model->head[i].storage);
        model->head[i].storage = NULL;
    }
    return 0;
}

static int keep_layers(struct model *model, const size_t *keep, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (keep[i] >= model->layers || (i > 0 && keep[i] <= keep[i - 1]))
            return err_set(err, ERR_INVALID,
                           "layers to keep are rising numbers below %zu, which %s has",
                           model->layers, model->folder);
        model->layer[i] = model->layer[keep[i]];
    }
    if (count > 0)
        model->layers = count;
    return 0;
}

int parameters_open(struct parameters *ret_parameters, const char *folder,
                    const struct parameters_options *options, struct err *err)
{
    struct parameters parameters = {.freeze = options->freeze};
    struct bindings bindings = {.freeze = options->freeze};

    int r = model_open(&parameters.model, folder, err);
    if (r < 0)
        return r;
    struct model *model = parameters.model;
    parameters.output_size =
        model->head_count ? model->head[model->head_count - 1].out : model->pooled_size;
    if (model->pooling.count == 0)
        r = err_set(err, ERR_UNSUPPORTED, "%s has no pooling, so there are no vectors to train",
                    folder);
    if (r == 0)
        r = keep_layers(model, options->keep, options->keep_count, err);
    if (r == 0 && options->freeze.layers > model->layers)
        r = err_set(err, ERR_INVALID, "%s has %zu layers: %zu cannot be frozen", folder,
                    model->layers, options->freeze.layers);
    if (r == 0)
        r = bind_all(&bindings, model, err);
    if (r == 0)
        r = describe_all(&parameters, &bindings, options, err);
    if (r == 0)
        r = take_numbers(&parameters, &bindings, err);
    free(bindings.list);
    if (r < 0) {
        parameters_close(&parameters);
        return r;
    }
    begin_classifier(&parameters, options->seed);
    *ret_parameters = parameters;
    return 0;
}

void parameters_close(struct parameters *parameters)
{
    for (size_t i = 0; i < parameters->count; i++) {
        free(parameters->list[i].name);
        free(parameters->list[i].touched);
        free(parameters->list[i].touched_now);
        free(parameters->list[i].touched_ever);
    }
    free(parameters->list);
    free(parameters->numbers);
    free(parameters->gradients);
    model_close(parameters->model);
    *parameters = (struct parameters){0};
}

struct parameter *parameter_at(const struct parameters *parameters, const float *number)
{
    size_t offset = (size_t)(number - parameters->numbers);

    for (size_t i = 0; i < parameters->count; i++)
        if (parameters->list[i].offset == offset)
            return &parameters->list[i];
    return NULL;
}

void parameter_touch(const struct parameters *parameters, struct parameter *table, size_t row)
{
    if (table->touched_now[row])
        return;
    table->touched_now[row] = table->touched_ever[row] = 1;
    table->touched[table->touched_count++] = row;
    memset(parameters->gradients + table->offset + row * table->columns, 0,
           table->columns * sizeof(float));
}

void parameters_begin_step(struct parameters *parameters)
{
    for (size_t i = 0; i < parameters->count; i++) {
        struct parameter *table = &parameters->list[i];
        for (size_t t = 0; t < table->touched_count; t++)
            table->touched_now[table->touched[t]] = 0;
        table->touched_count = 0;
    }
}
