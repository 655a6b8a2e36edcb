/* Answers that come from the model alone: embeddings, as OpenAI has them, and similarities. */
#include "daemon/routes.h"
#include "daemon/wire_field.h"

/* (count, dimension) floats from the arena, and the usage of each text. */
static int embed(struct call *call, const char *model, const char *prompt_name,
                 const struct encoder_text *texts, size_t count, float **ret_vectors,
                 struct encoder_usage **ret_usage)
{
    struct engine *engine = call->service->engine;
    size_t dimension = engine_model(engine)->dimension;
    float *vectors = arena_alloc(&call->arena, count, dimension * sizeof *vectors);
    struct encoder_usage *usage = arena_alloc(&call->arena, count, sizeof *usage);

    if (!vectors || !usage)
        return wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the vectors");
    int r =
        engine_embed(engine, model, prompt_name, texts, count, vectors, usage, &call->fault.err);
    if (r < 0)
        return r;
    *ret_vectors = vectors;
    *ret_usage = usage;
    return 0;
}

static void put_vector(struct json_writer *writer, const float *vector, size_t dimension)
{
    json_open(writer, '[');
    for (size_t i = 0; i < dimension; i++)
        json_put_score(writer, (double)vector[i]);
    json_close(writer, ']');
}

static int put_embeddings(struct call *call, const struct wire_embeddings *request,
                          const float *vectors, const struct encoder_usage *usage)
{
    const struct engine *engine = call->service->engine;
    size_t dimension = engine_model(engine)->dimension;
    struct json_writer writer = {.buf = &call->answer};
    int64_t tokens = 0;

    json_open(&writer, '{');
    json_member_string(&writer, "object", "list");
    json_member_string(&writer, "model", engine_model_name(engine));
    json_key(&writer, "data");
    json_open(&writer, '[');
    for (size_t i = 0; i < request->count; i++) {
        json_open(&writer, '{');
        json_member_string(&writer, "object", "embedding");
        json_member_integer(&writer, "index", (int64_t)i);
        json_key(&writer, "embedding");
        if (request->base64)
            json_put_string(&writer, wire_base64(vectors + i * dimension, dimension, &call->arena));
        else
            put_vector(&writer, vectors + i * dimension, dimension);
        json_close(&writer, '}');
        tokens += usage[i].tokens;
    }
    json_close(&writer, ']');
    json_key(&writer, "usage");
    json_open(&writer, '{');
    json_member_integer(&writer, "prompt_tokens", tokens);
    json_member_integer(&writer, "total_tokens", tokens);
    json_close(&writer, '}');
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}

int answer_embeddings(struct call *call)
{
    size_t dimension = engine_model(call->service->engine)->dimension;
    struct wire_embeddings request;
    struct encoder_usage *usage;
    float *vectors;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    if ((r = wire_read_embeddings(body, &call->arena, &request, &call->fault)) < 0)
        goto out;
    if (request.dimensions && request.dimensions != dimension) {
        r = wire_fail(&call->fault, ERR_UNSUPPORTED, "dimensions",
                      "the model has %zu dimensions, and fewer are not supported", dimension);
        goto out;
    }
    if ((r = embed(call, request.model, request.prompt_name, request.texts, request.count, &vectors,
                   &usage)) < 0)
        goto out;
    r = put_embeddings(call, &request, vectors, usage);
out:
    json_decref(body);
    return r;
}

int answer_similarity(struct call *call)
{
    size_t dimension = engine_model(call->service->engine)->dimension;
    struct json_writer writer = {.buf = &call->answer};
    struct wire_similarity request;
    struct encoder_usage *usage;
    float *vectors;
    const char *similarity = engine_model(call->service->engine)->similarity;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    if ((r = wire_read_similarity(body, &call->arena, &request, &call->fault)) < 0)
        goto out;
    if ((r = embed(call, request.model, request.prompt_name, request.texts, request.count, &vectors,
                   &usage)) < 0)
        goto out;
    json_open(&writer, '{');
    json_key(&writer, "similarities");
    json_open(&writer, '[');
    for (size_t i = 1; i < request.count; i++)
        json_put_score(&writer,
                       encoder_similarity(similarity, vectors, vectors + i * dimension, dimension));
    json_close(&writer, ']');
    json_close(&writer, '}');
    json_line_end(&writer);
    r = answer_done(call, &writer);
out:
    json_decref(body);
    return r;
}
