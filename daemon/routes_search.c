/* The answer to a search. */
#include "base/clock.h"
#include "daemon/routes.h"

static void put_hit(struct json_writer *writer, const struct engine_hit *hit, bool reranked)
{
    json_open(writer, '{');
    json_key(writer, "score");
    json_put_score(writer, hit->score);
    if (reranked) {
        json_key(writer, "vector_score");
        json_put_score(writer, hit->vector_score);
    }
    answer_write_row(writer, &hit->row);
    json_key(writer, "passage");
    json_open(writer, '{');
    json_member_integer(writer, "start", (int64_t)hit->start);
    json_member_integer(writer, "end", (int64_t)hit->end);
    json_close(writer, '}');
    json_close(writer, '}');
}

static void put_hits(struct json_writer *writer, const struct engine_results *results,
                     bool reranked)
{
    json_open(writer, '[');
    for (size_t i = 0; i < results->count; i++)
        put_hit(writer, &results->hits[i], reranked);
    json_close(writer, ']');
}

static int put_results(struct call *call, const struct wire_search *request,
                       const struct engine_results *results, double seconds)
{
    struct json_writer writer = {.buf = &call->answer};

    json_open(&writer, '{');
    json_key(&writer, "results");
    if (request->list)
        json_open(&writer, '[');
    for (size_t i = 0; i < request->count; i++)
        put_hits(&writer, &results[i], request->reranked);
    if (request->list)
        json_close(&writer, ']');
    json_key(&writer, "took_ms");
    json_put_real(&writer, (double)(int64_t)(seconds * 1e6) / 1e3);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

static int search(struct call *call, const struct wire_search *request,
                  struct engine_results *ret_results)
{
    struct engine *engine = call->service->engine;
    if (request->reranked)
        return engine_search_reranked(engine, call->name, request->queries, request->count,
                                      &request->options, &request->rerank, &call->arena,
                                      ret_results, &call->fault.err);
    return engine_search(engine, call->name, request->queries, request->count, &request->options,
                         &call->arena, ret_results, &call->fault.err);
}

int answer_search(struct call *call)
{
    double started = clock_now();
    struct wire_search request;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    if ((r = wire_read_search(body, &call->arena, &request, &call->fault)) < 0)
        goto out;
    if (request.reranked && (r = call_rerank_model(call, "rerank.model", &request.rerank.model)))
        goto out;
    struct engine_results *results = arena_alloc(&call->arena, request.count, sizeof *results);
    if (!results) {
        r = wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the answer");
        goto out;
    }
    r = search(call, &request, results);
    if (r == 0)
        r = put_results(call, &request, results, clock_now() - started);
out:
    json_decref(body);
    return r;
}
