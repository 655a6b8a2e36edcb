/* Tests of the engine: jobs over a collection, their results, and what becomes of those cut off. */
#include "daemon/engine_jobs.h"
#include "engine_fixture.h"

enum { DIMENSION = 4 };

static const struct engine_job_options pairs_options = {
    .kind = ENGINE_JOB_PAIRS, .top = 100, .threshold = -INFINITY};
static const struct engine_job_options dedup_options = {.kind = ENGINE_JOB_DEDUP,
                                                        .threshold = 0.95F};

/* Four documents: two pairs of near-duplicates at right angles. */
static void add_vectors(struct fixture *fixture)
{
    static const float vectors[][DIMENSION] = {
        {1, 0, 0, 0}, {0, 2, 0, 0}, {3, 0.1F, 0, 0}, {0, 1, 0.1F, 0}};
    fixture_put_vectors(fixture, "v", DIMENSION, "dot");
    const struct engine_document documents[] = {
        vector_document("a", "one", vectors[0], DIMENSION),
        vector_document("b", "two", vectors[1], DIMENSION),
        vector_document("c", "three", vectors[2], DIMENSION),
        vector_document("d", "four", vectors[3], DIMENSION)};
    fixture_add(fixture, "v", documents, 4);
}

static struct engine_job start(struct fixture *fixture, const char *collection,
                               struct engine_job_options options)
{
    struct engine_job job;
    bool created;
    assert_ok(fixture, engine_job_start(fixture->engine, collection, &options, &job, &created,
                                        &fixture->err));
    return job;
}

static struct engine_job wait_for(struct fixture *fixture, const char *id)
{
    struct engine_job job;
    do {
        sched_yield();
        assert_ok(fixture, engine_job_get(fixture->engine, id, &job, &fixture->err));
    } while (job.state == ENGINE_JOB_WAITING || job.state == ENGINE_JOB_RUNNING);
    return job;
}

static struct engine_job run(struct fixture *fixture, const char *collection,
                             struct engine_job_options options)
{
    struct engine_job job = start(fixture, collection, options);
    return wait_for(fixture, job.id);
}

static size_t result(struct fixture *fixture, const char *id, size_t first, size_t limit,
                     struct engine_job_entry **ret_entries, size_t *ret_next)
{
    size_t count;
    assert_ok(fixture, engine_job_result(fixture->engine, id, first, limit, &fixture->arena,
                                         ret_entries, &count, ret_next, &fixture->err));
    return count;
}

static void pairs_are_the_most_similar_documents(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job_entry *entries;
    size_t next;
    add_vectors(fixture);
    struct engine_job_options options = pairs_options;
    options.threshold = 0.5F;
    struct engine_job job = run(fixture, "v", options);
    assert_int_equal(job.state, ENGINE_JOB_DONE);
    assert_int_equal(job.documents, 4);
    assert_int_equal(job.results, 2);
    assert_int_equal(result(fixture, job.id, 0, 1, &entries, &next), 1);
    assert_int_equal(next, 1);
    assert_string_equal(entries[0].a.id, "a");
    assert_string_equal(entries[0].b.id, "c");
    assert_true(fabs(entries[0].score - 3 / sqrt(9.01)) < 1e-6);
    assert_int_equal(result(fixture, job.id, next, 10, &entries, &next), 1);
    assert_true(next == SIZE_MAX);
    assert_string_equal(entries[0].a.id, "b");
    assert_string_equal(entries[0].b.text, "four");
    assert_int_equal(result(fixture, job.id, 99, 10, &entries, &next), 0);
}

static void each_document_has_its_neighbours(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job_entry *entries;
    size_t next;
    add_vectors(fixture);
    struct engine_job_options options = pairs_options;
    options.each = 1;
    struct engine_job job = run(fixture, "v", options);
    assert_int_equal(job.results, 4);
    assert_int_equal(result(fixture, job.id, 0, 10, &entries, &next), 4);
    assert_string_equal(entries[2].a.id, "c");
    assert_string_equal(entries[2].b.id, "a");
}

static void near_duplicates_come_in_groups(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job_entry *entries;
    size_t next;
    add_vectors(fixture);
    struct engine_job job = run(fixture, "v", dedup_options);
    assert_int_equal(job.groups, 2);
    assert_int_equal(job.results, 4);
    assert_int_equal(result(fixture, job.id, 0, 10, &entries, &next), 4);
    assert_string_equal(entries[1].a.id, "c");
    assert_int_equal(entries[1].group, 0);
    assert_string_equal(entries[2].a.id, "b");
    assert_int_equal(entries[2].group, 1);
    assert_int_equal(entries[2].size, 2);
}

static void clusters_are_communities_or_k_means(void **state)
{
    struct fixture *fixture = *state;
    add_vectors(fixture);
    struct engine_job_options options = {
        .kind = ENGINE_JOB_CLUSTERS, .threshold = 0.9F, .least_size = 2};
    assert_int_equal(run(fixture, "v", options).groups, 2);
    options.k = 2;
    /* FAISS works with OpenMP, whose locks the thread sanitizer does not see. */
    fixture->engine->options.threads = 1;
    struct engine_job job = run(fixture, "v", options);
    assert_int_equal(job.groups, 2);
    assert_int_equal(job.results, 4);
    options.k = 5;
    job = run(fixture, "v", options);
    assert_int_equal(job.state, ENGINE_JOB_FAILED);
    assert_int_equal(job.err.code, ERR_INVALID);
}

static void a_document_of_several_passages_is_compared_as_a_whole(void **state)
{
    struct fixture *fixture = *state;
    struct buf text = {0};
    struct store_row row;
    struct engine_job_entry *entries;
    size_t next;
    for (int i = 0; i < 40; i++)
        assert_int_equal(buf_append_string(&text, "the cat sat on the mat. "), 0);
    const struct engine_document documents[] = {text_document("long", text.data),
                                                text_document("other", "stock market prices fall"),
                                                text_document("same", text.data)};
    fixture_add(fixture, "default", documents, 3);
    assert_ok(fixture,
              engine_get(fixture->engine, "default", "long", &fixture->arena, &row, &fixture->err));
    assert_true(row.passages > 1);
    struct engine_job job = run(fixture, "default", pairs_options);
    assert_int_equal(job.documents, 3);
    assert_int_equal(job.results, 3);
    assert_int_equal(result(fixture, job.id, 0, 10, &entries, &next), 3);
    assert_string_equal(entries[0].a.id, "long");
    assert_string_equal(entries[0].b.id, "same");
    assert_true(fabs(entries[0].score - 1) < 1e-5);
    buf_release(&text);
}

static void what_belongs_to_documents_that_went_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job_entry *entries;
    const char *const gone[] = {"c"};
    size_t deleted, next;
    add_vectors(fixture);
    struct engine_job job = run(fixture, "v", dedup_options);
    assert_ok(fixture, engine_delete(fixture->engine, "v", gone, 1, NULL, &deleted, &fixture->err));
    assert_int_equal(result(fixture, job.id, 0, 10, &entries, &next), 3);
    assert_string_equal(entries[0].a.id, "a");
    assert_string_equal(entries[1].a.id, "b");
    assert_int_equal(entries[1].group, 1);
}

static void an_empty_collection_has_no_pairs(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job_entry *entries;
    size_t next;
    fixture_put_vectors(fixture, "v", DIMENSION, "cosine");
    struct engine_job job = run(fixture, "v", dedup_options);
    assert_int_equal(job.state, ENGINE_JOB_DONE);
    assert_int_equal(result(fixture, job.id, 0, 10, &entries, &next), 0);
    assert_int_equal(run(fixture, "v", pairs_options).results, 0);
}

static void the_same_again_is_the_same_job(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job jobs[ENGINE_JOBS_WAITING + 1];
    bool created = false;
    add_vectors(fixture);
    /* Others are waited for, so that the last one surely waits. */
    for (int i = 0; i < 4; i++) {
        struct engine_job_options options = dedup_options;
        options.threshold = 0.1F + (float)i / 10;
        jobs[i] = start(fixture, "v", options);
    }
    struct engine_job_options options = dedup_options;
    options.threshold = 0.4F;
    assert_ok(fixture,
              engine_job_start(fixture->engine, "v", &options, &jobs[4], &created, &fixture->err));
    if (!created)
        assert_string_equal(jobs[4].id, jobs[3].id);
    else
        assert_int_equal(wait_for(fixture, jobs[3].id).state, ENGINE_JOB_DONE);
    for (int i = 0; i < 5; i++)
        assert_int_equal(wait_for(fixture, jobs[i].id).state, ENGINE_JOB_DONE);
}

static void a_finished_job_can_be_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job *jobs, job;
    size_t count, next;
    struct engine_job_entry *entries;
    bool forgotten;
    add_vectors(fixture);
    job = run(fixture, "v", pairs_options);
    assert_ok(fixture,
              engine_job_list(fixture->engine, &fixture->arena, &jobs, &count, &fixture->err));
    assert_int_equal(count, 1);
    assert_string_equal(jobs[0].collection, "v");
    assert_ok(fixture, engine_job_delete(fixture->engine, job.id, &forgotten, &fixture->err));
    assert_true(forgotten);
    assert_int_equal(engine_job_get(fixture->engine, job.id, &job, &fixture->err), ERR_NOT_FOUND);
    assert_int_equal(engine_job_delete(fixture->engine, job.id, &forgotten, &fixture->err),
                     ERR_NOT_FOUND);
    assert_int_equal(engine_job_result(fixture->engine, job.id, 0, 1, &fixture->arena, &entries,
                                       &count, &next, &fixture->err),
                     ERR_NOT_FOUND);
}

static void jobs_of_no_collection_are_refused_and_too_large_ones_fail(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job job;
    bool created;
    assert_int_equal(
        engine_job_start(fixture->engine, "none", &dedup_options, &job, &created, &fixture->err),
        ERR_NOT_FOUND);
    add_vectors(fixture);
    fixture->engine->options.job_bytes = 10;
    job = run(fixture, "v", dedup_options);
    assert_int_equal(job.state, ENGINE_JOB_FAILED);
    assert_int_equal(job.err.code, ERR_MEMORY);
    assert_non_null(strstr(job.err.message, "4 passages of collection v"));
}

static void many_jobs_wait_and_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job job, last = {0};
    bool created, forgotten;
    int r = 0;
    add_vectors(fixture);
    /* Each is quick; so many at once still pile up, or all run: either is right. */
    for (int i = 0; i < 1000 && !r; i++) {
        struct engine_job_options options = dedup_options;
        options.threshold = (float)i / 1000;
        r = engine_job_start(fixture->engine, "v", &options, &job, &created, &fixture->err);
        if (!r)
            last = job;
    }
    assert_true(r == 0 || r == ERR_BUSY);
    assert_ok(fixture, engine_job_delete(fixture->engine, last.id, &forgotten, &fixture->err));
    if (!forgotten) {
        job = wait_for(fixture, last.id);
        assert_true(job.state == ENGINE_JOB_CANCELLED || job.state == ENGINE_JOB_DONE);
    }
}

/* As a life that ends too early leaves it. */
static void a_job_that_was_cut_off_says_so(void **state)
{
    static const char left[] =
        "{\"jobs\":[{\"id\":\"0123456789abcdef\",\"collection\":\"v\",\"kind\":\"dedup\","
        "\"threshold\":0.5,\"created_at\":1767225600},{\"id\":\"short\"}]}";
    struct fixture *fixture = *state;
    struct engine_job job;
    struct engine_job_entry *entries;
    size_t count, next;
    bool forgotten;
    fixture_close(fixture);
    char *path = file_join(fixture->folder, "jobs.json");
    assert_ok(fixture, file_write(path, left, sizeof left - 1, 0600, &fixture->err));
    fixture_open(fixture, TINY_MODEL);
    assert_ok(fixture, engine_job_get(fixture->engine, "0123456789abcdef", &job, &fixture->err));
    assert_int_equal(job.state, ENGINE_JOB_INTERRUPTED);
    assert_non_null(strstr(job.err.message, "stopped"));
    assert_true(fixture_logged(fixture, "entry 1 is no job"));
    assert_int_equal(engine_job_result(fixture->engine, job.id, 0, 1, &fixture->arena, &entries,
                                       &count, &next, &fixture->err),
                     ERR_CONFLICT);
    fixture_reopen(fixture); /* it is told until somebody has seen it */
    assert_ok(fixture, engine_job_delete(fixture->engine, job.id, &forgotten, &fixture->err));
    assert_true(forgotten);
    fixture_reopen(fixture);
    assert_int_equal(engine_job_get(fixture->engine, job.id, &job, &fixture->err), ERR_NOT_FOUND);

    fixture_close(fixture);
    assert_ok(fixture, file_write(path, "{", 1, 0600, &fixture->err));
    fixture_open(fixture, TINY_MODEL);
    assert_true(fixture_logged(fixture, "cannot be read"));
    free(path);
}

static void a_stop_in_the_middle_interrupts(void **state)
{
    struct fixture *fixture = *state;
    struct engine_job *jobs;
    size_t count, interrupted = 0;
    add_vectors(fixture);
    for (int i = 0; i < ENGINE_JOBS_WAITING; i++) {
        struct engine_job_options options = dedup_options;
        options.threshold = (float)i / 100;
        start(fixture, "v", options);
    }
    assert_ok(fixture,
              engine_job_list(fixture->engine, &fixture->arena, &jobs, &count, &fixture->err));
    assert_true(count >= 1);
    fixture_reopen(fixture);
    assert_ok(fixture,
              engine_job_list(fixture->engine, &fixture->arena, &jobs, &count, &fixture->err));
    for (size_t i = 0; i < count; i++)
        interrupted += jobs[i].state == ENGINE_JOB_INTERRUPTED;
    assert_int_equal(interrupted, count); /* what was done went with its result */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(pairs_are_the_most_similar_documents),
        engine_test(each_document_has_its_neighbours),
        engine_test(near_duplicates_come_in_groups),
        engine_test(clusters_are_communities_or_k_means),
        engine_test(a_document_of_several_passages_is_compared_as_a_whole),
        engine_test(what_belongs_to_documents_that_went_is_left_out),
        engine_test(an_empty_collection_has_no_pairs),
        engine_test(the_same_again_is_the_same_job),
        engine_test(a_finished_job_can_be_forgotten),
        engine_test(jobs_of_no_collection_are_refused_and_too_large_ones_fail),
        engine_test(many_jobs_wait_and_can_be_cancelled),
        engine_test(a_job_that_was_cut_off_says_so),
        engine_test(a_stop_in_the_middle_interrupts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
