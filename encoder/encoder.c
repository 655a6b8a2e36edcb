/* Opening an encoder: model, tokenizer and transformer put together and checked against each other.
 * What it does with texts is in crew.c. */
#include "encoder/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "encoder/internal.h"
#include "encoder/kernels/int8.h"
#include "encoder/model/prompts.h"

/* Where modules.json lists a Transformer alone, there is no pooling. */
static int choose_vector(const struct encoder *encoder, struct err *err)
{
    struct model *model = encoder->model;

    if (!encoder->first_token)
        return model->pooling.count
                   ? 0
                   : err_set(err, ERR_UNSUPPORTED,
                             "%s/modules.json has no Pooling module, so the model gives "
                             "no vectors; if it is a cross-encoder, give it pairs: "
                             "sbert-encode --pairs",
                             model->folder);
    char *modules = file_join(model->folder, "modules.json");
    if (!modules)
        return err_memory(err, model->folder);
    bool listed = file_exists(modules);
    free(modules);
    if (listed && model->pooling.count)
        return err_set(
            err, ERR_UNSUPPORTED,
            "%s/modules.json makes the model one of vectors: it has no classification head "
            "and is not a cross-encoder",
            model->folder);
    model->pooling = (struct pooling){.modes = {POOLING_CLS}, .count = 1};
    model->normalize = false;
    model->pooled_size = model->widest = model->dimension = model->hidden_size;
    return 0;
}

/* The fastest precision that keeps the vectors near to those of f32 (a mean cosine of 0.999), as
 * measured: docs/PERFORMANCE.md. Products in 8-bit integers are that where the CPU has instructions
 * for them; without, they gain little. */
static enum precision pick_precision(const struct kernels *kernels, const char *backend,
                                     const char **ret_reason)
{
    if (backend && strcmp(backend, "openblas") == 0) {
        *ret_reason = "SBERT_BACKEND=openblas has no other";
        return PRECISION_F32;
    }
    if (int8_choose(kernels)->vnni) {
        *ret_reason = "the fastest: the CPU multiplies 8-bit integers (VNNI)";
        return PRECISION_INT8;
    }
    *ret_reason = "the CPU has no instructions for 8-bit integers (VNNI)";
    return PRECISION_F32;
}

/* The backend for the precision that is asked for, and why it is that one. */
static int choose_backend(struct encoder *encoder, enum precision precision,
                          const struct kernels *kernels, const struct matmul_backend **ret_backend,
                          struct err *err)
{
    const char *backend = getenv("SBERT_BACKEND"), *reason = "asked for";

    if (precision == PRECISION_AUTO)
        precision = pick_precision(kernels, backend, &reason);
    int r = matmul_choose(ret_backend, precision, backend, kernels, err);
    if (r < 0)
        return r;
    encoder->info.precision = precision_name(precision);
    encoder->info.precision_reason = reason;
    return 0;
}

static int open_parts(struct encoder *encoder, const char *folder,
                      const struct encoder_options *options, struct err *err)
{
    const struct kernels *kernels;
    const struct matmul_backend *backend;

    int r = kernels_choose(&kernels, getenv("SBERT_ISA"), err);
    if (r == 0)
        r = choose_backend(encoder, options ? options->precision : PRECISION_AUTO, kernels,
                           &backend, err);
    if (r == 0)
        r = model_open(&encoder->model, folder, err);
    if (r == 0)
        r = choose_vector(encoder, err);
    if (r == 0 && options && options->max_seq_length > 0)
        r = model_set_max_seq_length(encoder->model, options->max_seq_length, err);
    if (r == 0 && options && options->escape_special_tokens)
        r = model_escape_special_tokens(encoder->model, err);
    if (r == 0)
        r = tokenizer_open(&encoder->tokenizer, encoder->model->transformer_folder,
                           encoder->model->do_lower_case, err);
    if (r < 0)
        return r;
    if (encoder->model->escape_special_tokens)
        tokenizer_escape_special_tokens(encoder->tokenizer);
    size_t pieces = tokenizer_vocabulary_size(encoder->tokenizer);
    if (pieces > encoder->model->vocabulary_size)
        return err_set(err, ERR_CORRUPT,
                       "%s: the tokenizer has %zu pieces, but the model knows only %zu", folder,
                       pieces, encoder->model->vocabulary_size);
    r = transformer_open(&encoder->transformer, encoder->model, kernels, backend, err);
    if (r < 0)
        return r;
    encoder->info.backend = backend->name;
    encoder->info.weights_source = transformer_weights_source(encoder->transformer);
    encoder->info.isa = kernels->isa;
    return 0;
}

static void fill_info(struct encoder *encoder)
{
    const struct model *model = encoder->model;
    struct encoder_info *info = &encoder->info;

    model_pooling_name(&model->pooling, encoder->pooling);
    info->folder = model->folder;
    info->architecture = model->architecture;
    info->similarity = model->similarity;
    info->pooling = encoder->pooling;
    info->fingerprint = model->fingerprint;
    info->query_prompt = model->query_prompt;
    info->document_prompt = model->document_prompt;
    info->default_prompt = model->default_prompt;
    info->dimension = model->dimension;
    info->max_seq_length = model->max_seq_length;
    info->layers = model->layers;
    info->hidden_size = model->hidden_size;
    info->heads = model->heads;
    info->vocabulary_size = model->vocabulary_size;
}

/* To what is wrong with a file of the model, what to do about it. */
static void name_cure(struct err *err)
{
    if (!err || (err->code != ERR_CORRUPT && err->code != ERR_NOT_FOUND))
        return;
    struct err wrong = *err;
    err_set(err, wrong.code,
            "%s; fetch the model anew: sbert-model pull, or import from a good copy",
            wrong.message);
}

static int open_as(struct encoder **ret_encoder, const char *folder, bool first_token,
                   const struct encoder_options *options, struct err *err)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return err_memory(err, "an encoder");
    encoder->first_token = first_token;
    int r = open_parts(encoder, folder, options, err);
    if (r < 0) {
        name_cure(err);
        encoder_close(encoder);
        return r;
    }
    fill_info(encoder);
    *ret_encoder = encoder;
    return 0;
}

int encoder_open(struct encoder **ret_encoder, const char *folder,
                 const struct encoder_options *options, struct err *err)
{
    return open_as(ret_encoder, folder, false, options, err);
}

int encoder_open_first_token(struct encoder **ret_encoder, const char *folder,
                             const struct encoder_options *options, struct err *err)
{
    return open_as(ret_encoder, folder, true, options, err);
}

void encoder_close(struct encoder *encoder)
{
    if (!encoder)
        return;
    transformer_close(encoder->transformer);
    tokenizer_close(encoder->tokenizer);
    model_close(encoder->model);
    free(encoder);
}

const struct encoder_info *encoder_info(const struct encoder *encoder)
{
    return &encoder->info;
}

int encoder_prompt(const struct encoder *encoder, const char *name, const char **ret_prompt,
                   struct err *err)
{
    return prompts_find(encoder->model, name, ret_prompt, err);
}

const struct tokenizer *encoder_tokenizer(const struct encoder *encoder)
{
    return encoder->tokenizer;
}

double encoder_cosine(const float *a, const float *b, size_t dimension)
{
    double product = 0, a_square = 0, b_square = 0;
    for (size_t i = 0; i < dimension; i++) {
        product += (double)a[i] * (double)b[i];
        a_square += (double)a[i] * (double)a[i];
        b_square += (double)b[i] * (double)b[i];
    }
    double lengths = sqrt(a_square) * sqrt(b_square);
    return lengths > 0 ? product / lengths : 0;
}

double encoder_similarity(const char *similarity, const float *a, const float *b, size_t dimension)
{
    double product = 0, squares = 0, differences = 0;

    if (strcmp(similarity, "cosine") == 0)
        return encoder_cosine(a, b, dimension);
    for (size_t i = 0; i < dimension; i++) {
        double difference = (double)a[i] - (double)b[i];
        product += (double)a[i] * (double)b[i];
        squares += difference * difference;
        differences += fabs(difference);
    }
    if (strcmp(similarity, "dot") == 0)
        return product;
    return strcmp(similarity, "euclidean") == 0 ? -sqrt(squares) : -differences;
}
