/* sbert-index dedup: near-duplicates among the texts of a file, in groups; or the texts without
 * them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/index/command.h"
#include "cli/mine/collection.h"
#include "cli/mine/work.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "index/pairs/groups.h"

enum { OPTION_UNIQUE = 700, OPTION_REMOVE, OPTION_YES };

static const float default_threshold = 0.95F;

struct arguments {
    struct command_common common;
    struct mine_options mine;
    const char *path;
    float threshold;
    bool unique, remove, sure;
};

static const struct argp_option option_table[] = {
    {"threshold", 'T', "SCORE", 0, "Duplicates have at least this cosine (0.95)", 0},
    {"unique", OPTION_UNIQUE, NULL, 0, "Instead print all texts but later duplicates", 0},
    {"remove", OPTION_REMOVE, NULL, 0, "Delete all but the first of each group, after asking", 0},
    {"yes", OPTION_YES, NULL, 0, "Do not ask", 0},
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
    case OPTION_UNIQUE:
        arguments->unique = true;
        return 0;
    case OPTION_REMOVE:
        arguments->remove = true;
        return 0;
    case OPTION_YES:
        arguments->sure = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path)
            argp_error(state, "one file");
        arguments->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (arguments->path && arguments->remove)
            argp_error(state, "--remove is for a collection, --unique for a file");
        if (!arguments->path && arguments->unique)
            argp_error(state, "--unique is for a file, --remove for a collection");
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
    "Lists groups of near-duplicates: texts that hang together by pairs that are similar enough. "
    "Without FILE those of the collection, by a job of the daemon. Every pair is compared, "
    "exactly.",
    children,
    NULL,
    NULL,
};

static int print_group(const struct work *work, bool as_json, const size_t *members, size_t size,
                       struct err *err)
{
    int r = 0;
    if (as_json) {
        json_t *texts = work_texts_json(work, members, size);
        r = command_print_json(texts, err);
        json_decref(texts);
        return r;
    }
    for (size_t i = 0; r == 0 && i < size; i++)
        r = work_print_text(work, "", 0, members[i], err);
    putchar('\n');
    return r;
}

/* A text is as the file has it, or in JSON where it might have more than one line. */
static int print_unique(const struct work *work, bool as_json, const struct pairs_partition *groups,
                        struct err *err)
{
    const struct sentences *sentences = &work->sets[0];
    bool *later = calloc(sentences->count + 1, sizeof *later);
    int r = later ? 0 : err_memory(err, "the duplicates");

    for (size_t g = 0; r == 0 && g < groups->count; g++)
        for (size_t i = groups->starts[g] + 1; i < groups->starts[g + 1]; i++)
            later[groups->members[i]] = true;
    for (size_t i = 0; r == 0 && i < sentences->count; i++) {
        if (later[i])
            continue;
        if (as_json) {
            json_t *text = work_text_json(work, 0, i);
            r = command_print_json(text, err);
            json_decref(text);
        } else {
            fwrite(sentences->texts[i].text, 1, sentences->texts[i].size, stdout);
            putchar('\n');
        }
    }
    free(later);
    return r;
}

static void report(const struct work *work, const struct pairs_partition *groups)
{
    char texts[NUMBER_SIZE], count[NUMBER_SIZE];
    if (work->quiet)
        return;
    fprintf(stderr, "%s groups with %s texts, of which %s could go\n",
            number_count(count, groups->count), number_count(texts, groups->starts[groups->count]),
            number_count((char[NUMBER_SIZE]){0}, groups->starts[groups->count] - groups->count));
}

static int find(struct work *work, const void *argument, struct err *err)
{
    const struct arguments *arguments = argument;
    struct pairs_sets sets = work_sets(work);
    struct pairs_partition groups = {0};

    struct pairs_run run = work_begin_pairs(work);
    int r = pairs_groups(&sets, &run, arguments->threshold, &groups, err);
    work_end_run(work);
    if (r < 0)
        return r;
    double finished = clock_now();
    if (arguments->unique)
        r = print_unique(work, arguments->common.json, &groups, err);
    for (size_t g = 0; r == 0 && !arguments->unique && g < groups.count; g++)
        r = print_group(work, arguments->common.json, groups.members + groups.starts[g],
                        groups.starts[g + 1] - groups.starts[g], err);
    if (r == 0) {
        report(work, &groups);
        work_report(work, finished);
    }
    size_t count = groups.count;
    pairs_partition_release(&groups);
    return r < 0 ? r : count > 0 || arguments->unique;
}

int sbert_index_dedup(int argc, char **argv, struct command_common common)
{
    struct arguments arguments = {
        .common = common, .mine = mine_options_default(), .threshold = default_threshold};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    if (!arguments.path)
        return collection_dedup(&arguments.common, arguments.threshold, arguments.remove,
                                arguments.sure);
    return work_main(&arguments.mine, arguments.common.quiet, &arguments.path, 1, find, &arguments);
}
