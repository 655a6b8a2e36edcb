/* The reference kernels in plain C, written to be read and to be compared with. They are what runs
 * on a CPU without vectors that we know, and what every faster kernel is tested against. */
#include <math.h>

#include "encoder/kernels/activation_plain.h"
#include "encoder/kernels/compiler.inc"
#include "encoder/kernels/kernels.h"

enum { PANEL_WIDTH = 8, TILE_ROWS = 4 };

static void add_norm(const float *a, const float *b, const float *c, const struct layer_norm *norm,
                     size_t size, float *y)
{
    float sum = 0, squares = 0;
    for (size_t i = 0; i < size; i++) {
        y[i] = a[i] + b[i] + (c ? c[i] : 0);
        sum += y[i];
    }
    float mean = sum / (float)size;
    for (size_t i = 0; i < size; i++) {
        float centred = y[i] - mean;
        squares += centred * centred;
    }
    float factor = 1 / sqrtf(squares / (float)size + norm->eps);
    for (size_t i = 0; i < size; i++)
        y[i] = (y[i] - mean) * factor * norm->weight[i] + norm->bias[i];
}

static float dot(const float *a, const float *b, size_t size)
{
    float sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += a[i] * b[i];
    return sum;
}

/* scores = softmax(scores), over `size` of them. */
static void softmax(float *scores, size_t size)
{
    float largest = scores[0], sum = 0;
    for (size_t i = 1; i < size; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    for (size_t i = 0; i < size; i++) {
        scores[i] = expf(scores[i] - largest);
        sum += scores[i];
    }
    for (size_t i = 0; i < size; i++)
        scores[i] /= sum;
}

static void attend(const struct attention_head *head)
{
    float *scores = head->scratch;
    for (size_t i = 0; i < head->tokens; i++) {
        float *out = head->out + i * head->out_stride;
        for (size_t j = 0; j < head->tokens; j++) {
            float product =
                dot(head->q + i * head->stride, head->k + j * head->stride, head->head_size);
            float bias = head->bias ? head->bias[(ptrdiff_t)i - (ptrdiff_t)j] : 0;
            scores[j] = head->scale * (product + bias);
        }
        softmax(scores, head->tokens);
        for (size_t d = 0; d < head->head_size; d++)
            out[d] = 0;
        for (size_t j = 0; j < head->tokens; j++)
            for (size_t d = 0; d < head->head_size; d++)
                out[d] += scores[j] * head->v[j * head->stride + d];
    }
}

static void accumulate(float *sum, const float *x, float weight, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum[i] += weight * x[i];
}

static void maximum(float *largest, const float *x, size_t size)
{
    for (size_t i = 0; i < size; i++)
        largest[i] = x[i] > largest[i] ? x[i] : largest[i];
}

static void scale(float *x, float factor, size_t size)
{
    for (size_t i = 0; i < size; i++)
        x[i] *= factor;
}

/* One tile; always inlined with `rows` a constant, so that the sums stay in registers. */
INLINE void multiply_tile(const struct matmul_block *block, size_t first_row, const size_t rows)
{
    const float *x = block->x + first_row * block->x_stride;
    float *y = block->y + first_row * block->y_stride;
    float sums[TILE_ROWS][PANEL_WIDTH] = {{0}};

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < block->columns; c++)
            sums[r][c] = block->bias ? block->bias[c] : y[r * block->y_stride + c];
    for (size_t k = 0; k < block->depth; k++)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < PANEL_WIDTH; c++)
                sums[r][c] += x[r * block->x_stride + k] * block->panel[k * PANEL_WIDTH + c];
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < block->columns; c++)
            y[r * block->y_stride + c] = sums[r][c];
    for (size_t r = 0; r < rows && block->activation != ACTIVATION_IDENTITY; r++)
        activation_plain(block->activation, y + r * block->y_stride, block->columns);
}

static void multiply_block(const struct matmul_block *block)
{
    size_t row = 0;
    for (; row + TILE_ROWS <= block->rows; row += TILE_ROWS)
        multiply_tile(block, row, TILE_ROWS);
    for (; row < block->rows; row++)
        multiply_tile(block, row, 1);
}

const struct kernels kernels_generic = {
    .isa = "generic",
    .add_norm = add_norm,
    .activate = activation_plain,
    .attend = attend,
    .accumulate = accumulate,
    .maximum = maximum,
    .scale = scale,
    .dot = dot,
    .panel_width = PANEL_WIDTH,
    .tile_rows = TILE_ROWS,
    .multiply_block = multiply_block,
};
