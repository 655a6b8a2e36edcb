/* Search: one view, each of its parts scanned or walked, the best kept. */
#include <math.h>
#include <stdlib.h>

#include "index/crew.h"
#include "index/scan.h"
#include "index/selection.h"
#include "index/state.h"
#include "index/walk.h"

enum {
    SEEN_PER_PLACE =
        16, /* rows that a walk sees for each place in its queue (measured: 10 to 20) */
    SCANNED_PER_SEEN = 3,  /* rows that a scan reads in the time in which a walk sees one */
    SELECTED_PER_SEEN = 2, /* the same where the rows lie apart */
    TASK_ROWS = 4096,
    LEAST_SHARED_BYTES = 8 << 20, /* from here on a scan is shared out over the processors */
    LEAST_SHARED_WALK = 2 << 20,  /* the same of walks, which read all over */
    MOST_SHARED_ENTRIES = 1 << 20,
    QUEUE_ROWS = 1 << 17, /* an index of more rows has a longer queue */
};

/* The queue grows with this power of the rows (measured from 100,000 to 720,000). */
static const double QUEUE_GROWTH = 0.4;

/* What one call needs, sized once. */
struct search {
    const struct vector_index *index;
    const struct index_search_options *options;
    struct view *view;
    size_t count, k, ef;          /* queries, results wanted of each, length of the queue */
    unsigned char *prepared;      /* (count, format.query_size) */
    const void **queries;         /* (count) */
    struct top *tops;             /* (count) */
    struct top_entry *entries;    /* (count, k) */
    struct bitmap **selected;     /* (parts) the rows looked for; NULL: all */
    struct target *scans, *walks; /* (parts) those that are scanned, and those that are walked */
    size_t scan_count, walk_count;
};

/* One part of the view, and what of it is looked for. */
struct target {
    struct scan_target rows;
    size_t wanted;     /* rows that may be in the answer */
    size_t first_task; /* of a shared scan */
};

static struct target target_of(const struct search *search, size_t i)
{
    const struct view_part *part = &search->view->parts[i];
    struct target target = {.rows.part = part, .wanted = view_part_live(part)};
    if (search->selected) {
        target.rows.selected = search->selected[i];
        target.wanted = bitmap_count_without(target.rows.selected, part->dead, part->count);
    }
    return target;
}

/* Where the caller leaves it to us, the queue is longer in a large index, and shorter for one of
 * several parts, which need only find its share of the best. */
static size_t target_ef(const struct search *search, const struct target *target)
{
    double live = (double)search->view->live, rows = (double)target->rows.part->count;
    size_t ef = search->ef;
    if (!search->options->ef_search) {
        double growth = live > QUEUE_ROWS ? pow(live / QUEUE_ROWS, QUEUE_GROWTH) : 1;
        ef = (size_t)ceil((double)ef * growth * sqrt(rows < live ? rows / live : 1));
    }
    return ef > search->k ? ef : search->k;
}

/* The rows that a walk may see before a scan is as quick. */
static size_t most_seen(const struct target *target)
{
    return target->wanted / (target->rows.selected ? SELECTED_PER_SEEN : SCANNED_PER_SEEN);
}

static bool is_walked(const struct search *search, const struct target *target)
{
    const struct view_part *part = target->rows.part;
    if (!part->segment->graph || search->options->exact)
        return false;
    double expected = (double)target_ef(search, target) * SEEN_PER_PLACE * (double)part->count /
                      (double)target->wanted;
    return expected < (double)most_seen(target);
}

static int search_open(struct search *search, const float *queries, struct err *err)
{
    const struct row_format *format = &search->index->format;
    size_t count = search->count, size, entries;

    search->k =
        search->options->top_k < search->view->live ? search->options->top_k : search->view->live;
    if (__builtin_mul_overflow(count, search->k, &entries) ||
        __builtin_mul_overflow(count, format->query_size, &size))
        return err_set(err, ERR_LIMIT, "%zu queries for %zu results each are too many", count,
                       search->k);
    search->prepared = aligned_alloc(64, size);
    search->queries = calloc(count, sizeof *search->queries);
    search->tops = calloc(count, sizeof *search->tops);
    search->entries = calloc(entries, sizeof *search->entries);
    search->scans = calloc(search->view->count, sizeof *search->scans);
    search->walks = calloc(search->view->count, sizeof *search->walks);
    if (!search->prepared || !search->queries || !search->tops || !search->entries ||
        !search->scans || !search->walks)
        return err_memory(err, "a search");
    for (size_t q = 0; q < count; q++) {
        unsigned char *prepared = search->prepared + q * format->query_size;
        format_prepare(format, queries + q * format->dimension, prepared);
        search->queries[q] = prepared;
        search->tops[q] = (struct top){search->entries + q * search->k, search->k, 0};
    }
    return 0;
}

static void search_close(struct search *search)
{
    for (size_t i = 0; search->selected && i < search->view->count; i++)
        bitmap_unref(search->selected[i]);
    free(search->selected);
    view_unref(search->view);
    free(search->prepared);
    free(search->queries);
    free(search->tops);
    free(search->entries);
    free(search->scans);
    free(search->walks);
}

static int find_selected(struct search *search, struct err *err)
{
    struct index_selection *selection = search->options->selection;
    if (!selection)
        return 0;
    search->selected = calloc(search->view->count, sizeof(struct bitmap *));
    if (!search->selected || selection_find(selection, search->view, search->selected) < 0)
        return err_memory(err, "a search");
    return 0;
}

/* --- work that is shared out over the processors --- */

struct shared {
    const struct search *search;
    struct top *tops;   /* (threads, count) */
    struct walk *walks; /* (threads) */
    atomic_bool failed; /* memory ran out */
};

/* Does the tasks on all processors, if they are free, and puts what they found together. False
 * where nothing was done. */
static bool run_shared(struct search *search, size_t tasks,
                       void (*task)(void *argument, size_t i, int thread), bool *ret_failed)
{
    size_t threads = crew_size(), lists = threads * search->count;
    if (threads == 1 || search->count > MOST_SHARED_ENTRIES / threads ||
        search->k > MOST_SHARED_ENTRIES / lists)
        return false;
    struct shared shared = {.search = search,
                            .tops = calloc(lists, sizeof *shared.tops),
                            .walks = calloc(threads, sizeof *shared.walks)};
    struct top_entry *entries = calloc(lists * search->k, sizeof *entries);
    bool done = false;
    if (shared.tops && shared.walks && entries) {
        for (size_t i = 0; i < lists; i++)
            shared.tops[i] = (struct top){entries + i * search->k, search->k, 0};
        done = crew_run(tasks, task, &shared);
    }
    for (size_t i = 0; done && i < lists; i++)
        for (size_t j = 0; j < shared.tops[i].count; j++)
            top_offer(&search->tops[i % search->count], shared.tops[i].entries[j].score,
                      shared.tops[i].entries[j].id);
    for (size_t i = 0; shared.walks && i < threads; i++)
        walk_release(&shared.walks[i]);
    *ret_failed = atomic_load(&shared.failed);
    free(shared.tops);
    free(shared.walks);
    free(entries);
    return done;
}

/* --- walking --- */

/* Walks a part for one query; where the walk gives up, the part is scanned. 0 or ERR_MEMORY. */
static int walk_target(const struct search *search, const struct target *target, size_t q,
                       struct walk *walk, struct top *top)
{
    const struct view_part *part = target->rows.part;
    const struct walk_target walked = {.segment = part->segment,
                                       .dead = part->dead,
                                       .selected = target->rows.selected,
                                       .ef = target_ef(search, target),
                                       .most_seen = most_seen(target)};
    const struct walk_heap *found = &walk->found;
    int r = walk_graph(walk, &walked, search->queries[q]);
    if (r < 0)
        return r;
    /* Where parts of a graph cannot be reached, what was found may be less than there is. */
    if (r == 0 || (found->count < search->k && found->count < target->wanted)) {
        scan_rows(&target->rows, 0, part->count, &search->queries[q], 1, top);
        return 0;
    }
    for (size_t i = 0; i < found->count; i++)
        top_offer(top, found->entries[i].score, part->segment->ids[found->entries[i].node]);
    return 0;
}

/* Task i: one part for one query. */
static void walk_task(void *argument, size_t i, int thread)
{
    struct shared *shared = argument;
    const struct search *search = shared->search;
    size_t q = i % search->count;
    if (walk_target(search, &search->walks[i / search->count], q, &shared->walks[thread],
                    &shared->tops[(size_t)thread * search->count + q]) < 0)
        atomic_store(&shared->failed, true);
}

static int walk_all(struct search *search)
{
    struct walk walk = {0};
    size_t seen = 0, tasks = search->walk_count * search->count;
    bool failed = false;
    for (size_t i = 0; i < search->walk_count; i++)
        seen += target_ef(search, &search->walks[i]) * SEEN_PER_PLACE;
    if (tasks > 1 && seen >= LEAST_SHARED_WALK / search->index->format.stride / search->count &&
        run_shared(search, tasks, walk_task, &failed))
        return failed ? ERR_MEMORY : 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < tasks; i++) {
        size_t q = i % search->count;
        r = walk_target(search, &search->walks[i / search->count], q, &walk, &search->tops[q]);
    }
    walk_release(&walk);
    return r;
}

/* --- scanning --- */

/* Task i: TASK_ROWS rows, part by part. */
static void scan_task(void *argument, size_t i, int thread)
{
    const struct shared *shared = argument;
    const struct search *search = shared->search;
    const struct target *target = search->scans;
    while (target + 1 < search->scans + search->scan_count && target[1].first_task <= i)
        target++;
    size_t first = (i - target->first_task) * TASK_ROWS, count = target->rows.part->count;
    size_t end = count - first < TASK_ROWS ? count : first + TASK_ROWS;
    scan_rows(&target->rows, first, end, search->queries, search->count,
              shared->tops + (size_t)thread * search->count);
}

static void scan_all(struct search *search)
{
    size_t tasks = 0, rows = 0;
    bool failed;
    for (size_t i = 0; i < search->scan_count; i++) {
        struct target *target = &search->scans[i];
        target->first_task = tasks;
        tasks += (target->rows.part->count + TASK_ROWS - 1) / TASK_ROWS;
        rows += target->wanted;
    }
    /* Several queries cost less each, as they share the reading. */
    size_t bytes = rows * search->index->format.stride;
    bool is_large = bytes >= LEAST_SHARED_BYTES ||
                    (search->count > 1 && bytes >= LEAST_SHARED_BYTES / search->count);
    if (is_large && run_shared(search, tasks, scan_task, &failed))
        return;
    for (size_t i = 0; i < search->scan_count; i++)
        scan_rows(&search->scans[i].rows, 0, search->scans[i].rows.part->count, search->queries,
                  search->count, search->tops);
}

static int search_parts(struct search *search, struct err *err)
{
    for (size_t i = 0; i < search->view->count; i++) {
        struct target target = target_of(search, i);
        if (!target.wanted)
            continue;
        if (is_walked(search, &target))
            search->walks[search->walk_count++] = target;
        else
            search->scans[search->scan_count++] = target;
    }
    if (walk_all(search) < 0)
        return err_memory(err, "a search");
    scan_all(search);
    return 0;
}

static void give_results(struct search *search, int64_t *ret_ids, float *ret_scores,
                         size_t *ret_counts)
{
    size_t top_k = search->options->top_k;
    for (size_t q = 0; q < search->count; q++) {
        struct top *top = &search->tops[q];
        top_sort(top);
        for (size_t i = 0; i < top->count; i++) {
            ret_ids[q * top_k + i] = top->entries[i].id;
            ret_scores[q * top_k + i] = top->entries[i].score;
        }
        ret_counts[q] = top->count;
    }
}

int index_search(const struct vector_index *index, const float *queries, size_t count,
                 const struct index_search_options *options, int64_t *ret_ids, float *ret_scores,
                 size_t *ret_counts, struct err *err)
{
    if (!options->top_k)
        return err_set(err, ERR_INVALID, "top_k must be at least 1");
    int r = index_check_finite(queries, count, index->options.dimension, "query", err);
    if (r < 0)
        return r;
    struct search search = {.index = index, .options = options, .count = count};
    search.ef = options->ef_search ? options->ef_search : index->options.ef_search;
    search.view = view_cell_get(index->published);
    if (!search.view->live || !count) {
        for (size_t q = 0; q < count; q++)
            ret_counts[q] = 0;
        goto out;
    }
    r = find_selected(&search, err);
    if (r == 0)
        r = search_open(&search, queries, err);
    if (r == 0)
        r = search_parts(&search, err);
    if (r == 0)
        give_results(&search, ret_ids, ret_scores, ret_counts);
out:
    search_close(&search);
    return r;
}
