/* Reading what asks for a cross-encoder: the second stage of a search, and pairs to score. */
#include "daemon/wire_field.h"
#include "daemon/wire_limits.h"

int wire_read_rerank_options(const json_t *value, struct engine_rerank_options *ret,
                             struct wire_fault *fault)
{
    static const char *const known[] = {"model", "candidates", NULL};
    const json_t *model = wire_member(value, "model"),
                 *candidates = wire_member(value, "candidates");
    struct engine_rerank_options rerank = {0};
    int64_t number = 0;
    int r;

    if (!json_is_object(value))
        return wire_fail(fault, ERR_INVALID, "rerank", "must be an object");
    if ((r = wire_check_fields(value, "rerank", known, fault)) < 0)
        return r;
    if (model && (r = wire_name(model, "rerank.model", LIMIT_PATH, &rerank.model, fault)) < 0)
        return r;
    if (candidates &&
        (r = wire_integer(candidates, "rerank.candidates", 1, LIMIT_TOP_K, &number, fault)) < 0)
        return r;
    rerank.candidates = (size_t)number;
    *ret = rerank;
    return 0;
}

static int read_pairs(const json_t *query, const json_t *texts, struct arena *arena,
                      struct wire_rerank *request, struct wire_fault *fault)
{
    struct encoder_text first = {0};
    int r = wire_text(query, "query", &first.text, &first.size, fault);
    if (r == 0)
        r = wire_list(texts, "texts", LIMIT_INPUTS, "texts", &request->count, fault);
    if (r < 0)
        return r;
    request->pairs = arena_alloc(arena, request->count, sizeof *request->pairs);
    if (!request->pairs)
        return wire_fail(fault, ERR_MEMORY, "", "out of memory for the request");
    for (size_t i = 0; r == 0 && i < request->count; i++) {
        request->pairs[i] = first;
        r = wire_text(json_array_get(texts, i), wire_path_index("", "texts", i).text,
                      &request->pairs[i].pair, &request->pairs[i].pair_size, fault);
    }
    return r;
}

int wire_read_rerank(const json_t *body, struct arena *arena, struct wire_rerank *ret,
                     struct wire_fault *fault)
{
    static const char *const known[] = {"query",      "texts",       "model",
                                        "raw_scores", "return_text", NULL};
    const json_t *model = wire_member(body, "model");
    struct wire_rerank request = {0};
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if (model && (r = wire_name(model, "model", LIMIT_PATH, &request.model, fault)) < 0)
        return r;
    if ((r = wire_flag(body, "raw_scores", &request.raw_scores, fault)) < 0 ||
        (r = wire_flag(body, "return_text", &request.return_text, fault)) < 0)
        return r;
    r = read_pairs(wire_member(body, "query"), wire_member(body, "texts"), arena, &request, fault);
    if (r == 0)
        *ret = request;
    return r;
}
