/* The engine's calls: the flow of an add and of a search, and the shorter ways through the store.
 *
 * The steps are in engine_add.c and engine_search.c. Opening and closing is in engine_open.c.
 */
#include <stdio.h>

#include "base/utf8.h"
#include "daemon/engine_internal.h"

/* Adds race with other changes of a collection between plan and commit, and plan again. */
enum { ADD_ATTEMPTS = 5 };

int engine_add(struct engine *engine, const char *collection,
               const struct engine_document *documents, size_t count, bool bulk,
               struct arena *arena, struct engine_add_result *ret_result, struct err *err)
{
    struct add_batch batch = {
        .engine = engine, .given = documents, .count = count, .bulk = bulk, .arena = arena};
    int r = engine_enter(engine, err);
    if (r)
        return r;

    r = add_batch_take_collection(&batch, collection, err);
    if (!r)
        r = add_batch_prepare(&batch, err);
    for (int attempt = 0; !r && attempt < ADD_ATTEMPTS; attempt++) {
        /* which texts are new? */
        r = add_batch_plan(&batch, err);
        /* passages and vectors for those */
        if (!r)
            r = add_batch_encode(&batch, err);
        /* all on disk in one transaction, then into the index */
        if (!r)
            r = add_batch_commit(&batch, err);
        if (r != ERR_BUSY)
            break;
        r = attempt + 1 < ADD_ATTEMPTS ? 0 : r;
    }
    if (!r)
        add_batch_report(&batch, ret_result);

    add_batch_release(&batch);
    engine_leave(engine);
    return r;
}

int engine_search(struct engine *engine, const char *collection, const struct engine_query *queries,
                  size_t count, const struct engine_search_options *options, struct arena *arena,
                  struct engine_results *ret_results, struct err *err)
{
    struct search search = {
        .engine = engine, .queries = queries, .count = count, .options = options, .arena = arena};
    int r = engine_enter(engine, err);
    if (r)
        return r;

    r = collection_take(engine, collection, &search.collection, err);
    if (!r)
        r = search_check(&search, err);
    /* the queries' vectors */
    if (!r)
        r = search_encode(&search, err);
    for (int attempt = 0; !r && attempt < 2; attempt++) {
        /* which passages may be found */
        r = search_select(&search, err);
        /* the nearest of them, the best one of each document */
        if (!r)
            r = search_rank(&search, err);
        /* the documents */
        if (!r)
            r = search_fetch(&search, ret_results, err);
        if (!search.vanished)
            break;
        /* A document was replaced or deleted in between: once more, when the index knows too. */
        if (!r)
            r = search_wait_for_writer(&search, err);
    }
    if (!r)
        atomic_fetch_add(&engine->queries_answered, count);

    search_release(&search);
    collection_release(engine, search.collection);
    engine_leave(engine);
    return r;
}

int engine_delete(struct engine *engine, const char *collection, const char *const *ids,
                  size_t count, const char *source, size_t *ret_deleted, struct err *err)
{
    struct collection *found = NULL;
    struct arena arena = {0};
    struct store_changes changes;
    size_t deleted;
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = collection_take(engine, collection, &found, err);
    if (r)
        goto out;
    pthread_mutex_lock(&found->write);
    r = store_delete(engine->store, found->stored.key, ids, count, source, &deleted, &arena,
                     &changes, err);
    if (!r)
        collection_apply(engine, found, &changes);
    pthread_mutex_unlock(&found->write);
    store_tidy(engine->store);
    if (!r) {
        atomic_fetch_add(&engine->documents_deleted, deleted);
        *ret_deleted = deleted;
    }
out:
    arena_release(&arena);
    collection_release(engine, found);
    engine_leave(engine);
    return r;
}

int engine_get(struct engine *engine, const char *collection, const char *id, struct arena *arena,
               struct store_row *ret_row, struct err *err)
{
    struct collection *found;
    int r = engine_enter_collection(engine, collection, &found, err);
    if (r)
        return r;
    r = store_get(engine->store, found->stored.key, id, arena, ret_row, err);
    engine_leave_collection(engine, found);
    return r;
}

int engine_list(struct engine *engine, const char *collection,
                const struct engine_list_options *options, struct arena *arena,
                struct store_row **ret_rows, size_t *ret_count, struct err *err)
{
    struct collection *found;
    int r = engine_enter_collection(engine, collection, &found, err);
    if (r)
        return r;
    if (options->filter)
        r = store_list_selected(engine->store, found->stored.key, options->filter->filter,
                                options->after, options->limit, arena, ret_rows, ret_count, err);
    else
        r = store_list(engine->store, found->stored.key, options->after, options->source,
                       options->limit, arena, ret_rows, ret_count, err);
    engine_leave_collection(engine, found);
    return r;
}

int engine_export(struct engine *engine, const char *collection,
                  const struct engine_export_options *options, struct arena *arena,
                  struct store_whole **ret_wholes, size_t *ret_count, size_t *ret_dimension,
                  bool *ret_more, struct err *err)
{
    struct collection *found;
    int r = engine_enter_collection(engine, collection, &found, err);
    if (r)
        return r;
    r = store_export(engine->store, &found->stored, options->after, options->limit, options->bytes,
                     arena, ret_wholes, ret_count, ret_more, err);
    if (!r)
        *ret_dimension = found->stored.dimension;
    engine_leave_collection(engine, found);
    return r;
}

int engine_embed(struct engine *engine, const char *model, const char *prompt_name,
                 const struct encoder_text *texts, size_t count, float *ret_vectors,
                 struct encoder_usage *ret_usage, struct err *err)
{
    int r = engine_enter(engine, err);
    if (r)
        return r;
    struct engine_model *found = models_find(&engine->models, model);
    if (!found)
        r = err_set(err, ERR_NOT_FOUND, "model %s is not loaded; this daemon runs %s", model,
                    engine_model_name(engine));
    /* Here and not in the encoder, which sees slices and would count from their start. */
    for (size_t i = 0; i < count && !r; i++) {
        size_t bad;
        if (!utf8_valid(texts[i].text, texts[i].size, &bad) ||
            (texts[i].pair && !utf8_valid(texts[i].pair, texts[i].pair_size, &bad)))
            r = err_set(err, ERR_INVALID, "texts[%zu] is not UTF-8 at byte %zu", i, bad);
    }
    const char *prompt = r ? NULL : found->info->default_prompt;
    if (!r && prompt_name)
        r = encoder_prompt(found->encoder, prompt_name, &prompt, err);
    if (!r)
        r = model_encode(found, texts, count, prompt, false, ret_vectors, ret_usage, err);
    engine_leave(engine);
    return r;
}
