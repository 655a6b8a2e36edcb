/* The daemon's log: one line for each message, on standard error or in a file.
 *
 *     2026-05-01T12:00:00.123Z info    ready: all-MiniLM-L6-v2, 384 dimensions
 *
 * Under systemd (JOURNAL_STREAM) lines begin with the syslog level, "<6>", and carry no time.
 * Thread-safe; a line is written whole. One log a process.
 */
#ifndef SBERT_DAEMON_SERVICE_LOG_H
#define SBERT_DAEMON_SERVICE_LOG_H

#include <syslog.h>

#include "base/err.h"

/* `path` NULL: standard error. Standard output and error go to the file from then on, so that what
 * libraries say is not lost either. Again with the same path: opens it anew, after a rotation. */
int service_log_open(const char *path, struct err *err);

/* Messages less urgent than `level` are left out. */
void service_log_set_level(int level);

void service_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same as a callback for the engine; `argument` is ignored. */
void service_log_callback(void *argument, int level, const char *message);

#endif
