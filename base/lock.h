/* A file that one process at a time may hold: flock(2), which the kernel frees when the process
 * ends, however it ends. The file says who holds it, and stays. */
#ifndef SBERT_BASE_LOCK_H
#define SBERT_BASE_LOCK_H

#include "base/err.h"

/* Takes the lock, and writes our process id into the file where the disk has room for it. ERR_BUSY
 * names the holder of `what`, the thing that the lock protects. */
int lock_take(int *ret_descriptor, const char *path, const char *what, struct err *err);
void lock_release(int descriptor); /* accepts -1 */

#endif
