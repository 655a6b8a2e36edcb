/* The CSV parser: one state for each place in a record that a byte can be at. */
#include "cli/input/csv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum state {
    FIELD_START,
    PLAIN,       /* in a field without quotes */
    QUOTED,      /* between quotes */
    QUOTE_ENDED, /* after a quote inside a quoted field: the end, or the first half of "" */
    BROKEN,      /* skipping to the end of the line */
    RECORD_END,
};

void csv_start(struct csv *csv, char separator, uint64_t line)
{
    *csv = (struct csv){.separator = separator, .next_line = line};
}

void csv_release(struct csv *csv)
{
    buf_release(&csv->bytes);
    free(csv->ends);
    csv->ends = NULL;
    csv->count = csv->capacity = 0;
}

const char *csv_field(const struct csv *csv, size_t index, size_t *ret_size)
{
    size_t start = index ? csv->ends[index - 1] + 1 : 0;
    *ret_size = csv->ends[index] - start;
    return csv->bytes.data + start;
}

static int end_field(struct csv *csv)
{
    if (csv->count == csv->capacity) {
        size_t capacity = csv->capacity ? csv->capacity * 2 : 16;
        size_t *ends = reallocarray(csv->ends, capacity, sizeof *ends);
        if (!ends)
            return ERR_MEMORY;
        csv->ends = ends;
        csv->capacity = capacity;
    }
    csv->ends[csv->count++] = csv->bytes.size;
    return buf_append_byte(&csv->bytes, '\0');
}

/* A CR just before the LF belongs to the line break, unless it was quoted. */
static void drop_carriage_return(struct csv *csv)
{
    size_t start = csv->count ? csv->ends[csv->count - 1] + 1 : 0;
    if (csv->bytes.size > start && csv->bytes.data[csv->bytes.size - 1] == '\r')
        csv->bytes.data[--csv->bytes.size] = '\0';
}

/* How many of the bytes are plain content in this state, to be taken at once. */
static size_t content_run(const struct csv *csv, enum state state, const char *bytes, size_t size)
{
    size_t run = 0;
    if (state == QUOTED)
        while (run < size && bytes[run] != '"' && bytes[run] != '\n')
            run++;
    else if (state == PLAIN)
        while (run < size && bytes[run] != csv->separator && bytes[run] != '\n')
            run++;
    return run;
}

/* Takes one byte that means something here; returns the new state or ERR_MEMORY. */
static int step(struct csv *csv, enum state state, char byte)
{
    if (byte == '\n')
        csv->next_line++;
    if (state == BROKEN)
        return byte == '\n' ? RECORD_END : BROKEN;
    if (state == QUOTED && byte != '"')
        return buf_append_byte(&csv->bytes, byte) < 0 ? ERR_MEMORY : QUOTED;
    if (state == QUOTED)
        return QUOTE_ENDED;
    if (state == QUOTE_ENDED && byte == '"')
        return buf_append_byte(&csv->bytes, byte) < 0 ? ERR_MEMORY : QUOTED;
    if (state == FIELD_START && byte == '"' && csv->separator == ',')
        return QUOTED;
    if (byte == csv->separator)
        return end_field(csv) < 0 ? ERR_MEMORY : FIELD_START;
    if (byte == '\n') {
        if (state == PLAIN)
            drop_carriage_return(csv);
        return end_field(csv) < 0 ? ERR_MEMORY : RECORD_END;
    }
    if (state == QUOTE_ENDED)
        return byte == '\r' ? QUOTE_ENDED : BROKEN;
    return buf_append_byte(&csv->bytes, byte) < 0 ? ERR_MEMORY : PLAIN;
}

/* The input ended inside a record. */
static int finish(struct csv *csv, struct stream *stream, enum state state, struct err *err)
{
    if (state == QUOTED)
        return err_set(err, ERR_INVALID,
                       "%s:%" PRIu64 ": a quoted field that begins in this record never ends",
                       stream->name, csv->line);
    if (state == PLAIN)
        drop_carriage_return(csv);
    return end_field(csv) < 0 ? err_memory(err, stream->name) : 1;
}

int csv_next(struct csv *csv, struct stream *stream, size_t limit, struct err *err)
{
    int state = FIELD_START;
    bool any = false, too_long = false, broken = false;
    csv->line = csv->next_line;
    csv->count = 0;
    buf_clear(&csv->bytes);

    while (state != RECORD_END) {
        const char *bytes;
        size_t size;
        int r = stream_peek(stream, &bytes, &size, err);
        if (r < 0)
            return r;
        if (size == 0)
            break;
        any = true;
        size_t run = content_run(csv, (enum state)state, bytes, size);
        if (run > limit - csv->bytes.size || csv->bytes.size >= limit - 1) {
            too_long = true; /* it is still read to its end, so that the next one is found */
            buf_clear(&csv->bytes);
            csv->count = 0;
        }
        if (run > 0 && !too_long && buf_append(&csv->bytes, bytes, run) < 0)
            return err_memory(err, stream->name);
        if (run < size)
            state = step(csv, (enum state)state, bytes[run]);
        if (state < 0)
            return err_memory(err, stream->name);
        broken = broken || state == BROKEN;
        stream_take(stream, run + (run < size));
    }
    if (!any)
        return 0;
    if (too_long)
        return err_set(err, ERR_LIMIT, "%s:%" PRIu64 ": a record of more than %zu bytes",
                       stream->name, csv->line, limit);
    if (broken)
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": text after a closing quote", stream->name,
                       csv->line);
    return state == RECORD_END ? 1 : finish(csv, stream, (enum state)state, err);
}
