/* A search result's parts, made fit to print. It prints nothing. */
#include "cli/query/hit.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/terminal.h"

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

int hit_location(const struct hit *hit, const char *folder, struct buf *location)
{
    if (!hit->path)
        return 0;
    const char *path = hit->path;
    size_t length = folder ? strlen(folder) : 0;
    if (length > 1 && strncmp(path, folder, length) == 0 && path[length] == '/')
        path += length + 1;
    int r = hit_escaped_text(location, path, strlen(path));
    if (r == 0 && hit->line > 0)
        r = buf_printf(location, ":%" JSON_INTEGER_FORMAT, hit->line);
    return r;
}

static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

int hit_flat_text(struct buf *line, const char *text, size_t size)
{
    bool space = false, any = false;
    int r = buf_reserve(line, size);
    for (size_t at = 0, length; at < size && r == 0; at += length) {
        uint32_t code_point = 0;
        length = utf8_decode(text + at, size - at, &code_point);
        bool broken = length == 0;
        length = broken ? 1 : length;
        if (code_point == ' ' || (code_point >= '\t' && code_point <= '\r')) {
            space = true;
            continue;
        }
        if (broken || is_control(code_point))
            continue;
        if (space && any)
            r = buf_append_byte(line, ' ');
        if (r == 0)
            r = buf_append(line, text + at, length);
        space = false;
        any = true;
    }
    return r;
}

int hit_escaped_text(struct buf *line, const char *text, size_t size)
{
    int r = buf_reserve(line, size);
    for (size_t at = 0; at < size && r == 0; at++) {
        const char *escaped = text[at] == '\\'   ? "\\\\"
                              : text[at] == '\t' ? "\\t"
                              : text[at] == '\n' ? "\\n"
                              : text[at] == '\r' ? "\\r"
                                                 : NULL;
        r = escaped ? buf_append(line, escaped, 2) : buf_append_byte(line, text[at]);
    }
    return r;
}

/* Where the longest suffix begins that fits into `columns`. */
static size_t fitting_end(const char *text, size_t size, int columns)
{
    size_t start = 0;
    while (start < size && terminal_columns(text + start, size - start) > columns) {
        do
            start++;
        while (start < size && ((unsigned char)text[start] & 0xC0) == 0x80);
    }
    return start;
}

int hit_fit(struct buf *line, const char *text, size_t size, int columns, bool keep_end, bool pad)
{
    static const char ellipsis[] = "\xE2\x80\xA6"; /* … */
    if (columns <= 0)
        return 0;
    int used = terminal_columns(text, size);
    int r = 0;
    if (used <= columns) {
        r = buf_append(line, text, size);
    } else if (keep_end) {
        size_t start = fitting_end(text, size, columns - 1);
        used = 1 + terminal_columns(text + start, size - start);
        r = buf_append_string(line, ellipsis);
        if (r == 0)
            r = buf_append(line, text + start, size - start);
    } else {
        size_t end = terminal_fit(text, size, columns - 1);
        while (end > 0 && text[end - 1] == ' ')
            end--;
        used = terminal_columns(text, end) + 1;
        r = buf_append(line, text, end);
        if (r == 0)
            r = buf_append_string(line, ellipsis);
    }
    for (; pad && used < columns && r == 0; used++)
        r = buf_append_byte(line, ' ');
    return r;
}
