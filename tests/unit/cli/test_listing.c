/* Tests of choosing a model's files from the hub's listing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/listing.h"
#include "tests/test.h"

#define HUB "somebody/some-model"
#define SHA "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

static void expect_files(const char *json, const char *const *paths)
{
    struct listing listing;
    struct err err = {0};
    size_t count = 0;

    if (listing_parse(&listing, HUB, NULL, json, strlen(json), &err) < 0)
        fail_msg("%s", err.message);
    for (; paths[count]; count++) {
        assert_true(count < listing.model.file_count);
        assert_string_equal(listing.model.files[count].path, paths[count]);
    }
    assert_int_equal(listing.model.file_count, count);
    listing_release(&listing);
}

static void expect_error(const char *json, int code, const char *said)
{
    struct listing listing;
    struct err err = {0};

    assert_int_equal(listing_parse(&listing, HUB, NULL, json, strlen(json), &err), code);
    if (!strstr(err.message, said))
        fail_msg("%s", err.message);
}

static void the_needed_files_are_taken_with_size_and_hash(void **state)
{
    (void)state;
    static const char json[] =
        "[{\"type\":\"directory\",\"path\":\"1_Pooling\",\"size\":0},"
        "{\"type\":\"file\",\"path\":\"README.md\",\"size\":10},"
        "{\"type\":\"file\",\"path\":\"config.json\",\"size\":612,\"oid\":\"x\"},"
        "{\"type\":\"file\",\"path\":\"model.safetensors\",\"size\":90868376,"
        "\"lfs\":{\"oid\":\"" SHA "\",\"size\":90868376}}]";
    struct listing listing;
    struct err err = {0};

    assert_int_equal(listing_parse(&listing, HUB, NULL, json, strlen(json), &err), 0);
    assert_string_equal(listing.model.name, "some-model");
    assert_string_equal(listing.model.hub_name, HUB);
    assert_int_equal(listing.model.file_count, 2);
    assert_int_equal(listing.model.files[0].size, 612);
    assert_null(listing.model.files[0].sha256);
    assert_int_equal(listing.model.files[1].size, 90868376);
    assert_string_equal(listing.model.files[1].sha256, SHA);
    listing_release(&listing);
}

static void what_is_not_read_or_leads_elsewhere_is_left(void **state)
{
    (void)state;
    static const char *const paths[] = {"config.json", "0_Transformer/model.safetensors",
                                        "1_Pooling/config.json", "sentence_bert_config.json", NULL};
    expect_files("[{\"path\":\"config.json\",\"size\":1},"
                 "{\"path\":\"onnx/config.json\",\"size\":1},"
                 "{\"path\":\"openvino/model.safetensors\",\"size\":1},"
                 "{\"path\":\"../config.json\",\"size\":1},"
                 "{\"path\":\"/etc/config.json\",\"size\":1},"
                 "{\"path\":\"1_../config.json/config.json\",\"size\":1},"
                 "{\"path\":\"2_x y/config.json\",\"size\":1},"
                 "{\"path\":\"pytorch_model.bin\",\"size\":1},"
                 "{\"path\":\"other.safetensors\",\"size\":1},"
                 "{\"path\":\"0_Transformer/model.safetensors\",\"size\":1},"
                 "{\"path\":\"1_Pooling/config.json\",\"size\":1},"
                 "{\"path\":\"sentence_bert_config.json\",\"size\":1}]",
                 paths);
}

static void shards_are_taken_where_the_weights_are_not_whole(void **state)
{
    (void)state;
    static const char *const shards[] = {"config.json", "model.safetensors.index.json",
                                         "model-00001-of-00002.safetensors",
                                         "model-00002-of-00002.safetensors", NULL};
    static const char *const whole[] = {"config.json", "model.safetensors", NULL};
#define SHARDS                                                                                     \
    "{\"path\":\"config.json\",\"size\":1},{\"path\":\"model.safetensors.index.json\",\"size\":1}" \
    ","                                                                                            \
    "{\"path\":\"model-00001-of-00002.safetensors\",\"size\":1},"                                  \
    "{\"path\":\"model-00002-of-00002.safetensors\",\"size\":1}"
    expect_files("[" SHARDS "]", shards);
    expect_files("[" SHARDS ",{\"path\":\"model.safetensors\",\"size\":1}]", whole);
}

static void a_pickle_alone_is_refused_with_how_to_convert_it(void **state)
{
    (void)state;
    expect_error("[{\"path\":\"config.json\",\"size\":1},"
                 "{\"path\":\"pytorch_model.bin\",\"size\":1}]",
                 ERR_UNSUPPORTED, "save_pretrained");
    expect_error("[{\"path\":\"config.json\",\"size\":1}]", ERR_UNSUPPORTED, "no safetensors");
    expect_error("[]", ERR_NOT_FOUND, "config.json");
}

static void what_is_no_listing_is_refused(void **state)
{
    (void)state;
    expect_error("{\"error\":\"x\"}", ERR_CORRUPT, "no list");
    expect_error("<html>", ERR_INVALID, "the hub's listing");
    expect_error("[{\"path\":\"config.json\"}]", ERR_CORRUPT, "no size");
    expect_error("[{\"path\":\"config.json\",\"size\":-1}]", ERR_CORRUPT, "no size");
    expect_error("[{\"path\":\"model.safetensors\",\"size\":1,\"lfs\":{\"oid\":\"12\"}}]",
                 ERR_CORRUPT, "no SHA-256");
    expect_error("[1,null,\"x\"]", ERR_NOT_FOUND, "config.json");
}

static void a_hub_name_is_an_owner_and_a_name(void **state)
{
    (void)state;
    assert_true(listing_is_hub_name("BAAI/bge-small-en-v1.5"));
    static const char *const others[] = {"name",   "/name",   "owner/",     "a/b/c",
                                         "./name", "../name", "owner/.git", "a b/c",
                                         "a/b?c",  "",        "owner/na\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(listing_is_hub_name(others[i]));
}

static void expect_next(const char *links, const char *address)
{
    char *next = listing_next(links);
    if (address)
        assert_string_equal(next, address);
    else
        assert_null(next);
    free(next);
}

static void a_link_says_where_a_listing_goes_on(void **state)
{
    (void)state;
    expect_next("<https://hub/a?cursor=b>; rel=\"next\"", "https://hub/a?cursor=b");
    expect_next("</a>; rel=\"prev\", </b>; title=\"x\"; rel=\"next\"", "/b");
    expect_next("</a>; rel=\"next\", </b>; rel=\"last\"", "/a");
    expect_next("", NULL);
    expect_next("</a>; rel=\"prev\"", NULL);
    expect_next("</a", NULL);
    expect_next("rel=\"next\"; </a>", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_needed_files_are_taken_with_size_and_hash),
        cmocka_unit_test(what_is_not_read_or_leads_elsewhere_is_left),
        cmocka_unit_test(shards_are_taken_where_the_weights_are_not_whole),
        cmocka_unit_test(a_pickle_alone_is_refused_with_how_to_convert_it),
        cmocka_unit_test(what_is_no_listing_is_refused),
        cmocka_unit_test(a_hub_name_is_an_owner_and_a_name),
        cmocka_unit_test(a_link_says_where_a_listing_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
