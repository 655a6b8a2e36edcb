/* Any bytes as one of the JSON files of a whole model: it opens or says why not. The first byte
 * picks which; the model is a tiny one of tests/golden, whose other files stay. */
#include <limits.h>

#include "encoder/model/model.h"
#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GOLDEN "tests/golden/models/mean-32-f16"

static const char *const names[] = {
    "1_Pooling",
    "1_Pooling/config.json",
    "2_Normalize",
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "tokenizer.json",
};
enum { NAMES = sizeof names / sizeof *names, FUZZED = 7 };
static const size_t fuzzed[FUZZED] = {1, 3, 4, 5, 6, 7, 8};
static const char *files[NAMES];

/* The golden's file `i` under the same name, by a link. */
static void link_golden(size_t i)
{
    char golden[PATH_MAX], path[PATH_MAX + 64];

    if (!realpath(GOLDEN, golden))
        abort();
    snprintf(path, sizeof path, "%s/%s", golden, names[i]);
    if (symlink(path, files[i]) < 0)
        abort();
}

static void make_folder(void)
{
    for (size_t i = 0; i < NAMES; i++) {
        files[i] = memory_folder_file(names[i]);
        if (i == 0 || i == 2) {
            if (mkdir(files[i], 0700) < 0)
                abort();
        } else {
            link_golden(i);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *model = NULL;
    struct err err = {0};

    if (memory_folder_open())
        make_folder();
    if (size == 0)
        return 0;
    size_t which = fuzzed[data[0] % FUZZED];
    unlink(files[which]);
    memory_folder_write(files[which], data + 1, size - 1);
    int r = model_open(&model, memory_folder, &err);
    if (r < 0 && (err.code != r || !err.message[0] || model || r == ERR_INTERNAL))
        abort();
    if (r == 0 && (model->dimension == 0 || model->max_seq_length == 0))
        abort();
    model_close(model);
    unlink(files[which]);
    link_golden(which);
    return 0;
}
