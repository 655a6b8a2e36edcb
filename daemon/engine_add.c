/* An add, step by step: checked and hashed, looked up, encoded where the text is new, committed.
 *
 * Nothing is locked but for the last step. What the steps need lives in the request's arena.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/utf8.h"
#include "daemon/engine_internal.h"
#include "encoder/passages.h"

/* Hexadecimal digits of a text's hash that make an id: 128 bits, so that two texts do not meet. */
enum { HASH_ID_SIZE = 32 };

/* --- the collection --- */

/* The default one is made by the commit, so that an add that is refused leaves nothing behind;
 * until then the documents are checked and encoded for what it will be. */
int add_batch_take_collection(struct add_batch *batch, const char *name, struct err *err)
{
    int r = collection_take(batch->engine, name, &batch->collection, err);
    if (r != ERR_NOT_FOUND || strcmp(name, ENGINE_DEFAULT_COLLECTION) != 0)
        return r;
    batch->collection = &batch->planned;
    return collection_plan_default(batch->engine, &batch->planned, err);
}

static int make_collection(struct add_batch *batch, struct err *err)
{
    struct collection *made;
    int r = collection_make_default(batch->engine, &made, err);
    if (r)
        return r;
    if (made->model != batch->planned.model) {
        collection_release(batch->engine, made);
        return err_set(err, ERR_BUSY, "collection %s was made with other settings just now",
                       ENGINE_DEFAULT_COLLECTION);
    }
    batch->collection = made;
    return 0;
}

void add_batch_release(struct add_batch *batch)
{
    if (batch->collection != &batch->planned)
        collection_release(batch->engine, batch->collection);
}

/* --- checking --- */

static int check_string(const char *what, const char *text, size_t size, struct err *err)
{
    size_t bad;
    if (utf8_valid(text, size, &bad))
        return 0;
    return err_set(err, ERR_INVALID, "the %s is not UTF-8 at byte %zu", what, bad);
}

/* True where a passage may begin or end at this byte of the text. */
static bool between_characters(const struct engine_document *document, size_t at)
{
    return at == document->text_size || ((unsigned char)document->text[at] & 0xC0) != 0x80;
}

static int check_passages(const struct add_batch *batch, const struct engine_document *document,
                          struct err *err)
{
    if (!batch->collection->stored.model[0])
        return err_set(err, ERR_INVALID,
                       "passages are a model's: a document of collection %s has a vector",
                       batch->collection->stored.name);
    for (size_t i = 0; i < document->passage_count; i++) {
        const struct store_passage *passage = &document->passages[i];
        int r = collection_check_vector(batch->collection, passage->vector,
                                        document->passage_sizes[i], err);
        if (!r && (passage->start > passage->end || passage->end > document->text_size ||
                   !between_characters(document, passage->start) ||
                   !between_characters(document, passage->end)))
            r = err_set(err, ERR_INVALID, "its range is not one of whole characters of the text");
        if (r)
            return err_prefix(err, "passages[%zu]", i);
    }
    return 0;
}

static int check_document(const struct add_batch *batch, const struct engine_document *document,
                          struct err *err)
{
    int r = 0;
    if (document->id) {
        size_t size = strlen(document->id);
        if (size < 1 || size > ENGINE_ID_MAX)
            return err_set(err, size ? ERR_LIMIT : ERR_INVALID, "an id has 1 to %d bytes, not %zu",
                           ENGINE_ID_MAX, size);
        r = check_string("id", document->id, size, err);
    }
    if (!r)
        r = check_string("text", document->text, document->text_size, err);
    if (!r && document->source.path)
        r = check_string("source's path", document->source.path, strlen(document->source.path),
                         err);
    if (!r && document->vector)
        r = collection_check_vector(batch->collection, document->vector, document->vector_size,
                                    err);
    if (!r && document->passages)
        r = check_passages(batch, document, err);
    if (!r && !document->vector && !document->passages)
        r = collection_check_texts(batch->engine, batch->collection, err);
    if (!r && document->text_size == 0 && !(document->vector && document->id))
        r = err_set(err, ERR_INVALID, "it has no text%s",
                    document->vector ? ", and no id to go by" : "");
    return r;
}

/* --- hashing --- */

/* The hash that says whether a text is known: of the text, and where the client brought the vector,
 * of that hash and the vector. */
static int hash_document(struct add_batch *batch, const struct engine_document *given,
                         const uint8_t text_hash[DIGEST_SIZE], uint8_t ret_hash[DIGEST_SIZE],
                         struct err *err)
{
    memcpy(ret_hash, text_hash, DIGEST_SIZE);
    if (!given->vector)
        return 0;
    size_t vector_bytes = given->vector_size * sizeof *given->vector;
    uint8_t *both = arena_alloc(batch->arena, DIGEST_SIZE + vector_bytes, 1);
    if (!both)
        return err_memory(err, "the hash of a vector");
    memcpy(both, text_hash, DIGEST_SIZE);
    memcpy(both + DIGEST_SIZE, given->vector, vector_bytes);
    return digest_bytes(both, DIGEST_SIZE + vector_bytes, ret_hash, err);
}

/* The document's id, or one made from its text's hash. */
static char *document_id(struct arena *arena, const struct engine_document *given,
                         const uint8_t text_hash[DIGEST_SIZE])
{
    if (given->id)
        return arena_copy(arena, given->id, strlen(given->id));
    char *id = arena_alloc(arena, HASH_ID_SIZE + 1, 1);
    for (size_t i = 0; id && i < HASH_ID_SIZE / 2; i++)
        snprintf(id + 2 * i, 3, "%02x", text_hash[i]);
    return id;
}

static int prepare_document(struct add_batch *batch, const struct engine_document *given,
                            struct store_document *document, struct err *err)
{
    uint8_t text_hash[DIGEST_SIZE];
    int r = check_document(batch, given, err);
    if (!r)
        r = digest_bytes(given->text, given->text_size, text_hash, err);
    if (!r)
        r = hash_document(batch, given, text_hash, document->text_hash, err);
    if (r)
        return r;
    document->id = document_id(batch->arena, given, text_hash);
    if (!document->id)
        return err_memory(err, "a document's id");
    document->text = given->text;
    document->text_size = given->text_size;
    document->metadata = given->metadata;
    document->source = given->source;
    return 0;
}

int add_batch_prepare(struct add_batch *batch, struct err *err)
{
    batch->documents = arena_alloc(batch->arena, batch->count, sizeof *batch->documents);
    batch->plans = arena_alloc(batch->arena, batch->count, sizeof *batch->plans);
    batch->states = arena_alloc(batch->arena, batch->count, sizeof *batch->states);
    batch->truncated = arena_alloc(batch->arena, batch->count, sizeof *batch->truncated);
    batch->passages = arena_alloc(batch->arena, batch->count, sizeof *batch->passages);
    batch->ids = arena_alloc(batch->arena, batch->count, sizeof *batch->ids);
    if (!batch->documents || !batch->plans || !batch->states || !batch->truncated ||
        !batch->passages || !batch->ids)
        return err_memory(err, "an add");
    for (size_t i = 0; i < batch->count; i++) {
        int r = prepare_document(batch, &batch->given[i], &batch->documents[i], err);
        if (r)
            return err_prefix(err, "documents[%zu]", i);
        batch->ids[i] = batch->documents[i].id;
    }
    return 0;
}

int add_batch_plan(struct add_batch *batch, struct err *err)
{
    return store_plan(batch->engine->store, batch->collection->stored.key, batch->documents,
                      batch->count, batch->plans, err);
}

/* --- encoding --- */

/* What is to be encoded: documents by number, their passages already cut. */
struct encode_work {
    size_t *documents; /* (document_count) */
    size_t document_count;
    size_t passage_count;
};

/* A document's one passage, with the vector that its client brought. */
static int take_given_vector(struct add_batch *batch, size_t i, struct err *err)
{
    struct store_passage *passage = arena_alloc(batch->arena, 1, sizeof *passage);
    if (!passage)
        return err_memory(err, "a passage");
    *passage = (struct store_passage){0, batch->given[i].text_size, batch->given[i].vector};
    batch->documents[i].passages = passage;
    batch->documents[i].passage_count = 1;
    return 0;
}

/* Cuts a document's text into passages, without vectors yet. */
static int split_document(struct add_batch *batch, size_t i, struct token_list *tokens,
                          struct passage_list *list, struct err *err)
{
    const struct engine_model *model = batch->collection->model;
    struct store_document *document = &batch->documents[i];
    int r = passages_split(encoder_tokenizer(model->encoder), document->text, document->text_size,
                           model->info->max_seq_length, model->document_prompt_tokens, tokens, list,
                           err);
    if (r)
        return err_prefix(err, "documents[%zu]", i);
    struct store_passage *passages = arena_alloc(batch->arena, list->count, sizeof *passages);
    if (!passages)
        return err_memory(err, "passages");
    for (size_t j = 0; j < list->count; j++)
        passages[j] = (struct store_passage){list->spans[j].start, list->spans[j].end, NULL};
    batch->passages[i] = passages;
    document->passages = passages;
    document->passage_count = list->count;
    return 0;
}

/* Cuts the texts that need vectors. The plan asks for those of a repeated text once. */
static int cut_passages(struct add_batch *batch, struct encode_work *work, struct err *err)
{
    struct token_list tokens = {0};
    struct passage_list list = {0};
    int r = 0;
    for (size_t i = 0; i < batch->count && !r; i++) {
        if (!batch->plans[i].needs_vectors || batch->documents[i].passages)
            continue;
        if (batch->given[i].passages) {
            batch->documents[i].passages = batch->given[i].passages;
            batch->documents[i].passage_count = batch->given[i].passage_count;
            continue;
        }
        if (batch->given[i].vector) {
            r = take_given_vector(batch, i, err);
            continue;
        }
        r = split_document(batch, i, &tokens, &list, err);
        work->documents[work->document_count++] = i;
        work->passage_count += batch->documents[i].passage_count;
    }
    token_list_release(&tokens);
    passage_list_release(&list);
    return r;
}

/* Encodes the passages that were cut, all in one go, and hands the vectors out. */
static int encode_passages(struct add_batch *batch, const struct encode_work *work, struct err *err)
{
    struct engine_model *model = batch->collection->model;
    size_t count = work->passage_count, dimension = model->info->dimension;
    struct encoder_text *texts = arena_alloc(batch->arena, count, sizeof *texts);
    struct encoder_usage *usage = arena_alloc(batch->arena, count, sizeof *usage);
    float *vectors = arena_alloc(batch->arena, count, dimension * sizeof *vectors);
    if (!texts || !usage || !vectors)
        return err_memory(err, "the vectors of an add");

    size_t n = 0;
    for (size_t k = 0; k < work->document_count; k++) {
        const struct store_document *document = &batch->documents[work->documents[k]];
        for (size_t j = 0; j < document->passage_count; j++) {
            const struct store_passage *passage = &document->passages[j];
            texts[n++] = (struct encoder_text){.text = document->text + passage->start,
                                               .size = passage->end - passage->start};
        }
    }
    int r = model_encode(model, texts, count, model->info->document_prompt, batch->bulk, vectors,
                         usage, err);
    if (r)
        return r;
    n = 0;
    for (size_t k = 0; k < work->document_count; k++) {
        size_t i = work->documents[k];
        struct store_passage *passages = batch->passages[i];
        for (size_t j = 0; j < batch->documents[i].passage_count; j++, n++) {
            passages[j].vector = vectors + n * dimension;
            batch->truncated[i] |= usage[n].truncated;
        }
    }
    return 0;
}

int add_batch_encode(struct add_batch *batch, struct err *err)
{
    struct encode_work work = {0};
    work.documents = arena_alloc(batch->arena, batch->count, sizeof *work.documents);
    if (!work.documents)
        return err_memory(err, "an add");
    int r = cut_passages(batch, &work, err);
    if (!r && work.passage_count)
        r = encode_passages(batch, &work, err);
    return r;
}

/* --- committing --- */

int add_batch_commit(struct add_batch *batch, struct err *err)
{
    struct store_changes changes;
    int r = batch->collection == &batch->planned ? make_collection(batch, err) : 0;
    if (r)
        return r;
    struct collection *collection = batch->collection;
    pthread_mutex_lock(&collection->write);
    r = store_put(batch->engine->store, collection->stored.key, batch->documents, batch->count,
                  batch->states, batch->arena, &changes, err);
    if (!r)
        collection_apply(batch->engine, collection, &changes);
    pthread_mutex_unlock(&collection->write);
    return r;
}

void add_batch_report(const struct add_batch *batch, struct engine_add_result *ret_result)
{
    struct engine_add_result result = {.ids = batch->ids};
    for (size_t i = 0; i < batch->count; i++) {
        result.truncated += batch->truncated[i];
        result.added += batch->states[i] == STORE_NEW;
        result.unchanged += batch->states[i] == STORE_UNCHANGED;
        result.replaced += batch->states[i] == STORE_METADATA || batch->states[i] == STORE_TEXT;
    }
    atomic_fetch_add(&batch->engine->documents_added, result.added);
    atomic_fetch_add(&batch->engine->documents_replaced, result.replaced);
    atomic_fetch_add(&batch->engine->documents_unchanged, result.unchanged);
    *ret_result = result;
}
