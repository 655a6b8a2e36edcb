/* SQLite connections: opened alike, statements kept, result codes turned into errors. */
#include "storage/connection.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
    READ_BUSY_MS = 5000, /* another connection may be recovering the log just then */
    STATEMENT_LENGTH_UNKNOWN = -1,
};

/* The lock and the index of the log stay in this process's memory: no other process may come near,
 * and a full disk cannot keep the store from being opened for want of a shared-memory file. */
static const char VFS[] = "unix-excl";

/* secure_delete: Debian's SQLite overwrites what is deleted by default; FAST does so only where it
 * costs no further page, and pages that become free leave the file soon (space.c). */
static const char PRAGMAS_BOTH[] = "PRAGMA foreign_keys = ON;"
                                   "PRAGMA secure_delete = FAST;"
                                   "PRAGMA temp_store = MEMORY;";

/* Of the file, so they are said before anything is in it. 8 KiB hold five vectors of 384 numbers
 * with little waste. */
static const char PRAGMAS_EMPTY[] = "PRAGMA page_size = 8192;"
                                    "PRAGMA auto_vacuum = INCREMENTAL;";

/* The log is checkpointed when it has some 16 MiB. */
static const char PRAGMAS_WRITE[] = "PRAGMA synchronous = FULL;"
                                    "PRAGMA cache_size = -32768;"
                                    "PRAGMA wal_autocheckpoint = 2000;"
                                    "PRAGMA journal_size_limit = 33554432;";

static const char PRAGMAS_READ[] = "PRAGMA query_only = ON;"
                                   "PRAGMA cache_size = -8192;";

static int fail_io(struct connection *connection, int rc, struct err *err)
{
    int reason = sqlite3_system_errno(connection->db);
    if (rc == SQLITE_IOERR_NOMEM)
        return err_memory(err, "SQLite");
    if (reason)
        return err_set_errno(
            err, reason,
            "cannot read or write %s (is its disk full or failing? the system's log "
            "may tell)",
            connection->path);
    return err_set(
        err, ERR_IO,
        "cannot read or write %s (is its disk full or failing? the system's log may tell): "
        "%s",
        connection->path, sqlite3_errstr(rc));
}

int connection_fail(struct connection *connection, int rc, struct err *err)
{
    const char *path = connection->path;
    const char *message = sqlite3_errmsg(connection->db);
    switch (rc & 0xFF) {
    case SQLITE_FULL:
        return err_set(err, ERR_NO_SPACE,
                       "no space left to write %s: free some on its disk, or delete documents",
                       path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_CORRUPT,
                       "%s is damaged or not a database (%s): sbert-index check tells more, "
                       "sbert-index repair saves what can be read, sbert-index restore puts a "
                       "backup back",
                       path, message);
    case SQLITE_IOERR:
        return fail_io(connection, rc, err);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return err_set(err, ERR_IO, "cannot open or write %s: %s", path, message);
    case SQLITE_NOMEM:
        return err_memory(err, "SQLite");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_BUSY, "%s is in use by another program: %s", path, message);
    case SQLITE_TOOBIG:
        return err_set(err, ERR_LIMIT, "a text is too large for %s: %s", path, message);
    default:
        return err_set(err, ERR_INTERNAL, "%s: %s (%d)", path, message, rc);
    }
}

static int connection_open(struct connection *connection, const char *path, const char *pragmas,
                           struct err *err)
{
    *connection = (struct connection){.path = path};
    int r = 0;
    int rc =
        sqlite3_open_v2(path, &connection->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, VFS);
    if (rc != SQLITE_OK) {
        r = connection->db ? connection_fail(connection, rc, err) : err_memory(err, "SQLite");
        goto out;
    }
    sqlite3_extended_result_codes(connection->db, 1);
    r = connection_execute(connection, PRAGMAS_BOTH, err);
    if (r == 0)
        r = connection_execute(connection, pragmas, err);
out:
    if (r < 0)
        connection_close(connection);
    return r;
}

int connection_open_write(struct connection *connection, const char *path, struct err *err)
{
    int r = connection_open(connection, path, PRAGMAS_WRITE, err);
    if (r < 0)
        return r;
    int64_t pages = 0;
    struct query query;
    bool row = false;
    r = connection_number(connection, "PRAGMA page_count", &pages, err);
    if (r == 0 && pages == 0)
        r = connection_execute(connection, PRAGMAS_EMPTY, err);
    if (r < 0)
        goto out;
    query_begin(&query, connection, "PRAGMA journal_mode = WAL");
    r = query_next(&query, &row, err);
    if (r == 0 && (!row || strcmp((const char *)sqlite3_column_text(query.statement, 0), "wal")))
        r = err_set(err, ERR_UNSUPPORTED, "%s: its file system allows no write-ahead log", path);
    query_end(&query);
out:
    if (r < 0)
        connection_close(connection);
    return r;
}

int connection_open_read(struct connection *connection, const char *path, struct err *err)
{
    int r = connection_open(connection, path, PRAGMAS_READ, err);
    if (r == 0)
        sqlite3_busy_timeout(connection->db, READ_BUSY_MS);
    return r;
}

int connection_open_plain(struct connection *connection, const char *path, struct err *err)
{
    return connection_open(connection, path, "", err);
}

void connection_close(struct connection *connection)
{
    for (size_t i = 0; i < connection->cached; i++)
        sqlite3_finalize(connection->cache[i].statement);
    sqlite3_close(connection->db);
    *connection = (struct connection){0};
}

int connection_execute(struct connection *connection, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : connection_fail(connection, rc, err);
}

int connection_number(struct connection *connection, const char *sql, int64_t *ret_number,
                      struct err *err)
{
    struct query query;
    bool found = false;
    query_begin(&query, connection, sql);
    int r = query_number(&query, &found, ret_number, err);
    if (r == 0 && !found)
        r = err_set(err, ERR_INTERNAL, "%s: no row from \"%s\"", connection->path, sql);
    return r;
}

void query_begin(struct query *query, struct connection *connection, const char *sql)
{
    *query = (struct query){.connection = connection, .rc = SQLITE_OK};
    for (size_t i = 0; i < connection->cached; i++) {
        if (connection->cache[i].sql == sql) {
            query->statement = connection->cache[i].statement;
            return;
        }
    }
    assert(connection->cached < CONNECTION_STATEMENTS);
    query->rc = sqlite3_prepare_v3(connection->db, sql, STATEMENT_LENGTH_UNKNOWN,
                                   SQLITE_PREPARE_PERSISTENT, &query->statement, NULL);
    if (query->rc == SQLITE_OK) {
        connection->cache[connection->cached].sql = sql;
        connection->cache[connection->cached].statement = query->statement;
        connection->cached++;
    }
}

static void note(struct query *query, int rc)
{
    if (query->rc == SQLITE_OK)
        query->rc = rc;
}

void query_int(struct query *query, int64_t value)
{
    if (query->rc == SQLITE_OK)
        note(query, sqlite3_bind_int64(query->statement, ++query->parameter, value));
}

void query_real(struct query *query, double value)
{
    if (query->rc == SQLITE_OK)
        note(query, sqlite3_bind_double(query->statement, ++query->parameter, value));
}

void query_text(struct query *query, const char *text, size_t size)
{
    if (query->rc == SQLITE_OK)
        note(query, sqlite3_bind_text64(query->statement, ++query->parameter, text, size,
                                        SQLITE_STATIC, SQLITE_UTF8));
}

void query_string(struct query *query, const char *string)
{
    query_text(query, string, string ? strlen(string) : 0);
}

void query_blob(struct query *query, const void *bytes, size_t size)
{
    if (query->rc == SQLITE_OK)
        note(query,
             sqlite3_bind_blob64(query->statement, ++query->parameter, bytes, size, SQLITE_STATIC));
}

int query_next(struct query *query, bool *ret_row, struct err *err)
{
    if (query->rc == SQLITE_OK) {
        int rc = sqlite3_step(query->statement);
        if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
            *ret_row = rc == SQLITE_ROW;
            return 0;
        }
        query->rc = rc;
    }
    return connection_fail(query->connection, query->rc, err);
}

void query_end(struct query *query)
{
    if (query->statement) {
        sqlite3_reset(query->statement);
        sqlite3_clear_bindings(query->statement);
    }
}

int query_run(struct query *query, struct err *err)
{
    bool row = false;
    int r = query_next(query, &row, err);
    query_end(query);
    return r;
}

int query_number(struct query *query, bool *ret_found, int64_t *ret_number, struct err *err)
{
    int r = query_next(query, ret_found, err);
    if (r == 0 && *ret_found)
        *ret_number = sqlite3_column_int64(query->statement, 0);
    query_end(query);
    return r;
}

int query_column_text(struct query *query, int column, struct arena *arena, char **ret_text,
                      size_t *ret_size, struct err *err)
{
    const void *text = sqlite3_column_text(query->statement, column);
    if (!text) {
        if (sqlite3_column_type(query->statement, column) != SQLITE_NULL)
            return err_memory(err, "a text of the store");
        *ret_text = NULL;
        *ret_size = 0;
        return 0;
    }
    size_t size = (size_t)sqlite3_column_bytes(query->statement, column);
    char *copy = arena_copy(arena, text, size);
    if (!copy)
        return err_memory(err, "a text of the store");
    *ret_text = copy;
    *ret_size = size;
    return 0;
}
