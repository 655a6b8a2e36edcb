/* Answers of HTTP/1.1 (RFC 9112), parsed from whatever pieces they arrive in.
 *
 * Takes bodies with a Content-Length, in chunks, and up to the end of the connection; skips interim
 * (1xx) answers and trailers. Knows no sockets. One owner at a time.
 */
#ifndef SBERT_CLI_HTTP_H
#define SBERT_CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum http_state {
    HTTP_STATUS_LINE,
    HTTP_HEADER,
    HTTP_BODY,        /* `remaining` bytes of it are missing */
    HTTP_BODY_TO_END, /* until the connection ends */
    HTTP_CHUNK_SIZE,  /* the line with a chunk's size */
    HTTP_CHUNK,       /* `remaining` bytes of the chunk are missing */
    HTTP_CHUNK_END,   /* the line end after a chunk */
    HTTP_TRAILER,
    HTTP_WHOLE,
};

struct http_answer {
    int status;      /* 200 to 599 once the answer is whole */
    bool keep_alive; /* the connection can carry another request */
    int retry_after; /* seconds from Retry-After; -1: none */
    struct buf body;
    enum http_state state;
    size_t body_limit;
    struct buf line;  /* the line under way */
    size_t head_size; /* bytes of status line, headers and trailers so far */
    bool chunked, has_length;
    uint64_t remaining; /* of the body or the chunk; before the body: Content-Length */
};

/* Starts a new answer; a body larger than `body_limit` is refused. The answer must be zeroed or
 * have been used before: its memory is kept. */
void http_answer_start(struct http_answer *answer, size_t body_limit);

/* Takes the next bytes: 1 when the answer is whole, 0 when more must come, or ERR_CORRUPT,
 * ERR_LIMIT, ERR_MEMORY. *ret_used says how many bytes belonged to it. */
int http_answer_feed(struct http_answer *answer, const char *bytes, size_t size, size_t *ret_used,
                     struct err *err);

/* The connection ended: 0 where that completes the answer, else ERR_IO. */
int http_answer_end(struct http_answer *answer, struct err *err);

void http_answer_release(struct http_answer *answer);

#endif
