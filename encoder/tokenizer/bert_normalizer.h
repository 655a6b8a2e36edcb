/* The BertNormalizer of the reference: clean the text, put spaces around ideographs, strip accents,
 * lower the case. Its output knows for every byte which code point of the input it came from.
 */
#ifndef SBERT_ENCODER_TOKENIZER_BERT_NORMALIZER_H
#define SBERT_ENCODER_TOKENIZER_BERT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bert_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
};

/* A combining mark that waits for the run of marks to end, so that it can be put in order. */
struct pending_mark {
    uint32_t code_point, source;
    uint8_t combining_class;
    bool added; /* not the first part of what its source decomposes to */
};

/* Normalised text. A zeroed struct is empty; its owner reuses it from text to text. */
struct normalized {
    char *text;       /* (size) UTF-8 */
    uint32_t *starts; /* (size) for each byte: where in the input its code point starts */
    size_t size, capacity;

    struct pending_mark *marks, *sorted; /* (mark_capacity) used while normalising */
    size_t mark_count, mark_capacity;

    struct normalized *spare; /* where a further step writes, or NULL */
};
void normalized_release(struct normalized *normalized);

/* Makes room for `extra` more bytes. ERR_MEMORY. */
int normalized_reserve(struct normalized *normalized, size_t extra, struct err *err);

/* Text as it is. Ill-formed UTF-8 is ERR_INVALID with its offset from text[0]. */
int normalized_copy(struct normalized *normalized, const char *text, size_t from, size_t to,
                    struct err *err);

/* Adds a waiting mark, and gives the waiting ones sorted by combining class, equals in their order.
 */
int normalized_add_mark(struct normalized *normalized, struct pending_mark mark, struct err *err);
const struct pending_mark *normalized_sort_marks(struct normalized *normalized);

/* Normalises text[from..to) into `normalized`, whose old contents go; `starts` count from text[0].
 * Ill-formed UTF-8 is ERR_INVALID with its offset from text[0]. */
int bert_normalizer_run(const struct bert_normalizer *normalizer, const char *text, size_t from,
                        size_t to, struct normalized *normalized, struct err *err);

#endif
