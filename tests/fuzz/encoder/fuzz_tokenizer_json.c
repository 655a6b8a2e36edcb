/* Any bytes as a tokenizer.json: it opens or says why not, and what opens tokenizes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "encoder/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A folder in memory, so that no disk is worn, with the file that each input is written to. */
static char folder[] = "/dev/shm/sbertd-fuzz-XXXXXX", path[64];
static int file = -1;

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static void open_folder(void)
{
    if (file >= 0)
        return;
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || atexit(remove_folder) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "The a\xCC\x88 b[SEP]abc\xE4\xB8\xAD.";
    struct tokenizer *tokenizer = NULL;
    struct token_list list = {0};
    struct err err = {0};

    open_folder();
    if (ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    int r = tokenizer_open(&tokenizer, folder, -1, &err);
    if (r < 0) {
        if (err.code != r || !err.message[0] || tokenizer || r == ERR_INTERNAL)
            abort();
        return 0;
    }
    size_t ids = tokenizer_vocabulary_size(tokenizer);
    for (int i = 0; i < 2; i++) {
        r = tokenizer_encode(tokenizer, text, sizeof text - 1, i ? text : NULL,
                             i ? sizeof text - 1 : 0, 0, &list, &err);
        if (r < 0)
            abort();
        for (size_t j = 0; j < list.count; j++)
            if (list.tokens[j].id >= ids)
                abort();
    }
    token_list_release(&list);
    tokenizer_close(tokenizer);
    return 0;
}
