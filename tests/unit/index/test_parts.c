/* Tests of what an index is built from: the list of the best, the id map, the bitmap. */

#include <math.h>
#include <stdlib.h>

#include "index/bitmap.h"
#include "index/id_map.h"
#include "index/top.h"
#include "tests/unit/index/oracle.h"

static int compare_entries(const void *a, const void *b)
{
    const struct top_entry *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void the_best_are_those_of_a_full_sort(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct top_entry all[COUNT], kept[COUNT];
    struct random_numbers random = {21};
    for (size_t capacity = 1; capacity <= COUNT; capacity += 1 + capacity / 2) {
        struct top top = {kept, capacity, 0};
        for (size_t i = 0; i < COUNT; i++) {
            /* Few scores, so that many are equal. */
            all[i] = (struct top_entry){(float)random_below(&random, 20), (int64_t)(i * 7 % COUNT)};
            assert_true(top.count == capacity || top_threshold(&top) == -INFINITY);
            top_offer(&top, all[i].score, all[i].id);
        }
        top_sort(&top);
        qsort(all, COUNT, sizeof *all, compare_entries);
        assert_int_equal(top.count, capacity);
        for (size_t i = 0; i < capacity; i++) {
            assert_true(kept[i].score == all[i].score);
            assert_int_equal(kept[i].id, all[i].id);
        }
    }
}

static void a_score_that_is_no_number_comes_last(void **state)
{
    (void)state;
    struct top_entry kept[2];
    struct top top = {kept, 2, 0};
    top_offer(&top, NAN, 1);
    top_offer(&top, -5, 2);
    top_offer(&top, NAN, 3);
    top_sort(&top);
    assert_int_equal(kept[0].id, 2);
    assert_int_equal(kept[1].id, 1);
}

static void the_id_map_remembers_what_a_plain_array_does(void **state)
{
    (void)state;
    enum { IDS = 3000, STEPS = 60000 };
    static struct id_place places[IDS];
    static bool present[IDS];
    struct random_numbers random = {22};
    struct id_map map = {0};
    size_t count = 0;
    for (size_t step = 0; step < STEPS; step++) {
        size_t i = random_below(&random, IDS);
        int64_t id = (int64_t)i * 0x10001 + 1;
        struct id_place place = {(uint32_t)step, (uint32_t)i}, found;
        if (random_below(&random, 2)) {
            assert_int_equal(id_map_reserve(&map, 1), 0);
            id_map_set(&map, id, place);
            places[i] = place;
            count += !present[i];
            present[i] = true;
        } else {
            id_map_remove(&map, id);
            count -= present[i];
            present[i] = false;
        }
        assert_int_equal(map.count, count);
        size_t j = random_below(&random, IDS);
        assert_int_equal(id_map_get(&map, (int64_t)j * 0x10001 + 1, &found), present[j]);
        if (present[j])
            assert_memory_equal(&found, &places[j], sizeof found);
    }
    for (size_t i = 0; i < IDS; i++)
        assert_int_equal(id_map_get(&map, (int64_t)i * 0x10001 + 1, NULL), present[i]);
    assert_false(id_map_get(&map, 0, NULL));
    assert_false(id_map_get(&map, -1, NULL));
    id_map_release(&map);
}

static void more_ids_than_memory_holds_are_refused(void **state)
{
    (void)state;
    struct id_map map = {0};
    assert_int_equal(id_map_reserve(&map, SIZE_MAX), ERR_MEMORY);
    assert_int_equal(id_map_reserve(&map, 10), 0);
    id_map_release(&map);
}

static void a_shared_bitmap_is_copied_before_it_is_written(void **state)
{
    (void)state;
    struct bitmap *first = NULL, *second;
    assert_false(bitmap_has(NULL, 3));
    assert_int_equal(bitmap_own(&first, 70), 0);
    bitmap_set(first, 69);
    bitmap_set(first, 69);
    second = bitmap_ref(first);
    assert_int_equal(bitmap_own(&second, 200), 0);
    assert_true(second != first);
    bitmap_set(second, 3);
    bitmap_set(second, 199);
    assert_false(bitmap_has(first, 3));
    assert_false(bitmap_has(first, 199));
    assert_true(bitmap_has(second, 69));
    assert_int_equal(bitmap_count(first), 1);
    assert_int_equal(bitmap_count(second), 3);
    struct bitmap *same = second;
    assert_int_equal(bitmap_own(&second, 200), 0); /* nobody else has it: no copy */
    assert_true(second == same);
    bitmap_unref(first);
    bitmap_unref(second);
    bitmap_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_are_those_of_a_full_sort),
        cmocka_unit_test(a_score_that_is_no_number_comes_last),
        cmocka_unit_test(the_id_map_remembers_what_a_plain_array_does),
        cmocka_unit_test(more_ids_than_memory_holds_are_refused),
        cmocka_unit_test(a_shared_bitmap_is_copied_before_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
