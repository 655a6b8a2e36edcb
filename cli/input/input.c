/* Opening inputs, telling their formats, and the two simple ones: lines and whole texts. Records
 * with fields are read in jsonl.c and columns.c. */
#include "cli/input/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/input/internal.h"
#include "daemon/wire_limits.h"

enum { SLOW_INPUT_MS = 500 };

static const struct {
    const char *name;
    enum input_format format;
} formats[] = {
    {"auto", INPUT_AUTO}, {"lines", INPUT_LINES}, {"jsonl", INPUT_JSONL},
    {"csv", INPUT_CSV},   {"tsv", INPUT_TSV},     {"text", INPUT_TEXT},
};

static const struct {
    const char *suffix;
    enum input_format format;
} suffixes[] = {
    {".jsonl", INPUT_JSONL}, {".ndjson", INPUT_JSONL},  {".csv", INPUT_CSV},  {".tsv", INPUT_TSV},
    {".md", INPUT_TEXT},     {".markdown", INPUT_TEXT}, {".rst", INPUT_TEXT}, {".adoc", INPUT_TEXT},
    {".org", INPUT_TEXT},    {".html", INPUT_TEXT},     {".htm", INPUT_TEXT},
};

static const char byte_order_mark[] = "\xEF\xBB\xBF";

int input_format_parse(enum input_format *ret_format, const char *name, struct err *err)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(name, formats[i].name) == 0) {
            *ret_format = formats[i].format;
            return 0;
        }
    return err_set(err, ERR_INVALID,
                   "unknown format '%s'; there are auto, lines, jsonl, csv, tsv and text", name);
}

int input_utf8_parse(enum input_utf8 *ret_utf8, const char *name, struct err *err)
{
    if (strcmp(name, "refuse") == 0)
        *ret_utf8 = INPUT_UTF8_REFUSE;
    else if (strcmp(name, "replace") == 0)
        *ret_utf8 = INPUT_UTF8_REPLACE;
    else if (strcmp(name, "skip") == 0)
        *ret_utf8 = INPUT_UTF8_SKIP;
    else
        return err_set(err, ERR_INVALID,
                       "unknown handling '%s' of invalid UTF-8; there are refuse, replace and skip",
                       name);
    return 0;
}

static enum input_format detect(const char *name, bool in_folder)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t suffix = strlen(suffixes[i].suffix);
        if (length > suffix && strcasecmp(name + length - suffix, suffixes[i].suffix) == 0)
            return suffixes[i].format;
    }
    return in_folder ? INPUT_TEXT : INPUT_LINES;
}

/* Looks at the first block: refuses binary contents, passes a byte order mark over. */
static int check_start(struct input *input, struct err *err)
{
    const char *bytes;
    size_t size;
    int r = stream_fill(&input->stream, strlen(byte_order_mark), err);
    if (r == 0)
        r = stream_peek(&input->stream, &bytes, &size, err);
    if (r < 0)
        return r;
    if (memchr(bytes, '\0', size))
        return err_set(err, ERR_UNSUPPORTED, "%s is a binary file (it has NUL bytes)", input->name);
    if (size >= strlen(byte_order_mark) &&
        memcmp(bytes, byte_order_mark, strlen(byte_order_mark)) == 0)
        stream_take(&input->stream, strlen(byte_order_mark));
    return 0;
}

int input_open_fd(struct input **ret_input, int fd, const char *name,
                  const struct input_options *options, struct err *err)
{
    struct input *input = calloc(1, sizeof *input);
    if (!input) {
        close(fd);
        return err_memory(err, name);
    }
    input->options = *options;
    input->name = name;
    input->format = options->format;
    if (input->format == INPUT_AUTO)
        input->format = detect(name, options->in_folder);
    int r = stream_open(&input->stream, fd, name, err);
    if (r == 0)
        r = check_start(input, err);
    if (r == 0 && (input->format == INPUT_CSV || input->format == INPUT_TSV))
        r = input_start_csv(input, err);
    if (r < 0) {
        input_close(input);
        return r;
    }
    *ret_input = input;
    return 0;
}

int input_open(struct input **ret_input, const char *path, const struct input_options *options,
               struct err *err)
{
    if (strcmp(path, "-") == 0) {
        int copy = dup(STDIN_FILENO);
        if (copy < 0)
            return err_set_errno(err, errno, "cannot read standard input");
        return input_open_fd(ret_input, copy, "standard input", options, err);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(fd);
        return err_set(err, ERR_INVALID, "%s is a folder", path);
    }
    return input_open_fd(ret_input, fd, path, options, err);
}

void input_close(struct input *input)
{
    if (!input)
        return;
    input_stop_csv(input);
    json_decref(input->record);
    json_decref(input->metadata);
    stream_close(&input->stream);
    buf_release(&input->line);
    buf_release(&input->mended);
    buf_release(&input->id);
    free(input);
}

bool input_ready(const struct input *input)
{
    struct pollfd wait = {.fd = input->stream.fd, .events = POLLIN};
    if (input->stream.at < input->stream.size || input->stream.ended)
        return true;
    return poll(&wait, 1, SLOW_INPUT_MS) != 0;
}

uint64_t input_position(const struct input *input)
{
    return input->stream.offset;
}

struct input_skipped input_skipped(const struct input *input)
{
    return input->skipped;
}

int input_check_utf8(struct input *input, uint64_t line, const char **text, size_t *size,
                     struct err *err)
{
    size_t bad;
    char place[32] = "";
    if (utf8_valid(*text, *size, &bad))
        return 1;
    switch (input->options.invalid_utf8) {
    case INPUT_UTF8_SKIP:
        input->skipped.invalid_utf8++;
        return 0;
    case INPUT_UTF8_REPLACE:
        buf_clear(&input->mended);
        if (utf8_mend(&input->mended, *text, *size) < 0)
            return err_memory(err, input->name);
        *text = input->mended.data;
        *size = input->mended.size;
        return 1;
    default:
        if (line > 0)
            snprintf(place, sizeof place, ":%" PRIu64, line);
        return err_set(err, ERR_INVALID,
                       "%s%s: not valid UTF-8 at byte %zu (--invalid-utf8=replace takes it)",
                       input->name, place, bad + 1);
    }
}

bool input_is_empty(struct input *input, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n\v\f", text[i]) || text[i] == '\0')
            return false;
    input->skipped.empty++;
    return true;
}

static int next_line(struct input *input, struct input_document *ret_document, struct err *err)
{
    bool too_long;
    int r = stream_line(&input->stream, &input->line, LIMIT_TEXT, &too_long, err);
    if (r <= 0)
        return r;
    uint64_t number = ++input->line_number;
    if (too_long)
        return err_set(err, ERR_LIMIT, "%s:%" PRIu64 ": a line of more than %d MiB", input->name,
                       number, LIMIT_TEXT >> 20);
    const char *text = input->line.data ? input->line.data : "";
    size_t size = input->line.size;
    if (input_is_empty(input, text, size))
        return INPUT_PASSED_OVER;
    if (memchr(text, '\0', size))
        return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": a NUL byte in the line", input->name,
                       number);
    r = input_check_utf8(input, number, &text, &size, err);
    if (r <= 0)
        return r < 0 ? r : INPUT_PASSED_OVER;
    *ret_document = (struct input_document){.text = text, .text_size = size, .line = number};
    return 1;
}

/* Reads the rest of the file. */
static int read_whole(struct input *input, struct err *err)
{
    for (;;) {
        const char *bytes;
        size_t size;
        int r = stream_peek(&input->stream, &bytes, &size, err);
        if (r < 0 || size == 0)
            return r;
        if (size > LIMIT_TEXT - input->line.size)
            return err_set(err, ERR_LIMIT,
                           "%s: a text of more than %d MiB (--format=lines takes it by lines)",
                           input->name, LIMIT_TEXT >> 20);
        if (buf_append(&input->line, bytes, size) < 0)
            return err_memory(err, input->name);
        stream_take(&input->stream, size);
    }
}

static int next_text(struct input *input, struct input_document *ret_document, struct err *err)
{
    if (input->text_done)
        return 0;
    input->text_done = true;
    uint64_t start = input->stream.offset;
    int r = read_whole(input, err);
    if (r < 0)
        return r;
    const char *text = input->line.data ? input->line.data : "";
    size_t size = input->line.size;
    if (input_is_empty(input, text, size))
        return INPUT_PASSED_OVER;
    while (strchr(" \t\r\n\v\f", text[size - 1]) && text[size - 1])
        size--;
    uint64_t end = start + size;
    if (memchr(text, '\0', size))
        return err_set(err, ERR_INVALID, "%s: a NUL byte in the text", input->name);
    r = input_check_utf8(input, 0, &text, &size, err);
    if (r <= 0)
        return r < 0 ? r : INPUT_PASSED_OVER;
    *ret_document = (struct input_document){
        .text = text, .text_size = size, .byte_start = start, .byte_end = end};
    return 1;
}

int input_next(struct input *input, struct input_document *ret_document, struct err *err)
{
    int r;
    do {
        switch (input->format) {
        case INPUT_JSONL:
            r = input_next_jsonl(input, ret_document, err);
            break;
        case INPUT_CSV:
        case INPUT_TSV:
            r = input_next_csv(input, ret_document, err);
            break;
        case INPUT_TEXT:
            r = next_text(input, ret_document, err);
            break;
        default:
            r = next_line(input, ret_document, err);
        }
    } while (r == INPUT_PASSED_OVER);
    return r;
}
