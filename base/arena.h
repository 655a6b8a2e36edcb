/* Memory that is freed as one: what a request needs lives and dies with it.
 *
 * A zeroed struct is an empty arena. Allocations are aligned for any type and stay where they are.
 * Not thread-safe: one owner at a time.
 */
#ifndef SBERT_BASE_ARENA_H
#define SBERT_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used;     /* bytes handed out of the newest block */
    size_t capacity; /* bytes in the newest block */
};

/* `count` objects of `size` bytes, zeroed; NULL when memory runs out or count * size overflows. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of `size` bytes; NULL when memory runs out. */
char *arena_copy(struct arena *arena, const char *bytes, size_t size);

/* Frees everything allocated from it; the arena is empty and usable again. */
void arena_release(struct arena *arena);

#endif
