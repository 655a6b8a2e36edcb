/* A copy of a golden model in a temporary folder, for tests that change one thing about it. */
#ifndef SBERT_TESTS_UNIT_ENCODER_GOLDEN_COPY_H
#define SBERT_TESTS_UNIT_ENCODER_GOLDEN_COPY_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/test.h"

#define GOLDEN_MODELS "tests/golden/models/"

struct golden_copy {
    char folder[64];
};

static inline char *golden_copy_path(const struct golden_copy *copy, const char *name)
{
    char *path = file_join(copy->folder, name);
    assert_non_null(path);
    return path;
}

/* Writes a file of the copy. */
static inline void golden_copy_write(const struct golden_copy *copy, const char *name,
                                     const char *text)
{
    char *path = golden_copy_path(copy, name);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
    free(path);
}

static inline void golden_copy_remove(const struct golden_copy *copy, const char *name)
{
    char *path = golden_copy_path(copy, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

/* Replaces the first `old` in a file of the copy, which must have one. */
static inline void golden_copy_edit(const struct golden_copy *copy, const char *name,
                                    const char *old, const char *new)
{
    char *data, *text = NULL, *path = golden_copy_path(copy, name);
    size_t size;
    assert_int_equal(file_read(&data, &size, path, 1 << 24, NULL), 0);
    char *place = strstr(data, old);
    assert_non_null(place);
    assert_true(asprintf(&text, "%.*s%s%s", (int)(place - data), data, new, place + strlen(old)) >
                0);
    golden_copy_write(copy, name, text);
    free(text);
    free(data);
    free(path);
}

/* Copies what `model` has of a model's files (its expected outputs are left out). */
static inline struct golden_copy golden_copy_make(const char *model)
{
    static const char *const names[] = {
        "config.json",
        "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "3_LayerNorm/config.json",
        "3_LayerNorm/model.safetensors",
        "5_Dense/config.json",
        "5_Dense/model.safetensors",
        "6_Dense/config.json",
        "6_Dense/model.safetensors",
    };
    static const char *const folders[] = {"1_Pooling", "2_Dense", "3_LayerNorm", "5_Dense",
                                          "6_Dense"};
    struct golden_copy copy = {"/tmp/sbertd-test-XXXXXX"};
    assert_non_null(mkdtemp(copy.folder));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char *below = golden_copy_path(&copy, folders[i]);
        assert_int_equal(mkdir(below, 0755), 0);
        free(below);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *from = NULL, *to = golden_copy_path(&copy, names[i]), *data;
        size_t size;
        assert_true(asprintf(&from, GOLDEN_MODELS "%s/%s", model, names[i]) > 0);
        if (file_exists(from)) {
            assert_int_equal(file_read(&data, &size, from, 1 << 24, NULL), 0);
            assert_int_equal(file_write(to, data, size, 0644, NULL), 0);
            free(data);
        }
        free(from);
        free(to);
    }
    return copy;
}

static inline int golden_copy_drop_entry(const char *path, const struct stat *status, int kind,
                                         struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void golden_copy_drop(struct golden_copy *copy)
{
    assert_int_equal(nftw(copy->folder, golden_copy_drop_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
