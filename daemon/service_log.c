/* The log of the process: see service_log.h. */
#include "daemon/service_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "daemon/settings.h"

static _Atomic int threshold = LOG_INFO;
static _Atomic bool journal;

/* JOURNAL_STREAM names the journal's device and inode; it is inherited by what no longer writes
 * there. */
static bool writes_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

int service_log_open(const char *path, struct err *err)
{
    if (path) {
        int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file < 0)
            return err_set_errno(err, errno, "cannot open the log file %s", path);
        if (dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) {
            int r = err_set_errno(err, errno, "cannot write to the log file %s", path);
            close(file);
            return r;
        }
        close(file);
    }
    journal = writes_to_journal();
    return 0;
}

void service_log_set_level(int level)
{
    threshold = level;
}

static size_t put_head(char *line, size_t size, int level)
{
    struct timespec now;
    struct tm parts;

    if (journal)
        return (size_t)snprintf(line, size, "<%d>", level);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &parts);
    return used + (size_t)snprintf(line + used, size - used, ".%03ldZ %-7s ", now.tv_nsec / 1000000,
                                   settings_level_name(level));
}

/* One message is one line of text, whatever a client sent. */
static void clean(char *text, size_t size)
{
    bool valid = utf8_valid(text, size, NULL);

    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !valid))
            text[i] = '?';
    }
}

void service_log(int level, const char *format, ...)
{
    char line[1024];

    if (level > threshold)
        return;
    size_t used = put_head(line, sizeof line, level);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line + used, sizeof line - used - 1, format, args);
    va_end(args);
    size_t size = used + (length < 0 ? 0 : (size_t)length);
    if (size > sizeof line - 2)
        size = sizeof line - 2;
    clean(line + used, size - used);
    line[size] = '\n';
    ssize_t written = write(STDERR_FILENO, line, size + 1);
    (void)written; /* there is nowhere to say that the log cannot be written */
}

void service_log_callback(void *argument, int level, const char *message)
{
    (void)argument;
    service_log(level, "%s", message);
}
