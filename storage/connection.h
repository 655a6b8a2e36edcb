/* One SQLite connection, its prepared statements, and SQLite's result codes as our errors.
 *
 * It knows nothing of the schema beyond how a file is opened. A statement is prepared at its first
 * use and kept, by the address of its SQL: pass string literals.
 *
 * Threads: a connection belongs to one thread at a time.
 */
#ifndef SBERT_STORAGE_CONNECTION_H
#define SBERT_STORAGE_CONNECTION_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum { CONNECTION_STATEMENTS = 96 };

struct connection {
    sqlite3 *db;
    const char *path; /* the store's, for messages */
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } cache[CONNECTION_STATEMENTS];
    size_t cached;
};

/* Opens the file, which must exist (an empty one is an empty database). `path` is kept by address.
 * On failure there is nothing to close. */
int connection_open_write(struct connection *connection, const char *path, struct err *err);
int connection_open_read(struct connection *connection, const char *path, struct err *err);
/* As it is: nothing of the file is changed by opening it. */
int connection_open_plain(struct connection *connection, const char *path, struct err *err);
void connection_close(struct connection *connection); /* accepts a zeroed one */

/* Fills `err` from a result code of SQLite on this connection. */
int connection_fail(struct connection *connection, int rc, struct err *err);

/* Runs SQL that gives no rows, or whose rows do not matter; it is not kept. */
int connection_execute(struct connection *connection, const char *sql, struct err *err);

/* The number in the first column of the first row. */
int connection_number(struct connection *connection, const char *sql, int64_t *ret_number,
                      struct err *err);

/* A statement being run:
 *
 *     query_begin(&query, connection, "SELECT ... WHERE a = ? AND b = ?");
 *     query_int(&query, a);
 *     query_text(&query, b, size);
 *     while ((r = query_next(&query, &row, err)) == 0 && row)
 *         ... sqlite3_column_...(query.statement, 0) ...
 *     query_end(&query);
 *
 * Parameters are given in order; what they point to must live until query_end. The first thing that
 * goes wrong is reported by query_next or query_run. */
struct query {
    struct connection *connection;
    sqlite3_stmt *statement; /* NULL where it could not be prepared */
    int parameter;           /* of the last one given */
    int rc;                  /* the first failure, or SQLITE_OK */
};

void query_begin(struct query *query, struct connection *connection, const char *sql);
void query_int(struct query *query, int64_t value);
void query_real(struct query *query, double value);
void query_text(struct query *query, const char *text, size_t size); /* NULL: SQL's NULL */
void query_string(struct query *query, const char *string);          /* NULL: SQL's NULL */
void query_blob(struct query *query, const void *bytes, size_t size);
int query_next(struct query *query, bool *ret_row, struct err *err);
void query_end(struct query *query);

/* Runs a statement that gives no rows, and ends it. */
int query_run(struct query *query, struct err *err);
/* Runs a statement for the number in its first row, and ends it; *ret_found tells whether there was
 * a row (ret_number is untouched where there was not). */
int query_number(struct query *query, bool *ret_found, int64_t *ret_number, struct err *err);

/* A column's text as a string of the arena; NULL where the column is NULL. */
int query_column_text(struct query *query, int column, struct arena *arena, char **ret_text,
                      size_t *ret_size, struct err *err);

#endif
