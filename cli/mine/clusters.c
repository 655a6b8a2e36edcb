/* sbert-index clusters: communities above a threshold, or k-means, of the texts of a file. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/index/command.h"
#include "cli/mine/collection.h"
#include "cli/mine/work.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "index/pairs/clusters.h"
#include "index/pairs/communities.h"

enum { OPTION_SIZE = 700, OPTION_SEED, SHOWN_DEFAULT = 5, SEED_DEFAULT = 1234 };

/* Those of the reference's community_detection. */
static const float default_threshold = 0.75F;
enum { LEAST_SIZE_DEFAULT = 10 };

struct arguments {
    struct command_common common;
    struct mine_options mine;
    const char *path;
    float threshold;
    size_t least_size, k, shown;
    int seed;
};

static const struct argp_option option_table[] = {
    {"threshold", 'T', "SCORE", 0, "Communities: least cosine to the centre (0.75)", 0},
    {"min-size", OPTION_SIZE, "N", 0, "Communities of at least N texts (10)", 0},
    {"k-means", 'k', "K", 0, "Instead put every text into one of K clusters", 0},
    {"seed", OPTION_SEED, "N", 0, "Where k-means starts (1234)", 0},
    {"show", 'n', "N", 0, "The N most central texts of each (5)", 0},
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
    case 'T':
        arguments->threshold = mine_threshold(state, argument);
        return 0;
    case OPTION_SIZE:
        arguments->least_size = command_count(state, argument, UINT32_MAX);
        return 0;
    case 'k':
        arguments->k = command_count(state, argument, INT_MAX);
        return 0;
    case OPTION_SEED:
        arguments->seed = (int)command_count(state, argument, INT_MAX);
        return 0;
    case 'n':
        arguments->shown = command_count(state, argument, UINT32_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path)
            argp_error(state, "one file");
        arguments->path = argument;
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
    "[FILE]",
    "Finds communities: a central text and what is similar to it. Without FILE "
    "those of the collection, by a job of the daemon.",
    children,
    NULL,
    NULL,
};

static int print_json(const struct work *work, const size_t *members, size_t size, struct err *err)
{
    json_t *json = json_pack("{s:I, s:o}", "size", (json_int_t)size, "texts",
                             work_texts_json(work, members, size));
    int r = command_print_json(json, err);
    json_decref(json);
    return r;
}

static int print_partition(const struct work *work, const struct arguments *arguments,
                           const struct pairs_partition *partition, struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < partition->count; i++) {
        const size_t *members = partition->members + partition->starts[i];
        size_t size = partition->starts[i + 1] - partition->starts[i];
        if (arguments->common.json) {
            r = print_json(work, members, size, err);
            continue;
        }
        char count[NUMBER_SIZE];
        printf("%s%zu: %s texts\n", i ? "\n" : "", i + 1, number_count(count, size));
        for (size_t n = 0; r == 0 && n < size && n < arguments->shown; n++)
            r = work_print_text(work, "  ", 0, members[n], err);
    }
    return r;
}

static int find(struct work *work, const void *argument, struct err *err)
{
    const struct arguments *arguments = argument;
    struct pairs_sets sets = work_sets(work);
    struct pairs_partition communities = {0};
    struct pairs_clusters clusters = {0};
    int r;

    if (arguments->k) {
        const struct pairs_run run = {.pool = work->pool, .cancel = work->cancel};
        r = pairs_kmeans(&sets, &run, arguments->k, arguments->seed, &clusters, err);
    } else {
        struct pairs_run run = work_begin_pairs(work);
        r = pairs_communities(&sets, &run, arguments->threshold, arguments->least_size,
                              &communities, err);
        work_end_run(work);
    }
    double finished = clock_now();
    const struct pairs_partition *found = arguments->k ? &clusters.partition : &communities;
    size_t count = found->count;
    if (r == 0)
        r = print_partition(work, arguments, found, err);
    if (r == 0)
        work_report(work, finished);
    pairs_partition_release(&communities);
    pairs_clusters_release(&clusters);
    return r < 0 ? r : count > 0;
}

int sbert_index_clusters(int argc, char **argv, struct command_common common)
{
    struct arguments arguments = {.common = common,
                                  .mine = mine_options_default(),
                                  .threshold = default_threshold,
                                  .least_size = LEAST_SIZE_DEFAULT,
                                  .shown = SHOWN_DEFAULT,
                                  .seed = SEED_DEFAULT};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (!arguments.path)
        return collection_clusters(&arguments.common, arguments.threshold, arguments.least_size,
                                   arguments.k, arguments.seed, arguments.shown);
    return work_main(&arguments.mine, arguments.common.quiet, &arguments.path, 1, find, &arguments);
}
