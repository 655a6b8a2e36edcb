/* The output folder of a run: one run at a time has it, by a lock on the log; a run that goes on
 * clears away what one that was killed left. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/train/run.h"

static bool has_entries(const char *folder)
{
    DIR *directory = opendir(folder);
    size_t count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count > 2; /* "." and ".." */
}

/* Files that were being written under a name of their own (base/file.h) when a run was killed. */
static void remove_unfinished(const char *folder)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;

    while (directory && (entry = readdir(directory)))
        if (fnmatch("*.tmp.??????", entry->d_name, 0) == 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
}

static int open_log(struct run *run, struct err *err)
{
    run->log = fopen(run->log_path, "a");
    if (!run->log)
        return err_set_errno(err, errno, "cannot write %s", run->log_path);
    if (flock(fileno(run->log), LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK
               ? err_set(err, ERR_BUSY, "another run is writing to %s", run->options->output)
               : err_set_errno(err, errno, "cannot lock %s", run->log_path);
}

int run_open_folder(struct run *run, struct err *err)
{
    const char *output = run->options->output;
    char *below = file_join(output, "training");
    int r = below ? 0 : err_memory(err, output);

    if (r == 0 && !run->options->resume && has_entries(output))
        r = err_set(err, ERR_CONFLICT,
                    "%s is not empty; name another --output, or go on with its run by --resume",
                    output);
    if (r == 0)
        r = file_make_folder(below, 0755, err);
    if (r == 0) {
        run->checkpoint = file_join(below, "checkpoint.safetensors");
        run->log_path = file_join(below, "log.jsonl");
        r = run->checkpoint && run->log_path ? 0 : err_memory(err, output);
    }
    if (r == 0 && run->options->resume && !file_exists(run->checkpoint))
        r = err_set(err, ERR_NOT_FOUND,
                    "%s has no checkpoint to go on from: start anew with another --output", below);
    if (r == 0)
        r = open_log(run, err);
    if (r == 0 && run->options->resume) {
        remove_unfinished(output);
        remove_unfinished(below);
    }
    free(below);
    return r;
}

size_t run_log_size(const struct run *run)
{
    struct stat status;
    return fstat(fileno(run->log), &status) == 0 ? (size_t)status.st_size : 0;
}

int run_cut_log(const struct run *run, size_t size, struct err *err)
{
    if (run_log_size(run) > size && ftruncate(fileno(run->log), (off_t)size) < 0)
        return err_set_errno(err, errno, "cannot cut %s", run->log_path);
    return 0;
}
