/* The tokens of a stretch, a word at a time. */
#include "encoder/tokenizer/unigram_kind.h"

#include "encoder/tokenizer/load.h"

struct own {
    struct metaspace_word word;
    struct unigram_scratch unigram;
};

static void release(void *scratch)
{
    struct own *own = scratch;
    metaspace_word_release(&own->word);
    unigram_scratch_release(&own->unigram);
}

static int normalize(const struct tokenizer *tokenizer, const char *text, size_t from, size_t to,
                     struct normalized *normalized, struct err *err)
{
    return pipeline_run(&tokenizer->pipeline, text, from, to, normalized, err);
}

/* Where the code point of the normalised text that starts at `place` ends. */
static size_t end_of(const struct normalized *normalized, size_t place)
{
    unsigned char lead = (unsigned char)normalized->text[place];
    return place + (lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4);
}

static int encode(struct encoding *encoding, size_t from, size_t to)
{
    const struct unigram_model *model = encoding->tokenizer->model;
    const struct normalized *normalized = &encoding->scratch->normalized;
    struct own *own = encoding->scratch->own;
    struct metaspace_word *word = &own->word;
    struct metaspace_walk walk = metaspace_walk(&model->metaspace, normalized, from, to);
    size_t count;
    int r;

    while ((r = metaspace_next(&walk, word, encoding->err)) > 0) {
        r = unigram_split(&model->unigram, word->text, word->size, &own->unigram, &count,
                          encoding->err);
        for (size_t i = 0; i < count && r == 0; i++) {
            const struct unigram_part *part = &own->unigram.parts[i];
            r = encoding_put(encoding, part->id, word->places[part->start],
                             end_of(normalized, word->places[part->end - 1]), i > 0);
        }
        if (r < 0)
            break;
    }
    return r;
}

/* Special tokens are pieces like any other here, with the best of scores. */
static void escape(const struct tokenizer *tokenizer, uint32_t id)
{
    const struct unigram_model *model = tokenizer->model;
    unigram_drop_piece(&model->unigram, id);
}

const struct tokenizer_kind tokenizer_unigram = {.name = "Unigram",
                                                 .normalize = normalize,
                                                 .encode = encode,
                                                 .escape = escape,
                                                 .scratch_size = sizeof(struct own),
                                                 .release_scratch = release};
