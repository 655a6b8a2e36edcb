/* Reading what starts a job. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "daemon/wire_field.h"

/* What is taken where nobody says; for clusters what community_detection of sentence-transformers
 * has. */
enum { TOP_DEFAULT = 100, LEAST_SIZE_DEFAULT = 10, SEED_DEFAULT = 1234 };
static const float dedup_threshold = 0.95F, clusters_threshold = 0.75F;

static int read_count(const json_t *body, const char *name, int64_t most, size_t *count,
                      struct wire_fault *fault)
{
    const json_t *value = wire_member(body, name);
    int64_t number = 0;
    int r = value ? wire_integer(value, name, 1, most, &number, fault) : 0;
    if (r == 0 && value)
        *count = (size_t)number;
    return r;
}

static int read_threshold(const json_t *body, float *threshold, struct wire_fault *fault)
{
    const json_t *value = wire_member(body, "threshold");
    if (!value)
        return 0;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= -1 && number <= 1))
        return wire_fail(fault, ERR_INVALID, "threshold", "must be a number from -1 to 1");
    *threshold = (float)number;
    return 0;
}

static int read_pairs(const json_t *body, struct engine_job_options *ret, struct wire_fault *fault)
{
    static const char *const known[] = {"kind", "top", "each", "threshold", "approximate", NULL};
    struct engine_job_options options = {
        .kind = ENGINE_JOB_PAIRS, .top = TOP_DEFAULT, .threshold = -INFINITY};
    int r = wire_check_fields(body, "", known, fault);
    if (r == 0)
        r = read_count(body, "top", ENGINE_JOB_PAIRS_MAX, &options.top, fault);
    if (r == 0)
        r = read_count(body, "each", ENGINE_JOB_EACH_MAX, &options.each, fault);
    if (r == 0 && options.each && wire_member(body, "top"))
        r = wire_fail(fault, ERR_INVALID, "each", "stands in the place of top");
    if (r == 0)
        r = read_threshold(body, &options.threshold, fault);
    if (r == 0)
        r = wire_flag(body, "approximate", &options.approximate, fault);
    if (r == 0)
        *ret = options;
    return r;
}

static int read_dedup(const json_t *body, struct engine_job_options *ret, struct wire_fault *fault)
{
    static const char *const known[] = {"kind", "threshold", NULL};
    struct engine_job_options options = {.kind = ENGINE_JOB_DEDUP, .threshold = dedup_threshold};
    int r = wire_check_fields(body, "", known, fault);
    if (r == 0)
        r = read_threshold(body, &options.threshold, fault);
    if (r == 0)
        *ret = options;
    return r;
}

static int read_clusters(const json_t *body, struct engine_job_options *ret,
                         struct wire_fault *fault)
{
    static const char *const known[] = {"kind", "threshold", "min_size", "k_means", "seed", NULL};
    struct engine_job_options options = {.kind = ENGINE_JOB_CLUSTERS,
                                         .threshold = clusters_threshold,
                                         .least_size = LEAST_SIZE_DEFAULT};
    const json_t *seed = wire_member(body, "seed");
    int64_t number = SEED_DEFAULT;
    int r = wire_check_fields(body, "", known, fault);
    if (r == 0)
        r = read_threshold(body, &options.threshold, fault);
    if (r == 0)
        r = read_count(body, "min_size", UINT32_MAX, &options.least_size, fault);
    if (r == 0)
        r = read_count(body, "k_means", INT_MAX, &options.k, fault);
    if (r == 0 && seed)
        r = wire_integer(seed, "seed", 0, INT_MAX, &number, fault);
    if (r < 0)
        return r;
    options.seed = (int)number;
    *ret = options;
    return 0;
}

int wire_read_job(const json_t *body, struct engine_job_options *ret, struct wire_fault *fault)
{
    static const struct {
        const char *name;
        int (*read)(const json_t *body, struct engine_job_options *ret, struct wire_fault *fault);
    } kinds[] = {{"pairs", read_pairs}, {"dedup", read_dedup}, {"clusters", read_clusters}};
    const char *kind = json_string_value(wire_member(body, "kind"));

    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return kinds[i].read(body, ret, fault);
    return wire_fail(fault, ERR_INVALID, "kind", "must be \"pairs\", \"dedup\" or \"clusters\"");
}
