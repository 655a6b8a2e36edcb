/* The Pooling module's configuration, in its old and its new spelling. */
#ifndef SBERT_ENCODER_MODEL_POOLING_CONFIG_H
#define SBERT_ENCODER_MODEL_POOLING_CONFIG_H

#include "encoder/model/model.h"

/* The mean of all tokens. */
struct pooling pooling_by_default(void);

/* Reads the pooling module's config.json (`folder` may be NULL: pooling stays): pooling,
 * pooled_size. After the sizes are known. ERR_UNSUPPORTED names a mode that is not built here. */
int pooling_config_read(struct model *model, const char *folder, struct err *err);

#endif
