/* Random numbers that are a function of where they are used: no state goes from one to the next, so
 * a run that was interrupted goes on with the same bits, and threads need not take turns.
 *
 * Sources: the finaliser of SplitMix64 (Steele et al., 2014) for keys; the 32-bit mixer "lowbias32"
 * (Wellons, 2018), applied twice, for what is drawn under a key.
 */
#ifndef SBERT_ENCODER_TRAIN_RANDOM_H
#define SBERT_ENCODER_TRAIN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* A key for `what` below another key. */
static inline uint64_t random_key(uint64_t key, uint64_t what)
{
    uint64_t x = key + (what + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint32_t random_mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* The i-th number under a key, uniform over 32 bits. */
static inline uint32_t random_bits(uint64_t key, uint32_t i)
{
    return random_mix(random_mix(i ^ (uint32_t)key) + (uint32_t)(key >> 32));
}

/* The i-th number under a key below `bound`, which is at most 2^32: by multiplication, with a bias
 * of no more than bound / 2^32. */
static inline size_t random_below(uint64_t key, size_t i, size_t bound)
{
    return (size_t)((random_key(key, i) >> 32) * bound >> 32);
}

/* Shuffles `count` numbers (Fisher and Yates). */
static inline void random_shuffle(uint64_t key, size_t *numbers, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below(key, i, i), last = numbers[i - 1];
        numbers[i - 1] = numbers[j];
        numbers[j] = last;
    }
}

#endif
