/* What the commands of sbert-index share. */
#include "cli/index/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_text.h"
#include "cli/terminal.h"

enum { OPTION_SOCKET = 512 };

/* A large add can keep the daemon busy with one request for minutes. */
static const double timeout_seconds = 1800, retry_seconds = 120;

static const struct argp_option option_table[] = {
    {"collection", 'c', "NAME", 0, "The collection (default)", 90},
    {"json", 'j', NULL, 0, "Print JSON", 90},
    {"quiet", 'q', NULL, 0, "Print errors only", 90},
    {"socket", OPTION_SOCKET, "PATH", 0, "The daemon's socket", 90},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct command_common *common = state->input;
    switch (key) {
    case 'c':
        common->collection = argument;
        return 0;
    case 'j':
        common->json = true;
        return 0;
    case 'q':
        common->quiet = true;
        return 0;
    case OPTION_SOCKET:
        common->socket = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp command_common_parser = {option_table, parse_option, NULL, NULL,
                                           NULL,         NULL,         NULL};

void command_common_init(struct argp_state *state, struct command_common *common)
{
    state->child_inputs[0] = common;
}

unsigned long command_count(struct argp_state *state, const char *text, unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-') || value < 1 || value > most)
        argp_error(state, "'%s' is not a number from 1 to %lu", text, most);
    return value;
}

struct client_options command_client(const struct command_common *common,
                                     const volatile sig_atomic_t *cancel)
{
    return (struct client_options){.socket = common->socket,
                                   .timeout_seconds = timeout_seconds,
                                   .retry_seconds = retry_seconds,
                                   .cancel = cancel};
}

int command_main(const struct command_common *common, const volatile sig_atomic_t *cancel,
                 int (*work)(struct client *client, void *argument, struct err *err),
                 void *argument)
{
    const struct client_options options = command_client(common, cancel);
    struct client *client = NULL;
    struct err err = {0};
    int r = client_open(&client, &options, &err);
    if (r == 0)
        r = work(client, argument, &err);
    bool missing = client && client_status(client) == 404;
    client_close(client);
    if (r < 0)
        terminal_fail(&err);
    return terminal_finish(r == 0 ? EXIT_FOUND : missing ? EXIT_NOTHING : EXIT_ERROR);
}

int command_print_json(const json_t *json, struct err *err)
{
    struct buf line = {0};
    int r = json ? json_text_append(&line, json) : ERR_MEMORY;
    if (r == 0)
        puts(line.data);
    buf_release(&line);
    return r < 0 ? err_memory(err, "the output") : 0;
}
