/* A set of ids, as 128-bit hashes: millions of them in little memory. Two ids with one hash are
 * beyond chance. A zeroed struct is an empty set. One owner at a time. */
#ifndef SBERT_CLI_INDEX_IDSET_H
#define SBERT_CLI_INDEX_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset {
    struct idset_slot {
        uint64_t low, high; /* both 0: free */
    } * slots;
    size_t count, capacity; /* capacity is 0 or a power of two */
};

/* 0 or ERR_MEMORY. */
int idset_add(struct idset *set, const char *id);
bool idset_has(const struct idset *set, const char *id);
void idset_release(struct idset *set);

#endif
