/* Memory for many rows: counted blocks that segments share, and arrays that go back to the system
 * when they are freed.
 *
 * Large ones are mapped, on huge pages where there are some, since a search reads rows all over.
 */
#ifndef SBERT_INDEX_BLOCK_H
#define SBERT_INDEX_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>

/* `size` bytes at a multiple of 64, not cleared; NULL when memory runs out. They are freed with the
 * same size. */
void *memory_take(size_t size);
void memory_give_back(void *memory, size_t size); /* accepts NULL */

struct block {
    atomic_size_t references;
    size_t rows; /* there is room for */
    size_t size; /* bytes */
    unsigned char *data;
};

struct block *block_new(size_t rows, size_t stride); /* one reference; NULL: no memory */
struct block *block_ref(struct block *block);
void block_unref(struct block *block); /* accepts NULL */

#endif
