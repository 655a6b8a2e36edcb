/* Examples as tokens, and the order in which an epoch takes them. */
#include "encoder/train/examples.h"

#include <stdlib.h>
#include <string.h>

#include "encoder/train/random.h"

enum { WINDOW_BATCHES = 50 }; /* that are sorted by length together */

void examples_start(struct examples *examples, size_t columns, size_t target_size)
{
    *examples = (struct examples){.columns = columns, .target_size = target_size};
}

void examples_release(struct examples *examples)
{
    free(examples->ids);
    free(examples->type_ids);
    free(examples->starts);
    free(examples->targets);
    free(examples->labels);
    token_list_release(&examples->list);
    *examples = (struct examples){0};
}

/* --- adding --- */

/* Makes an array larger; 0 or ERR_MEMORY. */
static int grow(void *array, size_t count, size_t size)
{
    void **place = array;
    void *larger = reallocarray(*place, count, size);
    if (!larger)
        return ERR_MEMORY;
    *place = larger;
    return 0;
}

static int grow_examples(struct examples *examples)
{
    size_t capacity = examples->capacity ? 2 * examples->capacity : 1024;
    if (grow(&examples->starts, capacity * examples->columns + 1, sizeof *examples->starts) < 0 ||
        grow(&examples->labels, capacity, sizeof *examples->labels) < 0 ||
        grow(&examples->targets, capacity,
             (examples->target_size + 1) * sizeof *examples->targets) < 0)
        return ERR_MEMORY;
    if (examples->capacity == 0)
        examples->starts[0] = 0;
    examples->capacity = capacity;
    return 0;
}

static int grow_tokens(struct examples *examples, size_t wanted)
{
    if (wanted <= examples->token_capacity)
        return 0;
    size_t capacity = 2 * wanted;
    if (grow(&examples->ids, capacity, sizeof *examples->ids) < 0 ||
        grow(&examples->type_ids, capacity, sizeof *examples->type_ids) < 0)
        return ERR_MEMORY;
    examples->token_capacity = capacity;
    return 0;
}

static int add_text(struct examples *examples, const struct tokenizer *tokenizer, size_t max_length,
                    const struct example_text *text, size_t number, struct err *err)
{
    struct token_list *list = &examples->list;
    size_t start = examples->starts[number];

    int r = tokenizer_encode(tokenizer, text->text, text->size, NULL, 0, max_length, list, err);
    if (r < 0)
        return r;
    if (list->count == 0)
        return err_set(err, ERR_INVALID, "a text has no tokens");
    if (grow_tokens(examples, start + list->count) < 0)
        return err_memory(err, "the tokens of the examples");
    for (size_t t = 0; t < list->count; t++) {
        examples->ids[start + t] = list->tokens[t].id;
        examples->type_ids[start + t] = list->tokens[t].type_id;
    }
    examples->starts[number + 1] = start + list->count;
    examples->truncated += list->count < list->full_count;
    return 0;
}

int examples_add(struct examples *examples, const struct tokenizer *tokenizer, size_t max_length,
                 const struct example *example, struct err *err)
{
    size_t i = examples->count;

    if (i == examples->capacity && grow_examples(examples) < 0)
        return err_memory(err, "the examples");
    for (size_t c = 0; c < examples->columns; c++) {
        int r = add_text(examples, tokenizer, max_length, &example->texts[c],
                         i * examples->columns + c, err);
        if (r < 0)
            return r;
    }
    if (examples->target_size && example->target)
        memcpy(examples->targets + i * examples->target_size, example->target,
               examples->target_size * sizeof *examples->targets);
    examples->labels[i] = example->label;
    examples->count++;
    return 0;
}

size_t examples_tokens(const struct examples *examples, size_t i)
{
    return examples->starts[(i + 1) * examples->columns] - examples->starts[i * examples->columns];
}

size_t examples_text_tokens(const struct examples *examples, size_t i, size_t c)
{
    size_t number = i * examples->columns + c;
    return examples->starts[number + 1] - examples->starts[number];
}

/* --- order --- */

struct sized {
    size_t number, tokens;
};

static int longer_first(const void *left, const void *right)
{
    const struct sized *a = left, *b = right;
    if (a->tokens != b->tokens)
        return a->tokens > b->tokens ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Sorts a window of the order by length. */
static void sort_window(const struct examples *examples, size_t *order, size_t count,
                        struct sized *sized)
{
    for (size_t i = 0; i < count; i++)
        sized[i] = (struct sized){order[i], examples_tokens(examples, order[i])};
    qsort(sized, count, sizeof *sized, longer_first);
    for (size_t i = 0; i < count; i++)
        order[i] = sized[i].number;
}

/* Shuffles the whole batches of an order; a short one stays at the end. */
static void shuffle_batches(uint64_t key, size_t *order, size_t count, size_t batch_size,
                            size_t *batches, size_t *copy)
{
    size_t whole = count / batch_size;

    memcpy(copy, order, count * sizeof *copy);
    for (size_t b = 0; b < whole; b++)
        batches[b] = b;
    random_shuffle(key, batches, whole);
    for (size_t b = 0; b < whole; b++)
        memcpy(order + b * batch_size, copy + batches[b] * batch_size, batch_size * sizeof *order);
}

int examples_order(const struct examples *examples, enum order order, size_t batch_size,
                   uint64_t seed, uint64_t epoch, size_t *ret_order, struct err *err)
{
    size_t count = examples->count, window = WINDOW_BATCHES * batch_size;
    uint64_t key = random_key(random_key(seed, 0x6f72646572), epoch);
    size_t *space = NULL;
    struct sized *sized = NULL;

    for (size_t i = 0; i < count; i++)
        ret_order[i] = i;
    if (order == ORDER_FILE)
        return 0;
    random_shuffle(random_key(key, 0), ret_order, count);
    if (order == ORDER_RANDOM)
        return 0;
    space = calloc(2 * count + 1, sizeof *space);
    sized = calloc(count + 1, sizeof *sized);
    if (space && sized) {
        for (size_t at = 0; at < count; at += window)
            sort_window(examples, ret_order + at, count - at < window ? count - at : window, sized);
        shuffle_batches(random_key(key, 1), ret_order, count, batch_size, space, space + count);
    }
    int r = space && sized ? 0 : err_memory(err, "the order of the examples");
    free(space);
    free(sized);
    return r;
}

uint64_t examples_digest(const struct examples *examples)
{
    uint64_t digest = random_key(examples->count, examples->columns);
    size_t texts = examples->count * examples->columns;

    for (size_t i = 0; i < texts; i++)
        digest = random_key(digest, examples->starts[i + 1]);
    for (size_t i = 0; texts && i < examples->starts[texts]; i++)
        digest = random_key(digest, examples->ids[i]);
    for (size_t i = 0; i < examples->count; i++)
        digest = random_key(digest, examples->labels[i]);
    for (size_t i = 0; i < examples->count * examples->target_size; i++) {
        uint32_t bits;
        memcpy(&bits, &examples->targets[i], sizeof bits);
        digest = random_key(digest, bits);
    }
    return digest;
}
