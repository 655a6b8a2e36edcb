/* What is asked of the daemon's jobs, and how their results are printed: as for files. */
#include "cli/mine/collection.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/index/pages.h"
#include "cli/index/selected.h"
#include "cli/mine/job.h"
#include "cli/numbers.h"

/* What the printing of entries and groups adds up. */
struct printing {
    const struct command_common *common;
    size_t found;
    size_t shown;   /* clusters: documents of each */
    json_t *others; /* dedup: ids of all but the first of each group; NULL: not wanted */
};

/* Adds to a request; frees it and gives NULL where memory runs out. */
static json_t *with(json_t *request, const char *name, json_t *value)
{
    if (request && json_object_set_new(request, name, value) == 0)
        return request;
    json_decref(request);
    return NULL;
}

/* --- pairs --- */

static int print_pair(void *argument, const json_t *entry, struct err *err)
{
    struct printing *printing = argument;
    char lead[32];
    printing->found++;
    if (printing->common->json)
        return command_print_json(entry, err);
    snprintf(lead, sizeof lead, "%7.4f  ", json_number_value(json_object_get(entry, "score")));
    int r = job_print_document(lead, json_object_get(entry, "a"), err);
    return r < 0 ? r : job_print_document("         ", json_object_get(entry, "b"), err);
}

static int print_pairs(struct job_frame *frame, const void *argument, struct err *err)
{
    struct printing printing = {.common = frame->common};
    (void)argument;
    int r = job_each(frame, print_pair, &printing, err);
    return r < 0 ? r : printing.found > 0;
}

int collection_pairs(const struct command_common *common, size_t top, size_t each, float threshold,
                     bool approximate)
{
    json_t *request = json_pack("{s:s}", "kind", "pairs");
    request = each ? with(request, "each", json_integer((json_int_t)each))
                   : with(request, "top", json_integer((json_int_t)top));
    if (isfinite(threshold))
        request = with(request, "threshold", json_real((double)threshold));
    if (approximate)
        request = with(request, "approximate", json_true());
    return job_main(common, request, print_pairs, NULL);
}

/* --- near-duplicates --- */

struct dedup {
    bool remove, sure;
};

/* A group of which only one is left is none. */
static int print_duplicates(void *argument, const json_t *documents, size_t size, struct err *err)
{
    struct printing *printing = argument;
    size_t count = json_array_size(documents);
    int r = 0;
    (void)size;
    if (count < 2)
        return 0;
    printing->found++;
    for (size_t i = 1; printing->others && i < count; i++)
        if (json_array_append(printing->others,
                              json_object_get(json_array_get(documents, i), "id")) < 0)
            return err_memory(err, "the duplicates");
    if (printing->common->json)
        return command_print_json(documents, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = job_print_document("", json_array_get(documents, i), err);
    putchar('\n');
    return r;
}

/* Deletes ids [first, first + count). */
static int delete_some(struct job_frame *frame, const json_t *ids, size_t first, size_t count,
                       uint64_t *deleted, struct err *err)
{
    struct buf target = {0};
    json_t *some = json_array(), *answer = NULL;
    int r = some ? 0 : err_memory(err, "the duplicates");
    for (size_t i = first; r == 0 && i < first + count; i++)
        if (json_array_append(some, json_array_get(ids, i)) < 0)
            r = err_memory(err, "the duplicates");
    json_t *body = r == 0 ? json_pack("{s:O}", "ids", some) : NULL;
    if (r == 0 &&
        (!body || pages_target(&target, frame->common->collection, "/documents/delete") < 0))
        r = err_memory(err, "the request");
    if (r == 0)
        r = client_call(frame->client, "POST", target.data, body, &answer, err);
    json_int_t number = json_integer_value(json_object_get(answer, "deleted"));
    *deleted += number > 0 ? (uint64_t)number : 0;
    json_decref(body);
    json_decref(some);
    json_decref(answer);
    buf_release(&target);
    return r;
}

static int delete_all(struct job_frame *frame, const struct dedup *dedup, const json_t *ids,
                      struct err *err)
{
    enum { STEP = 1000 };
    char number[NUMBER_SIZE];
    size_t count = json_array_size(ids);
    uint64_t deleted = 0;
    int r = 0;
    if (count == 0)
        return 0;
    fflush(stdout);
    if (!dedup->sure)
        r = selected_ask(frame->common->collection, count, err);
    for (size_t done = 0; r == 0 && done < count; done += STEP)
        r = delete_some(frame, ids, done, count - done < STEP ? count - done : STEP, &deleted, err);
    if (deleted > 0 && !frame->common->quiet)
        fprintf(stderr, "%s documents deleted\n", number_count(number, deleted));
    return r;
}

static int print_dedup(struct job_frame *frame, const void *argument, struct err *err)
{
    const struct dedup *dedup = argument;
    struct printing printing = {.common = frame->common};
    if (dedup->remove && !(printing.others = json_array()))
        return err_memory(err, "the duplicates");
    int r = job_each_group(frame, print_duplicates, &printing, err);
    if (r == 0)
        r = delete_all(frame, dedup, printing.others, err);
    json_decref(printing.others);
    return r < 0 ? r : printing.found > 0;
}

int collection_dedup(const struct command_common *common, float threshold, bool remove, bool sure)
{
    const struct dedup dedup = {remove, sure};
    json_t *request = json_pack("{s:s, s:f}", "kind", "dedup", "threshold", (double)threshold);
    return job_main(common, request, print_dedup, &dedup);
}

/* --- clusters --- */

static int print_cluster(void *argument, const json_t *documents, size_t size, struct err *err)
{
    struct printing *printing = argument;
    char count[NUMBER_SIZE];
    int r = 0;
    printing->found++;
    if (printing->common->json) {
        json_t *json = json_pack("{s:I, s:O}", "size", (json_int_t)size, "texts", documents);
        r = command_print_json(json, err);
        json_decref(json);
        return r;
    }
    printf("%s%zu: %s texts\n", printing->found > 1 ? "\n" : "", printing->found,
           number_count(count, size));
    for (size_t i = 0; r == 0 && i < json_array_size(documents) && i < printing->shown; i++)
        r = job_print_document("  ", json_array_get(documents, i), err);
    return r;
}

static int print_clusters(struct job_frame *frame, const void *argument, struct err *err)
{
    struct printing printing = {.common = frame->common, .shown = *(const size_t *)argument};
    int r = job_each_group(frame, print_cluster, &printing, err);
    return r < 0 ? r : printing.found > 0;
}

int collection_clusters(const struct command_common *common, float threshold, size_t least_size,
                        size_t k, int seed, size_t shown)
{
    json_t *request = json_pack("{s:s}", "kind", "clusters");
    if (k) {
        request = with(request, "k_means", json_integer((json_int_t)k));
        request = with(request, "seed", json_integer(seed));
    } else {
        request = with(request, "threshold", json_real((double)threshold));
        request = with(request, "min_size", json_integer((json_int_t)least_size));
    }
    return job_main(common, request, print_clusters, &shown);
}
