/* A crew at work: texts are tokenized, sorted by their number of tokens and packed into
 * micro-batches of about equal size; each thread takes one micro-batch at a time through the whole
 * model in its own workspace.
 *
 * Texts come in windows, so that what is held of them is bounded. Within a window the threads share
 * nothing that they write but the caller's outputs, each its own rows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/pool.h"
#include "encoder/internal.h"

enum {
    WINDOW_TEXTS = 8192,    /* texts that are sorted together */
    TOKENIZE_TEXTS = 16,    /* texts that a thread tokenizes at a time */
    BATCH_TOKENS = 256,     /* aimed at: a micro-batch's activations stay in the near caches */
    MAX_BATCH_TOKENS = 384, /* unless one text is longer */
};

/* A text after tokenizing: where its ids are. */
struct item {
    size_t text; /* its number among the caller's texts */
    const struct member *member;
    size_t offset, tokens;
};

struct member {
    struct workspace workspace;
    struct token_list list;
    struct buf prompted;

    /* The ids of the window's texts that this thread tokenized. */
    uint32_t *ids;
    uint8_t *type_ids;
    size_t used, capacity;

    /* The first of its texts that failed. */
    size_t failed_text;
    struct err err;
};

struct encoder_crew {
    const struct encoder *encoder;
    struct pool *pool;
    struct member *members; /* [threads] */
    struct item *items;     /* [WINDOW_TEXTS] */
    size_t *batches;        /* [WINDOW_TEXTS + 1]: batch b is items [batches[b], batches[b + 1]) */
    size_t batch_count;
    struct team team; /* where all threads share one batch */

    /* The call under way. */
    const struct encoder_text *texts;
    size_t first, count; /* the window's */
    const char *prompt;
    size_t left_out; /* tokens of the prompt that pooling leaves out */
    float *vectors;
    struct encoder_usage *usage;
    const volatile int *cancel;
};

static int open_members(struct encoder_crew *crew, int threads, struct err *err)
{
    const struct model *model = crew->encoder->model;
    const struct matmul_backend *backend = transformer_backend(crew->encoder->transformer);
    size_t tokens =
        model->max_seq_length > MAX_BATCH_TOKENS ? model->max_seq_length : MAX_BATCH_TOKENS;

    for (int i = 0; i < threads; i++) {
        int r = workspace_open(&crew->members[i].workspace, model, backend, tokens, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int encoder_crew_open(struct encoder_crew **ret_crew, const struct encoder *encoder, int threads,
                      bool background, struct err *err)
{
    struct encoder_crew *crew = calloc(1, sizeof *crew);
    if (!crew)
        return err_memory(err, "a crew of the encoder");
    crew->encoder = encoder;
    int r = pool_open(&crew->pool, threads, background, err);
    if (r < 0)
        goto out;
    crew->members = calloc((size_t)threads, sizeof *crew->members);
    crew->items = calloc(WINDOW_TEXTS, sizeof *crew->items);
    crew->batches = calloc(WINDOW_TEXTS + 1, sizeof *crew->batches);
    if (!crew->members || !crew->items || !crew->batches)
        r = err_memory(err, "a crew of the encoder");
    else
        r = open_members(crew, threads, err);
out:
    if (r < 0)
        encoder_crew_close(crew);
    else
        *ret_crew = crew;
    return r;
}

void encoder_crew_close(struct encoder_crew *crew)
{
    if (!crew)
        return;
    for (int i = 0; crew->members && i < pool_threads(crew->pool); i++) {
        struct member *member = &crew->members[i];
        workspace_close(&member->workspace);
        token_list_release(&member->list);
        buf_release(&member->prompted);
        free(member->ids);
        free(member->type_ids);
    }
    free(crew->members);
    free(crew->items);
    free(crew->batches);
    pool_close(crew->pool);
    free(crew);
}

/* --- tokenizing --- */

static int reserve_ids(struct member *member, size_t extra, struct err *err)
{
    if (extra <= member->capacity - member->used)
        return 0;
    size_t capacity = 2 * member->capacity + extra + 4096;
    uint32_t *ids = realloc(member->ids, capacity * sizeof *ids);
    if (ids)
        member->ids = ids;
    uint8_t *type_ids = realloc(member->type_ids, capacity * sizeof *type_ids);
    if (type_ids)
        member->type_ids = type_ids;
    if (!ids || !type_ids)
        return err_memory(err, "token ids");
    member->capacity = capacity;
    return 0;
}

static bool has_maximum(const struct pooling *pooling)
{
    for (size_t i = 0; i < pooling->count; i++)
        if (pooling->modes[i] == POOLING_MAX)
            return true;
    return false;
}

static int keep_tokens(const struct encoder_crew *crew, struct member *member, size_t i,
                       struct err *err)
{
    const struct model *model = crew->encoder->model;
    const struct token_list *list = &member->list;

    if (list->count == 0)
        return err_set(err, ERR_INVALID, "it has no tokens");
    if (list->count <= crew->left_out && has_maximum(&model->pooling))
        return err_set(err, ERR_INVALID,
                       "it has no tokens beside the prompt's, which pooling leaves out");
    int r = reserve_ids(member, list->count, err);
    if (r < 0)
        return r;
    crew->items[i - crew->first] = (struct item){i, member, member->used, list->count};
    for (size_t t = 0; t < list->count; t++) {
        uint8_t type_id = list->tokens[t].type_id;
        if (model->token_type_embeddings && type_id >= model->type_vocabulary_size)
            return err_set(err, ERR_UNSUPPORTED, "this model has no second token type for pairs");
        member->ids[member->used] = list->tokens[t].id;
        member->type_ids[member->used++] = type_id;
    }
    if (crew->usage)
        crew->usage[i] = (struct encoder_usage){
            .tokens = (uint32_t)list->count,
            .full_tokens = (uint32_t)list->full_count,
            .truncated = list->count < list->full_count,
        };
    return 0;
}

static int tokenize(const struct encoder_crew *crew, struct member *member, size_t i,
                    struct err *err)
{
    const struct encoder *encoder = crew->encoder;
    const struct encoder_text *text = &crew->texts[i];
    const char *bytes = text->text;
    size_t size = text->size;

    if (crew->prompt) {
        buf_clear(&member->prompted);
        if (buf_append_string(&member->prompted, crew->prompt) < 0 ||
            buf_append(&member->prompted, bytes, size) < 0)
            return err_memory(err, "a text with its prompt");
        bytes = member->prompted.data;
        size = member->prompted.size;
    }
    /* An empty second text is none, as for the reference, but for its cross-encoders. */
    const char *pair = text->pair_size > 0 || encoder->first_token ? text->pair : NULL;
    int r = tokenizer_encode(encoder->tokenizer, bytes, size, pair, text->pair_size,
                             encoder->model->max_seq_length, &member->list, err);
    return r < 0 ? r : keep_tokens(crew, member, i, err);
}

static void tokenize_task(void *argument, size_t task, int thread)
{
    struct encoder_crew *crew = argument;
    struct member *member = &crew->members[thread];
    size_t from = task * TOKENIZE_TEXTS, to = from + TOKENIZE_TEXTS;

    if (member->err.code != 0)
        return;
    for (size_t i = from; i < to && i < crew->count; i++) {
        if (tokenize(crew, member, crew->first + i, &member->err) < 0) {
            member->failed_text = crew->first + i;
            return;
        }
    }
}

/* Tokenizes the window. Tasks are taken in order, so the failure of the lowest number among the
 * threads' first ones is the first of all. */
static int tokenize_window(struct encoder_crew *crew, struct err *err)
{
    int threads = pool_threads(crew->pool);
    const struct member *failed = NULL;

    for (int i = 0; i < threads; i++) {
        crew->members[i].used = 0;
        crew->members[i].err.code = 0;
    }
    pool_run(crew->pool, (crew->count + TOKENIZE_TEXTS - 1) / TOKENIZE_TEXTS, tokenize_task, crew);
    for (int i = 0; i < threads; i++) {
        const struct member *member = &crew->members[i];
        if (member->err.code != 0 && (!failed || member->failed_text < failed->failed_text))
            failed = member;
    }
    if (!failed)
        return 0;
    return err_set(err, failed->err.code, "text %zu: %s", failed->failed_text, failed->err.message);
}

/* --- batches --- */

/* Longest first, so that the last batches to be taken are the quick ones. */
static int longer_first(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->tokens != b->tokens)
        return a->tokens > b->tokens ? -1 : 1;
    return a->text < b->text ? -1 : a->text > b->text;
}

static size_t total_tokens(const struct encoder_crew *crew)
{
    size_t total = 0;
    for (size_t i = 0; i < crew->count; i++)
        total += crew->items[i].tokens;
    return total;
}

/* Cuts the sorted texts into batches of about equal size, as many for each thread. What fits into
 * one batch stays one, and the threads share it out by the columns of its products. */
static void pack_batches(struct encoder_crew *crew)
{
    size_t total = total_tokens(crew), threads = (size_t)pool_threads(crew->pool);
    size_t wanted = (total + BATCH_TOKENS - 1) / BATCH_TOKENS;
    size_t batch = 0, tokens = 0, done = 0;

    if (wanted > 1)
        wanted = (wanted + threads - 1) / threads * threads;
    qsort(crew->items, crew->count, sizeof *crew->items, longer_first);
    crew->batches[0] = 0;
    for (size_t i = 0; i < crew->count; i++) {
        size_t next = crew->items[i].tokens;
        if (tokens > 0 &&
            (tokens + next > MAX_BATCH_TOKENS || done + next / 2 > (batch + 1) * total / wanted)) {
            crew->batches[++batch] = i;
            tokens = 0;
        }
        tokens += next;
        done += next;
    }
    crew->batches[++batch] = crew->count;
    crew->batch_count = batch;
}

static void fill_batch(struct batch *batch, const struct item *items, size_t count)
{
    batch->tokens = 0;
    batch->sequences = count;
    for (size_t i = 0; i < count; i++) {
        const struct item *item = &items[i];
        batch->starts[i] = batch->tokens;
        memcpy(batch->ids + batch->tokens, item->member->ids + item->offset,
               item->tokens * sizeof *batch->ids);
        memcpy(batch->type_ids + batch->tokens, item->member->type_ids + item->offset,
               item->tokens);
        batch->tokens += item->tokens;
    }
    batch->starts[count] = batch->tokens;
}

static void encode_batch(const struct encoder_crew *crew, size_t b, struct workspace *workspace,
                         struct team *team)
{
    const struct encoder *encoder = crew->encoder;
    const struct item *items = crew->items + crew->batches[b];
    size_t count = crew->batches[b + 1] - crew->batches[b];

    if (cancel_raised(crew->cancel))
        return;
    fill_batch(&workspace->batch, items, count);
    transformer_forward(encoder->transformer, workspace, team);
    for (size_t i = 0; i < count; i++)
        transformer_pool(encoder->transformer, workspace, i, crew->left_out,
                         crew->vectors + items[i].text * encoder->model->dimension);
}

static void batch_task(void *argument, size_t task, int thread)
{
    struct encoder_crew *crew = argument;
    encode_batch(crew, task, &crew->members[thread].workspace, NULL);
}

/* Task 0, which is taken first, leads through the only batch; the others help. */
static void team_task(void *argument, size_t task, int thread)
{
    struct encoder_crew *crew = argument;
    if (task == 0) {
        encode_batch(crew, 0, &crew->members[thread].workspace, &crew->team);
        team_finish(&crew->team);
    } else {
        team_help(&crew->team);
    }
}

static void encode_batches(struct encoder_crew *crew)
{
    size_t threads = (size_t)pool_threads(crew->pool);
    if (crew->batch_count == 1 && threads > 1) {
        team_begin(&crew->team, threads);
        pool_run(crew->pool, threads, team_task, crew);
    } else {
        pool_run(crew->pool, crew->batch_count, batch_task, crew);
    }
}

/* Sets left_out: the tokens of the prompt alone, with the special ones before it and without the
 * one behind it. As in the reference, they are counted apart, though a tokenizer may join the
 * prompt's end with the text's beginning. */
static int count_prompt(struct encoder_crew *crew, struct err *err)
{
    const struct encoder *encoder = crew->encoder;
    struct token_list *list = &crew->members[0].list;

    crew->left_out = 0;
    if (!crew->prompt || !encoder->model->pooling.without_prompt)
        return 0;
    int r = tokenizer_encode(encoder->tokenizer, crew->prompt, strlen(crew->prompt), NULL, 0,
                             encoder->model->max_seq_length, list, err);
    if (r < 0)
        return err_prefix(err, "the prompt");
    crew->left_out = list->count;
    if (list->count > 0 && list->tokens[list->count - 1].special)
        crew->left_out--;
    return 0;
}

int encoder_encode(struct encoder_crew *crew, const struct encoder_text *texts, size_t count,
                   const char *prompt, float *ret_vectors, struct encoder_usage *ret_usage,
                   const volatile int *cancel, struct err *err)
{
    crew->texts = texts;
    crew->prompt = prompt && prompt[0] ? prompt : NULL;
    crew->vectors = ret_vectors;
    crew->usage = ret_usage;
    crew->cancel = cancel;
    int r = count_prompt(crew, err);
    if (r < 0)
        return r;
    for (crew->first = 0; crew->first < count; crew->first += crew->count) {
        size_t left = count - crew->first;
        crew->count = left < WINDOW_TEXTS ? left : WINDOW_TEXTS;
        r = tokenize_window(crew, err);
        if (r < 0)
            return r;
        pack_batches(crew);
        encode_batches(crew);
        if (cancel_raised(cancel))
            return err_set(err, ERR_CANCELLED, "encoding was cancelled");
    }
    return 0;
}
