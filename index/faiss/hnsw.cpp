/* The glue around faiss::IndexHNSW: rows of ours as its storage, and its links as a struct graph.
 */
extern "C" {
#include "base/err.h"
#include "index/format.h"
#include "index/graph.h"
}
#include "index/faiss/hnsw.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include <faiss/IndexHNSW.h>
#include <faiss/impl/DistanceComputer.h>
#include <omp.h>

namespace
{

/* Distances to a query or between rows: minus the score, so that smaller is nearer. */
struct row_distances : faiss::DistanceComputer {
    const struct row_format *format;
    unsigned char *const *blocks;
    std::vector<unsigned char> query, row_query; /* prepared */
    idx_t row_query_of = -1;

    row_distances(const struct row_format *f, unsigned char *const *b)
        : format(f), blocks(b), query(f->query_size + 64), row_query(f->query_size + 64)
    {
    }

    const void *row(idx_t i) const
    {
        size_t position = static_cast<size_t>(i), mask = (size_t{1} << format->block_shift) - 1;
        return blocks[position >> format->block_shift] + (position & mask) * format->stride;
    }

    float distance(const std::vector<unsigned char> &from, idx_t i) const
    {
        const void *queries[] = {from.data()}, *rows[] = {row(i)};
        float score;
        format_score(format, queries, 1, rows, 1, &score);
        return -score;
    }

    void set_query(const float *x) override
    {
        format_prepare(format, x, query.data());
    }

    float operator()(idx_t i) override
    {
        return distance(query, i);
    }

    /* FAISS holds one of the two while it goes through the others, so it's prepared once. */
    float symmetric_dis(idx_t i, idx_t j) override
    {
        if (i == row_query_of)
            std::swap(i, j);
        if (j != row_query_of) {
            format_prepare_row(format, row(j), row_query.data());
            row_query_of = j;
        }
        return distance(row_query, i);
    }
};

/* The rows as FAISS knows them: it only counts them and asks for their distances. */
struct row_storage : faiss::Index {
    const struct row_format *format;
    unsigned char *const *blocks;

    row_storage(const struct row_format *f, unsigned char *const *b)
        : faiss::Index(static_cast<idx_t>(f->dimension), faiss::METRIC_L2), format(f), blocks(b)
    {
    }
    void add(idx_t n, const float *) override
    {
        ntotal += n;
    }
    void search(idx_t, const float *, idx_t, float *, idx_t *,
                const faiss::SearchParameters *) const override
    {
        throw std::bad_function_call();
    }
    void reset() override
    {
        ntotal = 0;
    }
    faiss::DistanceComputer *get_distance_computer() const override
    {
        return new row_distances(format, blocks);
    }
};

/* Runs `body`, which returns 0 or a code; what it throws becomes an error. */
template <typename Body> int guarded(struct err *err, const char *doing, Body body)
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

} // namespace

struct hnsw {
    struct hnsw_options options;
    row_storage rows;
    faiss::IndexHNSW index;

    explicit hnsw(const struct hnsw_options &o)
        : options(o), rows(o.format, o.blocks), index(&rows, static_cast<int>(o.M))
    {
        index.hnsw.efConstruction = static_cast<int>(o.ef_construction);
    }
};

static_assert(sizeof(faiss::HNSW::storage_idx_t) == sizeof(uint32_t), "-1 is GRAPH_NONE");

/* Gives FAISS the links that there are. */
static void start_from(struct hnsw *builder, const struct graph *graph)
{
    faiss::HNSW &links = builder->index.hnsw;
    links.levels.resize(graph->count);
    links.offsets.resize(graph->count + 1);
    for (size_t i = 0; i < graph->count; i++) {
        size_t layers = graph->levels[i] + size_t{1};
        while (links.cum_nneighbor_per_level.size() <= layers)
            links.cum_nneighbor_per_level.push_back(links.cum_nneighbor_per_level.back() +
                                                    static_cast<int>(graph->M));
        links.levels[i] = static_cast<int>(layers);
        links.offsets[i + 1] =
            links.offsets[i] +
            static_cast<size_t>(links.cum_nb_neighbors(static_cast<int>(layers)));
    }
    links.neighbors.resize(links.offsets.back());
    for (size_t i = 0; i < graph->count; i++)
        for (size_t layer = 0, at = links.offsets[i]; layer <= graph->levels[i]; layer++) {
            size_t room;
            const uint32_t *from = graph_links(graph, i, layer, &room);
            memcpy(&links.neighbors[at], from, room * sizeof *from);
            at += room;
        }
    links.entry_point = static_cast<int>(graph->entry);
    links.max_level = graph->levels[graph->entry];
    /* Not the levels that the first rows got once more. */
    links.rng = faiss::RandomGenerator(12345 + static_cast<int64_t>(graph->count));
    builder->rows.ntotal = builder->index.ntotal = static_cast<faiss::Index::idx_t>(graph->count);
}

int hnsw_new(struct hnsw **ret_builder, const struct hnsw_options *options,
             const struct graph *graph, struct err *err)
{
    return guarded(err, "making a graph", [&] {
        auto builder = std::make_unique<struct hnsw>(*options);
        faiss::HNSW &links = builder->index.hnsw;
        links.neighbors.reserve(options->capacity * (2 * options->M + 2));
        links.offsets.reserve(options->capacity + 1);
        links.levels.reserve(options->capacity);
        if (graph)
            start_from(builder.get(), graph);
        *ret_builder = builder.release();
        return 0;
    });
}

void hnsw_free(struct hnsw *builder)
{
    delete builder;
}

int hnsw_add(struct hnsw *builder, size_t count, int threads, struct err *err)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    int r = guarded(err, "building a graph", [&] {
        const struct row_format *format = builder->options.format;
        row_distances rows(format, builder->options.blocks);
        std::vector<float> vectors(count * format->dimension);
        for (size_t i = 0; i < count; i++)
            format_decode(format, rows.row(builder->index.ntotal + static_cast<int64_t>(i)),
                          &vectors[i * format->dimension]);
        builder->index.add(static_cast<faiss::Index::idx_t>(count), vectors.data());
        return 0;
    });
    omp_set_num_threads(before);
    return r;
}

int hnsw_take(struct hnsw *builder, struct graph **ret_graph, struct err *err)
{
    return guarded(err, "finishing a graph", [&] {
        const faiss::HNSW &links = builder->index.hnsw;
        size_t count = links.levels.size();
        std::vector<uint8_t> levels(count);
        for (size_t i = 0; i < count; i++)
            levels[i] = static_cast<uint8_t>(links.levels[i] - 1);
        struct graph *graph = graph_new(count, builder->options.M, levels.data());
        if (!graph)
            throw std::bad_alloc();
        graph->entry = static_cast<uint32_t>(links.entry_point);
        for (size_t i = 0; i < count; i++)
            for (size_t layer = 0, at = links.offsets[i]; layer <= levels[i]; layer++) {
                size_t room;
                uint32_t *to = graph_links(graph, i, layer, &room);
                memcpy(to, &links.neighbors[at], room * sizeof *to);
                at += room;
            }
        *ret_graph = graph;
        return 0;
    });
}
