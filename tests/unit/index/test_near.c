/* Tests of pairs found by a graph, held to those of comparing all. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "index/pairs/near.h"
#include "index/pairs/neighbours.h"
#include "tests/unit/index/pairs_fixture.h"

enum { ROWS = 3000, COLUMNS = 2500, DIMENSION = 24, CLUSTERS = 300, EACH = 12 };

/* ThreadSanitizer doesn't know how OpenMP's threads wait for each other. */
#if defined(__SANITIZE_THREAD__)
enum { THREADS = 1 };
#else
enum { THREADS = 3 };
#endif

static int setup(void **state)
{
    struct fixture *fixture = fixture_new(78, CLUSTERS, ROWS, COLUMNS, DIMENSION);
    memcpy(fixture->rows + 2999 * DIMENSION, fixture->rows, DIMENSION * sizeof(float));
    fixture_finish(fixture, THREADS);
    *state = fixture;
    return 0;
}

static bool is_among(const struct pair *pair, const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i].row == pair->row && pairs[i].column == pair->column)
            return true;
    return false;
}

static void check_best(const struct fixture *fixture, const struct pairs_sets *sets, size_t top,
                       float threshold)
{
    const struct pairs_run run = {.pool = fixture->pool};
    struct pair *exact = calloc(top, sizeof *exact), *found = calloc(top, sizeof *found);
    size_t exact_count, count, hits = 0;
    struct pairs_near *near;
    struct err err;

    assert_int_equal(pairs_best(sets, &run, top, threshold, exact, &exact_count, &err), 0);
    assert_int_equal(pairs_near_open(&near, sets, &run, &err), 0);
    assert_int_equal(pairs_near_best(near, top, threshold, found, &count, &err), 0);
    assert_in_range(count, exact_count * 9 / 10, exact_count);
    for (size_t i = 0; i < count; i++) {
        assert_true(found[i].score == score_of(sets, found[i].row, found[i].column));
        assert_true(found[i].score >= threshold);
        assert_true(sets->columns || found[i].row < found[i].column);
        assert_true(i == 0 || found[i].score <= found[i - 1].score);
        assert_false(is_among(&found[i], found, i));
        hits += is_among(&found[i], exact, exact_count);
    }
    assert_in_range(hits, exact_count * 9 / 10, exact_count);
    pairs_near_close(near);
    free(exact);
    free(found);
}

static void most_of_the_best_pairs_are_found_each_once_with_its_exact_score(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets one = one_set(fixture), two = two_sets(fixture);
    check_best(fixture, &one, 1, -INFINITY);
    check_best(fixture, &one, 400, -INFINITY);
    check_best(fixture, &one, 400, 0.97F);
    check_best(fixture, &two, 400, -INFINITY);
}

/* Recall of lists over the first ten of all rows, counted here. */
static double recall_of(const struct pairs_sets *sets, const struct pairs_run *run,
                        const struct top_entry *found, const size_t *counts)
{
    struct top_entry *exact = calloc(ROWS * 10, sizeof *exact);
    size_t *exact_counts = calloc(ROWS, sizeof *exact_counts), hits = 0;
    struct err err;
    assert_int_equal(pairs_neighbours(sets, run, 10, -INFINITY, exact, exact_counts, &err), 0);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < 10 && i < counts[row]; i++)
            hits += found[row * EACH + i].score >= exact[row * 10 + 9].score;
    free(exact);
    free(exact_counts);
    return (double)hits / (ROWS * 10.0);
}

static void check_neighbours(const struct fixture *fixture, const struct pairs_sets *sets)
{
    const struct pairs_run run = {.pool = fixture->pool};
    struct top_entry *found = calloc(ROWS * EACH, sizeof *found);
    size_t *counts = calloc(ROWS, sizeof *counts);
    struct pairs_near *near;
    double recall;
    struct err err;

    assert_int_equal(pairs_near_open(&near, sets, &run, &err), 0);
    assert_int_equal(pairs_near_neighbours(near, EACH, -INFINITY, found, counts, &err), 0);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < counts[row]; i++) {
            const struct top_entry *entry = &found[row * EACH + i];
            assert_true(sets->columns || (size_t)entry->id != row);
            assert_true(entry->score == score_of(sets, row, (size_t)entry->id));
            assert_true(i == 0 || entry->score <= entry[-1].score);
        }
    assert_int_equal(pairs_near_recall(near, EACH, ROWS, &recall, &err), 0);
    assert_float_equal(recall, recall_of(sets, &run, found, counts), 1e-9);
    assert_true(recall > 0.95);
    pairs_near_close(near);
    free(found);
    free(counts);
}

static void the_recall_that_is_measured_is_that_of_the_lists(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets one = one_set(fixture), two = two_sets(fixture);
    check_neighbours(fixture, &one);
    check_neighbours(fixture, &two);
}

static void sets_of_few_vectors_have_all_their_pairs(void **state)
{
    const struct fixture *fixture = *state;
    const struct pairs_run run = {.pool = fixture->pool};
    struct pairs_sets sets = one_set(fixture);
    struct pair pairs[6];
    struct top_entry entries[4 * EACH];
    size_t counts[4] = {9, 9, 9, 9}, count;
    struct pairs_near *near;
    double recall;
    struct err err;
    for (sets.row_count = 0; sets.row_count <= 4; sets.row_count++) {
        assert_int_equal(pairs_near_open(&near, &sets, &run, &err), 0);
        assert_int_equal(pairs_near_best(near, 6, -INFINITY, pairs, &count, &err), 0);
        assert_int_equal(count, pairs_count(&sets));
        assert_int_equal(pairs_near_neighbours(near, EACH, -INFINITY, entries, counts, &err), 0);
        for (size_t row = 0; row < sets.row_count; row++)
            assert_int_equal(counts[row], sets.row_count - 1);
        assert_int_equal(pairs_near_recall(near, EACH, 100, &recall, &err), 0);
        assert_float_equal(recall, 1, 0);
        pairs_near_close(near);
    }
}

static void raise_flag(void *argument, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    cancel_raise(argument);
}

static void a_raised_flag_ends_the_work(void **state)
{
    const struct fixture *fixture = *state;
    struct pairs_sets sets = one_set(fixture);
    volatile int cancel = 0;
    struct pairs_run run = {.pool = fixture->pool, .cancel = &cancel};
    struct pairs_near *near;
    struct pair pair;
    size_t count;
    struct err err;

    assert_int_equal(pairs_near_open(&near, &sets, &run, &err), 0);
    cancel_raise(&cancel);
    assert_int_equal(pairs_near_best(near, 1, -INFINITY, &pair, &count, &err), ERR_CANCELLED);
    pairs_near_close(near);
    cancel = 0;
    run.progress = raise_flag;
    run.progress_argument = (void *)&cancel;
    assert_int_equal(pairs_near_open(&near, &sets, &run, &err), ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_of_the_best_pairs_are_found_each_once_with_its_exact_score),
        cmocka_unit_test(the_recall_that_is_measured_is_that_of_the_lists),
        cmocka_unit_test(sets_of_few_vectors_have_all_their_pairs),
        cmocka_unit_test(a_raised_flag_ends_the_work),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
