/* Salvage: what can be read of a damaged store, copied row by row into a new one.
 *
 * SQLite reads a table by its key, page by page; a damaged page is an error, behind which there may
 * be good ones. So each table is read in the order of its key, and where a row cannot be read, the
 * reading goes on behind it, in steps that double until a row can be read again. What lies within a
 * step is tried from its other end. Then what is not whole is left out, and what can be made again
 * (counts, indexes of fields) is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "storage/backup.h"
#include "storage/internal.h"
#include "storage/schema.h"

/* Rows that cannot be read in a row before a table's rest is given up. */
enum { STEPS_MAX = 62 };

/* A table with its columns, the key first: they are those of all versions of the schema. */
static const struct table {
    const char *name, *columns;
    int count;
} tables[] = {
    {"collections",
     "key, name, model, fingerprint, precision, metric, index_kind, dimension, created_at, "
     "sequence, replay_floor, documents, passages",
     13},
    {"sources", "key, collection, path", 3},
    {"documents", "key, collection, id, text_hash, created_at, updated_at, metadata, text", 8},
    {"passages", "key, collection, document, ordinal, byte_start, byte_end, sequence", 7},
    {"vectors", "passage, vector", 2},
    {"fields", "key, collection, name, type", 4},
};

struct salvage {
    sqlite3 *from;
    struct connection to;
    int64_t lost; /* rows that could be read and were not taken, as two with one key */
};

static sqlite3_stmt *prepare(sqlite3 *db, char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sql)
        (void)sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    sqlite3_free(sql);
    return statement;
}

static void copy_row(struct salvage *salvage, sqlite3_stmt *from, sqlite3_stmt *to, int count)
{
    for (int i = 0; i < count; i++)
        (void)sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
    salvage->lost += sqlite3_step(to) != SQLITE_DONE;
    sqlite3_reset(to);
}

/* Copies the rows from `key` on, up to the first that cannot be read; *ret_next is where to go on.
 * Returns how the reading ended. */
static int copy_run(struct salvage *salvage, sqlite3_stmt *from, sqlite3_stmt *to, int count,
                    int64_t *next)
{
    int rc;
    sqlite3_bind_int64(from, 1, *next);
    while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
        int64_t key = sqlite3_column_int64(from, 0);
        copy_row(salvage, from, to, count);
        *next = key < INT64_MAX ? key + 1 : key;
    }
    sqlite3_reset(from);
    return rc;
}

static void copy_table(struct salvage *salvage, const struct table *table)
{
    char marks[64] = "?";
    for (int i = 1; i < table->count; i++)
        strcat(marks, ", ?");
    const char *key = strcmp(table->name, "vectors") == 0 ? "passage" : "key";
    sqlite3_stmt *from =
        prepare(salvage->from, sqlite3_mprintf("SELECT %s FROM %s WHERE %s >= ? "
                                               "ORDER BY %s",
                                               table->columns, table->name, key, key));
    bool fields = strcmp(table->name, "fields") == 0;
    sqlite3_stmt *to =
        prepare(salvage->to.db,
                sqlite3_mprintf("INSERT INTO %s (%s%s) VALUES (%s%s)", table->name, table->columns,
                                fields ? ", fill_to" : "", marks, fields ? ", 1" : ""));
    int64_t next = 0, step = 1;
    for (int steps = 0; from && to && steps < STEPS_MAX;) {
        int64_t before = next;
        if (copy_run(salvage, from, to, table->count, &next) == SQLITE_DONE)
            break;
        if (next > before) { /* there was something to read */
            step = 1;
            steps = 0;
        }
        if (next > INT64_MAX - step)
            break;
        next += step;
        step *= 2;
        steps++;
    }
    sqlite3_finalize(from);
    sqlite3_finalize(to);
}

/* What lies within the last step before good rows is reached from there, backwards. */
static void copy_backwards(struct salvage *salvage, const struct table *table)
{
    char marks[64] = "?";
    for (int i = 1; i < table->count; i++)
        strcat(marks, ", ?");
    const char *key = strcmp(table->name, "vectors") == 0 ? "passage" : "key";
    bool fields = strcmp(table->name, "fields") == 0;
    sqlite3_stmt *from =
        prepare(salvage->from, sqlite3_mprintf("SELECT %s FROM %s ORDER BY %s DESC", table->columns,
                                               table->name, key));
    sqlite3_stmt *to = prepare(
        salvage->to.db,
        sqlite3_mprintf("INSERT OR IGNORE INTO %s (%s%s) VALUES (%s%s)", table->name,
                        table->columns, fields ? ", fill_to" : "", marks, fields ? ", 1" : ""));
    while (from && to && sqlite3_step(from) == SQLITE_ROW)
        copy_row(salvage, from, to, table->count);
    sqlite3_finalize(from);
    sqlite3_finalize(to);
}

/* Claims have no key to go by: those up to the first damaged page, from both ends. */
static void copy_claims(struct salvage *salvage)
{
    static const char *const orders[] = {"", " ORDER BY source DESC, id DESC"};
    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *from =
            prepare(salvage->from, sqlite3_mprintf("SELECT source, id, document, line, byte_start, "
                                                   "byte_end FROM claims%s",
                                                   orders[i]));
        sqlite3_stmt *to =
            prepare(salvage->to.db, sqlite3_mprintf("INSERT OR IGNORE INTO claims (source, id, "
                                                    "document, line, byte_start, byte_end) "
                                                    "VALUES (?, ?, ?, ?, ?, ?)"));
        while (from && to && sqlite3_step(from) == SQLITE_ROW)
            copy_row(salvage, from, to, 6);
        sqlite3_finalize(from);
        sqlite3_finalize(to);
    }
}

/* What is not whole goes, and what can be made again is. Each line makes one of the promises that
 * store_check looks at. */
static const char MEND[] =
    "DELETE FROM collections WHERE name IS NULL OR dimension < 1;"
    "CREATE TEMP TABLE known AS SELECT coalesce(sum(documents), 0) AS documents FROM collections;"
    "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM passages p "
    "  JOIN collections c ON c.key = p.collection "
    "  WHERE p.key = vectors.passage AND length(vectors.vector) = 4 * c.dimension);"
    "CREATE TEMP TABLE broken AS SELECT d.key AS key FROM documents d "
    "  WHERE d.collection NOT IN (SELECT key FROM collections) "
    "  OR NOT EXISTS (SELECT 1 FROM passages p WHERE p.document = d.key) "
    "  OR EXISTS (SELECT 1 FROM passages p LEFT JOIN vectors v ON v.passage = p.key "
    "    WHERE p.document = d.key AND (v.passage IS NULL OR p.collection <> d.collection "
    "      OR p.byte_start < 0 OR p.byte_start > p.byte_end "
    "      OR p.byte_end > length(CAST(d.text AS BLOB)))) "
    "  OR (SELECT max(ordinal) + 1 - count(*) FROM passages p WHERE p.document = d.key) <> 0;"
    "DELETE FROM documents WHERE key IN (SELECT key FROM broken);"
    "DELETE FROM passages WHERE document NOT IN (SELECT key FROM documents);"
    "DELETE FROM vectors WHERE passage NOT IN (SELECT key FROM passages);"
    "DELETE FROM sources WHERE collection NOT IN (SELECT key FROM collections);"
    "DELETE FROM fields WHERE collection NOT IN (SELECT key FROM collections);"
    "DELETE FROM claims WHERE source NOT IN (SELECT key FROM sources) "
    "  OR NOT EXISTS (SELECT 1 FROM documents d JOIN sources s ON s.key = claims.source "
    "    WHERE d.key = claims.document AND d.id = claims.id AND d.collection = s.collection);"
    "INSERT OR IGNORE INTO sources (collection, path) SELECT DISTINCT d.collection, '' "
    "  FROM documents d WHERE d.key NOT IN (SELECT document FROM claims);"
    "INSERT INTO claims SELECT s.key, d.id, d.key, 0, 0, 0 FROM documents d "
    "  JOIN sources s ON s.collection = d.collection AND s.path = '' "
    "  WHERE d.key NOT IN (SELECT document FROM claims);"
    "UPDATE passages SET sequence = 1 WHERE sequence < 1;"
    "UPDATE collections SET sequence = max(sequence, 1 + coalesce((SELECT max(p.sequence) "
    "  FROM passages p WHERE p.collection = collections.key), 0)), "
    "  documents = (SELECT count(*) FROM documents d WHERE d.collection = collections.key), "
    "  passages = (SELECT count(*) FROM passages p WHERE p.collection = collections.key);"
    "UPDATE collections SET replay_floor = sequence;"
    "UPDATE fields SET fill_to = (SELECT sequence FROM collections c WHERE c.key = collection), "
    "  filled_sequence = 0, filled_passage = 0;";

static int mend(struct salvage *salvage, struct store_salvage *ret, struct err *err)
{
    struct store_salvage result = {0};
    int r = connection_execute(&salvage->to, MEND, err);
    if (r == 0)
        r = connection_number(&salvage->to, "SELECT count(*) FROM documents", &result.documents,
                              err);
    if (r == 0)
        r = connection_number(&salvage->to, "SELECT count(*) FROM passages", &result.passages, err);
    if (r == 0)
        /* The counts tell of those of which nothing could be read, and may be damaged themselves.
         */
        r = connection_number(&salvage->to,
                              "SELECT max((SELECT count(*) FROM broken), "
                              "(SELECT documents FROM known) - (SELECT count(*) FROM documents))",
                              &result.lost_documents, err);
    if (r == 0)
        r = connection_execute(&salvage->to, "COMMIT; PRAGMA foreign_keys = ON;", err);
    if (r == 0)
        r = check_connection(&salvage->to, err);
    if (r == 0)
        *ret = result;
    return r;
}

static int copy_all(struct salvage *salvage, const char *damaged, struct err *err)
{
    int64_t collections = 0;
    int r = connection_execute(&salvage->to, "PRAGMA foreign_keys = OFF; BEGIN", err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        copy_table(salvage, &tables[i]);
        copy_backwards(salvage, &tables[i]);
    }
    copy_claims(salvage);
    r = connection_number(&salvage->to, "SELECT count(*) FROM collections", &collections, err);
    if (r == 0 && collections == 0)
        r = err_set(err, ERR_CORRUPT,
                    "nothing can be read of %s any more: put a backup back (sbert-index restore)",
                    damaged);
    return r;
}

int store_salvage(const char *damaged, const char *path, struct store_salvage *ret_salvage,
                  struct err *err)
{
    struct salvage salvage = {0};
    struct store *fresh = NULL;
    if (file_exists(path))
        return err_set(err, ERR_CONFLICT, "%s is there already", path);
    int r = store_open(&fresh, path, err); /* makes the tables */
    store_close(fresh);
    if (r == 0)
        r = connection_open_write(&salvage.to, path, err);
    if (r < 0)
        goto out;
    if (sqlite3_open_v2(damaged, &salvage.from, SQLITE_OPEN_READWRITE, "unix-excl") != SQLITE_OK) {
        r = err_set(err, ERR_IO, "cannot open %s: %s", damaged, sqlite3_errmsg(salvage.from));
        goto out;
    }
    r = copy_all(&salvage, damaged, err);
    if (r == 0)
        r = mend(&salvage, ret_salvage, err);
out:
    sqlite3_close(salvage.from);
    connection_close(&salvage.to);
    return r;
}
