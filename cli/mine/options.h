/* The options that pairs, dedup and clusters share: which model turns the texts of a file into
 * vectors, and how the file is read. */
#ifndef SBERT_CLI_MINE_OPTIONS_H
#define SBERT_CLI_MINE_OPTIONS_H

#include <argp.h>

#include "cli/input/input.h"
#include "encoder/precision.h"

struct mine_options {
    const char *model;
    enum precision precision;
    int threads;
    struct input_options input;
};

/* The model and threads that are used where nobody says. */
struct mine_options mine_options_default(void);

/* A child for each command's parser; its input is a mine_options. */
extern const struct argp mine_options_parser;

/* A score from -1 to 1 of an option; ends the program where it is none. */
float mine_threshold(struct argp_state *state, const char *text);

#endif
