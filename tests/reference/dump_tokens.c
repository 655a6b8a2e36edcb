/* Prints what the tokenizer makes of texts, for compare_tokenizer.py.
 *
 *     dump_tokens FOLDER MAX_LENGTH LOWER_CASE [REPEAT]
 *
 * Standard input is records: a native-endian uint32 with the size of a text and the text, and the
 * same for its pair, where a size of 0xFFFFFFFF means that there is none. Standard output gets for
 * each a line "full_count id:type:start:end id:type:start:end ...", or "error ...". With REPEAT the
 * records are tokenized so many times, and only the seconds that took are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "encoder/tokenizer/tokenizer.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The next text of the input; false at its end. */
static bool take(const struct buf *input, size_t *at, const char **ret_text, size_t *ret_size)
{
    uint32_t size;
    if (input->size - *at < sizeof size)
        return false;
    memcpy(&size, input->data + *at, sizeof size);
    *at += sizeof size;
    *ret_text = size == UINT32_MAX ? NULL : input->data + *at;
    *ret_size = *ret_text ? size : 0;
    *at += *ret_size;
    return *at <= input->size;
}

static void print_tokens(const struct token_list *list)
{
    printf("%zu", list->full_count);
    for (size_t i = 0; i < list->count; i++) {
        const struct token *token = &list->tokens[i];
        printf(" %u:%u:%u:%u", token->id, token->type_id, token->start, token->end);
    }
    putchar('\n');
}

static void run(const struct tokenizer *tokenizer, const struct buf *input, size_t max_length,
                bool print)
{
    struct token_list list = {0};
    const char *text, *pair;
    size_t size, pair_size;

    for (size_t at = 0; take(input, &at, &text, &size) && take(input, &at, &pair, &pair_size);) {
        struct err err;
        int r = tokenizer_encode(tokenizer, text, size, pair, pair_size, max_length, &list, &err);
        if (print && r < 0)
            printf("error %s\n", err.message);
        else if (print)
            print_tokens(&list);
    }
    token_list_release(&list);
}

int main(int argc, char **argv)
{
    struct tokenizer *tokenizer;
    struct buf input = {0};
    struct err err;
    char chunk[65536];
    size_t count;

    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: dump_tokens FOLDER MAX_LENGTH LOWER_CASE [REPEAT]\n");
        return 2;
    }
    if (tokenizer_open(&tokenizer, argv[1], atoi(argv[3]), &err) < 0) {
        fprintf(stderr, "dump_tokens: %s\n", err.message);
        return 1;
    }
    while ((count = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        if (buf_append(&input, chunk, count) < 0)
            return 1;
    double start = seconds();
    int repeat = argc == 5 ? atoi(argv[4]) : 1;
    for (int i = 0; i < repeat; i++)
        run(tokenizer, &input, (size_t)atol(argv[2]), argc < 5);
    if (argc == 5)
        printf("%.6f\n", seconds() - start);
    buf_release(&input);
    tokenizer_close(tokenizer);
    return 0;
}
