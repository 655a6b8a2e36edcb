/* Comparing files with their pins. Thread-safe. */
#include "cli/model/pinned.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/file.h"

int pinned_check_file(const char *path, const struct registry_file *file, struct err *err)
{
    struct stat status;
    char hex[DIGEST_HEX_SIZE];

    if (stat(path, &status) < 0)
        return err_set_errno(err, errno, "%s", path);
    if ((uint64_t)status.st_size != file->size)
        return err_set(err, ERR_CORRUPT, "%s has %" PRIu64 " bytes where %" PRIu64 " are expected",
                       path, (uint64_t)status.st_size, file->size);
    if (!file->sha256)
        return 0;
    int r = digest_file_hex(path, hex, err);
    if (r == 0 && strcmp(hex, file->sha256) != 0)
        r = err_set(err, ERR_CORRUPT, "%s has the SHA-256 %s where %s is expected", path, hex,
                    file->sha256);
    return r;
}

bool pinned_whole(const char *folder, const struct registry_model *model)
{
    for (size_t i = 0; i < model->file_count; i++) {
        char *path = file_join(folder, model->files[i].path);
        bool good = path && pinned_check_file(path, &model->files[i], NULL) == 0;
        free(path);
        if (!good)
            return false;
    }
    return model->file_count > 0;
}

uint64_t pinned_total(const struct registry_model *model)
{
    uint64_t total = 0;
    for (size_t i = 0; i < model->file_count; i++)
        total += model->files[i].size;
    return total;
}
