/* Templates: counting, truncating, filling; and trimming offsets. */
#include "encoder/tokenizer/template.h"

#include <string.h>

#include "base/utf8.h"
#include "encoder/tokenizer/unicode.h"

int template_add(struct template *template, int64_t what, uint8_t type_id, struct err *err)
{
    if (template->count == TEMPLATE_PARTS_LIMIT)
        return err_set(err, ERR_LIMIT, "the post_processor has more than %d parts",
                       TEMPLATE_PARTS_LIMIT);
    template->parts[template->count++] = (struct template_part){what, type_id};
    if (what >= 0)
        template->special_count++;
    return 0;
}

size_t template_uses(const struct template *template, int64_t what)
{
    size_t uses = 0;
    for (size_t i = 0; i < template->count; i++)
        uses += template->parts[i].what == what;
    return uses;
}

void template_truncate_pair(size_t *first, size_t *second, size_t room)
{
    size_t *shorter = *first <= *second ? first : second;
    size_t *longer = *first <= *second ? second : first;

    if (*shorter <= room && *longer <= room - *shorter)
        return;
    if (*shorter <= room / 2) {
        *longer = room - *shorter;
    } else {
        *shorter = room / 2;
        *longer = room - *shorter;
    }
}

void template_fill(const struct template *template, const struct token *first, size_t first_count,
                   const struct token *second, size_t second_count, struct token_list *list)
{
    list->count = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct template_part *part = &template->parts[i];
        struct token *to = list->tokens + list->count;
        if (part->what >= 0) {
            *to = (struct token){.id = (uint32_t)part->what, .special = true};
            to->type_id = part->type_id;
            list->count++;
            continue;
        }
        const struct token *from = part->what == TEMPLATE_FIRST ? first : second;
        size_t count = part->what == TEMPLATE_FIRST ? first_count : second_count;
        for (size_t j = 0; j < count; j++) {
            to[j] = from[j];
            to[j].type_id = part->type_id;
        }
        list->count += count;
    }
}

/* Whether the character at text[at] counts as a space, and its size. */
static bool is_space(const char *text, size_t size, size_t *ret_length)
{
    enum { BYTE_LEVEL_SPACE_CHARACTER = 0x120 };
    uint32_t code_point;
    *ret_length = utf8_decode(text, size, &code_point);
    return *ret_length > 0 && (code_point == BYTE_LEVEL_SPACE_CHARACTER ||
                               unicode_classify(code_point) & UNICODE_SPACE);
}

void offset_trim_count(const char *text, size_t size, size_t *ret_leading, size_t *ret_trailing)
{
    size_t length, at = 0;

    *ret_leading = *ret_trailing = 0;
    while (at < size && is_space(text + at, size - at, &length)) {
        at += length;
        ++*ret_leading;
    }
    for (size_t end = size; end > 0; ++*ret_trailing) {
        size_t start = end - 1;
        while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80)
            start--;
        if (!is_space(text + start, end - start, &length))
            break;
        end = start;
    }
}

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

void offset_trim_apply(const struct offset_trim *trim, const char *text, size_t leading,
                       size_t trailing, bool begins, struct token *token)
{
    uint32_t end = token->end;

    if (leading == 1 && trim->prefixed && (begins || token->start == 0))
        leading = 0; /* the space that was put there has no place in the text */
    for (; leading > 0 && token->start < token->end; leading--)
        do
            token->start++;
        while (token->start < token->end && continues_character(text[token->start]));
    for (; trailing > 0 && end > 0; trailing--)
        do
            end--;
        while (end > 0 && continues_character(text[end]));
    if (trailing == 0)
        token->end = end > token->start ? end : token->start;
}
