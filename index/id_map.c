/* Where each live id is: an open-addressing hash table. */
#include "index/id_map.h"

#include <stdlib.h>

#include "base/err.h"

enum { LEAST_CAPACITY = 16 };

/* The finalizer of MurmurHash3 (Appleby, public domain): every bit of the id reaches every bit. */
static size_t hash_id(int64_t id)
{
    uint64_t h = (uint64_t)id;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    h ^= h >> 33;
    return (size_t)h;
}

/* The slot that holds the id, or the free one where it belongs. At most 2/3 are ever taken. */
static size_t find_slot(const struct id_map *map, int64_t id)
{
    size_t mask = map->capacity - 1;
    size_t slot = hash_id(id) & mask;
    while (map->entries[slot].id && map->entries[slot].id != id)
        slot = (slot + 1) & mask;
    return slot;
}

int id_map_reserve(struct id_map *map, size_t extra)
{
    size_t capacity = map->capacity ? map->capacity : LEAST_CAPACITY;

    if (extra > SIZE_MAX / 4 / sizeof *map->entries - map->count)
        return ERR_MEMORY;
    while (capacity - capacity / 3 < map->count + extra)
        capacity *= 2;
    if (capacity == map->capacity)
        return 0;
    struct id_map larger = {.capacity = capacity, .count = map->count};
    larger.entries = calloc(capacity, sizeof *larger.entries);
    if (!larger.entries)
        return ERR_MEMORY;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].id)
            larger.entries[find_slot(&larger, map->entries[i].id)] = map->entries[i];
    free(map->entries);
    *map = larger;
    return 0;
}

void id_map_set(struct id_map *map, int64_t id, struct id_place place)
{
    struct id_map_entry *entry = &map->entries[find_slot(map, id)];
    map->count += !entry->id;
    *entry = (struct id_map_entry){id, place};
}

bool id_map_get(const struct id_map *map, int64_t id, struct id_place *ret_place)
{
    if (!map->count || id <= 0)
        return false;
    const struct id_map_entry *entry = &map->entries[find_slot(map, id)];
    if (!entry->id)
        return false;
    if (ret_place)
        *ret_place = entry->place;
    return true;
}

void id_map_remove(struct id_map *map, int64_t id)
{
    if (!id_map_get(map, id, NULL))
        return;
    size_t mask = map->capacity - 1;
    size_t hole = find_slot(map, id);
    /* An entry behind the hole moves into it unless its own first slot lies after the hole. */
    for (size_t slot = (hole + 1) & mask; map->entries[slot].id; slot = (slot + 1) & mask) {
        size_t first = hash_id(map->entries[slot].id) & mask;
        if (((slot - first) & mask) >= ((slot - hole) & mask)) {
            map->entries[hole] = map->entries[slot];
            hole = slot;
        }
    }
    map->entries[hole].id = 0;
    map->count--;
}

size_t id_map_bytes(const struct id_map *map)
{
    return map->capacity * sizeof *map->entries;
}

void id_map_release(struct id_map *map)
{
    free(map->entries);
    *map = (struct id_map){0};
}
