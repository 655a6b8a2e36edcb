/* The remembered hashes of files. It never fails for the cache's sake: only for the file's. */
#include "encoder/model/hash_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"

enum {
    REMEMBERED_SIZE = 1 << 20, /* smaller files are hashed faster than the cache is read */
    CACHE_LIMIT = 4 << 20,
    SETTLED_SECONDS = 2, /* no file system keeps coarser times */
    CACHE_VERSION = 2,
};

/* What must be unchanged for a remembered hash to count. */
struct identity {
    json_int_t device, inode, size, mtime, mtime_ns; /* the time's seconds, and the rest of it */
};

static int identify(const char *path, struct identity *ret_identity, struct err *err)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return err_set_errno(err, errno, "cannot read %s", path);
    ret_identity->device = (json_int_t)status.st_dev;
    ret_identity->inode = (json_int_t)status.st_ino;
    ret_identity->size = (json_int_t)status.st_size;
    ret_identity->mtime = (json_int_t)status.st_mtim.tv_sec;
    ret_identity->mtime_ns = (json_int_t)status.st_mtim.tv_nsec;
    return 0;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime == b->mtime && a->mtime_ns == b->mtime_ns;
}

static bool settled(const struct identity *identity)
{
    return identity->mtime < (json_int_t)time(NULL) - SETTLED_SECONDS;
}

/* The cache's path in fresh memory, its folder made; NULL where there can be none. */
static char *cache_path(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *folder = NULL, *path = NULL;

    if (cache && cache[0] == '/') {
        folder = file_join(cache, "sbertd");
    } else if (home && *home) {
        folder = file_join(home, ".cache/sbertd");
    }
    if (folder && file_make_folder(folder, 0700, NULL) == 0)
        path = file_join(folder, "hashes.json");
    free(folder);
    return path;
}

/* The cache's contents; an empty one where it is absent, damaged, or of another version. */
static json_t *read_cache(const char *path)
{
    json_t *cache = NULL;

    if (json_read_object(&cache, path, CACHE_LIMIT, NULL) < 0)
        cache = NULL;
    if (cache && (json_integer_value(json_object_get(cache, "version")) != CACHE_VERSION ||
                  !json_is_object(json_object_get(cache, "files")))) {
        json_decref(cache);
        cache = NULL;
    }
    return cache ? cache : json_pack("{s:i, s:{}}", "version", CACHE_VERSION, "files");
}

static bool is_hex(const char *hex)
{
    return strlen(hex) == DIGEST_HEX_SIZE - 1 &&
           strspn(hex, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

static bool look_up(const json_t *cache, const char *path, const struct identity *identity,
                    char ret_hex[DIGEST_HEX_SIZE])
{
    json_t *entry = json_object_get(json_object_get(cache, "files"), path);
    struct identity kept;
    const char *hex;

    if (json_unpack(entry, "{s:I, s:I, s:I, s:I, s:I, s:s}", "device", &kept.device, "inode",
                    &kept.inode, "size", &kept.size, "mtime", &kept.mtime, "mtime_ns",
                    &kept.mtime_ns, "sha256", &hex) < 0 ||
        !same_identity(&kept, identity) || !is_hex(hex))
        return false;
    memcpy(ret_hex, hex, DIGEST_HEX_SIZE);
    return true;
}

/* Adds the entry, drops those of files that are gone, and replaces the cache. */
static void remember(json_t *cache, const char *cache_file, const char *path,
                     const struct identity *identity, const char *hex)
{
    json_t *files = json_object_get(cache, "files"), *entry;
    const char *key;
    void *next;

    json_object_foreach_safe(files, next, key, entry)
    {
        if (!file_exists(key))
            json_object_del(files, key);
    }
    entry = json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "device", identity->device, "inode",
                      identity->inode, "size", identity->size, "mtime", identity->mtime, "mtime_ns",
                      identity->mtime_ns, "sha256", hex);
    if (!entry || json_object_set_new(files, path, entry) < 0)
        return;
    char *text = json_dumps(cache, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (text)
        (void)file_write(cache_file, text, strlen(text), 0600, NULL);
    free(text);
}

int hash_cache_file(const char *path, char ret_hex[DIGEST_HEX_SIZE], struct err *err)
{
    struct identity before, after;
    char *cache_file = NULL, *whole_path = NULL;
    json_t *cache = NULL;

    int r = identify(path, &before, err);
    if (r < 0)
        return r;
    if (before.size < REMEMBERED_SIZE)
        return digest_file_hex(path, ret_hex, err);

    whole_path = realpath(path, NULL);
    cache_file = cache_path();
    if (cache_file)
        cache = read_cache(cache_file);
    if (whole_path && cache && look_up(cache, whole_path, &before, ret_hex))
        goto out;
    r = digest_file_hex(path, ret_hex, err);
    if (r == 0 && whole_path && cache && settled(&before) && identify(path, &after, NULL) == 0 &&
        same_identity(&before, &after))
        remember(cache, cache_file, whole_path, &before, ret_hex);
out:
    json_decref(cache);
    free(cache_file);
    free(whole_path);
    return r;
}
