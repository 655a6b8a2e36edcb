/* sbert-index: puts documents into the daemon's collections, and takes care of them. This file
 * finds the command; cli/index/ has them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/index/command.h"
#include "cli/terminal.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv, struct command_common common);
} commands[] = {
    {"add", sbert_index_add},
    {"rm", sbert_index_rm},
    {"delete", sbert_index_rm},
    {"get", sbert_index_get},
    {"list", sbert_index_list},
    {"stats", sbert_index_stats},
    {"collections", sbert_index_collections},
    {"create", sbert_index_create},
    {"fields", sbert_index_fields},
    {"backup", sbert_index_backup},
    {"restore", sbert_index_restore},
    {"export", sbert_index_export},
    {"import", sbert_index_import},
    {"check", sbert_index_check},
    {"repair", sbert_index_repair},
    {"pairs", sbert_index_pairs},
    {"dedup", sbert_index_dedup},
    {"clusters", sbert_index_clusters},
};

struct arguments {
    struct command_common common;
    const struct command *command;
    int at; /* its place in argv */
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        return 0;
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
            if (strcmp(argument, commands[i].name) == 0)
                arguments->command = &commands[i];
        if (!arguments->command)
            argp_error(state, "there is no command '%s'", argument);
        arguments->at = state->next - 1;
        state->next = state->argc; /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no command");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 0}, {0}};
static const struct argp parser = {
    NULL,
    parse_option,
    "COMMAND [ARGUMENT...]",
    "Puts documents into sbertd, and takes care of them.\n\n"
    "  add FILE|FOLDER|-...     lines, records or texts\n"
    "  list, get ID...          show documents\n"
    "  delete ID... | --source F | --filter C\n"
    "  stats                    numbers of a collection and the daemon\n"
    "  collections, create NAME, fields\n"
    "  backup FILE, restore FILE, check, repair\n"
    "  export [FILE], import [FILE]   a collection as JSON lines with its vectors\n"
    "  pairs, dedup, clusters   compare all texts of a collection, or of a FILE\v"
    "Every command has a --help of its own.\n"
    "Exit status: 0 done, 1 nothing there or something refused, 2 an error.",
    children,
    NULL,
    NULL,
};

int main(int argc, char **argv)
{
    struct arguments arguments = {.common = {.collection = "default"}};
    struct buf name = {0};
    terminal_setup("sbert-index");
    argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
    if (buf_printf(&name, "sbert-index %s", arguments.command->name) < 0)
        return terminal_error("out of memory");
    argv[arguments.at] = name.data;
    int code = arguments.command->run(argc - arguments.at, argv + arguments.at, arguments.common);
    buf_release(&name);
    return code;
}
