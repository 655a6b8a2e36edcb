/* Fields of metadata, as they are given on the command line: NAME:TYPE. */
#ifndef SBERT_CLI_INDEX_FIELDS_H
#define SBERT_CLI_INDEX_FIELDS_H

#include <argp.h>
#include <jansson.h>

/* Adds a field to an object of names and types, made where *fields is NULL; ends the program where
 * the argument is none. */
void fields_parse(struct argp_state *state, const char *argument, json_t **fields);

#endif
