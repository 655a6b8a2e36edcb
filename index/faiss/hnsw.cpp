/* The glue around faiss::IndexHNSWFlat: no decisions here, only calls and caught exceptions. */
extern "C" {
#include "base/err.h"
}
#include "index/faiss/hnsw.h"
#include "index/faiss/stream.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <omp.h>

struct hnsw {
    std::unique_ptr<faiss::IndexHNSWFlat> index;
};

static const faiss::IndexFlat *storage(const struct hnsw *graph)
{
    return static_cast<const faiss::IndexFlat *>(graph->index->storage);
}

static faiss::IndexFlat *storage(struct hnsw *graph)
{
    return static_cast<faiss::IndexFlat *>(graph->index->storage);
}

/* Runs `body`, which returns 0 or a code; what it throws becomes an error. */
template <typename Body> static int guarded(struct err *err, const char *doing, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return err_memory(err, doing);
    } catch (const std::exception &e) {
        return err_set(err, ERR_INTERNAL, "%s: %s", doing, e.what());
    } catch (...) {
        return err_set(err, ERR_INTERNAL, "%s: FAISS threw something unknown", doing);
    }
}

int hnsw_new(struct hnsw **ret_graph, const struct hnsw_options *options, struct err *err)
{
    return guarded(err, "making a graph", [&] {
        auto graph = std::make_unique<struct hnsw>();
        graph->index = std::make_unique<faiss::IndexHNSWFlat>(
            static_cast<int>(options->dimension), static_cast<int>(options->M),
            options->euclidean ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
        graph->index->hnsw.efConstruction = static_cast<int>(options->ef_construction);
        /* A search's queue is as long as the larger of this and the k it asks for, so with 1 here
         * each search chooses for itself. */
        graph->index->hnsw.efSearch = 1;
        faiss::IndexFlat *flat = storage(graph.get());
        flat->codes.reserve(options->capacity * flat->code_size);
        *ret_graph = graph.release();
        return 0;
    });
}

void hnsw_free(struct hnsw *graph)
{
    delete graph;
}

int hnsw_add(struct hnsw *graph, const float *vectors, size_t count, int threads, struct err *err)
{
    omp_set_num_threads(threads);
    int r = guarded(err, "building a graph", [&] {
        graph->index->add(static_cast<faiss::Index::idx_t>(count), vectors);
        return 0;
    });
    omp_set_num_threads(1);
    return r;
}

int hnsw_finish(struct hnsw *graph, struct err *err)
{
    return guarded(err, "finishing a graph", [&] {
        faiss::HNSW &links = graph->index->hnsw;
        links.neighbors.shrink_to_fit();
        links.offsets.shrink_to_fit();
        links.levels.shrink_to_fit();
        return 0;
    });
}

const float *hnsw_vectors(const struct hnsw *graph)
{
    return storage(graph)->get_xb();
}

size_t hnsw_bytes(const struct hnsw *graph)
{
    const faiss::HNSW &links = graph->index->hnsw;
    return sizeof *graph->index + storage(graph)->codes.capacity() +
           links.neighbors.capacity() * sizeof links.neighbors[0] +
           links.offsets.capacity() * sizeof links.offsets[0] +
           links.levels.capacity() * sizeof links.levels[0];
}

int hnsw_search(const struct hnsw *graph, const float *query, size_t ef, int64_t *ret_positions,
                float *distances, size_t *ret_count, struct err *err)
{
    omp_set_num_threads(1);
    return guarded(err, "searching a graph", [&] {
        faiss::SearchParametersHNSW parameters;
        parameters.efSearch = static_cast<int>(ef);
        graph->index->search(1, query, static_cast<faiss::Index::idx_t>(ef), distances,
                             ret_positions, &parameters);
        /* FAISS fills up with -1 what it did not find. */
        int64_t *end = std::remove(ret_positions, ret_positions + ef, int64_t{-1});
        *ret_count = static_cast<size_t>(end - ret_positions);
        return 0;
    });
}

namespace
{

struct callback_writer : faiss::IOWriter {
    hnsw_write_function *write;
    void *context;
    struct err failure = {}; /* what `write` said */

    size_t operator()(const void *data, size_t size, size_t count) override
    {
        return write(context, data, size * count, &failure) < 0 ? 0 : count;
    }
};

struct memory_reader : faiss::IOReader {
    const uint8_t *data;
    size_t left;

    size_t operator()(void *to, size_t size, size_t count) override
    {
        size_t whole = size ? std::min(count, left / size) : 0;
        if (whole)
            memcpy(to, data, size * whole);
        data += size * whole;
        left -= size * whole;
        return whole;
    }
};

} // namespace

int hnsw_write(const struct hnsw *graph, hnsw_write_function *write, void *context, struct err *err)
{
    callback_writer writer;
    writer.write = write;
    writer.context = context;
    int r = guarded(err, "writing a graph", [&] {
        faiss::write_index(graph->index.get(), &writer);
        return 0;
    });
    if (!writer.failure.code)
        return r;
    if (err) /* instead of what FAISS threw because of it */
        *err = writer.failure;
    return writer.failure.code;
}

int hnsw_read(struct hnsw **ret_graph, const void *data, size_t size, size_t count,
              size_t dimension, bool is_euclidean, struct err *err)
{
    if (!hnsw_stream_is_sound(data, size, count, dimension, is_euclidean))
        return err_set(err, ERR_CORRUPT, "a graph is not what FAISS wrote for its vectors");
    return guarded(err, "reading a graph", [&] {
        memory_reader reader;
        reader.data = static_cast<const uint8_t *>(data);
        reader.left = size;
        auto graph = std::make_unique<struct hnsw>();
        /* The tag that was checked makes it this type. */
        graph->index.reset(static_cast<faiss::IndexHNSWFlat *>(faiss::read_index(&reader)));
        graph->index->hnsw.efSearch = 1;
        *ret_graph = graph.release();
        return 0;
    });
}
