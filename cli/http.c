/* HTTP/1.1 answers, a line at a time for the head and a run at a time for the body. It checks what
 * it needs and nothing more: header fields that don't concern framing are passed over. */
#include "cli/http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { HEAD_LIMIT = 64 * 1024 };

void http_answer_start(struct http_answer *answer, size_t body_limit)
{
    struct buf body = answer->body, line = answer->line;
    buf_clear(&body);
    buf_clear(&line);
    *answer = (struct http_answer){
        .keep_alive = true,
        .retry_after = -1,
        .body = body,
        .line = line,
        .body_limit = body_limit,
    };
}

void http_answer_release(struct http_answer *answer)
{
    buf_release(&answer->body);
    buf_release(&answer->line);
}

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "the daemon's answer is not HTTP/1.1: %s", what);
}

static int too_large(const struct http_answer *answer, struct err *err)
{
    return err_set(err, ERR_LIMIT, "the daemon's answer is larger than %zu bytes",
                   answer->body_limit);
}

/* Digits of a number in `base`; false where there is none or it needs more than 60 bits. */
static bool parse_number(const char **text, unsigned base, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *at = *text;
    for (;; at++) {
        unsigned digit = isdigit((unsigned char)*at)    ? (unsigned)(*at - '0')
                         : isxdigit((unsigned char)*at) ? (unsigned)((*at | 0x20) - 'a') + 10
                                                        : base;
        if (digit >= base)
            break;
        number = number * base + digit;
        if (number >> 60)
            return false;
    }
    if (at == *text)
        return false;
    *text = at;
    *ret_number = number;
    return true;
}

static int parse_status_line(struct http_answer *answer, const char *line, struct err *err)
{
    if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) || line[8] != ' ')
        return corrupt(err, "no status line");
    for (int i = 9; i < 12; i++)
        if (!isdigit((unsigned char)line[i]))
            return corrupt(err, "no status code");
    answer->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (answer->status < 100 || answer->status > 599)
        return corrupt(err, "a status code out of range");
    answer->keep_alive = line[7] != '0';
    answer->state = HTTP_HEADER;
    return 0;
}

static int parse_length(struct http_answer *answer, const char *value, struct err *err)
{
    uint64_t length;
    if (!parse_number(&value, 10, &length) || *value)
        return corrupt(err, "an invalid Content-Length");
    if (answer->has_length && length != answer->remaining)
        return corrupt(err, "two different Content-Lengths");
    answer->has_length = true;
    answer->remaining = length;
    return 0;
}

/* Takes "Name: value" apart in place. */
static int parse_header(struct http_answer *answer, char *line, struct err *err)
{
    char *value = strchr(line, ':');
    if (!value || value == line)
        return corrupt(err, "a header line without a name");
    *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end > 0 && strchr(" \t", value[end - 1]); end--)
        value[end - 1] = '\0';

    if (strcasecmp(line, "Content-Length") == 0)
        return parse_length(answer, value, err);
    if (strcasecmp(line, "Transfer-Encoding") == 0) {
        if (strcasecmp(value, "chunked") != 0)
            return corrupt(err, "an unknown Transfer-Encoding");
        answer->chunked = true;
    } else if (strcasecmp(line, "Connection") == 0) {
        answer->keep_alive = strcasecmp(value, "close") != 0 &&
                             (answer->keep_alive || strcasecmp(value, "keep-alive") == 0);
    } else if (strcasecmp(line, "Retry-After") == 0) {
        const char *digits = value;
        uint64_t seconds;
        if (parse_number(&digits, 10, &seconds) && !*digits && seconds <= 3600)
            answer->retry_after = (int)seconds;
    }
    return 0;
}

/* The empty line after the headers: says how the body will come. */
static int end_head(struct http_answer *answer, struct err *err)
{
    if (answer->status < 200) {
        answer->state = HTTP_STATUS_LINE;
        answer->chunked = answer->has_length = false;
        answer->remaining = 0;
        return 0;
    }
    if (answer->status == 204 || answer->status == 304) {
        answer->state = HTTP_WHOLE;
    } else if (answer->chunked) {
        answer->state = HTTP_CHUNK_SIZE;
    } else if (answer->has_length) {
        if (answer->remaining > answer->body_limit)
            return too_large(answer, err);
        answer->state = answer->remaining ? HTTP_BODY : HTTP_WHOLE;
    } else {
        answer->state = HTTP_BODY_TO_END;
        answer->keep_alive = false;
    }
    return 0;
}

static int parse_chunk_size(struct http_answer *answer, const char *line, struct err *err)
{
    if (!parse_number(&line, 16, &answer->remaining) || (*line && !strchr("; \t", *line)))
        return corrupt(err, "an invalid chunk size");
    if (answer->remaining > answer->body_limit - answer->body.size)
        return too_large(answer, err);
    answer->state = answer->remaining ? HTTP_CHUNK : HTTP_TRAILER;
    return 0;
}

static int take_line(struct http_answer *answer, struct err *err)
{
    char *line = answer->line.data;
    switch (answer->state) {
    case HTTP_STATUS_LINE:
        return parse_status_line(answer, line, err);
    case HTTP_HEADER:
        return *line ? parse_header(answer, line, err) : end_head(answer, err);
    case HTTP_CHUNK_SIZE:
        return parse_chunk_size(answer, line, err);
    case HTTP_CHUNK_END:
        answer->state = HTTP_CHUNK_SIZE;
        return *line ? corrupt(err, "a chunk that is longer than its size") : 0;
    default: /* HTTP_TRAILER */
        if (!*line)
            answer->state = HTTP_WHOLE;
        return 0;
    }
}

/* Collects a line; at its end, without the line break, it is taken. Returns the bytes used. */
static int feed_line(struct http_answer *answer, const char *bytes, size_t size, size_t *ret_used,
                     struct err *err)
{
    const char *newline = memchr(bytes, '\n', size);
    size_t used = newline ? (size_t)(newline - bytes) + 1 : size;
    if (answer->state == HTTP_CHUNK_SIZE && answer->line.size == 0)
        answer->head_size = 0; /* the limit is for the head and for each chunk's line */
    answer->head_size += used;
    if (answer->head_size > HEAD_LIMIT)
        return corrupt(err, "a head that never ends");
    if (memchr(bytes, '\0', used))
        return corrupt(err, "a NUL byte in the head");
    if (buf_append(&answer->line, bytes, used) < 0)
        return err_memory(err, "the daemon's answer");
    *ret_used = used;
    if (!newline)
        return 0;
    struct buf *line = &answer->line;
    line->data[--line->size] = '\0';
    if (line->size > 0 && line->data[line->size - 1] == '\r')
        line->data[--line->size] = '\0';
    int r = take_line(answer, err);
    buf_clear(line);
    return r;
}

static int feed_body(struct http_answer *answer, const char *bytes, size_t size, size_t *ret_used,
                     struct err *err)
{
    bool to_end = answer->state == HTTP_BODY_TO_END;
    size_t used = to_end || answer->remaining > size ? size : (size_t)answer->remaining;
    if (used > answer->body_limit - answer->body.size)
        return too_large(answer, err);
    if (buf_append(&answer->body, bytes, used) < 0)
        return err_memory(err, "the daemon's answer");
    *ret_used = used;
    if (to_end)
        return 0;
    answer->remaining -= used;
    if (answer->remaining == 0)
        answer->state = answer->state == HTTP_BODY ? HTTP_WHOLE : HTTP_CHUNK_END;
    return 0;
}

int http_answer_feed(struct http_answer *answer, const char *bytes, size_t size, size_t *ret_used,
                     struct err *err)
{
    size_t at = 0;
    while (at < size && answer->state != HTTP_WHOLE) {
        size_t used = 0;
        bool body = answer->state == HTTP_BODY || answer->state == HTTP_BODY_TO_END ||
                    answer->state == HTTP_CHUNK;
        int r = body ? feed_body(answer, bytes + at, size - at, &used, err)
                     : feed_line(answer, bytes + at, size - at, &used, err);
        if (r < 0)
            return r;
        at += used;
    }
    *ret_used = at;
    return answer->state == HTTP_WHOLE;
}

int http_answer_end(struct http_answer *answer, struct err *err)
{
    if (answer->state == HTTP_BODY_TO_END)
        answer->state = HTTP_WHOLE;
    if (answer->state == HTTP_WHOLE)
        return 0;
    return err_set(err, ERR_IO, "the daemon closed the connection in the middle of its answer");
}
