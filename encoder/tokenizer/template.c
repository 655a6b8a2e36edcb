/* Templates: counting, truncating, filling. */
#include "encoder/tokenizer/template.h"

#include <string.h>

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
