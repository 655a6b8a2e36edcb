/* The kinds of tokenizer (WordPiece as BERT has it, byte-level BPE ...) behind what they share.
 *
 * tokenizer.c cuts a text at its added tokens, truncates and fills the template; a kind normalises
 * the stretches between added tokens and makes tokens of them. A kind is a constant table of
 * functions; what it knows of a model is tokenizer->model, constant after loading; what it needs on
 * the way lives in the caller's scratch. So any number of threads may tokenize.
 */
#ifndef SBERT_ENCODER_TOKENIZER_KIND_H
#define SBERT_ENCODER_TOKENIZER_KIND_H

#include "encoder/tokenizer/bert_normalizer.h"
#include "encoder/tokenizer/tokenizer.h"

/* What lives in a token_list between texts. */
struct tokenizer_scratch {
    struct normalized normalized; /* the stretch that is worked on */
    struct token *tokens;         /* (count) of the first text, then of the second */
    size_t count, capacity;
    const struct tokenizer_kind *kind; /* whose `own` is, or NULL */
    void *own;                         /* (kind->scratch_size) zeroed when made */
};

/* One text on its way. */
struct encoding {
    const struct tokenizer *tokenizer;
    const char *text;
    struct tokenizer_scratch *scratch;
    size_t first; /* the scratch's count when this text began */
    struct err *err;
};

struct tokenizer_kind {
    const char *name;

    /* Normalises text[from..to) into `normalized`, whose old contents go; `starts` count from
     * text[0]. Ill-formed UTF-8 is ERR_INVALID with its offset from text[0]. Used on the contents
     * of added tokens, too. */
    int (*normalize)(const struct tokenizer *tokenizer, const char *text, size_t from, size_t to,
                     struct normalized *normalized, struct err *err);

    /* Appends the tokens of bytes [from, to), which are not none, of the normalised stretch. */
    int (*encode)(struct encoding *encoding, size_t from, size_t to);

    /* From now on the piece of a special token matches no text; NULL where none does anyway. Before
     * the tokenizer is shared. */
    void (*escape)(const struct tokenizer *tokenizer, uint32_t id);

    size_t scratch_size;                /* of scratch->own; 0 where it needs none */
    void (*release_scratch)(void *own); /* frees what it points to, or NULL */
};

extern const struct tokenizer_kind tokenizer_bert;           /* bert.c */
extern const struct tokenizer_kind tokenizer_byte_level_bpe; /* byte_level_bpe.c */

/* Appends a token made of normalised bytes [from, to), at least one. ERR_MEMORY. */
int encoding_put(struct encoding *encoding, uint32_t id, size_t from, size_t to, bool continues);

/* The bytes of the text that normalised bytes [from, to) came from. */
void encoding_place(const struct encoding *encoding, size_t from, size_t to, uint32_t *ret_start,
                    uint32_t *ret_end);

/* The array with room for `want` (at least 1) elements of `size` bytes, twice as large where it
 * moves; NULL, and the array as it was, when memory runs out. */
void *scratch_grow(void *array, size_t *capacity, size_t want, size_t size);

#endif
