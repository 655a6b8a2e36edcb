/* Merging. Short words, which nearly all are, are scanned for the lowest rank each time; long ones
 * keep a heap of candidates over a linked list, so that no word takes quadratic time.
 */
#include "encoder/tokenizer/bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "encoder/tokenizer/byte_level.h"
#include "encoder/tokenizer/kind.h"

enum { SHORT_WORD = 48 };

int bpe_open(struct bpe *model, struct arena *arena, size_t count, struct err *err)
{
    size_t slots = 16;
    int r;

    if (count > BPE_MERGES_LIMIT)
        return err_set(err, ERR_LIMIT, "a model may have at most %d merges", BPE_MERGES_LIMIT);
    while (slots < count * 2)
        slots *= 2;
    model->merges = arena_alloc(arena, slots, sizeof *model->merges);
    if (!model->merges)
        return err_memory(err, "the merges");
    for (size_t i = 0; i < slots; i++)
        model->merges[i].left = BPE_NONE;
    model->mask = slots - 1;
    if ((r = vocabulary_random(&model->factor, err)) < 0)
        return r;
    model->factor |= 1;
    model->shift = __builtin_clzll(slots) + 1;
    return 0;
}

/* The slot that holds the pair, or the empty one where it belongs. */
static struct bpe_merge *slot_of(const struct bpe *model, uint32_t left, uint32_t right)
{
    size_t slot = (size_t)((((uint64_t)left << 32 | right) * model->factor) >> model->shift);

    while (model->merges[slot].left != BPE_NONE &&
           (model->merges[slot].left != left || model->merges[slot].right != right))
        slot = (slot + 1) & model->mask;
    return &model->merges[slot];
}

void bpe_add(struct bpe *model, uint32_t left, uint32_t right, uint32_t rank, uint32_t id)
{
    *slot_of(model, left, right) = (struct bpe_merge){left, right, rank, id};
}

void bpe_work_release(struct bpe_work *work)
{
    free(work->symbols);
    free(work->heap);
    *work = (struct bpe_work){0};
}

/* The merge of a symbol with the one after it. */
static void look_up(const struct bpe *model, struct bpe_symbol *left,
                    const struct bpe_symbol *right)
{
    const struct bpe_merge *merge = slot_of(model, left->id, right->id);
    left->rank = merge->left == BPE_NONE ? BPE_NONE : merge->rank;
    left->merged = merge->id;
}

/* The bytes as symbols. An unknown one waits in the list's last place until it is known whether the
 * next is fused with it. */
static void start(const struct bpe *model, const char *word, size_t size, struct bpe_work *work)
{
    bool open = false; /* the last symbol is unknown, and more may be fused with it */

    work->count = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)word[i];
        uint32_t id = model->byte_ids[byte];
        uint32_t length = model->misses_bytes ? model->character_sizes[byte] : 1;
        bool known = id != BPE_NONE;
        if (!known && model->unknown_id == BPE_NONE)
            continue;
        if (!known && open && model->fuse_unknown) {
            work->symbols[work->count - 1].size += length;
            continue;
        }
        open = !known;
        work->symbols[work->count++] =
            (struct bpe_symbol){.id = known ? id : model->unknown_id, .size = length};
    }
}

static void merge_short(const struct bpe *model, struct bpe_work *work)
{
    struct bpe_symbol *symbols = work->symbols;
    size_t count = work->count;

    for (size_t i = 0; i + 1 < count; i++)
        look_up(model, &symbols[i], &symbols[i + 1]);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (symbols[i].rank < symbols[best].rank)
                best = i;
        if (symbols[best].rank == BPE_NONE)
            break;
        symbols[best].id = symbols[best].merged;
        symbols[best].size += symbols[best + 1].size;
        count--;
        memmove(&symbols[best + 1], &symbols[best + 2], (count - best - 1) * sizeof *symbols);
        if (best > 0)
            look_up(model, &symbols[best - 1], &symbols[best]);
        if (best + 1 < count)
            look_up(model, &symbols[best], &symbols[best + 1]);
    }
    work->count = count;
}

static bool goes_first(const struct bpe_candidate *a, const struct bpe_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

/* Adds the merge of symbol `at` with the next, where there is one. The heap has room: each symbol
 * gives one at first, and each merge at most two. */
static void push(const struct bpe *model, struct bpe_work *work, uint32_t at)
{
    struct bpe_symbol *symbol = &work->symbols[at];
    if (symbol->next == BPE_NONE)
        return;
    look_up(model, symbol, &work->symbols[symbol->next]);
    if (symbol->rank == BPE_NONE)
        return;
    struct bpe_candidate candidate = {symbol->rank, at};
    size_t place = work->heap_count++;
    while (place > 0 && goes_first(&candidate, &work->heap[(place - 1) / 2])) {
        work->heap[place] = work->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    work->heap[place] = candidate;
}

static struct bpe_candidate pop(struct bpe_work *work)
{
    struct bpe_candidate top = work->heap[0], last = work->heap[--work->heap_count];
    size_t place = 0;

    for (size_t child = 1; child < work->heap_count; child = place * 2 + 1) {
        if (child + 1 < work->heap_count && goes_first(&work->heap[child + 1], &work->heap[child]))
            child++;
        if (!goes_first(&work->heap[child], &last))
            break;
        work->heap[place] = work->heap[child];
        place = child;
    }
    work->heap[place] = last;
    return top;
}

static void merge_long(const struct bpe *model, struct bpe_work *work)
{
    struct bpe_symbol *symbols = work->symbols;
    uint32_t count = (uint32_t)work->count;
    size_t kept = 0;

    work->heap_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        symbols[i].previous = i > 0 ? i - 1 : BPE_NONE;
        symbols[i].next = i + 1 < count ? i + 1 : BPE_NONE;
    }
    for (uint32_t i = 0; i < count; i++)
        push(model, work, i);
    while (work->heap_count > 0) {
        struct bpe_candidate candidate = pop(work);
        struct bpe_symbol *left = &symbols[candidate.at];
        if (left->size == 0 || left->rank != candidate.rank || left->next == BPE_NONE)
            continue; /* one of the two has merged otherwise since */
        struct bpe_symbol *right = &symbols[left->next];
        left->id = left->merged;
        left->size += right->size;
        right->size = 0;
        left->next = right->next;
        left->rank = BPE_NONE;
        if (left->next != BPE_NONE)
            symbols[left->next].previous = candidate.at;
        if (left->previous != BPE_NONE)
            push(model, work, left->previous);
        push(model, work, candidate.at);
    }
    for (uint32_t i = 0; i < count; i++)
        if (symbols[i].size > 0)
            symbols[kept++] = symbols[i];
    work->count = kept;
}

/* The piece that the whole word is, or NULL. */
static const struct piece *whole(const struct bpe *model, const char *word, size_t size)
{
    char characters[VOCABULARY_PIECE_LIMIT + 4];
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        if (used + 4 > sizeof characters)
            return NULL;
        used += byte_level_character((unsigned char)word[i], characters + used);
    }
    return vocabulary_find(model->vocabulary, characters, used);
}

int bpe_split(const struct bpe *model, const char *word, size_t size, struct bpe_work *work,
              struct err *err)
{
    const struct piece *piece = model->ignore_merges ? whole(model, word, size) : NULL;
    struct bpe_symbol *symbols =
        scratch_grow(work->symbols, &work->capacity, size, sizeof *symbols);
    if (!symbols)
        return err_memory(err, "tokenizing a text");
    work->symbols = symbols;
    if (piece) {
        symbols[0] = (struct bpe_symbol){
            .id = piece->id, .size = model->misses_bytes ? piece->size : (uint32_t)size};
        work->count = 1;
        return 0;
    }
    start(model, word, size, work);
    if (work->count <= SHORT_WORD) {
        merge_short(model, work);
        return 0;
    }
    struct bpe_candidate *heap =
        scratch_grow(work->heap, &work->heap_capacity, work->count * 3, sizeof *heap);
    if (!heap)
        return err_memory(err, "tokenizing a text");
    work->heap = heap;
    merge_long(model, work);
    return 0;
}
