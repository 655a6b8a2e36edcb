/* Asking long work to stop: a flag that one thread raises and the worker looks at now and then.
 *
 * A plain int, so that it can live anywhere; both sides go through these, since an unsynchronised
 * read of it would be a data race. A raised flag is seen soon, and orders no other memory.
 */
#ifndef SBERT_BASE_CANCEL_H
#define SBERT_BASE_CANCEL_H

#include <stdbool.h>
#include <stddef.h>

static inline void cancel_raise(volatile int *cancel)
{
    __atomic_store_n(cancel, 1, __ATOMIC_RELAXED);
}

/* `cancel` may be NULL: nobody will ask. */
static inline bool cancel_raised(const volatile int *cancel)
{
    return cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED);
}

#endif
