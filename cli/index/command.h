/* The commands of sbert-index: each parses its own arguments (argv[0] being "sbert-index NAME"),
 * does its work and gives the program's exit code. Options that all of them have are here, too. */
#ifndef SBERT_CLI_INDEX_COMMAND_H
#define SBERT_CLI_INDEX_COMMAND_H

#include <argp.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "cli/client.h"

struct command_common {
    const char *collection, *socket;
    bool json, quiet;
};

/* The parser of the common options, a child of each command's. Its input is a command_common. */
extern const struct argp command_common_parser;

/* Says in ARGP_KEY_INIT where the child puts its options. */
void command_common_init(struct argp_state *state, struct command_common *common);

/* A whole number of an option from 1 to `most`; ends the program where it is none. */
unsigned long command_count(struct argp_state *state, const char *text, unsigned long most);

/* How the commands talk to the daemon. */
struct client_options command_client(const struct command_common *common,
                                     const volatile sig_atomic_t *cancel);

/* The frame of a command that asks the daemon: has `work` done with a connection, and gives the
 * program's exit code, EXIT_NOTHING where the daemon knows of no such thing (404). */
int command_main(const struct command_common *common, const volatile sig_atomic_t *cancel,
                 int (*work)(struct client *client, void *argument, struct err *err),
                 void *argument);

/* Prints a value on one line of standard output. ERR_MEMORY, also where `json` is NULL. */
int command_print_json(const json_t *json, struct err *err);

int sbert_index_add(int argc, char **argv, struct command_common common);
int sbert_index_rm(int argc, char **argv, struct command_common common);
int sbert_index_get(int argc, char **argv, struct command_common common);
int sbert_index_list(int argc, char **argv, struct command_common common);
int sbert_index_stats(int argc, char **argv, struct command_common common);
int sbert_index_collections(int argc, char **argv, struct command_common common);
int sbert_index_pairs(int argc, char **argv, struct command_common common);
int sbert_index_dedup(int argc, char **argv, struct command_common common);
int sbert_index_clusters(int argc, char **argv, struct command_common common);
int sbert_index_create(int argc, char **argv, struct command_common common);
int sbert_index_fields(int argc, char **argv, struct command_common common);
int sbert_index_backup(int argc, char **argv, struct command_common common);
int sbert_index_restore(int argc, char **argv, struct command_common common);
int sbert_index_export(int argc, char **argv, struct command_common common);
int sbert_index_import(int argc, char **argv, struct command_common common);
int sbert_index_check(int argc, char **argv, struct command_common common);
int sbert_index_repair(int argc, char **argv, struct command_common common);

#endif
