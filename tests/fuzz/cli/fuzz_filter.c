/* Fuzzing of filters as they are typed: whatever is accepted is a filter that the daemon reads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/filter.h"
#include "daemon/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    json_t *filter = NULL;
    char *text =
        malloc(size ? size : 1); /* exactly as long, so that reading over the end is seen */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    if (filter_parse(&filter, text, size, &err) == 0) {
        struct arena arena = {0};
        struct engine_filter read;
        struct wire_fault fault = {0};
        int r = wire_read_filter(filter, "filter", &arena, &read, &fault);
        /* A field may have a name that is too long, and a list too many values. */
        if (r < 0 && fault.err.code != ERR_LIMIT && !strstr(fault.param, "key"))
            abort();
        arena_release(&arena);
        json_decref(filter);
    } else if (!*err.message) {
        abort();
    }
    free(text);
    return 0;
}
