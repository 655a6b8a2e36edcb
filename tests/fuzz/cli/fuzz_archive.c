/* A zip archive with a model in it: it is refused with a reason, or what was taken out of it lies
 * within the folder that was asked for. The first byte says what the others are: 'z' an archive,
 * else the names of its files, a line each, from which one is made. */
#include <dirent.h>
#include <ftw.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "cli/model/archive.h"
#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES = 4 }; /* of the folder around: ".", "..", the archive and what it is taken into */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void check_entries(void)
{
    struct dirent **entries;
    int count = scandir(memory_folder, &entries, NULL, NULL);
    if (count != ENTRIES)
        abort();
    while (count > 0)
        free(entries[--count]);
    free(entries);
}

/* False where libzip itself takes no such names. */
static bool make_archive(const char *path, char *names)
{
    int code;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    for (char *name; zip && (name = strsep(&names, "\n"));) {
        zip_source_t *source = zip_source_buffer(zip, name, strlen(name), 0);
        if (zip_file_add(zip, name, source, 0) < 0)
            zip_source_free(source);
    }
    if (zip && zip_close(zip) < 0) {
        zip_discard(zip);
        zip = NULL;
    }
    return zip && access(path, F_OK) == 0; /* an archive without a file is not written */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *archive, *into;
    struct err err = {0};
    char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;
    if (memory_folder_open()) {
        archive = memory_folder_file("model.zip");
        into = memory_folder_file("into");
    }
    if (!text)
        return 0;
    unlink(archive);
    if (mkdir(into, 0700) < 0)
        abort();
    if (*data == 'z')
        memory_folder_write(archive, data + 1, size - 1);
    if (*data == 'z' || make_archive(archive, text)) {
        int r = archive_extract(archive, NULL, into, NULL, &err);
        if (r < 0 && (err.code != r || !err.message[0]))
            abort();
        check_entries();
    }
    if (nftw(into, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0)
        abort();
    free(text);
    return 0;
}
