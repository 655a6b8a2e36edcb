/* Making a run ready: the model and its examples. */
#include <stdlib.h>

#include "cli/terminal.h"
#include "cli/train/run.h"
#include "encoder/model/registry.h"

/* What the rows of each objective must have. */
static struct data_needs needs_of(enum objective objective)
{
    switch (objective) {
    case OBJECTIVE_CLASSIFICATION:
        return (struct data_needs){.texts = 2, .label = true};
    case OBJECTIVE_REGRESSION:
        return (struct data_needs){.texts = 2, .score = true};
    case OBJECTIVE_TRIPLET:
        return (struct data_needs){.texts = 3};
    case OBJECTIVE_RANKING:
        return (struct data_needs){.texts = 2};
    case OBJECTIVE_DISTILLATION:
        break;
    }
    return (struct data_needs){.texts = 1};
}

/* --- the development set --- */

/* Whether the first development file has scores: then Spearman's correlation is the figure, but
 * for classes and triplets. */
static int peek(const struct run *run, bool ret_have[ROLE_COUNT], struct err *err)
{
    struct records *records;
    struct record record;
    int r = records_open(&records, run->options->dev_files[0], &run->options->data.records, err);
    if (r < 0)
        return r;
    r = records_next(records, &record, err);
    for (int role = 0; role < ROLE_COUNT; role++)
        ret_have[role] = records_have(records, (enum role)role);
    records_close(records);
    return r < 0 ? r : 0;
}

static int choose_metric(struct run *run, struct data_needs *ret_needs, struct err *err)
{
    enum objective objective = run->options->settings.loss.objective;
    bool have[ROLE_COUNT];
    int r = peek(run, have, err);
    if (r < 0)
        return r;
    *ret_needs = needs_of(objective);
    if (objective == OBJECTIVE_CLASSIFICATION && have[ROLE_LABEL]) {
        run->metric = METRIC_ACCURACY;
    } else if (objective == OBJECTIVE_TRIPLET && have[ROLE_THIRD]) {
        run->metric = METRIC_TRIPLETS;
    } else if (have[ROLE_SCORE] && have[ROLE_SECOND]) {
        run->metric = METRIC_SPEARMAN;
        *ret_needs = (struct data_needs){.texts = 2, .score = true};
    } else {
        run->metric = objective == OBJECTIVE_RANKING        ? METRIC_RANKING
                      : objective == OBJECTIVE_DISTILLATION ? METRIC_ERROR
                                                            : METRIC_SPEARMAN;
    }
    return 0;
}

/* --- examples --- */

static int make_examples(struct run *run, const struct tokenizer *tokenizer, struct err *err)
{
    const struct run_options *options = run->options;
    enum objective objective = options->settings.loss.objective;
    size_t length = run->trainer.settings.max_length;
    struct data_wanted wanted = {
        .columns = needs_of(objective).texts,
        .scores = objective == OBJECTIVE_REGRESSION,
        .labels = run->labels.count ? &run->labels : NULL,
        .teacher = objective == OBJECTIVE_DISTILLATION,
        .dimension = run->trainer.parameters.output_size,
    };

    if (objective == OBJECTIVE_RANKING && run->train_data.have[ROLE_THIRD])
        wanted.columns = 3;
    int r = data_examples(&run->train_data, tokenizer, length, &wanted, &options->data,
                          options->cancel, &run->train, err);
    if (r < 0 || !run->has_dev)
        return r;
    wanted.columns = run->metric == METRIC_TRIPLETS ? 3 : run->metric == METRIC_ERROR ? 1 : 2;
    wanted.scores = run->metric == METRIC_SPEARMAN;
    wanted.teacher = run->metric == METRIC_ERROR;
    if (run->metric != METRIC_ACCURACY)
        wanted.labels = NULL;
    return data_examples(&run->dev_data, tokenizer, length, &wanted, &options->data,
                         options->cancel, &run->dev, err);
}

static void report_data(const struct run *run)
{
    size_t bad = run->train_data.bad + run->dev_data.bad;
    size_t truncated = run->train.truncated + run->dev.truncated;

    if (bad)
        terminal_warning("%zu bad rows were passed over", bad);
    if (truncated)
        terminal_warning("%zu texts were cut at %zu tokens", truncated,
                         run->trainer.settings.max_length);
}

static int read_data(struct run *run, struct err *err)
{
    const struct run_options *options = run->options;
    struct data_needs needs = needs_of(options->settings.loss.objective);

    int r = data_read(&run->train_data, options->train_files, options->train_count, &needs,
                      &options->data, err);
    if (r == 0 && options->settings.loss.objective == OBJECTIVE_CLASSIFICATION)
        r = data_labels(&run->train_data, &run->labels, err);
    run->has_dev = options->dev_count > 0;
    if (r == 0 && run->has_dev)
        r = choose_metric(run, &needs, err);
    if (r == 0 && run->has_dev)
        r = data_read(&run->dev_data, options->dev_files, options->dev_count, &needs,
                      &options->data, err);
    return r;
}

static int open_model(struct run *run, struct err *err)
{
    struct train_settings settings = run->options->settings;
    struct tokenizer *tokenizer = NULL;
    char *folder;

    settings.labels = run->labels.count;
    int r = registry_resolve(&folder, run->options->base, err);
    if (r < 0)
        return r;
    r = trainer_open(&run->trainer, folder, &settings, err);
    free(folder);
    if (r < 0)
        return r;
    const struct model *model = run->trainer.parameters.model;
    r = tokenizer_open(&tokenizer, model->transformer_folder, model->do_lower_case, err);
    if (r == 0 && tokenizer_vocabulary_size(tokenizer) > model->vocabulary_size)
        r = err_set(err, ERR_CORRUPT, "%s: the tokenizer has more pieces than the model",
                    model->folder);
    if (r == 0)
        r = make_examples(run, tokenizer, err);
    tokenizer_close(tokenizer);
    if (r == 0)
        r = trainer_take_examples(&run->trainer, &run->train, err);
    return r;
}

int run_set_up(struct run *run, struct err *err)
{
    int r = read_data(run, err);
    if (r == 0)
        r = open_model(run, err);
    if (r == 0)
        r = run_open_folder(run, err);
    if (r == 0)
        report_data(run);
    return r;
}
