/* What a person does with the service: start it in the background, stop it, ask how it is.
 *
 * These speak to a running daemon only by its socket, its lock and signals, and print what they
 * find. They return the program's exit code: 0 done or running, 2 failed, 3 not running (as the
 * Linux Standard Base has it for `status`).
 */
#ifndef SBERT_DAEMON_SERVICE_CONTROL_H
#define SBERT_DAEMON_SERVICE_CONTROL_H

#include <stdbool.h>

#include "daemon/settings.h"

enum { CONTROL_DONE = 0, CONTROL_FAILED = 2, CONTROL_NOT_RUNNING = 3 };

/* Returns when the service is ready, or says why it is not. Running already is fine. */
int control_start(const struct settings *settings, const char *const given[SETTING_COUNT]);

/* Returns when the process is gone. Not running is fine. */
int control_stop(const struct settings *settings);

int control_status(const struct settings *settings, bool json);

/* Sees to it that the model is there, fetching it where the settings say so. */
int control_need_model(const struct settings *settings, struct err *err);

#endif
