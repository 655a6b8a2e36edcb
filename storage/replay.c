/* Replay: the changes after a sequence number, in order and in batches, for an index to catch up.
 *
 * Two cursors run side by side: the passages that are there (by the sequence that added them) and
 * the notes of removals. Within one sequence the added come before the removed. Passage ids are
 * never used again, so a removal of something that was not given can be skipped by who applies it.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/internal.h"

/* One of the two cursors, at a row or at its end. */
struct cursor {
    struct query query;
    bool row;
    int64_t sequence; /* of the row; INT64_MAX at the end */
};

struct replay {
    struct connection *connection;
    size_t dimension;
    size_t batch;
    struct cursor added, removed;
    struct store_changes changes; /* the batch being filled */
    int64_t reached;              /* the newest sequence that was given, or the start */
    int (*apply)(void *argument, const struct store_changes *changes, struct err *err);
    void *argument;
};

static int advance(struct cursor *cursor, struct err *err)
{
    int r = query_next(&cursor->query, &cursor->row, err);
    if (r == 0)
        cursor->sequence =
            cursor->row ? sqlite3_column_int64(cursor->query.statement, 0) : INT64_MAX;
    return r;
}

static int open_cursors(struct replay *replay, int64_t collection, int64_t sequence,
                        struct err *err)
{
    query_begin(
        &replay->added.query, replay->connection,
        "SELECT p.sequence, p.key, v.vector FROM passages p INDEXED BY passages_by_sequence "
        "JOIN vectors v ON v.passage = p.key "
        "WHERE p.collection = ? AND p.sequence > ? ORDER BY p.sequence, p.key");
    query_int(&replay->added.query, collection);
    query_int(&replay->added.query, sequence);
    query_begin(&replay->removed.query, replay->connection,
                "SELECT sequence, passage FROM removals WHERE collection = ? AND sequence > ? "
                "ORDER BY sequence, passage");
    query_int(&replay->removed.query, collection);
    query_int(&replay->removed.query, sequence ? sequence : INT64_MAX);
    int r = advance(&replay->added, err);
    return r < 0 ? r : advance(&replay->removed, err);
}

static int take_added(struct replay *replay, struct err *err)
{
    sqlite3_stmt *statement = replay->added.query.statement;
    struct store_changes *changes = &replay->changes;
    size_t size = replay->dimension * sizeof(float);
    const void *vector = sqlite3_column_blob(statement, 2);
    if (!vector || (size_t)sqlite3_column_bytes(statement, 2) != size)
        return err_set(err, ERR_CORRUPT, "%s: the vector of passage %lld is not of dimension %zu",
                       replay->connection->path, (long long)sqlite3_column_int64(statement, 1),
                       replay->dimension);
    memcpy(changes->vectors + changes->added_count * replay->dimension, vector, size);
    changes->added[changes->added_count++] = sqlite3_column_int64(statement, 1);
    return advance(&replay->added, err);
}

static int take_removed(struct replay *replay, struct err *err)
{
    struct store_changes *changes = &replay->changes;
    changes->removed[changes->removed_count++] =
        sqlite3_column_int64(replay->removed.query.statement, 1);
    return advance(&replay->removed, err);
}

static int64_t next_sequence(const struct replay *replay)
{
    return replay->added.sequence < replay->removed.sequence ? replay->added.sequence
                                                             : replay->removed.sequence;
}

static bool batch_is_full(const struct replay *replay)
{
    return replay->changes.added_count + replay->changes.removed_count >= replay->batch;
}

/* Fills a batch and gives it away. `last` is the collection's newest sequence. */
static int give_batch(struct replay *replay, int64_t last, struct err *err)
{
    int r = 0;
    int64_t newest = replay->reached;
    replay->changes.added_count = replay->changes.removed_count = 0;
    while (r == 0 && next_sequence(replay) != INT64_MAX && !batch_is_full(replay)) {
        newest = next_sequence(replay);
        r = replay->added.sequence == newest ? take_added(replay, err) : take_removed(replay, err);
    }
    if (r < 0)
        return r;
    int64_t next = next_sequence(replay);
    if (next == INT64_MAX)
        replay->reached = last;
    else if (next > newest)
        replay->reached = newest;
    else if (newest - 1 > replay->reached) /* the batch ends within a transaction */
        replay->reached = newest - 1;
    replay->changes.sequence = replay->reached;
    return replay->apply(replay->argument, &replay->changes, err);
}

static int run(struct replay *replay, int64_t collection, struct err *err)
{
    struct collection_state state;
    int r = collection_read(replay->connection, collection, &state, err);
    if (r < 0)
        return r;
    int64_t last = state.sequence, floor = state.replay_floor;
    if (replay->reached > last)
        return err_set(err, ERR_CONFLICT, "sequence %lld is newer than the store's %lld",
                       (long long)replay->reached, (long long)last);
    if (replay->reached && replay->reached < floor)
        return err_set(err, ERR_CONFLICT, "what was removed before sequence %lld is forgotten",
                       (long long)floor);
    if (replay->reached == last)
        return 0;
    r = open_cursors(replay, collection, replay->reached, err);
    while (r == 0 && replay->reached < last)
        r = give_batch(replay, last, err);
    query_end(&replay->added.query);
    query_end(&replay->removed.query);
    return r;
}

int store_replay(struct store *store, int64_t collection, size_t dimension, int64_t sequence,
                 size_t batch,
                 int (*apply)(void *argument, const struct store_changes *changes, struct err *err),
                 void *argument, struct err *err)
{
    if (dimension < 1 || batch < 1 || sequence < 0)
        return err_set(err, ERR_INVALID, "a replay needs a dimension, a batch and a sequence");
    struct replay replay = {.dimension = dimension,
                            .batch = batch,
                            .reached = sequence,
                            .apply = apply,
                            .argument = argument};
    struct arena arena = {0};
    int r = 0;
    replay.changes.added = arena_alloc(&arena, batch, sizeof *replay.changes.added);
    replay.changes.removed = arena_alloc(&arena, batch, sizeof *replay.changes.removed);
    replay.changes.vectors = arena_alloc(&arena, batch, dimension * sizeof(float));
    if (!replay.changes.added || !replay.changes.removed || !replay.changes.vectors) {
        r = err_memory(err, "a replay");
        goto out;
    }
    r = store_read_begin(store, &replay.connection, err);
    if (r < 0)
        goto out;
    r = run(&replay, collection, err);
    store_read_end(store, replay.connection);
out:
    arena_release(&arena);
    return r;
}

int store_replay_floor(struct store *store, int64_t collection, int64_t *ret_sequence,
                       struct err *err)
{
    struct connection *connection = NULL;
    struct collection_state state;
    int r = store_read_begin(store, &connection, err);
    if (r < 0)
        return r;
    r = collection_read(connection, collection, &state, err);
    store_read_end(store, connection);
    if (r == 0)
        *ret_sequence = state.replay_floor;
    return r;
}

static int forget(struct connection *connection, int64_t collection, int64_t sequence,
                  struct err *err)
{
    struct collection_state state;
    int r = collection_read(connection, collection, &state, err);
    if (r < 0 || sequence <= state.replay_floor)
        return r;
    if (sequence > state.sequence)
        return err_set(err, ERR_CONFLICT, "sequence %lld is newer than the store's %lld",
                       (long long)sequence, (long long)state.sequence);
    struct query query;
    query_begin(&query, connection, "DELETE FROM removals WHERE collection = ? AND sequence <= ?");
    query_int(&query, collection);
    query_int(&query, sequence);
    r = query_run(&query, err);
    if (r < 0)
        return r;
    query_begin(&query, connection, "UPDATE collections SET replay_floor = ? WHERE key = ?");
    query_int(&query, sequence);
    query_int(&query, collection);
    return query_run(&query, err);
}

int store_forget_removals(struct store *store, int64_t collection, int64_t sequence,
                          struct err *err)
{
    struct connection *connection = NULL;
    int r = store_write_begin(store, &connection, err);
    if (r < 0)
        return r;
    return store_write_end(store, forget(connection, collection, sequence, err), err);
}
