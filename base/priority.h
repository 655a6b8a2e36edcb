/* How soon the calling thread gets a processor that others want too. What the kernel refuses, as
 * some sandboxes do, is left as it was: the same work is then done in another order. */
#pragma once

/* Somebody waits for what this thread does, and it is short: once woken it goes ahead of threads
 * whose slices are longer (Linux 6.12 and later; before, this changes nothing). At the niceness it
 * has. Threads that it makes begin so as well. See sched(7) and sched_setattr(2), "SCHED_OTHER". */
void priority_prompt(void);

/* Others go first, by this niceness (1 to 19), in slices of the usual length. */
void priority_behind(int niceness);

/* The lowest class (SCHED_IDLE): it runs where nobody else in its group wants the processor. For
 * threads that hold no locks others wait for. */
void priority_lowest(void);
