/* The thread that works on the indexes while nobody waits: graphs and compaction, snapshots, and
 * indexes that fell behind the store.
 *
 * It runs at the weakest niceness, not in the lowest scheduling class: it holds locks for moments
 * that a search may wait for, and the lowest class might not get to the end of such a moment on a
 * busy machine.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/priority.h"
#include "daemon/engine_internal.h"

enum {
    LOOK_SECONDS = 1,        /* between two looks while something is left to do later */
    QUIET_SECONDS = 5,       /* without a change before a snapshot is written */
    PAUSE_SECONDS = 60,      /* after a failure */
    SNAPSHOT_CHANGES = 1000, /* fewer are replayed in no time */
    BURST_CHANGES = 100000,  /* so many are saved also in the middle of an add */
    CLOSING_SECONDS = 2,     /* for snapshots at the end that save little */
};

enum moment { MOMENT_BUSY, MOMENT_QUIET, MOMENT_CLOSING };

/* Whether a snapshot is worth writing. It costs as much as the whole index is large and saves the
 * replay of the changes, so it waits until they are a fair part of the index. */
static bool is_due(const struct collection *collection, enum moment moment)
{
    struct index_stats stats;
    size_t changes = atomic_load(&collection->changes);
    index_get_stats(collection->index, &stats);
    switch (moment) {
    case MOMENT_BUSY:
        return changes >= BURST_CHANGES && changes >= stats.live / 2;
    case MOMENT_QUIET:
        return changes >= SNAPSHOT_CHANGES && changes >= stats.live / 8;
    case MOMENT_CLOSING:
        return changes > stats.live / 64;
    }
    return false;
}

/* A closing engine's maintainer ends at the next step. */
static bool is_stopping(struct engine *engine)
{
    struct maintainer *maintainer = &engine->maintainer;
    pthread_mutex_lock(&maintainer->lock);
    bool stopping = maintainer->stopping;
    pthread_mutex_unlock(&maintainer->lock);
    return stopping;
}

static void save(struct engine *engine, struct collection *collection)
{
    struct err err;
    int r = collection_save(engine, collection, &err);
    if (r && !atomic_load(&collection->dropped))
        engine_log(engine, LOG_WARNING,
                   "collection %s: no snapshot of its index could be saved, the next start will "
                   "take longer: %s",
                   collection->stored.name, err.message);
    atomic_store(&collection->pause_until, r ? clock_seconds() + PAUSE_SECONDS : 0);
}

/* Catches an index up that could not take what was committed. */
static void mend(struct engine *engine, struct collection *collection)
{
    struct err err;
    size_t replayed;
    pthread_mutex_lock(&collection->write);
    int r = 0;
    if (atomic_load(&collection->stale) && !atomic_load(&collection->dropped)) {
        r = collection_catch_up(engine, collection, &collection->cancel, &replayed, &err);
        atomic_store(&collection->stale, r != 0);
        if (!r)
            engine_log(engine, LOG_NOTICE, "collection %s: the index has caught up",
                       collection->stored.name);
    }
    pthread_mutex_unlock(&collection->write);
    if (r && r != ERR_CANCELLED) {
        engine_log(engine, LOG_ERR, "collection %s: the index cannot catch up yet: %s",
                   collection->stored.name, err.message);
        atomic_store(&collection->pause_until, clock_seconds() + PAUSE_SECONDS);
    }
}

/* Does what one collection needs most. Returns true where there may be more to do at once. */
static bool look_after(struct engine *engine, struct collection *collection, bool *ret_later)
{
    struct err err;
    bool worked = false;
    long long now = clock_seconds();
    if (atomic_load(&collection->dropped) || !atomic_load(&collection->ready))
        return false;
    if (now < atomic_load(&collection->pause_until)) {
        *ret_later = true;
        return false;
    }
    if (atomic_load(&collection->stale))
        mend(engine, collection);

    int r = atomic_load(&collection->unfilled) ? collection_fill(engine, collection, &err) : 0;
    if (r && r != ERR_CANCELLED) {
        engine_log(engine, LOG_ERR, "collection %s: its fields cannot be indexed yet: %s",
                   collection->stored.name, err.message);
        atomic_store(&collection->pause_until, now + PAUSE_SECONDS);
    }
    r = index_maintain(collection->index, &worked, &collection->cancel, &err);
    if (r && r != ERR_CANCELLED) {
        engine_log(engine, LOG_ERR, "collection %s: work on its index failed: %s",
                   collection->stored.name, err.message);
        atomic_store(&collection->pause_until, now + PAUSE_SECONDS);
    }
    if (worked) {
        /* A graph that is lost with the process costs as much again. */
        struct index_stats stats;
        index_get_stats(collection->index, &stats);
        atomic_fetch_add(&collection->changes, stats.live / 8 + SNAPSHOT_CHANGES);
        return true;
    }
    bool quiet = now - atomic_load(&collection->changed_at) >= QUIET_SECONDS;
    if (is_due(collection, quiet ? MOMENT_QUIET : MOMENT_BUSY))
        save(engine, collection);
    *ret_later |=
        atomic_load(&collection->pause_until) > now || (!quiet && is_due(collection, MOMENT_QUIET));
    return false;
}

/* One look at every collection. */
static bool look_after_all(struct engine *engine, bool *ret_later)
{
    struct collection **items;
    size_t count;
    struct err err;
    bool more = false;
    if (collections_take_all(engine, &items, &count, &err) != 0) {
        *ret_later = true;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_stopping(engine))
            more |= look_after(engine, items[i], ret_later);
        collection_release(engine, items[i]);
    }
    free(items);
    return more;
}

/* Waits to be woken, or, with `later`, at most LOOK_SECONDS. Returns false at the end. */
static bool wait_for_work(struct maintainer *maintainer, bool later)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_SECONDS;
    pthread_mutex_lock(&maintainer->lock);
    int r = 0;
    while (!maintainer->woken && !maintainer->stopping && r == 0) {
        if (later)
            r = pthread_cond_timedwait(&maintainer->wake, &maintainer->lock, &until);
        else
            r = pthread_cond_wait(&maintainer->wake, &maintainer->lock);
    }
    maintainer->woken = false;
    bool go_on = !maintainer->stopping;
    pthread_mutex_unlock(&maintainer->lock);
    return go_on;
}

static void *maintainer_main(void *argument)
{
    struct engine *engine = argument;
    priority_behind(19);
    bool more = true, later = false;
    while (more ? !is_stopping(engine) : wait_for_work(&engine->maintainer, later)) {
        later = false;
        more = look_after_all(engine, &later);
    }
    return NULL;
}

int maintainer_start(struct engine *engine, struct err *err)
{
    int r = engine_thread_start(&engine->maintainer.thread, maintainer_main, engine, err);
    engine->maintainer.started = r == 0;
    return r;
}

void maintainer_stop(struct engine *engine)
{
    struct maintainer *maintainer = &engine->maintainer;
    if (!maintainer->started)
        return;
    pthread_mutex_lock(&maintainer->lock);
    maintainer->stopping = true;
    pthread_cond_signal(&maintainer->wake);
    pthread_mutex_unlock(&maintainer->lock);
    collections_cancel(engine);
    pthread_join(maintainer->thread, NULL);
    maintainer->started = false;
}

void maintainer_wake(struct engine *engine)
{
    struct maintainer *maintainer = &engine->maintainer;
    pthread_mutex_lock(&maintainer->lock);
    maintainer->woken = true;
    pthread_cond_signal(&maintainer->wake);
    pthread_mutex_unlock(&maintainer->lock);
}

/* Saves those that are due at the end and have `least` to `most` changes, until `until`. */
static void save_due(struct engine *engine, size_t least, size_t most, long long until)
{
    struct collection_table *table = &engine->collections;
    for (size_t i = 0; i < table->count && clock_seconds() < until; i++) {
        size_t changes = atomic_load(&table->items[i]->changes);
        if (atomic_load(&table->items[i]->ready) && changes >= least && changes <= most &&
            is_due(table->items[i], MOMENT_CLOSING))
            save(engine, table->items[i]);
    }
}

/* A snapshot costs a few syncs however small it is, and a thousand small collections would hold up
 * the end for what the next start replays in no time. */
void maintainer_save_all(struct engine *engine)
{
    save_due(engine, SNAPSHOT_CHANGES, SIZE_MAX, LLONG_MAX);
    save_due(engine, 0, SNAPSHOT_CHANGES - 1, clock_seconds() + CLOSING_SECONDS);
}
