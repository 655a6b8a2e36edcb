/* Opening a model's folder: reads its configuration, then points every weight of `struct model` at
 * a tensor whose shape was checked. */
#include "encoder/model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "encoder/model/config.h"
#include "encoder/model/family.h"
#include "encoder/model/fingerprint.h"
#include "encoder/model/head.h"
#include "encoder/model/modules.h"
#include "encoder/model/pooling_config.h"
#include "encoder/model/prompts.h"
#include "encoder/model/weights.h"

enum { NAME_SIZE = 256 };

/* Looks up tensors under the prefix that this file has before their names. */
struct binder {
    struct model_storage *weights;
    char prefix[NAME_SIZE / 4]; /* before every tensor */
    char layer[NAME_SIZE / 4];  /* "encoder.layer.3." while a layer is bound, else "" */
    float eps;
};

static void tensor_name(const struct binder *binder, const char *name, const char *part,
                        char ret_name[NAME_SIZE])
{
    snprintf(ret_name, NAME_SIZE, "%s%s%s%s", binder->prefix, binder->layer, name, part);
}

/* A model saved by itself has no prefix; one saved with a head has its family's, and one saved as
 * a sentence-transformers module list has "0.auto_model." (or both). */
static int find_prefix(struct binder *binder, const struct family *family, const char *folder,
                       struct err *err)
{
    char name[NAME_SIZE];

    for (int i = 0; i < 4; i++) {
        snprintf(binder->prefix, sizeof binder->prefix, "%s%s", i & 2 ? "0.auto_model." : "",
                 i & 1 ? family->prefix : "");
        tensor_name(binder, family->tensors.word_embeddings, ".weight", name);
        if (weights_have(binder->weights, name))
            return 0;
    }
    return err_set(err, ERR_CORRUPT, "%s: the weights have no tensor %s.weight", folder,
                   family->tensors.word_embeddings);
}

static int bind_small_table(const struct binder *binder, const char *name, size_t rows,
                            size_t columns, const float **ret_numbers, struct err *err)
{
    char full[NAME_SIZE];
    tensor_name(binder, name, ".weight", full);
    return weights_get(binder->weights, full, rows, columns, ret_numbers, err);
}

static int bind_table(const struct binder *binder, const char *name, size_t rows, size_t columns,
                      const float **ret_numbers, struct err *err)
{
    char full[NAME_SIZE];
    tensor_name(binder, name, ".weight", full);
    return weights_get_table(binder->weights, full, rows, columns, ret_numbers, err);
}

static int bind_linear(const struct binder *binder, const char *name, size_t in, size_t out,
                       struct linear *ret_linear, struct err *err)
{
    struct linear linear = {.in = in, .out = out};
    char full[NAME_SIZE];

    int r = bind_table(binder, name, out, in, &linear.weight, err);
    if (r < 0)
        return r;
    tensor_name(binder, name, ".bias", full);
    r = weights_get(binder->weights, full, out, 0, &linear.bias, err);
    if (r < 0)
        return r;
    *ret_linear = linear;
    return 0;
}

/* The first BERT files call a norm's weight and bias gamma and beta. */
static int bind_norm(const struct binder *binder, const char *name, size_t size,
                     struct layer_norm *ret_norm, struct err *err)
{
    struct layer_norm norm = {.eps = binder->eps};
    char full[NAME_SIZE];

    tensor_name(binder, name, ".gamma", full);
    bool old_names = weights_have(binder->weights, full);
    if (!old_names)
        tensor_name(binder, name, ".weight", full);
    int r = weights_get(binder->weights, full, size, 0, &norm.weight, err);
    if (r < 0)
        return r;
    tensor_name(binder, name, old_names ? ".beta" : ".bias", full);
    r = weights_get(binder->weights, full, size, 0, &norm.bias, err);
    if (r < 0)
        return r;
    *ret_norm = norm;
    return 0;
}

static int bind_embeddings(struct model *model, const struct binder *binder,
                           const struct family_tensors *names, struct err *err)
{
    size_t hidden = model->hidden_size;

    int r = bind_table(binder, names->word_embeddings, model->vocabulary_size, hidden,
                       &model->word_embeddings, err);
    if (r == 0)
        r = bind_small_table(binder, names->position_embeddings, model->max_positions, hidden,
                             &model->position_embeddings, err);
    if (r == 0 && names->token_type_embeddings)
        r = bind_small_table(binder, names->token_type_embeddings, model->type_vocabulary_size,
                             hidden, &model->token_type_embeddings, err);
    if (r == 0 && names->relative_bias)
        r = bind_small_table(binder, names->relative_bias, model->relative_buckets, model->heads,
                             &model->relative_bias, err);
    if (r == 0)
        r = bind_norm(binder, names->embedding_norm, hidden, &model->embedding_norm, err);
    return r;
}

static int bind_layer(const struct model *model, const struct binder *binder,
                      const struct family_tensors *names, struct transformer_layer *layer,
                      struct err *err)
{
    size_t hidden = model->hidden_size, intermediate = model->intermediate_size;
    const struct {
        const char *name;
        size_t in, out;
        struct linear *linear;
    } linears[] = {
        {names->query, hidden, hidden, &layer->query},
        {names->key, hidden, hidden, &layer->key},
        {names->value, hidden, hidden, &layer->value},
        {names->attention_output, hidden, hidden, &layer->attention_output},
        {names->intermediate, hidden, intermediate, &layer->intermediate},
        {names->output, intermediate, hidden, &layer->output},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof linears / sizeof linears[0]; i++)
        r = bind_linear(binder, linears[i].name, linears[i].in, linears[i].out, linears[i].linear,
                        err);
    if (r == 0)
        r = bind_norm(binder, names->attention_norm, hidden, &layer->attention_norm, err);
    if (r == 0)
        r = bind_norm(binder, names->output_norm, hidden, &layer->output_norm, err);
    return r;
}

/* Tensors that nothing asks for (position_ids, an unused pooler, a task's head) are left alone. */
static int bind_weights(struct model *model, const struct family *family, float eps,
                        struct err *err)
{
    struct binder binder = {.weights = model->storage, .eps = eps};

    model->layer = calloc(model->layers, sizeof *model->layer);
    if (!model->layer)
        return err_memory(err, "the layers");
    int r = find_prefix(&binder, family, model->transformer_folder, err);
    if (r == 0)
        r = bind_embeddings(model, &binder, &family->tensors, err);
    for (size_t i = 0; r == 0 && i < model->layers; i++) {
        snprintf(binder.layer, sizeof binder.layer, "%s%zu.", family->tensors.layers, i);
        r = bind_layer(model, &binder, &family->tensors, &model->layer[i], err);
    }
    return r;
}

static int check_folder(const char *folder, struct err *err)
{
    struct stat status;
    if (stat(folder, &status) < 0)
        return err_set_errno(err, errno, "cannot read the model's folder %s", folder);
    if (!S_ISDIR(status.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a model's folder", folder);
    return 0;
}

static int renew_fingerprint(struct model *model, struct err *err)
{
    size_t count;
    char *const *paths = weights_paths(model->storage, &count);
    return fingerprint_model(model, paths, count, err);
}

static int load(struct model *model, struct err *err)
{
    const struct family *family;
    float eps;
    char *pooling_folder = NULL;

    int r = modules_read(model, &pooling_folder, err);
    if (r == 0)
        r = config_read(model, &family, &eps, err);
    if (r == 0)
        r = pooling_config_read(model, pooling_folder, err);
    if (r == 0)
        r = head_read(model, err);
    free(pooling_folder);
    if (r == 0)
        r = modules_read_limits(model, err);
    if (r == 0)
        r = modules_read_settings(model, err);
    if (r == 0)
        r = weights_open(&model->storage, model->transformer_folder, err);
    if (r == 0)
        r = bind_weights(model, family, eps, err);
    if (r == 0)
        r = renew_fingerprint(model, err);
    return r;
}

int model_open(struct model **ret_model, const char *folder, struct err *err)
{
    int r = check_folder(folder, err);
    if (r < 0)
        return r;
    struct model *model = calloc(1, sizeof *model);
    if (!model || !(model->folder = strdup(folder)))
        r = err_memory(err, folder);
    if (r == 0)
        r = load(model, err);
    if (r < 0) {
        model_close(model);
        return r;
    }
    *ret_model = model;
    return 0;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    weights_close(model->storage);
    head_close(model);
    free(model->layer);
    prompts_close(model);
    free(model->transformer_folder);
    free(model->folder);
    free(model);
}

int model_set_max_seq_length(struct model *model, size_t max_seq_length, struct err *err)
{
    size_t positions = model->max_positions - model->position_offset;

    if (max_seq_length == 0 || max_seq_length > positions)
        return err_set(err, ERR_INVALID,
                       "%s takes at most %zu tokens (and at least 1): %zu is not possible",
                       model->folder, positions, max_seq_length);
    model->max_seq_length = max_seq_length;
    return renew_fingerprint(model, err);
}

int model_escape_special_tokens(struct model *model, struct err *err)
{
    model->escape_special_tokens = true;
    return renew_fingerprint(model, err);
}
