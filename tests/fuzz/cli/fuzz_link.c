/* Any bytes as a Link header of the hub: what it says to go on with is a piece of it without angle
 * brackets' end, and nothing behind the header is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *links = malloc(size + 1);
    if (!links)
        return 0;
    if (size)
        memcpy(links, data, size);
    links[size] = '\0';
    char *next = listing_next(links);
    if (next && (!strstr(links, next) || strchr(next, '>') || !strstr(links, "rel=\"next\"")))
        abort();
    free(next);
    free(links);
    return 0;
}
