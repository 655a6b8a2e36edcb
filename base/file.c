/* Files: mapping, whole-file replacement, folders. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_regular(const char *path, int *ret_fd, size_t *ret_size, struct err *err)
{
    struct stat status;
    /* Without O_NONBLOCK a pipe under that name would hold us until somebody writes to it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if (fstat(fd, &status) < 0) {
        int r = err_set_errno(err, errno, "cannot read %s", path);
        close(fd);
        return r;
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return err_set(err, ERR_INVALID, "%s is not a regular file", path);
    }
    *ret_fd = fd;
    *ret_size = (size_t)status.st_size;
    return 0;
}

int file_map(struct file_map *ret_map, const char *path, struct err *err)
{
    int fd;
    size_t size;
    int r = open_regular(path, &fd, &size, err);
    if (r < 0)
        return r;
    struct file_map map = {.data = NULL, .size = size};
    if (size) {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            r = err_set_errno(err, errno, "cannot map %s", path);
            close(fd);
            return r;
        }
        map.data = data;
    }
    close(fd);
    *ret_map = map;
    return 0;
}

void file_unmap(struct file_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct file_map){0};
}

void file_forget(const struct file_map *map)
{
    if (map->data)
        (void)madvise((void *)(uintptr_t)map->data, map->size, MADV_DONTNEED);
}

static int read_all(int fd, char *data, size_t size, size_t *ret_got)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, data + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_got = got;
    return 0;
}

int file_read(char **ret_data, size_t *ret_size, const char *path, size_t limit, struct err *err)
{
    int fd;
    size_t size, got = 0;
    int r = open_regular(path, &fd, &size, err);
    if (r < 0)
        return r;
    if (size > limit) {
        close(fd);
        return err_set(err, ERR_LIMIT, "%s has %zu bytes, more than the limit of %zu", path, size,
                       limit);
    }
    char *data = malloc(size + 1);
    if (!data) {
        close(fd);
        return err_memory(err, path);
    }
    int failure = read_all(fd, data, size, &got);
    close(fd);
    if (failure < 0) {
        free(data);
        return err_set_errno(err, -failure, "cannot read %s", path);
    }
    data[got] = '\0';
    *ret_data = data;
    *ret_size = got;
    return 0;
}

int file_replace_begin(struct file_replace *ret_replace, const char *path, mode_t mode,
                       struct err *err)
{
    struct file_replace replace = {.path = strdup(path)};
    int fd = -1;
    int r;

    if (!replace.path || asprintf(&replace.temporary, "%s.tmp.XXXXXX", path) < 0) {
        free(replace.path);
        return err_memory(err, path);
    }
    fd = mkostemp(replace.temporary, O_CLOEXEC);
    if (fd < 0) {
        r = err_set_errno(err, errno, "cannot create %s", replace.temporary);
        goto fail;
    }
    if (fchmod(fd, mode) < 0 || !(replace.stream = fdopen(fd, "w"))) {
        r = err_set_errno(err, errno, "cannot write %s", replace.temporary);
        unlink(replace.temporary);
        close(fd);
        goto fail;
    }
    *ret_replace = replace;
    return 0;
fail:
    free(replace.path);
    free(replace.temporary);
    return r;
}

void file_replace_abort(struct file_replace *replace)
{
    if (replace->stream)
        fclose(replace->stream);
    if (replace->temporary)
        unlink(replace->temporary);
    free(replace->temporary);
    free(replace->path);
    *replace = (struct file_replace){0};
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int file_replace_commit(struct file_replace *replace, struct err *err)
{
    char *folder = folder_of(replace->path);
    int r = 0;

    if (!folder) {
        r = err_memory(err, replace->path);
        goto out;
    }
    if (ferror(replace->stream)) { /* errno may be another call's by now */
        r = err_set(err, ERR_IO, "cannot write %s: a write to it failed", replace->temporary);
        goto out;
    }
    if (fflush(replace->stream) != 0 || fsync(fileno(replace->stream)) < 0) {
        r = err_set_errno(err, errno, "cannot write %s", replace->temporary);
        goto out;
    }
    int closed = fclose(replace->stream);
    replace->stream = NULL;
    if (closed != 0 || rename(replace->temporary, replace->path) < 0) {
        r = err_set_errno(err, errno, "cannot replace %s", replace->path);
        goto out;
    }
    free(replace->temporary);
    replace->temporary = NULL;
    r = file_sync_folder(folder, err);
out:
    free(folder);
    file_replace_abort(replace);
    return r;
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
    struct file_replace replace;
    int r = file_replace_begin(&replace, path, mode, err);
    if (r < 0)
        return r;
    if (size && fwrite(data, 1, size, replace.stream) != size) {
        r = err_set_errno(err, errno, "cannot write %s", replace.temporary);
        file_replace_abort(&replace);
        return r;
    }
    return file_replace_commit(&replace, err);
}

int file_make_folder(const char *path, mode_t mode, struct err *err)
{
    if (!*path)
        return err_set(err, ERR_INVALID, "a folder's name is empty");
    char *copy = strdup(path);
    if (!copy)
        return err_memory(err, path);
    for (char *slash = copy + 1;; slash++) {
        slash = strchrnul(slash, '/');
        char kept = *slash;
        *slash = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST) {
            int r = err_set_errno(err, errno, "cannot create the folder %s", copy);
            free(copy);
            return r;
        }
        if (!kept)
            break;
        *slash = kept;
    }
    free(copy);
    struct stat status;
    if (stat(path, &status) < 0)
        return err_set_errno(err, errno, "cannot read the folder %s", path);
    if (!S_ISDIR(status.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a folder", path);
    return 0;
}

int file_sync_folder(const char *path, struct err *err)
{
    int r = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the folder %s", path);
    if (fsync(fd) < 0)
        r = err_set_errno(err, errno, "cannot sync the folder %s", path);
    close(fd);
    return r;
}

int file_sync_parent(const char *path, struct err *err)
{
    char *folder = folder_of(path);
    if (!folder)
        return err_memory(err, path);
    int r = file_sync_folder(folder, err);
    free(folder);
    return r;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *file_join(const char *folder, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}
