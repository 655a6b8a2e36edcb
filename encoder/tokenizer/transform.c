/* The places of a changed text. */
#include "encoder/tokenizer/transform.h"

struct transform transform_begin(const char *text, size_t from, struct normalized *out)
{
    out->size = 0;
    return (struct transform){.text = text, .out = out, .place = from, .last = from};
}

void transform_settle(struct transform *transform)
{
    struct normalized *out = transform->out;
    if (transform->waiting == out->size)
        return;
    size_t place = transform->change > 0 ? transform->last : transform->place;
    while (transform->waiting < out->size)
        out->starts[transform->waiting++] = (uint32_t)place;
    for (ptrdiff_t i = transform->change; i <= 0; i++) {
        transform->last = transform->place;
        transform->place += transform_length(transform->text, transform->place);
    }
}

void transform_put(struct transform *transform, const char *bytes, size_t size, ptrdiff_t change)
{
    transform_settle(transform);
    for (size_t i = 0; i < size; i++)
        transform->out->text[transform->out->size++] = bytes[i];
    transform->change = change;
}
