/* Tests of how a request finds its route, and of the bounded queue that it then waits in. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "daemon/openapi.h"
#include "daemon/routes.h"
#include "daemon/service_queue.h"
#include "tests/test.h"

static struct service service;

/* Routes a request; the caller releases the call. */
static struct call routed(const char *method, const char *target, int *ret_r)
{
    struct call call = {.service = &service};
    *ret_r = call_route(&call, method, target);
    return call;
}

static void expect_route(const char *method, const char *target, const char *path)
{
    int r;
    struct call call = routed(method, target, &r);
    assert_int_equal(r, 0);
    assert_string_equal(call.route->path, path);
    call_release(&call);
}

static void expect_refused(const char *method, const char *target, int status, const char *part)
{
    int r;
    struct call call = routed(method, target, &r);
    assert_true(r < 0);
    assert_int_equal(call.status, status);
    assert_non_null(strstr(call.answer.data, part));
    call_release(&call);
}

/* Writes the path with `value` in the place of the variable; true where it has that. */
static bool fill_in(const char *path, const char *variable, const char *value, char target[128])
{
    const char *place = strstr(path, variable);
    int before = (int)(place ? (size_t)(place - path) : strlen(path));
    snprintf(target, 128, "%.*s%s%s", before, path, place ? value : "",
             place ? place + strlen(variable) : "");
    return place != NULL;
}

static void every_route_of_the_table_is_found(void **state)
{
    (void)state;
    size_t count;
    const struct route *table = routes_table(&count);
    for (size_t i = 0; i < count; i++) {
        char named[128], target[128];
        bool name = fill_in(table[i].path, "{name}", "notes", named);
        bool id = fill_in(named, "{id}", "x%2Fy", target);
        int r;
        struct call call = routed(table[i].method, target, &r);
        assert_int_equal(r, 0);
        assert_ptr_equal(call.route, &table[i]);
        if (name)
            assert_string_equal(call.name, "notes");
        if (id)
            assert_string_equal(call.id, "x/y");
        call_release(&call);
    }
}

static void the_openapi_document_has_exactly_the_routes_of_the_table(void **state)
{
    (void)state;
    size_t size, count, methods = 0;
    const char *text = openapi_document(&size), *path, *method;
    const struct route *table = routes_table(&count);
    json_t *document, *entry, *operation;
    struct err err;
    assert_int_equal(json_parse(&document, text, size, "openapi.json", &err), 0);
    json_t *paths = json_object_get(document, "paths");
    for (size_t i = 0; i < count; i++) {
        char key[8] = "";
        for (size_t k = 0; table[i].method[k]; k++)
            key[k] = (char)(table[i].method[k] | 0x20);
        assert_non_null(json_object_get(json_object_get(paths, table[i].path), key));
    }
    json_object_foreach(paths, path, entry)
    {
        json_object_foreach(entry, method, operation)
        {
            methods += strcmp(method, "parameters") != 0;
        }
    }
    assert_int_equal(methods, count);
    json_decref(document);
}

static void ids_may_hold_anything_that_is_encoded(void **state)
{
    (void)state;
    static const struct {
        const char *encoded, *id;
    } cases[] = {
        {"a%2Fb", "a/b"}, {"a+b", "a+b"},       {"%25", "%"},        {"%e6%97%A5", "\xe6\x97\xa5"},
        {"..", ".."},     {"delete", "delete"}, {"a%3Fb%23", "a?b#"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char target[128];
        int r;
        snprintf(target, sizeof target, "/v1/collections/c/documents/%s", cases[i].encoded);
        struct call call = routed("GET", target, &r);
        assert_int_equal(r, 0);
        assert_string_equal(call.id, cases[i].id);
        call_release(&call);
    }
}

static void what_is_badly_encoded_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%", "%2", "%2g", "%zz", "%00", "a%00b", "%ff", "%c3", "a%"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char target[128];
        snprintf(target, sizeof target, "/v1/collections/c/documents/%s", bad[i]);
        expect_refused("GET", target, 400, "\"param\":\"id\"");
    }
}

static void unknown_paths_and_methods_are_told_apart(void **state)
{
    (void)state;
    expect_refused("GET", "/v2/status", 404, "/v2/status");
    expect_refused("GET", "", 404, "no route");
    expect_refused("GET", "?x", 404, "no route");
    expect_refused("GET", "/v1/collections/", 404, "no route");
    expect_refused("GET", "/v1/collections/c/documents/a/b", 404, "no route");
    expect_refused("POST", "/health", 405, "GET, HEAD");
    expect_refused("POST", "/v1/collections/c", 405, "PUT, GET, HEAD, DELETE");
    expect_route("HEAD", "/health", "/health");
    expect_route("GET", "http://localhost/v1/status", "/v1/status");
    expect_route("GET", "/v1/collections/c/documents/delete",
                 "/v1/collections/{name}/documents/{id}");
}

static void query_parameters_are_known_decoded_and_single(void **state)
{
    (void)state;
    int r;
    struct call call =
        routed("GET", "/v1/collections/c/documents?after=a%26b&limit=3&&source=", &r);
    assert_int_equal(r, 0);
    assert_string_equal(call_parameter(&call, "after"), "a&b");
    assert_string_equal(call_parameter(&call, "limit"), "3");
    assert_string_equal(call_parameter(&call, "source"), "");
    call_release(&call);
    expect_refused("GET", "/v1/collections/c/documents?limit=1&limit=1", 400, "given twice");
    expect_refused("GET", "/v1/collections/c/documents?lim=1", 400, "\"param\":\"lim\"");
    expect_refused("GET", "/health?x", 400, "unknown query parameter");
}

static void an_unready_service_says_why(void **state)
{
    (void)state;
    struct call call = {.service = &service};
    atomic_store(&service.state, SERVICE_LOADING);
    assert_true(call_refuse_unready(&call));
    assert_int_equal(call.status, 503);
    assert_non_null(strstr(call.answer.data, "\"code\":\"loading\""));
    atomic_store(&service.state, SERVICE_STOPPING);
    assert_true(call_refuse_unready(&call));
    assert_non_null(strstr(call.answer.data, "\"code\":\"stopping\""));
    atomic_store(&service.state, SERVICE_READY);
    assert_false(call_refuse_unready(&call));
    call_release(&call);
}

/* --- the queue --- */

struct item {
    struct service_work work;
    pthread_mutex_t *gate; /* held by the test while items must wait */
    _Atomic int *done;
};

static void run_item(struct service_work *work)
{
    struct item *item = (struct item *)work;
    pthread_mutex_lock(item->gate);
    pthread_mutex_unlock(item->gate);
    atomic_fetch_add(item->done, 1);
}

static void a_full_queue_refuses_and_a_closing_one_finishes(void **state)
{
    (void)state;
    enum { CAPACITY = 5 };
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    _Atomic int done = 0;
    struct item items[64];
    struct service_queue *queue;
    struct err err = {0};
    int accepted = 0, r = 0;
    const struct service_queue_options options = {
        .name = "test", .least = 2, .most = 2, .capacity = CAPACITY};
    assert_int_equal(service_queue_open(&queue, &options, &err), 0);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 64 && r == 0; i++) {
        items[i] = (struct item){.work.run = run_item, .gate = &gate, .done = &done};
        r = service_queue_submit(queue, &items[i].work, &err);
        accepted += r == 0;
    }
    assert_int_equal(r, ERR_BUSY);
    assert_int_equal(service_queue_waiting(queue), CAPACITY);
    assert_in_range(accepted, CAPACITY, CAPACITY + 2);
    pthread_mutex_unlock(&gate);
    service_queue_close(queue);
    assert_int_equal(done, accepted);
}

struct meeting {
    struct service_work work;
    pthread_barrier_t *together;
};

static void run_meeting(struct service_work *work)
{
    pthread_barrier_wait(((struct meeting *)work)->together);
}

/* Each item waits for the others: with fewer threads none would end. */
static void a_queue_gets_more_threads_while_all_are_busy(void **state)
{
    (void)state;
    enum { MOST = 5 };
    pthread_barrier_t together;
    struct meeting items[MOST];
    struct service_queue *queue;
    struct err err = {0};
    const struct service_queue_options options = {
        .name = "test", .least = 1, .most = MOST, .niceness = 1, .capacity = MOST};
    assert_int_equal(service_queue_open(&queue, &options, &err), 0);
    pthread_barrier_init(&together, NULL, MOST);
    for (int i = 0; i < MOST; i++) {
        items[i] = (struct meeting){.work.run = run_meeting, .together = &together};
        assert_int_equal(service_queue_submit(queue, &items[i].work, &err), 0);
    }
    service_queue_close(queue);
    pthread_barrier_destroy(&together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_of_the_table_is_found),
        cmocka_unit_test(the_openapi_document_has_exactly_the_routes_of_the_table),
        cmocka_unit_test(ids_may_hold_anything_that_is_encoded),
        cmocka_unit_test(what_is_badly_encoded_is_refused),
        cmocka_unit_test(unknown_paths_and_methods_are_told_apart),
        cmocka_unit_test(query_parameters_are_known_decoded_and_single),
        cmocka_unit_test(an_unready_service_says_why),
        cmocka_unit_test(a_full_queue_refuses_and_a_closing_one_finishes),
        cmocka_unit_test(a_queue_gets_more_threads_while_all_are_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
