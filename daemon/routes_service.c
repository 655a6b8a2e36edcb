/* Answers about the service itself: health, status, and the protocol as OpenAPI. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/engine_care.h"
#include "daemon/openapi.h"
#include "daemon/routes.h"

/* What is being loaded, in a sentence. */
static void describe_loading(const struct engine_loading *loading, char *text, size_t size)
{
    if (loading->name[0])
        snprintf(text, size,
                 "loading collection %s: %lld of %lld vectors; %zu of %zu collections are ready",
                 loading->name, (long long)loading->vectors, (long long)loading->total,
                 loading->ready, loading->collections);
    else
        snprintf(text, size, "loading: %zu of %zu collections are ready", loading->ready,
                 loading->collections);
}

static void put_loading(struct json_writer *writer, const struct engine_loading *loading)
{
    json_key(writer, "loading");
    json_open(writer, '{');
    json_member_integer(writer, "collections", (int64_t)loading->collections);
    json_member_integer(writer, "ready", (int64_t)loading->ready);
    json_member_string(writer, "collection", loading->name[0] ? loading->name : NULL);
    json_member_integer(writer, "vectors", loading->vectors);
    json_member_integer(writer, "total", loading->total);
    json_close(writer, '}');
}

/* The error form with the progress beside it. */
static int answer_loading(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};
    struct engine_loading loading;
    char text[200];

    engine_is_loading(call->service->engine, &loading);
    describe_loading(&loading, text, sizeof text);
    call->status = 503;
    json_open(&writer, '{');
    json_key(&writer, "error");
    json_open(&writer, '{');
    json_member_string(&writer, "code", "loading");
    json_member_string(&writer, "message", text);
    json_close(&writer, '}');
    put_loading(&writer, &loading);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_health(struct call *call)
{
    struct json_writer writer = {.buf = &call->answer};

    if (call_refuse_unready(call))
        return 0;
    if (atomic_load(&call->service->state) == SERVICE_OPEN)
        return answer_loading(call);
    const struct encoder_info *model = engine_model(call->service->engine);
    json_open(&writer, '{');
    json_member_string(&writer, "status", "ok");
    json_member_string(&writer, "precision", model->precision);
    json_member_string(&writer, "precision_reason", model->precision_reason);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_openapi(struct call *call)
{
    size_t size;
    const char *document = openapi_document(&size);

    if (buf_append(&call->answer, document, size) < 0)
        return wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the answer");
    return 0;
}

/* Bytes of memory that are resident, 0 where the system does not say (proc(5), statm). */
static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return 0;
    if (fscanf(file, "%*s %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void put_model(struct json_writer *writer, const struct engine *engine)
{
    const struct encoder_info *model = engine_model(engine);

    json_member_string(writer, "model", engine_model_name(engine));
    json_member_string(writer, "fingerprint", model->fingerprint);
    json_member_string(writer, "architecture", model->architecture);
    json_member_string(writer, "precision", model->precision);
    json_member_string(writer, "precision_reason", model->precision_reason);
    json_member_string(writer, "backend", model->backend);
    json_member_string(writer, "isa", model->isa);
    json_member_string(writer, "similarity", model->similarity);
    json_member_integer(writer, "dimension", (int64_t)model->dimension);
    json_member_integer(writer, "max_seq_length", (int64_t)model->max_seq_length);
}

static void put_requests(struct json_writer *writer, struct service *service)
{
    pthread_mutex_lock(&service->lock);
    size_t in_flight = service->in_flight;
    pthread_mutex_unlock(&service->lock);
    json_key(writer, "requests");
    json_open(writer, '{');
    json_member_integer(writer, "served", (int64_t)atomic_load(&service->served));
    json_member_integer(writer, "failed", (int64_t)atomic_load(&service->failed));
    json_member_integer(writer, "in_flight", (int64_t)in_flight);
    json_member_integer(writer, "waiting_interactive",
                        (int64_t)service_queue_waiting(service->interactive));
    json_member_integer(writer, "waiting_bulk", (int64_t)service_queue_waiting(service->bulk));
    json_close(writer, '}');
}

static void put_engine(struct json_writer *writer, struct engine *engine)
{
    struct engine_stats stats;

    engine_get_stats(engine, &stats);
    json_key(writer, "engine");
    json_open(writer, '{');
    json_member_integer(writer, "texts_encoded", (int64_t)stats.texts_encoded);
    json_member_integer(writer, "tokens_encoded", (int64_t)stats.tokens_encoded);
    json_member_integer(writer, "documents_added", (int64_t)stats.documents_added);
    json_member_integer(writer, "documents_replaced", (int64_t)stats.documents_replaced);
    json_member_integer(writer, "documents_unchanged", (int64_t)stats.documents_unchanged);
    json_member_integer(writer, "documents_deleted", (int64_t)stats.documents_deleted);
    json_member_integer(writer, "queries_answered", (int64_t)stats.queries_answered);
    json_member_integer(writer, "bulk_texts_waiting", (int64_t)stats.bulk_texts_waiting);
    json_member_integer(writer, "index_bytes", (int64_t)stats.index_bytes);
    json_member_integer(writer, "store_bytes", stats.store_bytes);
    json_close(writer, '}');
}

static void put_backup(struct json_writer *writer, struct engine *engine)
{
    int64_t done, total;

    engine_backup_progress(engine, &done, &total);
    json_key(writer, "backup");
    if (total == 0) {
        json_put_null(writer);
        return;
    }
    json_open(writer, '{');
    json_member_integer(writer, "pages_done", done);
    json_member_integer(writer, "pages", total);
    json_close(writer, '}');
}

int answer_status(struct call *call)
{
    struct service *service = call->service;
    struct json_writer writer = {.buf = &call->answer};
    struct engine_collection *collections;
    size_t count;
    int64_t documents = 0, passages = 0;
    int r = engine_collection_list(service->engine, &call->arena, &collections, &count,
                                   &call->fault.err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        documents += collections[i].stored.documents;
        passages += collections[i].stored.passages;
    }
    json_open(&writer, '{');
    json_member_string(&writer, "version", SBERTD_VERSION);
    json_member_integer(&writer, "pid", getpid());
    json_key(&writer, "uptime_s");
    json_put_real(&writer, (double)(int64_t)((clock_now() - service->started) * 1000) / 1000);
    json_member_integer(&writer, "memory_bytes", resident_bytes());
    json_member_string(&writer, "socket", service->socket);
    json_member_string(&writer, "data_folder", service->data_folder);
    put_model(&writer, service->engine);
    struct engine_loading loading;
    if (engine_is_loading(service->engine, &loading))
        put_loading(&writer, &loading);
    json_member_integer(&writer, "collections", (int64_t)count);
    json_member_integer(&writer, "documents", documents);
    json_member_integer(&writer, "passages", passages);
    put_requests(&writer, service);
    put_engine(&writer, service->engine);
    put_backup(&writer, service->engine);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}
