/* sbert-encode: texts to vectors, without a daemon. The work is in cli/encode. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "cli/encode/encode.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "encoder/model/registry.h"

static const char usage[] = "[FILE|-]\n--text=TEXT...\n--similarity A B\n--pairs [FILE|-]";

static const char about[] =
    "Turns texts, one a line, into vectors.\v"
    "Without -o, each vector is a line of standard output: a JSON array. As lines, an empty line "
    "is an empty text; as jsonl, each line is {\"text\": \"...\"}. Rows are in the order of the "
    "texts. With --pairs, a line is two texts with a tab between them, or {\"text\", "
    "\"pair\"}.\n\nExit codes: 0 done, 2 error.";

enum {
    OPTION_PRECISION = 256,
    OPTION_FORMAT,
    OPTION_TEXT,
    OPTION_TOKENS,
    OPTION_SHAPE,
    OPTION_SIMILARITY,
    OPTION_PAIRS,
    OPTION_PROMPT,
    OPTION_PROMPT_NAME,
    OPTION_MAX_LENGTH,
    OPTION_ESCAPE,
    OPTION_BATCH,
    OPTION_UTF8,
};

static const struct argp_option option_table[] = {
    {"model", 'm', "NAME|DIR", 0, "the model (all-MiniLM-L6-v2)", 0},
    {"output", 'o', "FILE.npy", 0, "write float32 (n, dimension) as NumPy does", 0},
    {"text", OPTION_TEXT, "TEXT", 0, "encode this instead of a file; may be repeated", 0},
    {"tokens", OPTION_TOKENS, NULL, 0, "print ids and pieces instead of vectors", 0},
    {"shape", OPTION_SHAPE, NULL, 0, "print the vectors' shape, (n, 384)", 0},
    {"similarity", OPTION_SIMILARITY, NULL, 0, "print how alike the texts A and B are", 0},
    {"pairs", OPTION_PAIRS, NULL, 0, "print logits and scores of pairs, by a cross-encoder", 0},
    {"input-format", OPTION_FORMAT, "FORMAT", 0, "lines or jsonl (else by the file's name)", 0},
    {"invalid-utf8", OPTION_UTF8, "WHAT", 0, "refuse (default), replace or skip", 0},
    {"prompt", OPTION_PROMPT, "TEXT", 0, "put this before every text (what the model says)", 0},
    {"prompt-name", OPTION_PROMPT_NAME, "NAME", 0, "put the model's prompt of that name", 0},
    {"max-length", OPTION_MAX_LENGTH, "TOKENS", 0, "cut texts here (the model's own limit)", 0},
    {"escape-special-tokens", OPTION_ESCAPE, NULL, 0, "take [SEP] in a text as text", 0},
    {"precision", OPTION_PRECISION, "P", 0,
     "to compute in: f32, bf16, int8 or auto, the fastest that keeps the quality (auto)", 0},
    {"threads", 't', "N", 0, "threads (all CPUs that are ours)", 0},
    {"batch", OPTION_BATCH, "N", 0, "texts read before they are encoded (1024)", 0},
    {"quiet", 'q', NULL, 0, "no progress", 0},
    {0},
};

enum { ARGUMENTS_MAX = 2, THREADS_MAX = 1024, DEFAULT_BATCH = 1024 };

struct command_line {
    struct encode_options options;
    bool tokens, similarity;
    const char *arguments[ARGUMENTS_MAX];
    size_t argument_count;
};

static unsigned long number(struct argp_state *state, const char *name, const char *text,
                            unsigned long most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value < 1 || value > most)
        argp_error(state, "%s is a number from 1 to %lu, not %s", name, most, text);
    return value;
}

/* The place of a word in a list, or an error that shows the list. */
static int choice(struct argp_state *state, const char *name, const char *word,
                  const char *const *words, const char *list)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    argp_error(state, "%s is %s, not %s", name, list, word);
    return 0;
}

static void add_text(struct command_line *line, char *text, struct argp_state *state)
{
    struct encode_options *options = &line->options;
    char **texts = reallocarray(options->texts, options->text_count + 1, sizeof *texts);
    if (!texts)
        argp_failure(state, EXIT_ERROR, ENOMEM, "the command line");
    options->texts = texts;
    options->texts[options->text_count++] = text;
}

static void check(struct command_line *line, struct argp_state *state)
{
    const struct encode_options *options = &line->options;

    if (line->similarity && line->argument_count != 2)
        argp_error(state, "--similarity takes two texts");
    if (line->similarity && (line->tokens || options->shape || options->output))
        argp_error(state, "--similarity stands alone");
    if (!line->similarity && line->argument_count > 1)
        argp_error(state, "one FILE at a time; for texts use --text");
    if (options->text_count && line->argument_count)
        argp_error(state, "a FILE or --text, not both");
    if (line->tokens && (options->output || options->shape))
        argp_error(state, "--tokens goes with neither --output nor --shape");
    if (options->prompt && options->prompt_name)
        argp_error(state, "--prompt or --prompt-name, not both");
    if (options->pairs && (line->similarity || line->tokens || options->output || options->shape ||
                           options->text_count || options->prompt || options->prompt_name))
        argp_error(state, "--pairs goes with none of --text, --tokens, --shape, --similarity, "
                          "--prompt and --output");
}

static error_t parse_choice(int key, char *argument, struct argp_state *state)
{
    static const char *const formats[] = {"lines", "jsonl", NULL};
    static const char *const invalid[] = {"refuse", "replace", "skip", NULL};
    struct encode_options *options = &((struct command_line *)state->input)->options;

    switch (key) {
    case OPTION_FORMAT:
        options->format = choice(state, "--input-format", argument, formats, "lines or jsonl") == 0
                              ? TEXTS_LINES
                              : TEXTS_JSONL;
        return 0;
    case OPTION_UTF8:
        options->invalid_utf8 = (enum texts_utf8)choice(state, "--invalid-utf8", argument, invalid,
                                                        "refuse, replace or skip");
        return 0;
    case OPTION_PRECISION:
        if (precision_parse(argument, &options->precision, NULL) < 0)
            argp_error(state, "--precision is auto, f32, bf16 or int8, not %s", argument);
        return 0;
    case 't':
        options->threads = (int)number(state, "--threads", argument, THREADS_MAX);
        return 0;
    case OPTION_BATCH:
        options->batch = number(state, "--batch", argument, 1 << 20);
        return 0;
    case OPTION_MAX_LENGTH:
        options->max_seq_length = number(state, "--max-length", argument, INT_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;

    switch (key) {
    case 'm':
        line->options.model = argument;
        return 0;
    case 'o':
        line->options.output = argument;
        return 0;
    case OPTION_TEXT:
        add_text(line, argument, state);
        return 0;
    case OPTION_TOKENS:
        line->tokens = true;
        return 0;
    case OPTION_ESCAPE:
        line->options.escape_special_tokens = true;
        return 0;
    case OPTION_SHAPE:
        line->options.shape = true;
        return 0;
    case OPTION_SIMILARITY:
        line->similarity = true;
        return 0;
    case OPTION_PAIRS:
        line->options.pairs = true;
        return 0;
    case OPTION_PROMPT:
        line->options.prompt = argument;
        return 0;
    case OPTION_PROMPT_NAME:
        line->options.prompt_name = argument;
        return 0;
    case 'q':
        line->options.quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        if (line->argument_count == ARGUMENTS_MAX)
            argp_error(state, "too many arguments: %s", argument);
        line->arguments[line->argument_count++] = argument;
        return 0;
    case ARGP_KEY_END:
        check(line, state);
        return 0;
    default:
        return parse_choice(key, argument, state);
    }
}

static int run(struct command_line *line)
{
    line->options.cancel = signals_catch();
    if (line->similarity)
        return encode_similarity(&line->options, line->arguments[0], line->arguments[1]);
    if (line->argument_count)
        line->options.input = line->arguments[0];
    if (line->options.pairs)
        return encode_pairs(&line->options);
    return line->tokens ? encode_tokens(&line->options) : encode_vectors(&line->options);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_table, .parser = parse, .args_doc = usage, .doc = about};
    struct command_line line = {
        .options = {.model = REGISTRY_DEFAULT_MODEL, .input = "-", .batch = DEFAULT_BATCH}};

    terminal_setup("sbert-encode");
    argp_parse(&argp, argc, argv, 0, NULL, &line);
    if (line.options.threads == 0)
        line.options.threads = cpu_count();
    int code = terminal_finish(run(&line));
    free(line.options.texts);
    return code;
}
