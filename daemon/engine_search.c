/* A search, step by step: checked, encoded, ranked by the index, its documents fetched.
 *
 * The index knows passages, an answer has documents. So more passages are asked for than documents
 * are wanted, and more again where too many of them belong to one document.
 *
 * Searches whose texts are encoded together also scan the index together, which then reads its rows
 * once for all of them. A walk of a graph has nothing to share.
 */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "daemon/engine_internal.h"

/* How much more is asked for at each further try. */
enum { OVER_FETCH_GROWTH = 4 };

struct candidate {
    int64_t passage, document;
    double score;
};

/* A query's best passages, at most one for each document, best first. */
struct ranking {
    struct candidate *best; /* (top_k) */
    size_t count;
    bool ended; /* no further passage would come into it */
};

void search_release(struct search *search)
{
    index_selection_free(search->selection);
    arena_release(&search->scratch);
}

int search_select(struct search *search, struct err *err)
{
    index_selection_free(search->selection);
    search->selection = NULL;
    const struct engine_filter *filter = search->options->filter;
    return filter ? collection_select(search->engine, search->collection, filter,
                                      &search->selection, err)
                  : 0;
}

int search_check(const struct search *search, struct err *err)
{
    const struct engine_search_options *options = search->options;
    if (options->top_k < 1)
        return err_set(err, ERR_INVALID, "top_k is at least 1");
    if (options->top_k > ENGINE_TOP_K_MAX)
        return err_set(err, ERR_LIMIT, "top_k is at most %d, not %zu", ENGINE_TOP_K_MAX,
                       options->top_k);
    if (options->has_min_score && !isfinite(options->min_score))
        return err_set(err, ERR_INVALID, "min_score is not a finite number");

    for (size_t i = 0; i < search->count; i++) {
        const struct engine_query *query = &search->queries[i];
        size_t bad;
        int r = 0;
        if (query->vector)
            r = collection_check_vector(search->collection, query->vector, query->vector_size, err);
        else if (query->text_size == 0)
            r = err_set(err, ERR_INVALID, "the query has no text");
        else if (!utf8_valid(query->text, query->text_size, &bad))
            r = err_set(err, ERR_INVALID, "the text is not UTF-8 at byte %zu", bad);
        else
            r = collection_check_texts(search->engine, search->collection, err);
        if (r)
            return search->count == 1 ? r : err_prefix(err, "queries[%zu]", i);
    }
    return 0;
}

/* --- asking the index --- */

/* The passages to ask for at first. */
static size_t first_fetch(const struct search *search)
{
    size_t top_k = search->options->top_k;
    return top_k + top_k / 2 + 8;
}

/* Room for what the index gives for `count` queries. */
static int found_alloc(struct search_found *ret_found, size_t count, size_t fetch,
                       struct arena *arena, struct err *err)
{
    struct search_found found = {.fetch = fetch};
    if (fetch > SIZE_MAX / count)
        return err_memory(err, "a search");
    found.ids = arena_alloc(arena, count * fetch, sizeof *found.ids);
    found.scores = arena_alloc(arena, count * fetch, sizeof *found.scores);
    found.counts = arena_alloc(arena, count, sizeof *found.counts);
    if (!found.ids || !found.scores || !found.counts)
        return err_memory(err, "a search");
    *ret_found = found;
    return 0;
}

static int find(const struct search *search, const float *vectors, size_t count,
                struct search_found *found, struct err *err)
{
    const struct index_search_options options = {
        .top_k = found->fetch, .exact = search->options->exact, .selection = search->selection};
    int r = index_search(search->collection->index, vectors, count, &options, found->ids,
                         found->scores, found->counts, err);
    found->done = r == 0;
    return r;
}

static const struct search *search_of(const struct query_step *step)
{
    return (const struct search *)((const char *)step - offsetof(struct search, together));
}

static bool finds_alike(const struct query_step *step, const struct query_step *other)
{
    const struct search *a = search_of(step), *b = search_of(other);
    return a->collection == b->collection && a->first.fetch == b->first.fetch &&
           a->options->exact == b->options->exact;
}

/* One scan for several searches. Where it fails each asks for itself later, and gets its own error.
 */
static void find_together(struct query_step *const *steps, size_t count)
{
    const struct search *leader = search_of(steps[0]);
    size_t dimension = leader->collection->stored.dimension, fetch = leader->first.fetch, total = 0;
    struct arena memory = {0};
    struct search_found all;
    struct err ignored;
    for (size_t i = 0; i < count; i++)
        total += search_of(steps[i])->count;
    float *vectors = arena_alloc(&memory, total, dimension * sizeof *vectors);
    if (!vectors || found_alloc(&all, total, fetch, &memory, &ignored))
        goto out;
    total = 0;
    for (size_t i = 0; i < count; i++) {
        const struct search *search = search_of(steps[i]);
        memcpy(vectors + total * dimension, search->vectors,
               search->count * dimension * sizeof *vectors);
        total += search->count;
    }
    if (find(leader, vectors, total, &all, &ignored))
        goto out;
    total = 0;
    for (size_t i = 0; i < count; i++) {
        struct search *search = (struct search *)search_of(steps[i]);
        struct search_found *found = &search->first;
        size_t entries = search->count * fetch;
        memcpy(found->ids, all.ids + total * fetch, entries * sizeof *found->ids);
        memcpy(found->scores, all.scores + total * fetch, entries * sizeof *found->scores);
        memcpy(found->counts, all.counts + total, search->count * sizeof *found->counts);
        found->done = true;
        total += search->count;
    }
out:
    arena_release(&memory);
}

/* Whether a search would be quicker with others. */
static bool may_share(const struct search *search)
{
    struct index_stats stats;
    index_get_stats(search->collection->index, &stats);
    return !search->options->filter && (search->options->exact || stats.graph_segments == 0);
}

/* The vectors of a search of texts alone, and what the index gives for them. */
static int encode_all(struct search *search, const struct encoder_text *texts, struct err *err)
{
    struct query_step *step = NULL;
    if (may_share(search)) {
        int r =
            found_alloc(&search->first, search->count, first_fetch(search), &search->scratch, err);
        if (r)
            return r;
        search->together = (struct query_step){finds_alike, find_together};
        step = &search->together;
    }
    return model_encode_queries(search->collection->model, texts, search->count, search->vectors,
                                step, err);
}

/* The vectors of those among the queries that are texts; the others are given. */
static int encode_some(struct search *search, const struct encoder_text *texts, size_t count,
                       struct err *err)
{
    size_t dimension = search->collection->stored.dimension, n = 0;
    float *encoded = arena_alloc(&search->scratch, count, dimension * sizeof *encoded);
    if (!encoded)
        return err_memory(err, "the queries' vectors");
    int r = count
                ? model_encode_queries(search->collection->model, texts, count, encoded, NULL, err)
                : 0;
    for (size_t i = 0; i < search->count && !r; i++) {
        const float *given = search->queries[i].vector;
        memcpy(search->vectors + i * dimension, given ? given : encoded + n++ * dimension,
               dimension * sizeof *encoded);
    }
    return r;
}

int search_encode(struct search *search, struct err *err)
{
    size_t dimension = search->collection->stored.dimension, n = 0;
    struct encoder_text *texts = arena_alloc(&search->scratch, search->count, sizeof *texts);
    search->vectors =
        arena_alloc(&search->scratch, search->count, dimension * sizeof *search->vectors);
    if (!texts || !search->vectors)
        return err_memory(err, "the queries' vectors");
    for (size_t i = 0; i < search->count; i++) {
        const struct engine_query *query = &search->queries[i];
        if (!query->vector)
            texts[n++] = (struct encoder_text){.text = query->text, .size = query->text_size};
    }
    return n > 0 && n == search->count ? encode_all(search, texts, err)
                                       : encode_some(search, texts, n, err);
}

/* --- ranking --- */

/* Takes a passage into a ranking unless its document stands there already, by a better one. The
 * list has at most ENGINE_TOP_K_MAX entries, and is walked. */
static void take(struct ranking *ranking, const struct candidate *candidate)
{
    for (size_t i = 0; i < ranking->count; i++) {
        if (ranking->best[i].document == candidate->document)
            return;
    }
    ranking->best[ranking->count++] = *candidate;
}

/* Goes on with a query's ranking by `count` passages more. */
static void rank(struct search *search, struct ranking *ranking, const int64_t *passages,
                 const int64_t *documents, const float *scores, size_t count)
{
    const struct engine_search_options *options = search->options;
    for (size_t i = 0; i < count && !ranking->ended; i++) {
        if (options->has_min_score && (double)scores[i] < options->min_score)
            ranking->ended = true;
        else if (documents[i] == 0)
            search->vanished = true;
        else
            take(ranking, &(struct candidate){passages[i], documents[i], (double)scores[i]});
        ranking->ended |= ranking->count == options->top_k;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Goes on with the rankings of queries [first, first + count) by what was found in places
 * [from, to). */
static int rank_places(struct search *search, size_t first, size_t count,
                       const struct search_found *found, size_t from, size_t to,
                       struct arena *memory, struct err *err)
{
    size_t fetch = found->fetch, total = 0;
    int64_t *passages = arena_alloc(memory, count * (to - from), sizeof *passages);
    int64_t *documents = arena_alloc(memory, count * (to - from), sizeof *documents);
    if (!passages || !documents)
        return err_memory(err, "a search");
    for (size_t i = 0; i < count; i++) {
        size_t end = least(found->counts[i], to);
        for (size_t j = from; j < end && !search->rankings[first + i].ended; j++)
            passages[total++] = found->ids[i * fetch + j];
    }
    if (total == 0)
        return 0;
    int r = store_passage_documents(search->engine->store, passages, total, documents, err);
    if (r)
        return r;
    total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t end = least(found->counts[i], to);
        struct ranking *ranking = &search->rankings[first + i];
        if (ranking->ended || end <= from)
            continue;
        rank(search, ranking, passages + total, documents + total, found->scores + i * fetch + from,
             end - from);
        total += end - from;
    }
    return 0;
}

/* Ranks queries [first, first + count) by the best `fetch` passages of each. Most often each of the
 * first is another document's, so that the rest need not be looked up. */
static int rank_by(struct search *search, size_t first, size_t count, size_t fetch, struct err *err)
{
    size_t dimension = search->collection->stored.dimension, top_k = search->options->top_k;
    struct arena memory = {0};
    struct search_found found = search->first;
    int r = 0;
    if (!found.done || fetch != found.fetch) {
        r = found_alloc(&found, count, fetch, &memory, err);
        if (!r)
            r = find(search, search->vectors + first * dimension, count, &found, err);
    }
    for (size_t i = 0; i < count; i++) {
        search->rankings[first + i].count = 0;
        search->rankings[first + i].ended = false;
    }
    if (!r)
        r = rank_places(search, first, count, &found, 0, top_k, &memory, err);
    if (!r)
        r = rank_places(search, first, count, &found, top_k, fetch, &memory, err);
    for (size_t i = 0; i < count && !r; i++)
        search->rankings[first + i].ended |= found.counts[i] < fetch;
    arena_release(&memory);
    return r;
}

int search_rank(struct search *search, struct err *err)
{
    size_t top_k = search->options->top_k;
    struct index_stats stats;
    index_get_stats(search->collection->index, &stats);
    search->vanished = false;
    search->rankings = arena_alloc(&search->scratch, search->count, sizeof *search->rankings);
    struct candidate *best = arena_alloc(&search->scratch, search->count * top_k, sizeof *best);
    if (!search->rankings || !best)
        return err_memory(err, "a search");
    for (size_t i = 0; i < search->count; i++)
        search->rankings[i].best = best + i * top_k;
    if (search->count == 0 || stats.live == 0)
        return 0;

    size_t fetch = first_fetch(search);
    int r = rank_by(search, 0, search->count, fetch, err);
    search->first.done = false;
    for (size_t i = 0; i < search->count && !r; i++) {
        for (size_t more = fetch; !search->rankings[i].ended && !r;) {
            more *= OVER_FETCH_GROWTH;
            r = rank_by(search, i, 1, more, err);
        }
    }
    return r;
}

/* --- fetching --- */

int search_fetch(struct search *search, struct engine_results *ret_results, struct err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < search->count; i++)
        total += search->rankings[i].count;
    int64_t *passages = arena_alloc(&search->scratch, total, sizeof *passages);
    struct store_hit *rows = arena_alloc(&search->scratch, total, sizeof *rows);
    struct engine_hit *hits = arena_alloc(search->arena, total, sizeof *hits);
    if (!passages || !rows || !hits)
        return err_memory(err, "a search's documents");

    total = 0;
    for (size_t i = 0; i < search->count; i++) {
        for (size_t j = 0; j < search->rankings[i].count; j++)
            passages[total++] = search->rankings[i].best[j].passage;
    }
    int r = store_fetch_passages(search->engine->store, search->collection->stored.key, passages,
                                 total, search->arena, rows, err);
    if (r)
        return r;

    total = 0;
    for (size_t i = 0; i < search->count; i++) {
        const struct ranking *ranking = &search->rankings[i];
        struct engine_results results = {.hits = hits};
        for (size_t j = 0; j < ranking->count; j++) {
            const struct store_hit *row = &rows[total++];
            if (row->row.id)
                hits[results.count++] = (struct engine_hit){
                    .row = row->row,
                    .score = ranking->best[j].score,
                    .start = row->start,
                    .end = row->end,
                };
            else
                search->vanished = true;
        }
        hits += results.count;
        ret_results[i] = results;
    }
    return 0;
}

int search_wait_for_writer(struct search *search, struct err *err)
{
    struct collection *collection = search->collection;
    pthread_mutex_lock(&collection->write);
    pthread_mutex_unlock(&collection->write);
    if (atomic_load(&collection->dropped))
        return err_set(err, ERR_NOT_FOUND, "collection %s was dropped just now",
                       collection->stored.name);
    return 0;
}
