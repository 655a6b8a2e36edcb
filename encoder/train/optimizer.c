/* Walking over all parameters, piece by piece. */
#include "encoder/train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 16 }; /* numbers in a piece, about */

/* Some rows of a table, or some numbers of another parameter. */
struct optimizer_piece {
    const struct parameter *parameter;
    size_t from, to;
};

/* Numbers that stand together in a piece: a table's row, or one. */
static size_t unit_of(const struct parameter *parameter)
{
    return parameter->kind == PARAMETER_TABLE ? parameter->columns : 1;
}

static size_t pieces_of(struct optimizer *optimizer, struct optimizer_piece *pieces)
{
    const struct parameters *parameters = optimizer->parameters;
    size_t count = 0;

    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *parameter = &parameters->list[i];
        size_t unit = unit_of(parameter), units = parameter->size / unit;
        size_t step = unit < PIECE ? PIECE / unit : 1;
        for (size_t at = 0; !parameter->frozen && at < units; at += step) {
            if (pieces)
                pieces[count] =
                    (struct optimizer_piece){parameter, at, units - at < step ? units : at + step};
            count++;
        }
    }
    return count;
}

static size_t longest_row(const struct parameters *parameters)
{
    size_t longest = 1;
    for (size_t i = 0; i < parameters->count; i++)
        if (parameters->list[i].columns > longest)
            longest = parameters->list[i].columns;
    return longest;
}

int optimizer_open(struct optimizer *ret_optimizer, const struct optimizer_settings *settings,
                   struct parameters *parameters, const struct arithmetic *arithmetic,
                   struct pool *pool, struct err *err)
{
    struct optimizer optimizer = {
        .settings = *settings, .parameters = parameters, .arithmetic = arithmetic, .pool = pool};
    bool moments = settings->kind != OPTIMIZER_SGD;

    optimizer.piece_count = pieces_of(&optimizer, NULL);
    optimizer.pieces = calloc(optimizer.piece_count + 1, sizeof *optimizer.pieces);
    optimizer.sums = calloc(optimizer.piece_count + 1, sizeof *optimizer.sums);
    optimizer.zeros = calloc(longest_row(parameters), sizeof *optimizer.zeros);
    if (moments) {
        optimizer.first = calloc(parameters->size, sizeof *optimizer.first);
        optimizer.second = calloc(parameters->size, sizeof *optimizer.second);
    }
    if (!optimizer.pieces || !optimizer.sums || !optimizer.zeros ||
        (moments && (!optimizer.first || !optimizer.second))) {
        optimizer_close(&optimizer);
        return err_memory(err, "the optimizer's moments");
    }
    pieces_of(&optimizer, optimizer.pieces);
    *ret_optimizer = optimizer;
    return 0;
}

void optimizer_close(struct optimizer *optimizer)
{
    free(optimizer->first);
    free(optimizer->second);
    free(optimizer->zeros);
    free(optimizer->pieces);
    free(optimizer->sums);
    *optimizer = (struct optimizer){0};
}

/* --- the length of the gradients --- */

static void sum_piece(void *argument, size_t i, int thread)
{
    struct optimizer *optimizer = argument;
    const struct optimizer_piece *piece = &optimizer->pieces[i];
    const struct parameter *parameter = piece->parameter;
    const float *gradients = optimizer->parameters->gradients + parameter->offset;
    double sum = 0;

    (void)thread;
    if (parameter->kind != PARAMETER_TABLE)
        sum = optimizer->arithmetic->squares(gradients + piece->from, piece->to - piece->from);
    for (size_t row = piece->from; parameter->kind == PARAMETER_TABLE && row < piece->to; row++)
        if (parameter->touched_now[row])
            sum += optimizer->arithmetic->squares(gradients + row * parameter->columns,
                                                  parameter->columns);
    optimizer->sums[i] = sum;
}

double optimizer_norm(struct optimizer *optimizer)
{
    double sum = 0;

    pool_run(optimizer->pool, optimizer->piece_count, sum_piece, optimizer);
    for (size_t i = 0; i < optimizer->piece_count; i++)
        sum += optimizer->sums[i];
    return sqrt(sum);
}

/* --- the step --- */

static void step_numbers(const struct optimizer *optimizer, const struct adam_step *step,
                         const float *gradient, size_t at, size_t size)
{
    float *numbers = optimizer->parameters->numbers + at;

    if (optimizer->settings.kind != OPTIMIZER_SGD) {
        optimizer->arithmetic->adam(step, size, gradient, optimizer->first + at,
                                    optimizer->second + at, numbers);
        return;
    }
    float factor = (float)optimizer->rate * step->gradient_scale;
    for (size_t i = 0; i < size; i++)
        numbers[i] -= factor * gradient[i];
}

static void step_row(const struct optimizer *optimizer, const struct adam_step *step,
                     const struct parameter *table, size_t row)
{
    size_t at = table->offset + row * table->columns;
    const float *gradient =
        table->touched_now[row] ? optimizer->parameters->gradients + at : optimizer->zeros;

    if (table->touched_now[row] ||
        (optimizer->settings.kind != OPTIMIZER_SGD && table->touched_ever[row]))
        step_numbers(optimizer, step, gradient, at, table->columns);
    else if (step->shrink < 1)
        for (size_t i = 0; i < table->columns; i++)
            optimizer->parameters->numbers[at + i] *= step->shrink;
}

static void step_piece(void *argument, size_t i, int thread)
{
    const struct optimizer *optimizer = argument;
    const struct optimizer_piece *piece = &optimizer->pieces[i];
    const struct parameter *parameter = piece->parameter;
    struct adam_step step = optimizer->step;

    (void)thread;
    if (parameter->kind == PARAMETER_PLAIN)
        step.shrink = 1;
    if (parameter->kind == PARAMETER_TABLE) {
        for (size_t row = piece->from; row < piece->to; row++)
            step_row(optimizer, &step, parameter, row);
        return;
    }
    size_t at = parameter->offset + piece->from;
    step_numbers(optimizer, &step, optimizer->parameters->gradients + at, at,
                 piece->to - piece->from);
}

void optimizer_step(struct optimizer *optimizer, size_t number, double learning_rate,
                    double gradient_scale)
{
    const struct optimizer_settings *settings = &optimizer->settings;
    double decay = settings->kind == OPTIMIZER_ADAMW ? settings->decay : 0;

    optimizer->rate = learning_rate;
    optimizer->step = (struct adam_step){
        .beta1 = (float)settings->beta1,
        .beta2 = (float)settings->beta2,
        .rate = (float)(learning_rate / (1 - pow(settings->beta1, (double)number))),
        .root = (float)sqrt(1 - pow(settings->beta2, (double)number)),
        .eps = (float)settings->eps,
        .shrink = (float)(1 - learning_rate * decay),
        .gradient_scale = (float)gradient_scale,
    };
    pool_run(optimizer->pool, optimizer->piece_count, step_piece, optimizer);
}

void optimizer_find_touched(struct optimizer *optimizer)
{
    const struct parameters *parameters = optimizer->parameters;

    for (size_t i = 0; optimizer->first && i < parameters->count; i++) {
        struct parameter *table = &parameters->list[i];
        for (size_t n = 0; table->kind == PARAMETER_TABLE && n < table->size; n++)
            if (optimizer->first[table->offset + n] != 0 ||
                optimizer->second[table->offset + n] != 0)
                table->touched_ever[n / table->columns] = 1;
    }
}
