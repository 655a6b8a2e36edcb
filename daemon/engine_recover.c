/* An index brought to where the store is: from a snapshot and what came after it, or from the store
 * alone. And the snapshot's writing.
 *
 * The snapshot is a cache. One that is missing, damaged, or of another store costs the time to read
 * all vectors from the store, and a line in the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "daemon/engine_internal.h"

enum {
    REPLAY_BATCH = 4096,       /* passages read from the store at once, */
    REPLAY_BYTES = 16 << 20,   /* but no more bytes of vectors than this */
    REPLAY_REPORT_SECONDS = 2, /* between two lines about a long one */
};

struct index_options collection_index_options(const struct store_collection *stored,
                                              enum index_precision precision)
{
    struct index_options options = {
        .dimension = stored->dimension, .precision = precision, .build_threads = cpu_count()};
    options.metric = strcmp(stored->metric, "dot") == 0  ? METRIC_DOT
                     : strcmp(stored->metric, "l2") == 0 ? METRIC_L2
                                                         : METRIC_COSINE;
    options.kind = strcmp(stored->index, "flat") == 0   ? INDEX_FLAT
                   : strcmp(stored->index, "hnsw") == 0 ? INDEX_HNSW
                                                        : INDEX_AUTO;
    return options;
}

/* --- replay --- */

struct replay {
    struct engine *engine;
    struct collection *collection;
    const volatile int *cancel;
    size_t replayed;
    long long reported_at;
};

static int replay_batch(void *argument, const struct store_changes *changes, struct err *err)
{
    struct replay *replay = argument;
    if (cancel_raised(replay->cancel))
        return err_set(err, ERR_CANCELLED, "stopped while the index was being loaded");
    int r = index_apply(replay->collection->index, changes->added, changes->vectors,
                        changes->added_count, changes->removed, changes->removed_count,
                        changes->sequence, err);
    if (r)
        return r;
    replay->replayed += changes->added_count + changes->removed_count;
    atomic_fetch_add(&replay->collection->loaded, (long long)changes->added_count);
    long long now = clock_seconds();
    if (now - replay->reported_at >= REPLAY_REPORT_SECONDS) {
        replay->reported_at = now;
        engine_log(replay->engine, LOG_INFO, "collection %s: %zu vectors read from the store",
                   replay->collection->stored.name, replay->replayed);
    }
    return 0;
}

int collection_catch_up(struct engine *engine, struct collection *collection,
                        const volatile int *cancel, size_t *ret_replayed, struct err *err)
{
    struct replay replay = {
        .engine = engine,
        .collection = collection,
        .cancel = cancel,
        .reported_at = clock_seconds(),
    };
    struct index_stats stats;
    size_t dimension = collection->stored.dimension; /* at most ENGINE_DIMENSION_MAX */
    size_t fit = REPLAY_BYTES / (dimension * sizeof(float));
    index_get_stats(collection->index, &stats);
    int r = store_replay(engine->store, collection->stored.key, dimension, stats.sequence,
                         fit < REPLAY_BATCH ? fit : REPLAY_BATCH, replay_batch, &replay, err);
    if (!r)
        *ret_replayed = replay.replayed;
    return r;
}

/* --- loading --- */

/* The index of the snapshot, if it can be caught up to what the store holds. */
static int load_snapshot(struct engine *engine, struct collection *collection, struct err *err)
{
    const struct store_collection *stored = &collection->stored;
    const struct index_options options =
        collection_index_options(stored, engine->options.index_precision);
    struct vector_index *index;
    struct index_stats stats;
    int64_t floor;
    int r = index_load(&index, collection->snapshot, collection->snapshot_mark, &options, err);
    if (r)
        return r;
    index_get_stats(index, &stats);
    r = store_replay_floor(engine->store, stored->key, &floor, err);
    if (!r && stats.sequence < floor)
        r = err_set(err, ERR_CORRUPT, "it is older than what the store remembers");
    if (!r && stats.sequence > stored->sequence)
        r = err_set(err, ERR_CORRUPT, "it is newer than the store");
    if (r)
        index_free(index);
    else
        collection->index = index;
    atomic_store(&collection->loaded, r ? 0 : (long long)stats.live);
    return r;
}

static int rebuild(struct engine *engine, struct collection *collection, const volatile int *cancel,
                   size_t *ret_replayed, struct err *err)
{
    const struct index_options options =
        collection_index_options(&collection->stored, engine->options.index_precision);
    /* Once the store has grown on, a snapshot that was refused could look right by its sequence. */
    (void)unlink(collection->snapshot);
    index_free(collection->index);
    collection->index = NULL;
    atomic_store(&collection->loaded, 0);
    int r = index_create(&collection->index, &options, err);
    if (!r)
        r = collection_catch_up(engine, collection, cancel, ret_replayed, err);
    return r;
}

/* True when the index has as many vectors as the store. */
static bool is_complete(const struct collection *collection, size_t *ret_live)
{
    struct index_stats stats;
    index_get_stats(collection->index, &stats);
    *ret_live = stats.live;
    return (int64_t)stats.live == collection->stored.passages;
}

int collection_load(struct engine *engine, struct collection *collection,
                    const volatile int *cancel, struct err *err)
{
    const char *name = collection->stored.name;
    const struct store_collection *stored = &collection->stored;
    size_t replayed = 0, live = 0;
    struct err reason = {0};
    int r = load_snapshot(engine, collection, &reason);
    bool from_snapshot = r == 0;
    if (r == ERR_MEMORY) {
        *err = reason;
        return r;
    }
    if (r && (r != ERR_NOT_FOUND || stored->passages > 0))
        engine_log(engine, r == ERR_NOT_FOUND ? LOG_INFO : LOG_WARNING,
                   "collection %s: its index is built from the store: %s", name, reason.message);

    r = from_snapshot ? collection_catch_up(engine, collection, cancel, &replayed, err)
                      : rebuild(engine, collection, cancel, &replayed, err);
    if (!r && from_snapshot && !is_complete(collection, &live)) {
        engine_log(engine, LOG_WARNING,
                   "collection %s: the snapshot leads to %zu vectors instead of %lld; its index is "
                   "built from the store",
                   name, live, (long long)stored->passages);
        r = rebuild(engine, collection, cancel, &replayed, err);
    }
    if (r)
        return r;
    if (!is_complete(collection, &live))
        engine_log(engine, LOG_ERR,
                   "collection %s: the store gives %zu vectors for %lld passages; what it gives is "
                   "searched",
                   name, live, (long long)stored->passages);
    atomic_store(&collection->changes, replayed);
    atomic_store(&collection->changed_at, clock_seconds());
    atomic_store(&collection->ready, true);
    maintainer_wake(engine);
    const struct engine_model *model = collection->model;
    if (model && strcmp(model->info->precision, stored->precision) != 0)
        engine_log(engine, LOG_NOTICE,
                   "collection %s was made in %s, and what is added now is encoded in %s", name,
                   stored->precision, model->info->precision);
    engine_log(engine, LOG_INFO, "collection %s: %zu vectors ready, %zu changes replayed", name,
               live, replayed);
    return 0;
}

/* --- loading all --- */

static int fewer_passages_first(const void *a, const void *b)
{
    const struct collection *const *x = a, *const *y = b;
    int64_t left = (*x)->stored.passages, right = (*y)->stored.passages;
    return (left > right) - (left < right);
}

int engine_load(struct engine *engine, const volatile int *cancel, struct err *err)
{
    struct collection **items;
    size_t count;
    int r = collections_take_all(engine, &items, &count, err);
    if (r)
        return r;
    qsort(items, count, sizeof *items, fewer_passages_first);
    for (size_t i = 0; i < count; i++) {
        if (!r && cancel_raised(cancel))
            r = err_set(err, ERR_CANCELLED, "stopped while the collections were being loaded");
        /* One that was made since is ready. */
        if (!r && !atomic_load(&items[i]->ready)) {
            r = collection_load(engine, items[i], cancel, err);
            if (r)
                err_prefix(err, "collection %s", items[i]->stored.name);
        }
        collection_release(engine, items[i]);
    }
    free(items);
    return r;
}

bool engine_is_loading(struct engine *engine, struct engine_loading *ret_loading)
{
    struct engine_loading loading = {0};
    struct collection_table *table = &engine->collections;
    pthread_mutex_lock(&table->lock);
    loading.collections = table->count;
    for (size_t i = 0; i < table->count; i++) {
        struct collection *collection = table->items[i];
        if (atomic_load(&collection->ready)) {
            loading.ready++;
            continue;
        }
        /* The smallest is the one that is being loaded. */
        if (loading.name[0] && collection->stored.passages >= loading.total)
            continue;
        snprintf(loading.name, sizeof loading.name, "%s", collection->stored.name);
        loading.vectors = atomic_load(&collection->loaded);
        loading.total = collection->stored.passages;
    }
    pthread_mutex_unlock(&table->lock);
    *ret_loading = loading;
    return loading.ready < loading.collections;
}

/* --- saving --- */

int collection_save(struct engine *engine, struct collection *collection, struct err *err)
{
    struct index_stats stats;
    size_t changes = atomic_load(&collection->changes);
    index_get_stats(collection->index, &stats);
    int r = index_save(collection->index, collection->snapshot, collection->snapshot_mark, err);
    if (r)
        return r;
    atomic_fetch_sub(&collection->changes, changes);
    if (atomic_load(&collection->dropped)) {
        (void)unlink(collection->snapshot);
        return 0;
    }
    /* The snapshot may hold more than `stats` by now, never less. */
    return store_forget_removals(engine->store, collection->stored.key, stats.sequence, err);
}
