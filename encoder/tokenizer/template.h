/* The special tokens around texts: what the reference calls the post-processor.
 * Constant after loading and safe in any thread.
 */
#ifndef SBERT_ENCODER_TOKENIZER_TEMPLATE_H
#define SBERT_ENCODER_TOKENIZER_TEMPLATE_H

#include "encoder/tokenizer/tokenizer.h"

enum { TEMPLATE_PARTS_LIMIT = 32, TEMPLATE_FIRST = -1, TEMPLATE_SECOND = -2 };

/* One place of a template. */
struct template_part {
    int64_t what; /* the id of a special token, or TEMPLATE_FIRST or TEMPLATE_SECOND: a text */
    uint8_t type_id;
};

struct template
{
    struct template_part parts[TEMPLATE_PARTS_LIMIT];
    size_t count;
    size_t special_count; /* of the parts, those that are special tokens */
};

/* What the byte-level post-processors do to the offsets of tokens with spaces in them. */
struct offset_trim {
    bool on;
    bool prefixed; /* a single space before what stands first was put there, and is kept */
};

/* Characters at the start and at the end of a token's text that are white space, or the character
 * that stands for a space in byte-level pieces. */
void offset_trim_count(const char *text, size_t size, size_t *ret_leading, size_t *ret_trailing);

/* Moves the offsets of a token of `text` over so many characters; `begins`: it is the first. */
void offset_trim_apply(const struct offset_trim *trim, const char *text, size_t leading,
                       size_t trailing, bool begins, struct token *token);

/* Adds a place. ERR_LIMIT. */
int template_add(struct template *template, int64_t what, uint8_t type_id, struct err *err);

/* How often a text stands in the template. */
size_t template_uses(const struct template *template, int64_t what);

/* What remains of two texts of *first and *second tokens where `room` are allowed in all: the
 * longest first, in the closed form of the reference. */
void template_truncate_pair(size_t *first, size_t *second, size_t room);

/* Fills list->tokens, which has room, from the texts' tokens, of which it takes so many. */
void template_fill(const struct template *template, const struct token *first, size_t first_count,
                   const struct token *second, size_t second_count, struct token_list *list);

#endif
