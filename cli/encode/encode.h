/* What sbert-encode does, once the command line is read. Each prints what it has to say and gives
 * the program's exit code. */
#ifndef SBERT_CLI_ENCODE_ENCODE_H
#define SBERT_CLI_ENCODE_ENCODE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/encode/texts.h"
#include "encoder/precision.h"

struct encode_options {
    const char *model;       /* NAME or DIR */
    const char *input;       /* FILE or "-" */
    const char *output;      /* F.npy, or NULL */
    const char *prompt;      /* before every text; NULL: what prompt_name says */
    const char *prompt_name; /* NULL: the model's default_prompt_name, if any */
    char **texts;            /* (text_count) of --text: in the place of an input */
    size_t text_count;
    size_t max_seq_length; /* 0: the model's own */
    size_t batch;          /* texts read before they are encoded together */
    int threads;
    enum precision precision;
    enum texts_format format;
    enum texts_utf8 invalid_utf8;
    bool escape_special_tokens; /* written out in a text they are text */
    bool pairs;                 /* the input is of pairs */
    bool shape, quiet;
    const volatile sig_atomic_t *cancel;
};

/* Vectors to the .npy file, or to standard output as one JSON array of numbers a line, or only
 * their shape. */
int encode_vectors(const struct encode_options *options);

/* {"ids", "pieces", "full_count"} of each text, one object a line. */
int encode_tokens(const struct encode_options *options);

/* {"logits", "scores"} of each pair of texts, one object a line: by a cross-encoder. */
int encode_pairs(const struct encode_options *options);

/* The similarity of the two texts by the model's similarity_fn_name, with four decimals: in
 * f32 unless another precision is asked for. */
int encode_similarity(const struct encode_options *options, const char *a, const char *b);

#endif
