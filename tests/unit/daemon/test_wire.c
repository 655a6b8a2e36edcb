/* Tests of the bodies of requests, read, and of JSON, written. What a client sees of errors is in
 * tests/integration/test_protocol.py. */

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/wire.h"
#include "daemon/wire_field.h"
#include "daemon/wire_json.h"
#include "daemon/wire_limits.h"
#include "tests/test.h"

/* A body under test, and where things go wrong with it. */
struct body {
    json_t *json;
    struct arena arena;
    struct wire_fault fault;
};

static struct body body_of(const char *text)
{
    struct body body = {0};
    assert_int_equal(wire_parse(&body.json, text, strlen(text), "the request", &body.fault), 0);
    return body;
}

static void body_release(struct body *body)
{
    json_decref(body->json);
    arena_release(&body->arena);
}

static void expect_text(struct buf *buf, const char *expected)
{
    assert_string_equal(buf->data, expected);
    buf_release(buf);
}

/* --- writing --- */

static void a_writer_puts_commas_where_they_belong(void **state)
{
    (void)state;
    struct buf buf = {0};
    struct json_writer writer = {.buf = &buf};
    json_open(&writer, '{');
    json_member_string(&writer, "a", "x");
    json_key(&writer, "b");
    json_open(&writer, '[');
    json_put_integer(&writer, -7);
    json_put_bool(&writer, true);
    json_put_null(&writer);
    json_open(&writer, '[');
    json_close(&writer, ']');
    json_open(&writer, '{');
    json_close(&writer, '}');
    json_close(&writer, ']');
    json_member_string(&writer, "c", NULL);
    json_close(&writer, '}');
    json_line_end(&writer);
    json_put_integer(&writer, 1);
    assert_false(writer.failed);
    expect_text(&buf, "{\"a\":\"x\",\"b\":[-7,true,null,[],{}],\"c\":null}\n1");
}

static void any_text_becomes_valid_json(void **state)
{
    (void)state;
    struct buf buf = {0};
    struct json_writer writer = {.buf = &buf};
    json_text(&writer, "\"\\/\b\f\n\r\t\v\x01\x7f\0z", 13);
    expect_text(&buf, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u0001\\u007f\\u0000z\"");
    writer.comma = false;
    json_text(&writer, "a\xff\xc3z", 4);
    expect_text(&buf, "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
}

static void reals_are_as_short_as_reads_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {1, "1.0"},
                 {-0.0, "-0.0"},
                 {1e300, "1e+300"},
                 {1.0 / 3, "0.3333333333333333"},
                 {2.5, "2.5"},
                 {123456789, "123456789.0"},
                 {NAN, "null"},
                 {INFINITY, "null"},
                 {5e-324, "4.94065645841247e-324"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf buf = {0};
        struct json_writer writer = {.buf = &buf};
        json_put_real(&writer, cases[i].value);
        expect_text(&buf, cases[i].text);
    }
}

static void a_score_is_written_with_nine_digits(void **state)
{
    static const float edges[] = {0.1F,           0.5F,           -0.25F,          1,
                                  0.99999994F,    0.09999999F,    -0.99999994F,    0,
                                  0x1.99999ap-4F, 0x1.fffffcp-1F, 0x1.0000020p-1F, -1};
    uint32_t random = 12345;
    (void)state;
    for (size_t i = 0; i < 200000; i++) {
        struct buf buf = {0};
        struct json_writer writer = {.buf = &buf};
        char expected[40];
        random = random * 1664525 + 1013904223;
        float value =
            i < sizeof edges / sizeof *edges ? edges[i] : (float)(int32_t)random / 2147483648.0F;
        json_put_score(&writer, (double)value);
        snprintf(expected, sizeof expected, "%.9g", (double)value);
        assert_int_equal(buf.size, strlen(expected));
        assert_memory_equal(buf.data, expected, buf.size);
        buf_release(&buf);
    }
}

static void a_score_reads_back_to_the_same_float(void **state)
{
    (void)state;
    const float values[] = {0.1F, 1.0F / 3, FLT_MAX, FLT_MIN, -FLT_EPSILON, 0.73188311F};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf buf = {0};
        struct json_writer writer = {.buf = &buf};
        json_put_score(&writer, (double)values[i]);
        assert_true(strtof(buf.data, NULL) == values[i]);
        buf_release(&buf);
    }
}

static void canonical_json_is_the_same_whatever_the_order(void **state)
{
    (void)state;
    struct body one = body_of("{\"b\": [1, 2.50, \"x\"], \"a\": {\"d\": null, \"c\": true}}");
    struct body two = body_of("{\"a\":{\"c\":true,\"d\":null},\"b\":[1,2.5,\"\\u0078\"]}");
    struct buf buf = {0};
    struct json_writer writer = {.buf = &buf};
    json_put_value(&writer, one.json);
    expect_text(&buf, "{\"a\":{\"c\":true,\"d\":null},\"b\":[1,2.5,\"x\"]}");
    writer.comma = false;
    json_put_value(&writer, two.json);
    expect_text(&buf, "{\"a\":{\"c\":true,\"d\":null},\"b\":[1,2.5,\"x\"]}");
    body_release(&one);
    body_release(&two);
}

/* --- reading --- */

static void an_empty_body_is_an_empty_object(void **state)
{
    (void)state;
    struct body body = {0};
    assert_int_equal(wire_parse(&body.json, NULL, 0, "the request", &body.fault), 0);
    assert_int_equal(json_object_size(body.json), 0);
    body_release(&body);
}

static void broken_json_is_placed(void **state)
{
    (void)state;
    json_t *json;
    struct wire_fault fault;
    assert_int_equal(wire_parse(&json, "{\n \"a\": x}", 10, "the request", &fault), ERR_INVALID);
    assert_non_null(strstr(fault.err.message, "line 2 column"));
    assert_int_equal(wire_parse(&json, "[]", 2, "the request", &fault), ERR_INVALID);
    assert_string_equal(fault.err.message, "the request: must be a JSON object");
}

static void documents_are_read_whole(void **state)
{
    (void)state;
    struct body body = body_of(
        "{\"documents\": [{\"id\": \"a\", \"text\": \"x\\u0000y\", \"metadata\": {\"b\": 1, \"a\": "
        "2},"
        "\"vector\": [1, 2.5], \"source\": {\"path\": \"p\", \"line\": 3, \"byte_start\": 1, "
        "\"byte_end\": 9}}, {\"text\": \"\", \"id\": null}]}");
    struct wire_documents documents;
    assert_int_equal(wire_read_documents(body.json, &body.arena, &documents, &body.fault), 0);
    assert_int_equal(documents.count, 2);
    const struct engine_document *first = &documents.documents[0], *second = first + 1;
    assert_string_equal(first->id, "a");
    assert_int_equal(first->text_size, 3);
    assert_memory_equal(first->text, "x\0y", 3);
    assert_string_equal(first->metadata, "{\"a\":2,\"b\":1}");
    assert_int_equal(first->vector_size, 2);
    assert_true(first->vector[1] == 2.5F);
    assert_string_equal(first->source.path, "p");
    assert_int_equal(first->source.line, 3);
    assert_int_equal(first->source.byte_end, 9);
    assert_null(second->id);
    assert_null(second->metadata);
    assert_null(second->vector);
    assert_null(second->source.path);
    assert_int_equal(second->text_size, 0);
    body_release(&body);
}

static void a_fault_names_the_field(void **state)
{
    (void)state;
    struct body body =
        body_of("{\"documents\": [{\"text\": \"a\"}, {\"text\": \"b\", \"id\": 7}]}");
    struct wire_documents documents;
    assert_int_equal(wire_read_documents(body.json, &body.arena, &documents, &body.fault),
                     ERR_INVALID);
    assert_string_equal(body.fault.param, "documents[1].id");
    assert_string_equal(body.fault.err.message, "documents[1].id: must be a string");
    body_release(&body);
}

static void a_very_long_field_name_is_cut(void **state)
{
    (void)state;
    char text[2000] = "{\"";
    memset(text + 2, 'x', 1900);
    strcat(text, "\": 1}");
    struct body body = body_of(text);
    struct wire_search search;
    assert_int_equal(wire_read_search(body.json, &body.arena, &search, &body.fault), ERR_INVALID);
    assert_true(strlen(body.fault.param) < sizeof body.fault.param);
    body_release(&body);
}

static void a_vector_comes_as_numbers_or_base64(void **state)
{
    (void)state;
    const float vector[] = {1.5F, -2, 1e-30F};
    struct body body = body_of("{}");
    const float *read;
    size_t count;
    char *text = wire_base64(vector, 3, &body.arena);
    assert_string_equal(text, "AADAPwAAAMBgQqIN");
    json_t *coded = json_string(text);
    assert_int_equal(wire_vector(coded, "v", &body.arena, &read, &count, &body.fault), 0);
    assert_int_equal(count, 3);
    assert_memory_equal(read, vector, sizeof vector);
    json_decref(coded);
    json_t *numbers = json_pack("[f, i]", 0.5, 3);
    assert_int_equal(wire_vector(numbers, "v", &body.arena, &read, &count, &body.fault), 0);
    assert_int_equal(count, 2);
    assert_true(read[0] == 0.5F && read[1] == 3);
    json_decref(numbers);
    body_release(&body);
}

static void bad_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "AAA",
                                      "AAAA",
                                      "A===",
                                      "AAAAAA=A",
                                      "AADAPw=",
                                      "====",
                                      "AADA Pw==",
                                      "AADA\nw==",
                                      "AADAf*==",
                                      "AACAfw==" /* infinity */,
                                      "AADAfw==" /* not a number */};
    struct body body = body_of("{}");
    const float *read;
    size_t count;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *coded = json_string(bad[i]);
        assert_int_equal(wire_vector(coded, "v", &body.arena, &read, &count, &body.fault),
                         ERR_INVALID);
        json_decref(coded);
    }
    body_release(&body);
}

static void a_search_takes_one_kind_of_query(void **state)
{
    (void)state;
    struct wire_search search;
    struct body body = body_of("{\"queries\": [\"a\", \"bc\"], \"min_score\": 0.5}");
    assert_int_equal(wire_read_search(body.json, &body.arena, &search, &body.fault), 0);
    assert_true(search.list);
    assert_int_equal(search.count, 2);
    assert_int_equal(search.queries[1].text_size, 2);
    assert_int_equal(search.options.top_k, DEFAULT_TOP_K);
    assert_true(search.options.has_min_score && search.options.min_score == 0.5);
    body_release(&body);
    body = body_of("{\"query\": \"a\", \"vector\": [1]}");
    assert_int_equal(wire_read_search(body.json, &body.arena, &search, &body.fault), ERR_INVALID);
    body_release(&body);
}

static void a_second_stage_has_a_model_and_candidates(void **state)
{
    (void)state;
    struct wire_search search;
    struct body body = body_of("{\"query\": \"a\", \"rerank\": {\"model\": \"m\"}}");
    assert_int_equal(wire_read_search(body.json, &body.arena, &search, &body.fault), 0);
    assert_string_equal(search.rerank.model, "m");
    assert_int_equal(search.rerank.candidates, 0);
    body_release(&body);
    body = body_of("{\"query\": \"a\", \"rerank\": {\"model\": \"m\", \"candidates\": 0}}");
    assert_int_equal(wire_read_search(body.json, &body.arena, &search, &body.fault), ERR_INVALID);
    assert_string_equal(body.fault.param, "rerank.candidates");
    body_release(&body);
}

static void embeddings_take_a_text_or_many(void **state)
{
    (void)state;
    struct wire_embeddings request;
    struct body body = body_of("{\"input\": \"abc\", \"encoding_format\": \"base64\"}");
    assert_int_equal(wire_read_embeddings(body.json, &body.arena, &request, &body.fault), 0);
    assert_int_equal(request.count, 1);
    assert_int_equal(request.texts[0].size, 3);
    assert_true(request.base64);
    body_release(&body);
    body = body_of("{\"input\": [1, 2]}");
    assert_int_equal(wire_read_embeddings(body.json, &body.arena, &request, &body.fault),
                     ERR_UNSUPPORTED);
    body_release(&body);
}

static void the_source_of_a_similarity_comes_first(void **state)
{
    (void)state;
    struct wire_similarity request;
    struct body body = body_of("{\"texts\": [\"b\", \"cc\"], \"source\": \"aaa\"}");
    assert_int_equal(wire_read_similarity(body.json, &body.arena, &request, &body.fault), 0);
    assert_int_equal(request.count, 3);
    assert_int_equal(request.texts[0].size, 3);
    assert_int_equal(request.texts[2].size, 2);
    body_release(&body);
}

static void a_collection_s_settings_are_words(void **state)
{
    (void)state;
    struct engine_collection_options options;
    struct body body = body_of("{\"metric\": \"l2\", \"index\": \"hnsw\", \"dimension\": 5}");
    assert_int_equal(wire_read_collection(body.json, &body.arena, &options, &body.fault), 0);
    assert_string_equal(options.metric, "l2");
    assert_string_equal(options.index, "hnsw");
    assert_int_equal(options.dimension, 5);
    assert_null(options.model);
    body_release(&body);
    body = body_of("{\"metric\": \"L2\"}");
    assert_int_equal(wire_read_collection(body.json, &body.arena, &options, &body.fault),
                     ERR_INVALID);
    assert_non_null(strstr(body.fault.err.message, "\"cosine\", \"dot\" or \"l2\""));
    body_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_writer_puts_commas_where_they_belong),
        cmocka_unit_test(any_text_becomes_valid_json),
        cmocka_unit_test(reals_are_as_short_as_reads_back),
        cmocka_unit_test(a_score_is_written_with_nine_digits),
        cmocka_unit_test(a_score_reads_back_to_the_same_float),
        cmocka_unit_test(canonical_json_is_the_same_whatever_the_order),
        cmocka_unit_test(an_empty_body_is_an_empty_object),
        cmocka_unit_test(broken_json_is_placed),
        cmocka_unit_test(documents_are_read_whole),
        cmocka_unit_test(a_fault_names_the_field),
        cmocka_unit_test(a_very_long_field_name_is_cut),
        cmocka_unit_test(a_vector_comes_as_numbers_or_base64),
        cmocka_unit_test(bad_base64_is_refused),
        cmocka_unit_test(a_search_takes_one_kind_of_query),
        cmocka_unit_test(a_second_stage_has_a_model_and_candidates),
        cmocka_unit_test(embeddings_take_a_text_or_many),
        cmocka_unit_test(the_source_of_a_similarity_comes_first),
        cmocka_unit_test(a_collection_s_settings_are_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
