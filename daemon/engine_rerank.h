/* Reranking: what the engine does with cross-encoders. Part of the engine's interface, and as
 * thread-safe; engine.h says the rest. */
#ifndef SBERT_DAEMON_ENGINE_RERANK_H
#define SBERT_DAEMON_ENGINE_RERANK_H

#include "daemon/engine.h"

enum {
    ENGINE_CANDIDATES = 50,   /* of a query, where nobody says */
    ENGINE_RERANK_MAX = 4096, /* pairs of one call */
};

struct engine_rerank_options {
    const char *model; /* name or folder of a cross-encoder of one label */
    size_t candidates; /* 0: ENGINE_CANDIDATES, or top_k where that is more */
};

/* The model of engine_options, or NULL. */
const char *engine_rerank_model(const struct engine *engine);

/* engine_search in two stages: the best `candidates` by their vectors are scored by the
 * cross-encoder, query and best passage together, and put in the order of that score, of which the
 * best top_k are given. `min_score` is on that score. A hit's vector_score is that of the first
 * stage. The model is loaded at its first use and kept. ERR_NOT_FOUND where there is no such model,
 * ERR_UNSUPPORTED where it has no classification head or several labels, ERR_INVALID for a query by
 * vector, ERR_LIMIT. */
int engine_search_reranked(struct engine *engine, const char *collection,
                           const struct engine_query *queries, size_t count,
                           const struct engine_search_options *options,
                           const struct engine_rerank_options *rerank, struct arena *arena,
                           struct engine_results *ret_results, struct err *err);

/* Scores of `count` pairs of texts by a cross-encoder of one label: ret_logits and ret_scores
 * (count), as cross_encoder_score. Errors as above. */
int engine_rerank(struct engine *engine, const char *model, const struct encoder_text *pairs,
                  size_t count, float *ret_logits, float *ret_scores, struct err *err);

#endif
