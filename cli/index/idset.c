/* The set of ids: open addressing, linear probing, at most two thirds full. */
#include "cli/index/idset.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/err.h"

static struct idset_slot slot_of(const char *id)
{
    XXH128_hash_t hash = XXH3_128bits(id, strlen(id));
    struct idset_slot slot = {.low = hash.low64, .high = hash.high64};
    if (slot.low == 0 && slot.high == 0)
        slot.low = 1;
    return slot;
}

/* The place of a hash, or the free one where it belongs. */
static struct idset_slot *find(struct idset_slot *slots, size_t capacity, struct idset_slot wanted)
{
    for (size_t i = wanted.low & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        bool is_free = slots[i].low == 0 && slots[i].high == 0;
        if (is_free || (slots[i].low == wanted.low && slots[i].high == wanted.high))
            return &slots[i];
    }
}

static int grow(struct idset *set)
{
    size_t capacity = set->capacity ? set->capacity * 2 : 8;
    struct idset_slot *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return ERR_MEMORY;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].low || set->slots[i].high)
            *find(slots, capacity, set->slots[i]) = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return 0;
}

int idset_add(struct idset *set, const char *id)
{
    if (set->count >= set->capacity / 3 * 2 && grow(set) < 0)
        return ERR_MEMORY;
    struct idset_slot wanted = slot_of(id);
    struct idset_slot *slot = find(set->slots, set->capacity, wanted);
    if (slot->low == 0 && slot->high == 0)
        set->count++;
    *slot = wanted;
    return 0;
}

bool idset_has(const struct idset *set, const char *id)
{
    if (set->count == 0)
        return false;
    const struct idset_slot *slot = find(set->slots, set->capacity, slot_of(id));
    return slot->low != 0 || slot->high != 0;
}

void idset_release(struct idset *set)
{
    free(set->slots);
    *set = (struct idset){0};
}
