/* A classification head on an encoder whose vectors are the hidden states of the first tokens. The
 * head is small beside the transformer, so the calling thread does it. */
#include "encoder/cross_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/internal.h"
#include "encoder/kernels/kernels.h"
#include "encoder/kernels/matmul.h"
#include "encoder/model/classifier.h"

enum { WINDOW_PAIRS = 1024, ALIGNMENT = 64 };

struct cross_encoder {
    struct encoder *encoder;
    struct classifier head;
    struct matmul_weight *dense, *out;
    struct cross_encoder_info info;
};

struct cross_encoder_crew {
    const struct cross_encoder *cross;
    struct encoder_crew *crew;
    /* Rows for a window and the spare ones that a product wants. */
    float *first;  /* (rows, hidden_size): the hidden states of the first tokens */
    float *dense;  /* (rows, hidden_size) */
    float *logits; /* (rows, labels) */
};

static int prepare_head(struct cross_encoder *cross, struct err *err)
{
    const struct encoder_info *info = &cross->encoder->info;
    const struct kernels *kernels;
    const struct matmul_backend *backend;

    int r = classifier_read(&cross->head, cross->encoder->model, err);
    if (r == 0)
        r = kernels_choose(&kernels, info->isa, err);
    if (r == 0)
        r = matmul_choose(&backend, PRECISION_F32, info->backend, kernels, err);
    if (r == 0)
        r = matmul_prepare(&cross->dense, backend, kernels, &cross->head.dense, 1, NULL, err);
    if (r == 0)
        r = matmul_prepare(&cross->out, backend, kernels, &cross->head.out, 1, NULL, err);
    return r;
}

int cross_encoder_open(struct cross_encoder **ret_cross, const char *folder,
                       const struct encoder_options *options, struct err *err)
{
    struct cross_encoder *cross = calloc(1, sizeof *cross);
    if (!cross)
        return err_memory(err, "a cross-encoder");
    int r = encoder_open_first_token(&cross->encoder, folder, options, err);
    if (r == 0)
        r = prepare_head(cross, err);
    if (r == 0 && cross->encoder->model->default_prompt)
        r = err_set(err, ERR_UNSUPPORTED,
                    "%s/config_sentence_transformers.json: a default prompt of a cross-encoder is "
                    "not supported",
                    folder);
    if (r < 0) {
        cross_encoder_close(cross);
        return r;
    }
    const struct model *model = cross->encoder->model;
    cross->info = (struct cross_encoder_info){
        .folder = model->folder,
        .architecture = model->architecture,
        .activation = cross->head.rule == SCORE_SIGMOID ? "sigmoid" : "identity",
        .labels = cross->head.labels,
        .max_seq_length = model->max_seq_length,
    };
    *ret_cross = cross;
    return 0;
}

void cross_encoder_close(struct cross_encoder *cross)
{
    if (!cross)
        return;
    matmul_release(cross->dense);
    matmul_release(cross->out);
    encoder_close(cross->encoder);
    free(cross);
}

const struct cross_encoder_info *cross_encoder_info(const struct cross_encoder *cross)
{
    return &cross->info;
}

/* (WINDOW_PAIRS + MATMUL_SPARE_ROWS, columns), zeroed. `columns` is below 2^24. */
static float *open_rows(size_t columns)
{
    size_t bytes = (WINDOW_PAIRS + MATMUL_SPARE_ROWS) * columns * sizeof(float);
    void *rows;

    if (posix_memalign(&rows, ALIGNMENT, bytes) != 0)
        return NULL;
    memset(rows, 0, bytes);
    return rows;
}

int cross_encoder_crew_open(struct cross_encoder_crew **ret_crew, const struct cross_encoder *cross,
                            int threads, bool background, struct err *err)
{
    size_t hidden = cross->head.dense.in;
    struct cross_encoder_crew *crew = calloc(1, sizeof *crew);
    if (!crew)
        return err_memory(err, "a crew of the cross-encoder");
    crew->cross = cross;
    crew->first = open_rows(hidden);
    crew->dense = open_rows(hidden);
    crew->logits = open_rows(cross->head.labels);
    int r = crew->first && crew->dense && crew->logits
                ? encoder_crew_open(&crew->crew, cross->encoder, threads, background, err)
                : err_memory(err, "a crew of the cross-encoder");
    if (r < 0) {
        cross_encoder_crew_close(crew);
        return r;
    }
    *ret_crew = crew;
    return 0;
}

void cross_encoder_crew_close(struct cross_encoder_crew *crew)
{
    if (!crew)
        return;
    encoder_crew_close(crew->crew);
    free(crew->first);
    free(crew->dense);
    free(crew->logits);
    free(crew);
}

/* logits (count, labels) = activation(first Wd^T + bd) Wo^T + bo */
static void run_head(const struct cross_encoder_crew *crew, size_t count)
{
    const struct cross_encoder *cross = crew->cross;
    size_t hidden = cross->head.dense.in;

    struct matmul_product dense = {
        .weight = cross->dense,
        .x = crew->first,
        .x_stride = hidden * sizeof *crew->first,
        .rows = count,
        .activation = cross->head.activation,
        .y = crew->dense,
        .y_stride = hidden * sizeof *crew->dense,
    };
    struct matmul_product out = {
        .weight = cross->out,
        .x = crew->dense,
        .x_stride = hidden * sizeof *crew->dense,
        .rows = count,
        .activation = ACTIVATION_IDENTITY,
        .y = crew->logits,
        .y_stride = cross->head.labels * sizeof *crew->logits,
    };
    matmul_run(&dense);
    matmul_run(&out);
}

static void score(enum score_rule rule, const float *logits, size_t count, float *ret_scores)
{
    for (size_t i = 0; i < count; i++)
        ret_scores[i] = rule == SCORE_SIGMOID ? 1 / (1 + expf(-logits[i])) : logits[i];
}

int cross_encoder_score(struct cross_encoder_crew *crew, const struct encoder_text *pairs,
                        size_t count, float *ret_logits, float *ret_scores,
                        struct encoder_usage *ret_usage, const volatile int *cancel,
                        struct err *err)
{
    const struct classifier *head = &crew->cross->head;

    for (size_t done = 0; done < count; done += WINDOW_PAIRS) {
        size_t window = count - done < WINDOW_PAIRS ? count - done : WINDOW_PAIRS;
        int r = encoder_encode(crew->crew, pairs + done, window, NULL, crew->first,
                               ret_usage ? ret_usage + done : NULL, cancel, err);
        if (r < 0)
            return done ? err_prefix(err, "after the first %zu pairs", done) : r;
        run_head(crew, window);
        size_t numbers = window * head->labels;
        memcpy(ret_logits + done * head->labels, crew->logits, numbers * sizeof *ret_logits);
        if (ret_scores)
            score(head->rule, crew->logits, numbers, ret_scores + done * head->labels);
    }
    return 0;
}
