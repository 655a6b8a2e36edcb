/* Fuzzes the reader of training data: the first byte picks the format, the others are the file.
 * Whatever it is, each row is refused by file and line or has fields that end with NUL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/train/records.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void read_all(const char *path, const struct records_options *options)
{
    struct records *records;
    struct record record;
    struct err err = {0};
    int r;

    if (records_open(&records, path, options, &err) < 0) {
        require(err.message[0] != '\0');
        return;
    }
    /* A row that is refused is passed over: the reader must still come to the end. */
    while ((r = records_next(records, &record, &err)) != 0) {
        for (int role = 0; r > 0 && role < ROLE_COUNT; role++)
            require(!record.field[role] || record.field[role][record.size[role]] == '\0');
        require(r > 0 || strstr(err.message, path) == err.message);
    }
    records_close(records);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char path[64];
    int fd = memfd_create("records", 0);

    if (size == 0 || fd < 0)
        return 0;
    struct records_options options = {.format = (enum records_format)(RECORDS_CSV + data[0] % 3),
                                      .columns = data[0] & 64 ? "sentence1,sentence2,score" : NULL};
    require(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path, &options);
    close(fd);
    return 0;
}
