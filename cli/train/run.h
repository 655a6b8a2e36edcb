/* A whole training run: data in, a model's folder out, with its log, checkpoints and card. */
#ifndef SBERT_CLI_TRAIN_RUN_H
#define SBERT_CLI_TRAIN_RUN_H

#include "cli/train/data.h"
#include "encoder/train/trainer.h"

struct run_options {
    const char *base, *output;
    char *const *train_files;
    size_t train_count;
    char *const *dev_files;
    size_t dev_count;
    struct train_settings settings;
    struct data_options data;
    size_t evaluate_steps; /* 0: once an epoch */
    bool resume, quiet;
    const char *command; /* as it was typed, for the card */
    const volatile int *cancel;
};

/* Runs it; prints what there is to say and returns the program's exit code. */
int run_training(const struct run_options *options);

/* --- of one run, for its parts --- */

/* A development figure. */
struct figure {
    size_t step;
    double value;
};

struct run {
    const struct run_options *options;
    struct trainer trainer;
    struct data train_data, dev_data;
    struct examples train, dev;
    struct label_names labels;
    bool has_dev;
    enum metric metric;
    char *checkpoint, *log_path; /* paths below the output folder */
    FILE *log;

    struct figure *curve; /* the development figures so far, that of the start first */
    size_t curve_count;
    struct figure best;
    double mean_loss; /* over about the last hundred steps */

    double started, seconds_before; /* clock_now at the start; seconds of the runs before it */
    size_t examples_done;           /* since it */
    size_t first_step;
};

/* card.c: README.md of the output folder. */
int run_write_card(const struct run *run, struct err *err);

/* progress.c: the line on stderr, and the log's lines. */
void run_show_step(struct run *run, const struct train_report *report);
void run_show_figure(struct run *run, const struct figure *figure, bool best);
void run_log(struct run *run, json_t *line); /* takes `line` over; NULL is passed over */
double run_seconds(const struct run *run);   /* of all runs together */

/* setup.c: model and data. It opens the folder last, when nothing else can be wrong. */
int run_set_up(struct run *run, struct err *err);

/* folder.c: the output folder and the log in it. ERR_CONFLICT where something else is there,
 * ERR_BUSY where another run is at work in it. */
int run_open_folder(struct run *run, struct err *err);

/* A checkpoint keeps the log's size, to which a run that goes on from it cuts the log: what was
 * logged after it happens again. */
size_t run_log_size(const struct run *run);
int run_cut_log(const struct run *run, size_t size, struct err *err);

#endif
