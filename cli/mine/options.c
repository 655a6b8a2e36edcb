/* The options that pairs, dedup and clusters share. */
#include "cli/mine/options.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "cli/index/command.h"
#include "encoder/model/registry.h"

enum { OPTION_ID = 600, OPTION_PRECISION, OPTION_TEXT, OPTION_UTF8, THREADS_MAX = 1024 };

static const struct argp_option option_table[] = {
    {"model", 'm', "NAME|DIR", 0, "The model (all-MiniLM-L6-v2)", 50},
    {"precision", OPTION_PRECISION, "P", 0, "auto (default), f32, bf16 or int8", 50},
    {"threads", 't', "N", 0, "Threads (all CPUs that are ours)", 50},
    {"format", 'f', "FORMAT", 0, "auto, lines, jsonl, csv, tsv, or text (whole)", 50},
    {"id-column", OPTION_ID, "NAME", 0, "Column or JSON field of the id (id, if any)", 50},
    {"text-column", OPTION_TEXT, "NAME", 0, "Of the text (text, or the only column)", 50},
    {"invalid-utf8", OPTION_UTF8, "HOW", 0, "refuse (default), replace, or skip such lines", 50},
    {0},
};

struct mine_options mine_options_default(void)
{
    return (struct mine_options){.model = REGISTRY_DEFAULT_MODEL, .threads = cpu_count()};
}

float mine_threshold(struct argp_state *state, const char *text)
{
    char *end;
    float value = strtof(text, &end);
    if (end == text || *end || !(value >= -1 && value <= 1))
        argp_error(state, "'%s' is not a score from -1 to 1", text);
    return value;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct mine_options *options = state->input;
    struct err err = {0};
    switch (key) {
    case 'm':
        options->model = argument;
        return 0;
    case OPTION_PRECISION:
        if (precision_parse(argument, &options->precision, &err) < 0)
            argp_error(state, "%s", err.message);
        return 0;
    case 't':
        options->threads = (int)command_count(state, argument, THREADS_MAX);
        return 0;
    case 'f':
        if (input_format_parse(&options->input.format, argument, &err) < 0)
            argp_error(state, "%s", err.message);
        return 0;
    case OPTION_ID:
        options->input.id_column = argument;
        return 0;
    case OPTION_TEXT:
        options->input.text_column = argument;
        return 0;
    case OPTION_UTF8:
        if (input_utf8_parse(&options->input.invalid_utf8, argument, &err) < 0)
            argp_error(state, "%s", err.message);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp mine_options_parser = {option_table, parse_option, NULL, NULL, NULL, NULL, NULL};
