/* Opening and closing the store, and its read and write transactions. */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lock.h"
#include "storage/internal.h"
#include "storage/schema.h"

static char *path_with(const char *path, const char *suffix)
{
    struct buf buf = {0};
    if (buf_printf(&buf, "%s%s", path, suffix) < 0)
        buf_release(&buf);
    return buf.data;
}

static struct store *store_new(const char *path)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->lock = -1;
    pthread_mutex_init(&store->write_mutex, NULL);
    pthread_cond_init(&store->write_turn, NULL);
    pthread_mutex_init(&store->read_mutex, NULL);
    pthread_cond_init(&store->read_idle, NULL);
    for (size_t i = 0; i < STORE_READERS; i++)
        store->idle[i] = &store->readers[i];
    store->idle_count = STORE_READERS;
    store->path = path_with(path, "");
    store->log_path = path_with(path, "-wal");
    store->lock_path = path_with(path, ".lock");
    store->reserve_path = path_with(path, ".reserve");
    if (!store->path || !store->log_path || !store->lock_path || !store->reserve_path) {
        store_close(store);
        return NULL;
    }
    return store;
}

/* The file is made here and not by SQLite, which would let others read it; its log takes after it.
 */
static int make_file(const char *path, struct err *err)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return err_set_errno(err, errno, "cannot open the store %s", path);
    struct stat status;
    int r = 0;
    if (fstat(descriptor, &status) < 0)
        r = err_set_errno(err, errno, "cannot open the store %s", path);
    else if (!S_ISREG(status.st_mode))
        r = err_set(err, ERR_INVALID, "the store %s is not a regular file", path);
    close(descriptor);
    return r;
}

/* Counting what it allocates would have every one of SQLite's allocations wait for one lock. */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused where it is in use already */
}

int store_open(struct store **ret_store, const char *path, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    struct store *store = store_new(path);
    if (!store)
        return err_memory(err, "the store");
    int r = lock_take(&store->lock, store->lock_path, store->path, err);
    if (r < 0)
        goto out;
    r = make_file(store->path, err);
    if (r < 0)
        goto out;
    r = connection_open_write(&store->writer, store->path, err);
    if (r < 0)
        goto out;
    r = schema_migrate(&store->writer, schema_steps, schema_step_count, err);
    if (r < 0)
        goto out;
    r = file_sync_parent(store->path, err);
    if (r < 0)
        goto out;
    /* A full disk is no reason not to open: the reserve and the rest of a drop wait for room. */
    bool purged = false;
    if (space_reserve(store, NULL) == 0)
        (void)collection_purge(store, &purged, NULL);
    *ret_store = store;
    store = NULL;
out:
    store_close(store);
    return r;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < STORE_READERS; i++)
        connection_close(&store->readers[i]);
    connection_close(&store->writer); /* the last one: SQLite checkpoints and removes the log */
    lock_release(store->lock);
    pthread_cond_destroy(&store->read_idle);
    pthread_mutex_destroy(&store->read_mutex);
    pthread_cond_destroy(&store->write_turn);
    pthread_mutex_destroy(&store->write_mutex);
    free(store->path);
    free(store->log_path);
    free(store->lock_path);
    free(store->reserve_path);
    free(store);
}

static int64_t file_bytes(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)status.st_size : 0;
}

int64_t store_bytes(struct store *store)
{
    return file_bytes(store->path) + file_bytes(store->log_path);
}

/* --- transactions --- */

static void give_reader_back(struct store *store, struct connection *connection)
{
    pthread_mutex_lock(&store->read_mutex);
    store->idle[store->idle_count++] = connection;
    pthread_cond_signal(&store->read_idle);
    pthread_mutex_unlock(&store->read_mutex);
}

int store_read_begin(struct store *store, struct connection **ret_connection, struct err *err)
{
    pthread_mutex_lock(&store->read_mutex);
    while (store->idle_count == 0)
        pthread_cond_wait(&store->read_idle, &store->read_mutex);
    struct connection *connection = store->idle[--store->idle_count];
    pthread_mutex_unlock(&store->read_mutex);

    int r = 0;
    if (!connection->db)
        r = connection_open_read(connection, store->path, err);
    if (r == 0) {
        struct query query;
        query_begin(&query, connection, "BEGIN");
        r = query_run(&query, err);
    }
    if (r < 0) {
        give_reader_back(store, connection);
        return r;
    }
    *ret_connection = connection;
    return 0;
}

void store_read_end(struct store *store, struct connection *connection)
{
    struct query query;
    query_begin(&query, connection, "COMMIT");
    if (query_run(&query, NULL) < 0)
        connection_close(connection); /* whatever it was, the next reader starts afresh */
    give_reader_back(store, connection);
}

void store_write_lock(struct store *store)
{
    pthread_mutex_lock(&store->write_mutex);
    uint64_t ticket = store->next_ticket++;
    while (store->served != ticket)
        pthread_cond_wait(&store->write_turn, &store->write_mutex);
    pthread_mutex_unlock(&store->write_mutex);
}

void store_write_unlock(struct store *store)
{
    pthread_mutex_lock(&store->write_mutex);
    store->served++;
    pthread_cond_broadcast(&store->write_turn);
    pthread_mutex_unlock(&store->write_mutex);
}

int store_write_begin(struct store *store, struct connection **ret_connection, struct err *err)
{
    store_write_lock(store);
    struct query query;
    query_begin(&query, &store->writer, "BEGIN IMMEDIATE");
    int r = query_run(&query, err);
    if (r < 0) {
        store_write_unlock(store);
        return r;
    }
    *ret_connection = &store->writer;
    return 0;
}

int store_write_end(struct store *store, int r, struct err *err)
{
    struct query query;
    if (r == 0) {
        query_begin(&query, &store->writer, "COMMIT");
        r = query_run(&query, err);
    }
    /* A full disk may have rolled it back already. */
    if (r != 0 && !sqlite3_get_autocommit(store->writer.db)) {
        query_begin(&query, &store->writer, "ROLLBACK");
        (void)query_run(&query, NULL);
    }
    store_write_unlock(store);
    return r;
}
