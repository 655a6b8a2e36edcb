/* sbert-index export: a collection as JSON lines, with its vectors.
 *
 * It asks for page after page by id, so what is added or deleted meanwhile may be in it or not; a
 * backup is of one moment. Memory is that of a page. A file gets its name when it is whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/index/command.h"
#include "cli/index/exported.h"
#include "cli/index/pages.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "daemon/wire_limits.h"

/* What a request has around its one document. */
enum { AROUND_DOCUMENT = 64 };

struct export
{
    struct command_common common;
    const char *file; /* NULL or "-": standard output */
    const volatile sig_atomic_t *cancel;
    struct client *client;
    struct file_replace replace; /* of a regular file */
    FILE *stream;
    struct buf line;
    struct progress progress;
    uint64_t lines, documents;
    char *after; /* the last id, or NULL */
};

static const char *file_name(const struct export *export)
{
    return export->stream == stdout ? "standard output" : export->file;
}

static int open_output(struct export *export, struct err *err)
{
    struct stat status;
    export->stream = stdout;
    if (!export->file || strcmp(export->file, "-") == 0)
        return 0;
    if (stat(export->file, &status) == 0 && !S_ISREG(status.st_mode)) { /* a pipe, a device */
        export->stream = fopen(export->file, "we");
        return export->stream ? 0 : err_set_errno(err, errno, "cannot open %s", export->file);
    }
    int r = file_replace_begin(&export->replace, export->file, 0600, err);
    if (r == 0)
        export->stream = export->replace.stream;
    return r;
}

/* Ends the file: under its name where all went well, else as if it had not been begun. */
static int close_output(struct export *export, int r, struct err *err)
{
    if (export->replace.stream && r == 0)
        return file_replace_commit(&export->replace, err);
    if (export->replace.stream)
        file_replace_abort(&export->replace);
    else if (export->stream && export->stream != stdout && fclose(export->stream) != 0 && r == 0)
        return err_set_errno(err, errno, "cannot write %s", export->file);
    return r;
}

/* Writes what is in `line`. A failure in flushing shows here or at the end. */
static int write_out(struct export *export, struct err *err)
{
    size_t size = export->line.size;
    bool whole = fwrite(export->line.data, 1, size, export->stream) == size;
    buf_clear(&export->line);
    return whole ? 0 : err_set_errno(err, errno, "cannot write %s", file_name(export));
}

/* A text near the limit has more vectors than a request may hold: they are left to be made anew. */
static int leave_out_vectors(struct export *export, json_t *document, struct err *err)
{
    progress_clear(&export->progress);
    terminal_warning("%s: too long with its vectors, which an import will make again",
                     json_string_value(json_object_get(document, "id")));
    json_object_del(document, "passages");
    buf_clear(&export->line);
    return exported_write_document(&export->line, document) < 0 ? err_memory(err, "the documents")
                                                                : 0;
}

static int write_document(struct export *export, json_t *document, struct err *err)
{
    const char *id = json_string_value(json_object_get(document, "id"));
    if (!id)
        return err_set(err, ERR_CORRUPT, "the daemon's answer has a document without an id");
    int r =
        exported_write_document(&export->line, document) < 0 ? err_memory(err, "the documents") : 0;
    if (r == 0 && export->line.size > LIMIT_BODY - AROUND_DOCUMENT)
        r = leave_out_vectors(export, document, err);
    if (r == 0)
        r = write_out(export, err);
    if (r < 0)
        return r;
    export->lines++;
    if (!export->after || strcmp(export->after, id) != 0) { /* not one more source of the last */
        free(export->after);
        export->after = strdup(id);
        export->documents++;
    }
    return export->after ? 0 : err_memory(err, "the documents");
}

/* Fetches the page after the last document and writes it; *ret_more: it is not the last. */
static int export_page(struct export *export, bool *ret_more, struct err *err)
{
    struct buf target = {0};
    json_t *answer = NULL;
    int r = pages_target(&target, export->common.collection, "/export");
    if (r == 0)
        r = buf_printf(&target, "?limit=%d%s", LIMIT_LIST, export->after ? "&after=" : "");
    if (r == 0 && export->after)
        r = client_encode(&target, export->after);
    if (r < 0)
        err_memory(err, "the request");
    else
        r = client_call(export->client, "GET", target.data, NULL, &answer, err);
    const json_t *documents = json_object_get(answer, "documents");
    const json_t *next = json_object_get(answer, "next");
    if (r == 0 &&
        (!json_is_array(documents) || (json_is_string(next) && !json_array_size(documents))))
        r = err_set(err, ERR_CORRUPT, "the daemon's answer has no documents");
    for (size_t i = 0; i < json_array_size(documents) && r == 0; i++)
        r = write_document(export, json_array_get(documents, i), err);
    *ret_more = json_is_string(next);
    json_decref(answer);
    buf_release(&target);
    return r;
}

static int write_header(struct export *export, const json_t *collection, struct err *err)
{
    json_int_t documents = json_integer_value(json_object_get(collection, "documents"));
    if (exported_write_header(&export->line, collection) < 0)
        return err_memory(err, "the header");
    progress_start(&export->progress, "exporting", "documents",
                   documents > 0 ? (uint64_t)documents : 0, export->common.quiet);
    return write_out(export, err);
}

static int export_all(struct export *export, struct err *err)
{
    struct buf target = {0};
    json_t *collection = NULL;
    bool more = true;
    int r = pages_target(&target, export->common.collection, "") < 0
                ? err_memory(err, "the request")
                : client_call(export->client, "GET", target.data, NULL, &collection, err);
    if (r == 0)
        r = open_output(export, err);
    if (r == 0)
        r = write_header(export, collection, err);
    while (more && r == 0) {
        r = *export->cancel ? err_set(err, ERR_CANCELLED, "interrupted")
                            : export_page(export, &more, err);
        progress_update(&export->progress, export->documents);
    }
    if (r == 0)
        r = exported_write_end(&export->line, export->lines) < 0 ? err_memory(err, "the end")
                                                                 : write_out(export, err);
    r = close_output(export, r, err);
    progress_finish(&export->progress, r == 0 && export->stream);
    json_decref(collection);
    buf_release(&target);
    return r;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct export *export = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &export->common);
        return 0;
    case ARGP_KEY_ARG:
        if (export->file)
            argp_error(state, "one file at a time");
        export->file = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int sbert_index_export(int argc, char **argv, struct command_common common)
{
    static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};
    static const struct argp parser = {
        NULL,
        parse,
        "[FILE]",
        "Writes a collection as JSON lines with its vectors: a header, the documents by id, and an "
        "end that says how many there were. Without FILE, or with -, to standard output. A FILE "
        "that is there is replaced when all is written.",
        children,
        NULL,
        NULL};
    struct export export = {.common = common, .cancel = signals_catch()};
    struct err err = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &export);
    struct client_options options = command_client(&export.common, export.cancel);
    int r = client_open(&export.client, &options, &err);
    if (r == 0)
        r = export_all(&export, &err);
    client_close(export.client);
    buf_release(&export.line);
    free(export.after);
    if (r < 0)
        terminal_fail(&err);
    return r < 0 ? *export.cancel ? 128 + *export.cancel : EXIT_ERROR : terminal_finish(EXIT_FOUND);
}
