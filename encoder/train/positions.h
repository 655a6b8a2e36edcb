/* Which row of the position table a token takes: one after the other, but for padding tokens that
 * stand in a text, where the model's positions do not count them (see model.h). */
#ifndef SBERT_ENCODER_TRAIN_POSITIONS_H
#define SBERT_ENCODER_TRAIN_POSITIONS_H

#include "encoder/model/model.h"

struct position_counter {
    size_t next;
};

static inline struct position_counter position_counter(const struct model *model)
{
    return (struct position_counter){model->position_offset};
}

static inline size_t position_next(struct position_counter *counter, const struct model *model,
                                   uint32_t id)
{
    if (model->positions_after_padding && id == model->position_offset - 1)
        return model->position_offset - 1;
    return counter->next++;
}

#endif
