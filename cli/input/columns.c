/* CSV and TSV as documents: the header says which column is the id, the text, the metadata. Every
 * value is a string. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/input/internal.h"
#include "daemon/wire_limits.h"

static size_t find_column(const struct input *input, const char *name)
{
    for (size_t i = 0; i < input->column_count; i++)
        if (strcmp(input->columns[i], name) == 0)
            return i;
    return SIZE_MAX;
}

static int no_column(const struct input *input, const char *option, const char *name,
                     struct err *err)
{
    struct buf list = {0};
    for (size_t i = 0; i < input->column_count && list.size < 300; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", input->columns[i]);
    int r = err_set(err, ERR_INVALID, "%s has no column \"%s\" (%s names another); it has: %s",
                    input->name, name, option, list.data ? list.data : "none");
    buf_release(&list);
    return r;
}

/* Columns that were asked for must be there; those of the defaults may be missing. */
static int find_columns(struct input *input, struct err *err)
{
    const struct input_options *options = &input->options;
    input->id_index = find_column(input, options->id_column ? options->id_column : "id");
    if (options->id_column && input->id_index == SIZE_MAX)
        return no_column(input, "--id-column", options->id_column, err);

    const char *text = options->text_column ? options->text_column : "text";
    input->text_index = find_column(input, text);
    if (!options->text_column && input->column_count == 1) {
        input->text_index = 0;
        input->id_index = SIZE_MAX;
    }
    if (input->text_index == SIZE_MAX)
        return no_column(input, "--text-column", text, err);

    for (size_t i = 0; i < options->metadata_column_count; i++) {
        const char *name = options->metadata_columns[i];
        if (strcmp(name, "*") != 0 && find_column(input, name) == SIZE_MAX)
            return no_column(input, "--metadata-columns", name, err);
    }
    return 0;
}

/* True where a field of the record holds a NUL byte. */
static bool has_nul(const struct csv *csv)
{
    for (size_t i = 0; i < csv->count; i++) {
        size_t size;
        const char *field = csv_field(csv, i, &size);
        if (strlen(field) != size)
            return true;
    }
    return false;
}

int input_start_csv(struct input *input, struct err *err)
{
    struct csv *csv = &input->csv;
    csv_start(csv, input->format == INPUT_CSV ? ',' : '\t', 1);
    int r = csv_next(csv, &input->stream, LIMIT_LINE, err);
    if (r <= 0) /* an empty file has no records, so it needs no header either */
        return r;
    if (has_nul(csv) || !utf8_valid(csv->bytes.data, csv->bytes.size, NULL))
        return err_set(err, ERR_INVALID, "%s:1: the names of the columns aren't UTF-8 text",
                       input->name);
    input->columns = calloc(csv->count, sizeof *input->columns);
    if (!input->columns)
        return err_memory(err, input->name);
    for (size_t i = 0; i < csv->count; i++) {
        size_t size;
        input->columns[i] = strdup(csv_field(csv, i, &size));
        if (!input->columns[i])
            return err_memory(err, input->name);
        input->column_count++;
    }
    return find_columns(input, err);
}

void input_stop_csv(struct input *input)
{
    for (size_t i = 0; i < input->column_count; i++)
        free(input->columns[i]);
    free(input->columns);
    csv_release(&input->csv);
}

/* Sets column `index` in the metadata, mended where it isn't UTF-8 (a record that may not be mended
 * doesn't come here). */
static int add_column(struct input *input, size_t index)
{
    size_t size;
    struct buf mended = {0};
    const char *value = csv_field(&input->csv, index, &size);
    int r = utf8_mend(&mended, value, size);
    if (r == 0)
        r = json_object_set_new(input->metadata, input->columns[index],
                                json_stringn(size ? mended.data : "", mended.size));
    buf_release(&mended);
    return r;
}

static int take_metadata(struct input *input, struct err *err)
{
    const struct input_options *options = &input->options;
    json_decref(input->metadata);
    input->metadata = json_object();
    int r = input->metadata ? 0 : -1;
    for (size_t i = 0; i < options->metadata_column_count && r == 0; i++) {
        if (strcmp(options->metadata_columns[i], "*") != 0) {
            r = add_column(input, find_column(input, options->metadata_columns[i]));
            continue;
        }
        for (size_t j = 0; j < input->column_count && r == 0; j++)
            if (j != input->id_index && j != input->text_index)
                r = add_column(input, j);
    }
    return r < 0 ? err_memory(err, input->name) : 0;
}

/* The id's column must have something in every record, if it was asked for. */
static int take_id(struct input *input, const char **ret_id, struct err *err)
{
    size_t size = 0;
    *ret_id = NULL;
    if (input->id_index == SIZE_MAX)
        return 0;
    const char *id = csv_field(&input->csv, input->id_index, &size);
    if (size == 0 && !input->options.id_column)
        return 0;
    if (size == 0 || !utf8_valid(id, size, NULL))
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": the column \"%s\" %s", input->name,
                       input->csv.line, input->columns[input->id_index],
                       size ? "isn't UTF-8" : "is empty");
    *ret_id = id;
    return 0;
}

int input_next_csv(struct input *input, struct input_document *ret_document, struct err *err)
{
    struct csv *csv = &input->csv;
    int r = csv_next(csv, &input->stream, LIMIT_LINE, err);
    if (r <= 0)
        return r;
    size_t size;
    const char *text = csv_field(csv, 0, &size);
    if (csv->count == 1 && input_is_empty(input, text, size))
        return INPUT_PASSED_OVER;
    if (csv->count != input->column_count)
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": %zu fields where the header has %zu",
                       input->name, csv->line, csv->count, input->column_count);
    if (has_nul(csv))
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": a NUL byte in the record", input->name,
                       csv->line);

    const char *all = csv->bytes.data;
    size_t all_size = csv->bytes.size;
    r = input_check_utf8(input, csv->line, &all, &all_size, err);
    if (r <= 0)
        return r < 0 ? r : INPUT_PASSED_OVER;
    text = csv_field(csv, input->text_index, &size);
    if (input_is_empty(input, text, size))
        return INPUT_PASSED_OVER;
    r = input_check_utf8(input, csv->line, &text, &size, err);
    if (r < 0)
        return r;
    struct input_document document = {.text = text, .text_size = size, .line = csv->line};
    r = take_id(input, &document.id, err);
    if (r == 0)
        r = take_metadata(input, err);
    if (r < 0)
        return r;
    document.metadata = json_object_size(input->metadata) ? input->metadata : NULL;
    *ret_document = document;
    return 1;
}
