/* The progress bar. It writes to stderr only, and knows nothing of what is being done. */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/numbers.h"
#include "cli/terminal.h"

enum { BAR_COLUMNS = 20 };

static const double redraw_seconds = 0.1, plain_line_seconds = 10;

void progress_start(struct progress *progress, const char *verb, const char *unit, uint64_t total,
                    bool quiet)
{
    const char *term = getenv("TERM");
    *progress = (struct progress){
        .verb = verb,
        .unit = unit,
        .total = total,
        .started = clock_now(),
        .terminal = isatty(STDERR_FILENO) == 1 && !(term && strcmp(term, "dumb") == 0),
        .quiet = quiet,
    };
    /* The first line of a log comes after the usual pause; the first bar comes at once. */
    progress->drawn = progress->terminal ? 0 : progress->started;
}

double progress_elapsed(const struct progress *progress)
{
    return clock_now() - progress->started;
}

static const char *amount(char ret_text[NUMBER_SIZE], const char *unit, uint64_t count)
{
    return strcmp(unit, "bytes") == 0 ? number_bytes(ret_text, count)
                                      : number_count(ret_text, count);
}

/* Appends " lines" to an amount; bytes have their unit in the number. An empty unit is left out. */
static void append_unit(struct buf *line, const char *unit, const char *after)
{
    if (*unit && strcmp(unit, "bytes") != 0)
        buf_printf(line, " %s", unit);
    buf_append_string(line, after);
}

static void append_rate(struct buf *line, const char *unit, uint64_t count, double elapsed)
{
    char text[NUMBER_SIZE];
    double rate = elapsed > 0.001 ? (double)count / elapsed : 0;
    buf_append_string(line, amount(text, unit, (uint64_t)(rate + 0.5)));
    append_unit(line, unit, "/s");
}

static void append_bar(struct buf *line, double fraction)
{
    int filled = (int)(fraction * BAR_COLUMNS);
    buf_append_byte(line, '[');
    for (int i = 0; i < BAR_COLUMNS; i++)
        buf_append_byte(line, i < filled ? '#' : i == filled ? '>' : ' ');
    buf_printf(line, "] %3d%%  ", (int)(fraction * 100));
}

/* "  27,600/60,000  812 lines/s  ETA 0:40", whatever of it is known. */
static void append_numbers(struct buf *line, const struct progress *progress, double fraction,
                           double elapsed)
{
    char text[NUMBER_SIZE];
    const char *unit = progress->counted_unit ? progress->counted_unit : progress->unit;
    uint64_t shown = progress->counted_unit ? progress->counted : progress->done;
    buf_append_string(line, amount(text, unit, shown));
    if (progress->total > 0 && !progress->counted_unit)
        buf_printf(line, "/%s", amount(text, unit, progress->total));
    else
        append_unit(line, unit, "");
    buf_append_string(line, "  ");
    append_rate(line, progress->counted_unit ? "" : unit, shown, elapsed);
    if (progress->total > 0 && progress->done > 0 && elapsed > 1)
        buf_printf(line, "  ETA %s", number_duration(text, elapsed * (1 - fraction) / fraction));
}

static void draw(struct progress *progress, double time)
{
    double fraction = 0;
    if (progress->total > 0)
        fraction =
            progress->done < progress->total ? (double)progress->done / (double)progress->total : 1;
    struct buf line = {0};
    buf_printf(&line, "%s%s  ", progress->terminal ? "\r" : "", progress->verb);
    if (progress->total > 0 && progress->terminal)
        append_bar(&line, fraction);
    else if (progress->total > 0)
        buf_printf(&line, "%3d%%  ", (int)(fraction * 100));
    append_numbers(&line, progress, fraction, time - progress->started);
    if (line.data && progress->terminal) {
        /* One column is left free: a full line would make some terminals wrap. */
        size_t fits = terminal_fit(line.data, line.size, terminal_width(STDERR_FILENO) - 1);
        fprintf(stderr, "%.*s\x1b[K", (int)fits, line.data);
    } else if (line.data) {
        fprintf(stderr, "%s\n", line.data);
    }
    fflush(stderr);
    buf_release(&line);
    progress->visible = progress->terminal;
    progress->drawn = time;
}

static void draw_if_due(struct progress *progress)
{
    if (progress->quiet)
        return;
    double time = clock_now();
    if (time - progress->drawn >= (progress->terminal ? redraw_seconds : plain_line_seconds))
        draw(progress, time);
}

void progress_update(struct progress *progress, uint64_t done)
{
    progress->done = done;
    draw_if_due(progress);
}

void progress_update_counted(struct progress *progress, uint64_t done, const char *counted_unit,
                             uint64_t counted)
{
    progress->counted_unit = counted_unit;
    progress->counted = counted;
    progress_update(progress, done);
}

void progress_clear(struct progress *progress)
{
    if (!progress->visible)
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
    progress->visible = false;
    progress->drawn = 0;
}

void progress_finish(struct progress *progress, bool summary)
{
    progress_clear(progress);
    if (!summary || progress->quiet)
        return;
    double elapsed = progress_elapsed(progress);
    const char *unit = progress->counted_unit ? progress->counted_unit : progress->unit;
    uint64_t shown = progress->counted_unit ? progress->counted : progress->done;
    char text[NUMBER_SIZE];
    struct buf line = {0};
    buf_printf(&line, "%s: %s", progress->verb, amount(text, unit, shown));
    append_unit(&line, unit, "");
    buf_printf(&line, " in %s (", number_duration(text, elapsed));
    append_rate(&line, unit, shown, elapsed);
    if (buf_append_string(&line, ")\n") == 0)
        fputs(line.data, stderr);
    buf_release(&line);
}
