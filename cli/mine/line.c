/* A found text on one line of standard output. */
#include "cli/mine/line.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/terminal.h"
#include "cli/text.h"

int line_print(struct buf *line, const char *text, size_t size)
{
    struct buf flat = {0};
    int r = text ? text_flatten(&flat, text, size) : 0;
    int room = terminal_width(STDOUT_FILENO) - terminal_columns(line->data, line->size);

    if (r == 0 && isatty(STDOUT_FILENO) == 1 && room > 0)
        r = text_fit(line, flat.data ? flat.data : "", flat.size, room, false, false);
    else if (r == 0)
        r = buf_append(line, flat.data ? flat.data : "", flat.size);
    if (r == 0)
        puts(line->data);
    buf_release(&flat);
    return r;
}
