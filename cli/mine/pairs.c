/* sbert-index pairs: the most similar pairs of texts in a file, or between two. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/index/command.h"
#include "cli/mine/collection.h"
#include "cli/mine/rescore.h"
#include "cli/mine/work.h"
#include "index/pairs/best.h"
#include "index/pairs/near.h"
#include "index/pairs/neighbours.h"

enum { DEFAULT_TOP = 100, TOP_MAX = 100000000, OPTION_EACH = 700, SAMPLE = 1000 };

struct arguments {
    struct command_common common;
    struct mine_options mine;
    const char *paths[WORK_FILES];
    size_t path_count;
    size_t top, each; /* pairs in all, or for each text where `each` is not 0 */
    float threshold;
    bool approximate;
};

static const struct argp_option option_table[] = {
    {"top", 'k', "N", 0, "The best N pairs (100)", 0},
    {"each", OPTION_EACH, "N", 0, "Instead the best N for each text of FILE", 0},
    {"threshold", 'T', "SCORE", 0, "Only pairs with at least this cosine", 0},
    {"approximate", 'a', NULL, 0, "By a graph: not quite all, for millions", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        state->child_inputs[1] = &arguments->mine;
        return 0;
    case 'k':
        arguments->top = command_count(state, argument, TOP_MAX);
        return 0;
    case OPTION_EACH:
        arguments->each = command_count(state, argument, TOP_MAX);
        return 0;
    case 'T':
        arguments->threshold = mine_threshold(state, argument);
        return 0;
    case 'a':
        arguments->approximate = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path_count == WORK_FILES)
            argp_error(state, "one file, or two");
        arguments->paths[arguments->path_count++] = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&command_common_parser, 0, NULL, 90}, {&mine_options_parser, 0, NULL, 50}, {0}};
static const struct argp parser = {
    option_table,
    parse_option,
    "[FILE [FILE2]]",
    "Prints the most similar pairs of texts in FILE, or between FILE and FILE2, best first; "
    "without FILE those of the collection, by a job of the daemon. Every pair is compared, "
    "exactly, but with --approximate. "
    "FILE needs no daemon; in bf16 and int8 the best are scored again in f32.",
    children,
    NULL,
    NULL,
};

static int print_pair(const struct work *work, bool as_json, const struct pair *pair,
                      struct err *err)
{
    size_t second = work->set_count - 1;
    if (as_json) {
        json_t *json = json_pack("{s:o, s:o, s:o}", "score", work_score_json(pair->score), "a",
                                 work_text_json(work, 0, pair->row), "b",
                                 work_text_json(work, second, pair->column));
        int r = command_print_json(json, err);
        json_decref(json);
        return r;
    }
    char lead[32];
    snprintf(lead, sizeof lead, "%7.4f  ", (double)pair->score);
    int r = work_print_text(work, lead, 0, pair->row, err);
    return r < 0 ? r : work_print_text(work, "         ", second, pair->column, err);
}

static int compare_best(struct work *work, struct pairs_near *near, size_t top, float threshold,
                        struct pair *pairs, size_t *count, struct err *err)
{
    struct pairs_sets sets = work_sets(work);
    if (near)
        return pairs_near_best(near, top, threshold, pairs, count, err);
    struct pairs_run run = work_begin_pairs(work);
    return pairs_best(&sets, &run, top, threshold, pairs, count, err);
}

static int find_best(struct work *work, const struct arguments *arguments, struct pairs_near *near,
                     double *ret_finished, struct err *err)
{
    struct pairs_sets sets = work_sets(work);
    uint64_t all = pairs_count(&sets);
    size_t wanted = rescore_candidates(work, arguments->top);
    size_t top = all < wanted ? (size_t)all : wanted, count = 0;
    struct pair *pairs = calloc(top + 1, sizeof *pairs);
    int r = pairs ? 0 : err_memory(err, "the pairs");

    if (r == 0 && top > 0) {
        r = compare_best(work, near, top, rescore_threshold(work, arguments->threshold), pairs,
                         &count, err);
        work_end_run(work);
        if (r == 0)
            r = rescore_pairs(work, pairs, &count, arguments->top, arguments->threshold, err);
    }
    *ret_finished = clock_now();
    for (size_t i = 0; r == 0 && i < count; i++)
        r = print_pair(work, arguments->common.json, &pairs[i], err);
    free(pairs);
    return r < 0 ? r : count > 0;
}

static int compare_each(struct work *work, struct pairs_near *near, size_t top, float threshold,
                        struct top_entry *entries, size_t *counts, struct err *err)
{
    struct pairs_sets sets = work_sets(work);
    if (near)
        return pairs_near_neighbours(near, top, threshold, entries, counts, err);
    struct pairs_run run = work_begin_pairs(work);
    return pairs_neighbours(&sets, &run, top, threshold, entries, counts, err);
}

static int find_each(struct work *work, const struct arguments *arguments, struct pairs_near *near,
                     double *ret_finished, struct err *err)
{
    struct pairs_sets sets = work_sets(work);
    size_t columns = sets.columns ? sets.column_count : sets.row_count;
    size_t top = columns < arguments->each ? columns : arguments->each, found = 0, places;
    if (top == 0)
        return 0;
    if (__builtin_mul_overflow(sets.row_count, top, &places))
        return err_set(err, ERR_LIMIT, "--each %zu is too many for %zu texts", top, sets.row_count);
    struct top_entry *entries = calloc(places + 1, sizeof *entries);
    size_t *counts = calloc(sets.row_count + 1, sizeof *counts);
    int r = entries && counts ? 0 : err_memory(err, "the pairs");

    if (r == 0) {
        r = compare_each(work, near, top, arguments->threshold, entries, counts, err);
        work_end_run(work);
    }
    *ret_finished = clock_now();
    for (size_t row = 0; r == 0 && row < sets.row_count; row++)
        for (size_t i = 0; r == 0 && i < counts[row]; i++) {
            const struct top_entry *entry = &entries[row * top + i];
            struct pair pair = {row, (size_t)entry->id, entry->score};
            r = print_pair(work, arguments->common.json, &pair, err);
            found++;
        }
    free(entries);
    free(counts);
    return r < 0 ? r : found > 0;
}

static int open_near(struct work *work, struct pairs_near **ret_near, struct err *err)
{
    struct pairs_sets sets = work_sets(work);
    struct pairs_run run = work_begin_run(work, "searching", "steps", pairs_near_steps(&sets));
    int r = pairs_near_open(ret_near, &sets, &run, err);
    if (r < 0)
        work_end_run(work);
    return r;
}

static int find(struct work *work, const void *argument, struct err *err)
{
    const struct arguments *arguments = argument;
    struct pairs_near *near = NULL;
    double finished = clock_now();
    int r = arguments->approximate ? open_near(work, &near, err) : 0, found = 0;

    if (r == 0)
        r = found = arguments->each ? find_each(work, arguments, near, &finished, err)
                                    : find_best(work, arguments, near, &finished, err);
    if (r >= 0 && near && !work->quiet)
        r = pairs_near_recall(near, arguments->each ? arguments->each : PAIRS_NEAR_EACH, SAMPLE,
                              &work->recall, err);
    if (r >= 0)
        work_report(work, finished);
    pairs_near_close(near);
    return r < 0 ? r : found;
}

int sbert_index_pairs(int argc, char **argv, struct command_common common)
{
    struct arguments arguments = {.common = common,
                                  .mine = mine_options_default(),
                                  .top = DEFAULT_TOP,
                                  .threshold = -INFINITY};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (arguments.path_count == 0)
        return collection_pairs(&arguments.common, arguments.top, arguments.each,
                                arguments.threshold, arguments.approximate);
    return work_main(&arguments.mine, arguments.common.quiet, arguments.paths, arguments.path_count,
                     find, &arguments);
}
