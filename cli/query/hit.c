/* A search result's parts, made fit to print. It prints nothing. */
#include "cli/query/hit.h"

#include <string.h>

#include "cli/text.h"

static json_int_t count_lines(const char *text, size_t size)
{
    json_int_t lines = 0;
    for (const char *at = text; (at = memchr(at, '\n', size - (size_t)(at - text))) != NULL; at++)
        lines++;
    return lines;
}

/* Narrows the hit's text to the passage and moves the line there. */
static void take_passage(struct hit *hit, const json_t *passage)
{
    json_int_t start = json_integer_value(json_object_get(passage, "start"));
    json_int_t end = json_integer_value(json_object_get(passage, "end"));
    if (start < 0 || end <= start || (size_t)end > hit->text_size)
        return;
    if (hit->path)
        hit->line = (hit->line > 0 ? hit->line : 1) + count_lines(hit->text, (size_t)start);
    hit->text += start;
    hit->text_size = (size_t)(end - start);
}

int hit_parse(struct hit *ret_hit, const json_t *result, struct err *err)
{
    const json_t *score = json_object_get(result, "score");
    const json_t *id = json_object_get(result, "id");
    const json_t *text = json_object_get(result, "text");
    const json_t *source = json_object_get(result, "source");
    if (!json_is_number(score) || !json_is_string(id) || !json_is_string(text))
        return err_set(err, ERR_CORRUPT,
                       "the daemon's answer has a result without id, score, text");
    struct hit hit = {
        .score = json_number_value(score),
        .id = json_string_value(id),
        .text = json_string_value(text),
        .text_size = json_string_length(text),
        .path = json_string_value(json_object_get(source, "path")),
        .line = json_integer_value(json_object_get(source, "line")),
    };
    take_passage(&hit, json_object_get(result, "passage"));
    *ret_hit = hit;
    return 0;
}

bool hit_id_is_made(const struct hit *hit)
{
    return strlen(hit->id) == 32 && strspn(hit->id, "0123456789abcdef") == 32;
}

int hit_location(const struct hit *hit, const char *folder, struct buf *location)
{
    if (!hit->path)
        return 0;
    const char *path = hit->path;
    size_t length = folder ? strlen(folder) : 0;
    if (length > 1 && strncmp(path, folder, length) == 0 && path[length] == '/')
        path += length + 1;
    int r = text_escape(location, path, strlen(path));
    if (r == 0 && hit->line > 0)
        r = buf_printf(location, ":%" JSON_INTEGER_FORMAT, hit->line);
    return r;
}
