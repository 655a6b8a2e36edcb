/* Any bytes as a tokenizer.json, of a class that has no components of its own: it opens or says why
 * not, and what opens tokenizes. */
#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "The a\xCC\x88 b[SEP]abc\xE4\xB8\xAD.<mask> \xEA\xB0\x80\n\n 1's";
    static const char *file;

    if (memory_folder_open()) {
        static const char class[] = "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"}";
        memory_folder_write(memory_folder_file("tokenizer_config.json"), class, sizeof class - 1);
        file = memory_folder_file("tokenizer.json");
    }
    memory_folder_write(file, data, size);
    memory_folder_tokenize(text, sizeof text - 1);
    return 0;
}
