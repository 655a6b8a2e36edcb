/* An arena: a list of blocks, each larger than the one before. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 4096 };

struct arena_block {
    struct arena_block *next;
    alignas(max_align_t) unsigned char bytes[];
};

static size_t round_up(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX / 4) / size)
        return NULL;
    size_t wanted = round_up(count * size);
    if (wanted > arena->capacity - arena->used || !arena->blocks) {
        size_t capacity = arena->capacity ? arena->capacity * 2 : FIRST_BLOCK;
        if (capacity < wanted)
            capacity = wanted;
        struct arena_block *block = malloc(sizeof *block + capacity);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->capacity = capacity;
        arena->used = 0;
    }
    void *memory = arena->blocks->bytes + arena->used;
    arena->used += wanted;
    memset(memory, 0, wanted);
    return memory;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t size)
{
    char *copy = arena_alloc(arena, size + 1, 1);
    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

void arena_release(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block;) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct arena){0};
}
