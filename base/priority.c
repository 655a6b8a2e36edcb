/* Priorities of threads, by the system call, since the C library has no wrapper for slices. */
#include "base/priority.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SHORTEST_SLICE = 100000, /* ns; the kernel allows no less */
    USUAL_SLICE = 0,
};

static void set(int policy, int niceness, int slice)
{
    struct sched_attr attr = {.size = SCHED_ATTR_SIZE_VER0,
                              .sched_policy = (__u32)policy,
                              .sched_nice = niceness,
                              .sched_runtime = (__u64)slice};
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

void priority_prompt(void)
{
    set(SCHED_NORMAL, getpriority(PRIO_PROCESS, (id_t)gettid()), SHORTEST_SLICE);
}

void priority_behind(int niceness)
{
    set(SCHED_NORMAL, niceness, USUAL_SLICE);
}

void priority_lowest(void)
{
    set(SCHED_IDLE, 0, USUAL_SLICE);
}
