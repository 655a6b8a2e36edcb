/* JSON lines: an object a line, with the fields that the options name. Fields that nobody named are
 * passed over. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "cli/input/internal.h"
#include "daemon/wire_limits.h"

/* What a record's errors begin with. */
static int refuse(const struct input *input, struct err *err, const char *field, const char *what)
{
    return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": the field \"%s\" %s", input->name,
                   input->line_number, field, what);
}

/* Ids are strings; whole numbers are taken as such. */
static int take_id(struct input *input, struct input_document *document, struct err *err)
{
    const char *field = input->options.id_column ? input->options.id_column : "id";
    const json_t *id = json_object_get(input->record, field);
    document->id = NULL;
    if (json_is_integer(id)) {
        buf_clear(&input->id);
        if (buf_printf(&input->id, "%" JSON_INTEGER_FORMAT, json_integer_value(id)) < 0)
            return err_memory(err, input->name);
        document->id = input->id.data;
    } else if (json_is_string(id) && json_string_length(id) > 0) {
        document->id = json_string_value(id);
        if (strlen(document->id) != json_string_length(id))
            return refuse(input, err, field, "has a NUL character");
    } else if (id && !json_is_null(id)) {
        return refuse(input, err, field, "must be a string that isn't empty, or a whole number");
    } else if (input->options.id_column) {
        return refuse(input, err, field, "is missing");
    }
    return 0;
}

static bool is_named(const char *field, const char *named, const char *otherwise)
{
    return strcmp(field, named ? named : otherwise) == 0;
}

/* Copies the fields that `column` names. */
static int add_metadata(struct input *input, json_t *metadata, const char *column)
{
    const char *field;
    json_t *value;
    if (strcmp(column, "*") != 0) {
        value = json_object_get(input->record, column);
        return value ? json_object_set(metadata, column, value) : 0;
    }
    json_object_foreach(input->record, field, value)
    {
        if (is_named(field, input->options.id_column, "id") ||
            is_named(field, input->options.text_column, "text") || strcmp(field, "metadata") == 0 ||
            strcmp(field, "vector") == 0)
            continue;
        if (json_object_set(metadata, field, value) < 0)
            return -1;
    }
    return 0;
}

static int take_metadata(struct input *input, struct input_document *document, struct err *err)
{
    json_t *given = json_object_get(input->record, "metadata");
    if (given && !json_is_null(given) && !json_is_object(given))
        return refuse(input, err, "metadata", "must be an object");
    json_decref(input->metadata);
    input->metadata = json_is_object(given) ? json_copy(given) : json_object();
    if (!input->metadata)
        return err_memory(err, input->name);
    for (size_t i = 0; i < input->options.metadata_column_count; i++)
        if (add_metadata(input, input->metadata, input->options.metadata_columns[i]) < 0)
            return err_memory(err, input->name);
    document->metadata = json_object_size(input->metadata) ? input->metadata : NULL;
    return 0;
}

static int take_record(struct input *input, struct input_document *document, struct err *err)
{
    const char *field = input->options.text_column ? input->options.text_column : "text";
    if (!json_is_object(input->record))
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": not a JSON object", input->name,
                       input->line_number);
    const json_t *text = json_object_get(input->record, field);
    if (!text)
        return refuse(input, err, field, "is missing (--text-column names another)");
    if (!json_is_string(text))
        return refuse(input, err, field, "must be a string");
    document->text = json_string_value(text);
    document->text_size = json_string_length(text);
    if (input_is_empty(input, document->text, document->text_size))
        return INPUT_PASSED_OVER;
    document->vector = json_object_get(input->record, "vector");
    document->line = input->line_number;
    int r = take_id(input, document, err);
    if (r == 0)
        r = take_metadata(input, document, err);
    return r < 0 ? r : 1;
}

int input_next_jsonl(struct input *input, struct input_document *ret_document, struct err *err)
{
    bool too_long;
    int r = stream_line(&input->stream, &input->line, LIMIT_LINE, &too_long, err);
    if (r <= 0)
        return r;
    uint64_t number = ++input->line_number;
    if (too_long)
        return err_set(err, ERR_LIMIT, "%s:%" PRIu64 ": a line of more than %d MiB", input->name,
                       number, LIMIT_LINE >> 20);
    const char *text = input->line.data ? input->line.data : "";
    size_t size = input->line.size;
    if (input_is_empty(input, text, size))
        return INPUT_PASSED_OVER;
    r = input_check_utf8(input, number, &text, &size, err);
    if (r <= 0)
        return r < 0 ? r : INPUT_PASSED_OVER;

    struct buf name = {0};
    if (buf_printf(&name, "%s:%" PRIu64, input->name, number) < 0)
        return err_memory(err, input->name);
    json_decref(input->record);
    input->record = NULL;
    r = json_parse(&input->record, text, size, name.data, err);
    buf_release(&name);
    if (r < 0)
        return r;
    struct input_document document = {0};
    r = take_record(input, &document, err);
    if (r == 1)
        *ret_document = document;
    return r;
}
