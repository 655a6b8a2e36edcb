/* What the daemon is told: by options, environment variables, a configuration file, and defaults,
 * in that order of precedence.
 *
 * A setting has one name everywhere: the option --data-dir is the variable SBERTD_DATA_DIR and the
 * line "data-dir = ..." of the file. The file has `name = value` lines and # comments; mistakes in
 * it name file and line. Paths come out absolute, so that the daemon may leave its folder.
 */
#ifndef SBERT_DAEMON_SETTINGS_H
#define SBERT_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "encoder/precision.h"
#include "index/index.h"

enum setting {
    SETTING_SOCKET,
    SETTING_DATA_DIR,
    SETTING_MODEL,
    SETTING_RERANK_MODEL,
    SETTING_PRECISION,
    SETTING_INDEX_PRECISION,
    SETTING_CONFIG,
    SETTING_LOG_LEVEL,
    SETTING_LOG_FILE,
    SETTING_THREADS,
    SETTING_PULL,
    SETTING_SOCKET_MODE,
    SETTING_SOCKET_GROUP,
    SETTING_COUNT,
};

struct settings {
    char *socket;
    char *data_folder;
    char *model;        /* name, or absolute path of a folder */
    char *rerank_model; /* the same of a cross-encoder; NULL: none */
    char *config_file;
    char *log_file;     /* NULL: standard error */
    char *socket_group; /* NULL: the user's own */
    mode_t socket_mode; /* 0600 */
    int log_level;      /* syslog's: LOG_ERR, LOG_WARNING, LOG_INFO or LOG_DEBUG */
    int threads;        /* 0: as many as the machine gives */
    enum precision precision;
    enum index_precision index_precision;
    bool pull; /* fetch the model where it is missing */
};

/* The name of a setting as an option, without "--". */
const char *settings_name(enum setting setting);

/* Puts everything together; `given` holds what the command line said, NULL where it said nothing.
 * The caller releases the result. ERR_INVALID says which source said what wrong. */
int settings_load(struct settings *ret_settings, const char *const given[SETTING_COUNT],
                  struct err *err);
void settings_release(struct settings *settings); /* accepts a zeroed one */

/* The log level again, from the same sources, as they are now. */
int settings_reload_level(const struct settings *settings, const char *const given[SETTING_COUNT],
                          int *ret_level, struct err *err);

/* The arguments for a `sbertd run` in another folder that is to take the same settings: what was
 * given, and all paths, absolute. Fresh memory, ends with NULL, for settings_free_arguments; NULL
 * when memory runs out. */
char **settings_arguments(const struct settings *settings, const char *const given[SETTING_COUNT]);
void settings_free_arguments(char **arguments);

/* "error", "warning", "info" or "debug". */
const char *settings_level_name(int level);

#endif
