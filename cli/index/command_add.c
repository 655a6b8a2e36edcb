/* The arguments and the summary of sbert-index add. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/index/add.h"
#include "cli/index/command.h"
#include "cli/numbers.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "daemon/wire_limits.h"

enum { DEFAULT_BATCH = 512 };

enum {
    OPTION_ID = 256,
    OPTION_TEXT,
    OPTION_METADATA,
    OPTION_SOURCE,
    OPTION_NO_SOURCE,
    OPTION_KEEP,
    OPTION_GLOB,
    OPTION_BATCH,
    OPTION_UTF8,
    OPTION_MAX_ERRORS,
};

struct arguments {
    struct add_options add;
    struct command_common common;
    char **paths, **globs, **columns; /* of strings in argv */
    size_t path_count, glob_count, column_count;
};

static const struct argp_option option_table[] = {
    {"format", 'f', "FORMAT", 0, "auto, lines, jsonl, csv, tsv, or text (whole)", 0},
    {"id-column", OPTION_ID, "NAME", 0, "Column or JSON field of the id (id, if any)", 0},
    {"text-column", OPTION_TEXT, "NAME", 0, "Of the text (text, or the only column)", 0},
    {"metadata-columns", OPTION_METADATA, "A,B", 0, "Of the metadata; * for all others", 0},
    {"glob", OPTION_GLOB, "PATTERN", 0, "In folders, only files that match (repeatable)", 0},
    {"invalid-utf8", OPTION_UTF8, "HOW", 0, "refuse (default), replace, or skip such lines", 0},
    {"source", OPTION_SOURCE, "NAME", 0, "Record NAME in the place of the one file's path", 0},
    {"no-source", OPTION_NO_SOURCE, NULL, 0, "Record no file", 0},
    {"keep", OPTION_KEEP, NULL, 0, "Keep documents that vanished from their file", 0},
    {"batch", OPTION_BATCH, "N", 0, "Documents in a request (512)", 0},
    {"max-errors", OPTION_MAX_ERRORS, "N", 0, "Give up after N refusals", 0},
    {"dry-run", 'n', NULL, 0, "Print the documents, send nothing", 0},
    {0},
};

/* Appends a string to a list of them. */
static void append(struct argp_state *state, char ***list, size_t *count, char *string)
{
    char **grown = reallocarray(*list, *count + 1, sizeof *grown);
    if (!grown)
        argp_failure(state, EXIT_ERROR, ENOMEM, "the arguments");
    *list = grown;
    grown[(*count)++] = string;
}

static void split_columns(struct argp_state *state, struct arguments *arguments, char *list)
{
    char *rest = NULL;
    for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        append(state, &arguments->columns, &arguments->column_count, name);
}

static void finish_arguments(struct argp_state *state, struct arguments *arguments)
{
    if (arguments->path_count == 0 && isatty(STDIN_FILENO))
        argp_error(state, "no file");
    if (arguments->path_count == 0)
        append(state, &arguments->paths, &arguments->path_count, (char *)"-");
    if (arguments->add.source && (arguments->add.no_source || arguments->path_count > 1))
        argp_error(state, "--source is for one file");
    arguments->add.input.metadata_columns = arguments->columns;
    arguments->add.input.metadata_column_count = arguments->column_count;
}

static error_t parse_column_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_ID:
        arguments->add.input.id_column = argument;
        return 0;
    case OPTION_TEXT:
        arguments->add.input.text_column = argument;
        return 0;
    case OPTION_METADATA:
        split_columns(state, arguments, argument);
        return 0;
    case OPTION_SOURCE:
        arguments->add.source = argument;
        return 0;
    case OPTION_NO_SOURCE:
        arguments->add.no_source = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct err err = {0};
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        return 0;
    case 'f':
        if (input_format_parse(&arguments->add.input.format, argument, &err) < 0)
            argp_error(state, "%s", err.message);
        return 0;
    case OPTION_UTF8:
        if (input_utf8_parse(&arguments->add.input.invalid_utf8, argument, &err) < 0)
            argp_error(state, "%s", err.message);
        return 0;
    case OPTION_GLOB:
        append(state, &arguments->globs, &arguments->glob_count, argument);
        return 0;
    case OPTION_KEEP:
        arguments->add.keep = true;
        return 0;
    case OPTION_BATCH:
        arguments->add.batch = command_count(state, argument, LIMIT_DOCUMENTS);
        return 0;
    case OPTION_MAX_ERRORS:
        arguments->add.max_refused = command_count(state, argument, UINT32_MAX);
        return 0;
    case 'n':
        arguments->add.dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        append(state, &arguments->paths, &arguments->path_count, argument);
        return 0;
    case ARGP_KEY_END:
        finish_arguments(state, arguments);
        return 0;
    default:
        return parse_column_option(key, argument, state);
    }
}

static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};
static const struct argp parser = {
    option_table,
    parse_option,
    "FILE|FOLDER|-...",
    "Adds documents. By their names .jsonl .csv .tsv are records and .md .rst .html one text; "
    "other files are lines, or, found in a folder, one text.",
    children,
    NULL,
    NULL,
};

/* What a folder holds and may not be read. */
static void complain(void *argument, const struct err *err)
{
    struct add_summary *summary = argument;
    summary->refused++;
    terminal_fail(err);
}

static int collect(const struct arguments *arguments, struct folder_files *files,
                   struct add_summary *summary, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < arguments->path_count && r == 0; i++)
        r = folder_collect(files, arguments->paths[i], arguments->globs, arguments->glob_count,
                           complain, summary, err);
    if (r == 0 && arguments->add.source && files->count > 0 && files->files[0].in_folder)
        return err_set(err, ERR_INVALID, "--source is for one file, %s is a folder",
                       arguments->paths[0]);
    return r;
}

static void append_count(struct buf *line, const char *what, uint64_t count)
{
    char text[NUMBER_SIZE];
    buf_printf(line, "%s%s %s", line->size ? ", " : "", what, number_count(text, count));
}

static void print_summary(const struct add_summary *summary)
{
    char duration[NUMBER_SIZE], rate[NUMBER_SIZE];
    struct buf line = {0};
    uint64_t done = summary->added + summary->replaced + summary->unchanged;
    double seconds = summary->seconds > 0.001 ? summary->seconds : 0.001;
    append_count(&line, "added", summary->added);
    append_count(&line, "replaced", summary->replaced);
    append_count(&line, "unchanged", summary->unchanged);
    append_count(&line, "removed", summary->removed);
    if (summary->refused > 0)
        append_count(&line, "refused", summary->refused);
    if (summary->empty > 0)
        append_count(&line, "empty", summary->empty);
    if (summary->invalid_utf8 > 0)
        append_count(&line, "skipped as not UTF-8", summary->invalid_utf8);
    if (summary->binary > 0)
        append_count(&line, "binary files passed over", summary->binary);
    if (summary->truncated > 0)
        append_count(&line, "truncated", summary->truncated);
    printf("%s (%s, %s documents/s)\n", line.data ? line.data : "",
           number_duration(duration, summary->seconds),
           number_count(rate, (uint64_t)((double)done / seconds)));
    buf_release(&line);
}

static int print_json(const struct add_summary *summary, struct err *err)
{
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "added",
        (json_int_t)summary->added, "replaced", (json_int_t)summary->replaced, "unchanged",
        (json_int_t)summary->unchanged, "removed", (json_int_t)summary->removed, "truncated",
        (json_int_t)summary->truncated, "refused", (json_int_t)summary->refused, "empty",
        (json_int_t)summary->empty, "invalid_utf8", (json_int_t)summary->invalid_utf8, "binary",
        (json_int_t)summary->binary, "files", (json_int_t)summary->files, "seconds",
        summary->seconds);
    int r = command_print_json(json, err);
    json_decref(json);
    return r;
}

/* What an add that was ended early had done: everything acknowledged stays. */
static void explain_end(const struct add_summary *summary)
{
    char count[NUMBER_SIZE];
    terminal_error("at least %s documents are safely in the collection; the same command, run "
                   "again, adds the rest",
                   number_count(count, summary->added + summary->replaced + summary->unchanged));
}

static int run(struct arguments *arguments)
{
    struct add_options *options = &arguments->add;
    struct folder_files files = {0};
    struct add_summary summary = {0};
    struct err err = {0};
    options->collection = arguments->common.collection;
    options->quiet = arguments->common.quiet;
    options->cancel = signals_catch();
    struct client_options client = command_client(&arguments->common, options->cancel);
    int r = collect(arguments, &files, &summary, &err);
    if (r == 0)
        r = add_files(&files, options, &client, &summary, &err);
    folder_release(&files);

    if (r < 0) {
        terminal_fail(&err);
        if (summary.files > 0 && !options->dry_run)
            explain_end(&summary);
        return *options->cancel ? 128 + *options->cancel : EXIT_ERROR;
    }
    char found[NUMBER_SIZE];
    if (options->dry_run && !options->quiet)
        fprintf(stderr, "%s documents would be sent\n", number_count(found, summary.found));
    else if (!options->dry_run && arguments->common.json && print_json(&summary, &err) < 0)
        return terminal_fail(&err);
    else if (!options->dry_run && !arguments->common.json && !options->quiet)
        print_summary(&summary);
    return terminal_finish(summary.refused > 0 ? EXIT_NOTHING : EXIT_FOUND);
}

int sbert_index_add(int argc, char **argv, struct command_common common)
{
    struct arguments arguments = {.common = common,
                                  .add = {.batch = DEFAULT_BATCH, .max_refused = UINT64_MAX}};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    int code = run(&arguments);
    free(arguments.paths);
    free(arguments.globs);
    free(arguments.columns);
    return code;
}
