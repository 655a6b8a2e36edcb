/* The model card: README.md of the output folder, with the data, the settings and the results. */
#include <stdlib.h>

#include "base/file.h"
#include "cli/numbers.h"
#include "cli/train/run.h"

static const char *const objectives[] = {
    [OBJECTIVE_CLASSIFICATION] = "softmax classification of pairs",
    [OBJECTIVE_REGRESSION] = "cosine regression of pairs",
    [OBJECTIVE_TRIPLET] = "triplets",
    [OBJECTIVE_RANKING] = "multiple negatives ranking",
    [OBJECTIVE_DISTILLATION] = "distillation",
};

static int add_data(struct buf *card, const struct run *run)
{
    const struct run_options *options = run->options;
    int r = buf_printf(card, "\n## Data\n\n");

    for (size_t i = 0; r == 0 && i < options->train_count; i++)
        r = buf_printf(card, "- trained on `%s`\n", options->train_files[i]);
    for (size_t i = 0; r == 0 && i < options->dev_count; i++)
        r = buf_printf(card, "- measured on `%s`\n", options->dev_files[i]);
    if (r == 0)
        r = buf_printf(card, "- %zu examples, %zu to measure by\n", run->train.count,
                       run->dev.count);
    for (size_t i = 0; r == 0 && i < run->labels.count; i++)
        r = buf_printf(card, "- label %zu: `%s`\n", i, run->labels.names[i]);
    return r;
}

static int add_settings(struct buf *card, const struct run *run)
{
    static const char *const optimizers[] = {"AdamW", "Adam", "SGD"};
    static const char *const schedules[] = {"linear", "constant", "cosine"};
    const struct train_settings *s = &run->trainer.settings;
    const struct dropout_rates *rates = &run->trainer.rates;

    return buf_printf(
        card,
        "\n## Settings\n\n| setting | value |\n| --- | --- |\n| objective | %s |\n"
        "| epochs | %zu (%zu steps) |\n| batch | %zu x %zu |\n| optimizer | %s, weight decay %g |\n"
        "| learning rate | %g, %s, warm-up over %g of the steps |\n| clipping | %g |\n"
        "| dropout | %g, in attention %g |\n| longest text | %zu tokens |\n| seed | %llu |\n\n"
        "```\n%s\n```\n",
        objectives[s->loss.objective], s->epochs, run->trainer.total_steps, s->batch_size,
        s->accumulate, optimizers[s->optimizer.kind], s->optimizer.decay, s->learning_rate,
        schedules[s->schedule], s->warmup_ratio, s->clip, (double)rates->hidden,
        (double)rates->attention, s->max_length, (unsigned long long)s->seed,
        run->options->command);
}

static int add_results(struct buf *card, const struct run *run)
{
    char time[NUMBER_SIZE];
    int r = buf_printf(card, "\n## Results\n\n%zu of %zu steps in %s.\n", run->trainer.step,
                       run->trainer.total_steps, number_duration(time, run_seconds(run)));

    if (r == 0 && run->has_dev)
        r = buf_printf(card, "\n| step | %s |\n| --- | --- |\n", metric_name(run->metric));
    for (size_t i = 0; r == 0 && i < run->curve_count; i++)
        r = buf_printf(card, "| %zu | %.2f |\n", run->curve[i].step, run->curve[i].value);
    if (r == 0 && run->has_dev && run->best.step > 0)
        r = buf_printf(card, "\nThe weights here are those of step %zu.\n", run->best.step);
    return r;
}

int run_write_card(const struct run *run, struct err *err)
{
    struct buf card = {0};
    char *path = file_join(run->options->output, "README.md");

    int r = buf_printf(&card,
                       "---\nlibrary_name: sentence-transformers\npipeline_tag: "
                       "sentence-similarity\ntags:\n- sentence-transformers\n---\n\n"
                       "# A model trained from %s\n\nsbert-train (sbertd %s) made this folder; "
                       "sbertd and sentence-transformers load it as it is.\n",
                       run->options->base, SBERTD_VERSION);
    if (r == 0)
        r = add_data(&card, run);
    if (r == 0)
        r = add_settings(&card, run);
    if (r == 0)
        r = add_results(&card, run);
    if (r == 0 && path)
        r = file_write(path, card.data, card.size, 0644, err);
    else
        r = err_memory(err, "the model's card");
    buf_release(&card);
    free(path);
    return r;
}
