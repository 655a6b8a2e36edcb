/* A folder in memory, so that no disk is worn, whose files a fuzz target writes anew for each
 * input; it is removed at exit. */
#ifndef SBERT_TESTS_FUZZ_ENCODER_MEMORY_FOLDER_H
#define SBERT_TESTS_FUZZ_ENCODER_MEMORY_FOLDER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "encoder/tokenizer/tokenizer.h"

enum { MEMORY_FOLDER_FILES = 16, MEMORY_FOLDER_PATH = 128 };

static char memory_folder[MEMORY_FOLDER_PATH];
static char memory_folder_files[MEMORY_FOLDER_FILES][2 * MEMORY_FOLDER_PATH];
static size_t memory_folder_count;

static inline void memory_folder_remove(void)
{
    while (memory_folder_count > 0) {
        const char *file = memory_folder_files[--memory_folder_count];
        if (unlink(file) < 0)
            rmdir(file);
    }
    rmdir(memory_folder);
}

/* Makes the folder on the first call; false on later ones. */
static inline bool memory_folder_open(void)
{
    if (memory_folder[0])
        return false;
    snprintf(memory_folder, sizeof memory_folder, "/dev/shm/sbertd-fuzz-XXXXXX");
    if (!mkdtemp(memory_folder) || atexit(memory_folder_remove) != 0)
        abort();
    return true;
}

/* The path of `name` in the folder, which is removed with it. */
static inline const char *memory_folder_file(const char *name)
{
    char *file = memory_folder_files[memory_folder_count];
    int length = snprintf(file, sizeof memory_folder_files[0], "%s/%s", memory_folder, name);
    if (memory_folder_count == MEMORY_FOLDER_FILES || length < 0 ||
        (size_t)length >= sizeof memory_folder_files[0])
        abort();
    memory_folder_count++;
    return file;
}

static inline void memory_folder_write(const char *file, const void *data, size_t size)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
        abort();
}

/* Opens the folder as a tokenizer: it says why not, or what it makes of a text, and of a pair, has
 * ids below the size of its vocabulary. */
static inline void memory_folder_tokenize(const char *text, size_t size)
{
    struct tokenizer *tokenizer = NULL;
    struct token_list list = {0};
    struct err err = {0};

    int r = tokenizer_open(&tokenizer, memory_folder, -1, &err);
    if (r < 0) {
        if (err.code != r || !err.message[0] || tokenizer || r == ERR_INTERNAL)
            abort();
        return;
    }
    size_t ids = tokenizer_vocabulary_size(tokenizer);
    for (int i = 0; i < 2; i++) {
        if (tokenizer_encode(tokenizer, text, size, i ? text : NULL, i ? size : 0, 0, &list, &err) <
            0)
            abort();
        for (size_t j = 0; j < list.count; j++)
            if (list.tokens[j].id >= ids)
                abort();
    }
    token_list_release(&list);
    tokenizer_close(tokenizer);
}

#endif
