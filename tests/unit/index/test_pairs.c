/* Tests of what is found among all pairs of vectors, against plain loops over them. */

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cancel.h"
#include "index/pairs/best.h"
#include "index/pairs/clusters.h"
#include "index/pairs/communities.h"
#include "index/pairs/groups.h"
#include "index/pairs/neighbours.h"
#include "tests/unit/index/pairs_fixture.h"

/* More than one strip of rows and one block of columns, and neither a whole one. */
enum { ROWS = 1300, COLUMNS = 1101, DIMENSION = 24, CLUSTERS = 60 };

static int setup(void **state)
{
    struct fixture *fixture = fixture_new(77, CLUSTERS, ROWS, COLUMNS, DIMENSION);
    /* Equal vectors, so that there are equal scores; one without a length is there anyway. */
    for (size_t i = 0; i < 40; i++)
        memcpy(fixture->rows + (ROWS - 1 - i) * DIMENSION, fixture->rows + i * DIMENSION,
               DIMENSION * sizeof(float));
    fixture_finish(fixture, 3);
    *state = fixture;
    return 0;
}

static int pair_order(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

static struct pair *all_pairs(const struct pairs_sets *sets, size_t *ret_count)
{
    struct pair *pairs = calloc(pairs_count(sets), sizeof *pairs);
    size_t count = 0;
    for (size_t r = 0; r < sets->row_count; r++)
        for (size_t c = sets->columns ? 0 : r + 1;
             c < (sets->columns ? sets->column_count : sets->row_count); c++)
            pairs[count++] = (struct pair){r, c, score_of(sets, r, c)};
    assert_int_equal(count, pairs_count(sets));
    qsort(pairs, count, sizeof *pairs, pair_order);
    *ret_count = count;
    return pairs;
}

static void check_best(const struct fixture *fixture, const struct pairs_sets *sets, size_t top,
                       float threshold)
{
    const struct pairs_run run = {.pool = fixture->pool};
    struct pair *found = calloc(top, sizeof *found);
    struct err err;
    size_t count, found_count, expected = 0;
    struct pair *all = all_pairs(sets, &count);

    while (expected < count && expected < top && all[expected].score >= threshold)
        expected++;
    assert_int_equal(pairs_best(sets, &run, top, threshold, found, &found_count, &err), 0);
    assert_int_equal(found_count, expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(found[i].row, all[i].row);
        assert_int_equal(found[i].column, all[i].column);
        assert_true(found[i].score == all[i].score);
    }
    free(all);
    free(found);
}

static void the_best_pairs_are_those_of_a_full_sort(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets one = one_set(fixture), two = two_sets(fixture);
    check_best(fixture, &one, 1, -INFINITY);
    check_best(fixture, &one, 25, -INFINITY);
    check_best(fixture, &one, 3000, -INFINITY);
    check_best(fixture, &one, 3000, 0.9F);
    check_best(fixture, &one, 10, 1.5F);
    check_best(fixture, &two, 100, -INFINITY);
    check_best(fixture, &two, 100000, 0.8F);
}

static void sets_of_few_vectors_have_few_pairs(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets sets = one_set(fixture);
    for (sets.row_count = 0; sets.row_count < 4; sets.row_count++)
        check_best(fixture, &sets, 10, -INFINITY);
}

static int entry_order(const void *left, const void *right)
{
    const struct top_entry *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void check_neighbours(const struct fixture *fixture, const struct pairs_sets *sets,
                             size_t top, float threshold)
{
    const struct pairs_run run = {.pool = fixture->pool};
    struct top_entry *found = calloc(ROWS * top, sizeof *found);
    size_t *counts = calloc(ROWS, sizeof *counts);
    struct top_entry *all = calloc(ROWS + COLUMNS, sizeof *all);
    size_t columns = sets->columns ? sets->column_count : sets->row_count;
    struct err err;

    assert_int_equal(pairs_neighbours(sets, &run, top, threshold, found, counts, &err), 0);
    for (size_t r = 0; r < sets->row_count; r++) {
        size_t count = 0;
        for (size_t c = 0; c < columns; c++)
            if ((sets->columns || c != r) && score_of(sets, r, c) >= threshold)
                all[count++] = (struct top_entry){score_of(sets, r, c), (int64_t)c};
        qsort(all, count, sizeof *all, entry_order);
        assert_int_equal(counts[r], count < top ? count : top);
        for (size_t i = 0; i < counts[r]; i++) {
            assert_int_equal(found[r * top + i].id, all[i].id);
            assert_true(found[r * top + i].score == all[i].score);
        }
    }
    free(all);
    free(counts);
    free(found);
}

static void the_neighbours_of_each_are_those_of_a_full_sort(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets one = one_set(fixture), two = two_sets(fixture);
    check_neighbours(fixture, &one, 1, -INFINITY);
    check_neighbours(fixture, &one, 7, -INFINITY);
    check_neighbours(fixture, &one, 5, 0.85F);
    check_neighbours(fixture, &two, 7, -INFINITY);
}

static void groups_hang_together_and_nothing_else_does(void **state)
{
    const struct fixture *fixture = *state;
    const struct pairs_run run = {.pool = fixture->pool};
    struct pairs_sets sets = one_set(fixture);
    const float thresholds[] = {2, 0.9999F, 0.9F, 0.75F, -2};
    static size_t labels[ROWS];
    struct err err;

    for (size_t t = 0; t < sizeof thresholds / sizeof thresholds[0]; t++) {
        struct pairs_partition groups;
        assert_int_equal(pairs_groups(&sets, &run, thresholds[t], &groups, &err), 0);
        /* Labels spread until nothing changes: the slow way that needs no forest. */
        for (size_t r = 0; r < ROWS; r++)
            labels[r] = r;
        for (bool changed = true; changed;) {
            changed = false;
            for (size_t a = 0; a < ROWS; a++)
                for (size_t b = a + 1; b < ROWS; b++)
                    if (labels[a] != labels[b] && score_of(&sets, a, b) >= thresholds[t]) {
                        labels[a] = labels[b] = labels[a] < labels[b] ? labels[a] : labels[b];
                        changed = true;
                    }
        }
        size_t grouped = 0, previous = 0;
        for (size_t g = 0; g < groups.count; g++) {
            const size_t *members = groups.members + groups.starts[g];
            size_t size = groups.starts[g + 1] - groups.starts[g];
            assert_true(size >= 2);
            assert_true(g == 0 || members[0] > previous);
            previous = members[0];
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(labels[members[i]], members[0]);
                assert_true(i == 0 || members[i] > members[i - 1]);
            }
            grouped += size;
        }
        for (size_t r = 0; r < ROWS; r++) {
            size_t alike = 0;
            for (size_t other = 0; other < ROWS; other++)
                alike += labels[other] == labels[r];
            grouped -= alike > 1;
        }
        assert_int_equal(grouped, 0);
        pairs_partition_release(&groups);
    }
}

/* The rule of communities.h, one loop after another. */
static size_t plain_communities(const struct pairs_sets *sets, float threshold, size_t least_size,
                                size_t *starts, size_t *members)
{
    static bool taken[ROWS];
    static size_t sizes[ROWS], order[ROWS], found[ROWS], found_starts[ROWS + 1];
    static struct top_entry neighbours[ROWS];
    size_t count = 0, written = 0;

    memset(taken, 0, sizeof taken);
    for (size_t r = 0; r < ROWS; r++) {
        sizes[r] = 0;
        for (size_t c = 0; c < ROWS; c++)
            sizes[r] += score_of(sets, r, c) >= threshold;
    }
    size_t ranked = 0;
    for (size_t size = ROWS; size >= least_size && size > 0; size--)
        for (size_t r = 0; r < ROWS; r++)
            if (sizes[r] == size)
                order[ranked++] = r;
    found_starts[0] = 0;
    for (size_t i = 0; i < ranked; i++) {
        size_t centre = order[i], free_count = 0;
        if (taken[centre])
            continue;
        for (size_t c = 0; c < ROWS; c++)
            if (!taken[c] && score_of(sets, centre, c) >= threshold)
                neighbours[free_count++] =
                    (struct top_entry){score_of(sets, centre, c), (int64_t)c};
        if (free_count < least_size)
            continue;
        qsort(neighbours, free_count, sizeof *neighbours, entry_order);
        found[written++] = centre;
        for (size_t n = 0; n < free_count; n++)
            if ((size_t)neighbours[n].id != centre)
                found[written++] = (size_t)neighbours[n].id;
        for (size_t n = found_starts[count]; n < written; n++)
            taken[found[n]] = true;
        found_starts[++count] = written;
    }
    size_t place = 0, listed = 0;
    for (size_t size = ROWS; size > 0; size--)
        for (size_t i = 0; i < count; i++)
            if (found_starts[i + 1] - found_starts[i] == size) {
                starts[listed++] = place;
                memcpy(members + place, found + found_starts[i], size * sizeof *members);
                place += size;
            }
    starts[listed] = place;
    return count;
}

static void communities_are_those_of_the_plain_rule(void **state)
{
    const struct fixture *fixture = *state;
    const struct pairs_run run = {.pool = fixture->pool};
    struct pairs_sets sets = one_set(fixture);
    static size_t starts[ROWS + 1], members[ROWS];
    const struct {
        float threshold;
        size_t least_size;
    } cases[] = {{0.8F, 3}, {0.7F, 10}, {0.9F, 2}, {0.75F, 1}, {0.99F, 500}, {-1, 5}};
    struct err err;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pairs_partition found;
        size_t count =
            plain_communities(&sets, cases[i].threshold, cases[i].least_size, starts, members);
        assert_int_equal(
            pairs_communities(&sets, &run, cases[i].threshold, cases[i].least_size, &found, &err),
            0);
        assert_int_equal(found.count, count);
        assert_memory_equal(found.starts, starts, (count + 1) * sizeof *starts);
        assert_memory_equal(found.members, members, starts[count] * sizeof *members);
        pairs_partition_release(&found);
    }
}

static void every_row_is_in_the_cluster_of_the_nearest_centre(void **state)
{
    const struct fixture *fixture = *state;
    const struct pairs_run run = {.pool = fixture->pool};
    struct pairs_sets sets = one_set(fixture);
    static bool seen[ROWS];
    struct pairs_clusters clusters;
    struct err err;

    assert_int_equal(pairs_kmeans(&sets, &run, 40, 1, &clusters, &err), 0);
    const struct pairs_partition *partition = &clusters.partition;
    assert_in_range(partition->count, 30, 40);
    assert_int_equal(partition->starts[partition->count], ROWS);
    for (size_t i = 0; i < partition->count; i++) {
        size_t from = partition->starts[i], to = partition->starts[i + 1];
        assert_true(i == 0 || to - from <= from - partition->starts[i - 1]);
        for (size_t n = from; n < to; n++) {
            assert_false(seen[partition->members[n]]);
            seen[partition->members[n]] = true;
            assert_true(n == from || clusters.scores[n] <= clusters.scores[n - 1]);
        }
    }
    /* The data has CLUSTERS tight centres, so most members are near theirs. */
    size_t near = 0;
    for (size_t n = 0; n < ROWS; n++)
        near += clusters.scores[n] > 0.6F;
    assert_true(near > ROWS * 9 / 10);
    pairs_clusters_release(&clusters);
    assert_int_equal(pairs_kmeans(&sets, &run, 0, 1, &clusters, &err), ERR_INVALID);
    assert_int_equal(pairs_kmeans(&sets, &run, ROWS + 1, 1, &clusters, &err), ERR_INVALID);
}

static void note_progress(void *argument, uint64_t done, uint64_t total)
{
    uint64_t *last = argument;
    assert_true(done <= total);
    *last = total;
}

static void progress_counts_pairs_and_a_raised_flag_ends_the_work(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets sets = one_set(fixture);
    uint64_t total = 0;
    volatile int cancel = 0;
    struct pairs_run run = {fixture->pool, note_progress, &total, &cancel};
    struct pair pair;
    size_t count;
    struct err err;

    assert_int_equal(pairs_best(&sets, &run, 1, -INFINITY, &pair, &count, &err), 0);
    assert_true(total == 0 || total == pairs_count(&sets));
    cancel_raise(&cancel);
    assert_int_equal(pairs_best(&sets, &run, 1, -INFINITY, &pair, &count, &err), ERR_CANCELLED);
}

static long peak_kilobytes(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* The scores of all these pairs would take 800 MB. */
static void memory_does_not_grow_with_the_number_of_pairs(void **state)
{
    enum { MANY = 20000, FEW_DIMENSIONS = 8, MOST_KILOBYTES = 64 * 1024 };
    const struct fixture *fixture = *state;
    const struct pairs_run run = {.pool = fixture->pool};
    struct random_numbers random = {5};
    struct pairs_partition groups;
    struct pair pairs[100];
    size_t count;
    struct err err;
    float *vectors = calloc(MANY * FEW_DIMENSIONS, sizeof *vectors);
    random_clustered(&random, 5, CLUSTERS, MANY, FEW_DIMENSIONS, vectors);
    assert_int_equal(pairs_normalize(vectors, MANY, FEW_DIMENSIONS, &err), 0);
    struct pairs_sets sets = {.rows = vectors, .row_count = MANY, .dimension = FEW_DIMENSIONS};

    long before = peak_kilobytes();
    assert_int_equal(pairs_best(&sets, &run, 100, -INFINITY, pairs, &count, &err), 0);
    assert_int_equal(count, 100);
    assert_int_equal(pairs_groups(&sets, &run, 0.999F, &groups, &err), 0);
    assert_in_range(peak_kilobytes() - before, 0, MOST_KILOBYTES);
    pairs_partition_release(&groups);
    free(vectors);
}

static void a_vector_that_is_no_number_is_refused_by_its_place(void **state)
{
    (void)state;
    float vectors[] = {1, 0, 0, 2, INFINITY, 1};
    struct err err;
    assert_int_equal(pairs_normalize(vectors, 3, 2, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "vector 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_pairs_are_those_of_a_full_sort),
        cmocka_unit_test(sets_of_few_vectors_have_few_pairs),
        cmocka_unit_test(the_neighbours_of_each_are_those_of_a_full_sort),
        cmocka_unit_test(groups_hang_together_and_nothing_else_does),
        cmocka_unit_test(communities_are_those_of_the_plain_rule),
        cmocka_unit_test(every_row_is_in_the_cluster_of_the_nearest_centre),
        cmocka_unit_test(progress_counts_pairs_and_a_raised_flag_ends_the_work),
        cmocka_unit_test(memory_does_not_grow_with_the_number_of_pairs),
        cmocka_unit_test(a_vector_that_is_no_number_is_refused_by_its_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
