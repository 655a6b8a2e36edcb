/* Exact search: rows of a part against the queries. */
#include "index/scan.h"

#include <stdbool.h>

enum { LINE = 64 };

/* Rows that are scored together: few enough to stay in the cache while the queries go over them. */
struct batch {
    size_t count;
    size_t positions[FORMAT_ROWS];
    const void *rows[FORMAT_ROWS];
};

static void score_batch(const struct scan_target *target, const struct batch *batch,
                        const void *const *queries, size_t count, struct top *tops)
{
    const struct segment *segment = target->part->segment;
    float scores[KERNEL_QUERIES * FORMAT_ROWS];
    for (size_t first = 0; first < count; first += KERNEL_QUERIES) {
        size_t n = count - first < KERNEL_QUERIES ? count - first : KERNEL_QUERIES;
        format_score(&segment->format, queries + first, n, batch->rows, batch->count, scores);
        for (size_t q = 0; q < n; q++) {
            struct top *top = &tops[first + q];
            float threshold = top_threshold(top);
            for (size_t i = 0; i < batch->count; i++) {
                if (scores[q * batch->count + i] < threshold)
                    continue;
                top_offer(top, scores[q * batch->count + i], segment->ids[batch->positions[i]]);
                threshold = top_threshold(top);
            }
        }
    }
}

/* The rows of one word of the bitmaps that are looked for. */
static uint64_t wanted_bits(const struct scan_target *target, size_t word, size_t first, size_t end)
{
    const struct bitmap *dead = target->part->dead;
    uint64_t bits = target->selected ? target->selected->words[word] : UINT64_MAX;
    if (dead && word < dead->capacity / 64)
        bits &= ~dead->words[word];
    if (word == first / 64)
        bits &= UINT64_MAX << first % 64;
    if (word == end / 64)
        bits &= ((uint64_t)1 << end % 64) - 1;
    return bits;
}

void scan_rows(const struct scan_target *target, size_t first, size_t end,
               const void *const *queries, size_t count, struct top *tops)
{
    const struct segment *segment = target->part->segment;
    struct batch batch = {.count = 0};
    for (size_t word = first / 64; word < bitmap_words(end); word++) {
        for (uint64_t bits = wanted_bits(target, word, first, end); bits; bits &= bits - 1) {
            size_t position = word * 64 + (size_t)__builtin_ctzll(bits);
            const char *row = segment_row(segment, position);
            /* The processor foresees rows that follow each other, but not where the next one is. */
            if (target->selected)
                for (size_t at = 0; at < segment->format.stride; at += LINE)
                    __builtin_prefetch(row + at);
            batch.positions[batch.count] = position;
            batch.rows[batch.count++] = row;
            if (batch.count == FORMAT_ROWS) {
                score_batch(target, &batch, queries, count, tops);
                batch.count = 0;
            }
        }
    }
    if (batch.count)
        score_batch(target, &batch, queries, count, tops);
}
