/* Parsing JSON through jansson. */
#include "base/json.h"

#include <stdlib.h>

#include "base/file.h"

int json_parse(json_t **ret_json, const char *text, size_t size, const char *name, struct err *err)
{
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    if (!json && json_error_code(&error) == json_error_out_of_memory)
        return err_memory(err, name);
    if (!json)
        return err_set(err, ERR_INVALID, "%s: not valid JSON at line %d column %d: %s", name,
                       error.line, error.column, error.text);
    *ret_json = json;
    return 0;
}

int json_read_object(json_t **ret_json, const char *path, size_t limit, struct err *err)
{
    char *data;
    size_t size;
    json_t *json;
    int r = file_read(&data, &size, path, limit, err);
    if (r < 0)
        return r;
    r = json_parse(&json, data, size, path, err);
    free(data);
    if (r == ERR_INVALID && err)
        r = err->code = ERR_CORRUPT;
    if (r < 0)
        return r;
    if (!json_is_object(json)) {
        json_decref(json);
        return err_set(err, ERR_CORRUPT, "%s: expected a JSON object at the top", path);
    }
    *ret_json = json;
    return 0;
}
