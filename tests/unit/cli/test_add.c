/* Tests of adding: batches, what the daemon refuses, what vanished from a file. The fake daemon
 * keeps ids with their sources as the real one does, and refuses texts that begin with "bad" (by
 * their place) or "worse" (without saying which). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/index/add.h"
#include "cli/index/batch.h"
#include "cli/index/idset.h"
#include "tests/test.h"
#include "tests/unit/cli/fake_daemon.h"

/* What the fake daemon holds: an object of id -> source (or null). */
struct shelf {
    json_t *documents;
    int adds, largest; /* requests to add, and the most documents in one */
    int busy;          /* so many adds are answered with 503 first */
    int fail_after;    /* 0: never; after so many adds the disk is full */
};

static bool begins(const json_t *document, const char *prefix)
{
    const char *text = json_string_value(json_object_get(document, "text"));
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Refuses the request where a document wants it; true if so. */
static bool shelf_refuses(const json_t *documents, struct buf *answer)
{
    char body[256];
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *document = json_array_get(documents, i);
        if (begins(document, "bad")) {
            snprintf(body, sizeof body,
                     "{\"error\": {\"code\": \"invalid\", \"message\": \"bad text\", \"param\": "
                     "\"documents[%zu].text\"}}",
                     i);
            fake_answer(answer, 400, "", body);
            return true;
        }
        if (begins(document, "worse")) {
            fake_answer(answer, 413, "",
                        "{\"error\": {\"code\": \"limit\", \"message\": \"too large\"}}");
            return true;
        }
    }
    return false;
}

static void shelf_add(struct shelf *shelf, const json_t *documents, struct buf *answer)
{
    json_t *ids = json_array();
    int added = 0, unchanged = 0;
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *document = json_array_get(documents, i);
        const char *id = json_string_value(json_object_get(document, "id"));
        const json_t *source = json_object_get(json_object_get(document, "source"), "path");
        id = id ? id : json_string_value(json_object_get(document, "text"));
        *(json_object_get(shelf->documents, id) ? &unchanged : &added) += 1;
        json_object_set_new(shelf->documents, id, source ? json_deep_copy(source) : json_null());
        json_array_append_new(ids, json_string(id));
    }
    json_t *body = json_pack("{s:i, s:i, s:i, s:i, s:o}", "added", added, "replaced", 0,
                             "unchanged", unchanged, "truncated", 0, "ids", ids);
    char *text = json_dumps(body, 0);
    fake_answer(answer, 200, "", text);
    free(text);
    json_decref(body);
}

/* Two documents a page, so that there are pages. */
static void shelf_list(const struct shelf *shelf, const char *line, struct buf *answer)
{
    const char *after = strstr(line, "&after="), *id, *last = NULL;
    char *from = after ? strndup(after + 7, strcspn(after + 7, " &")) : NULL;
    json_t *documents = json_array(), *value;
    char *text = json_dumps(shelf->documents, JSON_SORT_KEYS);
    json_t *sorted = json_loads(text, 0, NULL);
    free(text);
    json_object_foreach(sorted, id, value)
    {
        if (!json_is_string(value) || (from && strcmp(id, from) <= 0))
            continue;
        if (json_array_size(documents) == 2)
            break;
        json_array_append_new(documents, json_pack("{s:s}", "id", id));
        last = id;
    }
    json_t *body = json_pack("{s:o, s:s?}", "documents", documents, "next",
                             json_array_size(documents) == 2 ? last : NULL);
    text = json_dumps(body, 0);
    fake_answer(answer, 200, "", text);
    free(text);
    free(from);
    json_decref(body);
    json_decref(sorted);
}

static void shelf_delete(struct shelf *shelf, const json_t *ids, struct buf *answer)
{
    char body[64];
    int deleted = 0;
    for (size_t i = 0; i < json_array_size(ids); i++)
        deleted +=
            json_object_del(shelf->documents, json_string_value(json_array_get(ids, i))) == 0;
    snprintf(body, sizeof body, "{\"deleted\": %d}", deleted);
    fake_answer(answer, 200, "", body);
}

static void shelf_serve(void *argument, const struct fake_request *request, struct buf *answer,
                        bool *ret_close)
{
    struct shelf *shelf = argument;
    json_t *body = json_loadb(request->body, request->size, 0, NULL);
    const json_t *documents = json_object_get(body, "documents");
    (void)ret_close;
    if (strstr(request->line, "/documents/delete ")) {
        shelf_delete(shelf, json_object_get(body, "ids"), answer);
    } else if (strstr(request->line, "GET /v1/collections/default/documents?")) {
        shelf_list(shelf, request->line, answer);
    } else if (strncmp(request->line, "GET ", 4) == 0) {
        fake_answer(answer, 404, "",
                    "{\"error\": {\"code\": \"not_found\", \"message\": \"not there\"}}");
    } else if (shelf->busy-- > 0) {
        fake_answer(answer, 503, "Retry-After: 0\r\n", "{}");
    } else if (shelf->fail_after && shelf->adds >= shelf->fail_after) {
        fake_answer(answer, 507, "",
                    "{\"error\": {\"code\": \"no_space\", \"message\": \"the disk is full\"}}");
    } else if (!shelf_refuses(documents, answer)) {
        shelf->adds++;
        if ((int)json_array_size(documents) > shelf->largest)
            shelf->largest = (int)json_array_size(documents);
        shelf_add(shelf, documents, answer);
    }
    json_decref(body);
}

/* A daemon, a folder with one file in it, and the options to add that. */
struct bench {
    struct fake_daemon fake;
    bool running;
    struct shelf shelf;
    char file[96];
    struct add_options options;
    struct client_options client;
    struct add_summary summary;
    struct err err;
};

static void set_up(struct bench *bench)
{
    *bench = (struct bench){.shelf.documents = json_object(), .running = true};
    fake_start(&bench->fake, shelf_serve, &bench->shelf);
    snprintf(bench->file, sizeof bench->file, "%s/file.txt", bench->fake.folder);
    bench->options = (struct add_options){
        .collection = "default", .batch = 4, .max_refused = UINT64_MAX, .quiet = true};
    bench->client = (struct client_options){
        .socket = bench->fake.path, .timeout_seconds = 10, .retry_seconds = 10};
}

static void tear_down(struct bench *bench)
{
    unlink(bench->file);
    if (bench->running)
        fake_stop(&bench->fake);
    json_decref(bench->shelf.documents);
}

static int add_text(struct bench *bench, const char *text)
{
    struct folder_file file = {.path = bench->file, .size = strlen(text)};
    struct folder_files files = {.files = &file, .count = 1};
    assert_int_equal(file_write(bench->file, text, strlen(text), 0600, &bench->err), 0);
    bench->summary = (struct add_summary){0};
    return add_files(&files, &bench->options, &bench->client, &bench->summary, &bench->err);
}

static void expect_shelf(const struct bench *bench, const char *ids)
{
    struct buf found = {0};
    const char *id;
    json_t *value;
    char *text = json_dumps(bench->shelf.documents, JSON_SORT_KEYS);
    json_t *sorted = json_loads(text, 0, NULL);
    json_object_foreach(sorted, id, value) buf_printf(&found, "%s%s", found.size ? " " : "", id);
    assert_string_equal(found.data ? found.data : "", ids);
    buf_release(&found);
    json_decref(sorted);
    free(text);
}

static void every_line_of_a_file_arrives_in_batches(void **state)
{
    (void)state;
    struct bench bench;
    struct buf text = {0};
    set_up(&bench);
    for (int i = 0; i < 103; i++)
        buf_printf(&text, "line %d\n", i);
    assert_int_equal(add_text(&bench, text.data), 0);
    assert_int_equal(bench.summary.added, 103);
    assert_int_equal(bench.summary.found, 103);
    assert_int_equal(json_object_size(bench.shelf.documents), 103);
    assert_int_equal(bench.shelf.adds, 26);
    assert_int_equal(bench.shelf.largest, 4);
    assert_int_equal(add_text(&bench, text.data), 0);
    assert_int_equal(bench.summary.unchanged, 103);
    buf_release(&text);
    tear_down(&bench);
}

static void what_vanished_from_a_file_is_removed(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    assert_int_equal(add_text(&bench, "a\nb\nc\nd\ne\nf\ng\n"), 0);
    assert_int_equal(add_text(&bench, "b\ne\nnew\n"), 0);
    assert_int_equal(bench.summary.removed, 5);
    assert_int_equal(bench.summary.added, 1);
    expect_shelf(&bench, "b e new");
    assert_int_equal(add_text(&bench, ""), 0);
    assert_int_equal(bench.summary.removed, 3);
    expect_shelf(&bench, "");
    tear_down(&bench);
}

static void nothing_is_removed_after_a_refusal_or_where_it_is_to_be_kept(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    assert_int_equal(add_text(&bench, "a\nb\n"), 0);
    assert_int_equal(add_text(&bench, "c\nbad\n"), 0);
    assert_int_equal(bench.summary.removed, 0);
    assert_int_equal(add_text(&bench, "c\n\xFF\n"), 0);
    assert_int_equal(bench.summary.refused, 1);
    bench.options.keep = true;
    assert_int_equal(add_text(&bench, "d\n"), 0);
    expect_shelf(&bench, "a b c d");
    bench.options.keep = false;
    bench.options.no_source = true;
    assert_int_equal(add_text(&bench, "e\n"), 0);
    expect_shelf(&bench, "a b c d e");
    tear_down(&bench);
}

static void a_document_the_daemon_names_is_left_out_and_the_rest_added(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    assert_int_equal(add_text(&bench, "a\nbad 1\nbad 2\nb\nbad 3\nc\n"), 0);
    assert_int_equal(bench.summary.refused, 3);
    assert_int_equal(bench.summary.added, 3);
    expect_shelf(&bench, "a b c");
    tear_down(&bench);
}

static void a_document_the_daemon_does_not_name_is_found_by_halving(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    bench.options.batch = 64;
    assert_int_equal(add_text(&bench, "a\nb\nc\nd\nworse 1\ne\nf\nbad 2\ng\nworse 3\n"), 0);
    assert_int_equal(bench.summary.refused, 3);
    expect_shelf(&bench, "a b c d e f g");
    tear_down(&bench);
}

static void too_many_refusals_end_it(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    bench.options.max_refused = 2;
    assert_int_equal(add_text(&bench, "a\n\xFF\n\xFF\n\xFF\nb\n"), ERR_LIMIT);
    assert_string_equal(bench.err.message, "2 refused, giving up");
    tear_down(&bench);
}

static void a_busy_daemon_gets_the_same_batch_again(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    bench.shelf.busy = 5;
    assert_int_equal(add_text(&bench, "a\nb\nc\nd\ne\nf\ng\nh\ni\n"), 0);
    assert_int_equal(bench.summary.added, 9);
    tear_down(&bench);
}

static void a_full_disk_ends_it_and_what_was_acknowledged_is_counted(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    bench.shelf.fail_after = 2;
    assert_int_equal(add_text(&bench, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\n"), ERR_NO_SPACE);
    assert_string_equal(bench.err.message, "the disk is full");
    /* Requests were under way beside the one that failed: whether they were taken is open. */
    unlink(bench.file);
    fake_stop(&bench.fake);
    bench.running = false;
    assert_in_range(json_object_size(bench.shelf.documents), bench.summary.added, 8);
    tear_down(&bench);
}

static void an_interrupted_add_stops(void **state)
{
    (void)state;
    struct bench bench;
    volatile sig_atomic_t cancel = SIGINT;
    set_up(&bench);
    bench.options.cancel = &cancel;
    assert_int_equal(add_text(&bench, "a\nb\n"), ERR_CANCELLED);
    assert_int_equal(bench.summary.added, 0);
    tear_down(&bench);
}

static void another_collection_must_be_there(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    bench.options.collection = "notes";
    assert_int_equal(add_text(&bench, "a\n"), ERR_NOT_FOUND);
    assert_non_null(strstr(bench.err.message, "sbert-index collections create notes"));
    tear_down(&bench);
}

static void a_body_holds_the_documents_that_are_not_refused(void **state)
{
    (void)state;
    struct batch batch = {0};
    struct buf body = {0};
    struct err err = {0};
    size_t count;
    const char *texts[] = {"a", "b\"", "c"};
    for (size_t i = 0; i < 3; i++) {
        struct input_document document = {
            .text = texts[i], .text_size = strlen(texts[i]), .line = i + 1};
        assert_int_equal(batch_add(&batch, &document, i == 2 ? "/f" : NULL, NULL, &err), 0);
    }
    batch.documents[0].refused = true;
    assert_int_equal(batch_body(&batch, 0, 3, &body, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(body.data, "{\"documents\":[{\"text\":\"b\\\"\"},{\"text\":\"c\","
                                   "\"source\":{\"path\":\"/f\",\"line\":3}}]}");
    assert_int_equal(batch_find(&batch, 0, 3, 0), 1);
    assert_int_equal(batch_find(&batch, 0, 3, 2), SIZE_MAX);
    batch_release(&batch);
    buf_release(&body);
}

static void a_set_has_what_was_added_and_nothing_else(void **state)
{
    (void)state;
    struct idset set = {0};
    char id[32];
    assert_false(idset_has(&set, "id 0"));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 10000; i++) {
            snprintf(id, sizeof id, "id %d", i);
            assert_int_equal(idset_add(&set, id), 0);
        }
    assert_int_equal(set.count, 10000);
    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "id %d", i);
        assert_int_equal(idset_has(&set, id), i < 10000);
    }
    idset_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_of_a_file_arrives_in_batches),
        cmocka_unit_test(what_vanished_from_a_file_is_removed),
        cmocka_unit_test(nothing_is_removed_after_a_refusal_or_where_it_is_to_be_kept),
        cmocka_unit_test(a_document_the_daemon_names_is_left_out_and_the_rest_added),
        cmocka_unit_test(a_document_the_daemon_does_not_name_is_found_by_halving),
        cmocka_unit_test(too_many_refusals_end_it),
        cmocka_unit_test(a_busy_daemon_gets_the_same_batch_again),
        cmocka_unit_test(a_full_disk_ends_it_and_what_was_acknowledged_is_counted),
        cmocka_unit_test(an_interrupted_add_stops),
        cmocka_unit_test(another_collection_must_be_there),
        cmocka_unit_test(a_body_holds_the_documents_that_are_not_refused),
        cmocka_unit_test(a_set_has_what_was_added_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
