/* What writing and reading a snapshot share: its checksum, table and padding. */
#include "index/snapshot.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t snapshot_checksum(const struct snapshot_header *header)
{
    struct snapshot_header zeroed = *header;
    XXH3_state_t state;

    zeroed.checksum = 0;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &zeroed, sizeof zeroed);
    XXH3_64bits_update(&state, header + 1, header->part_count * sizeof(struct snapshot_part));
    return XXH3_64bits_digest(&state);
}

uint64_t snapshot_part_checksum(const struct snapshot_part *part, const void *contents)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, contents, (size_t)snapshot_padded(part->size));
    XXH3_64bits_update(&state, part, offsetof(struct snapshot_part, checksum));
    return XXH3_64bits_digest(&state);
}

struct snapshot_part *snapshot_table(struct snapshot_header *header)
{
    return (struct snapshot_part *)(header + 1);
}

uint64_t snapshot_padded(uint64_t size)
{
    return (size + SNAPSHOT_ALIGNMENT - 1) / SNAPSHOT_ALIGNMENT * SNAPSHOT_ALIGNMENT;
}
