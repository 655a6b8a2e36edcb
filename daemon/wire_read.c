/* The bodies of requests, one reader for each: see wire.h. */
#include <string.h>

#include "daemon/wire.h"
#include "daemon/wire_field.h"
#include "daemon/wire_json.h"
#include "daemon/wire_limits.h"

static int no_memory(struct wire_fault *fault)
{
    return wire_fail(fault, ERR_MEMORY, "", "out of memory for the request");
}

/* --- documents --- */

static int read_source(const json_t *value, const char *where, struct store_source *ret,
                       struct wire_fault *fault)
{
    static const char *const known[] = {"path", "line", "byte_start", "byte_end", NULL};
    struct store_source source = {0};
    const json_t *member;
    int r;

    if (!json_is_object(value))
        return wire_fail(fault, ERR_INVALID, where, "must be an object");
    if ((r = wire_check_fields(value, where, known, fault)) < 0)
        return r;
    if ((r = wire_name(wire_member(value, "path"), wire_path_member(where, "path").text, LIMIT_PATH,
                       &source.path, fault)) < 0)
        return r;
    if ((member = wire_member(value, "line")) &&
        (r = wire_integer(member, wire_path_member(where, "line").text, 1, INT64_MAX, &source.line,
                          fault)) < 0)
        return r;
    if ((member = wire_member(value, "byte_start")) &&
        (r = wire_integer(member, wire_path_member(where, "byte_start").text, 0, INT64_MAX,
                          &source.byte_start, fault)) < 0)
        return r;
    if ((member = wire_member(value, "byte_end")) &&
        (r = wire_integer(member, wire_path_member(where, "byte_end").text, source.byte_start,
                          INT64_MAX, &source.byte_end, fault)) < 0)
        return r;
    if (wire_member(value, "byte_start") && !member)
        return wire_fail(fault, ERR_INVALID, wire_path_member(where, "byte_end").text,
                         "is missing beside byte_start");
    *ret = source;
    return 0;
}

/* Metadata goes on in canonical form, so that the same object is the same text. */
static int read_metadata(const json_t *value, const char *where, struct arena *arena,
                         const char **ret, struct wire_fault *fault)
{
    struct buf text = {0};
    struct json_writer writer = {.buf = &text};
    int r = 0;

    if (!json_is_object(value))
        return wire_fail(fault, ERR_INVALID, where, "must be an object");
    json_put_value(&writer, value);
    const char *copy = NULL;
    if (text.size > LIMIT_METADATA)
        r = wire_fail(fault, ERR_LIMIT, where, "is %zu bytes long; the limit is %d", text.size,
                      LIMIT_METADATA);
    else if (writer.failed || !(copy = arena_copy(arena, text.data, text.size)))
        r = no_memory(fault);
    else
        *ret = copy;
    buf_release(&text);
    return r;
}

static int read_passage(const json_t *value, const char *where, struct arena *arena,
                        struct store_passage *ret, size_t *ret_size, struct wire_fault *fault)
{
    static const char *const known[] = {"start", "end", "vector", NULL};
    int64_t start = 0, end = 0;
    int r;

    if (!json_is_object(value))
        return wire_fail(fault, ERR_INVALID, where, "must be an object");
    if ((r = wire_check_fields(value, where, known, fault)) < 0)
        return r;
    if ((r = wire_integer(wire_member(value, "start"), wire_path_member(where, "start").text, 0,
                          LIMIT_TEXT, &start, fault)) < 0)
        return r;
    if ((r = wire_integer(wire_member(value, "end"), wire_path_member(where, "end").text, start,
                          LIMIT_TEXT, &end, fault)) < 0)
        return r;
    *ret = (struct store_passage){.start = (size_t)start, .end = (size_t)end};
    return wire_vector(wire_member(value, "vector"), wire_path_member(where, "vector").text, arena,
                       &ret->vector, ret_size, fault);
}

static int read_passages(const json_t *list, const char *where, struct arena *arena,
                         struct engine_document *document, struct wire_fault *fault)
{
    struct wire_path path = wire_path_member(where, "passages");
    size_t count;
    int r;

    if (document->vector)
        return wire_fail(fault, ERR_INVALID, path.text, "stand in the place of vector");
    if ((r = wire_list(list, path.text, LIMIT_TEXT, "passages", &count, fault)) < 0)
        return r;
    struct store_passage *passages = arena_alloc(arena, count, sizeof *passages);
    size_t *sizes = arena_alloc(arena, count, sizeof *sizes);
    if (!passages || !sizes)
        return no_memory(fault);
    for (size_t i = 0; i < count; i++)
        if ((r = read_passage(json_array_get(list, i), wire_path_index(where, "passages", i).text,
                              arena, &passages[i], &sizes[i], fault)) < 0)
            return r;
    document->passages = passages;
    document->passage_sizes = sizes;
    document->passage_count = count;
    return 0;
}

int wire_read_document(const json_t *value, const char *where, struct arena *arena,
                       struct engine_document *ret, struct wire_fault *fault)
{
    static const char *const known[] = {"id",       "text",   "metadata", "vector",
                                        "passages", "source", NULL};
    struct engine_document document = {0};
    const json_t *member;
    int r;

    if (!json_is_object(value))
        return wire_fail(fault, ERR_INVALID, where, "must be an object");
    if ((r = wire_check_fields(value, where, known, fault)) < 0)
        return r;
    if ((r = wire_text(wire_member(value, "text"), wire_path_member(where, "text").text,
                       &document.text, &document.text_size, fault)) < 0)
        return r;
    if ((member = wire_member(value, "id")) &&
        (r = wire_name(member, wire_path_member(where, "id").text, LIMIT_ID, &document.id, fault)) <
            0)
        return r;
    if ((member = wire_member(value, "metadata")) &&
        (r = read_metadata(member, wire_path_member(where, "metadata").text, arena,
                           &document.metadata, fault)) < 0)
        return r;
    if ((member = wire_member(value, "vector")) &&
        (r = wire_vector(member, wire_path_member(where, "vector").text, arena, &document.vector,
                         &document.vector_size, fault)) < 0)
        return r;
    if ((member = wire_member(value, "passages")) &&
        (r = read_passages(member, where, arena, &document, fault)) < 0)
        return r;
    if ((member = wire_member(value, "source")) &&
        (r = read_source(member, wire_path_member(where, "source").text, &document.source, fault)) <
            0)
        return r;
    *ret = document;
    return 0;
}

int wire_read_documents(const json_t *body, struct arena *arena, struct wire_documents *ret,
                        struct wire_fault *fault)
{
    static const char *const known[] = {"documents", NULL};
    const json_t *list = wire_member(body, "documents");
    size_t count;
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if ((r = wire_list(list, "documents", LIMIT_DOCUMENTS, "documents", &count, fault)) < 0)
        return r;
    struct engine_document *documents = arena_alloc(arena, count, sizeof *documents);
    if (!documents)
        return no_memory(fault);
    for (size_t i = 0; i < count; i++)
        if ((r = wire_read_document(json_array_get(list, i),
                                    wire_path_index("", "documents", i).text, arena, &documents[i],
                                    fault)) < 0)
            return r;
    *ret = (struct wire_documents){.documents = documents, .count = count};
    return 0;
}

static int read_filter(const json_t *value, struct arena *arena, const struct engine_filter **ret,
                       struct wire_fault *fault)
{
    struct engine_filter *filter = arena_alloc(arena, 1, sizeof *filter);
    if (!filter)
        return no_memory(fault);
    int r = wire_read_filter(value, "filter", arena, filter, fault);
    if (r == 0)
        *ret = filter;
    return r;
}

int wire_read_count(const json_t *body, struct arena *arena, const struct engine_filter **ret,
                    struct wire_fault *fault)
{
    static const char *const known[] = {"filter", NULL};
    const json_t *filter = wire_member(body, "filter");
    int r = wire_check_fields(body, "", known, fault);
    if (r < 0)
        return r;
    *ret = NULL;
    return filter ? read_filter(filter, arena, ret, fault) : 0;
}

int wire_read_delete(const json_t *body, struct arena *arena, struct wire_delete *ret,
                     struct wire_fault *fault)
{
    static const char *const known[] = {"ids", "source", "filter", NULL};
    const json_t *list = wire_member(body, "ids"), *source = wire_member(body, "source"),
                 *filter = wire_member(body, "filter");
    struct wire_delete request = {0};
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if (filter && (list || source))
        return wire_fail(fault, ERR_INVALID, "filter", "stands in the place of ids and source");
    if (filter) {
        *ret = request;
        return read_filter(filter, arena, &ret->filter, fault);
    }
    if ((r = wire_list(list, "ids", LIMIT_DELETE_IDS, "ids", &request.count, fault)) < 0)
        return r;
    if (source && (r = wire_name(source, "source", LIMIT_PATH, &request.source, fault)) < 0)
        return r;
    request.ids = arena_alloc(arena, request.count, sizeof *request.ids);
    if (!request.ids)
        return no_memory(fault);
    for (size_t i = 0; i < request.count; i++)
        if ((r = wire_name(json_array_get(list, i), wire_path_index("", "ids", i).text, LIMIT_ID,
                           &request.ids[i], fault)) < 0)
            return r;
    *ret = request;
    return 0;
}

/* --- search --- */

static int read_search_options(const json_t *body, struct arena *arena,
                               struct engine_search_options *ret, struct wire_fault *fault)
{
    const json_t *filter = wire_member(body, "filter");
    bool exact;
    const json_t *top_k = wire_member(body, "top_k"), *min_score = wire_member(body, "min_score");
    int64_t k = DEFAULT_TOP_K;
    int r;

    if (top_k && (r = wire_integer(top_k, "top_k", 1, LIMIT_TOP_K, &k, fault)) < 0)
        return r;
    if (min_score && !json_is_number(min_score))
        return wire_fail(fault, ERR_INVALID, "min_score", "must be a number");
    if ((r = wire_flag(body, "exact", &exact, fault)) < 0)
        return r;
    *ret = (struct engine_search_options){.top_k = (size_t)k,
                                          .has_min_score = min_score != NULL,
                                          .min_score = json_number_value(min_score),
                                          .exact = exact};
    return filter ? read_filter(filter, arena, &ret->filter, fault) : 0;
}

int wire_read_search(const json_t *body, struct arena *arena, struct wire_search *ret,
                     struct wire_fault *fault)
{
    static const char *const known[] = {"query",  "queries", "vector", "top_k", "min_score",
                                        "filter", "exact",   "rerank", NULL};
    const json_t *query = wire_member(body, "query"), *list = wire_member(body, "queries"),
                 *vector = wire_member(body, "vector"), *rerank = wire_member(body, "rerank");
    struct wire_search search = {.count = 1, .list = list != NULL, .reranked = rerank != NULL};
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if ((query != NULL) + (list != NULL) + (vector != NULL) != 1)
        return wire_fail(fault, ERR_INVALID, "query",
                         "give exactly one of query, queries and vector");
    if ((r = read_search_options(body, arena, &search.options, fault)) < 0)
        return r;
    if (rerank && (r = wire_read_rerank_options(rerank, &search.rerank, fault)) < 0)
        return r;
    if (rerank && vector)
        return wire_fail(fault, ERR_INVALID, "rerank", "needs the query's text, not its vector");
    if (list &&
        (r = wire_list(list, "queries", LIMIT_QUERIES, "queries", &search.count, fault)) < 0)
        return r;
    search.queries = arena_alloc(arena, search.count, sizeof *search.queries);
    if (!search.queries)
        return no_memory(fault);
    struct engine_query *first = search.queries;
    if (vector)
        r = wire_vector(vector, "vector", arena, &first->vector, &first->vector_size, fault);
    else if (query)
        r = wire_text(query, "query", &first->text, &first->text_size, fault);
    for (size_t i = 0; r == 0 && list && i < search.count; i++)
        r = wire_text(json_array_get(list, i), wire_path_index("", "queries", i).text,
                      &search.queries[i].text, &search.queries[i].text_size, fault);
    if (r == 0)
        *ret = search;
    return r;
}

/* --- encoding --- */

static int read_texts(const json_t *list, const char *where, struct encoder_text *texts,
                      size_t count, struct wire_fault *fault)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = wire_text(json_array_get(list, i), wire_path_index("", where, i).text, &texts[i].text,
                      &texts[i].size, fault);
    return r;
}

static int read_model(const json_t *body, const char **ret, struct wire_fault *fault)
{
    const json_t *model = wire_member(body, "model");
    return model ? wire_name(model, "model", LIMIT_PATH, ret, fault) : 0;
}

/* text-embeddings-inference's way to ask for one of the model's prompts. */
static int read_prompt_name(const json_t *body, const char **ret, struct wire_fault *fault)
{
    const json_t *name = wire_member(body, "prompt_name");
    return name ? wire_name(name, "prompt_name", LIMIT_PATH, ret, fault) : 0;
}

/* OpenAI also takes token ids; ours would not be theirs. */
static bool is_tokens(const json_t *input)
{
    const json_t *first = json_array_get(input, 0);
    return json_is_integer(first) ||
           (json_is_array(first) && json_is_integer(json_array_get(first, 0)));
}

static int read_input(const json_t *input, struct arena *arena, struct wire_embeddings *request,
                      struct wire_fault *fault)
{
    int r;

    if (is_tokens(input))
        return wire_fail(fault, ERR_UNSUPPORTED, "input",
                         "lists of token ids are not supported; send texts");
    request->count = 1;
    if (!json_is_string(input) &&
        (r = wire_list(input, "input", LIMIT_INPUTS, "texts", &request->count, fault)) < 0)
        return r;
    request->texts = arena_alloc(arena, request->count, sizeof *request->texts);
    if (!request->texts)
        return no_memory(fault);
    if (json_is_string(input))
        return wire_text(input, "input", &request->texts->text, &request->texts->size, fault);
    return read_texts(input, "input", request->texts, request->count, fault);
}

int wire_read_embeddings(const json_t *body, struct arena *arena, struct wire_embeddings *ret,
                         struct wire_fault *fault)
{
    static const char *const known[] = {
        "input", "model", "encoding_format", "dimensions", "user", "prompt_name", NULL};
    const json_t *format = wire_member(body, "encoding_format"),
                 *dimensions = wire_member(body, "dimensions");
    struct wire_embeddings request = {0};
    int64_t dimension = 0;
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if ((r = read_model(body, &request.model, fault)) < 0 ||
        (r = read_prompt_name(body, &request.prompt_name, fault)) < 0)
        return r;
    if (format) {
        const char *name = json_is_string(format) ? json_string_value(format) : "";
        request.base64 = strcmp(name, "base64") == 0;
        if (!request.base64 && strcmp(name, "float") != 0)
            return wire_fail(fault, ERR_INVALID, "encoding_format",
                             "must be \"float\" or \"base64\"");
    }
    if (dimensions &&
        (r = wire_integer(dimensions, "dimensions", 1, LIMIT_DIMENSION, &dimension, fault)) < 0)
        return r;
    request.dimensions = (size_t)dimension;
    if ((r = read_input(wire_member(body, "input"), arena, &request, fault)) < 0)
        return r;
    *ret = request;
    return 0;
}

int wire_read_similarity(const json_t *body, struct arena *arena, struct wire_similarity *ret,
                         struct wire_fault *fault)
{
    static const char *const known[] = {"source", "texts", "model", "prompt_name", NULL};
    const json_t *list = wire_member(body, "texts");
    struct wire_similarity request = {0};
    size_t count;
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if ((r = read_model(body, &request.model, fault)) < 0 ||
        (r = read_prompt_name(body, &request.prompt_name, fault)) < 0)
        return r;
    if ((r = wire_list(list, "texts", LIMIT_INPUTS, "texts", &count, fault)) < 0)
        return r;
    request.count = count + 1;
    request.texts = arena_alloc(arena, request.count, sizeof *request.texts);
    if (!request.texts)
        return no_memory(fault);
    if ((r = wire_text(wire_member(body, "source"), "source", &request.texts->text,
                       &request.texts->size, fault)) < 0)
        return r;
    if ((r = read_texts(list, "texts", request.texts + 1, count, fault)) < 0)
        return r;
    *ret = request;
    return 0;
}

/* --- collections --- */

static int read_word(const json_t *body, const char *name, const char *const *words,
                     const char **ret, struct wire_fault *fault)
{
    const json_t *value = wire_member(body, name);

    if (!value)
        return 0;
    for (const char *const *word = words; json_is_string(value) && *word; word++)
        if (strcmp(*word, json_string_value(value)) == 0) {
            *ret = *word;
            return 0;
        }
    return wire_fail(fault, ERR_INVALID, name, "must be \"%s\", \"%s\" or \"%s\"", words[0],
                     words[1], words[2]);
}

int wire_read_collection(const json_t *body, struct arena *arena,
                         struct engine_collection_options *ret, struct wire_fault *fault)
{
    static const char *const known[] = {"model", "dimension", "metric", "index", "fields", NULL};
    static const char *const metrics[] = {"cosine", "dot", "l2", NULL};
    static const char *const indexes[] = {"auto", "flat", "hnsw", NULL};
    const json_t *dimension = wire_member(body, "dimension"), *fields = wire_member(body, "fields");
    struct engine_collection_options options = {0};
    struct store_field *declared = NULL;
    int64_t number = 0;
    int r;

    if ((r = wire_check_fields(body, "", known, fault)) < 0)
        return r;
    if (fields &&
        (r = wire_read_fields(fields, "fields", arena, &declared, &options.field_count, fault)) < 0)
        return r;
    options.fields = declared;
    if ((r = read_model(body, &options.model, fault)) < 0)
        return r;
    if (dimension &&
        (r = wire_integer(dimension, "dimension", 1, LIMIT_DIMENSION, &number, fault)) < 0)
        return r;
    options.dimension = (size_t)number;
    if ((r = read_word(body, "metric", metrics, &options.metric, fault)) < 0)
        return r;
    if ((r = read_word(body, "index", indexes, &options.index, fault)) < 0)
        return r;
    *ret = options;
    return 0;
}
