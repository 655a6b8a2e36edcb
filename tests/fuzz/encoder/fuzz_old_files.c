/* Any bytes as the files beside an old vocabulary: vocab.txt and, each after a 0xFF byte,
 * tokenizer_config.json, special_tokens_map.json and added_tokens.json, which are left out where
 * they are empty. The tokenizer opens or says why not, and what opens tokenizes. */
#include <string.h>

#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"vocab.txt", "tokenizer_config.json",
                                        "special_tokens_map.json", "added_tokens.json"};
    static const char text[] = "The a\xCC\x88 b[SEP]abc\xE4\xB8\xAD. <mask> new";
    static const char *files[4];
    size_t at = 0;

    if (memory_folder_open())
        for (size_t i = 0; i < 4; i++)
            files[i] = memory_folder_file(names[i]);
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *mark = at < size && i < 3 ? memchr(data + at, 0xFF, size - at) : NULL;
        size_t end = mark ? (size_t)(mark - data) : size;
        if (end > at)
            memory_folder_write(files[i], data + at, end - at);
        else
            unlink(files[i]);
        at = mark ? end + 1 : size;
    }
    memory_folder_tokenize(text, sizeof text - 1);
    return 0;
}
