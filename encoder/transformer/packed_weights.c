/* Deciding where packed weights come from. The file itself is weight_cache.c's, the packing a
 * backend's. */
#include "encoder/transformer/packed_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "encoder/model/weights.h"

/* Fewer bytes are packed faster than a file is found, and leave no file beside small models. */
enum { LEAST_KEPT = 4 << 20 };

/* What is packed, how, and where it is kept. */
struct packing {
    const struct model *model;
    const struct kernels *kernels;
    const struct matmul_backend *backend;
    size_t size;    /* of all packed weights */
    size_t largest; /* of one */
    uint8_t key[DIGEST_SIZE];
    char *path;
};

size_t packed_weights_linears(const struct transformer_layer *layer, enum layer_product product,
                              struct linear ret_linears[LAYER_PRODUCT_MAX_LINEARS])
{
    switch (product) {
    case PRODUCT_QKV:
        ret_linears[0] = layer->query;
        ret_linears[1] = layer->key;
        ret_linears[2] = layer->value;
        return 3;
    case PRODUCT_ATTENTION_OUTPUT:
        ret_linears[0] = layer->attention_output;
        return 1;
    case PRODUCT_INTERMEDIATE:
        ret_linears[0] = layer->intermediate;
        return 1;
    case PRODUCT_OUTPUT:
        ret_linears[0] = layer->output;
        break;
    }
    return 1;
}

void packed_weights_widen(const struct model *model, const struct linear *linears, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weights_widen(model->storage, linears[i].weight);
}

void packed_weights_drop(const struct model *model, const struct linear *linears, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weights_drop(model->storage, linears[i].weight);
}

static size_t linears_at(const struct packing *packing, size_t i,
                         struct linear ret_linears[LAYER_PRODUCT_MAX_LINEARS])
{
    return packed_weights_linears(&packing->model->layer[i / LAYER_PRODUCTS],
                                  (enum layer_product)(i % LAYER_PRODUCTS), ret_linears);
}

static int measure(struct packing *packing, struct err *err)
{
    for (size_t i = 0; i < packing->model->layers * LAYER_PRODUCTS; i++) {
        struct linear linears[LAYER_PRODUCT_MAX_LINEARS];
        size_t size, count = linears_at(packing, i, linears);
        int r = matmul_packed_size(packing->backend, packing->kernels, linears, count, &size, err);
        if (r < 0)
            return r;
        packing->size += size; /* no more than a small multiple of what is mapped */
        packing->largest = size > packing->largest ? size : packing->largest;
    }
    return 0;
}

/* All that the bytes depend on; see matmul_backend.pack. */
static int make_key(struct packing *packing, struct err *err)
{
    const struct model *model = packing->model;
    const struct matmul_backend *backend = packing->backend;
    struct buf text = {0};
    int r = buf_printf(&text, "sbertd packed weights\n%s\n%s %zu %zu %zu\n%s %s %u %s\n",
                       model->weights_fingerprint, model->architecture, model->layers,
                       model->hidden_size, model->intermediate_size, backend->name,
                       precision_name(backend->precision), backend->layout, packing->kernels->isa);
    r = r < 0 ? err_memory(err, "a key") : digest_bytes(text.data, text.size, packing->key, err);
    buf_release(&text);
    return r;
}

static int write_all(const struct packing *packing, struct weight_cache_writer *writer, void *room,
                     struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < packing->model->layers * LAYER_PRODUCTS; i++) {
        struct linear linears[LAYER_PRODUCT_MAX_LINEARS];
        size_t size, count = linears_at(packing, i, linears);
        r = matmul_packed_size(packing->backend, packing->kernels, linears, count, &size, err);
        if (r < 0)
            break;
        memset((char *)room + size - MATMUL_ALIGNMENT, 0, MATMUL_ALIGNMENT); /* what is filled up */
        packed_weights_widen(packing->model, linears, count);
        matmul_pack(packing->backend, packing->kernels, linears, count, room);
        packed_weights_drop(packing->model, linears, count);
        r = weight_cache_add(writer, room, size, err);
    }
    return r;
}

static int make_file(const struct packing *packing, struct err *err)
{
    struct weight_cache_writer writer;
    void *room = aligned_alloc(MATMUL_ALIGNMENT, packing->largest);
    int r = room ? weight_cache_begin(&writer, packing->path, packing->key, err)
                 : err_memory(err, "packing weights");
    if (r == 0) {
        r = write_all(packing, &writer, room, err);
        if (r == 0)
            r = weight_cache_commit(&writer, err);
        else
            weight_cache_abort(&writer);
    }
    free(room);
    return r;
}

/* Maps the file, made first if it is not there or does not fit. */
static void open_or_make(struct packed_weights *weights, const struct packing *packing)
{
    struct err err = {0};
    const char *path = packing->path;

    if (weight_cache_open(&weights->cache, path, packing->key, packing->size, &err) == 0) {
        snprintf(weights->source, sizeof weights->source, "mapped from %s", path);
        return;
    }
    if (make_file(packing, &err) == 0 &&
        weight_cache_open(&weights->cache, path, packing->key, packing->size, &err) == 0)
        snprintf(weights->source, sizeof weights->source, "packed into %s", path);
    else
        snprintf(weights->source, sizeof weights->source, "packed in memory: %.220s", err.message);
}

int packed_weights_open(struct packed_weights *ret_weights, const struct model *model,
                        const struct kernels *kernels, const struct matmul_backend *backend,
                        struct err *err)
{
    struct packed_weights weights = {.source = "packed in memory, since they are few"};
    struct packing packing = {.model = model, .kernels = kernels, .backend = backend};
    int r = measure(&packing, err);

    if (r < 0)
        return r;
    if (packing.size == 0)
        snprintf(weights.source, sizeof weights.source, "read where the model has them");
    if (packing.size >= LEAST_KEPT) {
        packing.path = weight_cache_path(model->transformer_folder,
                                         precision_name(backend->precision), kernels->isa);
        r = packing.path ? make_key(&packing, err) : err_memory(err, model->folder);
        if (r == 0)
            open_or_make(&weights, &packing);
        free(packing.path);
    }
    if (r == 0)
        *ret_weights = weights;
    return r;
}

void packed_weights_close(struct packed_weights *weights)
{
    weight_cache_close(&weights->cache);
}
