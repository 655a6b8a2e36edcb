/* What a tokenizer is made of, and reading it from a model's folder. */
#ifndef SBERT_ENCODER_TOKENIZER_LOAD_H
#define SBERT_ENCODER_TOKENIZER_LOAD_H

#include "base/arena.h"
#include "base/json.h"
#include "encoder/tokenizer/added_tokens.h"
#include "encoder/tokenizer/bert_normalizer.h"
#include "encoder/tokenizer/kind.h"
#include "encoder/tokenizer/pipeline.h"
#include "encoder/tokenizer/template.h"
#include "encoder/tokenizer/wordpiece.h"
#include "encoder/tokenizer/words.h"

/* The parts in the order a text meets them. Constant after loading. */
struct tokenizer {
    struct added_tokens raw; /* matched in the text as it is */
    const struct tokenizer_kind *kind;
    struct pipeline pipeline;       /* the normalisers; none where `normalizer` is all */
    struct added_tokens normalized; /* matched in the normalised text */
    struct vocabulary vocabulary;   /* the model's pieces */
    const void *model;              /* the kind's own, in the arena; NULL for BERT's, which is: */
    struct bert_normalizer normalizer; /* of WordPiece, where that is all that is listed */
    struct words words;
    struct wordpiece wordpiece;
    struct template single, pair;
    struct offset_trim trim;

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

/* What a tokenizer is read from. */
struct tokenizer_source {
    const char *folder;
    const json_t *json;   /* tokenizer.json, or NULL */
    const json_t *config; /* tokenizer_config.json, or NULL */
    int do_lower_case;    /* as tokenizer_open has it */
};

/* Fill the tokenizer from tokenizer.json: the first picks the kind by model.type, the others read
 * that kind's parts, in load_wordpiece.c, load_bpe.c and load_unigram.c. */
int tokenizer_load_json(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                        struct err *err);
int tokenizer_load_wordpiece(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                             struct err *err);
int tokenizer_load_bpe(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                       struct err *err);
int tokenizer_load_unigram(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                           struct err *err);

/* Fill the tokenizer from older files: vocab.txt, and vocab.json with merges.txt. */
int tokenizer_load_vocab(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                         struct err *err);
int tokenizer_load_vocab_merges(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                                struct err *err);
/* The same from sentencepiece.bpe.model, in load_sentencepiece.c. */
int tokenizer_load_sentencepiece(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                                 struct err *err);

/* Parts of tokenizer.json that the kinds share, in load_json.c. The second reads the vocabulary
 * {"piece": id ...}, which comes before the other two. */
const char *tokenizer_type(const json_t *component); /* its "type"; "null" where there is none */
int tokenizer_unsupported(const char *what, const char *type, struct err *err);
int tokenizer_load_pieces(struct tokenizer *tokenizer, const json_t *pieces, struct err *err);
int tokenizer_load_added_tokens(struct tokenizer *tokenizer, const json_t *list, struct err *err);
int tokenizer_load_post_processor(struct tokenizer *tokenizer, const json_t *from, struct err *err);

/* Components that are not a family's own count only where the tokenizer's class has none of its
 * own: the reference's classes for BERT, RoBERTa, XLM-R ... put theirs in place of the file's. 0,
 * or ERR_UNSUPPORTED with the component's name. */
int tokenizer_check_class(const struct tokenizer_source *source, const char *what, const char *type,
                          struct err *err);

/* Reads "normalizer", in load_normalizer.c: adds what it lists to the pipeline. Of those that are
 * not SentencePiece's the class is checked. */
int tokenizer_load_normalizer(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                              const json_t *from, struct err *err);

/* The settings of a BertNormalizer. */
int tokenizer_load_bert_normalizer(struct bert_normalizer *normalizer, const json_t *from,
                                   struct err *err);

/* Where tokenizer_config.json, or the caller, says something about BERT's normaliser, it wins. */
int tokenizer_override_normalizer(struct bert_normalizer *normalizer,
                                  const struct tokenizer_source *source, struct err *err);

/* [CLS] A [SEP] and [CLS] A [SEP] B [SEP], the second text and what follows it of type 1. */
int tokenizer_set_bert_templates(struct tokenizer *tokenizer, int64_t cls, int64_t sep,
                                 struct err *err);

/* <s> A </s> and <s> A </s></s> B </s>, all of type 0. */
int tokenizer_set_roberta_templates(struct tokenizer *tokenizer, int64_t cls, int64_t sep,
                                    struct err *err);

/* The name of a special token in a configuration: a string, or an object with "content". */
const char *tokenizer_special_name(const json_t *config, const char *key, const char *fallback);

/* Reads the folder's JSON file `name`, an object, or nothing where it has none. */
int tokenizer_read_optional(json_t **ret_json, const char *folder, const char *name,
                            struct err *err);

/* Which of `classes` (ended by a NULL name) the reference would read the folder's older files with:
 * the one that tokenizer_config.json names, else that of config.json's model_type, else the first.
 * ERR_UNSUPPORTED with how to convert where another is named. */
struct tokenizer_class {
    const char *name; /* without "Fast" */
    const char *model_type;
};
int tokenizer_find_class(const struct tokenizer_source *source,
                         const struct tokenizer_class *classes, size_t *ret_class, struct err *err);

/* Adds the special tokens of a class that has no tokenizer.json (ended by a NULL key, in the order
 * of the reference) and all that the files beside the vocabulary add or describe otherwise. One
 * that no vocabulary has is left out, where the reference would give it an id that the model's
 * table lacks. `map_has_more`: whether the class takes "additional_special_tokens" of the map. The
 * vocabulary and the normaliser must be loaded. ERR_CORRUPT where one is missing that is needed. */
struct special_token {
    const char *key, *name; /* "cls_token", and what it is where nothing says otherwise */
    bool needed;
    bool lstrip; /* where it is described by no more than a string */
};
int tokenizer_load_specials(struct tokenizer *tokenizer, const struct tokenizer_source *source,
                            const struct special_token *specials, bool map_has_more,
                            int64_t *ret_cls, int64_t *ret_sep, struct err *err);

/* The flag `key` of an object, `fallback` where it is missing or null. ERR_CORRUPT where it is no
 * boolean. */
int tokenizer_flag(const json_t *object, const char *key, bool fallback, bool *ret_flag,
                   struct err *err);

#endif
