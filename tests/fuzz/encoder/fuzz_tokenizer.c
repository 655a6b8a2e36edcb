/* Any bytes as a text, a pair and a limit: whatever they are, tokens must lie within the text and
 * in order, limits must hold, and passages must fit, cover and go forward.
 *
 * Input: a byte for the limit, then the text and the pair with a 0xFE byte between them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "encoder/passages.h"
#include "encoder/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char model[] =
    "{\"added_tokens\":[{\"id\":3,\"content\":\"[SEP]\",\"special\":true},"
    "{\"id\":50,\"content\":\"<m>\",\"lstrip\":true,\"rstrip\":true,\"normalized\":false},"
    "{\"id\":51,\"content\":\"One\",\"single_word\":true,\"normalized\":true}],"
    "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
    ","
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]},"
    "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,"
    "\"a\":4,\"b\":5,\"##a\":6,\"##b\":7,\"the\":8,\"##ing\":9,\".\":10,\"\xE4\xB8\xAD\":11,"
    "\"e\":12,\"##e\":13,\"\xE1\x84\x80\":14,\"##\xE1\x85\xA1\":15,\"##\xE1\x86\xA8\":16}}}";

static const struct tokenizer *open_model(void)
{
    static struct tokenizer *tokenizer;
    char folder[] = "/tmp/sbertd-fuzz-XXXXXX", path[64];

    if (tokenizer)
        return tokenizer;
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    if (file_write(path, model, sizeof model - 1, 0600, NULL) < 0 ||
        tokenizer_open(&tokenizer, folder, -1, NULL) < 0)
        abort();
    unlink(path);
    rmdir(folder);
    return tokenizer;
}

static void check_tokens(const struct token_list *list, size_t size, size_t pair_size,
                         size_t max_length)
{
    uint32_t before[2] = {0, 0};
    if ((max_length && list->count > max_length) || list->count > list->full_count)
        abort();
    for (size_t i = 0; i < list->count; i++) {
        const struct token *token = &list->tokens[i];
        if (token->special)
            continue;
        if (token->start >= token->end || token->end > (token->type_id ? pair_size : size) ||
            token->start < before[token->type_id])
            abort();
        before[token->type_id] = token->start;
    }
}

/* Whether all tokens come from one code point, which cannot be cut. */
static bool is_one_place(const struct token_list *list)
{
    for (size_t i = 2; i + 1 < list->count; i++)
        if (list->tokens[i].start != list->tokens[1].start)
            return false;
    return true;
}

static void check_passages(const struct tokenizer *tokenizer, const char *text, size_t size,
                           size_t max_length)
{
    struct token_list scratch = {0};
    struct passage_list list = {0};
    struct err err;

    if (passages_split(tokenizer, text, size, max_length, 0, &scratch, &list, &err) < 0)
        abort();
    if (list.count == 0 || list.spans[list.count - 1].end > size)
        abort();
    for (size_t i = 0; i < list.count; i++) {
        struct passage_span span = list.spans[i];
        if ((span.start >= span.end && size > 0) ||
            (i > 0 && (span.start <= list.spans[i - 1].start || span.end <= list.spans[i - 1].end)))
            abort();
        if (tokenizer_encode(tokenizer, text + span.start, span.end - span.start, NULL, 0, 0,
                             &scratch, &err) < 0)
            abort();
        if (max_length && scratch.count > max_length && !is_one_place(&scratch))
            abort();
    }
    passage_list_release(&list);
    token_list_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tokenizer *tokenizer = open_model();
    struct token_list list = {0};
    struct err err;

    if (size == 0)
        return 0;
    size_t max_length = data[0] % 32;
    const char *text = (const char *)data + 1;
    const char *mark = memchr(text, 0xFE, --size);
    size_t text_size = mark ? (size_t)(mark - text) : size;
    const char *pair = mark ? mark + 1 : NULL;
    size_t pair_size = mark ? size - text_size - 1 : 0;

    int r = tokenizer_encode(tokenizer, text, text_size, pair, pair_size, max_length, &list, &err);
    if (r == 0)
        check_tokens(&list, text_size, pair_size, max_length);
    else if (r != ERR_INVALID)
        abort();
    if (r == 0 && (max_length == 0 || max_length > tokenizer_special_count(tokenizer)))
        check_passages(tokenizer, text, text_size, max_length);
    token_list_release(&list);
    return 0;
}
