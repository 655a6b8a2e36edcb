/* A pass as a whole: its memory, its shards, and the order of its parts. */
#include "encoder/train/pass.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/model/config.h"
#include "encoder/train/product.h"
#include "encoder/train/random.h"

/* Tokens of a shard, at most about: more shards let more threads work, fewer make each product
 * cheaper. */
enum { SHARD_TOKENS = 384 };

static int read_rate(const json_t *json, const char *key, const char *other, const char *folder,
                     float *ret_rate, struct err *err)
{
    const json_t *value = json_object_get(json, key);
    if (!value)
        value = json_object_get(json, other);
    double rate = value ? json_number_value(value) : 0;
    if ((value && !json_is_number(value)) || !(rate >= 0 && rate < 1))
        return err_set(err, ERR_CORRUPT, "%s/config.json: %s is not from 0 to below 1", folder,
                       key);
    *ret_rate = (float)rate;
    return 0;
}

int dropout_rates_read(struct dropout_rates *ret_rates, const struct model *model, struct err *err)
{
    const char *folder = model->transformer_folder;
    struct dropout_rates rates = {.after_attention =
                                      strcmp(model->architecture, "distilbert") != 0};
    json_t *json;

    int r = config_read_object(&json, folder, "config.json", err);
    if (r < 0)
        return r;
    r = read_rate(json, "hidden_dropout_prob", "dropout", folder, &rates.hidden, err);
    if (r == 0)
        r = read_rate(json, "attention_probs_dropout_prob", "attention_dropout", folder,
                      &rates.attention, err);
    json_decref(json);
    if (r == 0)
        *ret_rates = rates;
    return r;
}

int pass_open(struct pass *ret_pass, const struct parameters *parameters,
              const struct kernels *kernels, struct pool *pool, struct err *err)
{
    const struct model *model = parameters->model;
    struct pass pass = {
        .parameters = parameters,
        .kernels = kernels,
        .arithmetic = arithmetic_for(kernels),
        .pool = pool,
        .module_count = model->head_count + model->normalize,
        .norm_size = (2 * model->layers + 1) * 2 * model->hidden_size,
    };

    pass.layers = calloc(model->layers, sizeof *pass.layers);
    pass.modules = calloc(pass.module_count + 1, sizeof *pass.modules);
    pass.scratch = calloc((size_t)pool_threads(pool), sizeof *pass.scratch);
    pass.products = calloc((size_t)pool_threads(pool), sizeof *pass.products);
    int r = pass.layers && pass.modules && pass.scratch && pass.products
                ? 0
                : err_memory(err, "a training pass");
    for (int i = 0; r == 0 && i < pool_threads(pool); i++)
        r = product_open(&pass.products[i], kernels, err);
    if (r < 0) {
        pass_close(&pass);
        return r;
    }
    *ret_pass = pass;
    return 0;
}

void pass_close(struct pass *pass)
{
    for (int i = 0; pass->products && i < pool_threads(pass->pool); i++)
        product_close(&pass->products[i]);
    free(pass->products);
    arena_release(&pass->memory);
    free(pass->layers);
    free(pass->modules);
    free(pass->scratch);
    *pass = (struct pass){0};
}

/* --- memory --- */

/* Takes `rows` rows from the arena; one that found no memory fails them all. */
struct taker {
    struct arena *arena;
    bool failed;
};

static void *take(struct taker *taker, size_t rows, size_t columns, size_t size)
{
    void *piece = arena_alloc(taker->arena, rows, columns * size);
    taker->failed = taker->failed || !piece;
    return piece;
}

static float *floats(struct taker *taker, size_t rows, size_t columns)
{
    return take(taker, rows, columns, sizeof(float));
}

static void take_layer(struct taker *taker, const struct model *model, size_t tokens,
                       struct layer_record *layer)
{
    size_t hidden = model->hidden_size, intermediate = model->intermediate_size;

    layer->qkv = floats(taker, tokens, 3 * hidden);
    layer->context = floats(taker, tokens, hidden);
    layer->normed1 = floats(taker, tokens, hidden);
    layer->inverse1 = floats(taker, tokens, 1);
    layer->middle = floats(taker, tokens, hidden);
    layer->before_inner = floats(taker, tokens, intermediate);
    layer->inner = floats(taker, tokens, intermediate);
    layer->normed2 = floats(taker, tokens, hidden);
    layer->inverse2 = floats(taker, tokens, 1);
    layer->output = floats(taker, tokens, hidden);
}

static void take_modules(struct taker *taker, struct pass *pass, size_t sequences)
{
    const struct model *model = pass->parameters->model;

    pass->pooled = floats(taker, sequences, model->pooled_size);
    for (size_t i = 0; i < pass->module_count; i++) {
        struct module_record *record = &pass->modules[i];
        const struct head_module *head = i < model->head_count ? &model->head[i] : NULL;
        record->output = floats(taker, sequences, head ? head->out : pass->parameters->output_size);
        record->before = head ? floats(taker, sequences, head->out) : NULL;
        record->inverse = floats(taker, sequences, 1);
    }
    for (int i = 0; i < 2; i++)
        pass->vector_gradients[i] = floats(taker, sequences, model->widest);
}

static void take_all(struct taker *taker, struct pass *pass)
{
    const struct model *model = pass->parameters->model;
    size_t hidden = model->hidden_size, tokens = pass->max_tokens;

    pass->batch.ids = take(taker, tokens, 1, sizeof *pass->batch.ids);
    pass->batch.type_ids = take(taker, tokens, 1, sizeof *pass->batch.type_ids);
    pass->batch.starts = take(taker, pass->max_sequences + 1, 1, sizeof *pass->batch.starts);
    pass->embedded_normed = floats(taker, tokens, hidden);
    pass->embedded_inverse = floats(taker, tokens, 1);
    pass->embedded = floats(taker, tokens, hidden);
    for (size_t i = 0; i < model->layers; i++) {
        take_layer(taker, model, tokens, &pass->layers[i]);
        pass->layers[i].input = i ? pass->layers[i - 1].output : pass->embedded;
    }
    take_modules(taker, pass, pass->max_sequences);
    pass->gradient = floats(taker, tokens, hidden);
    pass->other = floats(taker, tokens, hidden);
    pass->inner_gradient = floats(taker, tokens, model->intermediate_size);
    pass->norm_gradients = floats(taker, SHARDS_MAX, pass->norm_size);
    if (model->relative_bias) {
        pass->bias_numbers = floats(taker, model->heads, 2 * pass->max_length);
        pass->bias_gradients = floats(taker, SHARDS_MAX * model->heads, 2 * pass->max_length);
    }
    for (int i = 0; i < pool_threads(pass->pool); i++)
        pass->scratch[i] =
            floats(taker, arithmetic_head_scratch(pass->max_length, hidden / model->heads), 1);
}

int pass_reserve(struct pass *pass, size_t tokens, size_t sequences, size_t length, struct err *err)
{
    const size_t limit = 1 << 24; /* so that sizes can be multiplied */
    struct taker taker = {.arena = &pass->memory};

    if (tokens > limit || sequences > limit || length > limit)
        return err_set(err, ERR_LIMIT, "a batch of %zu tokens is out of range", tokens);
    if (tokens <= pass->max_tokens && sequences <= pass->max_sequences &&
        length <= pass->max_length)
        return 0;
    pass->max_tokens = tokens > pass->max_tokens ? tokens + tokens / 8 : pass->max_tokens;
    pass->max_sequences = sequences > pass->max_sequences ? sequences : pass->max_sequences;
    pass->max_length = length > pass->max_length ? length : pass->max_length;
    arena_release(&pass->memory);
    take_all(&taker, pass);
    if (!taker.failed)
        return 0;
    pass->max_tokens = pass->max_sequences = pass->max_length = 0;
    return err_memory(err, "a batch's activations (a smaller --batch, or a lower --max-length, "
                           "takes less)");
}

/* --- shards --- */

/* A power of two of them, so that two, four or eight threads have about the same to do. */
static void cut_shards(struct pass *pass)
{
    const struct batch *batch = &pass->batch;
    size_t wanted = 2, at = 0;

    while (wanted < SHARDS_MAX && batch->tokens > wanted * SHARD_TOKENS)
        wanted *= 2;
    pass->shard_count = 0;
    for (size_t i = 0; i < wanted; i++) {
        size_t goal = batch->tokens * (i + 1) / wanted, first = at;
        /* The sequence across the goal goes to the side where most of it is. */
        while (at < batch->sequences && (batch->starts[at] + batch->starts[at + 1]) / 2 < goal)
            at++;
        if (i + 1 == wanted)
            at = batch->sequences;
        if (at > first)
            pass->shards[pass->shard_count++] =
                (struct shard){first, at, batch->starts[first], batch->starts[at]};
    }
}

/* --- dropout --- */

uint64_t pass_site(size_t layer, enum pass_site site)
{
    return site == SITE_EMBEDDINGS ? 0 : 3 * layer + (uint64_t)site;
}

struct dropout pass_dropout(const struct pass *pass, float rate, uint64_t site, size_t row)
{
    return (struct dropout){.key = random_key(random_key(pass->dropout_key, site), row),
                            .keep = 1 - rate};
}

/* --- forward and back --- */

static void shard_forward(void *argument, size_t i, int thread)
{
    const struct pass *pass = argument;
    const struct shard *shard = &pass->shards[i];

    pass_shard_forward(pass, shard, thread);
    for (size_t s = shard->first; s < shard->end; s++)
        pass_pool(pass, s);
}

void pass_forward(struct pass *pass, const struct dropout_rates *rates, uint64_t dropout_key)
{
    pass->rates = rates ? *rates : (struct dropout_rates){0};
    pass->dropout_key = dropout_key;
    cut_shards(pass);
    if (pass->bias_numbers)
        pass_lay_out_bias(pass);
    pool_run(pass->pool, pass->shard_count, shard_forward, pass);
    pass_modules(pass);
}

const float *pass_vectors(const struct pass *pass)
{
    return pass->module_count ? pass->modules[pass->module_count - 1].output : pass->pooled;
}

struct way_back {
    const struct pass *pass;
    const float *pooled_gradients;
};

static void shard_backward(void *argument, size_t i, int thread)
{
    const struct way_back *way = argument;
    const struct shard *shard = &way->pass->shards[i];

    for (size_t s = shard->first; s < shard->end; s++)
        pass_pool_back(way->pass, way->pooled_gradients, s);
    pass_shard_backward(way->pass, i, thread);
}

void pass_backward(struct pass *pass, const float *vector_gradients, bool add)
{
    pass->add = add;
    struct way_back way = {pass, pass_modules_back(pass, vector_gradients)};
    pool_run(pass->pool, pass->shard_count, shard_backward, &way);
    pass_weight_gradients(pass);
}

/* --- what is no number --- */

static bool has_nan(const float *x, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isfinite(x[i]))
            return true;
    return false;
}

const char *pass_find_nan(const struct pass *pass, char ret_name[PASS_NAME_SIZE])
{
    const struct model *model = pass->parameters->model;
    size_t size = pass->batch.tokens * model->hidden_size;

    if (has_nan(pass->embedded, size)) {
        snprintf(ret_name, PASS_NAME_SIZE, "the embeddings' output");
        return ret_name;
    }
    for (size_t i = 0; i < model->layers; i++) {
        if (!has_nan(pass->layers[i].output, size))
            continue;
        snprintf(ret_name, PASS_NAME_SIZE, "the output of layer %zu", i);
        return ret_name;
    }
    if (has_nan(pass_vectors(pass), pass->batch.sequences * pass->parameters->output_size)) {
        snprintf(ret_name, PASS_NAME_SIZE, "the vectors after pooling");
        return ret_name;
    }
    return NULL;
}
