/* Reading texts a line at a time. It does not encode anything. */
#include "cli/encode/texts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utf8.h"
#include "cli/input/stream.h"

enum { LINE_LIMIT = 64 << 20 };
enum { PASSED_OVER = 2 }; /* what a line can give besides an end, a text, and an error */

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct texts {
    const char *name;
    struct stream stream;
    enum texts_format format;
    enum texts_utf8 invalid_utf8;
    uint64_t total, skipped;
    uint64_t number; /* of the line, from 1 */
    struct buf line, mended;
    json_t *record; /* owns the text of a JSON line */
};

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), wanted = strlen(ending);
    return length >= wanted && strcmp(name + length - wanted, ending) == 0;
}

static int open_input(struct texts *texts, const char *path, struct err *err)
{
    struct stat status;
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

    texts->name = standard ? "standard input" : path;
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", texts->name);
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        texts->total = (uint64_t)status.st_size;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(fd);
        return err_set(err, ERR_INVALID, "%s is a folder; give a file of texts", texts->name);
    }
    return stream_open(&texts->stream, fd, texts->name, err);
}

/* A NUL in the first block means that this is no text; a byte order mark is none of the text. */
static int check_start(struct texts *texts, struct err *err)
{
    const char *bytes;
    size_t size, mark = strlen(BYTE_ORDER_MARK);

    int r = stream_fill(&texts->stream, mark, err);
    if (r == 0)
        r = stream_peek(&texts->stream, &bytes, &size, err);
    if (r < 0)
        return r;
    if (size && memchr(bytes, '\0', size))
        return err_set(err, ERR_UNSUPPORTED, "%s is a binary file, not text", texts->name);
    if (size >= mark && memcmp(bytes, BYTE_ORDER_MARK, mark) == 0)
        stream_take(&texts->stream, mark);
    return 0;
}

int texts_open(struct texts **ret_texts, const char *path, enum texts_format format,
               enum texts_utf8 invalid_utf8, struct err *err)
{
    struct texts *texts = calloc(1, sizeof *texts);
    if (!texts)
        return err_memory(err, path);
    texts->stream.fd = -1;
    texts->invalid_utf8 = invalid_utf8;
    texts->format = format;
    if (format == TEXTS_AUTO)
        texts->format =
            ends_in(path, ".jsonl") || ends_in(path, ".ndjson") ? TEXTS_JSONL : TEXTS_LINES;

    int r = open_input(texts, path, err);
    if (r == 0)
        r = check_start(texts, err);
    if (r < 0) {
        texts_close(texts);
        return r;
    }
    *ret_texts = texts;
    return 0;
}

void texts_close(struct texts *texts)
{
    if (!texts)
        return;
    stream_close(&texts->stream);
    buf_release(&texts->line);
    buf_release(&texts->mended);
    json_decref(texts->record);
    free(texts);
}

/* Sets the text to the line, or to its mended copy. */
static int check_utf8(struct texts *texts, const char **ret_text, size_t *ret_size, struct err *err)
{
    size_t bad;
    const struct buf *line = &texts->line;

    if (line->size && !utf8_valid(line->data, line->size, &bad)) {
        if (texts->invalid_utf8 == TEXTS_UTF8_SKIP) {
            texts->skipped++;
            return PASSED_OVER;
        }
        if (texts->invalid_utf8 == TEXTS_UTF8_REFUSE)
            return err_set(err, ERR_INVALID,
                           "%s:%" PRIu64 ": byte %zu is not UTF-8 (--invalid-utf8=replace or =skip "
                           "goes on)",
                           texts->name, texts->number, bad + 1);
        buf_clear(&texts->mended);
        if (utf8_mend(&texts->mended, line->data, line->size) < 0)
            return err_memory(err, texts->name);
        line = &texts->mended;
    }
    *ret_text = line->size ? line->data : "";
    *ret_size = line->size;
    return 1;
}

/* Replaces a JSON line by the text in it. */
static int read_record(struct texts *texts, const char **text, size_t *size, struct err *err)
{
    char name[300];
    json_t *record;

    if (strspn(*text, " \t\r") == *size)
        return PASSED_OVER;
    snprintf(name, sizeof name, "%s:%" PRIu64, texts->name, texts->number);
    int r = json_parse(&record, *text, *size, name, err);
    if (r < 0)
        return r;
    json_decref(texts->record);
    texts->record = record;
    const json_t *value = json_object_get(record, "text");
    if (!json_is_string(value))
        return err_set(err, ERR_INVALID, "%s: this is no object with a string \"text\"", name);
    *text = json_string_value(value);
    *size = json_string_length(value);
    return 1;
}

int texts_next(struct texts *texts, const char **ret_text, size_t *ret_size, struct err *err)
{
    const char *text = NULL;
    size_t size = 0;
    bool too_long;
    int r;

    do {
        r = stream_line(&texts->stream, &texts->line, LINE_LIMIT, &too_long, err);
        if (r <= 0)
            return r;
        texts->number++;
        if (too_long)
            return err_set(err, ERR_LIMIT, "%s:%" PRIu64 ": the line is longer than %d MiB",
                           texts->name, texts->number, LINE_LIMIT >> 20);
        r = check_utf8(texts, &text, &size, err);
        if (r == 1 && texts->format == TEXTS_JSONL)
            r = read_record(texts, &text, &size, err);
    } while (r == PASSED_OVER);
    if (r == 1) {
        *ret_text = text;
        *ret_size = size;
    }
    return r;
}

int texts_next_pair(struct texts *texts, struct text_pair *ret_pair, struct err *err)
{
    struct text_pair pair;
    int r = texts_next(texts, &pair.text, &pair.size, err);
    if (r <= 0)
        return r;
    if (texts->format == TEXTS_JSONL) {
        const json_t *second = json_object_get(texts->record, "pair");
        if (!json_is_string(second))
            return err_set(err, ERR_INVALID, "%s:%" PRIu64 ": the object has no string \"pair\"",
                           texts->name, texts->number);
        pair.pair = json_string_value(second);
        pair.pair_size = json_string_length(second);
    } else {
        const char *end = pair.text + pair.size, *tab = memchr(pair.text, '\t', pair.size);
        if (!tab || memchr(tab + 1, '\t', (size_t)(end - tab - 1)))
            return err_set(err, ERR_INVALID,
                           "%s:%" PRIu64 ": a pair is two texts with one tab between them (or give "
                           "JSON lines: {\"text\": ..., \"pair\": ...})",
                           texts->name, texts->number);
        pair.pair = tab + 1;
        pair.pair_size = (size_t)(end - pair.pair);
        pair.size = (size_t)(tab - pair.text);
    }
    *ret_pair = pair;
    return 1;
}

uint64_t texts_position(const struct texts *texts)
{
    return texts->stream.offset;
}

uint64_t texts_total(const struct texts *texts)
{
    return texts->total;
}

uint64_t texts_skipped(const struct texts *texts)
{
    return texts->skipped;
}
