/* Tests of threads' priorities: what the kernel then says of them. */

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/priority.h"
#include "tests/test.h"

struct seen {
    int policy, niceness;
};

static struct seen look(void)
{
    return (struct seen){sched_getscheduler(0), getpriority(PRIO_PROCESS, (id_t)gettid())};
}

static void *be_behind(void *argument)
{
    priority_prompt();
    priority_behind(19);
    *(struct seen *)argument = look();
    return NULL;
}

static void *be_lowest(void *argument)
{
    priority_lowest();
    *(struct seen *)argument = look();
    return NULL;
}

static void *be_prompt(void *argument)
{
    priority_prompt();
    *(struct seen *)argument = look();
    return NULL;
}

/* What a thread of its own saw after it. */
static struct seen after(void *(*change)(void *))
{
    struct seen seen = {-1, -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, change, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return seen;
}

static void each_priority_is_of_its_thread_alone(void **state)
{
    (void)state;
    struct seen before = look(), behind = after(be_behind), lowest = after(be_lowest),
                prompt = after(be_prompt), now = look();
    assert_int_equal(behind.policy, SCHED_OTHER);
    assert_int_equal(behind.niceness, 19);
    assert_int_equal(lowest.policy, SCHED_IDLE);
    assert_int_equal(prompt.policy, SCHED_OTHER);
    assert_int_equal(prompt.niceness, before.niceness);
    assert_int_equal(now.policy, before.policy);
    assert_int_equal(now.niceness, before.niceness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_priority_is_of_its_thread_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
