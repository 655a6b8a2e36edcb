/* What a tokenizer is made of, and reading it from a model's folder. */
#ifndef SBERT_ENCODER_TOKENIZER_LOAD_H
#define SBERT_ENCODER_TOKENIZER_LOAD_H

#include "base/arena.h"
#include "base/json.h"
#include "encoder/tokenizer/added_tokens.h"
#include "encoder/tokenizer/bert_normalizer.h"
#include "encoder/tokenizer/kind.h"
#include "encoder/tokenizer/template.h"
#include "encoder/tokenizer/wordpiece.h"

/* The parts in the order a text meets them. Constant after loading. */
struct tokenizer {
    struct added_tokens raw; /* matched in the text as it is */
    const struct tokenizer_kind *kind;
    struct added_tokens normalized; /* matched in the normalised text */
    struct vocabulary vocabulary;   /* the model's pieces */
    const void *model;              /* the kind's own, in the arena; NULL for BERT's, which is: */
    struct bert_normalizer normalizer;
    struct wordpiece wordpiece;
    struct template single, pair;

    struct vocabulary extra; /* added tokens that the model's vocabulary lacks */
    size_t vocabulary_size;  /* one more than the largest id of any part */
    struct arena arena;      /* owns all that the parts point to */
};

/* Fills a zeroed tokenizer from the folder's files; what was filled before a failure is the
 * arena's. Errors as tokenizer_open. */
int tokenizer_load(struct tokenizer *tokenizer, const char *folder, int do_lower_case,
                   struct err *err);

/* Makes room for `capacity` added tokens; the vocabulary must be loaded. */
int tokenizer_open_added(struct tokenizer *tokenizer, size_t capacity, struct err *err);

/* Adds a token that is matched as it stands; its text is copied. Its id is the vocabulary's, and
 * for one that is not in there the next free one: the reference does not look at the id in the
 * file.
 */
struct added_token_entry {
    const char *text;
    size_t size;
    bool single_word, lstrip, rstrip, normalized, special;
};
int tokenizer_add_token(struct tokenizer *tokenizer, const struct added_token_entry *entry,
                        struct err *err);

/* The same from its description in a file: "content" and the flags. */
int tokenizer_add_described(struct tokenizer *tokenizer, const json_t *description,
                            struct err *err);

/* Puts the model's settings where the split needs them, the unknown token looked up. */
int tokenizer_set_model(struct tokenizer *tokenizer, const char *unknown, const char *prefix,
                        size_t max_chars, struct err *err);

/* Each fills the tokenizer from one kind of file: load_json.c, load_vocab.c. The normaliser comes
 * before the rest, since tokenizer_config.json may change it. */
int tokenizer_load_normalizer(struct bert_normalizer *normalizer, const json_t *json,
                              struct err *err);
int tokenizer_load_json(struct tokenizer *tokenizer, const json_t *json, struct err *err);
int tokenizer_load_vocab(struct tokenizer *tokenizer, const char *path, const json_t *config,
                         struct err *err);

/* [CLS] A [SEP] and [CLS] A [SEP] B [SEP], the second text and what follows it of type 1. */
int tokenizer_set_bert_templates(struct tokenizer *tokenizer, int64_t cls, int64_t sep,
                                 struct err *err);

/* The flag `key` of an object, `fallback` where it is missing or null. ERR_CORRUPT where it is no
 * boolean. */
int tokenizer_flag(const json_t *object, const char *key, bool fallback, bool *ret_flag,
                   struct err *err);

#endif
