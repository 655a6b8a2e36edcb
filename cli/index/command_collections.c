/* sbert-index stats and collections: what is there, and making and dropping it. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/index/command.h"
#include "cli/index/fields.h"
#include "cli/index/pages.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "daemon/wire_limits.h"

enum { OPTION_MODEL = 256, OPTION_DIMENSION, OPTION_METRIC, OPTION_INDEX, OPTION_FIELD };

static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};

static uint64_t number_of(const json_t *object, const char *field)
{
    json_int_t value = json_integer_value(json_object_get(object, field));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *string_of(const json_t *object, const char *field)
{
    const char *value = json_string_value(json_object_get(object, field));
    return value ? value : "none";
}

static int call_collection(struct client *client, const char *method, const char *name,
                           const json_t *body, json_t **ret_json, struct err *err)
{
    struct buf target = {0};
    int r = pages_target(&target, name, "");
    if (r < 0)
        err_memory(err, "the request");
    else
        r = client_call(client, method, target.data, body, ret_json, err);
    buf_release(&target);
    return r;
}

/* --- stats --- */

static void print_stats(const json_t *collection, const json_t *status)
{
    const json_t *index = json_object_get(collection, "index");
    char a[NUMBER_SIZE], b[NUMBER_SIZE];
    printf("collection  %s\n", string_of(collection, "name"));
    printf("model       %s (%s, %" PRIu64 " dimensions, %s)\n", string_of(collection, "model"),
           string_of(collection, "precision"), number_of(collection, "dimension"),
           string_of(collection, "metric"));
    printf("documents   %s\n", number_count(a, number_of(collection, "documents")));
    printf("passages    %s\n", number_count(a, number_of(collection, "passages")));
    printf("index       %s (%s), %s vectors, %s\n", string_of(index, "kind"),
           string_of(index, "setting"), number_count(a, number_of(index, "vectors")),
           number_bytes(b, number_of(index, "bytes")));
    printf("daemon      sbertd %s, process %" PRIu64 ", up %s, %s of memory\n",
           string_of(status, "version"), number_of(status, "pid"),
           number_duration(a, json_number_value(json_object_get(status, "uptime_s"))),
           number_bytes(b, number_of(status, "memory_bytes")));
    printf("data        %s\n", string_of(status, "data_folder"));
}

static error_t parse_stats(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    if (key == ARGP_KEY_INIT)
        command_common_init(state, state->input);
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "stats takes no argument");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static int show_stats(struct client *client, void *argument, struct err *err)
{
    const struct command_common *common = argument;
    json_t *collection = NULL, *status = NULL;
    int r = call_collection(client, "GET", common->collection, NULL, &collection, err);
    if (r == 0)
        r = client_call(client, "GET", "/v1/status", NULL, &status, err);
    if (r == 0 && common->json) {
        json_t *both = json_pack("{s:O, s:O}", "collection", collection, "status", status);
        r = command_print_json(both, err);
        json_decref(both);
    } else if (r == 0) {
        print_stats(collection, status);
    }
    json_decref(collection);
    json_decref(status);
    return r;
}

int sbert_index_stats(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        NULL,     parse_stats, "",  "Shows a collection's numbers and the daemon's.",
        children, NULL,        NULL};
    argp_parse(&parser, argc, argv, 0, NULL, &common);
    return command_main(&common, NULL, show_stats, &common);
}

/* --- collections --- */

struct arguments {
    struct command_common common;
    const char *action, *name;
    const char *model, *metric, *index;
    unsigned long dimension;
    json_t *fields;
};

static void check_action(const struct arguments *arguments, struct argp_state *state)
{
    if (!arguments->action)
        return;
    if (strcmp(arguments->action, "create") != 0 && strcmp(arguments->action, "drop") != 0)
        argp_error(state, "there are create and drop, not %s", arguments->action);
    if (!arguments->name)
        argp_error(state, "%s what?", arguments->action);
}

static error_t parse_collections(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        return 0;
    case OPTION_MODEL:
        arguments->model = argument;
        return 0;
    case OPTION_DIMENSION:
        arguments->dimension = command_count(state, argument, LIMIT_DIMENSION);
        return 0;
    case OPTION_METRIC:
        arguments->metric = argument;
        return 0;
    case OPTION_INDEX:
        arguments->index = argument;
        return 0;
    case OPTION_FIELD:
        fields_parse(state, argument, &arguments->fields);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->name)
            argp_error(state, "one collection at a time");
        *(arguments->action ? &arguments->name : &arguments->action) = argument;
        return 0;
    case ARGP_KEY_END:
        check_action(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int list_collections(struct client *client, const struct arguments *arguments,
                            struct err *err)
{
    json_t *answer = NULL;
    int r = client_call(client, "GET", "/v1/collections", NULL, &answer, err);
    if (r < 0)
        return r;
    const json_t *list = json_object_get(answer, "collections");
    for (size_t i = 0; i < json_array_size(list) && r == 0; i++) {
        const json_t *collection = json_array_get(list, i);
        const json_t *index = json_object_get(collection, "index");
        if (arguments->common.json)
            r = command_print_json(collection, err);
        else
            printf("%s\t%" PRIu64 "\t%s\t%s\n", string_of(collection, "name"),
                   number_of(collection, "documents"), string_of(collection, "model"),
                   string_of(index, "kind"));
    }
    json_decref(answer);
    return r;
}

static int create(struct client *client, const struct arguments *arguments, struct err *err)
{
    json_t *answer = NULL;
    json_t *body = json_pack("{s:s*, s:s*, s:s*}", "model", arguments->model, "metric",
                             arguments->metric, "index", arguments->index);
    if (!body ||
        (arguments->dimension > 0 &&
         json_object_set_new(body, "dimension", json_integer((json_int_t)arguments->dimension)) <
             0) ||
        (arguments->fields && json_object_set(body, "fields", arguments->fields) < 0)) {
        json_decref(body);
        return err_memory(err, "the request");
    }
    int r = call_collection(client, "PUT", arguments->name, body, &answer, err);
    if (r == 0 && arguments->common.json)
        r = command_print_json(answer, err);
    else if (r == 0 && !arguments->common.quiet)
        printf("%s %s\n", arguments->name,
               client_status(client) == 201 ? "created" : "is there already");
    json_decref(body);
    json_decref(answer);
    return r;
}

static int drop(struct client *client, const struct arguments *arguments, struct err *err)
{
    json_t *answer = NULL;
    int r = call_collection(client, "DELETE", arguments->name, NULL, &answer, err);
    if (r == 0 && arguments->common.json)
        r = command_print_json(answer, err);
    else if (r == 0 && !arguments->common.quiet)
        printf("%s dropped\n", arguments->name);
    json_decref(answer);
    return r;
}

static const struct argp_option table[] = {
    {"model", OPTION_MODEL, "NAME", 0, "create: its model (the daemon's)", 0},
    {"dimension", OPTION_DIMENSION, "N", 0, "create: without a model, vectors come along", 0},
    {"metric", OPTION_METRIC, "NAME", 0, "create: cosine, dot or l2", 0},
    {"index", OPTION_INDEX, "NAME", 0, "create: auto, flat or hnsw", 0},
    {"field", OPTION_FIELD, "NAME:TYPE", 0,
     "create: a field of metadata that filters can ask for (text, integer, real or boolean); more "
     "than once",
     0},
    {0}};

static int act(struct client *client, void *argument, struct err *err)
{
    const struct arguments *arguments = argument;
    if (!arguments->action)
        return list_collections(client, arguments, err);
    return strcmp(arguments->action, "create") == 0 ? create(client, arguments, err)
                                                    : drop(client, arguments, err);
}

static int run(const struct argp *parser, int argc, char **argv, struct arguments *arguments)
{
    argp_parse(parser, argc, argv, 0, NULL, arguments);
    int code = command_main(&arguments->common, NULL, act, arguments);
    json_decref(arguments->fields);
    return code;
}

int sbert_index_create(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        table, parse_collections, "NAME", "Makes a collection.", children, NULL, NULL};
    struct arguments arguments = {.common = common, .action = "create"};
    return run(&parser, argc, argv, &arguments);
}

int sbert_index_collections(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        table,
        parse_collections,
        "\ncreate NAME\ndrop NAME",
        "Lists the collections (name, documents, model, index), makes one, or drops one with all "
        "its documents.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    return run(&parser, argc, argv, &arguments);
}
