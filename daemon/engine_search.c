/* A search, step by step: checked, encoded, ranked by the index, its documents fetched.
 *
 * The index knows passages, an answer has documents. So more passages are asked for than documents
 * are wanted, and more again where too many of them belong to one document.
 */
#include <math.h>
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
    bool open; /* the index has more passages, and there is room for them */
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

int search_encode(struct search *search, struct err *err)
{
    struct arena *scratch = &search->scratch;
    size_t dimension = search->collection->stored.dimension, n = 0;
    size_t vector_bytes = dimension * sizeof(float);
    struct encoder_text *texts = arena_alloc(scratch, search->count, sizeof *texts);
    float *encoded = arena_alloc(scratch, search->count, vector_bytes);
    search->vectors = arena_alloc(scratch, search->count, vector_bytes);
    if (!texts || !encoded || !search->vectors)
        return err_memory(err, "the queries' vectors");

    for (size_t i = 0; i < search->count; i++) {
        const struct engine_query *query = &search->queries[i];
        if (!query->vector)
            texts[n++] = (struct encoder_text){.text = query->text, .size = query->text_size};
    }
    if (n > 0) {
        struct engine_model *model = search->collection->model;
        int r = model_encode(model, texts, n, model->info->query_prompt, false, encoded, NULL, err);
        if (r)
            return r;
    }
    n = 0;
    for (size_t i = 0; i < search->count; i++) {
        const float *given = search->queries[i].vector;
        memcpy(search->vectors + i * dimension, given ? given : encoded + n++ * dimension,
               vector_bytes);
    }
    return 0;
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

/* Makes a query's ranking from the `found` passages that the index gave for it. */
static void rank(struct search *search, struct ranking *ranking, const int64_t *passages,
                 const int64_t *documents, const float *scores, size_t found, size_t fetch)
{
    const struct engine_search_options *options = search->options;
    ranking->count = 0;
    ranking->open = found == fetch;
    for (size_t i = 0; i < found && ranking->count < options->top_k; i++) {
        if (options->has_min_score && (double)scores[i] < options->min_score) {
            ranking->open = false;
            break;
        }
        if (documents[i] == 0)
            search->vanished = true;
        else
            take(ranking, &(struct candidate){passages[i], documents[i], (double)scores[i]});
    }
    if (ranking->count == options->top_k)
        ranking->open = false;
}

/* Ranks queries [first, first + count) by the best `fetch` passages of each. */
static int rank_by(struct search *search, size_t first, size_t count, size_t fetch, struct err *err)
{
    size_t dimension = search->collection->stored.dimension, total = 0;
    const struct index_search_options options = {
        .top_k = fetch, .exact = search->options->exact, .selection = search->selection};
    struct arena memory = {0};
    int r = 0;
    if (fetch > SIZE_MAX / count) {
        r = err_memory(err, "a search");
        goto out;
    }
    int64_t *ids = arena_alloc(&memory, count * fetch, sizeof *ids);
    int64_t *packed = arena_alloc(&memory, count * fetch, sizeof *packed);
    int64_t *documents = arena_alloc(&memory, count * fetch, sizeof *documents);
    float *scores = arena_alloc(&memory, count * fetch, sizeof *scores);
    size_t *found = arena_alloc(&memory, count, sizeof *found);
    if (!ids || !packed || !documents || !scores || !found) {
        r = err_memory(err, "a search");
        goto out;
    }
    r = index_search(search->collection->index, search->vectors + first * dimension, count,
                     &options, ids, scores, found, err);
    if (r)
        goto out;
    for (size_t i = 0; i < count; i++) {
        memcpy(packed + total, ids + i * fetch, found[i] * sizeof *packed);
        total += found[i];
    }
    r = store_passage_documents(search->engine->store, packed, total, documents, err);
    if (r)
        goto out;
    total = 0;
    for (size_t i = 0; i < count; i++) {
        rank(search, &search->rankings[first + i], ids + i * fetch, documents + total,
             scores + i * fetch, found[i], fetch);
        total += found[i];
    }
out:
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

    size_t fetch = top_k + top_k / 2 + 8;
    int r = rank_by(search, 0, search->count, fetch, err);
    for (size_t i = 0; i < search->count && !r; i++) {
        for (size_t more = fetch; search->rankings[i].open && !r;) {
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
