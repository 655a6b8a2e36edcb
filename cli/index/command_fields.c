/* sbert-index fields: what filters can ask for, shown and declared. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/index/command.h"
#include "cli/index/fields.h"
#include "cli/index/pages.h"
#include "cli/signals.h"
#include "cli/terminal.h"

enum { POLL_MILLISECONDS = 100 };

struct arguments {
    struct command_common common;
    const char *action;
    json_t *fields;
    const volatile sig_atomic_t *cancel;
};

void fields_parse(struct argp_state *state, const char *argument, json_t **fields)
{
    static const char *const types[] = {"text", "integer", "real", "boolean", NULL};
    const char *colon = strrchr(argument, ':');
    const char *const *type = types;
    while (colon && *type && strcmp(colon + 1, *type) != 0)
        type++;
    if (!colon || colon == argument || !*type)
        argp_error(state, "'%s' is not NAME:TYPE, with text, integer, real or boolean", argument);
    char *name = strndup(argument, (size_t)(colon - argument));
    if (!*fields)
        *fields = json_object();
    if (!name || !*fields)
        argp_failure(state, EXIT_ERROR, ENOMEM, "the fields");
    else if (json_object_set_new(*fields, name, json_string(*type)) < 0)
        argp_error(state, "the field %s is not valid UTF-8", name);
    free(name);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0 && strcmp(argument, "add") != 0)
            argp_error(state, "there is add, not %s", argument);
        if (state->arg_num == 0)
            arguments->action = argument;
        else
            fields_parse(state, argument, &arguments->fields);
        return 0;
    case ARGP_KEY_END:
        if (arguments->action && !arguments->fields)
            argp_error(state, "add what?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int call(struct client *client, const char *method, const struct arguments *arguments,
                json_t **ret_collection, struct err *err)
{
    struct buf target = {0};
    bool add = strcmp(method, "POST") == 0;
    json_t *body = add ? json_pack("{s:O}", "fields", arguments->fields) : NULL;
    int r = pages_target(&target, arguments->common.collection, add ? "/fields" : "");
    if (r < 0 || (add && !body))
        r = err_memory(err, "the request");
    else
        r = client_call(client, method, target.data, body, ret_collection, err);
    json_decref(body);
    buf_release(&target);
    return r;
}

static bool all_ready(const json_t *fields)
{
    const char *name;
    json_t *field;
    json_object_foreach((json_t *)fields, name, field)
    {
        if (!json_is_true(json_object_get(field, "ready")))
            return false;
    }
    return true;
}

/* Looks again until the documents that were there are indexed. */
static int wait_until_ready(struct client *client, const struct arguments *arguments,
                            json_t **collection, struct err *err)
{
    int r = 0;
    while (r == 0 && !all_ready(json_object_get(*collection, "fields"))) {
        const struct timespec pause = {.tv_nsec = POLL_MILLISECONDS * 1000000L};
        if (*arguments->cancel)
            return err_set(err, ERR_CANCELLED, "the fields are indexed in the background");
        nanosleep(&pause, NULL);
        json_decref(*collection);
        *collection = NULL;
        r = call(client, "GET", arguments, collection, err);
    }
    return r;
}

static int print_fields(const struct arguments *arguments, const json_t *collection,
                        struct err *err)
{
    const json_t *fields = json_object_get(collection, "fields");
    const char *name;
    json_t *field;
    if (arguments->common.json)
        return command_print_json(fields, err);
    if (arguments->common.quiet)
        return 0;
    json_object_foreach((json_t *)fields, name, field)
        printf("%s\t%s%s\n", name, json_string_value(json_object_get(field, "type")),
               json_is_true(json_object_get(field, "ready")) ? "" : "\tbeing indexed");
    return 0;
}

static int show_or_add(struct client *client, void *argument, struct err *err)
{
    struct arguments *arguments = argument;
    json_t *collection = NULL;
    int r = call(client, arguments->action ? "POST" : "GET", arguments, &collection, err);
    if (r == 0 && arguments->action)
        r = wait_until_ready(client, arguments, &collection, err);
    if (r == 0)
        r = print_fields(arguments, collection, err);
    json_decref(collection);
    return r;
}

int sbert_index_fields(int argc, char **argv, struct command_common common)
{
    static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};
    static const struct argp parser = {
        NULL,
        parse,
        "\nadd NAME:TYPE...",
        "Shows the fields of metadata that filters can ask for, or declares more of them, and "
        "waits "
        "until the documents that are there are indexed.\v"
        "TYPE is text, integer, real or boolean. NAME is a member of the metadata, or a path such "
        "as author.name. Where it is a list, each element counts.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    arguments.cancel = signals_catch();
    int code = command_main(&arguments.common, arguments.cancel, show_or_add, &arguments);
    json_decref(arguments.fields);
    return code;
}
