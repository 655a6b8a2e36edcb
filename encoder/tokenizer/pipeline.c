/* Running normalisers one after another. What rewrites does so in place; the others read one buffer
 * and write another.
 */
#include "encoder/tokenizer/pipeline.h"

#include <stdlib.h>

#include "encoder/tokenizer/piece_normalizer.h"

static int run_step(const struct pipeline_step *step, const char *text, size_t from, size_t to,
                    struct normalized *normalized, struct err *err)
{
    if (step->kind == STEP_CHARSMAP)
        return piece_normalizer_run(&step->charsmap, text, from, to, normalized, err);
    if (step->kind == STEP_BERT)
        return bert_normalizer_run(&step->bert, text, from, to, normalized, err);
    return unicode_form_run(&step->form, text, from, to, normalized, err);
}

/* What is normalised already goes through another step, by way of the spare buffer. */
static int run_again(const struct pipeline_step *step, struct normalized *normalized,
                     struct err *err)
{
    if (normalized->size == 0)
        return 0;
    if (!normalized->spare && !(normalized->spare = calloc(1, sizeof *normalized->spare)))
        return err_memory(err, "normalising a text");
    struct normalized *spare = normalized->spare;
    int r = run_step(step, normalized->text, 0, normalized->size, spare, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < spare->size; i++)
        spare->starts[i] = normalized->starts[spare->starts[i]];
    struct normalized old = *normalized;
    normalized->text = spare->text;
    normalized->starts = spare->starts;
    normalized->size = spare->size;
    normalized->capacity = spare->capacity;
    spare->text = old.text;
    spare->starts = old.starts;
    spare->capacity = old.capacity;
    return 0;
}

int pipeline_run(const struct pipeline *pipeline, const char *text, size_t from, size_t to,
                 struct normalized *normalized, struct err *err)
{
    const struct pipeline_step *steps = pipeline->steps;
    bool copies = pipeline->count == 0 || steps[0].kind == STEP_REWRITE;
    int r = copies ? normalized_copy(normalized, text, from, to, err)
                   : run_step(&steps[0], text, from, to, normalized, err);

    for (size_t i = copies ? 0 : 1; i < pipeline->count && r == 0; i++)
        r = steps[i].kind == STEP_REWRITE ? rewrite_run(&steps[i].rewrite, normalized, err)
                                          : run_again(&steps[i], normalized, err);
    return r;
}
