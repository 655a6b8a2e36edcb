/* sbert-query: asks the daemon and prints what is nearest in meaning.
 *
 * It links no library that takes long to load: what it adds to the daemon's answer is a few
 * milliseconds. One thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/standard.h"
#include "base/utf8.h"
#include "cli/client.h"
#include "cli/filter.h"
#include "cli/query/render.h"
#include "cli/terminal.h"
#include "daemon/wire_limits.h"

struct options {
    struct buf query; /* empty: from standard input */
    bool from_input;
    long top_k;
    bool has_min_score;
    double min_score;
    bool json, exact;
    json_t *filter;  /* or NULL */
    char *rerank;    /* name of a cross-encoder, or the absolute path of its folder; or NULL */
    long candidates; /* 0: as many as the daemon takes */
    const char *collection, *socket;
    double timeout_seconds;
};

enum { OPTION_SOCKET = 256, OPTION_TIMEOUT, OPTION_EXACT, OPTION_RERANK, OPTION_CANDIDATES };

static const struct argp_option option_table[] = {
    {"top-k", 'k', "N", 0, "Show at most N results (10)", 0},
    {"min-score", 's', "S", 0, "Leave out results that score less than S", 0},
    {"collection", 'c', "NAME", 0, "Search this collection (default)", 0},
    {"filter", 'f', "CONDITION", 0, "Only documents whose metadata match, see below", 0},
    {"exact", OPTION_EXACT, NULL, 0, "Look at every document, past any graph", 0},
    {"rerank", OPTION_RERANK, "MODEL", 0, "Put the best in order by this cross-encoder", 0},
    {"candidates", OPTION_CANDIDATES, "N", 0, "How many of the best it reads (50)", 0},
    {"json", 'j', NULL, 0, "Print one JSON object for each query", 0},
    {"socket", OPTION_SOCKET, "PATH", 0, "The daemon's socket", 0},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0, "Wait so long for an answer (30)", 0},
    {0},
};

static long parse_count(struct argp_state *state, const char *text, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > most)
        argp_error(state, "'%s' is not a number from 1 to %ld", text, most);
    return value;
}

static double parse_real(struct argp_state *state, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > -1e30 && value < 1e30))
        argp_error(state, "'%s' is not a number", text);
    return value;
}

static void add_word(struct argp_state *state, struct options *options, const char *word)
{
    if (strcmp(word, "-") == 0 && options->query.size == 0) {
        options->from_input = true;
        return;
    }
    if (options->from_input)
        argp_error(state, "a query and - (standard input) together");
    if ((options->query.size > 0 && buf_append_byte(&options->query, ' ') < 0) ||
        buf_append_string(&options->query, word) < 0)
        argp_failure(state, EXIT_ERROR, ENOMEM, "the query");
}

static void parse_filter(struct argp_state *state, struct options *options, const char *text)
{
    struct err err = {0};
    if (options->filter)
        argp_error(state, "one --filter: join conditions with and");
    if (filter_parse(&options->filter, text, strlen(text), &err) < 0)
        argp_error(state, "%s", err.message);
}

/* The daemon, which finds the model, is in another folder. */
static void set_rerank(struct argp_state *state, struct options *options, const char *model)
{
    bool folder = strchr(model, '/') || strcmp(model, ".") == 0;
    free(options->rerank);
    options->rerank = folder ? realpath(model, NULL) : strdup(model);
    if (!options->rerank)
        argp_failure(state, EXIT_ERROR, errno, "%s", model);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'k':
        options->top_k = parse_count(state, argument, LIMIT_TOP_K);
        return 0;
    case 's':
        options->min_score = parse_real(state, argument);
        options->has_min_score = true;
        return 0;
    case 'c':
        options->collection = argument;
        return 0;
    case 'f':
        parse_filter(state, options, argument);
        return 0;
    case OPTION_EXACT:
        options->exact = true;
        return 0;
    case OPTION_RERANK:
        set_rerank(state, options, argument);
        return 0;
    case OPTION_CANDIDATES:
        options->candidates = parse_count(state, argument, LIMIT_TOP_K);
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case OPTION_SOCKET:
        options->socket = argument;
        return 0;
    case OPTION_TIMEOUT:
        options->timeout_seconds = (double)parse_count(state, argument, 86400);
        return 0;
    case ARGP_KEY_ARG:
        add_word(state, options, argument);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num == 0 && isatty(STDIN_FILENO))
            argp_error(state, "no query");
        if (state->arg_num == 0)
            options->from_input = true;
        if (options->candidates && !options->rerank)
            argp_error(state, "--candidates without --rerank");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    option_table,
    parse_option,
    "QUERY...|-",
    "Finds the documents nearest in meaning to the query.\v"
    "Without a query, or with -, each line of standard input is one. Where standard output is no "
    "terminal, lines are tab-separated: rank, score, id, file:line, passage (before them the "
    "query's number, where queries come from standard input).\n"
    "A CONDITION is on declared fields: 'year >= 2020 and not (lang = \"en\" or tags in "
    "(\"a\", \"b\"))'; also != < <= > exists, and ^= for a prefix.\n"
    "Exit status: 0 something was found, 1 nothing, 2 an error.",
    NULL,
    NULL,
    NULL,
};

static int add_rerank(json_t *body, const struct options *options)
{
    json_t *rerank = json_pack("{s:s}", "model", options->rerank);
    if (rerank && options->candidates &&
        json_object_set_new(rerank, "candidates", json_integer(options->candidates)) < 0) {
        json_decref(rerank);
        return -1;
    }
    return json_object_set_new(body, "rerank", rerank); /* takes NULL for a failure */
}

static int make_body(const struct options *options, const char *query, size_t size,
                     json_t **ret_body, struct err *err)
{
    json_t *body = json_pack("{s:o, s:I}", "query", json_stringn(query, size), "top_k",
                             (json_int_t)options->top_k);
    if (!body ||
        (options->has_min_score &&
         json_object_set_new(body, "min_score", json_real(options->min_score)) < 0) ||
        (options->exact && json_object_set_new(body, "exact", json_true()) < 0) ||
        (options->filter && json_object_set(body, "filter", options->filter) < 0)) {
        json_decref(body);
        return err_memory(err, "the query");
    }
    if (options->rerank && add_rerank(body, options) < 0) {
        json_decref(body);
        return err_memory(err, "the query");
    }
    *ret_body = body;
    return 0;
}

/* Asks one query and prints its answer. */
static int ask(struct client *client, const struct options *options, const struct render *render,
               const char *query, size_t size, uint64_t number, size_t *ret_count, struct err *err)
{
    struct buf target = {0}, out = {0};
    json_t *body = NULL, *answer = NULL;
    int r = utf8_valid(query, size, NULL)
                ? make_body(options, query, size, &body, err)
                : err_set(err, ERR_INVALID, "the query is not valid UTF-8");
    if (r < 0)
        goto out;
    r = buf_append_string(&target, "/v1/collections/");
    if (r == 0)
        r = client_encode(&target, options->collection);
    if (r == 0)
        r = buf_append_string(&target, "/search");
    if (r < 0) {
        err_memory(err, "the request");
        goto out;
    }
    r = client_call(client, "POST", target.data, body, &answer, err);
    if (r == 0)
        r = render_answer(render, query, size, number, answer, &out, ret_count, err);
    if (r == 0 && out.size > 0)
        fwrite(out.data, 1, out.size, stdout);
    if (r == 0)
        r = standard_flush(err);
out:
    json_decref(body);
    json_decref(answer);
    buf_release(&target);
    buf_release(&out);
    return r;
}

/* True where the daemon, or we, refused this one query: the next may do better. */
static bool can_go_on(const struct client *client, const char *query, size_t size)
{
    int status = client_status(client);
    return status == 400 || status == 413 || status == 422 || !utf8_valid(query, size, NULL);
}

/* Each line of standard input. A query that is refused is named, and the rest goes on. */
static int ask_lines(struct client *client, const struct options *options,
                     const struct render *render)
{
    char *line = NULL;
    size_t capacity = 0, found = 0;
    bool failed = false;
    ssize_t size;
    for (uint64_t number = 1; (size = getline(&line, &capacity, stdin)) >= 0; number++) {
        struct err err = {0};
        size_t count = 0, length = (size_t)size;
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            length--;
        if (length == 0)
            continue;
        if (ask(client, options, render, line, length, number, &count, &err) < 0) {
            failed = true;
            terminal_error("query %" PRIu64 ": %s", number, err.message);
            if (!can_go_on(client, line, length))
                break;
        }
        found += count;
    }
    if (ferror(stdin))
        failed = terminal_error("cannot read standard input: %s", strerror(errno)) != 0;
    free(line);
    return failed ? EXIT_ERROR : found > 0 ? EXIT_FOUND : EXIT_NOTHING;
}

static int run(const struct options *options)
{
    struct err err = {0};
    struct client *client = NULL;
    char folder[PATH_MAX];
    bool terminal = isatty(STDOUT_FILENO) == 1;
    struct render render = {
        .form = options->json ? RENDER_JSON
                : terminal    ? RENDER_TABLE
                              : RENDER_TABS,
        .colour = terminal_colour(STDOUT_FILENO),
        .width = terminal_width(STDOUT_FILENO),
        .numbered = options->from_input,
        .folder = terminal && getcwd(folder, sizeof folder) ? folder : NULL,
    };
    struct client_options client_options = {.socket = options->socket,
                                            .timeout_seconds = options->timeout_seconds,
                                            .retry_seconds = options->timeout_seconds};
    if (client_open(&client, &client_options, &err) < 0)
        return terminal_fail(&err);
    int code;
    size_t count = 0;
    if (options->from_input)
        code = ask_lines(client, options, &render);
    else if (ask(client, options, &render, options->query.data, options->query.size, 1, &count,
                 &err) < 0)
        code = terminal_fail(&err);
    else
        code = count > 0 ? EXIT_FOUND : EXIT_NOTHING;
    client_close(client);
    return terminal_finish(code);
}

int main(int argc, char **argv)
{
    struct options options = {
        .top_k = DEFAULT_TOP_K, .collection = "default", .timeout_seconds = 30};
    terminal_setup("sbert-query");
    argp_parse(&parser, argc, argv, 0, NULL, &options);
    int code = run(&options);
    buf_release(&options.query);
    json_decref(options.filter);
    free(options.rerank);
    return code;
}
