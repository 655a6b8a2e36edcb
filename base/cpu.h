/* How much of the machine is ours. */
#ifndef SBERT_BASE_CPU_H
#define SBERT_BASE_CPU_H

/* The number of threads worth starting: the CPU affinity mask, cut down by the cgroup's CPU quota
 * (v2 `cpu.max`, v1 `cpu.cfs_quota_us`), rounded up, and at least 1. Thread-safe. */
int cpu_count(void);

#endif
