/* The engine opened and closed, the gate that its calls pass, and its numbers. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/engine_internal.h"

/* --- what all files of the engine use --- */

void engine_log(const struct engine *engine, int level, const char *format, ...)
{
    char message[1024];
    if (!engine->options.log)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    engine->options.log(engine->options.log_argument, level, message);
}

int engine_thread_start(pthread_t *ret_thread, void *(*main)(void *argument), void *argument,
                        struct err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(ret_thread, NULL, main, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure ? err_set_errno(err, failure, "cannot start a thread") : 0;
}

long long clock_seconds(void)
{
    return (long long)clock_now();
}

/* --- the gate --- */

int engine_enter(struct engine *engine, struct err *err)
{
    int r = 0;
    pthread_mutex_lock(&engine->gate);
    if (engine->shut)
        r = err_set(err, ERR_BUSY, "the service is stopping");
    else
        engine->calls++;
    pthread_mutex_unlock(&engine->gate);
    return r;
}

void engine_leave(struct engine *engine)
{
    pthread_mutex_lock(&engine->gate);
    if (--engine->calls == 0)
        pthread_cond_broadcast(&engine->left);
    pthread_mutex_unlock(&engine->gate);
}

int engine_enter_collection(struct engine *engine, const char *name,
                            struct collection **ret_collection, struct err *err)
{
    int r = engine_enter(engine, err);
    if (r)
        return r;
    r = collection_take_unready(engine, name, ret_collection, err);
    if (r)
        engine_leave(engine);
    return r;
}

void engine_leave_collection(struct engine *engine, struct collection *collection)
{
    collection_release(engine, collection);
    engine_leave(engine);
}

static void shut_gate(struct engine *engine)
{
    pthread_mutex_lock(&engine->gate);
    engine->shut = true;
    pthread_mutex_unlock(&engine->gate);
}

static void wait_until_empty(struct engine *engine)
{
    pthread_mutex_lock(&engine->gate);
    while (engine->calls > 0)
        pthread_cond_wait(&engine->left, &engine->gate);
    pthread_mutex_unlock(&engine->gate);
}

/* --- opening and closing --- */

static void init_locks(struct engine *engine)
{
    pthread_mutex_init(&engine->gate, NULL);
    pthread_cond_init(&engine->left, NULL);
    pthread_mutex_init(&engine->collections.catalog, NULL);
    pthread_mutex_init(&engine->collections.lock, NULL);
    pthread_mutex_init(&engine->maintainer.lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&engine->maintainer.wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void destroy_locks(struct engine *engine)
{
    pthread_cond_destroy(&engine->maintainer.wake);
    pthread_mutex_destroy(&engine->maintainer.lock);
    pthread_mutex_destroy(&engine->collections.lock);
    pthread_mutex_destroy(&engine->collections.catalog);
    pthread_cond_destroy(&engine->left);
    pthread_mutex_destroy(&engine->gate);
}

/* Gives back what was opened, in the other order; parts that never were are passed over. */
static void release(struct engine *engine)
{
    jobs_close(engine);
    maintainer_stop(engine);
    collections_close(engine);
    rerankers_close(engine->rerankers);
    models_close(&engine->models);
    store_close(engine->store);
    data_folder_close(&engine->folder);
    destroy_locks(engine);
    free(engine);
}

int engine_open(struct engine **ret_engine, const struct engine_options *options,
                const volatile int *cancel, struct err *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return err_memory(err, "the engine");
    engine->options = *options;
    engine->folder.lock = -1;
    init_locks(engine);

    int r = data_folder_open(&engine->folder, options->data_folder, err);
    if (!r)
        r = store_open(&engine->store, engine->folder.store, err);
    if (!r)
        r = models_open(&engine->models, options, &engine->cancel, err);
    if (!r)
        r = rerankers_open(&engine->rerankers, err);
    if (!r)
        r = collections_open(engine, err);
    if (!r && !options->load_later)
        r = engine_load(engine, cancel, err);
    if (!r)
        r = maintainer_start(engine, err);
    if (!r)
        r = jobs_open(engine, err);
    if (r)
        release(engine);
    else
        *ret_engine = engine;
    return r;
}

void engine_cancel(struct engine *engine)
{
    shut_gate(engine);
    cancel_raise(&engine->cancel);
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    shut_gate(engine);
    jobs_stop(engine);
    wait_until_empty(engine);
    maintainer_stop(engine);
    maintainer_save_all(engine);
    release(engine);
}

/* --- what there is to know --- */

const struct encoder_info *engine_model(const struct engine *engine)
{
    return engine->models.models[0]->info;
}

const char *engine_model_name(const struct engine *engine)
{
    return engine->models.models[0]->name;
}

void engine_get_stats(struct engine *engine, struct engine_stats *ret_stats)
{
    struct engine_stats stats = {
        .documents_added = atomic_load(&engine->documents_added),
        .documents_replaced = atomic_load(&engine->documents_replaced),
        .documents_unchanged = atomic_load(&engine->documents_unchanged),
        .documents_deleted = atomic_load(&engine->documents_deleted),
        .queries_answered = atomic_load(&engine->queries_answered),
        .store_bytes = store_bytes(engine->store),
    };
    for (size_t i = 0; i < engine->models.count; i++) {
        struct engine_model *model = engine->models.models[i];
        stats.texts_encoded += atomic_load(&model->texts_encoded);
        stats.tokens_encoded += atomic_load(&model->tokens_encoded);
        stats.bulk_texts_waiting += bulk_waiting(model->bulk);
    }
    pthread_mutex_lock(&engine->gate);
    stats.calls_under_way = engine->calls;
    pthread_mutex_unlock(&engine->gate);

    struct collection **items;
    struct err ignored;
    if (collections_take_all(engine, &items, &stats.collections, &ignored) == 0) {
        for (size_t i = 0; i < stats.collections; i++) {
            struct index_stats index = {0};
            if (atomic_load(&items[i]->ready))
                index_get_stats(items[i]->index, &index);
            stats.index_bytes += index.bytes;
            collection_release(engine, items[i]);
        }
        free(items);
    }
    *ret_stats = stats;
}
