/* Options over environment over file over defaults: see settings.h.
 *
 * Every source is first only text with a note of where it came from; one function then reads each
 * kind of value, so that all sources are held to the same rules.
 */
#include "daemon/settings.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "daemon/paths.h"

enum { CONFIG_MAX = 1 << 20, THREADS_MAX = 1024 };

static const struct {
    const char *name, *variable;
} definitions[SETTING_COUNT] = {
    [SETTING_SOCKET] = {"socket", "SBERTD_SOCKET"},
    [SETTING_DATA_DIR] = {"data-dir", "SBERTD_DATA_DIR"},
    [SETTING_MODEL] = {"model", "SBERTD_MODEL"},
    [SETTING_RERANK_MODEL] = {"rerank-model", "SBERTD_RERANK_MODEL"},
    [SETTING_PRECISION] = {"precision", "SBERTD_PRECISION"},
    [SETTING_INDEX_PRECISION] = {"index-precision", "SBERTD_INDEX_PRECISION"},
    [SETTING_CONFIG] = {"config", "SBERTD_CONFIG"},
    [SETTING_LOG_LEVEL] = {"log-level", "SBERTD_LOG_LEVEL"},
    [SETTING_LOG_FILE] = {"log-file", "SBERTD_LOG_FILE"},
    [SETTING_THREADS] = {"threads", "SBERTD_THREADS"},
    [SETTING_PULL] = {"pull", "SBERTD_PULL"},
    [SETTING_SOCKET_MODE] = {"socket-mode", "SBERTD_SOCKET_MODE"},
    [SETTING_SOCKET_GROUP] = {"socket-group", "SBERTD_SOCKET_GROUP"},
};

static const struct {
    const char *name;
    int level;
} levels[] = {
    {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

/* A value as text, and who said it. */
struct said {
    char *value; /* NULL: nobody */
    char source[PATH_MAX + 32];
};

const char *settings_name(enum setting setting)
{
    return definitions[setting].name;
}

const char *settings_level_name(int level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (levels[i].level == level)
            return levels[i].name;
    return "info";
}

static int say(struct said *said, const char *value, const char *source, struct err *err)
{
    free(said->value);
    said->value = strdup(value);
    snprintf(said->source, sizeof said->source, "%s", source);
    return said->value ? 0 : err_memory(err, "a setting");
}

/* --- the file --- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = '\0';
    return text;
}

static int read_line(struct said *said, char *line, const char *place, struct err *err)
{
    char *text = trim(line), *equals = strchr(text, '=');

    if (*text == '\0' || *text == '#')
        return 0;
    if (!equals)
        return err_set(err, ERR_INVALID, "%s: expected \"name = value\", not \"%.60s\"", place,
                       text);
    *equals = '\0';
    char *name = trim(text), *value = trim(equals + 1);
    for (int i = 0; i < SETTING_COUNT; i++)
        if (strcmp(definitions[i].name, name) == 0 && i != SETTING_CONFIG)
            return say(&said[i], value, place, err);
    return err_set(err, ERR_INVALID, "%s: no setting is named \"%.60s\"", place, name);
}

static int read_file(struct said *said, const char *path, bool required, struct err *err)
{
    char *text = NULL, *rest, *line;
    size_t size;
    int r = file_read(&text, &size, path, CONFIG_MAX, err);

    if (r == ERR_NOT_FOUND && !required)
        return 0;
    if (r < 0)
        return err_prefix(err, "the configuration");
    if (strlen(text) != size)
        r = err_set(err, ERR_INVALID, "%s: holds a NUL byte; is it text?", path);
    rest = text;
    for (int number = 1; r == 0 && (line = strsep(&rest, "\n")); number++) {
        char place[PATH_MAX + 32];
        snprintf(place, sizeof place, "%s:%d", path, number);
        r = read_line(said, line, place, err);
    }
    free(text);
    return r;
}

/* --- values --- */

static int read_level(const struct said *said, int *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, said->value) == 0) {
            *ret = levels[i].level;
            return 0;
        }
    return err_set(err, ERR_INVALID, "%s: must be error, warning, info or debug, not \"%.60s\"",
                   said->source, said->value);
}

static int read_number(const struct said *said, int base, long most, const char *must, long *ret,
                       struct err *err)
{
    char *end;
    long number = strtol(said->value, &end, base);

    if (!isdigit((unsigned char)*said->value) || *end || number > most)
        return err_set(err, ERR_INVALID, "%s: must be %s, not \"%.60s\"", said->source, must,
                       said->value);
    *ret = number;
    return 0;
}

static int read_switch(const struct said *said, bool *ret, struct err *err)
{
    static const char *const yes[] = {"yes", "true", "1", "on"}, *const no[] = {"no", "false", "0",
                                                                                "off"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        bool is_yes = strcmp(yes[i], said->value) == 0;
        if (is_yes || strcmp(no[i], said->value) == 0) {
            *ret = is_yes;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "%s: must be yes or no, not \"%.60s\"", said->source,
                   said->value);
}

static int read_precision(const struct said *said, enum precision *ret, struct err *err)
{
    if (precision_parse(said->value, ret, NULL) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "%s: must be auto, f32, bf16 or int8, not \"%.60s\"",
                   said->source, said->value);
}

static int read_index_precision(const struct said *said, enum index_precision *ret, struct err *err)
{
    if (index_precision_parse(said->value, ret))
        return 0;
    return err_set(err, ERR_INVALID, "%s: must be f32, f16 or int8, not \"%.60s\"", said->source,
                   said->value);
}

static int absolute(char **path, struct err *err)
{
    if (!*path || **path == '/')
        return 0;
    char *folder = getcwd(NULL, 0);
    if (!folder)
        return err_set(err, ERR_IO, "cannot tell the current folder, for the path %s", *path);
    char *whole = file_join(folder, *path);
    free(folder);
    if (!whole)
        return err_memory(err, "a path");
    free(*path);
    *path = whole;
    return 0;
}

/* Takes the text out of `said`, which must not be empty where it was said. */
static int take(struct said *said, char **ret, struct err *err)
{
    if (said->value && !*said->value)
        return err_set(err, ERR_INVALID, "%s: must not be empty", said->source);
    *ret = said->value;
    said->value = NULL;
    return 0;
}

static int take_path(struct said *said, char **ret, int (*preset)(char **, struct err *),
                     struct err *err)
{
    int r = take(said, ret, err);
    if (r == 0 && !*ret && preset)
        r = preset(ret, err);
    return r < 0 ? r : absolute(ret, err);
}

static int take_model(struct said *said, char **ret, struct err *err)
{
    int r = take(said, ret, err);
    if (r < 0 || !*ret)
        return r;
    bool is_path = strchr(*ret, '/') || strcmp(*ret, ".") == 0;
    return is_path ? absolute(ret, err) : 0;
}

static int take_rest(struct said *said, struct settings *settings, struct err *err)
{
    long number;
    int r;

    if ((r = take(&said[SETTING_SOCKET_GROUP], &settings->socket_group, err)) < 0)
        return r;
    if (said[SETTING_LOG_LEVEL].value &&
        (r = read_level(&said[SETTING_LOG_LEVEL], &settings->log_level, err)) < 0)
        return r;
    if (said[SETTING_PRECISION].value &&
        (r = read_precision(&said[SETTING_PRECISION], &settings->precision, err)) < 0)
        return r;
    if (said[SETTING_INDEX_PRECISION].value &&
        (r = read_index_precision(&said[SETTING_INDEX_PRECISION], &settings->index_precision,
                                  err)) < 0)
        return r;
    if (said[SETTING_PULL].value &&
        (r = read_switch(&said[SETTING_PULL], &settings->pull, err)) < 0)
        return r;
    if (said[SETTING_THREADS].value) {
        r = read_number(&said[SETTING_THREADS], 10, THREADS_MAX,
                        "a number of threads up to 1024, or 0 to choose", &number, err);
        if (r < 0)
            return r;
        settings->threads = (int)number;
    }
    if (said[SETTING_SOCKET_MODE].value) {
        r = read_number(&said[SETTING_SOCKET_MODE], 8, 0777, "an octal mode such as 0660", &number,
                        err);
        if (r < 0)
            return r;
        settings->socket_mode = (mode_t)number;
    }
    return 0;
}

static int take_all(struct said *said, struct settings *settings, struct err *err)
{
    int r;

    if ((r = take_path(&said[SETTING_SOCKET], &settings->socket, paths_daemon_socket, err)) < 0)
        return r;
    if (strlen(settings->socket) > SOCKET_PATH_MAX)
        return err_set(err, ERR_INVALID,
                       "the socket's path has %zu bytes, and a Unix socket's at most %d: %s",
                       strlen(settings->socket), SOCKET_PATH_MAX, settings->socket);
    if ((r = take_path(&said[SETTING_DATA_DIR], &settings->data_folder, paths_data_folder, err)) <
        0)
        return r;
    if ((r = take_path(&said[SETTING_LOG_FILE], &settings->log_file, NULL, err)) < 0)
        return r;
    if ((r = take_model(&said[SETTING_MODEL], &settings->model, err)) < 0 ||
        (r = take_model(&said[SETTING_RERANK_MODEL], &settings->rerank_model, err)) < 0)
        return r;
    return take_rest(said, settings, err);
}

/* What options and variables say. The shell's `VARIABLE= sbertd` means that nothing is said. */
static int hear(struct said *said, const char *const given[SETTING_COUNT], int i, struct err *err)
{
    char source[64];
    const char *variable = getenv(definitions[i].variable);

    if (given[i]) {
        snprintf(source, sizeof source, "--%s", definitions[i].name);
        return say(said, given[i], source, err);
    }
    return variable && *variable ? say(said, variable, definitions[i].variable, err) : 0;
}

int settings_load(struct settings *ret_settings, const char *const given[SETTING_COUNT],
                  struct err *err)
{
    struct settings settings = {.socket_mode = 0600, .log_level = LOG_INFO};
    struct said *said = calloc(SETTING_COUNT, sizeof *said);
    int r = 0;

    if (!said)
        return err_memory(err, "the settings");
    r = hear(&said[SETTING_CONFIG], given, SETTING_CONFIG, err);
    bool required = said[SETTING_CONFIG].value != NULL;
    if (r == 0)
        r = take_path(&said[SETTING_CONFIG], &settings.config_file, paths_config_file, err);
    if (r == 0)
        r = read_file(said, settings.config_file, required, err);
    for (int i = 0; r == 0 && i < SETTING_COUNT; i++)
        if (i != SETTING_CONFIG)
            r = hear(&said[i], given, i, err);
    if (r == 0)
        r = take_all(said, &settings, err);
    for (int i = 0; i < SETTING_COUNT; i++)
        free(said[i].value);
    free(said);
    if (r < 0)
        settings_release(&settings);
    else
        *ret_settings = settings;
    return r;
}

void settings_release(struct settings *settings)
{
    free(settings->socket);
    free(settings->data_folder);
    free(settings->model);
    free(settings->rerank_model);
    free(settings->config_file);
    free(settings->log_file);
    free(settings->socket_group);
    *settings = (struct settings){0};
}

int settings_reload_level(const struct settings *settings, const char *const given[SETTING_COUNT],
                          int *ret_level, struct err *err)
{
    const char *again[SETTING_COUNT];
    struct settings fresh;

    memcpy(again, given, sizeof again);
    if (file_exists(settings->config_file))
        again[SETTING_CONFIG] = settings->config_file;
    int r = settings_load(&fresh, again, err);
    if (r < 0)
        return r;
    *ret_level = fresh.log_level;
    settings_release(&fresh);
    return 0;
}

/* --- for the child of `sbertd start` --- */

static char *argument(enum setting setting, const char *value)
{
    struct buf text = {0};
    if (buf_printf(&text, "--%s=%s", definitions[setting].name, value) < 0)
        buf_release(&text);
    return text.data;
}

char **settings_arguments(const struct settings *settings, const char *const given[SETTING_COUNT])
{
    const struct {
        enum setting setting;
        const char *value;
    } all[] = {
        {SETTING_SOCKET, settings->socket},
        {SETTING_DATA_DIR, settings->data_folder},
        {SETTING_MODEL, settings->model},
        {SETTING_RERANK_MODEL, settings->rerank_model},
        {SETTING_PRECISION, given[SETTING_PRECISION]},
        {SETTING_INDEX_PRECISION, given[SETTING_INDEX_PRECISION]},
        {SETTING_CONFIG, file_exists(settings->config_file) ? settings->config_file : NULL},
        {SETTING_LOG_FILE, settings->log_file},
        {SETTING_LOG_LEVEL, given[SETTING_LOG_LEVEL]},
        {SETTING_THREADS, given[SETTING_THREADS]},
        {SETTING_SOCKET_MODE, given[SETTING_SOCKET_MODE]},
        {SETTING_SOCKET_GROUP, given[SETTING_SOCKET_GROUP]},
    };
    size_t count = 0;
    char **arguments = calloc(sizeof all / sizeof *all + 1, sizeof *arguments);

    for (size_t i = 0; arguments && i < sizeof all / sizeof *all; i++) {
        if (!all[i].value)
            continue;
        arguments[count] = argument(all[i].setting, all[i].value);
        if (!arguments[count++]) {
            settings_free_arguments(arguments);
            return NULL;
        }
    }
    return arguments;
}

void settings_free_arguments(char **arguments)
{
    for (char **each = arguments; each && *each; each++)
        free(*each);
    free(arguments);
}
