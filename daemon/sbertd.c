/* The program sbertd: its command line. Everything else is in service_*.c. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/standard.h"
#include "daemon/service.h"
#include "daemon/service_control.h"
#include "daemon/service_log.h"
#include "daemon/settings.h"

const char *argp_program_version = "sbertd " SBERTD_VERSION;

struct command_line {
    const char *command;
    const char *given[SETTING_COUNT];
    bool json;
};

enum { OPTION_JSON = 1000, OPTION_SETTING = 2000 };

static const struct argp_option options[] = {
    {"socket", OPTION_SETTING + SETTING_SOCKET, "PATH", 0, "the Unix socket to listen on", 0},
    {"data-dir", OPTION_SETTING + SETTING_DATA_DIR, "DIR", 0, "where the documents are kept", 0},
    {"model", OPTION_SETTING + SETTING_MODEL, "NAME|DIR", 0, "the model (all-MiniLM-L6-v2)", 0},
    {"rerank-model", OPTION_SETTING + SETTING_RERANK_MODEL, "NAME|DIR", 0,
     "the cross-encoder where a request names none", 0},
    {"precision", OPTION_SETTING + SETTING_PRECISION, "P", 0,
     "to compute in: f32, bf16, int8 or auto, the fastest that keeps the quality (auto)", 0},
    {"index-precision", OPTION_SETTING + SETTING_INDEX_PRECISION, "P", 0,
     "vectors in memory: f32, f16 or int8 (f32)", 0},
    {"pull", OPTION_SETTING + SETTING_PULL, NULL, 0, "fetch the model if it is missing", 0},
    {"threads", OPTION_SETTING + SETTING_THREADS, "N", 0, "for bulk work (all processors)", 0},
    {"config", OPTION_SETTING + SETTING_CONFIG, "FILE", 0, "lines of NAME = VALUE", 0},
    {"log-level", OPTION_SETTING + SETTING_LOG_LEVEL, "LEVEL", 0, "error, warning, info or debug",
     0},
    {"log-file", OPTION_SETTING + SETTING_LOG_FILE, "FILE", 0,
     "run: standard error; start: DIR/sbertd.log", 0},
    {"socket-mode", OPTION_SETTING + SETTING_SOCKET_MODE, "MODE", 0, "who may connect (0600)", 0},
    {"socket-group", OPTION_SETTING + SETTING_SOCKET_GROUP, "GROUP", 0,
     "the group the socket belongs to", 0},
    {"json", OPTION_JSON, NULL, 0, "status as JSON", 0},
    {0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;

    if (key >= OPTION_SETTING && key < OPTION_SETTING + SETTING_COUNT) {
        line->given[key - OPTION_SETTING] = argument ? argument : "yes";
        return 0;
    }
    switch (key) {
    case OPTION_JSON:
        line->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (line->command)
            argp_error(state, "one command at a time, not \"%s\" too", argument);
        line->command = argument;
        return 0;
    case ARGP_KEY_END:
        if (!line->command)
            argp_error(state, "say what to do: start, stop, restart, status or run");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse_option,
    "start|stop|restart|status|run",
    "Semantic search as a service on a Unix socket.\v"
    "start     in the background; returns when it is ready, or says why it is not\n"
    "stop      finishes what is under way and ends it\n"
    "restart   stop, then start\n"
    "status    what runs; exit code 0, or 3 if nothing does\n"
    "run       in the foreground, for a supervisor\n"
    "\n"
    "Each setting is also a variable (SBERTD_DATA_DIR) and a line of the file "
    "(data-dir = ...); options go before variables, and these before the file.",
    NULL,
    NULL,
    NULL};

static int run(const struct settings *settings, const char *const given[SETTING_COUNT])
{
    struct err err = {0};

    service_log_set_level(settings->log_level);
    if (service_log_open(settings->log_file, &err) < 0 || control_need_model(settings, &err) < 0 ||
        service_run(settings, given, &err) < 0) {
        service_log(LOG_ERR, "%s", err.message);
        return CONTROL_FAILED;
    }
    return CONTROL_DONE;
}

static int obey(const struct command_line *line, const struct settings *settings)
{
    if (strcmp(line->command, "run") == 0)
        return run(settings, line->given);
    if (strcmp(line->command, "start") == 0)
        return control_start(settings, line->given);
    if (strcmp(line->command, "stop") == 0)
        return control_stop(settings);
    if (strcmp(line->command, "status") == 0)
        return control_status(settings, line->json);
    if (strcmp(line->command, "restart") == 0) {
        int code = control_stop(settings);
        return code == CONTROL_DONE ? control_start(settings, line->given) : code;
    }
    fprintf(stderr, "sbertd: there is no command \"%s\"; see sbertd --help\n", line->command);
    return CONTROL_FAILED;
}

/* At exit, since --help and --version end the program from within argp. */
static void check_output(void)
{
    struct err err;

    if (standard_flush(&err) < 0) {
        fprintf(stderr, "sbertd: %s\n", err.message);
        _exit(CONTROL_FAILED);
    }
}

int main(int count, char **arguments)
{
    struct command_line line = {0};
    struct settings settings = {0};
    struct err err = {0};

    standard_hold();
    atexit(check_output);
    argp_err_exit_status = CONTROL_FAILED;
    if (argp_parse(&argp, count, arguments, 0, NULL, &line) != 0)
        return CONTROL_FAILED;
    if (settings_load(&settings, line.given, &err) < 0) {
        fprintf(stderr, "sbertd: %s\n", err.message);
        return CONTROL_FAILED;
    }
    int code = obey(&line, &settings);
    settings_release(&settings);
    return code;
}
