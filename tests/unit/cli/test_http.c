/* Tests of the parser of HTTP answers. */
#include <stdio.h>
#include <string.h>

#include "cli/http.h"
#include "tests/test.h"

/* Feeds text in pieces of `piece` bytes; returns what the last feed did. */
static int feed(struct http_answer *answer, const char *text, size_t piece, size_t *ret_taken,
                struct err *err)
{
    size_t size = strlen(text), at = 0;
    int r = 0;
    http_answer_start(answer, 1000);
    while (at < size && r == 0) {
        size_t part = size - at < piece ? size - at : piece, used = 0;
        r = http_answer_feed(answer, text + at, part, &used, err);
        at += used;
    }
    *ret_taken = at;
    return r;
}

/* The answer is the same in whatever pieces it comes. */
static void expect(const char *text, int status, const char *body, bool keep_alive)
{
    struct http_answer answer = {0};
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct err err = {0};
        size_t taken;
        assert_int_equal(feed(&answer, text, piece, &taken, &err), 1);
        assert_int_equal(taken, strlen(text));
        assert_int_equal(answer.status, status);
        assert_string_equal(answer.body.size ? answer.body.data : "", body);
        assert_int_equal(answer.keep_alive, keep_alive);
    }
    http_answer_release(&answer);
}

static void refuse(const char *text, int code, const char *what)
{
    struct http_answer answer = {0};
    struct err err = {0};
    size_t taken;
    assert_int_equal(feed(&answer, text, 7, &taken, &err), code);
    assert_non_null(strstr(err.message, what));
    http_answer_release(&answer);
}

static void a_body_with_a_length_is_taken_whole(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    expect("HTTP/1.1 404 Not Found\nconnection: close\ncontent-length:  0 \n\n", 404, "", false);
    expect("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false);
    expect("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
}

static void chunks_are_joined_and_trailers_passed_over(void **state)
{
    (void)state;
    expect(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, world!!!\r\n"
        "0\r\nX: y\r\n\r\n",
        200, "hello, world!!!", true);
    refuse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n", ERR_CORRUPT,
           "longer than its size");
    refuse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", ERR_CORRUPT, "chunk size");
    refuse("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", ERR_CORRUPT, "Transfer-Encoding");
}

static void interim_answers_are_skipped(void **state)
{
    (void)state;
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x",
           true);
}

static void what_is_not_http_is_refused(void **state)
{
    (void)state;
    refuse("SSH-2.0-OpenSSH\r\n", ERR_CORRUPT, "status line");
    refuse("HTTP/1.1 2x0 OK\r\n", ERR_CORRUPT, "status code");
    refuse("HTTP/1.1 999 OK\r\n", ERR_CORRUPT, "out of range");
    refuse("HTTP/1.1 200 OK\r\nno colon\r\n", ERR_CORRUPT, "without a name");
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 12x\r\n\r\n", ERR_CORRUPT, "Content-Length");
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", ERR_CORRUPT,
           "two different");
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", ERR_CORRUPT,
           "Content-Length");
}

static void a_body_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", ERR_LIMIT, "larger than 1000");
    refuse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFF\r\n", ERR_LIMIT,
           "larger than 1000");
}

static void a_head_that_never_ends_is_refused(void **state)
{
    (void)state;
    struct http_answer answer = {0};
    struct err err = {0};
    size_t used;
    int r = 0;
    http_answer_start(&answer, 1000);
    assert_int_equal(http_answer_feed(&answer, "HTTP/1.1 200 OK\r\n", 17, &used, &err), 0);
    for (int i = 0; i < 100000 && r == 0; i++)
        r = http_answer_feed(&answer, "X-Header: value\r\n", 17, &used, &err);
    assert_int_equal(r, ERR_CORRUPT);
    http_answer_release(&answer);
}

static void the_end_of_the_connection_ends_a_body_without_a_length(void **state)
{
    (void)state;
    struct http_answer answer = {0};
    struct err err = {0};
    size_t taken;
    assert_int_equal(feed(&answer, "HTTP/1.1 200 OK\r\n\r\nsome text", 4, &taken, &err), 0);
    assert_int_equal(http_answer_end(&answer, &err), 0);
    assert_string_equal(answer.body.data, "some text");
    assert_false(answer.keep_alive);
    assert_int_equal(
        feed(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 4, &taken, &err), 0);
    assert_int_equal(http_answer_end(&answer, &err), ERR_IO);
    http_answer_release(&answer);
}

static void retry_after_is_read(void **state)
{
    (void)state;
    struct http_answer answer = {0};
    struct err err = {0};
    size_t taken;
    assert_int_equal(feed(&answer, "HTTP/1.1 503 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
                          100, &taken, &err),
                     1);
    assert_int_equal(answer.retry_after, 7);
    assert_int_equal(feed(&answer,
                          "HTTP/1.1 503 x\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 100,
                          &taken, &err),
                     1);
    assert_int_equal(answer.retry_after, -1);
    http_answer_release(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_with_a_length_is_taken_whole),
        cmocka_unit_test(chunks_are_joined_and_trailers_passed_over),
        cmocka_unit_test(interim_answers_are_skipped),
        cmocka_unit_test(what_is_not_http_is_refused),
        cmocka_unit_test(a_body_beyond_the_limit_is_refused),
        cmocka_unit_test(a_head_that_never_ends_is_refused),
        cmocka_unit_test(the_end_of_the_connection_ends_a_body_without_a_length),
        cmocka_unit_test(retry_after_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
