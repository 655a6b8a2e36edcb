/* A store in a folder of its own with one collection "c" of dimension 4, and short ways to put and
 * to look. Shared by the tests of this room. */
#ifndef SBERT_TESTS_STORAGE_FIXTURE_H
#define SBERT_TESTS_STORAGE_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/digest.h"
#include "storage/store.h"
#include "tests/test.h"

enum { DIMENSION = 4 };

struct world {
    char folder[64];
    char path[96];
    struct store *store;
    struct store_collection collection;
    struct arena arena;
    struct err err;
};

static inline int remove_entry(const char *path, const struct stat *status, int type,
                               struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

/* Fails the test with the store's own words. */
#define expect_ok(world, call)                                                                     \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, (world)->err.message);                                       \
    } while (0)

static inline void world_create_collection(struct world *world, const char *name,
                                           struct store_collection *ret_collection)
{
    *ret_collection = (struct store_collection){.dimension = DIMENSION,
                                                .model = "m",
                                                .fingerprint = "f",
                                                .precision = "f32",
                                                .metric = "cosine",
                                                .index = "auto"};
    snprintf(ret_collection->name, sizeof ret_collection->name, "%s", name);
    expect_ok(world, store_collection_create(world->store, ret_collection, &world->err));
}

static inline int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    snprintf(world->folder, sizeof world->folder, "/tmp/sbertd-storage-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->path, sizeof world->path, "%s/store.sqlite3", world->folder);
    expect_ok(world, store_open(&world->store, world->path, &world->err));
    world_create_collection(world, "c", &world->collection);
    *state = world;
    return 0;
}

static inline void world_close(struct world *world)
{
    store_close(world->store);
    world->store = NULL;
}

static inline int world_teardown(void **state)
{
    struct world *world = *state;
    world_close(world);
    arena_release(&world->arena);
    nftw(world->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

static inline void world_reopen(struct world *world)
{
    world_close(world);
    expect_ok(world, store_open(&world->store, world->path, &world->err));
    expect_ok(world, store_collection_find(world->store, world->collection.name, &world->collection,
                                           &world->err));
}

/* A document of one passage (its whole text) whose vector is `value` in every place; NULL `vector`:
 * it comes without passages. */
struct made {
    struct store_document document;
    struct store_passage passage;
    float vector[DIMENSION];
};

static inline struct store_document *make_document(struct made *made, const char *id,
                                                   const char *text, const char *metadata,
                                                   const char *path, float value)
{
    *made = (struct made){0};
    made->document = (struct store_document){.id = id,
                                             .text = text,
                                             .text_size = strlen(text),
                                             .metadata = metadata,
                                             .source = {.path = path},
                                             .passages = &made->passage,
                                             .passage_count = 1};
    assert_int_equal(digest_bytes(text, strlen(text), made->document.text_hash, NULL), 0);
    for (int i = 0; i < DIMENSION; i++)
        made->vector[i] = value;
    made->passage = (struct store_passage){.end = strlen(text), .vector = made->vector};
    return &made->document;
}

/* Puts one document, with its own passage where `value` is not 0; the arena keeps the changes. */
static inline enum store_state put_one(struct world *world, const char *id, const char *text,
                                       const char *metadata, const char *path, float value,
                                       struct store_changes *ret_changes)
{
    struct made made;
    enum store_state state = STORE_NEW;
    struct store_changes changes;
    make_document(&made, id, text, metadata, path, value);
    if (value == 0.0f)
        made.document.passages = NULL, made.document.passage_count = 0;
    expect_ok(world, store_put(world->store, world->collection.key, &made.document, 1, &state,
                               &world->arena, &changes, &world->err));
    if (ret_changes)
        *ret_changes = changes;
    return state;
}

static inline size_t delete_one(struct world *world, const char *id, const char *source,
                                struct store_changes *ret_changes)
{
    struct store_changes changes;
    size_t deleted = 99;
    expect_ok(world, store_delete(world->store, world->collection.key, &id, 1, source, &deleted,
                                  &world->arena, &changes, &world->err));
    if (ret_changes)
        *ret_changes = changes;
    return deleted;
}

static inline bool has_document(struct world *world, const char *id)
{
    struct store_row row;
    int r = store_get(world->store, world->collection.key, id, &world->arena, &row, &world->err);
    assert_true(r == 0 || r == ERR_NOT_FOUND);
    return r == 0;
}

static inline void refresh(struct world *world)
{
    expect_ok(world, store_collection_find(world->store, world->collection.name, &world->collection,
                                           &world->err));
}

#endif
