/* Memory for many rows. */
#include "index/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LEAST_MAPPED = 1 << 20 };

void *memory_take(size_t size)
{
    if (size > SIZE_MAX - 2 * (size_t)HUGE_PAGE)
        return NULL;
    if (size < LEAST_MAPPED)
        return aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    /* Mapped with room to align it, which is given back at once. */
    size_t whole = (size + 4095) / 4096 * 4096, wanted = whole + HUGE_PAGE;
    unsigned char *at = mmap(NULL, wanted, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)at % HUGE_PAGE) % HUGE_PAGE;
    if (before)
        munmap(at, before);
    if (wanted - before > whole)
        munmap(at + before + whole, wanted - before - whole);
    /* The last piece stays on small pages, so that it takes no more than it needs. */
    if (size / HUGE_PAGE)
        madvise(at + before, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return at + before;
}

void memory_give_back(void *memory, size_t size)
{
    if (!memory)
        return;
    if (size < LEAST_MAPPED)
        free(memory);
    else
        munmap(memory, (size + 4095) / 4096 * 4096);
}

struct block *block_new(size_t rows, size_t stride)
{
    size_t size;
    if (__builtin_mul_overflow(rows, stride, &size))
        return NULL;
    struct block *block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    atomic_init(&block->references, 1);
    block->rows = rows;
    block->size = size;
    block->data = memory_take(size);
    if (!block->data) {
        free(block);
        return NULL;
    }
    return block;
}

struct block *block_ref(struct block *block)
{
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    return block;
}

void block_unref(struct block *block)
{
    if (!block || atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) != 1)
        return;
    memory_give_back(block->data, block->size);
    free(block);
}
