/* The trainer's steps: batch, forward, loss, back, clip, change. */
#include "encoder/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "encoder/train/random.h"

enum { ENCODE_TOKENS = 2048 }; /* of a batch when nothing is kept for the way back */

struct train_settings train_defaults(enum objective objective)
{
    return (struct train_settings){
        .loss = {.objective = objective,
                 .parts = PART_VECTORS | PART_DIFFERENCE,
                 .distance = DISTANCE_EUCLIDEAN,
                 .margin = 1,
                 .ranking_scale = 20},
        .optimizer = {OPTIMIZER_ADAMW, 0.9, 0.999, 1e-8, 0.01},
        .schedule = SCHEDULE_LINEAR,
        .learning_rate = 2e-5,
        .warmup_ratio = 0.1,
        .epochs = 1,
        .batch_size = 16,
        .accumulate = 1,
        .clip = 1,
        .dropout = -1,
        .order = ORDER_LENGTH,
        .seed = 42,
        .threads = 1,
    };
}

static int open_parts(struct trainer *trainer, const char *base, struct err *err)
{
    struct train_settings *settings = &trainer->settings;
    const struct kernels *kernels;
    struct parameters_options options = {
        .freeze = settings->freeze,
        .keep = settings->keep_layers,
        .keep_count = settings->keep_count,
        .labels = settings->labels,
        .columns_per_vector = loss_parts_count(settings->loss.parts),
        .seed = settings->seed,
    };

    int r = kernels_choose(&kernels, getenv("SBERT_ISA"), err);
    if (r == 0)
        r = pool_open(&trainer->pool, settings->threads, false, err);
    if (r == 0)
        r = parameters_open(&trainer->parameters, base, &options, err);
    if (r == 0)
        r = dropout_rates_read(&trainer->rates, trainer->parameters.model, err);
    if (r == 0)
        r = pass_open(&trainer->pass, &trainer->parameters, kernels, trainer->pool, err);
    if (r == 0)
        r = optimizer_open(&trainer->optimizer, &settings->optimizer, &trainer->parameters,
                           trainer->pass.arithmetic, trainer->pool, err);
    return r;
}

static int choose_length(struct trainer *trainer, struct err *err)
{
    struct model *model = trainer->parameters.model;
    size_t positions = model->max_positions - model->position_offset;

    if (trainer->settings.max_length == 0)
        trainer->settings.max_length = model->max_seq_length;
    if (trainer->settings.max_length > positions)
        return err_set(err, ERR_INVALID, "%s takes at most %zu tokens: %zu is not possible",
                       model->folder, positions, trainer->settings.max_length);
    return 0;
}

int trainer_open(struct trainer *trainer, const char *base, const struct train_settings *settings,
                 struct err *err)
{
    *trainer = (struct trainer){.settings = *settings};
    int r = open_parts(trainer, base, err);
    if (r == 0)
        r = choose_length(trainer, err);
    if (r < 0) {
        trainer_close(trainer);
        return r;
    }
    if (settings->dropout >= 0)
        trainer->rates.hidden = trainer->rates.attention = (float)settings->dropout;
    return 0;
}

void trainer_close(struct trainer *trainer)
{
    optimizer_close(&trainer->optimizer);
    pass_close(&trainer->pass);
    parameters_close(&trainer->parameters);
    pool_close(trainer->pool);
    free(trainer->order);
    free(trainer->gradients);
    *trainer = (struct trainer){0};
}

int trainer_take_examples(struct trainer *trainer, const struct examples *examples, struct err *err)
{
    const struct train_settings *settings = &trainer->settings;
    size_t texts = settings->batch_size * examples->columns;

    if (examples->count == 0)
        return err_set(err, ERR_INVALID, "there is nothing to train on");
    trainer->examples = examples;
    trainer->order = calloc(examples->count, sizeof *trainer->order);
    trainer->gradients =
        calloc(texts * trainer->parameters.output_size, sizeof *trainer->gradients);
    if (!trainer->order || !trainer->gradients)
        return err_memory(err, "the order of the examples");
    trainer->ordered = SIZE_MAX;
    trainer->batches = (examples->count + settings->batch_size - 1) / settings->batch_size;
    trainer->epoch_steps = (trainer->batches + settings->accumulate - 1) / settings->accumulate;
    trainer->total_steps = trainer->epoch_steps * settings->epochs;
    if (settings->max_steps)
        trainer->total_steps = settings->max_steps;
    return 0;
}

/* --- batches --- */

/* Puts the texts of the examples numbered `numbers` into the pass: all first texts, then all
 * second ones. */
static int fill_batch(struct pass *pass, const struct examples *examples, const size_t *numbers,
                      size_t count, struct err *err)
{
    size_t tokens = 0, longest = 0, at = 0;

    for (size_t i = 0; i < count; i++) {
        tokens += examples_tokens(examples, numbers[i]);
        for (size_t c = 0; c < examples->columns; c++) {
            size_t length = examples_text_tokens(examples, numbers[i], c);
            longest = length > longest ? length : longest;
        }
    }
    int r = pass_reserve(pass, tokens, count * examples->columns, longest, err);
    if (r < 0)
        return r;
    struct batch *batch = &pass->batch;
    batch->sequences = count * examples->columns;
    batch->tokens = tokens;
    for (size_t c = 0; c < examples->columns; c++)
        for (size_t i = 0; i < count; i++) {
            size_t text = numbers[i] * examples->columns + c;
            size_t start = examples->starts[text], length = examples->starts[text + 1] - start;
            batch->starts[c * count + i] = at;
            memcpy(batch->ids + at, examples->ids + start, length * sizeof *batch->ids);
            memcpy(batch->type_ids + at, examples->type_ids + start, length);
            at += length;
        }
    batch->starts[batch->sequences] = at;
    return 0;
}

/* What is wanted of a batch's examples, in its order. */
struct wanted {
    float *targets;
    size_t *labels;
};

static int gather_wanted(const struct examples *examples, const size_t *numbers, size_t count,
                         struct wanted *ret_wanted, struct err *err)
{
    size_t size = examples->target_size;
    struct wanted wanted = {calloc(count * size + 1, sizeof(float)), calloc(count, sizeof(size_t))};

    *ret_wanted = wanted;
    if (!wanted.targets || !wanted.labels)
        return err_memory(err, "a batch");
    for (size_t i = 0; i < count; i++) {
        if (size)
            memcpy(wanted.targets + i * size, examples->targets + numbers[i] * size,
                   size * sizeof *wanted.targets);
        wanted.labels[i] = examples->labels[numbers[i]];
    }
    return 0;
}

/* --- a step --- */

/* Numbers that a step makes of its batches. */
struct step_sum {
    size_t first, count; /* batches of the epoch */
    double loss;
    struct train_report report;
};

/* Says where the first number that is none was seen. */
static int refuse_nan(const struct trainer *trainer, const char *what, struct err *err)
{
    const struct parameters *parameters = &trainer->parameters;
    char name[PASS_NAME_SIZE];
    const char *seen = pass_find_nan(&trainer->pass, name);

    for (size_t i = 0; !seen && i < parameters->count; i++) {
        const struct parameter *parameter = &parameters->list[i];
        const float *gradients = parameters->gradients + parameter->offset;
        for (size_t n = 0; !parameter->frozen && parameter->kind != PARAMETER_TABLE && !seen &&
                           n < parameter->size;
             n++)
            if (!isfinite(gradients[n]))
                return err_set(err, ERR_INVALID,
                               "step %zu: %s is not a number; first seen in the gradient of %s",
                               trainer->step + 1, what, parameter->name);
    }
    return err_set(err, ERR_INVALID, "step %zu: %s is not a number; first seen in %s",
                   trainer->step + 1, what, seen ? seen : "the loss itself");
}

static int run_loss(struct trainer *trainer, const size_t *numbers, size_t count, float scale,
                    bool add, double *ret_loss, struct err *err)
{
    const struct examples *examples = trainer->examples;
    struct wanted wanted;
    int r = gather_wanted(examples, numbers, count, &wanted, err);

    if (r == 0) {
        struct loss_batch batch = {
            .vectors = pass_vectors(&trainer->pass),
            .examples = count,
            .columns = examples->columns,
            .dimension = trainer->parameters.output_size,
            .targets = wanted.targets,
            .labels = wanted.labels,
            .scale = scale,
            .add = add,
        };
        r = loss_run(&trainer->settings.loss, &trainer->pass.products[0], &trainer->parameters,
                     &batch, trainer->gradients, ret_loss, err);
    }
    free(wanted.targets);
    free(wanted.labels);
    return r;
}

/* One batch forward and back; `i` counts within the step. */
static int run_batch(struct trainer *trainer, size_t i, struct step_sum *sum, struct err *err)
{
    const struct examples *examples = trainer->examples;
    size_t size = trainer->settings.batch_size, first = (sum->first + i) * size;
    size_t count = examples->count - first < size ? examples->count - first : size;
    const size_t *numbers = trainer->order + first;
    uint64_t key = random_key(random_key(trainer->settings.seed, 0x64726f70), trainer->step);
    double loss = 0;

    int r = fill_batch(&trainer->pass, examples, numbers, count, err);
    if (r < 0)
        return r;
    pass_forward(&trainer->pass, &trainer->rates, random_key(key, i));
    r = run_loss(trainer, numbers, count, 1 / (float)sum->count, i > 0, &loss, err);
    if (r < 0)
        return r;
    if (!isfinite(loss))
        return refuse_nan(trainer, "the loss", err);
    pass_backward(&trainer->pass, trainer->gradients, i > 0);
    sum->loss += loss;
    sum->report.examples += count;
    sum->report.tokens += trainer->pass.batch.tokens;
    return 0;
}

static int begin_epoch(struct trainer *trainer, size_t epoch, struct err *err)
{
    const struct train_settings *settings = &trainer->settings;

    if (trainer->ordered == epoch)
        return 0;
    int r = examples_order(trainer->examples, settings->order, settings->batch_size, settings->seed,
                           epoch, trainer->order, err);
    if (r == 0)
        trainer->ordered = epoch;
    return r;
}

static double learning_rate(const struct trainer *trainer)
{
    const struct train_settings *settings = &trainer->settings;
    size_t warmup = (size_t)ceil((double)trainer->total_steps * settings->warmup_ratio);

    return settings->learning_rate *
           schedule_share(settings->schedule, trainer->step, warmup, trainer->total_steps);
}

int trainer_step(struct trainer *trainer, struct train_report *ret_report, struct err *err)
{
    const struct train_settings *settings = &trainer->settings;
    size_t place = trainer->step % trainer->epoch_steps;
    struct step_sum sum = {.first = place * settings->accumulate};

    sum.count = trainer->batches - sum.first < settings->accumulate ? trainer->batches - sum.first
                                                                    : settings->accumulate;
    int r = begin_epoch(trainer, trainer->step / trainer->epoch_steps, err);
    parameters_begin_step(&trainer->parameters);
    for (size_t i = 0; r == 0 && i < sum.count; i++)
        r = run_batch(trainer, i, &sum, err);
    if (r < 0)
        return r;
    double norm = optimizer_norm(&trainer->optimizer), scale = 1;
    if (!isfinite(norm))
        return refuse_nan(trainer, "a gradient", err);
    /* As torch.nn.utils.clip_grad_norm_ does. */
    if (settings->clip > 0 && norm + 1e-6 > settings->clip)
        scale = settings->clip / (norm + 1e-6);
    sum.report.rate = learning_rate(trainer);
    sum.report.loss = sum.loss / (double)sum.count;
    sum.report.gradient_norm = norm;
    optimizer_step(&trainer->optimizer, trainer->step + 1, sum.report.rate, scale);
    trainer->step++;
    *ret_report = sum.report;
    return 0;
}

/* --- vectors --- */

/* So many examples, from `first` of the order on, as make a batch. */
static size_t encode_count(const struct examples *examples, const size_t *order, size_t first)
{
    size_t tokens = 0, count = 0;

    while (first + count < examples->count) {
        tokens += examples_tokens(examples, order[first + count]);
        if (count > 0 && tokens > ENCODE_TOKENS)
            break;
        count++;
    }
    return count;
}

static int encode_some(struct trainer *trainer, const struct examples *examples,
                       const size_t *numbers, size_t count, float *ret_vectors, struct err *err)
{
    size_t size = trainer->parameters.output_size, columns = examples->columns;

    int r = fill_batch(&trainer->pass, examples, numbers, count, err);
    if (r < 0)
        return r;
    pass_forward(&trainer->pass, NULL, 0);
    const float *vectors = pass_vectors(&trainer->pass);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < columns; c++)
            memcpy(ret_vectors + (numbers[i] * columns + c) * size,
                   vectors + (c * count + i) * size, size * sizeof *vectors);
    return 0;
}

int trainer_encode(struct trainer *trainer, const struct examples *examples, float *ret_vectors,
                   const volatile int *cancel, struct err *err)
{
    size_t *order = calloc(examples->count + 1, sizeof *order);
    int r = order ? 0 : err_memory(err, "the order of the examples");

    /* One batch: that is, sorted by length. */
    if (r == 0)
        r = examples_order(examples, ORDER_LENGTH, examples->count + 1, 0, 0, order, err);
    for (size_t at = 0, count; r == 0 && at < examples->count; at += count) {
        if (cancel_raised(cancel))
            r = err_set(err, ERR_CANCELLED, "interrupted");
        count = encode_count(examples, order, at);
        if (r == 0)
            r = encode_some(trainer, examples, order + at, count, ret_vectors, err);
    }
    free(order);
    return r;
}

int trainer_evaluate(struct trainer *trainer, enum metric metric, const struct examples *examples,
                     const volatile int *cancel, double *ret_value, struct err *err)
{
    size_t size = trainer->parameters.output_size;
    float *vectors = calloc(examples->count * examples->columns + 1, size * sizeof *vectors);
    int r = vectors ? 0 : err_memory(err, "the development set's vectors");

    if (r == 0)
        r = trainer_encode(trainer, examples, vectors, cancel, err);
    if (r == 0)
        r = evaluate(metric, &trainer->settings.loss, &trainer->parameters, examples, vectors, size,
                     ret_value, err);
    free(vectors);
    return r;
}
