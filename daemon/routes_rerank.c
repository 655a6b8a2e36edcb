/* The answer to texts that are put in order by a cross-encoder, as text-embeddings-inference has
 * it. */
#include <math.h>
#include <stdlib.h>

#include "daemon/routes.h"

struct rank {
    size_t index;
    float logit;
};

static int better_first(const void *left, const void *right)
{
    const struct rank *a = left, *b = right;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int put_ranks(struct call *call, const struct wire_rerank *request, const struct rank *ranks)
{
    struct json_writer writer = {.buf = &call->answer};

    json_open(&writer, '[');
    for (size_t i = 0; i < request->count; i++) {
        const struct encoder_text *pair = &request->pairs[ranks[i].index];
        double logit = (double)ranks[i].logit;
        json_open(&writer, '{');
        json_member_integer(&writer, "index", (int64_t)ranks[i].index);
        json_key(&writer, "score");
        json_put_score(&writer, request->raw_scores ? logit : 1 / (1 + exp(-logit)));
        if (request->return_text) {
            json_key(&writer, "text");
            json_text(&writer, pair->pair, pair->pair_size);
        }
        json_close(&writer, '}');
    }
    json_close(&writer, ']');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

static int rank(struct call *call, const struct wire_rerank *request)
{
    float *logits = arena_alloc(&call->arena, request->count, sizeof *logits);
    float *scores = arena_alloc(&call->arena, request->count, sizeof *scores);
    struct rank *ranks = arena_alloc(&call->arena, request->count, sizeof *ranks);

    if (!logits || !scores || !ranks)
        return wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the scores");
    int r = engine_rerank(call->service->engine, request->model, request->pairs, request->count,
                          logits, scores, &call->fault.err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < request->count; i++)
        ranks[i] = (struct rank){i, logits[i]};
    qsort(ranks, request->count, sizeof *ranks, better_first);
    return put_ranks(call, request, ranks);
}

int call_rerank_model(struct call *call, const char *where, const char **model)
{
    if (!*model)
        *model = engine_rerank_model(call->service->engine);
    return *model ? 0
                  : wire_fail(&call->fault, ERR_INVALID, where,
                              "is missing, and the service has no rerank-model");
}

int answer_rerank(struct call *call)
{
    struct wire_rerank request;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_read_rerank(body, &call->arena, &request, &call->fault);
    if (r == 0)
        r = call_rerank_model(call, "model", &request.model);
    if (r == 0)
        r = rank(call, &request);
    json_decref(body);
    return r;
}
