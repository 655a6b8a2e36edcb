/* sbert-train: fine-tuning a model by one of five objectives. The work is in cli/train. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cpu.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/train/run.h"
#include "encoder/model/registry.h"

static const char usage[] =
    "nli|sts|triplet|mnrl|distill --base MODEL --train FILE... --dev FILE... --output DIR";

static const char about[] =
    "Fine-tunes a model and writes a folder that sbertd and sentence-transformers load.\v"
    "nli: pairs with a label; sts: pairs with a score; triplet: anchor, positive, negative; mnrl: "
    "pairs, or triplets, against the batch's others; distill: texts, to a teacher's vectors. Files "
    "are TSV, CSV or JSON lines with named columns.\n\nExit codes: 0 done, 2 error or "
    "interrupted.";

enum {
    OPTION_TRAIN = 256,
    OPTION_DEV,
    OPTION_BASE,
    OPTION_TEACHER,
    OPTION_RESUME,
    OPTION_EPOCHS,
    OPTION_MAX_STEPS,
    OPTION_RATE,
    OPTION_OPTIMIZER,
    OPTION_DECAY,
    OPTION_SCHEDULE,
    OPTION_WARMUP,
    OPTION_ACCUMULATE,
    OPTION_CLIP,
    OPTION_DROPOUT,
    OPTION_SEED,
    OPTION_ORDER,
    OPTION_MAX_LENGTH,
    OPTION_FREEZE_EMBEDDINGS,
    OPTION_FREEZE_LAYERS,
    OPTION_KEEP_LAYERS,
    OPTION_PARTS,
    OPTION_DISTANCE,
    OPTION_MARGIN,
    OPTION_SCALE,
    OPTION_EVALUATE,
    OPTION_FORMAT,
    OPTION_COLUMNS,
    OPTION_TEXT_COLUMNS,
    OPTION_SCORE_COLUMN,
    OPTION_LABEL_COLUMN,
    OPTION_SCORE_MAX,
    OPTION_SKIP_BAD,
};

static const struct argp_option option_table[] = {
    {"base", OPTION_BASE, "NAME|DIR", 0, "the model to begin with (all-MiniLM-L6-v2)", 0},
    {"train", OPTION_TRAIN, "FILE...", 0, "what to train on", 0},
    {"dev", OPTION_DEV, "FILE...", 0, "what to measure by", 0},
    {"output", 'o', "DIR", 0, "the folder to write", 0},
    {"resume", OPTION_RESUME, NULL, 0, "go on from the checkpoint in DIR", 0},
    {"teacher", OPTION_TEACHER, "NAME|DIR", 0, "distill: whose vectors to learn", 0},
    {"epochs", OPTION_EPOCHS, "N", 0, "times over the data (1)", 0},
    {"max-steps", OPTION_MAX_STEPS, "N", 0, "so many steps instead", 0},
    {"batch", 'b', "N", 0, "examples in a batch (16)", 0},
    {"accumulate", OPTION_ACCUMULATE, "N", 0, "batches in a step (1)", 0},
    {"rate", OPTION_RATE, "X", 0, "largest learning rate (2e-5)", 0},
    {"schedule", OPTION_SCHEDULE, "S", 0, "linear (default), constant, cosine", 0},
    {"warmup", OPTION_WARMUP, "SHARE", 0, "of the steps, with a rising rate (0.1)", 0},
    {"optimizer", OPTION_OPTIMIZER, "O", 0, "adamw (default), adam, sgd", 0},
    {"weight-decay", OPTION_DECAY, "X", 0, "adamw's, of weights alone (0.01)", 0},
    {"clip", OPTION_CLIP, "X", 0, "longest gradient (1; 0: any)", 0},
    {"dropout", OPTION_DROPOUT, "SHARE", 0, "all rates (the model's own)", 0},
    {"seed", OPTION_SEED, "N", 0, "of order, dropout and classifier (42)", 0},
    {"order", OPTION_ORDER, "O", 0, "batches: length (default), random, file", 0},
    {"max-length", OPTION_MAX_LENGTH, "TOKENS", 0, "cut texts here (the model's limit)", 0},
    {"freeze-embeddings", OPTION_FREEZE_EMBEDDINGS, NULL, 0, "leave them as they are", 0},
    {"freeze-layers", OPTION_FREEZE_LAYERS, "N", 0, "and the lowest N layers", 0},
    {"keep-layers", OPTION_KEEP_LAYERS, "0,2,4", 0, "train a model of these layers alone", 0},
    {"parts", OPTION_PARTS, "P", 0, "nli: of vectors,difference,product (the first two)", 0},
    {"distance", OPTION_DISTANCE, "D", 0, "triplet: euclidean, cosine, manhattan", 0},
    {"margin", OPTION_MARGIN, "X", 0, "triplet: the margin (1)", 0},
    {"scale", OPTION_SCALE, "X", 0, "mnrl: factor of cosines (20)", 0},
    {"evaluate", OPTION_EVALUATE, "N", 0, "measure and save every N steps (an epoch)", 0},
    {"format", OPTION_FORMAT, "F", 0, "csv, tsv, jsonl (by the files' names)", 0},
    {"columns", OPTION_COLUMNS, "A,B,C", 0, "columns of files without a header", 0},
    {"text-columns", OPTION_TEXT_COLUMNS, "A,B,C", 0, "the texts' columns", 0},
    {"score-column", OPTION_SCORE_COLUMN, "NAME", 0, "the score's", 0},
    {"label-column", OPTION_LABEL_COLUMN, "NAME", 0, "the label's", 0},
    {"score-max", OPTION_SCORE_MAX, "X", 0, "scores are from 0 to this (5)", 0},
    {"skip-bad", OPTION_SKIP_BAD, NULL, 0, "pass bad rows over", 0},
    {"threads", 't', "N", 0, "threads (all CPUs that are ours)", 0},
    {"quiet", 'q', NULL, 0, "no progress", 0},
    {0},
};

enum { FILES_MAX = 256, KEEP_MAX = 256, THREADS_MAX = 256 };

struct command_line {
    struct run_options run;
    char *train[FILES_MAX], *dev[FILES_MAX];
    size_t keep[KEEP_MAX];
    size_t *file_count; /* of the list that a further file goes to */
    bool objective;
    struct buf command;
};

/* --- words and numbers --- */

static unsigned long number(struct argp_state *state, const char *name, const char *text,
                            unsigned long least, unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value < least || value > most)
        argp_error(state, "%s is a number from %lu to %lu, not %s", name, least, most, text);
    return value;
}

static double real(struct argp_state *state, const char *name, const char *text, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= most))
        argp_error(state, "%s is a number from 0 to %g, not %s", name, most, text);
    return value;
}

/* The place of a word in a list, which ends with NULL. */
static int choice(struct argp_state *state, const char *name, const char *word,
                  const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    argp_error(state, "%s cannot be %s: see --help", name, word);
    return 0;
}

static void take_parts(struct argp_state *state, char *text, unsigned *ret_parts)
{
    static const char *const parts[] = {"vectors", "difference", "product", NULL};
    *ret_parts = 0;
    for (char *part = strsep(&text, ","); part; part = strsep(&text, ","))
        *ret_parts |= 1u << choice(state, "--parts", part, parts);
}

static void take_layers(struct argp_state *state, char *text, struct command_line *line)
{
    struct train_settings *settings = &line->run.settings;
    for (char *layer = strsep(&text, ","); layer; layer = strsep(&text, ",")) {
        if (settings->keep_count == KEEP_MAX)
            argp_error(state, "--keep-layers names too many layers");
        line->keep[settings->keep_count++] = number(state, "--keep-layers", layer, 0, KEEP_MAX);
    }
    settings->keep_layers = line->keep;
}

static void take_text_columns(char *text, struct records_options *records)
{
    for (int i = 0; i < ROLE_TEXTS; i++)
        records->role[i] = strsep(&text, ",");
}

/* --- files --- */

static void add_file(struct command_line *line, struct argp_state *state, char **files,
                     size_t *count, char *file)
{
    if (*count == FILES_MAX)
        argp_error(state, "more than %d files", FILES_MAX);
    files[(*count)++] = file;
    line->file_count = count;
}

/* A word without an option: the objective, or a further file of the last --train or --dev. */
static void take_argument(struct command_line *line, struct argp_state *state, char *argument)
{
    static const char *const objectives[] = {"nli", "sts", "triplet", "mnrl", "distill", NULL};
    if (!line->objective) {
        line->run.settings.loss.objective =
            (enum objective)choice(state, "the objective", argument, objectives);
        line->objective = true;
    } else if (line->file_count == &line->run.train_count) {
        add_file(line, state, line->train, &line->run.train_count, argument);
    } else if (line->file_count == &line->run.dev_count) {
        add_file(line, state, line->dev, &line->run.dev_count, argument);
    } else {
        argp_error(state, "what is %s for? Files follow --train or --dev", argument);
    }
}

static void check(const struct command_line *line, struct argp_state *state)
{
    const struct run_options *run = &line->run;
    const struct train_settings *settings = &run->settings;

    if (!line->objective)
        argp_error(state, "name what to train by: nli, sts, triplet, mnrl or distill");
    if (run->train_count == 0 || !run->output)
        argp_error(state, "--train and --output are needed");
    if ((settings->loss.objective == OBJECTIVE_DISTILLATION) != !!run->data.teacher)
        argp_error(state, "--teacher goes with distill, which needs it");
    if (settings->dropout >= 1)
        argp_error(state, "--dropout is below 1");
    if (settings->loss.parts == 0)
        argp_error(state, "--parts names no part");
}

/* --- options --- */

static error_t parse_data(int key, char *argument, struct argp_state *state)
{
    static const char *const formats[] = {"auto", "csv", "tsv", "jsonl", NULL};
    struct command_line *line = state->input;
    struct data_options *data = &line->run.data;

    switch (key) {
    case OPTION_FORMAT:
        data->records.format = (enum records_format)choice(state, "--format", argument, formats);
        return 0;
    case OPTION_COLUMNS:
        data->records.columns = argument;
        return 0;
    case OPTION_TEXT_COLUMNS:
        take_text_columns(argument, &data->records);
        return 0;
    case OPTION_SCORE_COLUMN:
        data->records.role[ROLE_SCORE] = argument;
        return 0;
    case OPTION_LABEL_COLUMN:
        data->records.role[ROLE_LABEL] = argument;
        return 0;
    case OPTION_SCORE_MAX:
        data->score_max = real(state, "--score-max", argument, 1e9);
        if (data->score_max == 0)
            argp_error(state, "--score-max is above 0");
        return 0;
    case OPTION_SKIP_BAD:
        data->skip_bad = true;
        return 0;
    case OPTION_TEACHER:
        data->teacher = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_loss(int key, char *argument, struct argp_state *state)
{
    static const char *const distances[] = {"euclidean", "cosine", "manhattan", NULL};
    struct command_line *line = state->input;
    struct train_settings *settings = &line->run.settings;

    switch (key) {
    case OPTION_PARTS:
        take_parts(state, argument, &settings->loss.parts);
        return 0;
    case OPTION_DISTANCE:
        settings->loss.distance = (enum distance)choice(state, "--distance", argument, distances);
        return 0;
    case OPTION_MARGIN:
        settings->loss.margin = (float)real(state, "--margin", argument, 1e6);
        return 0;
    case OPTION_SCALE:
        settings->loss.ranking_scale = (float)real(state, "--scale", argument, 1e6);
        return 0;
    case OPTION_FREEZE_EMBEDDINGS:
        settings->freeze.embeddings = true;
        return 0;
    case OPTION_FREEZE_LAYERS:
        settings->freeze.layers = number(state, "--freeze-layers", argument, 0, KEEP_MAX);
        return 0;
    case OPTION_KEEP_LAYERS:
        take_layers(state, argument, line);
        return 0;
    default:
        return parse_data(key, argument, state);
    }
}

static error_t parse_steps(int key, char *argument, struct argp_state *state)
{
    static const char *const optimizers[] = {"adamw", "adam", "sgd", NULL};
    static const char *const schedules[] = {"linear", "constant", "cosine", NULL};
    static const char *const orders[] = {"length", "random", "file", NULL};
    struct train_settings *settings = &((struct command_line *)state->input)->run.settings;
    const unsigned long many = 1ul << 30;

    switch (key) {
    case OPTION_EPOCHS:
        settings->epochs = number(state, "--epochs", argument, 1, 1 << 20);
        return 0;
    case OPTION_MAX_STEPS:
        settings->max_steps = number(state, "--max-steps", argument, 1, many);
        return 0;
    case 'b':
        settings->batch_size = number(state, "--batch", argument, 1, 1 << 16);
        return 0;
    case OPTION_ACCUMULATE:
        settings->accumulate = number(state, "--accumulate", argument, 1, 1 << 16);
        return 0;
    case OPTION_RATE:
        settings->learning_rate = real(state, "--rate", argument, 1e3);
        return 0;
    case OPTION_SCHEDULE:
        settings->schedule = (enum schedule)choice(state, "--schedule", argument, schedules);
        return 0;
    case OPTION_WARMUP:
        settings->warmup_ratio = real(state, "--warmup", argument, 1);
        return 0;
    case OPTION_OPTIMIZER:
        settings->optimizer.kind =
            (enum optimizer_kind)choice(state, "--optimizer", argument, optimizers);
        return 0;
    case OPTION_DECAY:
        settings->optimizer.decay = real(state, "--weight-decay", argument, 1e3);
        return 0;
    case OPTION_CLIP:
        settings->clip = real(state, "--clip", argument, 1e9);
        return 0;
    case OPTION_DROPOUT:
        settings->dropout = real(state, "--dropout", argument, 1);
        return 0;
    case OPTION_SEED:
        settings->seed = number(state, "--seed", argument, 0, INT64_MAX);
        return 0;
    case OPTION_ORDER:
        settings->order = (enum order)choice(state, "--order", argument, orders);
        return 0;
    case OPTION_MAX_LENGTH:
        settings->max_length = number(state, "--max-length", argument, 1, 1 << 20);
        return 0;
    default:
        return parse_loss(key, argument, state);
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;

    switch (key) {
    case OPTION_BASE:
        line->run.base = argument;
        return 0;
    case OPTION_TRAIN:
        add_file(line, state, line->train, &line->run.train_count, argument);
        return 0;
    case OPTION_DEV:
        add_file(line, state, line->dev, &line->run.dev_count, argument);
        return 0;
    case 'o':
        line->run.output = argument;
        return 0;
    case OPTION_RESUME:
        line->run.resume = true;
        return 0;
    case OPTION_EVALUATE:
        line->run.evaluate_steps = number(state, "--evaluate", argument, 1, 1 << 30);
        return 0;
    case 't':
        line->run.settings.threads = (int)number(state, "--threads", argument, 1, THREADS_MAX);
        return 0;
    case 'q':
        line->run.quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(line, state, argument);
        return 0;
    case ARGP_KEY_END:
        check(line, state);
        return 0;
    default:
        return parse_steps(key, argument, state);
    }
}

int main(int argc, char **argv)
{
    /* In order, so that files belong to the option before them. */
    static const struct argp argp = {
        .options = option_table, .parser = parse, .args_doc = usage, .doc = about};
    struct command_line line = {
        .run = {.base = REGISTRY_DEFAULT_MODEL,
                .settings = train_defaults(OBJECTIVE_REGRESSION),
                .data = {.score_max = 5}},
    };

    terminal_setup("sbert-train");
    for (int i = 0; i < argc; i++)
        buf_printf(&line.command, "%s%s", i ? " " : "", i ? argv[i] : "sbert-train");
    line.run.settings.threads = cpu_count();
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
    line.run.train_files = line.train;
    line.run.dev_files = line.dev;
    line.run.data.threads = line.run.settings.threads;
    line.run.command = line.command.data ? line.command.data : "";
    line.run.cancel = signals_catch();
    int code = terminal_finish(run_training(&line.run));
    buf_release(&line.command);
    return code;
}
