/* Checking the store: SQLite's own check of the file, then what our tables promise each other. */
#include <string.h>

#include "storage/internal.h"

/* Each query finds rows that must not be. */
static const struct invariant {
    const char *broken; /* what a row means */
    const char *sql;    /* gives one text that names the offender */
} invariants[] = {
    {"a collection's counts are not those of its rows",
     "SELECT c.key FROM collections c WHERE c.name IS NOT NULL AND ("
     "c.documents <> (SELECT count(*) FROM documents d WHERE d.collection = c.key) OR "
     "c.passages <> (SELECT count(*) FROM passages p WHERE p.collection = c.key))"},
    {"a passage has no vector of its collection's dimension",
     "SELECT p.key FROM passages p JOIN collections c ON c.key = p.collection "
     "LEFT JOIN vectors v ON v.passage = p.key "
     "WHERE v.vector IS NULL OR length(v.vector) <> 4 * c.dimension"},
    {"a passage is not in its document's collection",
     "SELECT p.key FROM passages p JOIN documents d ON d.key = p.document "
     "WHERE p.collection <> d.collection"},
    {"a passage lies outside its text",
     "SELECT p.key FROM passages p JOIN documents d ON d.key = p.document "
     "WHERE p.byte_start < 0 OR p.byte_start > p.byte_end "
     "OR p.byte_end > length(CAST(d.text AS BLOB))"},
    {"a passage has a sequence number that its collection never gave",
     "SELECT p.key FROM passages p JOIN collections c ON c.key = p.collection "
     "WHERE p.sequence < 1 OR p.sequence > c.sequence"},
    {"a removal has a sequence number that it cannot have",
     "SELECT r.passage FROM removals r JOIN collections c ON c.key = r.collection "
     "WHERE r.sequence <= c.replay_floor OR r.sequence > c.sequence"},
    {"a removed passage is still there",
     "SELECT r.passage FROM removals r JOIN passages p ON p.key = r.passage"},
    {"no source claims a document, nor was it added without one",
     "SELECT d.id FROM documents d JOIN collections c ON c.key = d.collection "
     "WHERE NOT EXISTS (SELECT 1 FROM claims a WHERE a.document = d.key)"},
    {"a claim is not that of its document",
     "SELECT a.id FROM claims a JOIN documents d ON d.key = a.document "
     "JOIN sources s ON s.key = a.source WHERE a.id <> d.id OR s.collection <> d.collection"},
};

static int check_invariant(struct connection *connection, const struct invariant *invariant,
                           struct err *err)
{
    struct query query;
    bool row = false;
    query_begin(&query, connection, invariant->sql);
    int r = query_next(&query, &row, err);
    if (r == 0 && row)
        r = err_set(err, ERR_CORRUPT, "%s: %s (%.80s)", connection->path, invariant->broken,
                    (const char *)sqlite3_column_text(query.statement, 0));
    query_end(&query);
    return r;
}

/* The first line says "ok", or what is wrong. */
static int check_file(struct connection *connection, struct err *err)
{
    struct query query;
    bool row = false;
    query_begin(&query, connection, "PRAGMA integrity_check(1)");
    int r = query_next(&query, &row, err);
    const char *line = r == 0 && row ? (const char *)sqlite3_column_text(query.statement, 0) : "";
    if (r == 0 && (!line || strcmp(line, "ok") != 0))
        r = err_set(err, ERR_CORRUPT, "%s is damaged: %s", connection->path, line ? line : "");
    query_end(&query);
    return r;
}

static int check_references(struct connection *connection, struct err *err)
{
    struct query query;
    bool row = false;
    query_begin(&query, connection, "PRAGMA foreign_key_check");
    int r = query_next(&query, &row, err);
    if (r == 0 && row)
        r = err_set(err, ERR_CORRUPT, "%s: a row of %s refers to one that is not there",
                    connection->path, (const char *)sqlite3_column_text(query.statement, 0));
    query_end(&query);
    return r;
}

int check_connection(struct connection *connection, struct err *err)
{
    int r = check_file(connection, err);
    if (r == 0)
        r = check_references(connection, err);
    for (size_t i = 0; i < sizeof invariants / sizeof invariants[0] && r == 0; i++)
        r = check_invariant(connection, &invariants[i], err);
    return r;
}

int store_check(struct store *store, struct err *err)
{
    struct connection *connection = NULL;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = check_connection(connection, err);
    store_read_end(store, connection);
    return r;
}
