/* Any bytes as the file of the jobs that a former life left: what is taken of it is shown as an
 * interrupted job and written again, and what was written again gives the same jobs. */
#include <stdint.h>
#include <string.h>

#include "daemon/engine_jobs_internal.h"
#include "tests/fuzz/encoder/memory_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_jobs(struct engine *engine, struct job_table *table)
{
    struct err err = {0};
    if (job_file_read(engine, table, &err) < 0)
        abort();
    for (size_t i = 0; i < table->count; i++)
        if (table->jobs[i]->state != ENGINE_JOB_INTERRUPTED ||
            !store_name_valid(table->jobs[i]->collection))
            abort();
}

static void release_jobs(struct job_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->jobs[i]);
    free(table->jobs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    struct engine engine = {0};
    if (memory_folder_open())
        path = (char *)(uintptr_t)memory_folder_file("jobs.json");
    struct job_table first = {.path = path}, second = {.path = path};
    memory_folder_write(path, data, size);

    read_jobs(&engine, &first);
    job_file_write(&engine, &first);
    read_jobs(&engine, &second);
    if (second.count != first.count)
        abort();
    for (size_t i = 0; i < first.count; i++)
        if (strcmp(first.jobs[i]->id, second.jobs[i]->id) != 0 ||
            first.jobs[i]->options.kind != second.jobs[i]->options.kind ||
            first.jobs[i]->options.top != second.jobs[i]->options.top)
            abort();
    release_jobs(&first);
    release_jobs(&second);
    return 0;
}
