/* sbert-index backup, restore, check and repair: care of what is on disk.
 *
 * A backup and a check are made by the daemon where one runs; a check also looks at a folder that
 * no daemon runs on. Restore and repair want the daemon of that folder stopped, and are refused by
 * its lock otherwise.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/index/command.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "daemon/engine_care.h"
#include "daemon/paths.h"

enum { OPTION_DATA = 256, OPTION_FORCE };
enum { POLL_MILLISECONDS = 200 };

struct arguments {
    struct command_common common;
    const char *file, *data;
    bool force;
};

static const struct argp_child children[] = {{&command_common_parser, 0, NULL, 90}, {0}};
static const struct argp_option data_options[] = {
    {"data-dir", OPTION_DATA, "FOLDER", 0, "The data folder, where no daemon runs on it", 0}, {0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        command_common_init(state, &arguments->common);
        return 0;
    case OPTION_DATA:
        arguments->data = argument;
        return 0;
    case OPTION_FORCE:
        arguments->force = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_with_file(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    if (key == ARGP_KEY_ARG && !arguments->file)
        arguments->file = argument;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "one file at a time");
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "which file?");
    else
        return parse(key, argument, state);
    return 0;
}

/* --- backup --- */

/* A path as the daemon, which may work elsewhere, has to know it. */
static int absolute(const char *file, char ret_path[PATH_MAX], struct err *err)
{
    char folder[PATH_MAX] = "";
    if (file[0] != '/' && !getcwd(folder, sizeof folder))
        return err_set_errno(err, errno, "the current folder");
    int size = snprintf(ret_path, PATH_MAX, "%s%s%s", folder, folder[0] ? "/" : "", file);
    return size < PATH_MAX ? 0 : err_set(err, ERR_LIMIT, "the path %s is too long", file);
}

/* Shows on a terminal how far the daemon is, by asking it on another connection, until it is done.
 * It is only for show: what goes wrong here is no failure of the backup. */
static void show_progress(const struct arguments *arguments)
{
    const struct timespec pause = {.tv_nsec = POLL_MILLISECONDS * 1000000L};
    struct client_options options = command_client(&arguments->common, NULL);
    struct client *client = NULL;
    struct err err = {0};
    bool shown = false;
    if (client_open(&client, &options, &err) < 0)
        return;
    for (bool under_way = true; under_way;) {
        json_t *status = NULL;
        nanosleep(&pause, NULL);
        under_way = client_call(client, "GET", "/v1/status", NULL, &status, &err) == 0;
        const json_t *backup = json_object_get(status, "backup");
        json_int_t all = json_integer_value(json_object_get(backup, "pages"));
        json_int_t done = json_integer_value(json_object_get(backup, "pages_done"));
        under_way = under_way && all > 0;
        if (under_way)
            fprintf(stderr, "\r%3d %%%s", (int)(100 * done / all), done == all ? " checking" : "");
        shown |= under_way;
        json_decref(status);
    }
    if (shown)
        fputs("\r                \r", stderr);
    client_close(client);
}

static int back_up(struct client *client, void *argument, struct err *err)
{
    const struct arguments *arguments = argument;
    char path[PATH_MAX];
    json_t *answer = NULL;
    int r = absolute(arguments->file, path, err);
    if (r < 0)
        return r;
    json_t *body = json_pack("{s:s}", "path", path);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!text)
        r = err_set(err, ERR_INVALID, "the path %s is not valid UTF-8", path);
    if (r == 0)
        r = client_send(client, "POST", "/v1/backup", text, strlen(text), err);
    if (r == 0 && isatty(STDERR_FILENO) && !arguments->common.quiet)
        show_progress(arguments);
    if (r == 0)
        r = client_receive(client, &answer, err);
    if (r == 0 && arguments->common.json)
        r = command_print_json(answer, err);
    else if (r == 0 && !arguments->common.quiet)
        printf("%s made and checked\n", path);
    free(text);
    json_decref(body);
    json_decref(answer);
    return r;
}

int sbert_index_backup(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        NULL,
        parse_with_file,
        "FILE",
        "Writes a copy of all collections into a new file, while the daemon goes on. The daemon "
        "writes it, checks it, and then gives it its name; it never replaces a file.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    return command_main(&arguments.common, NULL, back_up, &arguments);
}

/* --- restore --- */

static int data_folder(const struct arguments *arguments, char **ret_folder, struct err *err)
{
    if (!arguments->data)
        return paths_data_folder(ret_folder, err);
    *ret_folder = strdup(arguments->data);
    return *ret_folder ? 0 : err_memory(err, "the data folder");
}

int sbert_index_restore(int argc, char **argv, struct command_common common)
{
    static const struct argp_option options[] = {
        {"data-dir", OPTION_DATA, "FOLDER", 0, "The data folder to restore into", 0},
        {"force", OPTION_FORCE, NULL, 0, "Take the place of a store that is there; it is kept", 0},
        {0}};
    static const struct argp parser = {
        options,
        parse_with_file,
        "FILE",
        "Checks a backup and puts it into a data folder, whose daemon must be stopped. A store "
        "that "
        "is there is not replaced unless --force is given, and then kept beside it.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    struct err err = {0};
    char *folder = NULL, *kept = NULL;
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    int r = data_folder(&arguments, &folder, &err);
    if (r == 0)
        r = engine_restore(folder, arguments.file, arguments.force, &kept, &err);
    if (r == 0 && !arguments.common.quiet)
        printf("%s restored into %s\n", arguments.file, folder);
    if (r == 0 && kept && !arguments.common.quiet)
        printf("the store that was there is %s\n", kept);
    if (r == ERR_CONFLICT)
        err_prefix(&err, "not without --force");
    free(folder);
    free(kept);
    if (r < 0)
        return terminal_fail(&err);
    return terminal_finish(EXIT_FOUND);
}

/* --- check --- */

static json_t *strings(const char *const *list, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

/* Without a daemon, in the form in which one would answer. */
static int check_folder(const struct arguments *arguments, json_t **ret_answer, struct err *err)
{
    struct arena arena = {0};
    struct engine_check check;
    char *folder = NULL;
    int r = data_folder(arguments, &folder, err);
    if (r == 0)
        r = engine_check_folder(folder, &arena, &check, err);
    if (r == 0) {
        *ret_answer = json_pack(
            "{s:b, s:o, s:o, s:I, s:I, s:I}", "ok", check.problem_count == 0, "problems",
            strings(check.problems, check.problem_count), "notes",
            strings(check.notes, check.note_count), "collections", (json_int_t)check.collections,
            "documents", (json_int_t)check.documents, "passages", (json_int_t)check.passages);
        r = *ret_answer ? 0 : err_memory(err, "the check");
    }
    free(folder);
    arena_release(&arena);
    return r;
}

static void print_list(FILE *stream, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        fprintf(stream, "%s\n", json_string_value(json_array_get(list, i)));
}

static int print_check(const struct arguments *arguments, const json_t *answer, struct err *err)
{
    char documents[NUMBER_SIZE], passages[NUMBER_SIZE];
    bool whole = json_is_true(json_object_get(answer, "ok"));
    if (arguments->common.json)
        return command_print_json(answer, err);
    print_list(stderr, json_object_get(answer, "problems"));
    if (!arguments->common.quiet)
        print_list(stdout, json_object_get(answer, "notes"));
    if (whole && !arguments->common.quiet)
        printf("%" JSON_INTEGER_FORMAT " collections, %s documents, %s passages: all is well\n",
               json_integer_value(json_object_get(answer, "collections")),
               number_count(documents,
                            (uint64_t)json_integer_value(json_object_get(answer, "documents"))),
               number_count(passages,
                            (uint64_t)json_integer_value(json_object_get(answer, "passages"))));
    else if (!whole)
        fputs(
            "stop the daemon; sbert-index repair saves what can be read, sbert-index restore puts "
            "a backup back\n",
            stderr);
    return 0;
}

int sbert_index_check(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        data_options,
        parse,
        "",
        "Checks the store, and each index against it: by the daemon where one runs, which goes on "
        "meanwhile; else in the data folder, where the checksums of index snapshots are looked at. "
        "Exit status: 0 all is well, 1 something is damaged, 2 it could not be checked.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    struct client *client = NULL;
    struct err err = {0};
    json_t *answer = NULL;
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    struct client_options options = command_client(&arguments.common, NULL);
    int r = arguments.data ? ERR_NOT_FOUND : client_open(&client, &options, &err);
    if (r == 0)
        r = client_call(client, "POST", "/v1/check", NULL, &answer, &err);
    if (r == ERR_NOT_FOUND)
        r = check_folder(&arguments, &answer, &err);
    if (r == 0)
        r = print_check(&arguments, answer, &err);
    bool whole = json_is_true(json_object_get(answer, "ok"));
    client_close(client);
    json_decref(answer);
    if (r < 0)
        return terminal_fail(&err);
    return terminal_finish(whole ? EXIT_FOUND : EXIT_NOTHING);
}

/* --- repair --- */

int sbert_index_repair(int argc, char **argv, struct command_common common)
{
    static const struct argp parser = {
        data_options,
        parse,
        "",
        "Makes a data folder whole, whose daemon must be stopped: of a damaged store, all that can "
        "be read goes into a new one (the damaged one is kept), and the indexes are built from the "
        "store at the next start.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.common = common};
    struct engine_repair repair;
    struct err err = {0};
    char *folder = NULL, saved[NUMBER_SIZE], lost[NUMBER_SIZE];
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    int r = data_folder(&arguments, &folder, &err);
    if (r == 0)
        r = engine_repair(folder, &repair, &err);
    if (r == 0 && !repair.needed && !arguments.common.quiet)
        puts("the store is whole; indexes are built from it at the next start");
    if (r == 0 && repair.needed && !arguments.common.quiet)
        printf("saved %s documents; %s more could not be read, or not whole, and are left out\n"
               "the damaged store is %s\n",
               number_count(saved, (uint64_t)repair.salvage.documents),
               number_count(lost, (uint64_t)repair.salvage.lost_documents), repair.kept);
    free(folder);
    if (r < 0)
        return terminal_fail(&err);
    free(repair.kept);
    return terminal_finish(EXIT_FOUND);
}
