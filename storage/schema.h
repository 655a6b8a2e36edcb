/* The tables of the store, by version, and the way from each version to the next. */
#ifndef SBERT_STORAGE_SCHEMA_H
#define SBERT_STORAGE_SCHEMA_H

#include <stddef.h>

#include "base/err.h"
#include "storage/connection.h"

/* "sbrt" in the file's header, so that another program's database is not taken for ours. */
enum { SCHEMA_APPLICATION_ID = 0x73627274 };

/* steps[i] leads from version i to i + 1; version 0 is an empty file. */
extern const char *const schema_steps[];
extern const size_t schema_step_count;

/* Brings the file to version `count`, all in one transaction. ERR_UNSUPPORTED where it is newer
 * already, ERR_CORRUPT where it is another program's. */
int schema_migrate(struct connection *connection, const char *const *steps, size_t count,
                   struct err *err);

#endif
