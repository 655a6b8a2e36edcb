/* The cosines of all pairs of vectors, by blocks. */
#include "index/pairs/product.h"

#include <cblas-openblas.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cancel.h"

/* Rows of one task, and columns of one block: with 384 dimensions the rows, the columns and the
 * scores take 1.5, 1.5 and 4 MB (docs/PERFORMANCE.md has other sizes). */
enum { BLOCK_ROWS = 1024, BLOCK_COLUMNS = 1024 };

int pairs_normalize(float *vectors, size_t count, size_t dimension, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        float *vector = vectors + i * dimension;
        double squares = 0;
        for (size_t j = 0; j < dimension; j++)
            squares += (double)vector[j] * (double)vector[j];
        if (!isfinite(squares))
            return err_set(err, ERR_INVALID, "vector %zu has a NaN or an infinity", i);
        double factor = squares > 0 ? 1 / sqrt(squares) : 0;
        for (size_t j = 0; j < dimension; j++)
            vector[j] = (float)((double)vector[j] * factor);
    }
    return 0;
}

float pairs_score(const float *a, const float *b, size_t dimension)
{
    double sum = 0;
    for (size_t j = 0; j < dimension; j++)
        sum += (double)a[j] * (double)b[j];
    return (float)sum;
}

static const float *columns_of(const struct pairs_sets *sets)
{
    return sets->columns ? sets->columns : sets->rows;
}

static size_t column_count_of(const struct pairs_sets *sets)
{
    return sets->columns ? sets->column_count : sets->row_count;
}

float pairs_block_score(const struct pairs_block *block, size_t r, size_t c)
{
    const struct pairs_sets *sets = block->sets;
    return pairs_score(sets->rows + (block->first_row + r) * sets->dimension,
                       columns_of(sets) + (block->first_column + c) * sets->dimension,
                       sets->dimension);
}

uint64_t pairs_count(const struct pairs_sets *sets)
{
    uint64_t rows = sets->row_count;
    if (sets->columns)
        return rows * sets->column_count;
    return rows > 0 ? rows * (rows - 1) / 2 : 0;
}

/* An f32 sum of n products of two vectors of length 1 (here up to 1.0001) is within n u / (1 - n u)
 * of the true one, u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1). */
static float margin_of(size_t dimension)
{
    double nu = (double)dimension * 0x1p-24;
    return (float)(1.001 * nu / (1 - nu) + 0x1p-23);
}

struct product {
    const struct pairs_sets *sets;
    const struct pairs_run *run;
    void (*look)(void *argument, const struct pairs_block *block, int thread);
    void *argument;
    float *scores; /* (threads, BLOCK_ROWS, BLOCK_COLUMNS) */
    float margin;
    atomic_uint_fast64_t done;
    uint64_t total;
};

static void run_block(struct product *product, struct pairs_block *block, int thread)
{
    const struct pairs_sets *sets = product->sets;
    int dimension = (int)sets->dimension;
    float *scores = product->scores + (size_t)thread * BLOCK_ROWS * BLOCK_COLUMNS;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)block->row_count,
                (int)block->column_count, dimension, 1.0F,
                sets->rows + block->first_row * sets->dimension, dimension,
                columns_of(sets) + block->first_column * sets->dimension, dimension, 0.0F, scores,
                BLOCK_COLUMNS);
    block->scores = scores;
    product->look(product->argument, block, thread);
}

static uint64_t pairs_of_block(const struct pairs_block *block)
{
    uint64_t pairs = 0;
    for (size_t r = 0; r < block->row_count; r++)
        pairs += block->column_count - pairs_block_start(block, r);
    return pairs;
}

/* One strip of rows with all its columns. */
static void run_strip(void *argument, size_t task, int thread)
{
    struct product *product = argument;
    const struct pairs_sets *sets = product->sets;
    size_t columns = column_count_of(sets);
    struct pairs_block block = {
        .sets = sets,
        .first_row = task * BLOCK_ROWS,
        .stride = BLOCK_COLUMNS,
        .margin = product->margin,
    };
    size_t left = sets->row_count - block.first_row;
    block.row_count = left < BLOCK_ROWS ? left : BLOCK_ROWS;

    block.first_column = sets->columns ? 0 : block.first_row;
    while (block.first_column < columns && !cancel_raised(product->run->cancel)) {
        left = columns - block.first_column;
        block.column_count = left < BLOCK_COLUMNS ? left : BLOCK_COLUMNS;
        run_block(product, &block, thread);
        uint64_t shown = pairs_of_block(&block);
        uint64_t done =
            atomic_fetch_add_explicit(&product->done, shown, memory_order_relaxed) + shown;
        if (thread == 0 && product->run->progress)
            product->run->progress(product->run->progress_argument, done, product->total);
        block.first_column += block.column_count;
    }
}

int pairs_product_run(const struct pairs_sets *sets, const struct pairs_run *run,
                      void (*look)(void *argument, const struct pairs_block *block, int thread),
                      void *argument, struct err *err)
{
    size_t threads = (size_t)pool_threads(run->pool);
    struct product product = {.sets = sets,
                              .run = run,
                              .look = look,
                              .argument = argument,
                              .margin = margin_of(sets->dimension),
                              .total = pairs_count(sets)};

    if (sets->dimension == 0 || sets->dimension > INT_MAX)
        return err_set(err, ERR_LIMIT, "vectors of %zu dimensions are out of range",
                       sets->dimension);
    product.scores = malloc(threads * BLOCK_ROWS * BLOCK_COLUMNS * sizeof *product.scores);
    if (!product.scores)
        return err_memory(err, "the scores of pairs");
    openblas_set_num_threads(1);
    pool_run(run->pool, (sets->row_count + BLOCK_ROWS - 1) / BLOCK_ROWS, run_strip, &product);
    free(product.scores);
    if (cancel_raised(run->cancel))
        return err_set(err, ERR_CANCELLED, "comparing pairs was cancelled");
    return 0;
}
