/* Viterbi's way through the pieces that a trie finds at each code point. The trie is built level by
 * level from the sorted pieces, so the children of a node are one run of bytes to look through.
 */
#include "encoder/tokenizer/unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double unknown_penalty = 10.0;

/* --- building --- */

/* The pieces [low, high), by text, that share their first `depth` bytes: a node to be. */
struct span {
    uint32_t low, high, depth;
};

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* Fills the nodes in the order of `spans`, which grows by each node's children behind it. */
static size_t build_nodes(struct unigram *model, const struct piece *sorted, struct span *spans)
{
    size_t count = 1;

    for (size_t i = 0; i < count; i++) {
        struct span span = spans[i];
        model->first[i] = (uint32_t)count;
        model->ids[i] = UNIGRAM_NO_PIECE;
        if (span.low < span.high && sorted[span.low].size == span.depth) {
            model->ids[i] = span.depth > 0 ? sorted[span.low].id : UNIGRAM_NO_PIECE;
            span.low++;
        }
        for (uint32_t low = span.low, high; low < span.high; low = high) {
            char byte = sorted[low].text[span.depth];
            for (high = low + 1; high < span.high && sorted[high].text[span.depth] == byte;)
                high++;
            model->bytes[count] = (uint8_t)byte;
            spans[count++] = (struct span){low, high, span.depth + 1};
        }
    }
    model->first[count] = (uint32_t)count;
    return count;
}

int unigram_open(struct unigram *model, struct arena *arena, const struct vocabulary *vocabulary,
                 const double *scores, size_t count, uint32_t unknown_id, struct err *err)
{
    size_t most = 1; /* nodes: no more than bytes, and the root */
    int r = 0;

    for (size_t i = 0; i < vocabulary->count; i++)
        most += vocabulary->pieces[i].size;
    if (most >= UINT32_MAX)
        return err_set(err, ERR_LIMIT, "the pieces of a model may have at most 4 GiB");
    struct piece *sorted = calloc(vocabulary->count + 1, sizeof *sorted);
    struct span *spans = calloc(most, sizeof *spans);
    *model = (struct unigram){.unknown_id = unknown_id, .piece_count = count};
    model->first = arena_alloc(arena, most + 1, sizeof *model->first);
    model->ids = arena_alloc(arena, most, sizeof *model->ids);
    model->bytes = arena_alloc(arena, most, sizeof *model->bytes);
    model->scores = arena_alloc(arena, count + 1, sizeof *model->scores);
    if (!sorted || !spans || !model->first || !model->ids || !model->bytes || !model->scores) {
        r = err_memory(err, "the pieces of a tokenizer");
        goto out;
    }
    double least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        model->scores[i] = scores[i];
        least = scores[i] < least ? scores[i] : least;
    }
    model->unknown_score = least - unknown_penalty;
    if (vocabulary->count > 0)
        memcpy(sorted, vocabulary->pieces, vocabulary->count * sizeof *sorted);
    qsort(sorted, vocabulary->count, sizeof *sorted, compare_pieces);
    spans[0] = (struct span){0, (uint32_t)vocabulary->count, 0};
    model->node_count = build_nodes(model, sorted, spans);
out:
    free(sorted);
    free(spans);
    return r;
}

void unigram_drop_piece(const struct unigram *model, uint32_t id)
{
    for (size_t i = 0; i < model->node_count; i++)
        if (model->ids[i] == id)
            model->ids[i] = UNIGRAM_NO_PIECE;
}

/* --- splitting --- */

void unigram_scratch_release(struct unigram_scratch *scratch)
{
    free(scratch->steps);
    free(scratch->parts);
    *scratch = (struct unigram_scratch){0};
}

/* Room for a word of `size` bytes; it has at most as many parts. */
static int reserve(struct unigram_scratch *scratch, size_t size, struct err *err)
{
    if (size + 1 > scratch->step_capacity) {
        size_t want = (size + 1) * 2;
        struct unigram_step *steps = realloc(scratch->steps, want * sizeof *steps);
        if (!steps)
            return err_memory(err, "tokenizing a text");
        scratch->steps = steps;
        scratch->step_capacity = want;
    }
    if (size > scratch->part_capacity) {
        size_t want = size * 2;
        struct unigram_part *parts = realloc(scratch->parts, want * sizeof *parts);
        if (!parts)
            return err_memory(err, "tokenizing a text");
        scratch->parts = parts;
        scratch->part_capacity = want;
    }
    return 0;
}

/* The child of a node by its byte, or 0: the root is nobody's child. */
static uint32_t child(const struct unigram *model, uint32_t node, uint8_t byte)
{
    uint32_t low = model->first[node], high = model->first[node + 1];
    if (high - low > 8) {
        const uint8_t *found = memchr(model->bytes + low, byte, high - low);
        return found ? (uint32_t)(found - model->bytes) : 0;
    }
    for (; low < high; low++)
        if (model->bytes[low] == byte)
            return low;
    return 0;
}

/* No way leads to a byte yet. */
#define UNREACHED UINT32_MAX

static void offer(struct unigram_step *step, double score, size_t start, uint32_t id)
{
    if (step->start == UNREACHED || score > step->score)
        *step = (struct unigram_step){score, (uint32_t)start, id};
}

/* Fills steps[1..size] with the best ways. */
static void find_ways(const struct unigram *model, const char *word, size_t size,
                      struct unigram_step *steps)
{
    for (size_t i = 0; i <= size; i++)
        steps[i].start = UNREACHED;
    steps[0].score = 0;
    for (size_t start = 0; start < size;) {
        unsigned char lead = (unsigned char)word[start];
        size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        double here = steps[start].score;
        uint32_t node = 0;
        bool single = false;
        for (size_t end = start; end < size;) {
            node = child(model, node, (uint8_t)word[end++]);
            if (node == 0)
                break;
            uint32_t id = model->ids[node];
            if (id == UNIGRAM_NO_PIECE)
                continue;
            offer(&steps[end], model->scores[id] + here, start, id);
            single = single || end - start == length;
        }
        if (!single)
            offer(&steps[start + length], model->unknown_score + here, start, model->unknown_id);
        start += length;
    }
}

/* The id of a run of unknown code points: that of the piece it happens to spell, if any. */
static uint32_t spelled_id(const struct unigram *model, const char *text, size_t size)
{
    uint32_t node = 0;
    for (size_t i = 0; i < size; i++)
        if ((node = child(model, node, (uint8_t)text[i])) == 0)
            return model->unknown_id;
    return model->ids[node] == UNIGRAM_NO_PIECE ? model->unknown_id : model->ids[node];
}

int unigram_split(const struct unigram *model, const char *word, size_t size,
                  struct unigram_scratch *scratch, size_t *ret_count, struct err *err)
{
    size_t count = 0;
    int r = reserve(scratch, size, err);

    if (r < 0)
        return r;
    struct unigram_step *steps = scratch->steps;
    struct unigram_part *parts = scratch->parts;
    find_ways(model, word, size, steps);
    for (size_t end = size; end > 0; end = steps[end].start) {
        const struct unigram_step *step = &steps[end];
        bool unknown = step->id == model->unknown_id;
        if (unknown && count > 0 && parts[count - 1].id == model->unknown_id)
            parts[count - 1].start = step->start;
        else
            parts[count++] = (struct unigram_part){step->id, step->start, (uint32_t)end};
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct unigram_part swapped = parts[i];
        parts[i] = parts[count - 1 - i];
        parts[count - 1 - i] = swapped;
    }
    for (size_t i = 0; i < count; i++)
        if (parts[i].id == model->unknown_id)
            parts[i].id = spelled_id(model, word + parts[i].start, parts[i].end - parts[i].start);
    *ret_count = count;
    return 0;
}
