/* Search: one view, each of its parts scanned or walked, the best kept. */
#include <stdlib.h>

#include "index/faiss/hnsw.h"
#include "index/scan.h"
#include "index/selection.h"
#include "index/state.h"

/* A place in the queue costs a walk what some 64 rows cost a scan (60, measured on the vectors of
 * 31,500 headlines), so where the queue is longer than that part of the rows, a scan is as quick,
 * and exact. */
enum { SCAN_BELOW = 64 };

/* What one call needs, sized once. */
struct search {
    const struct vector_index *index;
    struct view *view;
    size_t count, k;           /* queries, results wanted of each */
    float *queries;            /* (count, dimension), as the metric keeps vectors */
    struct top *tops;          /* (count) */
    struct top_entry *entries; /* (count, k) */
    struct scan scan;
    struct bitmap **selected; /* (parts) the rows looked for; NULL: all */
    int64_t *positions;       /* (ef) scratch of the graphs */
    float *distances;         /* (ef) */
};

/* One part of the view, and what of it is looked for. */
struct target {
    const struct view_part *part;
    const struct bitmap *selected; /* NULL: all rows */
    size_t wanted;                 /* rows that may be in the answer */
};

static struct target target_of(const struct search *search, size_t i)
{
    struct target target = {.part = &search->view->parts[i]};
    target.wanted = view_part_live(target.part);
    if (search->selected) {
        target.selected = search->selected[i];
        target.wanted =
            bitmap_count_without(target.selected, target.part->dead, target.part->count);
    }
    return target;
}

static bool is_wanted(const struct target *target, size_t position)
{
    return !bitmap_has(target->part->dead, position) &&
           (!target->selected || bitmap_has(target->selected, position));
}

/* The queue length for a part: what was asked for, at least k, longer by the share of the rows that
 * are not looked for. */
static size_t target_ef(const struct target *target, size_t ef, size_t k)
{
    size_t length = ef > k ? ef : k;
    if (length >= target->wanted)
        return target->part->count;
    return (size_t)((double)length * (double)target->part->count / (double)target->wanted) + 1;
}

/* The longest queue worth walking a part with; 0: none is. */
static size_t longest_walk(const struct target *target, const struct index_search_options *options)
{
    return target->part->segment->graph && !options->exact ? target->wanted / SCAN_BELOW : 0;
}

static int search_open(struct search *search, const float *queries,
                       const struct index_search_options *options, struct err *err)
{
    const struct index_options *o = &search->index->options;
    size_t count = search->count, longest = 0, values, entries;

    search->k = options->top_k < search->view->live ? options->top_k : search->view->live;
    for (size_t i = 0; i < search->view->count; i++) {
        struct target target = target_of(search, i);
        size_t length = longest_walk(&target, options);
        longest = length > longest ? length : longest;
    }
    if (__builtin_mul_overflow(count, search->k, &entries) ||
        __builtin_mul_overflow(count, o->dimension, &values) || values > SIZE_MAX / sizeof *queries)
        return err_set(err, ERR_LIMIT, "%zu queries for %zu results each are too many", count,
                       search->k);
    search->queries = malloc(values * sizeof *search->queries + 1);
    search->tops = calloc(count, sizeof *search->tops);
    search->entries = calloc(entries, sizeof *search->entries);
    search->positions = calloc(longest + 1, sizeof *search->positions);
    search->distances = calloc(longest + 1, sizeof *search->distances);
    if (!search->queries || !search->tops || !search->entries || !search->positions ||
        !search->distances)
        return err_memory(err, "a search");
    index_prepare_vectors(o->metric, o->dimension, queries, count, search->queries);
    for (size_t q = 0; q < count; q++) {
        search->tops[q].entries = search->entries + q * search->k;
        search->tops[q].capacity = search->k;
    }
    return scan_open(&search->scan, o->metric, o->dimension, count, err);
}

static void search_close(struct search *search)
{
    for (size_t i = 0; search->selected && i < search->view->count; i++)
        bitmap_unref(search->selected[i]);
    free(search->selected);
    view_unref(search->view);
    free(search->queries);
    free(search->tops);
    free(search->entries);
    free(search->positions);
    free(search->distances);
    scan_close(&search->scan);
}

static int find_selected(struct search *search, struct index_selection *selection, struct err *err)
{
    if (!selection)
        return 0;
    search->selected = calloc(search->view->count, sizeof(struct bitmap *));
    if (!search->selected || selection_find(selection, search->view, search->selected) < 0)
        return err_memory(err, "a search");
    return 0;
}

/* Keeps the wanted ones of `count` positions and returns how many they are. */
static size_t keep_wanted(const struct target *target, int64_t *positions, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (is_wanted(target, (size_t)positions[i]))
            positions[kept++] = positions[i];
    return kept;
}

static void scan_target(struct search *search, const struct target *target, const float *queries,
                        size_t count, struct top *tops)
{
    if (target->selected)
        scan_selected(&search->scan, target->part, target->selected, queries, count, tops);
    else
        scan_part(&search->scan, target->part, queries, count, tops);
}

/* Walks a graph for one query. What is not looked for is walked through like the rest; where much
 * of that lies around the query, too little is left, so the queue is doubled until there is enough,
 * or it is longer than is worth it and the part is scanned. */
static int walk_target(struct search *search, const struct target *target, size_t ef,
                       size_t longest, size_t q, struct err *err)
{
    const struct index_options *o = &search->index->options;
    const struct segment *segment = target->part->segment;
    const float *query = search->queries + q * o->dimension;
    size_t enough = search->k < target->wanted ? search->k : target->wanted, found = 0;

    enough = enough > ef / 2 ? enough : ef / 2;
    for (size_t length = target_ef(target, ef, search->k); length <= longest; length *= 2) {
        int r = hnsw_search(segment->graph, query, length, search->positions, search->distances,
                            &found, err);
        if (r < 0)
            return r;
        found = keep_wanted(target, search->positions, found);
        if (found >= enough)
            break;
    }
    if (found < enough) {
        scan_target(search, target, query, 1, &search->tops[q]);
        return 0;
    }
    for (size_t i = 0; i < found; i++) {
        size_t position = (size_t)search->positions[i];
        float score = scan_score(o->metric, o->dimension, query, segment_vector(segment, position));
        top_offer(&search->tops[q], score, segment->ids[position]);
    }
    return 0;
}

static int search_parts(struct search *search, const struct index_search_options *options,
                        size_t ef, struct err *err)
{
    for (size_t i = 0; i < search->view->count; i++) {
        struct target target = target_of(search, i);
        size_t longest = longest_walk(&target, options);
        if (!target.wanted)
            continue;
        if (target_ef(&target, ef, search->k) > longest) {
            scan_target(search, &target, search->queries, search->count, search->tops);
            continue;
        }
        for (size_t q = 0; q < search->count; q++) {
            int r = walk_target(search, &target, ef, longest, q, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void give_results(struct search *search, size_t top_k, int64_t *ret_ids, float *ret_scores,
                         size_t *ret_counts)
{
    for (size_t q = 0; q < search->count; q++) {
        struct top *top = &search->tops[q];
        top_sort(top);
        for (size_t i = 0; i < top->count; i++) {
            ret_ids[q * top_k + i] = top->entries[i].id;
            ret_scores[q * top_k + i] = top->entries[i].score;
        }
        ret_counts[q] = top->count;
    }
}

int index_search(const struct vector_index *index, const float *queries, size_t count,
                 const struct index_search_options *options, int64_t *ret_ids, float *ret_scores,
                 size_t *ret_counts, struct err *err)
{
    size_t ef = options->ef_search ? options->ef_search : index->options.ef_search;

    if (!options->top_k)
        return err_set(err, ERR_INVALID, "top_k must be at least 1");
    int r = index_check_finite(queries, count, index->options.dimension, "query", err);
    if (r < 0)
        return r;
    struct search search = {.index = index, .count = count};
    search.view = view_cell_get(index->published);
    if (!search.view->live || !count) {
        for (size_t q = 0; q < count; q++)
            ret_counts[q] = 0;
        goto out;
    }
    r = find_selected(&search, options->selection, err);
    if (r == 0)
        r = search_open(&search, queries, options, err);
    if (r == 0)
        r = search_parts(&search, options, ef, err);
    if (r == 0)
        give_results(&search, options->top_k, ret_ids, ret_scores, ret_counts);
out:
    search_close(&search);
    return r;
}
