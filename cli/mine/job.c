/* Jobs by POST collections/NAME/jobs and GET jobs/ID. */
#include "cli/mine/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/index/pages.h"
#include "cli/mine/line.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "daemon/wire_limits.h"

enum { LOOK_MILLISECONDS = 100 };

static int call_job(struct client *client, const char *method, const char *id, const char *rest,
                    json_t **ret_json, struct err *err)
{
    struct buf target = {0};
    int r = buf_printf(&target, "/v1/jobs/%s%s", id, rest) == 0
                ? client_call(client, method, target.data, NULL, ret_json, err)
                : err_memory(err, "the request");
    buf_release(&target);
    return r;
}

/* No signal interrupts this, so that it is known what there is to cancel. */
static int start(struct job_frame *frame, const json_t *request, struct err *err)
{
    struct client_options options = command_client(frame->common, NULL);
    struct client *client = NULL;
    struct buf target = {0};
    json_t *job = NULL;
    options.retry_seconds = 0;
    int r = client_open(&client, &options, err);
    if (r == 0)
        r = pages_target(&target, frame->common->collection, "/jobs") == 0
                ? client_call(client, "POST", target.data, request, &job, err)
                : err_memory(err, "the request");
    const char *id = json_string_value(json_object_get(job, "id"));
    if (r == 0 && (!id || strlen(id) >= sizeof frame->id))
        r = err_set(err, ERR_CORRUPT, "the daemon's answer has no job");
    if (r == 0)
        snprintf(frame->id, sizeof frame->id, "%s", id);
    json_decref(job);
    buf_release(&target);
    client_close(client);
    return r;
}

/* Says on a connection of its own, which no signal interrupts, that the job is not wanted any more:
 * cancelled, or forgotten where it is done. Nobody is left to tell where that fails. */
static void give_up(const struct job_frame *frame)
{
    struct client_options options = command_client(frame->common, NULL);
    struct client *client;
    json_t *answer = NULL;
    struct err ignored = {0};
    if (!*frame->id || client_open(&client, &options, &ignored) < 0)
        return;
    (void)call_job(client, "DELETE", frame->id, "", &answer, &ignored);
    json_decref(answer);
    client_close(client);
}

/* What a job that is done says of itself. */
static void report(const json_t *job, bool quiet)
{
    double recall = json_number_value(json_object_get(job, "recall"));
    if (recall > 0 && !quiet)
        fprintf(stderr, "the nearest by a graph (%.2f%% of the true ones, by a sample)\n",
                100 * recall);
}

/* 1 while it goes on, 0 when it is done. */
static int judge(const json_t *job, struct err *err)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    const char *message =
        json_string_value(json_object_get(json_object_get(job, "error"), "message"));
    if (!state)
        return err_set(err, ERR_CORRUPT, "the daemon's answer has no job");
    if (strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0)
        return 1;
    if (strcmp(state, "done") == 0)
        return 0;
    return message ? err_set(err, ERR_INVALID, "%s", message)
                   : err_set(err, ERR_CANCELLED, "the job was %s", state);
}

static void show(struct progress *progress, const json_t *job, bool quiet)
{
    const json_t *now = json_object_get(job, "progress");
    const char *phase = json_string_value(json_object_get(now, "phase"));
    json_int_t done = json_integer_value(json_object_get(now, "done"));
    json_int_t total = json_integer_value(json_object_get(now, "total"));
    static const char *const phases[][2] = {{"waiting", "passages"},
                                            {"reading", "passages"},
                                            {"comparing", "pairs"},
                                            {"searching", "steps"}};
    size_t i = sizeof phases / sizeof *phases - 1;
    while (i > 0 && (!phase || strcmp(phases[i][0], phase) != 0))
        i--;
    if (strcmp(progress->verb, phases[i][0]) != 0) {
        progress_finish(progress, false);
        progress_start(progress, phases[i][0], phases[i][1], total > 0 ? (uint64_t)total : 0,
                       quiet);
    }
    progress_update(progress, done > 0 ? (uint64_t)done : 0);
}

static int watch(struct job_frame *frame, struct err *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_MILLISECONDS * 1000000L};
    struct progress progress;
    int r;
    progress_start(&progress, "waiting", "passages", 0, frame->common->quiet);
    for (;;) {
        json_t *job = NULL;
        r = call_job(frame->client, "GET", frame->id, "", &job, err);
        if (r == 0)
            r = judge(job, err);
        if (r == 1)
            show(&progress, job, frame->common->quiet);
        if (r == 0)
            report(job, frame->common->quiet);
        json_decref(job);
        if (r != 1)
            break;
        nanosleep(&pause, NULL); /* a signal ends it early */
        if (*frame->cancel) {
            r = err_set(err, ERR_CANCELLED, "interrupted");
            break;
        }
    }
    progress_finish(&progress, false);
    return r;
}

int job_main(const struct command_common *common, json_t *request,
             int (*print)(struct job_frame *frame, const void *argument, struct err *err),
             const void *argument)
{
    struct job_frame frame = {.common = common, .cancel = signals_catch()};
    struct client_options options = command_client(common, frame.cancel);
    struct err err = {0};
    int r = request ? client_open(&frame.client, &options, &err) : err_memory(&err, "the request");

    if (r == 0)
        r = start(&frame, request, &err);
    if (r == 0)
        r = watch(&frame, &err);
    if (r == 0)
        r = print(&frame, argument, &err);
    give_up(&frame);
    client_close(frame.client);
    json_decref(request);
    if (r < 0) {
        terminal_fail(&err);
        return *frame.cancel ? 128 + *frame.cancel : EXIT_ERROR;
    }
    return terminal_finish(r > 0 ? EXIT_FOUND : EXIT_NOTHING);
}

/* --- results --- */

static int take_page(struct job_frame *frame, json_int_t after, json_t **ret_page, struct err *err)
{
    char rest[96];
    snprintf(rest, sizeof rest, "/result?limit=%d&after=%" JSON_INTEGER_FORMAT, LIMIT_LIST, after);
    return call_job(frame->client, "GET", frame->id, rest, ret_page, err);
}

int job_each(struct job_frame *frame,
             int (*entry)(void *argument, const json_t *entry, struct err *err), void *argument,
             struct err *err)
{
    json_int_t after = 0;
    bool more = true;
    int r = 0;
    while (r == 0 && more) {
        json_t *page = NULL;
        r = take_page(frame, after, &page, err);
        const json_t *entries = json_object_get(page, "results");
        for (size_t i = 0; r == 0 && i < json_array_size(entries); i++)
            r = entry(argument, json_array_get(entries, i), err);
        const json_t *next = json_object_get(page, "next");
        more = json_is_integer(next);
        after = json_integer_value(next);
        json_decref(page);
    }
    return r;
}

/* The group that is being put together. */
struct gathering {
    json_t *documents;
    json_int_t number;
    size_t size;
    int (*group)(void *argument, const json_t *documents, size_t size, struct err *err);
    void *argument;
};

static int end_group(struct gathering *gathering, struct err *err)
{
    size_t count = json_array_size(gathering->documents);
    int r = count
                ? gathering->group(gathering->argument, gathering->documents, gathering->size, err)
                : 0;
    json_array_clear(gathering->documents);
    return r;
}

static int gather(void *argument, const json_t *entry, struct err *err)
{
    struct gathering *gathering = argument;
    json_int_t number = json_integer_value(json_object_get(entry, "group"));
    int r = number != gathering->number ? end_group(gathering, err) : 0;
    gathering->number = number;
    gathering->size = (size_t)json_integer_value(json_object_get(entry, "size"));
    if (r == 0 && json_array_append(gathering->documents, json_object_get(entry, "document")) < 0)
        r = err_memory(err, "a group");
    return r;
}

int job_each_group(struct job_frame *frame,
                   int (*group)(void *argument, const json_t *documents, size_t size,
                                struct err *err),
                   void *argument, struct err *err)
{
    struct gathering gathering = {.documents = json_array(), .group = group, .argument = argument};
    int r =
        gathering.documents ? job_each(frame, gather, &gathering, err) : err_memory(err, "a group");
    if (r == 0)
        r = end_group(&gathering, err);
    json_decref(gathering.documents);
    return r;
}

int job_print_document(const char *lead, const json_t *document, struct err *err)
{
    const char *id = json_string_value(json_object_get(document, "id"));
    const json_t *text = json_object_get(document, "text");
    struct buf line = {0};
    int r = buf_printf(&line, "%s%s  ", lead, id ? id : "");
    if (r == 0)
        r = line_print(&line, json_string_value(text), json_string_length(text));
    buf_release(&line);
    return r < 0 ? err_memory(err, "a line of output") : 0;
}
