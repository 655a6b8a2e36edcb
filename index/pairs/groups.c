/* Groups of near-duplicates: each thread joins what it sees in a forest of its own, and the forests
 * are joined at the end (Tarjan, Efficiency of a good but not linear set union algorithm, 1975). */
#include "index/pairs/groups.h"

#include <stdlib.h>

#include "index/pairs/hits.h"

struct grouping {
    size_t *parents; /* (threads, count); a root is its own parent, and the smallest of its tree */
    size_t count;
    float threshold;
};

static size_t find_root(size_t *parents, size_t row)
{
    while (parents[row] != row) {
        parents[row] = parents[parents[row]];
        row = parents[row];
    }
    return row;
}

static void join(size_t *parents, size_t a, size_t b)
{
    a = find_root(parents, a);
    b = find_root(parents, b);
    if (a < b)
        parents[b] = a;
    else
        parents[a] = b;
}

static void look_for_groups(void *argument, const struct pairs_block *block, int thread)
{
    struct grouping *grouping = argument;
    size_t *parents = grouping->parents + (size_t)thread * grouping->count;

    for (size_t r = 0; r < block->row_count; r++) {
        size_t c = pairs_block_start(block, r);
        while ((c = hits_next_pair(block, r, c, grouping->threshold)) < block->column_count)
            join(parents, block->first_row + r, block->first_column + c++);
    }
}

/* Gathers all forests in the first; roots know the sizes of their trees then. */
static size_t merge(const struct grouping *grouping, size_t threads, size_t *sizes)
{
    size_t *parents = grouping->parents, groups = 0;

    for (size_t t = 1; t < threads; t++)
        for (size_t row = 0; row < grouping->count; row++)
            join(parents, row, grouping->parents[t * grouping->count + row]);
    for (size_t row = 0; row < grouping->count; row++)
        sizes[find_root(parents, row)]++;
    for (size_t row = 0; row < grouping->count; row++)
        groups += sizes[row] > 1;
    return groups;
}

/* Lists the trees of two and more. */
static int list_groups(size_t *parents, size_t count, const size_t *sizes, size_t groups,
                       struct pairs_partition *ret_groups, struct err *err)
{
    struct pairs_partition list = {.count = groups};
    size_t *places = calloc(count + 1, sizeof *places); /* where a root's next member goes */
    size_t group = 0, place = 0;

    list.starts = calloc(groups + 1, sizeof *list.starts);
    list.members = calloc(count + 1, sizeof *list.members);
    if (!places || !list.starts || !list.members) {
        free(places);
        pairs_partition_release(&list);
        return err_memory(err, "groups");
    }
    for (size_t row = 0; row < count; row++) {
        if (sizes[row] < 2)
            continue;
        list.starts[group++] = places[row] = place;
        place += sizes[row];
    }
    list.starts[groups] = place;
    for (size_t row = 0; row < count; row++) {
        size_t root = find_root(parents, row);
        if (sizes[root] > 1)
            list.members[places[root]++] = row;
    }
    free(places);
    *ret_groups = list;
    return 0;
}

int pairs_groups(const struct pairs_sets *sets, const struct pairs_run *run, float threshold,
                 struct pairs_partition *ret_groups, struct err *err)
{
    size_t threads = (size_t)pool_threads(run->pool);
    struct grouping grouping = {.count = sets->row_count, .threshold = threshold};
    size_t *sizes = calloc(sets->row_count + 1, sizeof *sizes);

    grouping.parents = calloc(threads * sets->row_count + 1, sizeof *grouping.parents);
    int r = sizes && grouping.parents ? 0 : err_memory(err, "groups");
    for (size_t i = 0; r == 0 && i < threads * sets->row_count; i++)
        grouping.parents[i] = i % sets->row_count;
    if (r == 0)
        r = pairs_product_run(sets, run, look_for_groups, &grouping, err);
    if (r == 0) {
        size_t groups = merge(&grouping, threads, sizes);
        r = list_groups(grouping.parents, grouping.count, sizes, groups, ret_groups, err);
    }
    free(sizes);
    free(grouping.parents);
    return r;
}

void pairs_partition_release(struct pairs_partition *partition)
{
    free(partition->starts);
    free(partition->members);
    *partition = (struct pairs_partition){0};
}
