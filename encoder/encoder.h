/* The encoder: texts in, vectors out.
 *
 * An encoder is a model loaded from a folder in the sentence-transformers layout: tokenizer,
 * transformer, pooling and what follows it. It is constant after opening and may be shared by any
 * number of threads. The work is done by a crew: threads, each with a workspace sized once, so the
 * forward pass allocates nothing.
 *
 * The same text gives the same vector, bit for bit within one backend, instruction set and
 * precision, whatever it is batched with and however many threads there are.
 */
#ifndef SBERT_ENCODER_ENCODER_H
#define SBERT_ENCODER_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "encoder/precision.h"
#include "encoder/tokenizer/tokenizer.h"

struct encoder;

struct encoder_options {
    enum precision precision; /* 0: auto, the fastest that keeps the quality on this CPU */
    size_t max_seq_length;    /* tokens, the special ones included; 0: the model's own. Larger than
                                 the model's positions allow is ERR_INVALID */
    bool
        escape_special_tokens; /* "[SEP]" in a text is text; else, as in the reference, the token */
};

/* What a loaded model is. All strings live as long as the encoder. */
struct encoder_info {
    const char *folder;
    const char *architecture;   /* "bert" */
    const char *precision;      /* what runs: "f32", "bf16", "int8" */
    const char *weights_source; /* where packed weights are from, in a clause: "mapped from ..." */
    const char *precision_reason; /* why, in a clause: "asked for", or why auto picked it */
    const char *backend;          /* which matrix product runs: "openblas", "packed" ... */
    const char *isa;              /* "avx512", "avx2", "generic" */
    const char *similarity;  /* similarity_fn_name: "cosine", "dot", "euclidean", "manhattan" */
    const char *pooling;     /* "mean", "cls", "max", or combined: "cls+mean" */
    const char *fingerprint; /* 64 hexadecimal digits: see encoder/model/fingerprint.h */
    /* What the model wants before queries, before documents, and before texts that are neither;
     * NULL where it wants nothing. The caller passes them to encoder_encode. */
    const char *query_prompt, *document_prompt, *default_prompt;
    size_t dimension;      /* floats in a vector */
    size_t max_seq_length; /* tokens, the special ones included */
    size_t layers, hidden_size, heads, vocabulary_size;
};

/* Opens the model in `folder`. `options` may be NULL. Errors name the file and what is wrong with
 * it: ERR_NOT_FOUND, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_INVALID, ERR_MEMORY. A precision that this
 * build or CPU does not have is ERR_UNSUPPORTED; nothing else is picked in its stead. */
int encoder_open(struct encoder **ret_encoder, const char *folder,
                 const struct encoder_options *options, struct err *err);

/* Frees it; accepts NULL. No crew may be left on it. */
void encoder_close(struct encoder *encoder);

const struct encoder_info *encoder_info(const struct encoder *encoder);

/* The text of the model's prompt of that name ("query", "passage", "clustering" ...), for
 * encoder_encode; it may be empty, and lives as long as the encoder. ERR_INVALID lists the names
 * that there are. */
int encoder_prompt(const struct encoder *encoder, const char *name, const char **ret_prompt,
                   struct err *err);

/* Its tokenizer, for showing tokens and splitting texts; lives as long as the encoder. */
const struct tokenizer *encoder_tokenizer(const struct encoder *encoder);

/* Threads with their workspaces. A crew runs one encode at a time: its callers take turns by a lock
 * of their own. With `background` its own threads run at the lowest scheduling class. */
struct encoder_crew;
int encoder_crew_open(struct encoder_crew **ret_crew, const struct encoder *encoder, int threads,
                      bool background, struct err *err);
void encoder_crew_close(struct encoder_crew *crew); /* accepts NULL */

/* A text, or a pair of texts where `pair` is not NULL ([CLS] text [SEP] pair [SEP]). UTF-8, not
 * necessarily NUL-terminated; ill-formed bytes are ERR_INVALID with the text's number. An empty
 * pair is none, as in the reference. */
struct encoder_text {
    const char *text;
    size_t size;
    const char *pair;
    size_t pair_size;
};

/* What encoding a text took. */
struct encoder_usage {
    uint32_t tokens;      /* tokens that went through the model, the special ones included */
    uint32_t full_tokens; /* tokens there would be without the limit */
    bool truncated;       /* tokens < full_tokens */
};

/* Encodes `count` texts. `ret_vectors` gets (count, dimension) floats, row-major, in the order of
 * the texts. `prompt` (may be NULL) is put before every text; where the model's pooling leaves
 * prompts out (include_prompt false) its tokens do not count there. `ret_usage` (may be NULL) gets
 * `count` entries. `cancel` (may be NULL) is looked at between micro-batches; raised
 * (base/cancel.h) it ends the call with ERR_CANCELLED. On any error the outputs hold nothing of
 * use. */
int encoder_encode(struct encoder_crew *crew, const struct encoder_text *texts, size_t count,
                   const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                   const volatile int *cancel, struct err *err);

/* The cosine of two vectors of `dimension` floats, 0 where either has no length. Summed in double.
 */
double encoder_cosine(const float *a, const float *b, size_t dimension);

/* How alike two vectors are by similarity_fn_name, as SimilarityFunction of sentence-transformers
 * has it: larger is more alike, and of "euclidean" and "manhattan" it is the negated distance.
 * Summed in double. `similarity` is one that encoder_info gives. */
double encoder_similarity(const char *similarity, const float *a, const float *b, size_t dimension);

#endif
