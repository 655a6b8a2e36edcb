/* Fuzzes the reader of packed weights: any bytes are refused with a reason, but for those that
 * begin with the right head and have the checksum that it gives. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "encoder/transformer/weight_cache.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    enum { WEIGHTS = 256 }; /* of the file in the corpus, whose key is 0, 1, 2 ... */
    uint8_t key[DIGEST_SIZE];
    uint64_t hash;
    struct err err = {0};

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    if (weight_cache_check(data, size, key, WEIGHTS, "input", &err) < 0) {
        require(err.code == ERR_CORRUPT && err.message[0] != '\0');
        return 0;
    }
    require(size == WEIGHT_CACHE_HEAD_SIZE + WEIGHTS);
    require(memcmp(data + 8, key, sizeof key) == 0);
    memcpy(&hash, data + 48, sizeof hash);
    require(XXH3_64bits(data + WEIGHT_CACHE_HEAD_SIZE, WEIGHTS) == hash);
    return 0;
}
