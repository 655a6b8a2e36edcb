/* Rows of three formats as one kind of record. */
#include "cli/train/records.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utf8.h"
#include "cli/input/csv.h"
#include "cli/input/stream.h"

enum { LINE_LIMIT = 16 << 20, NO_COLUMN = -1 };

/* The usual names of each role's column, those of data sets in wide use. */
static const char *const usual_names[ROLE_COUNT][10] = {
    [ROLE_FIRST] = {"sentence1", "sentence_A", "anchor", "premise", "query", "text1", "text",
                    "sentence"},
    [ROLE_SECOND] = {"sentence2", "sentence_B", "positive", "hypothesis", "answer", "text2"},
    [ROLE_THIRD] = {"negative", "sentence3", "text3"},
    [ROLE_SCORE] = {"score", "similarity", "similarity_score", "relatedness_score"},
    [ROLE_LABEL] = {"label", "gold_label", "entailment_judgment"},
};
static const char *const role_options[ROLE_COUNT] = {
    "--text-columns", "--text-columns", "--text-columns", "--score-column", "--label-column"};

struct records {
    struct records_options options;
    const char *path;
    struct stream stream;
    enum records_format format;
    struct csv csv;
    int column[ROLE_COUNT]; /* CSV and TSV: the number of the role's column, or NO_COLUMN */
    size_t column_count;
    bool have[ROLE_COUNT];

    struct buf line;
    uint64_t line_number;
    json_t *row;
    struct buf number[ROLE_COUNT]; /* what a JSON number is as text */
};

static enum records_format format_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".csv") == 0)
        return RECORDS_CSV;
    if (dot && (strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".ndjson") == 0))
        return RECORDS_JSONL;
    return RECORDS_TSV;
}

/* --- columns --- */

/* The number of the column `name` in a list of names, or NO_COLUMN. */
static int find_name(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return NO_COLUMN;
}

static int find_role(struct records *records, enum role role, const char *const *names,
                     size_t count, struct err *err)
{
    const char *wanted = records->options.role[role];
    struct buf list = {0};

    records->column[role] = NO_COLUMN;
    if (!wanted) {
        for (size_t i = 0; usual_names[role][i] && records->column[role] == NO_COLUMN; i++)
            records->column[role] = find_name(usual_names[role][i], names, count);
        records->have[role] = records->column[role] != NO_COLUMN;
        return 0;
    }
    records->column[role] = find_name(wanted, names, count);
    records->have[role] = records->column[role] != NO_COLUMN;
    if (records->have[role])
        return 0;
    for (size_t i = 0; i < count && list.size < 200; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    int r = err_set(err, ERR_INVALID, "%s has no column \"%s\" (%s names another); it has: %s",
                    records->path, wanted, role_options[role], list.data ? list.data : "none");
    buf_release(&list);
    return r;
}

/* Cuts "a,b,c" into names, in place; returns how many, at most `most`. */
static size_t cut_names(char *text, const char **names, size_t most)
{
    size_t count = 0;
    for (char *name = strsep(&text, ","); name && count < most; name = strsep(&text, ","))
        names[count++] = name;
    return count;
}

static int find_columns(struct records *records, struct err *err)
{
    enum { COLUMNS_MAX = 256 };
    const char *names[COLUMNS_MAX];
    size_t count = 0, size;
    char *given = records->options.columns ? strdup(records->options.columns) : NULL;
    int r = 0;

    if (given) {
        count = cut_names(given, names, COLUMNS_MAX);
    } else {
        r = csv_next(&records->csv, &records->stream, LINE_LIMIT, err);
        for (; r > 0 && count < records->csv.count && count < COLUMNS_MAX; count++)
            names[count] = csv_field(&records->csv, count, &size);
        r = r < 0 ? r : 0;
    }
    records->column_count = count;
    for (int role = 0; r == 0 && role < ROLE_COUNT; role++)
        r = find_role(records, (enum role)role, names, count, err);
    free(given);
    return r;
}

int records_open(struct records **ret_records, const char *path,
                 const struct records_options *options, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    struct records *records = calloc(1, sizeof *records);
    if (!records) {
        close(fd);
        return err_memory(err, path);
    }
    records->options = *options;
    records->path = path;
    records->format = options->format == RECORDS_AUTO ? format_of(path) : options->format;
    int r = stream_open(&records->stream, fd, path, err);
    csv_start(&records->csv, records->format == RECORDS_CSV ? ',' : '\t', 1);
    for (int role = 0; role < ROLE_COUNT; role++)
        records->have[role] = true;
    if (r == 0 && records->format != RECORDS_JSONL)
        r = find_columns(records, err);
    if (r < 0) {
        records_close(records);
        return r;
    }
    *ret_records = records;
    return 0;
}

void records_close(struct records *records)
{
    if (!records)
        return;
    stream_close(&records->stream);
    csv_release(&records->csv);
    buf_release(&records->line);
    for (int role = 0; role < ROLE_COUNT; role++)
        buf_release(&records->number[role]);
    json_decref(records->row);
    free(records);
}

bool records_have(const struct records *records, enum role role)
{
    return records->have[role];
}

/* --- rows --- */

static int check_text(const struct records *records, const struct record *record, struct err *err)
{
    size_t bad;
    for (int role = 0; role < ROLE_COUNT; role++)
        if (record->field[role] && !utf8_valid(record->field[role], record->size[role], &bad))
            return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": not valid UTF-8", records->path,
                           record->line);
    return 1;
}

static int next_csv(struct records *records, struct record *record, struct err *err)
{
    struct csv *csv = &records->csv;
    int r = csv_next(csv, &records->stream, LINE_LIMIT, err);
    if (r <= 0)
        return r;
    record->line = csv->line;
    if (csv->count != records->column_count)
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": %zu fields where there are %zu columns",
                       records->path, record->line, csv->count, records->column_count);
    for (int role = 0; role < ROLE_COUNT; role++)
        if (records->column[role] != NO_COLUMN)
            record->field[role] =
                csv_field(csv, (size_t)records->column[role], &record->size[role]);
    return check_text(records, record, err);
}

static const json_t *find_field(const struct records *records, enum role role)
{
    const json_t *value = NULL;
    if (records->options.role[role])
        return json_object_get(records->row, records->options.role[role]);
    for (size_t i = 0; usual_names[role][i] && !value; i++)
        value = json_object_get(records->row, usual_names[role][i]);
    return value;
}

/* A string as it is, a number as its text; anything else is refused. */
static int take_field(struct records *records, struct record *record, enum role role,
                      struct err *err)
{
    const json_t *value = find_field(records, role);
    struct buf *number = &records->number[role];

    if (!value)
        return 0;
    if (json_is_string(value)) {
        record->field[role] = json_string_value(value);
        record->size[role] = json_string_length(value);
        return 0;
    }
    if (!json_is_number(value))
        return err_set(err, ERR_INVALID,
                       "%s:%" PRIu64 ": a text, score or label is neither a string nor a number",
                       records->path, record->line);
    buf_clear(number);
    if (json_append(number, value, JSON_ENCODE_ANY) < 0)
        return err_memory(err, records->path);
    record->field[role] = number->data;
    record->size[role] = number->size;
    return 0;
}

static int parse_row(struct records *records, struct err *err)
{
    struct buf name = {0};
    int r = buf_printf(&name, "%s:%" PRIu64, records->path, records->line_number);

    json_decref(records->row);
    records->row = NULL;
    r = r < 0 ? err_memory(err, records->path)
              : json_parse(&records->row, records->line.data ? records->line.data : "",
                           records->line.size, name.data, err);
    buf_release(&name);
    if (r == 0 && !json_is_object(records->row))
        r = err_set(err, ERR_INVALID, "%s:%" PRIu64 ": not a JSON object", records->path,
                    records->line_number);
    return r;
}

static int next_jsonl(struct records *records, struct record *record, struct err *err)
{
    bool too_long;
    int r = stream_line(&records->stream, &records->line, LINE_LIMIT, &too_long, err);
    if (r <= 0)
        return r;
    bool first = records->line_number++ == 0;
    record->line = records->line_number;
    if (too_long)
        return err_set(err, ERR_LIMIT, "%s:%" PRIu64 ": a line of more than %d MiB", records->path,
                       record->line, LINE_LIMIT >> 20);
    r = parse_row(records, err);
    for (int role = 0; r == 0 && role < ROLE_COUNT; role++) {
        r = take_field(records, record, (enum role)role, err);
        if (first)
            records->have[role] = record->field[role] != NULL;
    }
    return r < 0 ? r : 1;
}

int records_next(struct records *records, struct record *ret_record, struct err *err)
{
    struct record record = {0};
    int r = records->format == RECORDS_JSONL ? next_jsonl(records, &record, err)
                                             : next_csv(records, &record, err);
    if (r > 0)
        *ret_record = record;
    return r;
}
