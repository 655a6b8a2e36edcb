/* Writes a snapshot: one view, part by part, then the header that vouches for them.
 *
 * A view never changes, so applies and searches go on meanwhile and the file is of one moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/file.h"
#include "index/graph.h"
#include "index/snapshot.h"
#include "index/state.h"

struct writer {
    struct file_replace file;
    uint64_t offset;      /* bytes written so far */
    XXH3_state_t *hashed; /* of the part under way */
};

static int write_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct writer *writer = context;
    if (size && fwrite(data, 1, size, writer->file.stream) != size)
        return err_set_errno(err, errno, "cannot write %s", writer->file.temporary);
    if (size)
        XXH3_64bits_update(writer->hashed, data, size);
    writer->offset += size;
    return 0;
}

static int write_dead(struct writer *writer, const struct view_part *part, struct err *err)
{
    /* The bitmap may be shorter than the rows, where the last ones came after the last removal. */
    static const uint64_t none = 0;
    size_t words = bitmap_words(part->count), have = part->dead->capacity / 64;
    size_t written = have < words ? have : words;
    int r = write_bytes(writer, part->dead->words, written * sizeof none, err);
    for (size_t i = written; r == 0 && i < words; i++)
        r = write_bytes(writer, &none, sizeof none, err);
    return r;
}

static int write_rows(struct writer *writer, const struct view_part *part, struct err *err)
{
    int r = 0;
    for (size_t first = 0; r == 0 && first < part->count;) {
        size_t run = segment_run(part->segment, first), left = part->count - first;
        size_t rows = run < left ? run : left;
        r = write_bytes(writer, segment_row(part->segment, first),
                        rows * part->segment->format.stride, err);
        first += rows;
    }
    return r;
}

static int write_graph(struct writer *writer, const struct graph *graph, struct err *err)
{
    int r = write_bytes(writer, graph->levels, graph->count, err);
    if (r == 0)
        r = write_bytes(writer, graph->bottom, graph->count * 2 * graph->M * sizeof(uint32_t), err);
    if (r == 0)
        r = write_bytes(writer, graph->upper, graph->upper_count * graph->M * sizeof(uint32_t),
                        err);
    return r;
}

static int write_part(struct writer *writer, const struct view_part *part,
                      struct snapshot_part *ret_entry, struct err *err)
{
    static const char padding[SNAPSHOT_ALIGNMENT];
    const struct segment *segment = part->segment;
    struct snapshot_part entry = {
        .count = part->count, .dead_count = bitmap_count(part->dead), .offset = writer->offset};
    XXH3_64bits_reset(writer->hashed);
    int r = write_bytes(writer, segment->ids, part->count * sizeof *segment->ids, err);
    if (r == 0 && entry.dead_count)
        r = write_dead(writer, part, err);
    if (r == 0)
        r = write_rows(writer, part, err);
    if (r == 0 && segment->graph) {
        entry.flags = SNAPSHOT_HAS_GRAPH;
        entry.M = (uint32_t)segment->graph->M;
        entry.entry = segment->graph->entry;
        r = write_graph(writer, segment->graph, err);
    }
    if (r < 0)
        return r;
    entry.size = writer->offset - entry.offset;
    r = write_bytes(writer, padding, snapshot_padded(entry.size) - entry.size, err);
    XXH3_64bits_update(writer->hashed, &entry, offsetof(struct snapshot_part, checksum));
    entry.checksum = XXH3_64bits_digest(writer->hashed);
    *ret_entry = entry;
    return r;
}

static void fill_header(struct snapshot_header *header, const struct index_options *options,
                        const struct view *view, const char *fingerprint)
{
    memcpy(header->magic, SNAPSHOT_MAGIC, sizeof header->magic);
    header->version = SNAPSHOT_VERSION;
    header->part_count = (uint32_t)view->count;
    header->sequence = view->sequence;
    header->dimension = (uint32_t)options->dimension;
    header->metric = options->metric;
    header->kind = options->kind;
    header->M = (uint32_t)options->M;
    header->ef_construction = (uint32_t)options->ef_construction;
    header->ef_search = (uint32_t)options->ef_search;
    header->flat_limit = options->flat_limit;
    header->segment_size = options->segment_size;
    header->precision = options->precision;
    header->flags = view->has_tail ? SNAPSHOT_HAS_TAIL : 0;
    memcpy(header->fingerprint, fingerprint, strlen(fingerprint));
}

/* Header and table are written twice: first to take their place, then with what is known only
 * after the parts. */
static int write_all(struct writer *writer, const struct view *view, struct snapshot_header *header,
                     size_t header_size, struct err *err)
{
    int r = write_bytes(writer, header, header_size, err);
    for (size_t i = 0; r == 0 && i < view->count; i++)
        r = write_part(writer, &view->parts[i], &snapshot_table(header)[i], err);
    if (r < 0)
        return r;
    header->file_size = writer->offset;
    header->checksum = snapshot_checksum(header);
    if (fseeko(writer->file.stream, 0, SEEK_SET) < 0)
        return err_set_errno(err, errno, "cannot write %s", writer->file.temporary);
    return write_bytes(writer, header, header_size, err);
}

int index_save(const struct vector_index *index, const char *path, const char *fingerprint,
               struct err *err)
{
    struct writer writer = {0};
    struct snapshot_header *header = NULL;

    if (strlen(fingerprint) >= SNAPSHOT_FINGERPRINT_SIZE)
        return err_set(err, ERR_INVALID, "a fingerprint has at most %d bytes",
                       SNAPSHOT_FINGERPRINT_SIZE - 1);
    int r = file_replace_begin(&writer.file, path, 0600, err);
    if (r < 0)
        return r;
    struct view *view = view_cell_get(index->published);
    size_t size = sizeof *header + view->count * sizeof(struct snapshot_part);
    header = calloc(1, size);
    writer.hashed = XXH3_createState();
    if (header && writer.hashed) {
        fill_header(header, &index->options, view, fingerprint);
        XXH3_64bits_reset(writer.hashed);
        r = write_all(&writer, view, header, size, err);
    } else {
        r = err_memory(err, "the index snapshot");
    }
    if (r == 0)
        r = file_replace_commit(&writer.file, err);
    else
        file_replace_abort(&writer.file);
    XXH3_freeState(writer.hashed);
    free(header);
    view_unref(view);
    return r;
}
