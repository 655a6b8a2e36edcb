/* Any bytes as the hub's listing of a model: it is refused with a sentence, or every file of it has
 * a path that stays within the model's folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/model/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(const struct registry_file *file)
{
    const char *path = file->path;

    if (!*path || *path == '/' || strstr(path, "//") || strncmp(path, "../", 3) == 0 ||
        strstr(path, "/../") || strcmp(path, "..") == 0)
        abort();
    if (file->sha256 && strlen(file->sha256) != 64)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct listing listing;
    struct err err = {0};

    int r = listing_parse(&listing, "owner/name", NULL, (const char *)data, size, &err);
    if (r < 0) {
        if (err.code != r || !err.message[0] || r == ERR_INTERNAL)
            abort();
        return 0;
    }
    if (listing.model.file_count == 0)
        abort();
    for (size_t i = 0; i < listing.model.file_count; i++)
        check_file(&listing.model.files[i]);
    listing_release(&listing);
    return 0;
}
