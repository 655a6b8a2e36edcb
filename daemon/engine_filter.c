/* Filters in the engine: fields declared, and what a filter selects, kept for the next search.
 *
 * A selection is kept with the collection's version, which every change of documents raises before
 * it is acknowledged. One of an older version is worked out anew; so a search sees every change
 * that was acknowledged before it. The version is read before the store is, so what is kept is
 * never older than it says.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/engine_internal.h"

struct filter_entry {
    char *key; /* the filter in canonical form; NULL: the entry is free */
    long long version;
    uint64_t used; /* the cache's clock when it was last asked for */
    struct index_selection *selection;
};

static void entry_release(struct filter_entry *entry)
{
    free(entry->key);
    index_selection_free(entry->selection);
    *entry = (struct filter_entry){0};
}

int filter_cache_open(struct filter_cache *cache, struct err *err)
{
    cache->entries = calloc(FILTER_CACHE_SIZE, sizeof *cache->entries);
    if (!cache->entries)
        return err_memory(err, "a cache of filters");
    pthread_mutex_init(&cache->lock, NULL);
    return 0;
}

void filter_cache_close(struct filter_cache *cache)
{
    if (!cache->entries)
        return;
    for (size_t i = 0; i < FILTER_CACHE_SIZE; i++)
        entry_release(&cache->entries[i]);
    free(cache->entries);
    pthread_mutex_destroy(&cache->lock);
}

/* A reference to what is kept for this filter at this version, or NULL. */
static struct index_selection *cache_find(struct filter_cache *cache, const char *key,
                                          long long version)
{
    struct index_selection *found = NULL;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < FILTER_CACHE_SIZE && !found; i++) {
        struct filter_entry *entry = &cache->entries[i];
        if (!entry->key || entry->version != version || strcmp(entry->key, key) != 0)
            continue;
        entry->used = ++cache->clock;
        found = index_selection_ref(entry->selection);
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* The entry to give up: one of an older version, else the one that was not asked for longest. */
static struct filter_entry *worst_entry(struct filter_cache *cache, long long version)
{
    struct filter_entry *worst = &cache->entries[0];
    for (size_t i = 0; i < FILTER_CACHE_SIZE; i++) {
        struct filter_entry *entry = &cache->entries[i];
        if (entry->version < version && entry->key)
            entry_release(entry);
        if (!entry->key)
            worst = entry;
        else if (worst->key && entry->used < worst->used)
            worst = entry;
    }
    return worst;
}

static void cache_keep(struct filter_cache *cache, const char *key, long long version,
                       struct index_selection *selection)
{
    char *copy = strdup(key);
    if (!copy)
        return; /* it is a cache */
    pthread_mutex_lock(&cache->lock);
    struct filter_entry *entry = worst_entry(cache, version);
    entry_release(entry);
    *entry = (struct filter_entry){.key = copy,
                                   .version = version,
                                   .used = ++cache->clock,
                                   .selection = index_selection_ref(selection)};
    pthread_mutex_unlock(&cache->lock);
}

int collection_select(struct engine *engine, struct collection *collection,
                      const struct engine_filter *filter, struct index_selection **ret_selection,
                      struct err *err)
{
    long long version = atomic_load(&collection->version);
    int64_t *passages = NULL;
    size_t count = 0;
    struct index_selection *selection = cache_find(&collection->filters, filter->key, version);
    if (selection) {
        *ret_selection = selection;
        return 0;
    }
    int r =
        store_select(engine->store, collection->stored.key, filter->filter, &passages, &count, err);
    if (r == 0)
        r = index_selection_new(&selection, passages, count, err);
    free(passages);
    if (r)
        return r;
    cache_keep(&collection->filters, filter->key, version, selection);
    *ret_selection = selection;
    return 0;
}

/* --- fields --- */

int collection_declare(struct engine *engine, struct collection *collection,
                       const struct store_field *fields, size_t count, struct err *err)
{
    int r = store_fields_declare(engine->store, collection->stored.key, fields, count, err);
    if (r)
        return r;
    atomic_store(&collection->unfilled, true);
    maintainer_wake(engine);
    return 0;
}

int collection_fill(struct engine *engine, struct collection *collection, struct err *err)
{
    atomic_store(&collection->unfilled,
                 false); /* before it is looked at: a new one sets it again */
    int r = store_fields_fill(engine->store, collection->stored.key, &collection->cancel, err);
    if (r)
        atomic_store(&collection->unfilled, true);
    return r;
}

int engine_fields_declare(struct engine *engine, const char *name, const struct store_field *fields,
                          size_t count, struct err *err)
{
    struct collection *collection;
    int r = engine_enter_collection(engine, name, &collection, err);
    if (r)
        return r;
    r = collection_declare(engine, collection, fields, count, err);
    engine_leave_collection(engine, collection);
    return r;
}

int engine_fields_list(struct engine *engine, const struct store_collection *collection,
                       struct arena *arena, struct store_field **ret_fields, size_t *ret_count,
                       struct err *err)
{
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = store_fields_list(engine->store, collection->key, arena, ret_fields, ret_count, err);
    engine_leave(engine);
    return r;
}

/* --- documents by filter --- */

int engine_count(struct engine *engine, const char *collection, const struct engine_filter *filter,
                 size_t *ret_count, struct err *err)
{
    static const struct store_filter everything = {.kind = FILTER_AND};
    struct collection *found;
    int r = engine_enter_collection(engine, collection, &found, err);
    if (r)
        return r;
    r = store_count(engine->store, found->stored.key, filter ? filter->filter : &everything,
                    ret_count, err);
    engine_leave_collection(engine, found);
    return r;
}

/* One transaction's worth. */
static int delete_some(struct engine *engine, struct collection *collection,
                       const struct engine_filter *filter, size_t *ret_deleted, struct err *err)
{
    struct arena arena = {0};
    struct store_changes changes;
    pthread_mutex_lock(&collection->write);
    int r = store_delete_selected(engine->store, collection->stored.key, filter->filter,
                                  ENGINE_DELETE_STEP, ret_deleted, &arena, &changes, err);
    if (!r)
        collection_apply(engine, collection, &changes);
    pthread_mutex_unlock(&collection->write);
    arena_release(&arena);
    return r;
}

int engine_delete_selected(struct engine *engine, const char *collection,
                           const struct engine_filter *filter, size_t *ret_deleted, struct err *err)
{
    struct collection *found = NULL;
    size_t total = 0, deleted = ENGINE_DELETE_STEP;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = collection_take(engine, collection, &found, err);
    while (!r && deleted == ENGINE_DELETE_STEP) {
        if (cancel_raised(&engine->cancel))
            r = err_set(err, ERR_CANCELLED, "the service is stopping");
        else if ((r = delete_some(engine, found, filter, &deleted, err)) == 0)
            total += deleted;
    }
    if (r && total)
        err_prefix(err, "after %zu documents were deleted", total);
    if (found)
        store_tidy(engine->store);
    atomic_fetch_add(&engine->documents_deleted, total);
    if (!r)
        *ret_deleted = total;
    collection_release(engine, found);
    engine_leave(engine);
    return r;
}
