/* Encoding with another model before training begins. */
#include "cli/train/teacher.h"

#include <stdlib.h>

#include "cli/worker.h"

static int encode(const struct worker *worker, const struct encoder_text *texts, size_t count,
                  const volatile int *cancel, float **ret_vectors, struct err *err)
{
    float *vectors = calloc(count + 1, encoder_info(worker->encoder)->dimension * sizeof *vectors);
    if (!vectors)
        return err_memory(err, "the teacher's vectors");
    int r = encoder_encode(worker->crew, texts, count, NULL, vectors, NULL, cancel, err);
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
    struct worker worker;
    int r = worker_open(&worker, teacher, NULL, threads, err);
    if (r < 0)
        return r;
    size_t given = encoder_info(worker.encoder)->dimension;
    if (given != dimension)
        r = err_set(err, ERR_INVALID,
                    "the teacher's vectors have %zu floats and the model's %zu: they must be equal",
                    given, dimension);
    if (r == 0)
        r = encode(&worker, texts, count, cancel, ret_vectors, err);
    worker_close(&worker);
    return r;
}
