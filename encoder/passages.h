/* Splitting a long text into passages that fit the model.
 *
 * A text within the limit is one passage. A longer one is cut at sentence ends (else at white
 * space, else between tokens) into passages of at most the limit, each overlapping the one before
 * by about an eighth of it, so that a thought that straddles a cut is whole in one of them.
 */
#ifndef SBERT_ENCODER_PASSAGES_H
#define SBERT_ENCODER_PASSAGES_H

#include "encoder/tokenizer/tokenizer.h"

/* Bytes [start, end) of the text; white space at the ends left out where there is other text. */
struct passage_span {
    size_t start, end;
};

struct passage_list {
    struct passage_span *spans;
    size_t count, capacity;
};
void passage_list_release(struct passage_list *list);

/* Splits text[0..size) into `list` (whose old contents go): at least one span, in order, none empty
 * unless the text is; together they cover everything but white space. `max_length` counts the
 * special tokens, as the encoder's max_seq_length does (0: no limit), and `prompt_tokens` are taken
 * off it; where nothing is left ERR_INVALID. Only a passage all of whose tokens come from one code
 * point can have more of them than the limit, since it cannot be cut.
 * `scratch` is the caller's, reused from call to call. Errors as tokenizer_encode. Deterministic.
 * Thread-safe with lists of one's own. */
int passages_split(const struct tokenizer *tokenizer, const char *text, size_t size,
                   size_t max_length, size_t prompt_tokens, struct token_list *scratch,
                   struct passage_list *list, struct err *err);

#endif
