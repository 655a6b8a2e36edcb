/* A library to preload (LD_PRELOAD) that logs in which order a program writes, syncs and answers,
 * and that can make the disk full or a sync fail. No root needed.
 *
 * Environment, read anew at each call, so a program under test may change it with setenv:
 *   SHIM_LOG=FILE             append the log there; unset: no log
 *   SHIM_FOLDER=FOLDER        the files below this folder (an absolute path without symbolic links)
 *                             are the ones that are watched; unset: none
 *   SHIM_NO_SPACE_AFTER=N     all files below the folder together may hold N bytes; a write or an
 *                             allocation that would make it more fails with ENOSPC
 *   SHIM_FAIL_SYNC_AFTER=N    the first N syncs below the folder succeed, further ones fail (EIO)
 *
 * The log has one line for each event: "OP BYTES PATH". PATH is what /proc/self/fd says and runs to
 * the end of the line; sockets are "socket:[...]" and pipes "pipe:[...]". OP is one of
 *   write      bytes are about to be written to a watched file, a pipe or a socket
 *   send       bytes are about to be sent on a socket
 *   truncate   a watched file was cut (BYTES: its new size)
 *   allocate   a watched file is about to be given room
 *   sync       fsync or fdatasync of a watched file or folder has returned success (BYTES: 0)
 *   no-space   a write or an allocation was refused
 *   no-sync    a sync was made to fail (BYTES: 0)
 * Writes and sends are logged before they are done and syncs after, so that "sync, then send" in
 * the log holds of the program too. Output through stdio (fwrite) is not seen, nor are mapped
 * files.
 *
 * Thread-safe; events of several threads stand in the order in which they were logged.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The next definition of the function, the C library's or a sanitizer's. */
#define REAL(function) (__extension__(__typeof__(&function)) real(#function))

static void *real(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol)
        abort();
    return symbol;
}

/* --- which file is it --- */

static void path_of(int descriptor, char ret_path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, ret_path, PATH_MAX - 1);
    ret_path[size > 0 ? size : 0] = '\0';
}

static bool watched(const char *path)
{
    const char *folder = getenv("SHIM_FOLDER");
    size_t size = folder ? strlen(folder) : 0;
    return size && strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool answer(const char *path)
{
    return strncmp(path, "socket:", 7) == 0 || strncmp(path, "pipe:", 5) == 0;
}

/* By system calls of its own: a program may close the descriptors it does not know. */
static void note(const char *op, long long bytes, const char *path)
{
    int saved = errno;
    const char *log = getenv("SHIM_LOG");
    int descriptor = log ? (int)syscall(SYS_openat, AT_FDCWD, log,
                                        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
                         : -1;
    if (descriptor >= 0) {
        char line[PATH_MAX + 64];
        int size = snprintf(line, sizeof line, "%s %lld %s\n", op, bytes, path);
        (void)!syscall(SYS_write, descriptor, line, (size_t)size);
        syscall(SYS_close, descriptor);
    }
    errno = saved;
}

/* --- the full disk --- */

static long long bytes_below(const char *folder)
{
    long long total = 0;
    DIR *directory = opendir(folder);
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[PATH_MAX];
        struct stat status;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
            lstat(path, &status) < 0)
            continue;
        total += S_ISDIR(status.st_mode) ? bytes_below(path) : (long long)status.st_size;
    }
    closedir(directory);
    return total;
}

/* Whether a file that is to reach up to `end` would be more than the disk has room for. */
static bool no_space(int descriptor, const char *path, long long end)
{
    const char *limit = getenv("SHIM_NO_SPACE_AFTER");
    struct stat status;
    if (!limit || !watched(path) || fstat(descriptor, &status) < 0 || end <= status.st_size)
        return false;
    if (bytes_below(getenv("SHIM_FOLDER")) + (end - status.st_size) <= atoll(limit))
        return false;
    note("no-space", end - status.st_size, path);
    errno = ENOSPC;
    return true;
}

/* Where a write at the descriptor's own position would begin. */
static long long position(int descriptor)
{
    struct stat status;
    int flags = fcntl(descriptor, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND))
        return fstat(descriptor, &status) == 0 ? (long long)status.st_size : 0;
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    return at > 0 ? (long long)at : 0;
}

/* Notes a write of `size` bytes at `offset` (-1: at the position); false where it must fail. */
static bool before_write(int descriptor, size_t size, long long offset)
{
    int saved = errno;
    char path[PATH_MAX];
    path_of(descriptor, path);
    if (!answer(path)) {
        if (!watched(path))
            return true;
        long long start = offset >= 0 ? offset : position(descriptor);
        if (no_space(descriptor, path, start + (long long)size))
            return false;
    }
    note("write", (long long)size, path);
    errno = saved;
    return true;
}

static size_t total_size(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

/* --- what the program calls (declared as the C library does, transparent union and all) --- */

ssize_t write(int descriptor, const void *bytes, size_t size)
{
    return before_write(descriptor, size, -1) ? REAL(write)(descriptor, bytes, size) : -1;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
    return before_write(descriptor, size, offset) ? REAL(pwrite)(descriptor, bytes, size, offset)
                                                  : -1;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset)
{
    return before_write(descriptor, size, offset) ? REAL(pwrite64)(descriptor, bytes, size, offset)
                                                  : -1;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    return before_write(descriptor, total_size(parts, count), -1)
               ? REAL(writev)(descriptor, parts, count)
               : -1;
}

static void before_send(int descriptor, size_t size)
{
    char path[PATH_MAX];
    int saved = errno;
    path_of(descriptor, path);
    note("send", (long long)size, path);
    errno = saved;
}

ssize_t send(int descriptor, const void *bytes, size_t size, int flags)
{
    before_send(descriptor, size);
    return REAL(send)(descriptor, bytes, size, flags);
}

ssize_t sendto(int descriptor, const void *bytes, size_t size, int flags,
               __CONST_SOCKADDR_ARG address, socklen_t address_size)
{
    before_send(descriptor, size);
    return REAL(sendto)(descriptor, bytes, size, flags, address, address_size);
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    before_send(descriptor, total_size(message->msg_iov, (int)message->msg_iovlen));
    return REAL(sendmsg)(descriptor, message, flags);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size)
{
    before_send(to, size);
    return REAL(sendfile)(to, from, offset, size);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size)
{
    before_send(to, size);
    return REAL(sendfile64)(to, from, offset, size);
}

static int truncated(int descriptor, long long size, int r)
{
    char path[PATH_MAX];
    int saved = errno;
    path_of(descriptor, path);
    if (r == 0 && watched(path))
        note("truncate", size, path);
    errno = saved;
    return r;
}

int ftruncate(int descriptor, off_t size)
{
    return truncated(descriptor, size, REAL(ftruncate)(descriptor, size));
}

int ftruncate64(int descriptor, off64_t size)
{
    return truncated(descriptor, size, REAL(ftruncate64)(descriptor, size));
}

static bool before_allocate(int descriptor, long long end)
{
    char path[PATH_MAX];
    path_of(descriptor, path);
    if (!watched(path))
        return true;
    if (no_space(descriptor, path, end))
        return false;
    note("allocate", end, path);
    return true;
}

int posix_fallocate(int descriptor, off_t offset, off_t size)
{
    return before_allocate(descriptor, offset + size)
               ? REAL(posix_fallocate)(descriptor, offset, size)
               : ENOSPC;
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t size)
{
    return before_allocate(descriptor, offset + size)
               ? REAL(posix_fallocate64)(descriptor, offset, size)
               : ENOSPC;
}

/* Runs a sync, or makes it fail. */
static int sync_with(int descriptor, int (*sync_real)(int))
{
    static atomic_llong syncs;
    char path[PATH_MAX];
    path_of(descriptor, path);
    if (!watched(path))
        return sync_real(descriptor);
    const char *allowed = getenv("SHIM_FAIL_SYNC_AFTER");
    if (allowed && atomic_fetch_add(&syncs, 1) >= atoll(allowed)) {
        note("no-sync", 0, path);
        errno = EIO;
        return -1;
    }
    int r = sync_real(descriptor);
    if (r == 0)
        note("sync", 0, path);
    return r;
}

int fsync(int descriptor)
{
    return sync_with(descriptor, REAL(fsync));
}

int fdatasync(int descriptor)
{
    return sync_with(descriptor, REAL(fdatasync));
}
