/* Files of texts, scores and classes to examples in tokens. One owner at a time. */
#ifndef SBERT_CLI_TRAIN_DATA_H
#define SBERT_CLI_TRAIN_DATA_H

#include "base/arena.h"
#include "cli/train/records.h"
#include "encoder/train/examples.h"
#include "encoder/train/loss.h"

/* The names of classes, in the order of their bytes. */
struct label_names {
    char **names;
    size_t count;
};

struct data_options {
    struct records_options records;
    double score_max;    /* scores are divided by it */
    bool skip_bad;       /* bad rows are passed over and counted, else the first one is an error */
    const char *teacher; /* distillation: the model whose vectors are wanted */
    int threads;
};

/* A row as it was read; strings live in the data's arena. */
struct data_row {
    const char *text[ROLE_TEXTS];
    size_t size[ROLE_TEXTS];
    const char *label;
    float score;
    const char *path;
    uint64_t line;
};

struct data {
    struct data_row *rows;
    size_t count, capacity;
    size_t bad;
    bool have[ROLE_COUNT]; /* what the rows have */
    struct arena arena;
};

/* What rows must have. */
struct data_needs {
    size_t texts;      /* at least */
    bool score, label; /* whether they must have it */
};

/* Reads files one after another. ERR_INVALID names file and line of the first bad row. */
int data_read(struct data *ret_data, char *const *paths, size_t count,
              const struct data_needs *needs, const struct data_options *options, struct err *err);
void data_release(struct data *data);

/* The classes of the rows. */
int data_labels(const struct data *data, struct label_names *ret_labels, struct err *err);
void label_names_release(struct label_names *labels);

/* Tokenizes the rows: `columns` texts of each. Scores become targets with `scores`; labels are
 * looked up in `labels` (NULL: none); with options->teacher each text of each row is an example of
 * its own, and its target the teacher's vector, of `dimension` floats. */
struct data_wanted {
    size_t columns;
    bool scores;
    const struct label_names *labels;
    bool teacher;
    size_t dimension;
};
int data_examples(const struct data *data, const struct tokenizer *tokenizer, size_t max_length,
                  const struct data_wanted *wanted, const struct data_options *options,
                  const volatile int *cancel, struct examples *ret_examples, struct err *err);

#endif
