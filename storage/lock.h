/* One process at a time: a lock on a file beside the store. The kernel frees it when the process
 * ends, however it ends; the file itself stays. */
#ifndef SBERT_STORAGE_LOCK_H
#define SBERT_STORAGE_LOCK_H

#include "base/err.h"

/* Takes the lock, and writes our process id into the file. ERR_BUSY names the holder of `what`. */
int lock_take(int *ret_descriptor, const char *path, const char *what, struct err *err);
void lock_release(int descriptor); /* accepts -1 */

#endif
