/* Allocating the workspace of a forward pass: one block, cut into aligned pieces. */
#include "encoder/transformer/workspace.h"

#include <stdlib.h>
#include <string.h>

#include "encoder/kernels/kernels.h"

enum {
    ALIGNMENT = 64,
    LARGEST = 1 << 24, /* number of tokens, and each size: their products fit in 64 bits */
};

/* Cuts pieces off a block; with `base` NULL it only counts. */
struct cutter {
    char *base;
    size_t used;
};

static void *cut(struct cutter *cutter, size_t count, size_t size)
{
    void *piece = cutter->base ? cutter->base + cutter->used : NULL;
    cutter->used += (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return piece;
}

static void cut_all(struct workspace *workspace, const struct model *model,
                    const struct matmul_backend *backend, struct cutter *cutter)
{
    size_t rows = workspace->max_tokens + MATMUL_SPARE_ROWS;
    size_t hidden = model->hidden_size;

    workspace->batch.ids = cut(cutter, rows, sizeof *workspace->batch.ids);
    workspace->batch.type_ids = cut(cutter, rows, sizeof *workspace->batch.type_ids);
    workspace->batch.starts = cut(cutter, rows + 1, sizeof *workspace->batch.starts);
    workspace->x = cut(cutter, rows * hidden, sizeof(float));
    workspace->y = cut(cutter, rows * hidden, sizeof(float));
    workspace->qkv = cut(cutter, rows * 3 * hidden, sizeof(float));
    workspace->context = cut(cutter, rows * hidden, sizeof(float));
    workspace->input =
        backend->convert ? cut(cutter, rows, matmul_row_size(backend, hidden)) : NULL;
    workspace->inner = cut(cutter, rows, matmul_row_size(backend, model->intermediate_size));
    workspace->scratch =
        cut(cutter, attention_scratch_size(workspace->max_tokens, hidden / model->heads),
            sizeof(float));
    for (int i = 0; i < 2; i++)
        workspace->vectors[i] = cut(cutter, model->widest, sizeof(float));
}

int workspace_open(struct workspace *ret_workspace, const struct model *model,
                   const struct matmul_backend *backend, size_t max_tokens, struct err *err)
{
    struct workspace workspace = {.max_tokens = max_tokens};
    struct cutter cutter = {0};

    if (max_tokens == 0 || max_tokens > LARGEST || model->hidden_size > LARGEST ||
        model->intermediate_size > LARGEST)
        return err_set(err, ERR_LIMIT, "a workspace of %zu tokens is out of range", max_tokens);
    cut_all(&workspace, model, backend, &cutter);
    workspace.memory = aligned_alloc(ALIGNMENT, cutter.used);
    if (!workspace.memory)
        return err_memory(err, "a workspace of the encoder");
    /* Rows that a product reads in excess must hold numbers, though which ones does not matter. */
    memset(workspace.memory, 0, cutter.used);
    cutter = (struct cutter){.base = workspace.memory};
    cut_all(&workspace, model, backend, &cutter);
    *ret_workspace = workspace;
    return 0;
}

void workspace_close(struct workspace *workspace)
{
    free(workspace->memory);
    *workspace = (struct workspace){0};
}
