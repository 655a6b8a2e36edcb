/* Reading models out of zip archives. One caller at a time. */
#include "cli/model/archive.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/file.h"
#include "cli/model/folders.h"

#define MODULES "modules.json"

enum { CHUNK = 1 << 16 };

bool archive_wants(const char *path)
{
    static const char *const endings[] = {".safetensors", ".json", ".txt", ".model", ".md"};
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    size_t length = strlen(name);

    if (name[0] == '.' || strncmp(path, "onnx/", 5) == 0 || strncmp(path, "openvino/", 9) == 0)
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

static int open_archive(zip_t **ret_zip, const char *path, struct err *err)
{
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);

    if (!zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        int r = err_set(err, code == ZIP_ER_NOENT ? ERR_NOT_FOUND : ERR_CORRUPT,
                        "cannot read %s as a zip archive: %s", path, zip_error_strerror(&error));
        zip_error_fini(&error);
        return r;
    }
    *ret_zip = zip;
    return 0;
}

/* The length of the prefix that the model's files have: the shallowest folder with a modules.json.
 */
static int find_model(zip_t *zip, const char *path, const char **ret_prefix, size_t *ret_length,
                      struct err *err)
{
    zip_int64_t count = zip_get_num_entries(zip, 0);
    const char *best = NULL;
    size_t best_length = 0;

    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
        size_t length = name ? strlen(name) : 0, file = strlen(MODULES);
        if (length < file || strcmp(name + length - file, MODULES) != 0 ||
            (length > file && name[length - file - 1] != '/'))
            continue;
        if (!best || length - file < best_length) {
            best = name;
            best_length = length - file;
        }
    }
    if (!best)
        return err_set(err, ERR_NOT_FOUND, "%s holds no model: no folder in it has a %s", path,
                       MODULES);
    *ret_prefix = best;
    *ret_length = best_length;
    return 0;
}

/* The bytes go through the replacement's stream; libzip checks their CRC at the end. */
static int copy_entry(zip_file_t *entry, FILE *stream, const char *path, struct progress *progress,
                      struct err *err)
{
    char chunk[CHUNK];
    zip_int64_t got;

    while ((got = zip_fread(entry, chunk, sizeof chunk)) > 0) {
        fwrite(chunk, 1, (size_t)got, stream);
        if (progress)
            progress_update(progress, progress->done + (uint64_t)got);
    }
    if (got < 0)
        return err_set(err, ERR_CORRUPT, "%s is damaged: %s", path, zip_file_strerror(entry));
    return 0;
}

static int extract_entry(zip_t *zip, zip_uint64_t index, const char *path, const char *target,
                         struct progress *progress, struct err *err)
{
    struct file_replace replace;
    zip_file_t *entry = zip_fopen_index(zip, index, 0);

    if (!entry)
        return err_set(err, ERR_CORRUPT, "%s: %s", path, zip_strerror(zip));
    int r = folders_make_above(target, err);
    if (r == 0)
        r = file_replace_begin(&replace, target, 0644, err);
    if (r == 0) {
        r = copy_entry(entry, replace.stream, path, progress, err);
        if (r == 0)
            r = file_replace_commit(&replace, err);
        else
            file_replace_abort(&replace);
    }
    zip_fclose(entry);
    return r;
}

/* Whether `name` (below the model's folder) is one of those to take. */
static bool wanted(const struct registry_model *known, const char *name)
{
    if (!known)
        return archive_wants(name);
    for (size_t i = 0; i < known->file_count; i++)
        if (strcmp(known->files[i].path, name) == 0)
            return true;
    return false;
}

static int extract_all(zip_t *zip, const char *path, const struct registry_model *known,
                       const char *folder, struct progress *progress, struct err *err)
{
    const char *prefix = NULL;
    size_t length = 0;

    int r = find_model(zip, path, &prefix, &length, err);
    zip_int64_t count = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; r == 0 && i < count; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
        if (!name || strncmp(name, prefix, length) != 0 || !wanted(known, name + length))
            continue;
        const char *inside = name + length;
        if (inside[0] == '/' || strstr(inside, ".."))
            return err_set(err, ERR_CORRUPT, "%s names the path %.100s", path, name);
        char *target = file_join(folder, inside);
        r = target ? extract_entry(zip, (zip_uint64_t)i, path, target, progress, err)
                   : err_memory(err, inside);
        free(target);
    }
    return r;
}

int archive_extract(const char *path, const struct registry_model *known, const char *folder,
                    struct progress *progress, struct err *err)
{
    zip_t *zip = NULL;
    int r = open_archive(&zip, path, err);
    if (r < 0)
        return r;
    r = extract_all(zip, path, known, folder, progress, err);
    zip_discard(zip);
    return r;
}
