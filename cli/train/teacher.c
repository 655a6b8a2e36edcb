/* Encoding with another model before training begins. */
#include "cli/train/teacher.h"

#include <stdlib.h>

#include "encoder/model/registry.h"

static int encode(const struct encoder *encoder, int threads, const struct encoder_text *texts,
                  size_t count, const volatile int *cancel, float **ret_vectors, struct err *err)
{
    struct encoder_crew *crew;
    float *vectors = calloc(count + 1, encoder_info(encoder)->dimension * sizeof *vectors);
    if (!vectors)
        return err_memory(err, "the teacher's vectors");
    int r = encoder_crew_open(&crew, encoder, threads, false, err);
    if (r == 0) {
        r = encoder_encode(crew, texts, count, NULL, vectors, NULL, cancel, err);
        encoder_crew_close(crew);
    }
    if (r < 0) {
        free(vectors);
        return r;
    }
    *ret_vectors = vectors;
    return 0;
}

int teacher_encode(const char *teacher, int threads, const struct encoder_text *texts, size_t count,
                   size_t dimension, const volatile int *cancel, float **ret_vectors,
                   struct err *err)
{
    struct encoder *encoder = NULL;
    char *folder;

    int r = registry_resolve(&folder, teacher, err);
    if (r < 0)
        return r;
    r = encoder_open(&encoder, folder, NULL, err);
    free(folder);
    if (r == 0 && encoder_info(encoder)->dimension != dimension)
        r = err_set(err, ERR_INVALID,
                    "the teacher's vectors have %zu floats and the model's %zu: they must be equal",
                    encoder_info(encoder)->dimension, dimension);
    if (r == 0)
        r = encode(encoder, threads, texts, count, cancel, ret_vectors, err);
    encoder_close(encoder);
    return r;
}
