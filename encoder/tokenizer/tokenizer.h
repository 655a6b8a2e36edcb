/* Text to token ids, exactly as the reference (the Python packages `tokenizers` and
 * `sentence-transformers`) does it for models of the BERT family, with the place of every token in
 * the text. A tokenizer is constant after opening and may be shared by any number of threads.
 */
#ifndef SBERT_ENCODER_TOKENIZER_TOKENIZER_H
#define SBERT_ENCODER_TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct tokenizer;

/* One token. */
struct token {
    uint32_t id;
    uint32_t start, end; /* bytes [start, end) of the text it came from; both 0 for a special token
                            that the template put in */
    uint8_t type_id;     /* 0 for the first text, 1 for the second of a pair */
    bool special;        /* put in by the template: [CLS], [SEP] */
    bool continues;      /* starts inside a word (a piece printed with ## before it) */
};

/* A growable list that its owner reuses from text to text; a zeroed struct is an empty list. */
struct token_list {
    struct token *tokens;
    size_t count, capacity;
    size_t full_count; /* tokens there would be without the limit, the special ones included */
    struct tokenizer_scratch *scratch; /* what tokenizing needs on the way; the tokenizer's own */
};
void token_list_release(struct token_list *list);

/* Opens the tokenizer of a model's folder: tokenizer.json, else vocab.txt with
 * tokenizer_config.json. `do_lower_case` overrides the files where it is 0 or 1; -1 leaves it to
 * them. As in the reference, do_lower_case, strip_accents and tokenize_chinese_chars of
 * tokenizer_config.json win over tokenizer.json where they are set, and truncation and padding
 * embedded in tokenizer.json are ignored.
 * ERR_UNSUPPORTED names a component that is not built here. */
int tokenizer_open(struct tokenizer **ret_tokenizer, const char *folder, int do_lower_case,
                   struct err *err);
void tokenizer_close(struct tokenizer *tokenizer); /* accepts NULL */

/* From now on a special token that a user wrote out ("[SEP]") is text like any other. As the
 * reference has it, it is the special token. Before the tokenizer is shared. */
void tokenizer_escape_special_tokens(struct tokenizer *tokenizer);

/* Tokenizes a text, or a pair where `pair` is not NULL, with the special tokens of the template,
 * into `list` (whose old contents go). At most `max_length` tokens in all (0: no limit; less than
 * the template's special tokens is ERR_INVALID); a pair is truncated longest first. Ill-formed
 * UTF-8 is ERR_INVALID with the byte's offset. U+0000 is text. On failure the list holds nothing of
 * use. Once the list has grown nothing is allocated. Texts of 4 GiB or more are ERR_LIMIT. */
int tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                     const char *pair, size_t pair_size, size_t max_length, struct token_list *list,
                     struct err *err);

/* The piece of an id ("##ing", "[CLS]"), or NULL where there is no such id. Lives as long as the
 * tokenizer. */
const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t id);

/* One more than the largest id. */
size_t tokenizer_vocabulary_size(const struct tokenizer *tokenizer);

/* The number of special tokens that the template adds to a single text (2 for BERT). */
size_t tokenizer_special_count(const struct tokenizer *tokenizer);

#endif
