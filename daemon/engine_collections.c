/* The table of open collections: making, finding, dropping, and what each is bound to.
 *
 * A collection found here has a reference and stays whole until it is released, also when it is
 * dropped meanwhile. It doesn't encode, search, or read snapshots.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/engine_internal.h"

/* --- one collection --- */

static void collection_free(struct collection *collection)
{
    if (!collection)
        return;
    index_free(collection->index);
    filter_cache_close(&collection->filters);
    pthread_mutex_destroy(&collection->write);
    free(collection->snapshot);
    free(collection);
}

/* Keys begin again in another store, and seconds of creation tell the two apart. */
void collection_snapshot_mark(const struct store_collection *stored, char *ret_mark, size_t size)
{
    snprintf(ret_mark, size, "%lld %lld %s", (long long)stored->key, (long long)stored->created_at,
             stored->fingerprint[0] ? stored->fingerprint : "-");
}

/* A collection as the store has it, without an index yet, with one reference: the table's. */
static int collection_new(struct engine *engine, const struct store_collection *stored,
                          struct collection **ret_collection, struct err *err)
{
    struct collection *collection = calloc(1, sizeof *collection);
    if (!collection)
        return err_memory(err, "a collection");
    pthread_mutex_init(&collection->write, NULL);
    collection->references = 1;
    collection->stored = *stored;
    if (stored->fingerprint[0])
        collection->model = models_find_fingerprint(&engine->models, stored->fingerprint);
    collection_snapshot_mark(stored, collection->snapshot_mark, sizeof collection->snapshot_mark);
    collection->snapshot = data_folder_snapshot(&engine->folder, stored->key);
    int r = collection->snapshot ? filter_cache_open(&collection->filters, err)
                                 : err_memory(err, "a collection");
    if (r) {
        collection_free(collection);
        return r;
    }
    atomic_store(&collection->unfilled, true); /* a stop may have cut it short */
    *ret_collection = collection;
    return 0;
}

void collection_release(struct engine *engine, struct collection *collection)
{
    if (!collection)
        return;
    pthread_mutex_lock(&engine->collections.lock);
    bool last = --collection->references == 0;
    pthread_mutex_unlock(&engine->collections.lock);
    if (last)
        collection_free(collection);
}

/* --- the table --- */

static int table_add(struct collection_table *table, struct collection *collection, struct err *err)
{
    int r = 0;
    pthread_mutex_lock(&table->lock);
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 16;
        struct collection **items = reallocarray(table->items, capacity, sizeof *items);
        if (!items) {
            r = err_memory(err, "the table of collections");
            goto out;
        }
        table->items = items;
        table->capacity = capacity;
    }
    table->items[table->count++] = collection;
out:
    pthread_mutex_unlock(&table->lock);
    return r;
}

static void table_remove(struct collection_table *table, const struct collection *collection)
{
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i] == collection) {
            table->items[i] = table->items[--table->count];
            break;
        }
    }
    pthread_mutex_unlock(&table->lock);
}

/* The collection of that name with one more reference, or NULL. */
static struct collection *table_find(struct collection_table *table, const char *name)
{
    struct collection *found = NULL;
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count && !found; i++) {
        if (strcmp(table->items[i]->stored.name, name) == 0)
            found = table->items[i];
    }
    if (found)
        found->references++;
    pthread_mutex_unlock(&table->lock);
    return found;
}

int collections_open(struct engine *engine, struct err *err)
{
    struct arena arena = {0};
    struct store_collection *stored;
    size_t count, removed;
    int r = store_collection_list(engine->store, &arena, &stored, &count, err);
    if (!r)
        r = data_folder_sweep(&engine->folder, stored, count, &removed, err);
    if (!r && removed)
        engine_log(engine, LOG_NOTICE, "removed %zu index files that belong to nothing", removed);

    for (size_t i = 0; i < count && !r; i++) {
        struct collection *collection;
        r = collection_new(engine, &stored[i], &collection, err);
        if (r)
            break;
        r = table_add(&engine->collections, collection, err);
        if (r) {
            err_prefix(err, "collection %s", stored[i].name);
            collection_free(collection);
        }
    }
    arena_release(&arena);
    return r;
}

void collections_close(struct engine *engine)
{
    struct collection_table *table = &engine->collections;
    for (size_t i = 0; i < table->count; i++)
        collection_free(table->items[i]);
    free(table->items);
    table->items = NULL;
    table->count = table->capacity = 0;
}

void collections_cancel(struct engine *engine)
{
    struct collection_table *table = &engine->collections;
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->count; i++)
        cancel_raise(&table->items[i]->cancel);
    pthread_mutex_unlock(&table->lock);
}

int collections_take_all(struct engine *engine, struct collection ***ret_items, size_t *ret_count,
                         struct err *err)
{
    struct collection_table *table = &engine->collections;
    int r = 0;
    pthread_mutex_lock(&table->lock);
    struct collection **items = calloc(table->count + 1, sizeof *items);
    if (!items) {
        r = err_memory(err, "a list of collections");
        goto out;
    }
    for (size_t i = 0; i < table->count; i++) {
        items[i] = table->items[i];
        items[i]->references++;
    }
    *ret_items = items;
    *ret_count = table->count;
out:
    pthread_mutex_unlock(&table->lock);
    return r;
}

/* --- making --- */

/* What a new collection will be like, from what is asked and what the models say. */
static int settle_options(struct engine *engine, const char *name,
                          const struct engine_collection_options *options,
                          struct store_collection *ret_stored, struct err *err)
{
    struct store_collection stored = {.dimension = options->dimension};
    const char *metric = options->metric ? options->metric : "cosine";
    const char *index = options->index ? options->index : "auto";
    if (options->model || options->dimension == 0) {
        const struct engine_model *model = models_find(&engine->models, options->model);
        if (!model)
            return err_set(err, ERR_NOT_FOUND, "model %s is not loaded; this daemon runs %s",
                           options->model, engine->models.models[0]->name);
        const struct encoder_info *info = model->info;
        if (options->dimension && options->dimension != info->dimension)
            return err_set(err, ERR_INVALID, "model %s makes vectors of %zu floats, not %zu",
                           model->name, info->dimension, options->dimension);
        stored.dimension = info->dimension;
        snprintf(stored.model, sizeof stored.model, "%s", model->name);
        snprintf(stored.fingerprint, sizeof stored.fingerprint, "%s", info->fingerprint);
        snprintf(stored.precision, sizeof stored.precision, "%s", info->precision);
        if (!options->metric && strcmp(info->similarity, "dot") == 0)
            metric = "dot";
        if (!options->metric && strcmp(info->similarity, "euclidean") == 0)
            metric = "l2";
        if (!options->metric && strcmp(info->similarity, "manhattan") == 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "model %s compares vectors by manhattan distance, by which no index "
                           "searches; ask for a metric: cosine, dot or l2",
                           model->name);
    } else {
        snprintf(stored.precision, sizeof stored.precision, "f32");
    }
    if (strcmp(metric, "cosine") != 0 && strcmp(metric, "dot") != 0 && strcmp(metric, "l2") != 0)
        return err_set(err, ERR_INVALID, "metric is cosine, dot or l2, not %s", metric);
    if (strcmp(index, "auto") != 0 && strcmp(index, "flat") != 0 && strcmp(index, "hnsw") != 0)
        return err_set(err, ERR_INVALID, "index is auto, flat or hnsw, not %s", index);
    if (stored.dimension > ENGINE_DIMENSION_MAX)
        return err_set(err, ERR_LIMIT, "a dimension is at most %d, not %zu", ENGINE_DIMENSION_MAX,
                       stored.dimension);
    snprintf(stored.name, sizeof stored.name, "%s", name);
    snprintf(stored.metric, sizeof stored.metric, "%s", metric);
    snprintf(stored.index, sizeof stored.index, "%s", index);
    *ret_stored = stored;
    return 0;
}

/* ERR_CONFLICT where a collection that is there differs in something that was asked for. */
static int check_same(const struct store_collection *there, const struct store_collection *wanted,
                      const struct engine_collection_options *options, struct err *err)
{
    if (options->model && strcmp(there->fingerprint, wanted->fingerprint) != 0)
        return err_set(err, ERR_CONFLICT, "collection %s is there already, %s%s", there->name,
                       there->model[0] ? "with model " : "with vectors brought by clients",
                       there->model);
    if (options->dimension && there->dimension != wanted->dimension)
        return err_set(err, ERR_CONFLICT, "collection %s is there already, with dimension %zu",
                       there->name, there->dimension);
    if (options->dimension && !options->model && there->model[0])
        return err_set(err, ERR_CONFLICT, "collection %s is there already, with model %s",
                       there->name, there->model);
    if (options->metric && strcmp(there->metric, wanted->metric) != 0)
        return err_set(err, ERR_CONFLICT, "collection %s is there already, with metric %s",
                       there->name, there->metric);
    if (options->index && strcmp(there->index, wanted->index) != 0)
        return err_set(err, ERR_CONFLICT, "collection %s is there already, with index %s",
                       there->name, there->index);
    return 0;
}

/* Makes a collection in the store and here. Under the catalog's lock. */
static int create(struct engine *engine, struct store_collection *stored, struct err *err)
{
    int r = store_collection_create(engine->store, stored, err);
    if (r)
        return r;
    struct collection *collection;
    r = collection_new(engine, stored, &collection, err);
    if (!r) {
        struct index_options options =
            collection_index_options(stored, engine->options.index_precision);
        r = index_create(&collection->index, &options, err);
        atomic_store(&collection->ready, r == 0);
        if (!r)
            r = table_add(&engine->collections, collection, err);
        if (r)
            collection_free(collection);
    }
    if (r) {
        /* What cannot be opened must not stand in the store; that it's gone from there too is
         * worth trying and no more: it's empty. */
        struct err ignored;
        (void)store_collection_drop(engine->store, stored->key, &ignored);
        return r;
    }
    engine_log(engine, LOG_INFO, "collection %s made: %s%s, dimension %zu, %s", stored->name,
               stored->model[0] ? "model " : "vectors brought by clients", stored->model,
               stored->dimension, stored->metric);
    return 0;
}

static int declare(struct engine *engine, const char *name,
                   const struct engine_collection_options *options, struct err *err)
{
    struct collection *collection = NULL;
    int r = collection_take_unready(engine, name, &collection, err);
    if (!r)
        r = collection_declare(engine, collection, options->fields, options->field_count, err);
    collection_release(engine, collection);
    return r;
}

static int put(struct engine *engine, const char *name,
               const struct engine_collection_options *options, bool *ret_created, struct err *err)
{
    struct store_collection wanted;
    if (!store_name_valid(name))
        return err_set(err, ERR_INVALID,
                       "a collection's name is 1 to %d of the characters A-Z a-z 0-9 . _ -, and "
                       "not . or ..",
                       STORE_NAME_MAX);
    int r = settle_options(engine, name, options, &wanted, err);
    if (r)
        return r;
    pthread_mutex_lock(&engine->collections.catalog);
    struct collection *there = table_find(&engine->collections, name);
    bool created = !there;
    r = there ? check_same(&there->stored, &wanted, options, err) : create(engine, &wanted, err);
    pthread_mutex_unlock(&engine->collections.catalog);
    collection_release(engine, there);
    if (!r && options->field_count)
        r = declare(engine, name, options, err);
    if (!r)
        *ret_created = created;
    return r;
}

int engine_collection_put(struct engine *engine, const char *name,
                          const struct engine_collection_options *options, bool *ret_created,
                          struct err *err)
{
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = put(engine, name, options, ret_created, err);
    engine_leave(engine);
    return r;
}

/* --- finding --- */

int collection_take_unready(struct engine *engine, const char *name,
                            struct collection **ret_collection, struct err *err)
{
    struct collection *collection = table_find(&engine->collections, name);
    if (!collection && strcmp(name, ENGINE_DEFAULT_COLLECTION) == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing is indexed yet: sbert-index add FILE");
    if (!collection)
        return err_set(err, ERR_NOT_FOUND, "there is no collection %.*s", STORE_NAME_MAX, name);
    *ret_collection = collection;
    return 0;
}

int collection_take(struct engine *engine, const char *name, struct collection **ret_collection,
                    struct err *err)
{
    struct collection *collection;
    int r = collection_take_unready(engine, name, &collection, err);
    if (r)
        return r;
    if (!atomic_load(&collection->ready)) {
        r = err_set(err, ERR_BUSY,
                    "collection %s is being loaded: %lld of %lld vectors; try again shortly", name,
                    atomic_load(&collection->loaded), (long long)collection->stored.passages);
        collection_release(engine, collection);
        return r;
    }
    *ret_collection = collection;
    return 0;
}

int collection_make_default(struct engine *engine, struct collection **ret_collection,
                            struct err *err)
{
    const struct engine_collection_options options = {0};
    bool created;
    int r = put(engine, ENGINE_DEFAULT_COLLECTION, &options, &created, err);
    return r ? r : collection_take(engine, ENGINE_DEFAULT_COLLECTION, ret_collection, err);
}

int collection_plan_default(struct engine *engine, struct collection *ret_planned, struct err *err)
{
    const struct engine_collection_options options = {0};
    int r = settle_options(engine, ENGINE_DEFAULT_COLLECTION, &options, &ret_planned->stored, err);
    if (!r)
        ret_planned->model = models_find(&engine->models, NULL);
    return r;
}

int collection_check_texts(const struct engine *engine, const struct collection *collection,
                           struct err *err)
{
    const struct store_collection *stored = &collection->stored;
    const struct engine_model *running = engine->models.models[0];
    if (collection->model)
        return 0;
    if (!stored->fingerprint[0])
        return err_set(err, ERR_INVALID,
                       "collection %s has no model: its clients bring vectors of %zu floats",
                       stored->name, stored->dimension);
    if (strcmp(stored->model, running->name) == 0)
        return err_set(err, ERR_CONFLICT,
                       "collection %s belongs to another version of model %s (fingerprint %.12s; "
                       "this daemon runs %.12s): bring its files back, or make a new collection",
                       stored->name, stored->model, stored->fingerprint,
                       running->info->fingerprint);
    return err_set(err, ERR_CONFLICT,
                   "collection %s belongs to model %s (fingerprint %.12s), this daemon runs %s "
                   "(%.12s): start it with --model %s, or make a new collection",
                   stored->name, stored->model, stored->fingerprint, running->name,
                   running->info->fingerprint, stored->model);
}

int collection_check_vector(const struct collection *collection, const float *vector, size_t size,
                            struct err *err)
{
    const struct store_collection *stored = &collection->stored;
    if (size != stored->dimension)
        return err_set(err, ERR_INVALID, "the vector has %zu floats, collection %s has %zu", size,
                       stored->name, stored->dimension);
    for (size_t i = 0; i < size; i++) {
        if (!isfinite(vector[i]))
            return err_set(err, ERR_INVALID, "the vector's float %zu is not a finite number", i);
    }
    return 0;
}

/* --- showing --- */

static void describe(struct engine_collection *ret_collection, const struct collection *collection,
                     const struct store_collection *stored)
{
    struct index_stats stats;
    *ret_collection = (struct engine_collection){.stored = *stored};
    if (!atomic_load(&collection->ready))
        return;
    index_get_stats(collection->index, &stats);
    *ret_collection = (struct engine_collection){
        .stored = *stored,
        .ready = true,
        .index_kind = stats.kind,
        .index_live = stats.live,
        .index_tombstones = stats.tombstones,
        .index_segments = stats.segments,
        .index_tail = stats.tail,
        .index_bytes = stats.bytes,
        .index_unlinked = stats.unlinked,
        .index_work_rows = stats.work_rows,
        .index_work_done = stats.work_done,
        .index_precision = index_precision_name(stats.precision),
        .index_sequence = stats.sequence,
    };
}

int engine_collection_get(struct engine *engine, const char *name,
                          struct engine_collection *ret_collection, struct err *err)
{
    struct collection *collection;
    struct store_collection stored;
    int r = engine_enter_collection(engine, name, &collection, err);
    if (r)
        return r;
    r = store_collection_find(engine->store, name, &stored, err);
    if (!r)
        describe(ret_collection, collection, &stored);
    engine_leave_collection(engine, collection);
    return r;
}

int engine_collection_list(struct engine *engine, struct arena *arena,
                           struct engine_collection **ret_collections, size_t *ret_count,
                           struct err *err)
{
    int r = engine_enter(engine, err);
    if (r)
        return r;
    struct store_collection *stored;
    struct engine_collection *list = NULL;
    size_t stored_count, count = 0;
    r = store_collection_list(engine->store, arena, &stored, &stored_count, err);
    if (!r && !(list = arena_alloc(arena, stored_count, sizeof *list)))
        r = err_memory(err, "a list of collections");
    for (size_t i = 0; !r && i < stored_count; i++) {
        struct collection *collection = table_find(&engine->collections, stored[i].name);
        if (collection)
            describe(&list[count++], collection, &stored[i]);
        collection_release(engine, collection);
    }
    engine_leave(engine);
    if (r)
        return r;
    *ret_collections = list;
    *ret_count = count;
    return 0;
}

/* --- dropping --- */

int engine_collection_drop(struct engine *engine, const char *name, struct err *err)
{
    struct collection *collection = NULL;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    pthread_mutex_lock(&engine->collections.catalog);
    r = collection_take(engine, name, &collection, err);
    if (r)
        goto out;
    pthread_mutex_lock(&collection->write);
    r = store_collection_drop(engine->store, collection->stored.key, err);
    if (!r)
        atomic_store(&collection->dropped, true);
    pthread_mutex_unlock(&collection->write);
    if (r)
        goto out;
    table_remove(&engine->collections, collection);
    cancel_raise(&collection->cancel);
    /* A snapshot that is being written just now is removed by its writer, who looks at `dropped`
     * when it is done. One that stays behind is swept away at the next start. */
    (void)unlink(collection->snapshot);
    engine_log(engine, LOG_INFO, "collection %s dropped", name);
out:
    pthread_mutex_unlock(&engine->collections.catalog);
    if (!r) {
        collection_release(engine, collection); /* the table's reference */
        store_tidy(engine->store);              /* nobody waits for the rows to go */
    }
    collection_release(engine, collection);
    engine_leave(engine);
    return r;
}

/* --- changing --- */

void collection_apply(struct engine *engine, struct collection *collection,
                      const struct store_changes *changes)
{
    struct err err = {0};
    if (!atomic_load(&collection->stale) &&
        index_apply(collection->index, changes->added, changes->vectors, changes->added_count,
                    changes->removed, changes->removed_count, changes->sequence, &err) != 0) {
        atomic_store(&collection->stale, true);
        engine_log(engine, LOG_ERR,
                   "collection %s: what was stored is not searchable yet, the index will catch up: "
                   "%s",
                   collection->stored.name, err.message);
    }
    atomic_fetch_add(&collection->version, 1);
    atomic_fetch_add(&collection->changes, changes->added_count + changes->removed_count);
    atomic_store(&collection->changed_at, clock_seconds());
    maintainer_wake(engine);
}
