/* sbert-index import: what export wrote, with its vectors, into a collection.
 *
 * The collection is made where it is not there. Lines are read one by one, checked to be JSON, and
 * sent on as they are, several requests under way at a time; so memory is that of a few batches. A
 * line that cannot be taken is named by its number, and the rest goes on. Run again, it finds what
 * is there already unchanged.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/index/command.h"
#include "cli/index/exported.h"
#include "cli/index/pages.h"
#include "cli/index/sender.h"
#include "cli/input/stream.h"
#include "cli/numbers.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "daemon/wire_limits.h"

enum { OPTION_MAX_ERRORS = 256 };
/* A request is sent when it has so many documents or bytes. */
enum { BATCH_DOCUMENTS = 1000, BATCH_BYTES = 4 << 20 };

struct import {
    struct command_common common;
    const char *file; /* NULL or "-": standard input */
    const char *name; /* of it, for errors */
    uint64_t max_refused;
    const volatile sig_atomic_t *cancel;
    struct client *client; /* for what goes beside the batches */
    struct sender *sender;
    struct stream stream;
    struct progress progress;
    struct buf line;
    uint64_t number;   /* of the line */
    uint64_t found;    /* lines of documents */
    bool ended;        /* the end's line was read */
    uint64_t end_says; /* how many documents it tells */
    struct sender_counts counts;
    uint64_t refused;
};

/* --- events of the sender --- */

/* Counts and names a refusal. ERR_LIMIT where there were too many. */
static int refuse(struct import *import, const char *message, struct err *err)
{
    progress_clear(&import->progress);
    terminal_error("%s", message);
    if (++import->refused >= import->max_refused)
        return err_set(err, ERR_LIMIT, "%" PRIu64 " refused, giving up", import->refused);
    return 0;
}

static int document_taken(void *argument, const struct batch_document *document, const char *id,
                          struct err *err)
{
    (void)argument, (void)document, (void)id, (void)err;
    return 0;
}

static int document_refused(void *argument, const struct batch_document *document,
                            const struct err *why, struct err *err)
{
    struct import *import = argument;
    char message[sizeof why->message + 512];
    snprintf(message, sizeof message, "%s:%" PRIu64 ": refused: %s", import->name, document->line,
             sender_reason(why));
    return refuse(import, message, err);
}

static void answer_counted(void *argument, const struct sender_counts *counts)
{
    struct import *import = argument;
    import->counts.added += counts->added;
    import->counts.replaced += counts->replaced;
    import->counts.unchanged += counts->unchanged;
}

static uint64_t documents_taken(const struct import *import)
{
    return import->counts.added + import->counts.replaced + import->counts.unchanged;
}

static void batch_done(void *argument, const struct batch *batch)
{
    struct import *import = argument;
    progress_update_counted(&import->progress, batch->position, "documents",
                            documents_taken(import));
}

/* --- lines --- */

/* The next line that is not blank: 1, or 0 at the end. A line that is too long is refused. */
static int next_line(struct import *import, struct err *err)
{
    for (;;) {
        bool too_long;
        char message[512];
        if (*import->cancel)
            return err_set(err, ERR_CANCELLED, "interrupted");
        int r = stream_line(&import->stream, &import->line, LIMIT_LINE, &too_long, err);
        if (r <= 0)
            return r;
        import->number++;
        if (!too_long && strspn(import->line.data, " \t\r") < import->line.size)
            return 1;
        if (!too_long)
            continue;
        snprintf(message, sizeof message, "%s:%" PRIu64 ": a line of more than %d MiB",
                 import->name, import->number, LIMIT_LINE >> 20);
        if ((r = refuse(import, message, err)) < 0)
            return r;
    }
}

static int add_document(struct import *import, struct err *err)
{
    struct batch *batch = sender_batch(import->sender);
    int r = batch_add_text(batch, import->line.data, import->line.size, NULL, import->number, err);
    if (r < 0)
        return r;
    import->found++;
    batch->position = import->stream.offset;
    bool full = batch->count >= BATCH_DOCUMENTS || batch->json.size >= BATCH_BYTES;
    return full ? sender_submit(import->sender, err) : 0;
}

/* Takes a line in: a document, the end, or what is refused. */
static int take_line(struct import *import, struct err *err)
{
    json_t *json = NULL;
    enum exported_kind kind = EXPORTED_DOCUMENT;
    struct err why = {0};
    char name[512];
    snprintf(name, sizeof name, "%s:%" PRIu64, import->name, import->number);
    int r = exported_parse(&json, &kind, import->line.data, import->line.size, name, &why);
    if (r == 0 && kind == EXPORTED_HEADER)
        r = err_set(&why, ERR_INVALID, "%s: a second header", name);
    if (r == 0 && kind == EXPORTED_END)
        r = exported_read_end(json, &import->end_says, name, &why);
    import->ended |= r == 0 && kind == EXPORTED_END;
    json_decref(json);
    if (r < 0)
        return r == ERR_MEMORY ? err_memory(err, name) : refuse(import, why.message, err);
    return kind == EXPORTED_DOCUMENT ? add_document(import, err) : 0;
}

/* --- the collection --- */

/* Says why a collection, or the daemon's model, does not go with the header. */
static int compare(const struct exported_header *header, const json_t *shown, const char *what,
                   struct err *err)
{
    const char *model = json_string_value(json_object_get(shown, "model"));
    const char *fingerprint = json_string_value(json_object_get(shown, "fingerprint"));
    json_int_t dimension = json_integer_value(json_object_get(shown, "dimension"));
    if (dimension != (json_int_t)header->dimension)
        return err_set(err, ERR_CONFLICT,
                       "%s has vectors of dimension %" JSON_INTEGER_FORMAT
                       ", the export of dimension %zu",
                       what, dimension, header->dimension);
    if (!fingerprint != !header->fingerprint ||
        (fingerprint && strcmp(fingerprint, header->fingerprint) != 0))
        return err_set(err, ERR_CONFLICT,
                       "%s has vectors of %s%s, the export of %s%s: they cannot be compared", what,
                       model ? "the model " : "its clients", model ? model : "",
                       header->model ? "the model " : "its clients",
                       !header->model ? ""
                       : model && strcmp(model, header->model) == 0
                           ? "the same name but other files"
                           : header->model);
    return 0;
}

/* The daemon's model, where a collection of one is to be made. */
static int compare_model(struct import *import, const struct exported_header *header,
                         struct err *err)
{
    json_t *status = NULL;
    int r = client_call(import->client, "GET", "/v1/status", NULL, &status, err);
    if (r == 0)
        r = compare(header, status, "this daemon", err);
    json_decref(status);
    return r;
}

static json_t *settings_of(const struct exported_header *header)
{
    json_t *body =
        json_pack("{s:s*, s:s*, s:s*, s:I}", "model", header->model, "metric", header->metric,
                  "index", header->index, "dimension", (json_int_t)header->dimension);
    if (body && header->fields && json_object_set(body, "fields", (json_t *)header->fields) < 0) {
        json_decref(body);
        return NULL;
    }
    return body;
}

/* Asks something about the collection. `body` is taken over; NULL with `has_body` is a lack of
 * memory. */
static int ask(struct import *import, const char *method, const char *after, bool has_body,
               json_t *body, json_t **ret_answer, struct err *err)
{
    struct buf target = {0};
    int r =
        has_body && !body ? ERR_MEMORY : pages_target(&target, import->common.collection, after);
    r = r < 0 ? err_memory(err, "the request")
              : client_call(import->client, method, target.data, body, ret_answer, err);
    json_decref(body);
    buf_release(&target);
    return r;
}

/* Makes the collection, or finds it fit; fields that it lacks are declared. */
static int prepare_collection(struct import *import, const struct exported_header *header,
                              struct err *err)
{
    json_t *shown = NULL, *answer = NULL;
    char what[128];
    snprintf(what, sizeof what, "the collection %s", import->common.collection);
    int r = ask(import, "GET", "", false, NULL, &shown, err);
    if (r < 0 && client_status(import->client) == 404) {
        r = header->fingerprint ? compare_model(import, header, err) : 0;
        if (r == 0)
            r = ask(import, "PUT", "", true, settings_of(header), &answer, err);
    } else if (r == 0) {
        r = compare(header, shown, what, err);
        if (r == 0 && json_object_size(header->fields) > 0)
            r = ask(import, "POST", "/fields", true, json_pack("{s:O}", "fields", header->fields),
                    &answer, err);
    }
    json_decref(shown);
    json_decref(answer);
    return r;
}

static int take_header(struct import *import, struct err *err)
{
    json_t *json = NULL;
    enum exported_kind kind;
    struct exported_header header = {0};
    char name[512];
    int r = next_line(import, err);
    snprintf(name, sizeof name, "%s:%" PRIu64, import->name, import->number);
    if (r == 0)
        return err_set(err, ERR_INVALID, "%s is empty", import->name);
    r = r < 0 ? r : exported_parse(&json, &kind, import->line.data, import->line.size, name, err);
    if (r == 0)
        r = exported_read_header(&header, json, name, err);
    if (r == 0)
        r = prepare_collection(import, &header, err);
    json_decref(json);
    return r;
}

/* --- everything --- */

static int open_input(struct import *import, struct err *err)
{
    struct stat status = {0};
    bool named = import->file && strcmp(import->file, "-") != 0;
    import->name = named ? import->file : "standard input";
    int fd = named ? open(import->file, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", import->name);
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        status.st_size = 0;
    progress_start(&import->progress, "importing", "bytes", (uint64_t)status.st_size,
                   import->common.quiet);
    return stream_open(&import->stream, fd, import->name, err);
}

static int import_all(struct import *import, const struct client_options *options, struct err *err)
{
    const struct sender_events events = {.argument = import,
                                         .taken = document_taken,
                                         .refused = document_refused,
                                         .counted = answer_counted,
                                         .done = batch_done};
    int r = open_input(import, err);
    if (r < 0)
        return r;
    r = client_open(&import->client, options, err);
    if (r == 0)
        r = take_header(import, err);
    if (r == 0)
        r = sender_open(&import->sender, options, import->common.collection, &events, err);
    while (r == 0 && !import->ended && (r = next_line(import, err)) > 0)
        r = take_line(import, err);
    if (r == 0)
        r = sender_submit(import->sender, err);
    if (r == 0)
        r = sender_finish(import->sender, err);
    progress_finish(&import->progress, false);
    sender_close(import->sender);
    client_close(import->client);
    stream_close(&import->stream);
    buf_release(&import->line);
    return r;
}

static int print_summary(const struct import *import, struct err *err)
{
    char added[NUMBER_SIZE], replaced[NUMBER_SIZE], unchanged[NUMBER_SIZE], refused[NUMBER_SIZE],
        duration[NUMBER_SIZE], rate[NUMBER_SIZE];
    double seconds = progress_elapsed(&import->progress);
    if (import->common.json) {
        json_t *json = json_pack(
            "{s:I, s:I, s:I, s:I, s:b, s:f}", "added", (json_int_t)import->counts.added, "replaced",
            (json_int_t)import->counts.replaced, "unchanged", (json_int_t)import->counts.unchanged,
            "refused", (json_int_t)import->refused, "whole", import->ended, "seconds", seconds);
        int r = command_print_json(json, err);
        json_decref(json);
        return r;
    }
    if (import->common.quiet)
        return 0;
    printf("added %s, replaced %s, unchanged %s%s%s (%s, %s lines/s)\n",
           number_count(added, import->counts.added),
           number_count(replaced, import->counts.replaced),
           number_count(unchanged, import->counts.unchanged), import->refused ? ", refused " : "",
           import->refused ? number_count(refused, import->refused) : "",
           number_duration(duration, seconds),
           number_count(rate,
                        (uint64_t)((double)import->found / (seconds > 0.001 ? seconds : 0.001))));
    return 0;
}

/* The exit code, and what is to be said of a file that has no end or another than it tells. */
static int finish(const struct import *import)
{
    if (!import->ended)
        terminal_error("%s has no end: it was cut short after line %" PRIu64, import->name,
                       import->number);
    else if (import->end_says != import->found + import->refused && import->refused == 0)
        terminal_error("%s had %" PRIu64 " documents when it was written, and has %" PRIu64,
                       import->name, import->end_says, import->found);
    else if (import->refused == 0)
        return terminal_finish(EXIT_FOUND);
    return terminal_finish(EXIT_NOTHING);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct import *import = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &import->common);
        return 0;
    case OPTION_MAX_ERRORS:
        import->max_refused = command_count(state, argument, UINT32_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (import->file)
            argp_error(state, "one file at a time");
        import->file = argument;
        return 0;
    case ARGP_KEY_END:
        if (!import->file && isatty(STDIN_FILENO))
            argp_error(state, "which file?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int sbert_index_import(int argc, char **argv, struct command_common common)
{
    static const struct argp_option options[] = {
        {"max-errors", OPTION_MAX_ERRORS, "N", 0, "Give up after N refusals", 0}, {0}};
    static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};
    static const struct argp parser = {
        options,
        parse,
        "[FILE]",
        "Adds what export wrote, with its vectors, to a collection, which is made if need be. It "
        "must be of the same model, or of none where the export is. Lines that are refused are "
        "named, and the rest is taken. Exit status 1: lines were refused or are missing.",
        children,
        NULL,
        NULL};
    struct import import = {.common = common, .max_refused = UINT64_MAX, .cancel = signals_catch()};
    struct err err = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &import);
    struct client_options client = command_client(&import.common, import.cancel);
    int r = import_all(&import, &client, &err);
    if (r == 0 && print_summary(&import, &err) == 0)
        return finish(&import);
    terminal_fail(&err);
    if (documents_taken(&import) > 0)
        terminal_error("%" PRIu64 " documents are safely in the collection; the same command, run "
                       "again, adds the rest",
                       documents_taken(&import));
    return *import.cancel ? 128 + *import.cancel : EXIT_ERROR;
}
