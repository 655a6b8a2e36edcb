/* The loop of a run: step, look at the development set, keep the best, save, stop when asked. */
#include "cli/train/run.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "cli/numbers.h"
#include "cli/terminal.h"

/* What a checkpoint keeps of a run beside the trainer's own. */
static json_t *describe_state(const struct run *run)
{
    json_t *curve = json_array();
    for (size_t i = 0; i < run->curve_count; i++)
        json_array_append_new(
            curve, json_pack("[I, f]", (json_int_t)run->curve[i].step, run->curve[i].value));
    return json_pack("{s:o, s:[I, f], s:f, s:f, s:I}", "curve", curve, "best",
                     (json_int_t)run->best.step, run->best.value, "loss", run->mean_loss, "seconds",
                     run_seconds(run), "log", (json_int_t)run_log_size(run));
}

static int save(const struct run *run, struct err *err)
{
    json_t *state = describe_state(run);
    int r = state ? trainer_save(&run->trainer, run->checkpoint, state, err)
                  : err_memory(err, "a checkpoint");
    json_decref(state);
    return r;
}

static int add_figure(struct run *run, const struct figure *figure, struct err *err)
{
    struct figure *curve = reallocarray(run->curve, run->curve_count + 1, sizeof *curve);
    if (!curve)
        return err_memory(err, "the curve");
    run->curve = curve;
    run->curve[run->curve_count++] = *figure;
    return 0;
}

static int restore_figure(struct run *run, const json_t *pair, struct figure *ret_figure)
{
    (void)run;
    if (json_array_size(pair) != 2 || !json_is_integer(json_array_get(pair, 0)) ||
        !json_is_number(json_array_get(pair, 1)))
        return ERR_CORRUPT;
    *ret_figure = (struct figure){(size_t)json_integer_value(json_array_get(pair, 0)),
                                  json_number_value(json_array_get(pair, 1))};
    return 0;
}

static int restore(struct run *run, struct err *err)
{
    json_t *state, *pair;
    size_t i;
    struct figure figure;
    int r = trainer_load(&run->trainer, run->checkpoint, &state, err);
    if (r < 0)
        return r;
    run->mean_loss = json_number_value(json_object_get(state, "loss"));
    run->seconds_before = json_number_value(json_object_get(state, "seconds"));
    r = restore_figure(run, json_object_get(state, "best"), &run->best);
    json_array_foreach(json_object_get(state, "curve"), i, pair)
    {
        if (r == 0)
            r = restore_figure(run, pair, &figure);
        if (r == 0)
            r = add_figure(run, &figure, err);
    }
    const json_t *log = json_object_get(state, "log");
    if (r == 0 && (!json_is_integer(log) || json_integer_value(log) < 0))
        r = ERR_CORRUPT;
    if (r == 0)
        r = run_cut_log(run, (size_t)json_integer_value(log), err);
    if (r == ERR_CORRUPT)
        err_set(err, r, "%s: the figures in its state are not what they must be", run->checkpoint);
    json_decref(state);
    return r;
}

static void log_start(struct run *run)
{
    run_log(run,
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "type", "start", "base", run->options->base,
                      "examples", (json_int_t)run->train.count, "development examples",
                      (json_int_t)run->dev.count, "steps", (json_int_t)run->trainer.total_steps,
                      "seed", (json_int_t)run->trainer.settings.seed));
}

/* Writes the model, and the card with the figures so far. */
static int write_output(const struct run *run, struct err *err)
{
    int r = trainer_write_model(&run->trainer, run->options->output, err);
    return r == 0 ? run_write_card(run, err) : r;
}

/* Takes the development figure; what is best so far is written. The start's figure is for
 * comparison: the base is not written. */
static int look(struct run *run, struct err *err)
{
    struct figure figure = {.step = run->trainer.step};

    if (!run->has_dev)
        return 0;
    int r = trainer_evaluate(&run->trainer, run->metric, &run->dev, run->options->cancel,
                             &figure.value, err);
    if (r == 0)
        r = add_figure(run, &figure, err);
    if (r < 0)
        return r;
    bool best = figure.step > 0 && (run->best.step == 0 || figure.value > run->best.value);
    if (best)
        run->best = figure;
    run_show_figure(run, &figure, best);
    return best ? write_output(run, err) : 0;
}

static bool evaluation_due(const struct run *run)
{
    size_t every =
        run->options->evaluate_steps ? run->options->evaluate_steps : run->trainer.epoch_steps;
    return run->trainer.step % every == 0 || run->trainer.step == run->trainer.total_steps;
}

static int train(struct run *run, struct err *err)
{
    struct train_report report;
    int r = 0;

    while (r == 0 && run->trainer.step < run->trainer.total_steps) {
        if (cancel_raised(run->options->cancel))
            return err_set(err, ERR_CANCELLED, "interrupted");
        r = trainer_step(&run->trainer, &report, err);
        if (r < 0)
            return r;
        run_show_step(run, &report);
        if (!evaluation_due(run))
            continue;
        r = look(run, err);
        if (r == 0 && run->trainer.step < run->trainer.total_steps)
            r = save(run, err);
    }
    return r;
}

static int interrupted(const struct run *run)
{
    struct err err;

    if (save(run, &err) < 0)
        return terminal_fail(&err);
    fprintf(stderr,
            "\nstopped after step %zu of %zu; the checkpoint is %s\n"
            "to go on, give the same command with --resume\n",
            run->trainer.step, run->trainer.total_steps, run->checkpoint);
    return EXIT_ERROR;
}

static int finish(struct run *run, struct err *err)
{
    char time[NUMBER_SIZE];
    int r = 0;

    if (!run->has_dev)
        r = trainer_write_model(&run->trainer, run->options->output, err);
    if (r == 0)
        r = run_write_card(run, err);
    if (r < 0)
        return r;
    if (unlink(run->checkpoint) == 0 && !run->options->quiet)
        fprintf(stderr, "the run is over, so its checkpoint was removed\n");
    run_log(run, json_pack("{s:s, s:I, s:f}", "type", "end", "step", (json_int_t)run->trainer.step,
                           "seconds", run_seconds(run)));
    printf("%s: %zu steps in %s", run->options->output, run->trainer.total_steps,
           number_duration(time, run_seconds(run)));
    if (run->has_dev)
        printf("; best %s %.2f at step %zu", metric_name(run->metric), run->best.value,
               run->best.step);
    putchar('\n');
    return 0;
}

static void release(struct run *run)
{
    if (run->log)
        fclose(run->log);
    trainer_close(&run->trainer);
    examples_release(&run->train);
    examples_release(&run->dev);
    data_release(&run->train_data);
    data_release(&run->dev_data);
    label_names_release(&run->labels);
    free(run->checkpoint);
    free(run->log_path);
    free(run->curve);
}

int run_training(const struct run_options *options)
{
    struct run run = {.options = options};
    struct err err = {0};
    int code = EXIT_FOUND;

    int r = run_set_up(&run, &err);
    if (r == 0 && options->resume)
        r = restore(&run, &err);
    run.started = clock_now();
    run.first_step = run.trainer.step;
    if (r == 0)
        log_start(&run);
    if (r == 0 && !options->resume)
        r = look(&run, &err);
    bool ready = r == 0;
    if (r == 0)
        r = train(&run, &err);
    if (r == 0)
        r = finish(&run, &err);
    if (r == ERR_CANCELLED && ready)
        code = interrupted(&run);
    else if (r < 0)
        code = terminal_fail(&err);
    release(&run);
    return code;
}
