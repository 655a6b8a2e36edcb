/* Counting usable CPUs: affinity and the cgroup quota, not the cores in the machine. */
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* CPUs by the quota of one cgroup v2 folder, or 0 where it sets none. */
static int quota_v2(const char *folder)
{
    char path[512];
    char quota[32];
    long period;
    int cpus = 0;

    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *stream = fopen(path, "re");
    if (!stream)
        return 0;
    long limit;
    if (fscanf(stream, "%31s %ld", quota, &period) == 2 && period > 0 &&
        sscanf(quota, "%ld", &limit) == 1 && limit > 0)
        cpus = (int)((limit + period - 1) / period);
    fclose(stream);
    return cpus;
}

static int quota_v1(void)
{
    long quota = -1, period = 0;
    FILE *stream = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re");
    if (stream) {
        if (fscanf(stream, "%ld", &quota) != 1)
            quota = -1;
        fclose(stream);
    }
    stream = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re");
    if (stream) {
        if (fscanf(stream, "%ld", &period) != 1)
            period = 0;
        fclose(stream);
    }
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* The smallest quota from this process's cgroup up to the root. */
static int cgroup_quota(void)
{
    char line[384];
    char folder[448];
    int smallest = quota_v1();

    FILE *stream = fopen("/proc/self/cgroup", "re");
    if (!stream)
        return smallest;
    folder[0] = '\0';
    while (fgets(line, sizeof line, stream)) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(folder, sizeof folder, "/sys/fs/cgroup%s", line + 3);
    }
    fclose(stream);
    while (strlen(folder) >= strlen("/sys/fs/cgroup")) {
        int cpus = quota_v2(folder);
        if (cpus && (!smallest || cpus < smallest))
            smallest = cpus;
        char *slash = strrchr(folder, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    return smallest;
}

int cpu_count(void)
{
    cpu_set_t set;
    /* A machine with more CPUs than the set has room for is refused the mask. */
    int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = CPU_COUNT(&set);
    int quota = cgroup_quota();
    if (quota && quota < cpus)
        cpus = quota;
    return cpus > 0 ? cpus : 1;
}
