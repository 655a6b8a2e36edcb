/* See lock.h. It waits for nobody. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static long read_holder(int descriptor)
{
    char text[32] = "";
    ssize_t size = pread(descriptor, text, sizeof text - 1, 0);
    return size > 0 ? strtol(text, NULL, 10) : 0;
}

/* Over the one before and not into an empty file, which would need room: on a full disk the holder
 * is still named. Where that fails the lock holds without a name, and not with another's. */
static void write_holder(int descriptor)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (pwrite(descriptor, text, (size_t)size, 0) == size)
        (void)!ftruncate(descriptor, size);
    else
        (void)!ftruncate(descriptor, 0);
}

int lock_take(int *ret_descriptor, const char *path, const char *what, struct err *err)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return err_set_errno(err, errno, "cannot open the lock %s", path);
    if (flock(descriptor, LOCK_EX | LOCK_NB) < 0) {
        int reason = errno;
        long holder = read_holder(descriptor);
        close(descriptor);
        if (reason != EWOULDBLOCK)
            return err_set_errno(err, reason, "cannot lock %s", path);
        return holder > 0 ? err_set(err, ERR_BUSY, "%s is in use by process %ld", what, holder)
                          : err_set(err, ERR_BUSY, "%s is in use by another process", what);
    }
    write_holder(descriptor);
    *ret_descriptor = descriptor;
    return 0;
}

void lock_release(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}
