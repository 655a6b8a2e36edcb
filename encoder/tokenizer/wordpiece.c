/* Longest match first. The hashes of all beginnings of what is left of the word come from one pass;
 * then the vocabulary is asked from the longest down.
 */
#include "encoder/tokenizer/wordpiece.h"

/* The longest piece that word[0..size) starts with, after `prefix`; NULL where there is none. */
static const struct piece *longest_piece(const struct wordpiece *model, const char *prefix,
                                         size_t prefix_size, uint64_t hash, const char *word,
                                         size_t size)
{
    uint64_t hashes[VOCABULARY_PIECE_LIMIT];
    size_t longest = model->vocabulary->longest;

    if (longest <= prefix_size)
        return NULL;
    if (size > longest - prefix_size)
        size = longest - prefix_size;
    for (size_t i = 0; i < size; i++)
        hashes[i] = hash = vocabulary_hash(model->vocabulary, hash, word[i]);
    for (; size > 0; size--) {
        const struct piece *piece =
            vocabulary_probe(model->vocabulary, hashes[size - 1], prefix, prefix_size, word, size);
        if (piece)
            return piece;
    }
    return NULL;
}

size_t wordpiece_split(const struct wordpiece *model, const char *word, size_t size, size_t chars,
                       struct word_part *ret_parts)
{
    size_t count = 0, at = 0;

    while (at < size && chars <= model->max_chars) {
        const struct piece *piece =
            at == 0 ? longest_piece(model, "", 0, VOCABULARY_HASH_START, word, size)
                    : longest_piece(model, model->prefix, model->prefix_size, model->prefix_hash,
                                    word + at, size - at);
        if (!piece)
            break;
        size_t end = at + piece->size - (at == 0 ? 0 : model->prefix_size);
        ret_parts[count++] = (struct word_part){piece->id, (uint32_t)at, (uint32_t)end};
        at = end;
    }
    if (at < size) {
        ret_parts[0] = (struct word_part){model->unknown_id, 0, (uint32_t)size};
        return 1;
    }
    return count;
}
