/* The three renderings of an answer. It appends to a buffer and writes nowhere. */
#include "cli/query/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_text.h"
#include "cli/query/hit.h"
#include "cli/terminal.h"
#include "cli/text.h"

enum { LEAST_TEXT_COLUMNS = 16 };

#define BOLD "\x1b[1m"
#define GREEN "\x1b[32m"
#define CYAN "\x1b[36m"
#define DIM "\x1b[2m"
#define PLAIN "\x1b[0m"

enum { SCORE_SIZE = 24 };

/* Four digits after the point, unless the score is so large that nobody counts them. */
static const char *format_score(char ret_text[SCORE_SIZE], double score)
{
    snprintf(ret_text, SCORE_SIZE, score > -1e6 && score < 1e6 ? "%.4f" : "%.4e", score);
    return ret_text;
}

/* A hit with the column that says where it is. */
struct row {
    struct hit hit;
    struct buf place;
    bool by_location; /* `place` is a location, so its end tells more than its start */
};

static const char *paint(const struct render *render, const char *code)
{
    return render->colour ? code : "";
}

static int make_row(const struct render *render, const json_t *result, struct row *row,
                    struct err *err)
{
    int r = hit_parse(&row->hit, result, err);
    if (r < 0)
        return r;
    struct buf location = {0};
    r = hit_location(&row->hit, render->folder, &location);
    /* An id that somebody gave says more than a location, and that more than an id of the daemon.
     */
    row->by_location = location.size > 0 && hit_id_is_made(&row->hit);
    const char *place = row->by_location ? location.data : row->hit.id;
    if (r == 0 && render->form == RENDER_TABLE)
        r = text_flatten(&row->place, place, strlen(place));
    else if (r == 0 && location.size > 0)
        r = buf_append(&row->place, location.data, location.size);
    buf_release(&location);
    return r < 0 ? err_memory(err, "the results") : 0;
}

/* The columns of the table that depend on what is in it. */
struct layout {
    int rank, score, place, text;
};

static struct layout lay_out(const struct render *render, const struct row *rows, size_t count)
{
    char text[SCORE_SIZE];
    struct layout layout = {.rank = snprintf(NULL, 0, "%zu", count)};
    for (size_t i = 0; i < count; i++) {
        int score = (int)strlen(format_score(text, rows[i].hit.score));
        int place = terminal_columns(rows[i].place.data, rows[i].place.size);
        layout.score = score > layout.score ? score : layout.score;
        layout.place = place > layout.place ? place : layout.place;
    }
    if (layout.place > render->width / 3)
        layout.place = render->width / 3;
    layout.text = render->width - layout.rank - layout.score - layout.place - 6;
    if (layout.text < LEAST_TEXT_COLUMNS)
        layout.text = LEAST_TEXT_COLUMNS;
    return layout;
}

static int append_table_row(const struct render *render, const struct layout *layout, size_t rank,
                            const struct row *row, struct buf *out)
{
    struct buf text = {0};
    char score[SCORE_SIZE];
    int r = text_flatten(&text, row->hit.text, row->hit.text_size);
    if (r == 0)
        r = buf_printf(out, "%*zu  %s%*s%s  %s", layout->rank, rank, paint(render, GREEN),
                       layout->score, format_score(score, row->hit.score), paint(render, PLAIN),
                       paint(render, CYAN));
    if (r == 0)
        r = text_fit(out, row->place.data, row->place.size, layout->place, row->by_location, true);
    if (r == 0)
        r = buf_printf(out, "%s  ", paint(render, PLAIN));
    if (r == 0 && text.size > 0)
        r = text_fit(out, text.data, text.size, layout->text, false, false);
    if (r == 0)
        r = buf_append_byte(out, '\n');
    buf_release(&text);
    return r;
}

static int append_table(const struct render *render, const char *query, size_t query_size,
                        const json_t *answer, const struct row *rows, size_t count, struct buf *out)
{
    struct layout layout = lay_out(render, rows, count);
    double took_ms = json_number_value(json_object_get(answer, "took_ms"));
    int r = 0;
    took_ms = took_ms >= 0 && took_ms < 1e9 ? took_ms : 0;
    if (render->numbered) {
        r = buf_append_string(out, paint(render, BOLD));
        if (r == 0)
            r = text_flatten(out, query, query_size);
        if (r == 0)
            r = buf_printf(out, "%s\n", paint(render, PLAIN));
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = append_table_row(render, &layout, i + 1, &rows[i], out);
    if (r == 0)
        r = buf_printf(out, "%s%s%.1f ms%s\n", paint(render, DIM), count ? "" : "nothing found, ",
                       took_ms, paint(render, PLAIN));
    return r;
}

static int append_tabs(const struct render *render, uint64_t number, const struct row *rows,
                       size_t count, struct buf *out)
{
    char score[SCORE_SIZE];
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct hit *hit = &rows[i].hit;
        if (render->numbered)
            r = buf_printf(out, "%" PRIu64 "\t", number);
        if (r == 0)
            r = buf_printf(out, "%zu\t%s\t", i + 1, format_score(score, hit->score));
        if (r == 0)
            r = text_escape(out, hit->id, strlen(hit->id));
        if (r == 0)
            r = buf_printf(out, "\t%s\t", rows[i].place.data ? rows[i].place.data : "");
        if (r == 0)
            r = text_escape(out, hit->text, hit->text_size);
        if (r == 0)
            r = buf_append_byte(out, '\n');
    }
    return r;
}

static int append_json(const char *query, size_t query_size, const json_t *answer, struct buf *out)
{
    json_t *object = json_pack("{s:o, s:O, s:O?}", "query", json_stringn(query, query_size),
                               "results", json_object_get(answer, "results"), "took_ms",
                               json_object_get(answer, "took_ms"));
    int r = object ? json_text_append(out, object) : ERR_MEMORY;
    json_decref(object);
    return r < 0 ? r : buf_append_byte(out, '\n');
}

int render_answer(const struct render *render, const char *query, size_t query_size,
                  uint64_t number, const json_t *answer, struct buf *out, size_t *ret_count,
                  struct err *err)
{
    const json_t *results = json_object_get(answer, "results");
    if (!json_is_array(results))
        return err_set(err, ERR_CORRUPT, "the daemon's answer has no results");
    size_t count = json_array_size(results);
    struct row *rows = calloc(count + 1, sizeof *rows);
    int r = rows ? 0 : err_memory(err, "the results");
    for (size_t i = 0; i < count && r == 0; i++)
        r = make_row(render, json_array_get(results, i), &rows[i], err);
    if (r < 0)
        goto out;

    if (render->form == RENDER_JSON)
        r = append_json(query, query_size, answer, out);
    else if (render->form == RENDER_TABS)
        r = append_tabs(render, number, rows, count, out);
    else
        r = append_table(render, query, query_size, answer, rows, count, out);
    if (r < 0)
        err_memory(err, "the results");
    else
        *ret_count = count;
out:
    for (size_t i = 0; rows && i < count; i++)
        buf_release(&rows[i].place);
    free(rows);
    return r;
}
