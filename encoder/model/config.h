/* The transformer's config.json: sizes, activation, and which family it is. */
#ifndef SBERT_ENCODER_MODEL_CONFIG_H
#define SBERT_ENCODER_MODEL_CONFIG_H

#include "base/json.h"
#include "encoder/model/family.h"
#include "encoder/model/model.h"

/* Larger configuration files are refused. */
enum { CONFIG_LIMIT = 16 << 20 };

/* Reads and parses `folder`/`name`, an object. Errors as json_read_object. */
int config_read_object(json_t **ret_json, const char *folder, const char *name, struct err *err);

/* Fills the model's sizes, activation, architecture and the eps of every norm from
 * model->transformer_folder's config.json. */
int config_read(struct model *model, const struct family **ret_family, float *ret_eps,
                struct err *err);

#endif
