/* The schema. docs/STORAGE.md explains it table by table; change both together, and add a step
 * here rather than altering one that was released. */
#include "storage/schema.h"

#include <stdio.h>

static const char STEP_1[] =
    "CREATE TABLE collections ("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT UNIQUE," /* NULL: dropped, and its rows are on their way out */
    "  model TEXT NOT NULL,"
    "  fingerprint TEXT NOT NULL,"
    "  precision TEXT NOT NULL,"
    "  metric TEXT NOT NULL,"
    "  index_kind TEXT NOT NULL,"
    "  dimension INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  sequence INTEGER NOT NULL DEFAULT 0,"
    "  replay_floor INTEGER NOT NULL DEFAULT 0,"
    "  documents INTEGER NOT NULL DEFAULT 0,"
    "  passages INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"

    /* The long columns stand last, so that the others are read without their overflow pages. */
    "CREATE TABLE documents ("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  collection INTEGER NOT NULL REFERENCES collections (key),"
    "  id TEXT NOT NULL,"
    "  text_hash BLOB NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  metadata TEXT,"
    "  text TEXT NOT NULL,"
    "  UNIQUE (collection, id)"
    ") STRICT;"
    "CREATE INDEX documents_by_text ON documents (collection, text_hash);"

    "CREATE TABLE sources ("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  collection INTEGER NOT NULL REFERENCES collections (key),"
    "  path TEXT NOT NULL," /* '': adds that named no source */
    "  UNIQUE (collection, path)"
    ") STRICT;"

    /* `id` is the document's, so that a source's documents can be listed by id page by page. */
    "CREATE TABLE claims ("
    "  source INTEGER NOT NULL REFERENCES sources (key),"
    "  id TEXT NOT NULL,"
    "  document INTEGER NOT NULL REFERENCES documents (key) ON DELETE CASCADE,"
    "  line INTEGER NOT NULL,"
    "  byte_start INTEGER NOT NULL,"
    "  byte_end INTEGER NOT NULL,"
    "  PRIMARY KEY (source, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX claims_by_document ON claims (document);"

    "CREATE TABLE passages ("
    "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  collection INTEGER NOT NULL,"
    "  document INTEGER NOT NULL REFERENCES documents (key) ON DELETE CASCADE,"
    "  ordinal INTEGER NOT NULL,"
    "  byte_start INTEGER NOT NULL,"
    "  byte_end INTEGER NOT NULL,"
    "  sequence INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX passages_by_document ON passages (document, ordinal);"
    "CREATE INDEX passages_by_sequence ON passages (collection, sequence);"

    /* Apart from the passages: fetching texts reads no vectors, replay reads nothing else. */
    "CREATE TABLE vectors ("
    "  passage INTEGER PRIMARY KEY REFERENCES passages (key) ON DELETE CASCADE,"
    "  vector BLOB NOT NULL"
    ") STRICT;"

    "CREATE TABLE removals ("
    "  collection INTEGER NOT NULL REFERENCES collections (key),"
    "  sequence INTEGER NOT NULL,"
    "  passage INTEGER NOT NULL,"
    "  PRIMARY KEY (collection, sequence, passage)"
    ") STRICT, WITHOUT ROWID;";

/* Fields of metadata that filters can ask for. `fill_to` is the last sequence of the documents that
 * were there before the field and are not indexed yet; 0: all are. */
static const char STEP_2[] = "CREATE TABLE fields ("
                             "  key INTEGER PRIMARY KEY AUTOINCREMENT,"
                             "  collection INTEGER NOT NULL REFERENCES collections (key),"
                             "  name TEXT NOT NULL,"
                             "  type TEXT NOT NULL,"
                             "  filled_sequence INTEGER NOT NULL DEFAULT 0,"
                             "  filled_passage INTEGER NOT NULL DEFAULT 0,"
                             "  fill_to INTEGER NOT NULL,"
                             "  UNIQUE (collection, name)"
                             ") STRICT;"
                             "CREATE TABLE field_values ("
                             "  field INTEGER NOT NULL,"
                             "  value ANY NOT NULL,"
                             "  passage INTEGER NOT NULL"
                             "    REFERENCES passages (key) ON DELETE CASCADE,"
                             "  PRIMARY KEY (field, value, passage)"
                             ") STRICT, WITHOUT ROWID;"
                             "CREATE INDEX field_values_by_passage ON field_values (passage);";

const char *const schema_steps[] = {STEP_1, STEP_2};
const size_t schema_step_count = sizeof schema_steps / sizeof schema_steps[0];

static int run_steps(struct connection *connection, const char *const *steps, size_t from,
                     size_t count, struct err *err)
{
    int r = connection_execute(connection, "BEGIN IMMEDIATE", err);
    for (size_t i = from; i < count && r == 0; i++)
        r = connection_execute(connection, steps[i], err);
    if (r == 0) {
        char sql[96];
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %zu;",
                 (int)SCHEMA_APPLICATION_ID, count);
        r = connection_execute(connection, sql, err);
    }
    if (r == 0)
        r = connection_execute(connection, "COMMIT", err);
    if (r < 0 && !sqlite3_get_autocommit(connection->db))
        connection_execute(connection, "ROLLBACK", NULL);
    return r;
}

int schema_migrate(struct connection *connection, const char *const *steps, size_t count,
                   struct err *err)
{
    int64_t version = 0, application = 0, tables = 0;
    int r = connection_number(connection, "PRAGMA user_version", &version, err);
    if (r == 0)
        r = connection_number(connection, "PRAGMA application_id", &application, err);
    if (r == 0)
        r = connection_number(connection, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (r < 0)
        return r;
    if (application != SCHEMA_APPLICATION_ID && (application || version || tables))
        return err_set(err, ERR_CORRUPT,
                       "%s is a database of another program: use another data folder",
                       connection->path);
    if (version < 0 || (size_t)version > count)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s was written by a newer sbertd (its schema is %lld, this program knows "
                       "up to %zu): use that one, or another data folder",
                       connection->path, (long long)version, count);
    if ((size_t)version == count)
        return 0;
    r = run_steps(connection, steps, (size_t)version, count, err);
    return r < 0 ? err_prefix(err, "migrating from schema %lld to %zu", (long long)version, count)
                 : 0;
}
