/* A library to preload (LD_PRELOAD) that lets one call of a program fail, each in turn, and that
 * keeps beside a folder what of it would be there after a power cut. No root needed.
 *
 * Environment, read once:
 *   SHIM_FOLDER=FOLDER    the files below it (an absolute path without symbolic links) are watched
 *   SHIM_CONTROL=FILE     a file of 64 bytes that is shared with the test (struct control)
 *   SHIM_FAIL_CALL=N      the Nth write, allocation of room, truncation, sync, rename, link or
 *                         unlink of a watched file while armed fails, once
 *   SHIM_FAIL_ERRNO=E     with this error (5: EIO)
 *   SHIM_FAIL_MALLOC=N    the Nth malloc, calloc or realloc while armed gives NULL, once
 *   SHIM_DURABLE=FOLDER   a watched file that is synced is copied there, whole, before its sync
 *                         returns; a rename moves the copy, and an unlink removes it. What was
 *                         written and not synced is not there: as after a power cut of a disk that
 *                         keeps nothing else. (Folders are taken for synced.)
 *
 * Thread-safe.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The next definition of the function. */
#define REAL(function) (__extension__(__typeof__(&function)) real(#function))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

struct control {
    atomic_uint_fast64_t armed; /* the test's: not 0 while calls are counted */
    atomic_uint_fast64_t calls, allocations, failed;
};

static struct control nobody;
static struct control *control = &nobody;
static const char *folder, *durable;
static uint64_t fail_call, fail_allocation;
static int fail_errno = EIO;
static pthread_mutex_t durable_lock = PTHREAD_MUTEX_INITIALIZER;

static void *real(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol)
        abort();
    return symbol;
}

static uint64_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SHIM_CONTROL");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    folder = getenv("SHIM_FOLDER");
    durable = getenv("SHIM_DURABLE");
    fail_call = number_of("SHIM_FAIL_CALL");
    fail_allocation = number_of("SHIM_FAIL_MALLOC");
    if (getenv("SHIM_FAIL_ERRNO"))
        fail_errno = (int)number_of("SHIM_FAIL_ERRNO");
    if (descriptor >= 0) {
        void *shared =
            mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (shared != MAP_FAILED)
            control = shared;
        close(descriptor);
    }
}

static bool watched(const char *path)
{
    size_t size = folder ? strlen(folder) : 0;
    return size && strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool watched_descriptor(int descriptor, char ret_path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, ret_path, PATH_MAX - 1);
    ret_path[size > 0 ? size : 0] = '\0';
    return watched(ret_path);
}

/* True where this call is the one to fail; sets errno. */
static bool fails(bool is_watched)
{
    if (!is_watched || !control->armed)
        return false;
    if (atomic_fetch_add(&control->calls, 1) + 1 != fail_call)
        return false;
    atomic_fetch_add(&control->failed, 1);
    errno = fail_errno;
    return true;
}

static bool descriptor_fails(int descriptor)
{
    char path[PATH_MAX];
    int saved = errno;
    bool is_watched = control->armed && watched_descriptor(descriptor, path);
    errno = saved;
    return fails(is_watched);
}

/* --- what is durable --- */

static bool durable_path(const char *path, char ret_path[PATH_MAX])
{
    return snprintf(ret_path, PATH_MAX, "%s%s", durable, path + strlen(folder)) < PATH_MAX;
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + strlen(durable) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16]; /* under the lock */
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size;
    while (source >= 0 && target >= 0 && (size = read(source, bytes, sizeof bytes)) > 0)
        if (REAL(write)(target, bytes, (size_t)size) != size)
            abort();
    if (source < 0 || target < 0)
        abort();
    close(source);
    close(target);
}

/* A sync has succeeded: the file as it is now is what a power cut leaves. */
static void keep(int descriptor)
{
    char path[PATH_MAX], kept[PATH_MAX], temporary[PATH_MAX + 16];
    struct stat status;
    int saved = errno;
    if (durable && watched_descriptor(descriptor, path) && fstat(descriptor, &status) == 0 &&
        S_ISREG(status.st_mode) && status.st_nlink > 0 && durable_path(path, kept)) {
        pthread_mutex_lock(&durable_lock);
        make_folders(kept);
        snprintf(temporary, sizeof temporary, "%s.unfinished", kept);
        copy_file(path, temporary);
        if (REAL(rename)(temporary, kept) < 0)
            abort();
        pthread_mutex_unlock(&durable_lock);
    }
    errno = saved;
}

/* A name has changed; `to` is NULL where it is gone. */
static void move_kept(const char *from, const char *to)
{
    char kept_from[PATH_MAX], kept_to[PATH_MAX];
    int saved = errno;
    if (durable && watched(from) && durable_path(from, kept_from)) {
        pthread_mutex_lock(&durable_lock);
        if (!to)
            (void)REAL(unlink)(kept_from);
        else if (watched(to) && durable_path(to, kept_to) &&
                 REAL(rename)(kept_from, kept_to) < 0) { /* it was never synced: an empty file */
            make_folders(kept_to);
            int descriptor = open(kept_to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            if (descriptor >= 0)
                close(descriptor);
        }
        pthread_mutex_unlock(&durable_lock);
    }
    errno = saved;
}

/* --- what the program calls --- */

ssize_t write(int descriptor, const void *bytes, size_t size)
{
    return descriptor_fails(descriptor) ? -1 : REAL(write)(descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
    return descriptor_fails(descriptor) ? -1 : REAL(pwrite)(descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset)
{
    return descriptor_fails(descriptor) ? -1 : REAL(pwrite64)(descriptor, bytes, size, offset);
}

int ftruncate(int descriptor, off_t size)
{
    return descriptor_fails(descriptor) ? -1 : REAL(ftruncate)(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size)
{
    return descriptor_fails(descriptor) ? -1 : REAL(ftruncate64)(descriptor, size);
}

int posix_fallocate(int descriptor, off_t offset, off_t size)
{
    return descriptor_fails(descriptor) ? fail_errno
                                        : REAL(posix_fallocate)(descriptor, offset, size);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t size)
{
    return descriptor_fails(descriptor) ? fail_errno
                                        : REAL(posix_fallocate64)(descriptor, offset, size);
}

static int sync_with(int descriptor, int (*sync_real)(int))
{
    if (descriptor_fails(descriptor))
        return -1;
    int r = sync_real(descriptor);
    if (r == 0)
        keep(descriptor);
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

int rename(const char *from, const char *to)
{
    if (fails(watched(from)))
        return -1;
    int r = REAL(rename)(from, to);
    if (r == 0)
        move_kept(from, to);
    return r;
}

int unlink(const char *path)
{
    if (fails(watched(path)))
        return -1;
    int r = REAL(unlink)(path);
    if (r == 0)
        move_kept(path, NULL);
    return r;
}

int link(const char *from, const char *to)
{
    return fails(watched(to)) ? -1 : REAL(link)(from, to);
}

/* --- memory --- */

static bool allocation_fails(void)
{
    if (!control->armed || !fail_allocation)
        return false;
    if (atomic_fetch_add(&control->allocations, 1) + 1 != fail_allocation)
        return false;
    atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return allocation_fails() ? NULL : __libc_realloc(memory, size);
}
