/* Adding files: documents are read into batches, batches sent while the next is read. When every
 * document of a file was taken, what the file held before and no longer does is removed.
 *
 * One thread; the answers' events come from within sender_submit and sender_finish. A file lives
 * from its first document to its last answer.
 */
#include "cli/index/add.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "cli/index/idset.h"
#include "cli/index/pages.h"
#include "cli/index/prune.h"
#include "cli/index/sender.h"
#include "cli/progress.h"
#include "cli/terminal.h"

/* A request is sent when it has so many bytes, whatever the number of its documents: well within
 * the daemon's limit, and small enough for the progress to move. */
enum { BATCH_BYTES = 1 << 20 };

struct source_file {
    const char *name;
    char *source;     /* the path that is recorded, or NULL */
    bool prune;       /* what vanished from it is to be removed */
    bool refused;     /* something in it was refused, so that nothing may be removed */
    uint64_t found;   /* documents read so far */
    uint64_t pending; /* documents without an answer, and one more while it is read */
    struct idset ids; /* that it holds; only where `prune` */
    struct source_file *next, *previous; /* in the list of those that aren't finished */
};

struct add {
    const struct add_options *options;
    struct add_summary *summary;
    struct client *client; /* for what goes beside the batches */
    struct sender *sender;
    struct progress progress;
    uint64_t before; /* bytes of the files that were read before this one */
    struct batch dry;
    struct source_file *unfinished;
};

/* Counts and names a refusal. ERR_LIMIT where there were too many. */
static int count_refused(struct add *add, const char *message, struct err *err)
{
    progress_clear(&add->progress);
    terminal_error("%s", message);
    if (++add->summary->refused >= add->options->max_refused)
        return err_set(err, ERR_LIMIT, "%" PRIu64 " refused, giving up", add->summary->refused);
    return 0;
}

static struct source_file *new_file(struct add *add, const char *name)
{
    struct source_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->name = name;
    file->next = add->unfinished;
    if (file->next)
        file->next->previous = file;
    add->unfinished = file;
    return file;
}

static void free_file(struct add *add, struct source_file *file)
{
    if (file->next)
        file->next->previous = file->previous;
    if (file->previous)
        file->previous->next = file->next;
    else
        add->unfinished = file->next;
    idset_release(&file->ids);
    free(file->source);
    free(file);
}

/* The collection `default` comes with its first document: before, there is nothing to prune. */
static bool not_made_yet(const struct add *add)
{
    return client_status(add->client) == 404 && strcmp(add->options->collection, "default") == 0;
}

/* One thing less is pending; after the last the file is finished, and freed. */
static int settle_one(struct add *add, struct source_file *file, struct err *err)
{
    if (--file->pending > 0)
        return 0;
    struct prune_counts counts = {0};
    int r = 0;
    if (file->prune && !file->refused)
        r = prune_source(add->client, add->options->collection, file->source, &file->ids, &counts,
                         err);
    if (r < 0 && not_made_yet(add))
        r = 0;
    add->summary->removed += counts.deleted;
    free_file(add, file);
    return r;
}

/* --- events of the sender --- */

static int document_taken(void *argument, const struct batch_document *document, const char *id,
                          struct err *err)
{
    struct source_file *file = document->file;
    if (file->prune && idset_add(&file->ids, id) < 0)
        return err_memory(err, "the ids of a file");
    return settle_one(argument, file, err);
}

static int document_refused(void *argument, const struct batch_document *document,
                            const struct err *why, struct err *err)
{
    struct add *add = argument;
    struct source_file *file = document->file;
    char message[sizeof why->message + 512];
    if (document->line > 0)
        snprintf(message, sizeof message, "%s:%" PRIu64 ": refused: %s", file->name, document->line,
                 sender_reason(why));
    else
        snprintf(message, sizeof message, "%s: refused: %s", file->name, sender_reason(why));
    file->refused = true;
    int r = count_refused(add, message, err);
    return r < 0 ? r : settle_one(add, file, err);
}

static void answer_counted(void *argument, const struct sender_counts *counts)
{
    struct add *add = argument;
    add->summary->added += counts->added;
    add->summary->replaced += counts->replaced;
    add->summary->unchanged += counts->unchanged;
    add->summary->truncated += counts->truncated;
}

static void batch_done(void *argument, const struct batch *batch)
{
    struct add *add = argument;
    const struct add_summary *summary = add->summary;
    progress_update_counted(&add->progress, batch->position, "documents",
                            summary->added + summary->replaced + summary->unchanged);
}

/* --- reading --- */

/* Prints the batch instead of sending it. */
static int print_batch(struct add *add, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < add->dry.count && r == 0; i++) {
        const struct batch_document *document = &add->dry.documents[i];
        fwrite(add->dry.json.data + document->start, 1, document->end - document->start, stdout);
        putchar('\n');
        r = settle_one(add, document->file, err);
    }
    batch_clear(&add->dry);
    return r;
}

static int submit(struct add *add, struct err *err)
{
    return add->options->dry_run ? print_batch(add, err) : sender_submit(add->sender, err);
}

/* Puts a document into the batch, and sends that when it is full. */
static int add_document(struct add *add, struct source_file *file,
                        const struct input_document *document, uint64_t position, struct err *err)
{
    struct batch *batch = add->options->dry_run ? &add->dry : sender_batch(add->sender);
    int r = batch_add(batch, document, file->source, file, err);
    if (r < 0)
        return r;
    file->pending++;
    file->found++;
    add->summary->found++;
    batch->position = position;
    if (batch->count < add->options->batch && batch->json.size < BATCH_BYTES)
        return 0;
    return submit(add, err);
}

static bool is_cancelled(const struct add *add)
{
    return add->options->cancel && *add->options->cancel;
}

/* What input_next refused: one record, or the rest of the file (*ret_ended). */
static int refuse_record(struct add *add, struct source_file *file, const struct err *why,
                         bool *ret_ended, struct err *err)
{
    if (why->code == ERR_MEMORY || why->code == ERR_CANCELLED)
        return err_set(err, why->code, "%s", why->message);
    *ret_ended = why->code != ERR_INVALID && why->code != ERR_LIMIT;
    file->refused = true;
    return count_refused(add, why->message, err);
}

/* Reads a file's documents to its end. What concerns one record, or this file alone, is counted;
 * what is returned ends everything. */
static int read_documents(struct add *add, struct source_file *file, struct input *input,
                          struct err *err)
{
    bool ended = false;
    int r = 0;
    while (!ended && r == 0) {
        struct input_document document;
        struct err why = {0};
        if (is_cancelled(add))
            return err_set(err, ERR_CANCELLED, "interrupted");
        if (!input_ready(input)) /* a slow producer's documents don't wait for a full batch */
            r = submit(add, err);
        if (r < 0)
            return r;
        r = input_next(input, &document, &why);
        ended = r == 0;
        if (r > 0)
            r = add_document(add, file, &document, add->before + input_position(input), err);
        else if (r < 0)
            r = refuse_record(add, file, &why, &ended, err);
    }
    return r;
}

/* A file that couldn't be opened. Binary ones in a folder are passed over with a warning: folders
 * hold pictures, too. */
static int refuse_file(struct add *add, const struct folder_file *from, const struct err *why,
                       struct err *err)
{
    if (why->code == ERR_UNSUPPORTED && from->in_folder) {
        add->summary->binary++;
        progress_clear(&add->progress);
        if (!add->options->quiet)
            terminal_warning("%s: passed over", why->message);
        return 0;
    }
    return count_refused(add, why->message, err);
}

/* Says which path is recorded for a file: what --source gave, or the real path. Pipes have none.
 * *ret_regular: it is a file that can be read again. */
static int name_source(const struct add *add, const struct folder_file *from, char **ret_source,
                       bool *ret_regular, struct err *err)
{
    bool given = add->options->source != NULL;
    struct stat status;
    if (strcmp(from->path, "-") != 0 && stat(from->path, &status) < 0)
        return err_set_errno(err, errno, "cannot open %s", from->path);
    bool regular = strcmp(from->path, "-") != 0 && S_ISREG(status.st_mode);
    if (add->options->no_source || !(given || regular))
        return 0;
    char *source = given ? strdup(add->options->source) : realpath(from->path, NULL);
    if (!source)
        return err_set_errno(err, errno, "cannot open %s", from->path);
    if (!utf8_valid(source, strlen(source), NULL)) {
        free(source);
        return err_set(err, ERR_INVALID,
                       "the path %s is not valid UTF-8; --no-source adds it without one",
                       from->path);
    }
    *ret_source = source;
    *ret_regular = regular;
    return 0;
}

/* Takes over what the input passed over, and warns of a file that held nothing. */
static void count_skipped(struct add *add, const struct source_file *file,
                          const struct input *input)
{
    struct input_skipped skipped = input_skipped(input);
    add->summary->empty += skipped.empty;
    add->summary->invalid_utf8 += skipped.invalid_utf8;
    if (file->found > 0 || file->refused || skipped.invalid_utf8 > 0 || add->options->quiet)
        return;
    progress_clear(&add->progress);
    terminal_warning("%s has no text in it", file->name);
}

static int add_file(struct add *add, const struct folder_file *from, struct err *err)
{
    bool named_input = strcmp(from->path, "-") == 0, regular = false;
    struct input_options input_options = add->options->input;
    struct input *input = NULL;
    struct err why = {0};
    struct source_file *file = new_file(add, named_input ? "standard input" : from->path);
    if (!file)
        return err_memory(err, from->path);
    input_options.in_folder = from->in_folder;
    int r = name_source(add, from, &file->source, &regular, &why);
    if (r == 0)
        r = input_open(&input, from->path, &input_options, &why);
    if (r < 0) {
        free_file(add, file);
        return r == ERR_MEMORY || r == ERR_CANCELLED ? err_set(err, r, "%s", why.message)
                                                     : refuse_file(add, from, &why, err);
    }
    /* A producer that dies looks like the end of a pipe, so nothing is removed for one. */
    file->prune = file->source && regular && !add->options->keep && !add->options->dry_run;
    file->pending = 1;
    add->summary->files++;
    r = read_documents(add, file, input, err);
    if (r == 0) {
        count_skipped(add, file, input);
        r = settle_one(add, file, err);
    }
    input_close(input);
    return r;
}

/* --- everything --- */

/* Asks for the collection first: a wrong name or a daemon that isn't there is then found before
 * anything was read. `default` need not be there yet. */
static int check_collection(struct add *add, struct err *err)
{
    struct buf target = {0};
    json_t *answer = NULL;
    const char *name = add->options->collection;
    int r = pages_target(&target, name, "");
    if (r == 0)
        r = client_call(add->client, "GET", target.data, NULL, &answer, err);
    else
        err_memory(err, "the request");
    if (r < 0 && not_made_yet(add))
        r = 0;
    else if (r < 0 && client_status(add->client) == 404)
        err_set(err, r,
                "there is no collection %s; make it with: sbert-index collections create %s", name,
                name);
    json_decref(answer);
    buf_release(&target);
    return r;
}

int add_files(const struct folder_files *files, const struct add_options *options,
              const struct client_options *client_options, struct add_summary *ret_summary,
              struct err *err)
{
    struct add add = {.options = options, .summary = ret_summary};
    struct sender_events events = {&add, document_taken, document_refused, answer_counted,
                                   batch_done};
    uint64_t total = 0;
    int r = 0;
    for (size_t i = 0; i < files->count; i++)
        total += files->files[i].size;
    progress_start(&add.progress, "adding", "bytes", total, options->quiet || options->dry_run);
    if (!options->dry_run) {
        r = client_open(&add.client, client_options, err);
        if (r == 0)
            r = check_collection(&add, err);
        if (r == 0)
            r = sender_open(&add.sender, client_options, options->collection, &events, err);
    }
    for (size_t i = 0; i < files->count && r == 0; i++) {
        r = add_file(&add, &files->files[i], err);
        add.before += files->files[i].size;
    }
    if (r == 0)
        r = submit(&add, err);
    if (r == 0 && add.sender)
        r = sender_finish(add.sender, err);
    progress_finish(&add.progress, false);
    ret_summary->seconds = progress_elapsed(&add.progress);
    while (add.unfinished)
        free_file(&add, add.unfinished);
    batch_release(&add.dry);
    sender_close(add.sender);
    client_close(add.client);
    return r;
}
