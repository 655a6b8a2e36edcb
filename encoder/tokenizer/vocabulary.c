/* The hash table behind vocabulary.h: linear probing, at most half full. */
#include "encoder/tokenizer/vocabulary.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int vocabulary_random(uint64_t *ret_bits, struct err *err)
{
    if (getentropy(ret_bits, sizeof *ret_bits) < 0)
        return err_set_errno(err, errno, "no random number");
    return 0;
}

int vocabulary_open(struct vocabulary *vocabulary, struct arena *arena, size_t capacity,
                    size_t id_count, struct err *err)
{
    size_t slots = 16;

    if (capacity > VOCABULARY_ID_LIMIT || id_count > VOCABULARY_ID_LIMIT)
        return err_set(err, ERR_LIMIT, "a vocabulary may have at most %d pieces",
                       VOCABULARY_ID_LIMIT);
    while (slots < capacity * 2)
        slots *= 2;
    *vocabulary = (struct vocabulary){.capacity = capacity, .mask = slots - 1};
    vocabulary->pieces = arena_alloc(arena, capacity + 1, sizeof *vocabulary->pieces);
    vocabulary->slots = arena_alloc(arena, slots, sizeof *vocabulary->slots);
    vocabulary->by_id = arena_alloc(arena, id_count + 1, sizeof *vocabulary->by_id);
    vocabulary->id_count = id_count;
    if (!vocabulary->pieces || !vocabulary->slots || !vocabulary->by_id)
        return err_memory(err, "the vocabulary");
    int r = vocabulary_random(&vocabulary->base, err);
    vocabulary->base >>= 4; /* below 2^60 */
    return r;
}

static uint64_t hash_of(const struct vocabulary *vocabulary, const char *text, size_t size)
{
    uint64_t hash = VOCABULARY_HASH_START;
    for (size_t i = 0; i < size; i++)
        hash = vocabulary_hash(vocabulary, hash, text[i]);
    return hash;
}

/* The first slot to look in, by other bits than those that the slot keeps. */
static size_t slot_of(const struct vocabulary *vocabulary, uint64_t hash)
{
    return (size_t)hash & vocabulary->mask;
}

static uint32_t kept_of(uint64_t hash)
{
    return (uint32_t)(hash >> 29);
}

const struct piece *vocabulary_probe(const struct vocabulary *vocabulary, uint64_t hash,
                                     const char *prefix, size_t prefix_size, const char *text,
                                     size_t size)
{
    size_t slot = slot_of(vocabulary, hash);
    uint32_t kept = kept_of(hash);
    for (; vocabulary->slots[slot].piece != 0; slot = (slot + 1) & vocabulary->mask) {
        if (vocabulary->slots[slot].hash != kept)
            continue;
        const struct piece *piece = &vocabulary->pieces[vocabulary->slots[slot].piece - 1];
        if (piece->size == prefix_size + size && memcmp(piece->text, prefix, prefix_size) == 0 &&
            memcmp(piece->text + prefix_size, text, size) == 0)
            return piece;
    }
    return NULL;
}

const struct piece *vocabulary_find(const struct vocabulary *vocabulary, const char *text,
                                    size_t size)
{
    return vocabulary_probe(vocabulary, hash_of(vocabulary, text, size), "", 0, text, size);
}

int vocabulary_add(struct vocabulary *vocabulary, struct arena *arena, const char *text,
                   size_t size, uint32_t id, struct err *err)
{
    uint64_t hash = hash_of(vocabulary, text, size);
    const struct piece *known = vocabulary_probe(vocabulary, hash, "", 0, text, size);

    if (size > VOCABULARY_PIECE_LIMIT)
        return err_set(err, ERR_LIMIT, "the piece with id %u is longer than %d bytes", id,
                       VOCABULARY_PIECE_LIMIT);
    if (id >= vocabulary->id_count || (!known && vocabulary->count == vocabulary->capacity))
        return err_set(err, ERR_INTERNAL, "the vocabulary was opened too small for id %u", id);
    if (vocabulary->by_id[id])
        return err_set(err, ERR_CORRUPT, "the pieces '%.40s' and '%.*s' both have the id %u",
                       vocabulary->by_id[id], size < 40 ? (int)size : 40, text, id);
    if (known) {
        struct piece *piece = &vocabulary->pieces[known - vocabulary->pieces];
        vocabulary->by_id[piece->id] = NULL;
        vocabulary->by_id[id] = piece->text;
        piece->id = id;
        return 0;
    }
    char *copy = arena_copy(arena, text, size);
    if (!copy)
        return err_memory(err, "the vocabulary");
    size_t slot = slot_of(vocabulary, hash);
    while (vocabulary->slots[slot].piece != 0)
        slot = (slot + 1) & vocabulary->mask;
    vocabulary->pieces[vocabulary->count++] = (struct piece){copy, (uint32_t)size, id};
    vocabulary->slots[slot] = (struct vocabulary_slot){kept_of(hash), (uint32_t)vocabulary->count};
    vocabulary->by_id[id] = copy;
    if (size > vocabulary->longest)
        vocabulary->longest = size;
    return 0;
}
