/* Documents that a filter selects: counted, and deleted when whoever asks is sure. */
#ifndef SBERT_CLI_INDEX_SELECTED_H
#define SBERT_CLI_INDEX_SELECTED_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/client.h"

/* Parses the argument of --filter; ends the program where it is none, or the second one. */
void selected_parse(struct argp_state *state, const char *text, json_t **filter);

/* Deletes the documents that match. Unless `sure`, it says how many they are and asks on the
 * terminal; ERR_INVALID where standard input is none, ERR_CANCELLED where the answer is no. */
int selected_delete(struct client *client, const char *collection, const json_t *filter, bool sure,
                    uint64_t *ret_deleted, struct err *err);

/* Asks on the terminal whether so many documents are to go; as above where not. */
int selected_ask(const char *collection, uint64_t count, struct err *err);

#endif
