/* Text made fit for one line, of a terminal or of a table of tabs. It prints nothing. */
#include "cli/text.h"

#include <string.h>

#include "base/utf8.h"
#include "cli/terminal.h"

static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

int text_flatten(struct buf *line, const char *text, size_t size)
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

int text_escape(struct buf *line, const char *text, size_t size)
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

int text_fit(struct buf *line, const char *text, size_t size, int columns, bool keep_end, bool pad)
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
