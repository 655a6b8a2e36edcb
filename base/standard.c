/* See standard.h. It prints nothing and doesn't end the program: the programs do. */
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

void standard_hold(void)
{
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++) {
        /* The lowest free number is what open gives, so it is this one. */
        if (fcntl(number, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

int standard_flush(struct err *err)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    int reason = errno ? errno : EIO; /* 0 where an earlier write failed */
    __fpurge(stdout);
    clearerr(stdout);
    return reason == EPIPE ? 0 : err_set_errno(err, reason, "cannot write to standard output");
}
