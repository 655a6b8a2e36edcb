/* A model that was named, and a crew at work on it. */
#include "cli/worker.h"

#include <stdlib.h>

#include "encoder/model/registry.h"

int worker_open(struct worker *ret_worker, const char *model, const struct encoder_options *options,
                int threads, struct err *err)
{
    struct worker worker = {0};
    char *folder;

    int r = registry_resolve(&folder, model, err);
    if (r < 0)
        return r;
    r = encoder_open(&worker.encoder, folder, options, err);
    free(folder);
    if (r == 0)
        r = encoder_crew_open(&worker.crew, worker.encoder, threads, false, err);
    if (r < 0)
        worker_close(&worker);
    else
        *ret_worker = worker;
    return r;
}

void worker_close(struct worker *worker)
{
    encoder_crew_close(worker->crew);
    encoder_close(worker->encoder);
    *worker = (struct worker){0};
}
