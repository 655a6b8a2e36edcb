/* Reading and writing the file of packed weights. It doesn't know what is packed, nor when. */
#include "encoder/transformer/weight_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are used as they lie in files");

enum { STALE_SECONDS = 60 * 60 };

static const char magic[8] = "sbertdW1";

struct head {
    char magic[sizeof magic];
    uint8_t key[DIGEST_SIZE];
    uint64_t size, weights_hash, head_hash;
};
_Static_assert(sizeof(struct head) == 64, "the head has no gaps");

static uint64_t hash_head(const struct head *head)
{
    return XXH3_64bits(head, offsetof(struct head, head_hash));
}

char *weight_cache_path(const char *folder, const char *precision, const char *isa)
{
    char *path;
    return asprintf(&path, "%s/sbertd-%s-%s.weights", folder, precision, isa) < 0 ? NULL : path;
}

int weight_cache_check(const void *data, size_t data_size, const uint8_t key[DIGEST_SIZE],
                       size_t size, const char *name, struct err *err)
{
    struct head head;

    if (data_size < WEIGHT_CACHE_HEAD_SIZE)
        return err_set(err, ERR_CORRUPT, "%s is too short", name);
    memcpy(&head, data, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0 || head.head_hash != hash_head(&head))
        return err_set(err, ERR_CORRUPT, "%s is no file of packed weights", name);
    if (memcmp(head.key, key, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "%s is of other weights", name);
    if (head.size != size || data_size - WEIGHT_CACHE_HEAD_SIZE != size)
        return err_set(err, ERR_CORRUPT, "%s has not the size that the weights have", name);
    if (XXH3_64bits((const char *)data + WEIGHT_CACHE_HEAD_SIZE, size) != head.weights_hash)
        return err_set(err, ERR_CORRUPT, "%s is damaged: its checksum is wrong", name);
    return 0;
}

int weight_cache_open(struct weight_cache *ret_cache, const char *path,
                      const uint8_t key[DIGEST_SIZE], size_t size, struct err *err)
{
    struct file_map map;
    int r = file_map(&map, path, err);
    if (r < 0)
        return r;
    r = weight_cache_check(map.data, map.size, key, size, path, err);
    if (r < 0) {
        file_unmap(&map);
        return r;
    }
    *ret_cache = (struct weight_cache){.map = map, .weights = map.data + WEIGHT_CACHE_HEAD_SIZE};
    return 0;
}

void weight_cache_close(struct weight_cache *cache)
{
    file_unmap(&cache->map);
    *cache = (struct weight_cache){0};
}

static int write_error(const struct weight_cache_writer *writer, struct err *err)
{
    return err_set_errno(err, errno, "cannot write %s", writer->replace.path);
}

/* Removes what writers left that ended in the middle. One that is at work touches its file all the
 * time, so only files that nobody wrote to for long go. What cannot be removed stays. */
static void remove_stale(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    DIR *dir = folder ? opendir(folder) : NULL;
    time_t now = time(NULL);
    struct dirent *entry;
    struct stat status;

    while (dir && (entry = readdir(dir)))
        if (fnmatch(WEIGHT_CACHE_PATTERN ".tmp.??????", entry->d_name, 0) == 0 &&
            fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && now - status.st_mtime > STALE_SECONDS)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    free(folder);
}

int weight_cache_begin(struct weight_cache_writer *ret_writer, const char *path,
                       const uint8_t key[DIGEST_SIZE], struct err *err)
{
    static const char empty_head[WEIGHT_CACHE_HEAD_SIZE];
    struct weight_cache_writer writer = {.hash = XXH3_createState()};

    if (!writer.hash)
        return err_memory(err, path);
    XXH3_64bits_reset(writer.hash);
    memcpy(writer.key, key, sizeof writer.key);
    remove_stale(path);
    int r = file_replace_begin(&writer.replace, path, 0644, err);
    if (r < 0) {
        XXH3_freeState(writer.hash);
        return r;
    }
    if (fwrite(empty_head, sizeof empty_head, 1, writer.replace.stream) != 1) {
        r = write_error(&writer, err);
        weight_cache_abort(&writer);
        return r;
    }
    *ret_writer = writer;
    return 0;
}

int weight_cache_add(struct weight_cache_writer *writer, const void *data, size_t size,
                     struct err *err)
{
    if (fwrite(data, 1, size, writer->replace.stream) != size)
        return write_error(writer, err);
    XXH3_64bits_update(writer->hash, data, size);
    writer->size += size;
    return 0;
}

int weight_cache_commit(struct weight_cache_writer *writer, struct err *err)
{
    struct head head = {.size = writer->size, .weights_hash = XXH3_64bits_digest(writer->hash)};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.key, writer->key, sizeof head.key);
    head.head_hash = hash_head(&head);
    if (fseek(writer->replace.stream, 0, SEEK_SET) < 0 ||
        fwrite(&head, sizeof head, 1, writer->replace.stream) != 1) {
        int r = write_error(writer, err);
        weight_cache_abort(writer);
        return r;
    }
    XXH3_freeState(writer->hash);
    return file_replace_commit(&writer->replace, err);
}

void weight_cache_abort(struct weight_cache_writer *writer)
{
    XXH3_freeState(writer->hash);
    file_replace_abort(&writer->replace);
}
