/* Where the daemon and the programs meet when nobody says: see paths.h for the rules.
 *
 * It only makes up names; nothing is created or opened here. No state, so thread-safe as far as
 * the environment is left alone.
 */
#include "daemon/paths.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define SYSTEM_SOCKET "/run/sbertd/sbertd.sock"
#define SYSTEM_DATA "/var/lib/sbertd"
#define SYSTEM_CONFIG "/etc/sbertd/sbertd.conf"

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The XDG specification has relative values ignored. */
static const char *environment_folder(const char *name)
{
    const char *value = environment(name);
    return value && *value == '/' ? value : NULL;
}

static const char *home_folder(void)
{
    const char *home = environment_folder("HOME");
    if (home)
        return home;
    const struct passwd *user = getpwuid(geteuid());
    return user && user->pw_dir && *user->pw_dir == '/' ? user->pw_dir : NULL;
}

static int copy_path(char **ret_path, const char *path, struct err *err)
{
    char *copy = strdup(path);
    if (!copy)
        return err_memory(err, "a path");
    *ret_path = copy;
    return 0;
}

/* $folder_variable/tail where that is set, else ~/home_tail. */
static int user_path(char **ret_path, const char *folder_variable, const char *tail,
                     const char *home_tail, struct err *err)
{
    const char *folder = environment_folder(folder_variable);
    struct buf path = {0};
    int r;

    if (folder) {
        r = buf_printf(&path, "%s/%s", folder, tail);
    } else {
        const char *home = home_folder();
        if (!home)
            return err_set(err, ERR_NOT_FOUND,
                           "neither %s nor HOME is set, and user %u has no home folder",
                           folder_variable, (unsigned)geteuid());
        r = buf_printf(&path, "%s/%s", home, home_tail);
    }
    if (r < 0) {
        buf_release(&path);
        return err_memory(err, "a path");
    }
    *ret_path = path.data;
    return 0;
}

int paths_daemon_socket(char **ret_path, struct err *err)
{
    const char *given = environment("SBERTD_SOCKET");
    if (given || geteuid() == 0)
        return copy_path(ret_path, given ? given : SYSTEM_SOCKET, err);
    return user_path(ret_path, "XDG_RUNTIME_DIR", "sbertd/sbertd.sock",
                     ".local/state/sbertd/sbertd.sock", err);
}

int paths_data_folder(char **ret_path, struct err *err)
{
    const char *given = environment("SBERTD_DATA_DIR");
    if (given || geteuid() == 0)
        return copy_path(ret_path, given ? given : SYSTEM_DATA, err);
    return user_path(ret_path, "XDG_DATA_HOME", "sbertd", ".local/share/sbertd", err);
}

int paths_config_file(char **ret_path, struct err *err)
{
    const char *given = environment("SBERTD_CONFIG");
    if (given || geteuid() == 0)
        return copy_path(ret_path, given ? given : SYSTEM_CONFIG, err);
    return user_path(ret_path, "XDG_CONFIG_HOME", "sbertd/sbertd.conf",
                     ".config/sbertd/sbertd.conf", err);
}

/* True where a socket of that name is there and belongs to root or to this user, so that it is no
 * stranger's trap. */
static bool trusted_socket(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
           (status.st_uid == 0 || status.st_uid == geteuid());
}

int paths_client_socket(char **ret_path, const char *given, struct err *err)
{
    if (given)
        return copy_path(ret_path, given, err);
    char *own = NULL;
    int r = paths_daemon_socket(&own, err);
    if (r < 0)
        return r;
    if (environment("SBERTD_SOCKET") || access(own, F_OK) == 0 || !trusted_socket(SYSTEM_SOCKET)) {
        *ret_path = own;
        return 0;
    }
    free(own);
    return copy_path(ret_path, SYSTEM_SOCKET, err);
}
