/* The frame of pairs, dedup and clusters on files. */
#include "cli/mine/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/mine/line.h"
#include "cli/numbers.h"
#include "cli/signals.h"
#include "cli/terminal.h"

static int read_all(struct work *work, const char *const *paths, struct err *err)
{
    for (size_t i = 0; i < work->set_count; i++) {
        int r = sentences_read(&work->sets[i], paths[i], &work->options->input, work->cancel, err);
        if (r < 0)
            return r;
        if (work->sets[i].skipped.invalid_utf8 > 0)
            terminal_warning("%s: %" PRIu64 " lines that are not UTF-8 were passed over", paths[i],
                             work->sets[i].skipped.invalid_utf8);
    }
    work->read = clock_now();
    return 0;
}

static int encode_all(struct work *work, struct err *err)
{
    const struct encoder_options options = {.precision = work->options->precision};
    struct worker worker = {0};
    int r = worker_open(&worker, work->options->model, &options, work->options->threads, err);
    work->loaded = clock_now();
    if (r == 0) {
        work->precision = encoder_info(worker.encoder)->precision;
        work->exact = strcmp(work->precision, precision_name(PRECISION_F32)) == 0;
    }
    for (size_t i = 0; r == 0 && i < work->set_count; i++)
        r = sentences_encode(&work->sets[i], &worker, NULL, work->quiet, work->cancel, err);
    worker_close(&worker);
    work->encoded = clock_now();
    return r;
}

static int open_work(struct work *work, const char *const *paths, size_t path_count,
                     struct err *err)
{
    work->started = clock_now();
    work->set_count = path_count;
    int r = pool_open(&work->pool, work->options->threads, false, err);
    if (r == 0)
        r = read_all(work, paths, err);
    return r < 0 ? r : encode_all(work, err);
}

static void close_work(struct work *work)
{
    for (size_t i = 0; i < work->set_count; i++)
        sentences_release(&work->sets[i]);
    pool_close(work->pool);
}

int work_main(const struct mine_options *options, bool quiet, const char *const *paths,
              size_t path_count,
              int (*find)(struct work *work, const void *argument, struct err *err),
              const void *argument)
{
    struct work work = {.options = options, .quiet = quiet, .cancel = signals_catch()};
    struct err err = {0};

    int r = open_work(&work, paths, path_count, &err);
    if (r == 0)
        r = find(&work, argument, &err);
    close_work(&work);
    if (r < 0) {
        terminal_fail(&err);
        return *work.cancel ? 128 + *work.cancel : EXIT_ERROR;
    }
    return terminal_finish(r > 0 ? EXIT_FOUND : EXIT_NOTHING);
}

struct pairs_sets work_sets(const struct work *work)
{
    struct pairs_sets sets = {.rows = work->sets[0].vectors,
                              .row_count = work->sets[0].count,
                              .dimension = work->sets[0].dimension};
    if (work->set_count > 1) {
        sets.columns = work->sets[1].vectors;
        sets.column_count = work->sets[1].count;
    }
    return sets;
}

static void show_progress(void *argument, uint64_t done, uint64_t total)
{
    struct work *work = argument;
    (void)total;
    progress_update(&work->progress, done);
}

struct pairs_run work_begin_run(struct work *work, const char *verb, const char *unit,
                                uint64_t total)
{
    progress_start(&work->progress, verb, unit, total, work->quiet);
    return (struct pairs_run){work->pool, show_progress, work, work->cancel};
}

struct pairs_run work_begin_pairs(struct work *work)
{
    struct pairs_sets sets = work_sets(work);
    return work_begin_run(work, "comparing", "pairs", pairs_count(&sets));
}

void work_end_run(struct work *work)
{
    progress_finish(&work->progress, false);
}

/* "4,950 pairs compared", or how near to that a graph came. */
static void say_comparison(const struct work *work, char *said, size_t size)
{
    char pairs[NUMBER_SIZE];
    struct pairs_sets sets = work_sets(work);
    if (work->recall > 0)
        snprintf(said, size, "the nearest by a graph (%.2f%% of the true ones, by a sample)",
                 100 * work->recall);
    else
        snprintf(said, size, "%s pairs compared", number_count(pairs, pairs_count(&sets)));
}

void work_report(const struct work *work, double finished)
{
    char texts[NUMBER_SIZE], compared[96];
    if (work->quiet)
        return;
    say_comparison(work, compared, sizeof compared);
    fprintf(stderr,
            "%s texts: read %.2f s, model %.2f s, encoded in %s %.2f s; %s %.2f s; in all "
            "%.2f s\n",
            number_count(texts, work->sets[0].count + work->sets[1].count),
            work->read - work->started, work->loaded - work->read, work->precision,
            work->encoded - work->loaded, compared, finished - work->encoded,
            finished - work->started);
}

json_t *work_score_json(float score)
{
    char text[32];
    int digits = 6;
    do
        snprintf(text, sizeof text, "%.*g", digits, (double)score);
    while (strtof(text, NULL) != score && ++digits <= 9);
    return json_real(strtod(text, NULL));
}

json_t *work_text_json(const struct work *work, size_t set, size_t text)
{
    const struct sentences *sentences = &work->sets[set];
    const struct sentence *where = &sentences->where[text];
    json_t *json = json_pack("{s:I, s:s%}", "line", (json_int_t)where->line, "text",
                             sentences->texts[text].text, sentences->texts[text].size);
    if (json && where->id && json_object_set_new(json, "id", json_string(where->id)) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *work_texts_json(const struct work *work, const size_t *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++)
        if (json_array_append_new(array, work_text_json(work, 0, texts[i])) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

int work_print_text(const struct work *work, const char *lead, size_t set, size_t text,
                    struct err *err)
{
    const struct sentences *sentences = &work->sets[set];
    const struct sentence *where = &sentences->where[text];
    struct buf line = {0};
    int r = buf_printf(&line, "%s", lead);

    if (r == 0 && where->id)
        r = buf_printf(&line, "%s  ", where->id);
    else if (r == 0)
        r = buf_printf(&line, "%6" PRIu64 "  ", where->line);
    if (r == 0)
        r = line_print(&line, sentences->texts[text].text, sentences->texts[text].size);
    buf_release(&line);
    return r < 0 ? err_memory(err, "a line of output") : 0;
}
