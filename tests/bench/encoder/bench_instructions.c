/* The work whose instructions instructions.py counts: tokenizing fixed texts, and passes of fixed
 * batches through a random layer. What is to be counted is in counted_work(); the rest is not.
 *
 *   bench_instructions PRECISION
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/tokenizer/tokenizer.h"
#include "encoder/transformer/transformer.h"

enum {
    HIDDEN = 256, /* small enough that nothing is kept on disk (packed_weights.h) */
    INNER = 768,
    HEADS = 8,
    WORDS = 1000,
    TEXTS = 16,
    TEXT_TOKENS = 13,
    TOKENIZE_ROUNDS = 20,
};

struct work {
    struct tokenizer *tokenizer;
    struct token_list list;
    struct transformer *transformer;
    struct workspace workspace;
    float vector[HIDDEN];
};

static void fail(const struct err *err)
{
    fprintf(stderr, "bench_instructions: %s\n", err->message);
    exit(2);
}

static float *random_floats(size_t count)
{
    static unsigned random = 1;
    float *floats = aligned_alloc(64, (count * sizeof *floats + 63) / 64 * 64);
    if (!floats)
        exit(2);
    for (size_t i = 0; i < count; i++) {
        random = random * 1664525u + 1013904223u;
        floats[i] = ((float)(random >> 8) * 0x1p-24f - 0.5f) * 0.2f;
    }
    return floats;
}

static struct linear random_linear(size_t in, size_t out)
{
    return (struct linear){random_floats(in * out), random_floats(out), in, out};
}

static struct layer_norm random_norm(void)
{
    return (struct layer_norm){random_floats(HIDDEN), random_floats(HIDDEN), 1e-12f};
}

/* Lives until the process ends. */
static struct model *random_model(void)
{
    static char folder[] = "/nonexistent";
    static struct transformer_layer layer;
    static struct model model = {
        .folder = folder,
        .transformer_folder = folder,
        .architecture = "bert",
        .vocabulary_size = WORDS,
        .hidden_size = HIDDEN,
        .layers = 1,
        .heads = HEADS,
        .intermediate_size = INNER,
        .max_positions = 512,
        .activation = ACTIVATION_GELU,
        .layer = &layer,
        .pooling = {.modes = {POOLING_MEAN}, .count = 1},
        .pooled_size = HIDDEN,
        .normalize = true,
        .widest = HIDDEN,
        .dimension = HIDDEN,
        .max_seq_length = 512,
    };
    model.word_embeddings = random_floats(WORDS * HIDDEN);
    model.position_embeddings = random_floats(model.max_positions * HIDDEN);
    model.embedding_norm = random_norm();
    layer.query = random_linear(HIDDEN, HIDDEN);
    layer.key = random_linear(HIDDEN, HIDDEN);
    layer.value = random_linear(HIDDEN, HIDDEN);
    layer.attention_output = random_linear(HIDDEN, HIDDEN);
    layer.attention_norm = random_norm();
    layer.intermediate = random_linear(HIDDEN, INNER);
    layer.output = random_linear(INNER, HIDDEN);
    layer.output_norm = random_norm();
    return &model;
}

static void fill_batch(struct batch *batch, size_t texts)
{
    batch->tokens = texts * TEXT_TOKENS;
    batch->sequences = texts;
    for (size_t i = 0; i <= texts; i++)
        batch->starts[i] = i * TEXT_TOKENS;
    for (size_t i = 0; i < batch->tokens; i++)
        batch->ids[i] = (uint32_t)(i * 7919 % WORDS);
}

static void run_pass(struct work *work, size_t texts)
{
    fill_batch(&work->workspace.batch, texts);
    transformer_forward(work->transformer, &work->workspace, NULL);
    for (size_t i = 0; i < texts; i++)
        transformer_pool(work->transformer, &work->workspace, i, 0, work->vector);
}

/* A batch of many texts, one of a single text, and tokenizing. instructions.py knows the name. */
__attribute__((noinline)) static void counted_work(struct work *work)
{
    static const char text[] = "The cat sat on the mat; it was a great day, and today was awesome!";
    struct err err = {0};

    run_pass(work, TEXTS);
    run_pass(work, 1);
    for (int i = 0; i < TOKENIZE_ROUNDS; i++)
        if (tokenizer_encode(work->tokenizer, text, sizeof text - 1, NULL, 0, 0, &work->list,
                             &err) < 0)
            fail(&err);
}

int main(int argc, char **argv)
{
    static struct work work;
    const struct model *model = random_model();
    const struct kernels *kernels;
    const struct matmul_backend *backend;
    enum precision precision;
    struct err err = {0};

    if (argc != 2) {
        fprintf(stderr, "usage: bench_instructions PRECISION\n");
        return 2;
    }
    if (precision_parse(argv[1], &precision, &err) < 0 ||
        kernels_choose(&kernels, getenv("SBERT_ISA"), &err) < 0 ||
        matmul_choose(&backend, precision, "packed", kernels, &err) < 0 ||
        transformer_open(&work.transformer, model, kernels, backend, &err) < 0 ||
        workspace_open(&work.workspace, model, backend, TEXTS * TEXT_TOKENS, &err) < 0 ||
        tokenizer_open(&work.tokenizer, "tests/golden/models/mean-64", -1, &err) < 0)
        fail(&err);
    counted_work(&work);
    printf("%s %s: %.6g\n", kernels->isa, argv[1], (double)work.vector[0]);
    token_list_release(&work.list);
    tokenizer_close(work.tokenizer);
    workspace_close(&work.workspace);
    transformer_close(work.transformer);
    return 0;
}
