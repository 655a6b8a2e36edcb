/* Any bytes as a merges.txt and, after a 0xFF byte, the vocab.json beside it (without that byte a
 * small one of ours): the tokenizer opens or says why not, and what opens tokenizes. */
#include <string.h>

#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char pieces[] =
    "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3,\"<mask>\":4,\"a\":5,\"b\":6,\"c\":7,\"ab\":8,"
    "\"bc\":9,\"abc\":10,\"\xC4\xA0\":11,\"\xC4\xA0"
    "a\":12,\"\xC4\xA0"
    "ab\":13,\"aa\":14,\"aaaa\":15,\"\xC3\xA9\":16,\"\xC4\x8A\":17,\"1\":18,\"'\":19,\"s\":20,"
    "\"'s\":21,\"\xC2\xA9\":22,\"\xC3\x83\":23,\"\xC3\x83\xC2\xA9\":24}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "abc ab  aaaaa\n\n \xC3\xA9 <mask> ba's 1abcabc";
    static const char *merges, *vocab;

    if (memory_folder_open()) {
        merges = memory_folder_file("merges.txt");
        vocab = memory_folder_file("vocab.json");
    }
    const uint8_t *mark = size ? memchr(data, 0xFF, size) : NULL;
    size_t merges_size = mark ? (size_t)(mark - data) : size;
    memory_folder_write(merges, data, merges_size);
    if (mark)
        memory_folder_write(vocab, mark + 1, size - merges_size - 1);
    else
        memory_folder_write(vocab, pieces, sizeof pieces - 1);
    memory_folder_tokenize(text, sizeof text - 1);
    return 0;
}
