/* The second stage of a search: a cross-encoder reads the query and each candidate together, which
 * is slower than comparing vectors and knows better.
 *
 * Cross-encoders are loaded when they are first asked for and kept, a few of them. Each has one
 * crew of this process's usual priority; callers take turns with it, each with all its pairs in one
 * packed pass. The table's lock is held while a model is loaded: only those who rerank wait for it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "daemon/engine_internal.h"
#include "daemon/engine_rerank.h"
#include "encoder/cross_encoder.h"
#include "encoder/model/registry.h"

enum { RERANKERS_MAX = 4 };

struct reranker {
    char *folder;
    struct cross_encoder *cross;
    struct cross_encoder_crew *crew;
    pthread_mutex_t turn; /* whose holder has the crew */
    size_t users;         /* under the table's lock, as is the next */
    uint64_t used;        /* when it was last asked for, by the table's clock */
};

struct reranker_table {
    pthread_mutex_t lock;
    struct reranker *items[RERANKERS_MAX];
    size_t count;
    uint64_t clock;
};

static void reranker_close(struct reranker *reranker)
{
    if (!reranker)
        return;
    cross_encoder_crew_close(reranker->crew);
    cross_encoder_close(reranker->cross);
    pthread_mutex_destroy(&reranker->turn);
    free(reranker->folder);
    free(reranker);
}

static int reranker_open(struct reranker **ret_reranker, const char *folder,
                         const struct engine_options *options, struct err *err)
{
    const struct encoder_options how = {.precision = options->precision};
    int threads = options->threads > 0 ? options->threads : cpu_count();
    struct reranker *reranker = calloc(1, sizeof *reranker);
    if (!reranker)
        return err_memory(err, "a model for reranking");
    pthread_mutex_init(&reranker->turn, NULL);
    reranker->folder = strdup(folder);
    int r = reranker->folder ? cross_encoder_open(&reranker->cross, folder, &how, err)
                             : err_memory(err, "a model for reranking");
    if (!r && cross_encoder_info(reranker->cross)->labels != 1)
        r = err_set(err, ERR_UNSUPPORTED,
                    "%s gives a pair %zu labels; reranking takes a model of one label, whose score "
                    "says how well the two belong together",
                    folder, cross_encoder_info(reranker->cross)->labels);
    if (!r)
        r = cross_encoder_crew_open(&reranker->crew, reranker->cross, threads, false, err);
    if (r)
        reranker_close(reranker);
    else
        *ret_reranker = reranker;
    return r;
}

int rerankers_open(struct reranker_table **ret_table, struct err *err)
{
    struct reranker_table *table = calloc(1, sizeof *table);
    if (!table)
        return err_memory(err, "the table of models for reranking");
    pthread_mutex_init(&table->lock, NULL);
    *ret_table = table;
    return 0;
}

void rerankers_close(struct reranker_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        reranker_close(table->items[i]);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* --- taking one; under the table's lock --- */

static struct reranker *find(const struct reranker_table *table, const char *folder)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->items[i]->folder, folder) == 0)
            return table->items[i];
    return NULL;
}

/* Makes room for one more by closing the one that nobody has asked for the longest. */
static int make_room(struct reranker_table *table, struct err *err)
{
    size_t oldest = table->count;
    if (table->count < RERANKERS_MAX)
        return 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->items[i]->users == 0 &&
            (oldest == table->count || table->items[i]->used < table->items[oldest]->used))
            oldest = i;
    if (oldest == table->count)
        return err_set(err, ERR_BUSY, "%d models for reranking are in use just now", RERANKERS_MAX);
    reranker_close(table->items[oldest]);
    table->items[oldest] = table->items[--table->count];
    return 0;
}

static int load(struct engine *engine, const char *folder, struct reranker **ret_reranker,
                struct err *err)
{
    struct reranker_table *table = engine->rerankers;
    int r = make_room(table, err);
    if (!r)
        r = reranker_open(ret_reranker, folder, &engine->options, err);
    if (r)
        return r;
    table->items[table->count++] = *ret_reranker;
    engine_log(engine, LOG_INFO, "loaded %s for reranking", folder);
    return 0;
}

static int reranker_take(struct engine *engine, const char *model, struct reranker **ret_reranker,
                         struct err *err)
{
    struct reranker_table *table = engine->rerankers;
    char *folder;
    int r = registry_resolve(&folder, model, err);
    if (r)
        return r;
    pthread_mutex_lock(&table->lock);
    struct reranker *reranker = find(table, folder);
    if (!reranker)
        r = load(engine, folder, &reranker, err);
    if (!r) {
        reranker->users++;
        reranker->used = ++table->clock;
        *ret_reranker = reranker;
    }
    pthread_mutex_unlock(&table->lock);
    free(folder);
    return r;
}

static void reranker_release(struct engine *engine, struct reranker *reranker)
{
    pthread_mutex_lock(&engine->rerankers->lock);
    reranker->users--;
    pthread_mutex_unlock(&engine->rerankers->lock);
}

const char *engine_rerank_model(const struct engine *engine)
{
    return engine->options.rerank_model;
}

/* --- scoring --- */

static int reranker_score(struct engine *engine, struct reranker *reranker,
                          const struct encoder_text *pairs, size_t count, float *ret_logits,
                          float *ret_scores, struct err *err)
{
    pthread_mutex_lock(&reranker->turn);
    int r = cross_encoder_score(reranker->crew, pairs, count, ret_logits, ret_scores, NULL,
                                &engine->cancel, err);
    pthread_mutex_unlock(&reranker->turn);
    return r;
}

int engine_rerank(struct engine *engine, const char *model, const struct encoder_text *pairs,
                  size_t count, float *ret_logits, float *ret_scores, struct err *err)
{
    struct reranker *reranker;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = reranker_take(engine, model, &reranker, err);
    if (!r) {
        r = reranker_score(engine, reranker, pairs, count, ret_logits, ret_scores, err);
        reranker_release(engine, reranker);
    }
    engine_leave(engine);
    return r;
}

/* --- a search in two stages --- */

struct second_stage {
    struct reranker *reranker;
    const struct engine_query *queries;
    size_t count; /* of queries and results */
    struct engine_results *results;
    const struct engine_search_options *options;
};

static int better_first(const void *left, const void *right)
{
    const struct engine_hit *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->vector_score != b->vector_score)
        return a->vector_score > b->vector_score ? -1 : 1;
    return strcmp(a->row.id, b->row.id);
}

/* Puts a query's hits, which have their scores, in order, and leaves out those not asked for. */
static void settle(struct engine_results *results, const struct engine_search_options *options)
{
    size_t kept = 0;
    if (results->count > 0)
        qsort(results->hits, results->count, sizeof *results->hits, better_first);
    while (kept < results->count && kept < options->top_k &&
           !(options->has_min_score && results->hits[kept].score < options->min_score))
        kept++;
    results->count = kept;
}

/* Pairs each query with the passages that were found for it. */
static void make_pairs(const struct second_stage *stage, struct encoder_text *pairs)
{
    for (size_t i = 0; i < stage->count; i++)
        for (size_t j = 0; j < stage->results[i].count; j++) {
            const struct engine_hit *hit = &stage->results[i].hits[j];
            *pairs++ = (struct encoder_text){.text = stage->queries[i].text,
                                             .size = stage->queries[i].text_size,
                                             .pair = hit->row.text + hit->start,
                                             .pair_size = hit->end - hit->start};
        }
}

static int score_hits(struct engine *engine, const struct second_stage *stage, struct err *err)
{
    struct arena memory = {0};
    size_t total = 0, n = 0;
    for (size_t i = 0; i < stage->count; i++)
        total += stage->results[i].count;
    struct encoder_text *pairs = arena_alloc(&memory, total, sizeof *pairs);
    float *logits = arena_alloc(&memory, total, sizeof *logits);
    float *scores = arena_alloc(&memory, total, sizeof *scores);
    int r = pairs && logits && scores ? 0 : err_memory(err, "the candidates");
    if (!r) {
        make_pairs(stage, pairs);
        r = reranker_score(engine, stage->reranker, pairs, total, logits, scores, err);
    }
    for (size_t i = 0; !r && i < stage->count; i++) {
        struct engine_results *results = &stage->results[i];
        for (size_t j = 0; j < results->count; j++) {
            results->hits[j].vector_score = results->hits[j].score;
            results->hits[j].score = (double)scores[n++];
        }
        settle(results, stage->options);
    }
    arena_release(&memory);
    return r;
}

static int check(const struct engine_query *queries, size_t count, size_t candidates,
                 struct err *err)
{
    if (candidates > ENGINE_TOP_K_MAX)
        return err_set(err, ERR_LIMIT, "candidates are at most %d, not %zu", ENGINE_TOP_K_MAX,
                       candidates);
    if (count > ENGINE_RERANK_MAX / candidates)
        return err_set(err, ERR_LIMIT, "%zu queries of %zu candidates are more than %d to rerank",
                       count, candidates, ENGINE_RERANK_MAX);
    for (size_t i = 0; i < count; i++)
        if (queries[i].vector)
            return err_set(err, ERR_INVALID, "reranking needs the query's text, not its vector");
    return 0;
}

int engine_search_reranked(struct engine *engine, const char *collection,
                           const struct engine_query *queries, size_t count,
                           const struct engine_search_options *options,
                           const struct engine_rerank_options *rerank, struct arena *arena,
                           struct engine_results *ret_results, struct err *err)
{
    size_t candidates = rerank->candidates;
    if (candidates == 0)
        candidates = options->top_k > ENGINE_CANDIDATES ? options->top_k : ENGINE_CANDIDATES;
    struct engine_search_options first = *options;
    first.top_k = candidates;
    first.has_min_score = false;
    struct second_stage stage = {
        .queries = queries, .count = count, .results = ret_results, .options = options};

    int r = check(queries, count, candidates, err);
    if (!r)
        r = engine_enter(engine, err);
    if (r)
        return r;
    r = reranker_take(engine, rerank->model, &stage.reranker, err);
    if (r)
        goto out;
    r = engine_search(engine, collection, queries, count, &first, arena, ret_results, err);
    if (!r)
        r = score_hits(engine, &stage, err);
    reranker_release(engine, stage.reranker);
out:
    engine_leave(engine);
    return r;
}
