/* sbert-index rm, get and list: single documents by their ids and their files. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/index/command.h"
#include "cli/index/pages.h"
#include "cli/index/prune.h"
#include "cli/index/selected.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "daemon/wire_limits.h"

enum { OPTION_SOURCE = 256, OPTION_YES };

struct arguments {
    struct command_common common;
    const char *source;
    json_t *filter; /* or NULL */
    bool yes;
    uint64_t limit; /* 0: none */
    char **ids;
    size_t id_count;
};

static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};

/* Files are recorded by their real path: the same for one that is named now, even if it is gone. As
 * much of its path is taken as is still there. */
static char *real_source(const char *name)
{
    char *path = realpath(name, NULL);
    for (const char *rest = name + strlen(name); !path && rest > name;) {
        do
            rest--;
        while (rest > name && rest[-1] != '/');
        char *folder = rest > name ? strndup(name, (size_t)(rest - name)) : strdup(".");
        char *real = folder ? realpath(folder, NULL) : NULL;
        if (real && asprintf(&path, "%s/%s", strcmp(real, "/") ? real : "", rest) < 0)
            path = NULL;
        free(folder);
        free(real);
    }
    return path;
}

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->ids = state->argv + state->next;
        arguments->id_count = (size_t)(state->argc - state->next);
        return 0;
    case OPTION_SOURCE:
        arguments->source = argument;
        return 0;
    case 'f':
        selected_parse(state, argument, &arguments->filter);
        return 0;
    case OPTION_YES:
        arguments->yes = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* --- rm --- */

static error_t parse_rm(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    if (key == ARGP_KEY_END &&
        (arguments->id_count > 0) + (arguments->source != NULL) + (arguments->filter != NULL) != 1)
        argp_error(state, "give either ids, --source or --filter");
    return key == ARGP_KEY_END ? 0 : parse_common(key, argument, state);
}

static int remove_ids(struct client *client, const struct arguments *arguments,
                      uint64_t *ret_deleted, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < arguments->id_count && r == 0;) {
        json_t *ids = json_array();
        for (; i < arguments->id_count && json_array_size(ids) < LIMIT_LIST && r == 0; i++)
            if (json_array_append_new(ids, json_string(arguments->ids[i])) < 0)
                r = err_set(err, ERR_INVALID, "the id %s is not valid UTF-8", arguments->ids[i]);
        if (r == 0)
            r = prune_ids(client, arguments->common.collection, ids, NULL, ret_deleted, err);
        json_decref(ids);
    }
    return r;
}

/* All of a file; --source may have been given another name than the file's when it was added. */
static int remove_source(struct client *client, const struct arguments *arguments,
                         struct prune_counts *counts, struct err *err)
{
    const char *collection = arguments->common.collection;
    char *real = real_source(arguments->source);
    int r = prune_source(client, collection, arguments->source, NULL, counts, err);
    if (r == 0 && real && strcmp(real, arguments->source) != 0)
        r = prune_source(client, collection, real, NULL, counts, err);
    free(real);
    return r;
}

static void print_removed(const struct arguments *arguments, const struct prune_counts *counts)
{
    char removed[NUMBER_SIZE], kept[NUMBER_SIZE];
    if (arguments->common.json)
        printf("{\"removed\":%" PRIu64 ",\"kept\":%" PRIu64 "}\n", counts->deleted, counts->kept);
    else if (!arguments->common.quiet && counts->kept > 0)
        printf("removed %s, kept %s that came from elsewhere, too\n",
               number_count(removed, counts->deleted), number_count(kept, counts->kept));
    else if (!arguments->common.quiet)
        printf("removed %s\n", number_count(removed, counts->deleted));
}

int sbert_index_rm(int argc, char **argv, struct command_common common)
{
    static const struct argp_option options[] = {
        {"source", OPTION_SOURCE, "FILE", 0, "All documents of this file", 0},
        {"filter", 'f', "CONDITION", 0, "All documents whose metadata match (see sbert-query)", 0},
        {"yes", OPTION_YES, NULL, 0, "--filter: do not ask", 0},
        {0}};
    static const struct argp parser = {options,
                                       parse_rm,
                                       "ID...\n--source=FILE\n--filter=CONDITION",
                                       "Deletes documents; with --source, a document that another "
                                       "file or an add without one brought, too, is kept. With "
                                       "--filter, it says how many match and asks first. Exit "
                                       "status 1: some id was not there, or nothing of the file.",
                                       children,
                                       NULL,
                                       NULL};
    struct arguments arguments = {.common = common};
    struct client *client = NULL;
    struct err err = {0};
    struct prune_counts counts = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct client_options options_of_client = command_client(&arguments.common, NULL);
    int r = client_open(&client, &options_of_client, &err);
    if (r == 0 && arguments.filter)
        r = selected_delete(client, arguments.common.collection, arguments.filter, arguments.yes,
                            &counts.deleted, &err);
    else if (r == 0 && arguments.source)
        r = remove_source(client, &arguments, &counts, &err);
    else if (r == 0)
        r = remove_ids(client, &arguments, &counts.deleted, &err);
    client_close(client);
    json_decref(arguments.filter);
    if (r < 0)
        return terminal_fail(&err);
    print_removed(&arguments, &counts);
    bool all = arguments.source || arguments.filter ? counts.deleted + counts.kept > 0
                                                    : counts.deleted >= arguments.id_count;
    return terminal_finish(all ? EXIT_FOUND : EXIT_NOTHING);
}

/* --- get --- */

static error_t parse_get(int key, char *argument, struct argp_state *state)
{
    if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "no id");
    return parse_common(key, argument, state);
}

/* Appends "path:line" or nothing. */
static int append_source(struct buf *out, const json_t *document)
{
    const json_t *source = json_object_get(document, "source");
    const char *path = json_string_value(json_object_get(source, "path"));
    json_int_t line = json_integer_value(json_object_get(source, "line"));
    int r = path ? text_escape(out, path, strlen(path)) : 0;
    return r == 0 && path && line > 0 ? buf_printf(out, ":%" JSON_INTEGER_FORMAT, line) : r;
}

static int print_document(const json_t *document, struct err *err)
{
    const json_t *text = json_object_get(document, "text");
    const json_t *metadata = json_object_get(document, "metadata");
    struct buf source = {0};
    int r = 0;
    char when[64] = "";
    time_t updated = (time_t)json_integer_value(json_object_get(document, "updated_at"));
    struct tm local;
    if (localtime_r(&updated, &local))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &local);
    printf("id        %s\n", json_string_value(json_object_get(document, "id")));
    if (append_source(&source, document) == 0 && source.size > 0)
        printf("source    %s\n", source.data);
    if (json_is_object(metadata)) {
        fputs("metadata  ", stdout);
        r = command_print_json(metadata, err);
    }
    printf("passages  %" JSON_INTEGER_FORMAT "\nupdated   %s\n\n",
           json_integer_value(json_object_get(document, "passages")), when);
    fwrite(json_string_value(text), 1, json_string_length(text), stdout);
    putchar('\n');
    buf_release(&source);
    return r;
}

static int get_document(struct client *client, const struct arguments *arguments, const char *id,
                        struct err *err)
{
    struct buf target = {0};
    json_t *document = NULL;
    int r = pages_target(&target, arguments->common.collection, "/documents/");
    if (r == 0)
        r = client_encode(&target, id);
    if (r < 0)
        err_memory(err, "the request");
    else
        r = client_call(client, "GET", target.data, NULL, &document, err);
    if (r == 0 && !json_is_string(json_object_get(document, "text")))
        r = err_set(err, ERR_CORRUPT, "the daemon's answer is no document");
    if (r == 0 && arguments->common.json)
        r = command_print_json(document, err);
    else if (r == 0)
        r = print_document(document, err);
    json_decref(document);
    buf_release(&target);
    return r;
}

int sbert_index_get(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        NULL,     parse_get, "ID...", "Shows documents. Exit status 1: some id was not there.",
        children, NULL,      NULL};
    struct arguments arguments = {.common = common};
    struct client *client = NULL;
    struct err err = {0};
    int code = EXIT_FOUND;
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct client_options options = command_client(&arguments.common, NULL);
    if (client_open(&client, &options, &err) < 0)
        return terminal_fail(&err);
    for (size_t i = 0; i < arguments.id_count && code != EXIT_ERROR; i++) {
        if (get_document(client, &arguments, arguments.ids[i], &err) == 0)
            continue;
        terminal_fail(&err);
        code = client_status(client) == 404 ? EXIT_NOTHING : EXIT_ERROR;
    }
    client_close(client);
    return terminal_finish(code);
}

/* --- list --- */

static error_t parse_list(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    if (key == 'n') {
        arguments->limit = command_count(state, argument, ULONG_MAX);
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        argp_error(state, "list takes no argument");
    return key == ARGP_KEY_ARGS ? ARGP_ERR_UNKNOWN : parse_common(key, argument, state);
}

struct list {
    bool json, terminal;
    int width;
    uint64_t count;
};

/* On a terminal: the id's beginning, the file, and as much of the text as fits. */
static int append_row(struct buf *out, const struct list *list, const json_t *document)
{
    const char *id = json_string_value(json_object_get(document, "id"));
    const json_t *text = json_object_get(document, "text");
    struct buf source = {0}, flat = {0};
    int third = list->width / 3, r = append_source(&source, document);
    if (r == 0)
        r = text_flatten(&flat, json_string_value(text), json_string_length(text));
    if (r == 0)
        r = text_fit(out, id, strlen(id), list->width / 5, false, true);
    if (r == 0)
        r = buf_append_string(out, "  ");
    if (r == 0)
        r = text_fit(out, source.data ? source.data : "", source.size, third, true, true);
    if (r == 0)
        r = buf_append_string(out, "  ");
    if (r == 0)
        r = text_fit(out, flat.data ? flat.data : "", flat.size,
                     list->width - list->width / 5 - third - 4, false, false);
    buf_release(&source);
    buf_release(&flat);
    return r;
}

static int append_tabs(struct buf *out, const json_t *document)
{
    const char *id = json_string_value(json_object_get(document, "id"));
    const json_t *text = json_object_get(document, "text");
    int r = text_escape(out, id, strlen(id));
    if (r == 0)
        r = buf_append_byte(out, '\t');
    if (r == 0)
        r = append_source(out, document);
    if (r == 0)
        r = buf_append_byte(out, '\t');
    return r == 0 ? text_escape(out, json_string_value(text), json_string_length(text)) : r;
}

static int list_page(void *argument, const json_t *documents, struct err *err)
{
    struct list *list = argument;
    struct buf line = {0};
    int r = 0;
    for (size_t i = 0; i < json_array_size(documents) && r == 0; i++, list->count++) {
        const json_t *document = json_array_get(documents, i);
        if (!json_is_string(json_object_get(document, "id")) ||
            !json_is_string(json_object_get(document, "text"))) {
            r = err_set(err, ERR_CORRUPT, "the daemon's answer is no list of documents");
        } else if (list->json) {
            r = command_print_json(document, err);
        } else {
            buf_clear(&line);
            r = list->terminal ? append_row(&line, list, document) : append_tabs(&line, document);
            r = r < 0 ? err_memory(err, "the list") : r;
            if (r == 0)
                puts(line.data);
        }
    }
    buf_release(&line);
    return r;
}

int sbert_index_list(int argc, char **argv, struct command_common common)
{
    static const struct argp_option options[] = {
        {"source", OPTION_SOURCE, "FILE", 0, "Only documents of this file", 0},
        {"filter", 'f', "CONDITION", 0, "Only those whose metadata match (see sbert-query)", 0},
        {"limit", 'n', "N", 0, "At most N documents", 0},
        {0}};
    static const struct argp parser = {
        options,
        parse_list,
        "",
        "Lists documents by id: id, file:line, text; tab-separated, if not on a terminal.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    struct client *client = NULL;
    struct err err = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct client_options client_options = command_client(&arguments.common, NULL);
    struct list list = {.json = arguments.common.json,
                        .terminal = isatty(STDOUT_FILENO) == 1,
                        .width = terminal_width(STDOUT_FILENO)};
    char *real = arguments.source ? real_source(arguments.source) : NULL;
    const char *collection = arguments.common.collection;
    struct pages_wanted wanted = {
        .source = arguments.source, .filter = arguments.filter, .limit = arguments.limit};
    int r = arguments.source && arguments.filter
                ? err_set(&err, ERR_INVALID, "give either --source or --filter")
                : client_open(&client, &client_options, &err);
    if (r == 0)
        r = pages_each(client, collection, &wanted, list_page, &list, &err);
    if (r == 0 && real && list.count == 0 && strcmp(real, arguments.source) != 0) {
        wanted.source = real;
        r = pages_each(client, collection, &wanted, list_page, &list, &err);
    }
    client_close(client);
    json_decref(arguments.filter);
    free(real);
    if (r < 0)
        return terminal_fail(&err);
    return terminal_finish(list.count > 0 ? EXIT_FOUND : EXIT_NOTHING);
}
