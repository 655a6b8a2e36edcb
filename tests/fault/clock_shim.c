/* Preloaded: sets the monotonic clock ahead by as many seconds as the file $CLOCK_SHIM_AHEAD has
 * bytes, from one reading of the clock to the next. Waits of the kernel are not changed. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    const char *path = getenv("CLOCK_SHIM_AHEAD");
    struct stat status;
    int r = (int)syscall(SYS_clock_gettime, id, ret_time);
    if (r == 0 && id == CLOCK_MONOTONIC && path && stat(path, &status) == 0)
        ret_time->tv_sec += status.st_size;
    return r;
}
