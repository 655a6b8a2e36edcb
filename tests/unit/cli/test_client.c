/* Tests of the client, against a fake daemon. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "tests/test.h"
#include "tests/unit/cli/fake_daemon.h"

static const struct client_options quick = {.timeout_seconds = 5, .retry_seconds = 5};

static struct client *open_client(const struct fake_daemon *fake)
{
    struct client_options options = quick;
    struct client *client;
    struct err err = {0};
    options.socket = fake->path;
    assert_int_equal(client_open(&client, &options, &err), 0);
    return client;
}

/* Answers with the request's line, body and number. */
static void echo(void *argument, const struct fake_request *request, struct buf *answer,
                 bool *ret_close)
{
    (void)argument;
    (void)ret_close;
    char body[2048];
    snprintf(body, sizeof body, "{\"line\": \"%s\", \"body\": %.*s, \"number\": %d}", request->line,
             (int)(request->size ? request->size : 4), request->size ? request->body : "null",
             request->number);
    fake_answer(answer, 200, "", body);
}

static void requests_and_answers_are_json(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer = NULL, *body = json_pack("{s:s}", "query", "x");
    fake_start(&fake, echo, NULL);
    struct client *client = open_client(&fake);
    assert_int_equal(client_call(client, "POST", "/v1/x", body, &answer, &err), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "line")), "POST /v1/x HTTP/1.1");
    assert_true(json_equal(json_object_get(answer, "body"), body));
    json_decref(answer);
    assert_int_equal(client_call(client, "GET", "/v1/y", NULL, &answer, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "number")), 2);
    assert_int_equal(client_status(client), 200);
    json_decref(answer);
    json_decref(body);
    client_close(client);
    fake_stop(&fake);
}

static void a_missing_daemon_is_named_with_the_cure(void **state)
{
    (void)state;
    struct client_options options = quick;
    struct client *client;
    struct err err = {0};
    json_t *answer;
    options.socket = "/tmp/sbertd-there-is-no-such-socket";
    assert_int_equal(client_open(&client, &options, &err), 0);
    assert_int_equal(client_call(client, "GET", "/health", NULL, &answer, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "sbertd is not running (no socket at /tmp/sbertd-there-is-no-such-socket); "
                        "start it with: sbertd start --socket /tmp/sbertd-there-is-no-such-socket");
    assert_int_equal(client_status(client), 0);
    client_close(client);

    options.socket = "/etc/hostname";
    assert_int_equal(client_open(&client, &options, &err), 0);
    assert_int_equal(client_call(client, "GET", "/health", NULL, &answer, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "is not a socket"));
    client_close(client);
}

static void refuse_by_name(void *argument, const struct fake_request *request, struct buf *answer,
                           bool *ret_close)
{
    (void)argument;
    (void)ret_close;
    if (request->number == 1)
        fake_answer(answer, 404, "",
                    "{\"error\": {\"code\": \"not_found\", \"message\": \"no collection x\"}}");
    else if (request->number == 2)
        fake_answer(
            answer, 400, "",
            "{\"error\": {\"code\": \"invalid\", \"message\": \"bad\", \"param\": \"top_k\"}}");
    else
        fake_answer(answer, 431, "Connection: close\r\n", "<html>too large</html>");
}

static void errors_of_the_daemon_become_ours(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer;
    fake_start(&fake, refuse_by_name, NULL);
    struct client *client = open_client(&fake);
    assert_int_equal(client_call(client, "GET", "/1", NULL, &answer, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message, "no collection x");
    assert_null(client_error_param(client));
    assert_int_equal(client_call(client, "GET", "/2", NULL, &answer, &err), ERR_INVALID);
    assert_string_equal(client_error_param(client), "top_k");
    assert_int_equal(client_call(client, "GET", "/3", NULL, &answer, &err), ERR_INVALID);
    assert_string_equal(err.message, "sbertd answered with HTTP status 431");
    assert_int_equal(client_status(client), 431);
    client_close(client);
    fake_stop(&fake);
}

static void busy_twice(void *argument, const struct fake_request *request, struct buf *answer,
                       bool *ret_close)
{
    if (request->number <= 2)
        fake_answer(answer, 503, "Retry-After: 0\r\n",
                    "{\"error\": {\"code\": \"busy\", \"message\": \"the queue is full\"}}");
    else
        echo(argument, request, answer, ret_close);
}

static void busy_for_long(void *argument, const struct fake_request *request, struct buf *answer,
                          bool *ret_close)
{
    (void)argument;
    (void)request;
    (void)ret_close;
    fake_answer(answer, 503, "Retry-After: 3600\r\n",
                "{\"error\": {\"code\": \"loading\", \"message\": \"reading the model\"}}");
}

static void a_busy_daemon_is_asked_again_for_a_bounded_time(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer, *body = json_pack("{s:i}", "a", 1);
    fake_start(&fake, busy_twice, NULL);
    struct client *client = open_client(&fake);
    assert_int_equal(client_call(client, "POST", "/", body, &answer, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(answer, "number")), 3);
    assert_true(json_equal(json_object_get(answer, "body"), body));
    json_decref(answer);
    json_decref(body);
    client_close(client);
    fake_stop(&fake);

    fake_start(&fake, busy_for_long, NULL);
    client = open_client(&fake);
    assert_int_equal(client_call(client, "GET", "/", NULL, &answer, &err), ERR_BUSY);
    assert_string_equal(err.message, "reading the model");
    client_close(client);
    fake_stop(&fake);
}

/* Closes after each answer without having said so. */
static void hang_up(void *argument, const struct fake_request *request, struct buf *answer,
                    bool *ret_close)
{
    echo(argument, request, answer, ret_close);
    *ret_close = true;
}

static void a_connection_that_was_closed_while_idle_is_made_anew(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    fake_start(&fake, hang_up, NULL);
    struct client *client = open_client(&fake);
    for (int i = 1; i <= 5; i++) {
        json_t *answer;
        assert_int_equal(client_call(client, "GET", "/", NULL, &answer, &err), 0);
        json_decref(answer);
    }
    client_close(client);
    fake_stop(&fake);
}

static void say_nothing(void *argument, const struct fake_request *request, struct buf *answer,
                        bool *ret_close)
{
    (void)argument;
    (void)request;
    (void)answer;
    *ret_close = true;
}

static void cut_short(void *argument, const struct fake_request *request, struct buf *answer,
                      bool *ret_close)
{
    (void)argument;
    (void)request;
    buf_append_string(answer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":");
    *ret_close = true;
}

static void no_json(void *argument, const struct fake_request *request, struct buf *answer,
                    bool *ret_close)
{
    (void)argument;
    (void)request;
    (void)ret_close;
    fake_answer(answer, 200, "", "{\"a\":");
}

static void too_much(void *argument, const struct fake_request *request, struct buf *answer,
                     bool *ret_close)
{
    (void)argument;
    (void)request;
    (void)ret_close;
    fake_answer(answer, 200, "", "{}");
    buf_append_string(answer, "HTTP/1.1 200 OK\r\n\r\n");
}

static void a_broken_answer_is_an_error_and_not_a_hang(void **state)
{
    (void)state;
    static const struct {
        fake_serve serve;
        int code;
        const char *message;
    } cases[] = {
        {say_nothing, ERR_IO, "without an answer"},
        {cut_short, ERR_IO, "in the middle"},
        {no_json, ERR_CORRUPT, "not valid JSON"},
        {too_much, ERR_CORRUPT, "more than its answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_daemon fake;
        struct err err = {0};
        json_t *answer;
        fake_start(&fake, cases[i].serve, NULL);
        struct client *client = open_client(&fake);
        assert_int_equal(client_call(client, "GET", "/", NULL, &answer, &err), cases[i].code);
        assert_non_null(strstr(err.message, cases[i].message));
        client_close(client);
        fake_stop(&fake);
    }
}

static void keep_waiting(void *argument, const struct fake_request *request, struct buf *answer,
                         bool *ret_close)
{
    (void)argument;
    (void)request;
    (void)answer;
    (void)ret_close;
}

static void a_silent_daemon_is_given_up(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer;
    fake_start(&fake, keep_waiting, NULL);
    struct client_options options = {.socket = fake.path, .timeout_seconds = 0.2};
    struct client *client;
    assert_int_equal(client_open(&client, &options, &err), 0);
    assert_int_equal(client_call(client, "GET", "/", NULL, &answer, &err), ERR_BUSY);
    assert_non_null(strstr(err.message, "no answer from sbertd"));
    client_close(client);
    fake_stop(&fake);
}

static void an_interrupted_wait_ends(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer;
    volatile sig_atomic_t cancel = 0;
    fake_start(&fake, keep_waiting, NULL);
    struct client_options options = {
        .socket = fake.path, .timeout_seconds = 3600, .cancel = &cancel};
    struct client *client;
    assert_int_equal(client_open(&client, &options, &err), 0);
    assert_int_equal(client_send(client, "GET", "/", NULL, 0, &err), 0);
    cancel = SIGINT;
    assert_int_equal(client_receive(client, &answer, &err), ERR_CANCELLED);
    client_close(client);
    fake_stop(&fake);
}

static void a_large_body_reaches_a_daemon_that_reads_slowly(void **state)
{
    (void)state;
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer;
    struct buf body = {0};
    assert_int_equal(buf_append_byte(&body, '"'), 0);
    for (int i = 0; i < 1 << 20; i++)
        assert_int_equal(buf_append(&body, "0123456789", 10), 0);
    assert_int_equal(buf_append_byte(&body, '"'), 0);
    fake_start(&fake, refuse_by_name, NULL);
    struct client *client = open_client(&fake);
    assert_int_equal(client_send(client, "POST", "/", body.data, body.size, &err), 0);
    assert_int_equal(client_receive(client, &answer, &err), ERR_NOT_FOUND);
    client_close(client);
    fake_stop(&fake);
    buf_release(&body);
}

static void a_connection_with_half_a_request_on_it_carries_no_other(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    struct fake_daemon fake;
    struct err err = {0};
    json_t *answer;
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, ' ', SIZE);
    fake_start_as(&fake, refuse_by_name, NULL, true);
    struct client *client = open_client(&fake);
    assert_int_equal(client_send(client, "POST", "/1", text, SIZE, &err), 0);
    assert_int_equal(client_receive(client, &answer, &err), ERR_NOT_FOUND);
    assert_int_equal(client_send(client, "POST", "/2", text, SIZE, &err), 0);
    assert_int_equal(client_receive(client, &answer, &err), ERR_INVALID);
    client_close(client);
    fake_stop(&fake);
    free(text);
}

static void names_are_percent_encoded(void **state)
{
    (void)state;
    struct buf target = {0};
    assert_int_equal(client_encode(&target, "notes/a.txt:3 \xC3\xA9~_-"), 0);
    assert_string_equal(target.data, "notes%2Fa.txt%3A3%20%C3%A9~_-");
    buf_release(&target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_answers_are_json),
        cmocka_unit_test(a_missing_daemon_is_named_with_the_cure),
        cmocka_unit_test(errors_of_the_daemon_become_ours),
        cmocka_unit_test(a_busy_daemon_is_asked_again_for_a_bounded_time),
        cmocka_unit_test(a_connection_that_was_closed_while_idle_is_made_anew),
        cmocka_unit_test(a_broken_answer_is_an_error_and_not_a_hang),
        cmocka_unit_test(a_silent_daemon_is_given_up),
        cmocka_unit_test(an_interrupted_wait_ends),
        cmocka_unit_test(a_large_body_reaches_a_daemon_that_reads_slowly),
        cmocka_unit_test(a_connection_with_half_a_request_on_it_carries_no_other),
        cmocka_unit_test(names_are_percent_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
