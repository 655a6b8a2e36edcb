/* Writing JSON through jansson, which has one precision for all numbers of a value. */
#include "cli/json_text.h"

#include <stdbool.h>

#include "base/json.h"

static int append(struct buf *out, const json_t *json, size_t digits)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits);
    return json_append(out, json, flags);
}

int json_text_append(struct buf *out, const json_t *json)
{
    size_t start = out->size;
    int r = append(out, json, 15);
    if (r < 0)
        return r;
    json_t *again =
        json_loadb(out->data + start, out->size - start, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool same = again && json_equal(again, json);
    json_decref(again);
    if (same)
        return 0;
    out->size = start;
    return append(out, json, 17);
}
