/* Disk space: a reserve that lets deletes through on a full disk, and what is done after deletes.
 *
 * A delete has to write too: the log grows by each page it touches. So some megabytes are set aside
 * in a file of their own, puts are refused while they cannot be, and a delete that finds the disk
 * full gives them up.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "storage/internal.h"

enum {
    RESERVE_BYTES = 16 << 20,
    FREE_PAGES_KEPT = 512, /* smaller free lists are left for the next puts */
    FREE_PART_KEPT = 4,    /* and so are those under a quarter of the file */
};

int space_reserve(struct store *store, struct err *err)
{
    if (store->reserved)
        return 0;
    int descriptor = open(store->reserve_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return err_set_errno(err, errno, "cannot open %s", store->reserve_path);
    int reason = posix_fallocate(descriptor, 0, RESERVE_BYTES);
    if (reason) /* what it got so far would be missed elsewhere */
        (void)!ftruncate(descriptor, 0);
    close(descriptor);
    if (reason)
        return err_set_errno(err, reason,
                             "cannot set %d MiB aside in %s, which deletes need on a full disk",
                             RESERVE_BYTES >> 20, store->reserve_path);
    store->reserved = true;
    return 0;
}

bool space_release_reserve(struct store *store)
{
    store_write_lock(store);
    bool released = store->reserved && truncate(store->reserve_path, 0) == 0;
    if (released) {
        store->reserved = false;
        /* What the log holds already need not stand in the way of what is to be written. */
        (void)connection_execute(&store->writer, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    }
    store_write_unlock(store);
    return released;
}

/* Whether so many free pages are worth moving others for. */
static bool worth_giving(int64_t free_pages, int64_t pages, bool all)
{
    if (all)
        return free_pages > 0;
    return free_pages > FREE_PAGES_KEPT && free_pages > pages / FREE_PART_KEPT;
}

/* One step; *ret_more tells whether another is due. The caller holds the write lock. */
static int give_step(struct store *store, bool all, bool *ret_more)
{
    int64_t before = 0, after = 0, pages = 0;
    int r = connection_number(&store->writer, "PRAGMA freelist_count", &before, NULL);
    if (r == 0)
        r = connection_number(&store->writer, "PRAGMA page_count", &pages, NULL);
    *ret_more = r == 0 && worth_giving(before, pages, all);
    if (!*ret_more)
        return r;
    /* Few enough pages that another writer does not wait long. */
    r = connection_execute(&store->writer, "PRAGMA incremental_vacuum(512)", NULL);
    if (r == 0)
        r = connection_number(&store->writer, "PRAGMA freelist_count", &after, NULL);
    if (r == 0 && after >= before)
        *ret_more = false;
    return r;
}

/* Hands free pages back, all of them or only once they are a good part of the file, empties the log
 * and sets the reserve aside again. */
static void give_back(struct store *store, bool all)
{
    bool more = true, gave = all; /* `all` wants the log emptied in any case */
    int r = 0;
    while (r == 0 && more) {
        store_write_lock(store);
        r = give_step(store, all, &more);
        all = gave = gave || more; /* once begun, to the end */
        store_write_unlock(store);
    }
    store_write_lock(store);
    if (gave)
        (void)connection_execute(&store->writer, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    (void)space_reserve(store, NULL);
    store_write_unlock(store);
}

static void tidy_once(struct store *store)
{
    bool dropped = false;
    store_write_lock(store);
    store->dropped = false;
    store_write_unlock(store);
    int r = collection_purge(store, &dropped, NULL);
    if (r == ERR_NO_SPACE && space_release_reserve(store))
        (void)collection_purge(store, &dropped, NULL);
    store_write_lock(store);
    bool full = !store->reserved; /* a delete gave it up */
    store_write_unlock(store);
    give_back(store, dropped || full);
}

void store_tidy(struct store *store)
{
    store_write_lock(store);
    bool go_on = !store->tidying; /* one at a time: a small delete need not wait for a large drop */
    store->tidying = true;
    store_write_unlock(store);
    while (go_on) {
        tidy_once(store);
        store_write_lock(store);
        go_on = store->tidying = store->dropped;
        store_write_unlock(store);
    }
}
