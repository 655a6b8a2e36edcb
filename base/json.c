/* Parsing JSON through jansson. */
#include "base/json.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/file.h"

/* `code` is what text that is not JSON gets. */
static int parse(json_t **ret_json, const char *text, size_t size, const char *name, int code,
                 bool huge_integers, struct err *err)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t error;
    json_t *json = json_loadb(text, size, flags, &error);

    if (!json && huge_integers && json_error_code(&error) == json_error_numeric_overflow)
        json = json_loadb(text, size, flags | JSON_DECODE_INT_AS_REAL, &error);
    if (!json && json_error_code(&error) == json_error_out_of_memory)
        return err_memory(err, name);
    if (!json)
        return err_set(err, code, "%s: not valid JSON at line %d column %d: %s", name, error.line,
                       error.column, error.text);
    *ret_json = json;
    return 0;
}

int json_parse(json_t **ret_json, const char *text, size_t size, const char *name, struct err *err)
{
    return parse(ret_json, text, size, name, ERR_INVALID, false, err);
}

int json_read(json_t **ret_json, const char *path, size_t limit, struct err *err)
{
    char *data;
    size_t size;
    int r = file_read(&data, &size, path, limit, err);
    if (r < 0)
        return r;
    r = parse(ret_json, data, size, path, ERR_CORRUPT, true, err);
    free(data);
    return r;
}

int json_read_object(json_t **ret_json, const char *path, size_t limit, struct err *err)
{
    json_t *json;
    int r = json_read(&json, path, limit, err);
    if (r < 0)
        return r;
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(err, ERR_CORRUPT, "%s: expected a JSON object at the top", path);
    }
    *ret_json = json;
    return 0;
}

static int append_piece(const char *piece, size_t size, void *buf)
{
    return buf_append(buf, piece, size);
}

int json_append(struct buf *buf, const json_t *json, size_t flags)
{
    return json_dump_callback(json, append_piece, buf, flags) < 0 ? ERR_MEMORY : 0;
}
