/* From rows to examples: checking, classes, tokens. */
#include "cli/train/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/train/teacher.h"

/* --- reading --- */

static int add_row(struct data *data, const struct data_row *row, struct err *err)
{
    if (data->count == data->capacity) {
        size_t capacity = data->capacity ? 2 * data->capacity : 1024;
        struct data_row *rows = reallocarray(data->rows, capacity, sizeof *rows);
        if (!rows)
            return err_memory(err, "the rows of a file");
        data->rows = rows;
        data->capacity = capacity;
    }
    data->rows[data->count++] = *row;
    return 0;
}

static int refuse(const struct data_row *row, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": %s", row->path, row->line, what);
}

static int take_score(struct data_row *row, const char *text, double most, struct err *err)
{
    char *end;
    double score = strtod(text, &end);

    if (end == text || *end || !isfinite(score))
        return refuse(row, "the score is not a number", err);
    if (score < 0 || score > most)
        return err_set(err, ERR_INVALID,
                       "%s:%" PRIu64 ": the score %g is not from 0 to %g (--score-max sets that)",
                       row->path, row->line, score, most);
    row->score = (float)(score / most);
    return 0;
}

/* Checks a record and copies what it has. */
static int take_record(struct data *data, const char *path, const struct record *record,
                       const struct data_needs *needs, const struct data_options *options,
                       struct err *err)
{
    struct data_row row = {.path = path, .line = record->line};
    int r = 0;

    for (size_t i = 0; i < ROLE_TEXTS; i++) {
        if (!record->field[i] || record->size[i] == 0) {
            if (i < needs->texts)
                return refuse(&row, "a text is missing or empty", err);
            break;
        }
        row.text[i] = arena_copy(&data->arena, record->field[i], record->size[i]);
        row.size[i] = record->size[i];
        if (!row.text[i])
            return err_memory(err, path);
    }
    if (needs->score && !record->field[ROLE_SCORE])
        return refuse(&row, "it has no score", err);
    if (needs->label && record->size[ROLE_LABEL] == 0)
        return refuse(&row, "it has no label", err);
    if (record->field[ROLE_SCORE] && needs->score)
        r = take_score(&row, record->field[ROLE_SCORE], options->score_max, err);
    if (r == 0 && needs->label) {
        row.label = arena_copy(&data->arena, record->field[ROLE_LABEL], record->size[ROLE_LABEL]);
        r = row.label ? 0 : err_memory(err, path);
    }
    return r == 0 ? add_row(data, &row, err) : r;
}

/* Columns that must be there at all. */
static int check_columns(const struct records *records, const char *path,
                         const struct data_needs *needs, struct err *err)
{
    for (size_t i = 0; i < needs->texts; i++)
        if (!records_have(records, (enum role)i))
            return err_set(err, ERR_INVALID,
                           "%s: no column is known as text %zu (--text-columns names them; "
                           "--columns where there is no header)",
                           path, i + 1);
    if (needs->score && !records_have(records, ROLE_SCORE))
        return err_set(err, ERR_INVALID, "%s has no column of scores (--score-column names it)",
                       path);
    if (needs->label && !records_have(records, ROLE_LABEL))
        return err_set(err, ERR_INVALID, "%s has no column of labels (--label-column names it)",
                       path);
    return 0;
}

static int read_file(struct data *data, const char *path, const struct data_needs *needs,
                     const struct data_options *options, struct err *err)
{
    struct records *records;
    struct record record;
    int r = records_open(&records, path, &options->records, err);
    if (r < 0)
        return r;
    r = check_columns(records, path, needs, err);
    while (r == 0) {
        r = records_next(records, &record, err);
        if (r == 0)
            break;
        if (r > 0)
            r = take_record(data, path, &record, needs, options, err);
        if (options->skip_bad && (r == ERR_INVALID || r == ERR_LIMIT)) {
            data->bad++;
            r = 0;
        }
    }
    for (int role = 0; role < ROLE_COUNT; role++)
        data->have[role] = data->have[role] && records_have(records, (enum role)role);
    records_close(records);
    return r;
}

int data_read(struct data *ret_data, char *const *paths, size_t count,
              const struct data_needs *needs, const struct data_options *options, struct err *err)
{
    struct data data = {0};
    int r = 0;

    for (int role = 0; role < ROLE_COUNT; role++)
        data.have[role] = true;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = read_file(&data, paths[i], needs, options, err);
    if (r == 0 && data.count == 0)
        r = err_set(err, ERR_INVALID, "%s has no rows", paths[0]);
    if (r < 0) {
        data_release(&data);
        return r;
    }
    *ret_data = data;
    return 0;
}

void data_release(struct data *data)
{
    free(data->rows);
    arena_release(&data->arena);
    *data = (struct data){0};
}

/* --- classes --- */

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int data_labels(const struct data *data, struct label_names *ret_labels, struct err *err)
{
    enum { LABELS_MAX = 1000 };
    struct label_names labels = {.names = calloc(LABELS_MAX, sizeof *labels.names)};
    int r = labels.names ? 0 : err_memory(err, "the labels");

    for (size_t i = 0; r == 0 && i < data->count; i++) {
        bool known = false;
        for (size_t k = 0; k < labels.count && !known; k++)
            known = strcmp(labels.names[k], data->rows[i].label) == 0;
        if (known)
            continue;
        if (labels.count == LABELS_MAX)
            r = err_set(err, ERR_LIMIT, "there are more than %d labels", LABELS_MAX);
        else if (!(labels.names[labels.count] = strdup(data->rows[i].label)))
            r = err_memory(err, "the labels");
        else
            labels.count++;
    }
    if (r == 0 && labels.count < 2)
        r = err_set(err, ERR_INVALID, "all rows have the label %s: there is nothing to learn",
                    labels.names[0]);
    if (r < 0) {
        label_names_release(&labels);
        return r;
    }
    qsort(labels.names, labels.count, sizeof *labels.names, compare_names);
    *ret_labels = labels;
    return 0;
}

void label_names_release(struct label_names *labels)
{
    for (size_t i = 0; i < labels->count; i++)
        free(labels->names[i]);
    free(labels->names);
    *labels = (struct label_names){0};
}

static int find_label(const struct label_names *labels, const struct data_row *row,
                      size_t *ret_label, struct err *err)
{
    for (size_t k = 0; labels && k < labels->count; k++)
        if (strcmp(labels->names[k], row->label) == 0) {
            *ret_label = k;
            return 0;
        }
    return labels ? err_set(err, ERR_INVALID,
                            "%s:%" PRIu64 ": the label %.64s is none of those trained on",
                            row->path, row->line, row->label)
                  : 0;
}

/* --- examples --- */

static int add_rows(const struct data *data, const struct tokenizer *tokenizer, size_t max_length,
                    const struct data_wanted *wanted, struct examples *examples, struct err *err)
{
    for (size_t i = 0; i < data->count; i++) {
        const struct data_row *row = &data->rows[i];
        struct example_text texts[ROLE_TEXTS];
        struct example example = {.texts = texts, .target = wanted->scores ? &row->score : NULL};
        for (size_t c = 0; c < wanted->columns; c++)
            texts[c] = (struct example_text){row->text[c], row->size[c]};
        int r = find_label(wanted->labels, row, &example.label, err);
        if (r == 0) {
            r = examples_add(examples, tokenizer, max_length, &example, err);
            if (r < 0)
                err_prefix(err, "%s:%" PRIu64, row->path, row->line);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Each text of each row, with its teacher's vector. */
static int add_taught(const struct data *data, const struct tokenizer *tokenizer, size_t max_length,
                      const struct data_wanted *wanted, const struct data_options *options,
                      const volatile int *cancel, struct examples *examples, struct err *err)
{
    struct encoder_text *texts = calloc(data->count * ROLE_TEXTS + 1, sizeof *texts);
    float *vectors = NULL;
    size_t count = 0;
    int r = texts ? 0 : err_memory(err, "the texts");

    for (size_t i = 0; r == 0 && i < data->count; i++)
        for (size_t c = 0; c < ROLE_TEXTS && data->rows[i].text[c]; c++)
            texts[count++] =
                (struct encoder_text){data->rows[i].text[c], data->rows[i].size[c], NULL, 0};
    if (r == 0)
        r = teacher_encode(options->teacher, options->threads, texts, count, wanted->dimension,
                           cancel, &vectors, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct example_text text = {texts[i].text, texts[i].size};
        struct example example = {.texts = &text, .target = vectors + i * wanted->dimension};
        r = examples_add(examples, tokenizer, max_length, &example, err);
    }
    free(vectors);
    free(texts);
    return r;
}

int data_examples(const struct data *data, const struct tokenizer *tokenizer, size_t max_length,
                  const struct data_wanted *wanted, const struct data_options *options,
                  const volatile int *cancel, struct examples *ret_examples, struct err *err)
{
    struct examples examples;
    int r;

    if (wanted->teacher) {
        examples_start(&examples, 1, wanted->dimension);
        r = add_taught(data, tokenizer, max_length, wanted, options, cancel, &examples, err);
    } else {
        examples_start(&examples, wanted->columns, wanted->scores ? 1 : 0);
        r = add_rows(data, tokenizer, max_length, wanted, &examples, err);
    }
    if (r < 0) {
        examples_release(&examples);
        return r;
    }
    *ret_examples = examples;
    return 0;
}
