/* Where each live id is: id -> (segment number, position).
 *
 * Open addressing with linear probing; a removal shifts the entries behind it back, so there are
 * no markers to clean up. Ids are positive. A zeroed struct is an empty map. One owner at a time.
 */
#ifndef SBERT_INDEX_ID_MAP_H
#define SBERT_INDEX_ID_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_place {
    uint32_t segment;  /* struct segment's number */
    uint32_t position; /* of its row there */
};

struct id_map_entry {
    int64_t id; /* 0: free */
    struct id_place place;
};

struct id_map {
    struct id_map_entry *entries; /* (capacity), a power of two */
    size_t capacity;
    size_t count;
};

/* Makes room for `extra` more ids, so that id_map_set cannot fail for them. 0 or ERR_MEMORY, and
 * then the map is as it was. */
int id_map_reserve(struct id_map *map, size_t extra);

/* Adds an id (room must be reserved) or changes the place of one that is there. */
void id_map_set(struct id_map *map, int64_t id, struct id_place place);

/* False, with *ret_place untouched, where the id is not there. `ret_place` may be NULL. */
bool id_map_get(const struct id_map *map, int64_t id, struct id_place *ret_place);

/* Does nothing where the id is not there. */
void id_map_remove(struct id_map *map, int64_t id);

size_t id_map_bytes(const struct id_map *map);

void id_map_release(struct id_map *map);

#endif
