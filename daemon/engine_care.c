/* Backups and checks of a running engine, and the same with repair and restore of a folder. */
#include "daemon/engine_care.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "daemon/engine_internal.h"

enum {
    COMPARE_BATCH = 1000, /* passages looked up in an index at once */
    FINDINGS_MAX = 100,   /* of each kind; what comes after it is not listed */
};

/* How far a score may be from that of the stored vector, as a part of the vectors' lengths: an
 * index may hold them in 8 bits. */
static const double score_tolerance = 0.03;

/* --- findings --- */

static void add(const char ***list, size_t *count, struct arena *arena, const char *format,
                va_list arguments)
{
    char text[600];
    if (!*list)
        *list = arena_alloc(arena, FINDINGS_MAX, sizeof **list);
    if (!*list || *count == FINDINGS_MAX)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    const char *copy = arena_copy(arena, text, strlen(text));
    if (copy)
        (*list)[(*count)++] = copy;
}

__attribute__((format(printf, 3, 4))) static void
problem(struct engine_check *check, struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(&check->problems, &check->problem_count, arena, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static void note(struct engine_check *check,
                                                       struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(&check->notes, &check->note_count, arena, format, arguments);
    va_end(arguments);
}

/* Damage is a finding; that the check could not be made is a failure. */
static int check_store(struct store *store, struct engine_check *check, struct arena *arena,
                       struct err *err)
{
    int r = store_check(store, err);
    if (r == ERR_CORRUPT)
        problem(check, arena, "%s", err->message);
    return r == ERR_CORRUPT ? 0 : r;
}

/* --- an index beside the store --- */

struct comparison {
    struct collection *collection;
    struct engine_check *check;
    struct arena *arena;
    size_t dimension;
    size_t passages; /* of the store, so far */
    size_t missing, different;
    int64_t *ids;  /* (COMPARE_BATCH) */
    float *scores; /* (COMPARE_BATCH) */
};

static double norm(const float *vector, size_t size)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sqrt(sum);
}

/* What the index should say of two vectors, and how far off it may be. */
static double expected_score(const char *metric, const float *a, const float *b, size_t size,
                             double *ret_tolerance)
{
    double dot = 0, distance = 0, lengths = norm(a, size) * norm(b, size);
    for (size_t i = 0; i < size; i++) {
        double difference = (double)a[i] - (double)b[i];
        dot += (double)a[i] * (double)b[i];
        distance += difference * difference;
    }
    if (strcmp(metric, "l2") == 0) {
        *ret_tolerance = score_tolerance * (norm(a, size) + norm(b, size)) + 1e-6;
        return -sqrt(distance);
    }
    if (strcmp(metric, "dot") == 0) {
        *ret_tolerance = score_tolerance * lengths + 1e-6;
        return dot;
    }
    *ret_tolerance = score_tolerance;
    return lengths > 0 ? dot / lengths : 0;
}

static size_t place_of(const int64_t *ids, size_t count, int64_t id)
{
    size_t i = 0;
    while (i < count && ids[i] != id)
        i++;
    return i;
}

/* Asks the index for just these passages, by the vector of the first. */
static int compare_batch(void *argument, const struct store_changes *changes, struct err *err)
{
    struct comparison *comparison = argument;
    struct index_selection *selection = NULL;
    size_t count = changes->added_count, found = 0;
    if (count == 0)
        return 0;
    int r = index_selection_new(&selection, changes->added, count, err);
    const struct index_search_options options = {
        .top_k = count, .exact = true, .selection = selection};
    if (r == 0)
        r = index_search(comparison->collection->index, changes->vectors, 1, &options,
                         comparison->ids, comparison->scores, &found, err);
    index_selection_free(selection);
    for (size_t i = 0; i < count && r == 0; i++) {
        double tolerance;
        size_t place = place_of(comparison->ids, found, changes->added[i]);
        double expected = expected_score(comparison->collection->stored.metric, changes->vectors,
                                         changes->vectors + i * comparison->dimension,
                                         comparison->dimension, &tolerance);
        if (place == found)
            comparison->missing++;
        else if (fabs((double)comparison->scores[place] - expected) > tolerance)
            comparison->different++;
    }
    comparison->passages += count;
    return r;
}

/* Under the collection's write lock, so that store and index stand still. */
static int compare_locked(struct engine *engine, struct comparison *comparison, struct err *err)
{
    struct collection *collection = comparison->collection;
    struct index_stats stats;
    if (atomic_load(&collection->dropped))
        return 0;
    if (atomic_load(&collection->stale)) {
        note(comparison->check, comparison->arena,
             "collection %s: the index is behind the store and will catch up",
             collection->stored.name);
        return 0;
    }
    int r = store_replay(engine->store, collection->stored.key, comparison->dimension, 0,
                         COMPARE_BATCH, compare_batch, comparison, err);
    index_get_stats(collection->index, &stats);
    if (r == ERR_CORRUPT) {
        problem(comparison->check, comparison->arena, "collection %s: %s", collection->stored.name,
                err->message);
        return 0;
    }
    if (r == 0 &&
        (comparison->missing || comparison->different || stats.live != comparison->passages))
        problem(comparison->check, comparison->arena,
                "collection %s: the index has %zu vectors for %zu passages; %zu are missing and "
                "%zu are others (sbertd builds it from the store when it starts without its "
                "snapshot: sbert-index repair)",
                collection->stored.name, stats.live, comparison->passages, comparison->missing,
                comparison->different);
    return r;
}

static int compare(struct engine *engine, struct collection *collection, struct engine_check *check,
                   struct arena *arena, struct err *err)
{
    struct comparison comparison = {.collection = collection,
                                    .check = check,
                                    .arena = arena,
                                    .dimension = collection->stored.dimension};
    struct arena scratch = {0};
    comparison.ids = arena_alloc(&scratch, COMPARE_BATCH, sizeof *comparison.ids);
    comparison.scores = arena_alloc(&scratch, COMPARE_BATCH, sizeof *comparison.scores);
    int r = comparison.ids && comparison.scores ? 0 : err_memory(err, "a check");
    if (r == 0 && !atomic_load(&collection->ready)) {
        note(check, arena, "collection %s: its index is being loaded", collection->stored.name);
    } else if (r == 0) {
        pthread_mutex_lock(&collection->write);
        r = compare_locked(engine, &comparison, err);
        pthread_mutex_unlock(&collection->write);
    }
    arena_release(&scratch);
    return r;
}

static int count_rows(struct store *store, struct arena *arena, struct engine_check *check,
                      struct store_collection **ret_collections, struct err *err)
{
    int r = store_collection_list(store, arena, ret_collections, &check->collections, err);
    for (size_t i = 0; i < check->collections && r == 0; i++) {
        check->documents += (*ret_collections)[i].documents;
        check->passages += (*ret_collections)[i].passages;
    }
    return r;
}

int engine_check(struct engine *engine, struct arena *arena, struct engine_check *ret_check,
                 struct err *err)
{
    struct engine_check check = {0};
    struct collection **items = NULL;
    struct store_collection *stored;
    size_t count = 0;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = check_store(engine->store, &check, arena, err);
    if (!r)
        r = count_rows(engine->store, arena, &check, &stored, err);
    if (!r)
        r = collections_take_all(engine, &items, &count, err);
    for (size_t i = 0; i < count; i++) {
        if (!r)
            r = compare(engine, items[i], &check, arena, err);
        collection_release(engine, items[i]);
    }
    free(items);
    engine_leave(engine);
    if (!r)
        *ret_check = check;
    return r;
}

/* --- backups --- */

static int backup_progress(void *argument, int64_t done, int64_t total)
{
    struct engine *engine = argument;
    atomic_store(&engine->backup_done, done);
    atomic_store(&engine->backup_total, total);
    return cancel_raised(&engine->cancel);
}

int engine_backup(struct engine *engine, const char *path, struct err *err)
{
    bool idle = false;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    if (!atomic_compare_exchange_strong(&engine->backing_up, &idle, true)) {
        r = err_set(err, ERR_BUSY, "another backup is under way");
        engine_leave(engine);
        return r;
    }
    r = store_backup(engine->store, path, backup_progress, engine, err);
    atomic_store(&engine->backup_done, 0);
    atomic_store(&engine->backup_total, 0);
    atomic_store(&engine->backing_up, false);
    engine_log(engine, r ? LOG_ERR : LOG_NOTICE, r ? "the backup %s failed: %s" : "backup %s made",
               path, err->message);
    engine_leave(engine);
    return r;
}

void engine_backup_progress(struct engine *engine, int64_t *ret_done, int64_t *ret_total)
{
    *ret_done = atomic_load(&engine->backup_done);
    *ret_total = atomic_load(&engine->backup_total);
}

/* --- a folder without a daemon --- */

static int open_folder(struct data_folder *ret_folder, const char *path, struct err *err)
{
    if (!file_exists(path))
        return err_set(err, ERR_NOT_FOUND, "there is no data folder %s", path);
    return data_folder_open(ret_folder, path, err);
}

/* A collection's snapshot is read whole, its checksum with it. */
static int check_snapshot(const struct data_folder *folder, const struct store_collection *stored,
                          struct engine_check *check, struct arena *arena, struct err *err)
{
    const struct index_options options = collection_index_options(stored, INDEX_PRECISION_DEFAULT);
    struct vector_index *index = NULL;
    struct err reason = {0};
    char mark[128];
    char *path = data_folder_snapshot(folder, stored->key);
    if (!path)
        return err_memory(err, "a check");
    collection_snapshot_mark(stored, mark, sizeof mark);
    int r = index_load(&index, path, mark, &options, &reason);
    if (r == ERR_NOT_FOUND)
        note(check, arena, "collection %s: no index snapshot; it is built at the next start",
             stored->name);
    else if (r && r != ERR_MEMORY)
        note(check, arena, "collection %s: its index is built anew at the next start: %s",
             stored->name, reason.message);
    index_free(index);
    free(path);
    if (r == ERR_MEMORY)
        *err = reason;
    return r == ERR_MEMORY ? r : 0;
}

int engine_check_folder(const char *data_folder, struct arena *arena,
                        struct engine_check *ret_check, struct err *err)
{
    struct data_folder folder = {.lock = -1};
    struct engine_check check = {0};
    struct store_collection *collections = NULL;
    struct store *store = NULL;
    int r = open_folder(&folder, data_folder, err);
    if (r)
        return r;
    if (!file_exists(folder.store)) {
        r = err_set(err, ERR_NOT_FOUND, "there is no store in %s", data_folder);
        goto out;
    }
    r = store_open(&store, folder.store, err);
    if (r == ERR_CORRUPT) {
        problem(&check, arena, "%s", err->message);
        r = 0;
        goto out;
    }
    if (!r)
        r = check_store(store, &check, arena, err);
    if (!r && check.problem_count == 0)
        r = count_rows(store, arena, &check, &collections, err);
    for (size_t i = 0; !r && collections && i < check.collections; i++)
        r = check_snapshot(&folder, &collections[i], &check, arena, err);
out:
    store_close(store);
    data_folder_close(&folder);
    if (!r)
        *ret_check = check;
    return r;
}

static int drop_snapshots(const struct data_folder *folder, struct err *err)
{
    size_t removed;
    return data_folder_sweep(folder, NULL, 0, &removed, err);
}

int engine_restore(const char *data_folder, const char *backup, bool replace, char **ret_kept,
                   struct err *err)
{
    struct data_folder folder = {.lock = -1};
    int r = data_folder_open(&folder, data_folder, err);
    if (r)
        return r;
    r = store_restore(backup, folder.store, replace, ret_kept, err);
    if (!r)
        r = drop_snapshots(&folder, err);
    data_folder_close(&folder);
    return r;
}

/* Removes what belongs to a database of that path, from the file `first` on: its own is the first.
 */
static void remove_files(const char *path, size_t first)
{
    static const char *const suffixes[] = {"", "-wal", ".lock", ".reserve"};
    for (size_t i = first; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct buf file = {0};
        if (buf_printf(&file, "%s%s", path, suffixes[i]) == 0)
            (void)unlink(file.data);
        buf_release(&file);
    }
}

/* Salvages into a file of its own, then lets the two change places. */
static int salvage(const struct data_folder *folder, struct engine_repair *repair, struct err *err)
{
    char *fresh = file_join(folder->path, "repaired.sqlite3");
    if (!fresh)
        return err_memory(err, "a repair");
    remove_files(fresh, 0); /* of a repair that was cut short */
    int r = store_salvage(folder->store, fresh, &repair->salvage, err);
    if (!r)
        r = store_set_aside(folder->store, "damaged", &repair->kept, err);
    if (!r && rename(fresh, folder->store) < 0)
        r = err_set_errno(err, errno, "cannot rename %s", fresh);
    if (!r)
        r = file_sync_parent(folder->store, err);
    remove_files(fresh, r ? 0 : 1);
    free(fresh);
    return r;
}

int engine_repair(const char *data_folder, struct engine_repair *ret_repair, struct err *err)
{
    struct data_folder folder = {.lock = -1};
    struct engine_repair repair = {0};
    struct store *store = NULL;
    int r = open_folder(&folder, data_folder, err);
    if (r)
        return r;
    r = store_open(&store, folder.store, err);
    if (!r)
        r = store_check(store, err);
    store_close(store);
    if (r == ERR_CORRUPT) {
        repair.needed = true;
        r = salvage(&folder, &repair, err);
    }
    if (!r)
        r = drop_snapshots(&folder, err);
    data_folder_close(&folder);
    if (!r)
        *ret_repair = repair;
    return r;
}
