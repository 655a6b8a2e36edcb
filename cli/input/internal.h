/* What the readers of the formats share. Not for use outside cli/input. */
#ifndef SBERT_CLI_INPUT_INTERNAL_H
#define SBERT_CLI_INPUT_INTERNAL_H

#include "base/buf.h"
#include "cli/input/csv.h"
#include "cli/input/input.h"
#include "cli/input/stream.h"

struct input {
    struct input_options options;
    const char *name;
    struct stream stream;
    enum input_format format;
    struct input_skipped skipped;
    struct buf line;      /* the line or the whole text */
    struct buf mended;    /* its copy where it wasn't UTF-8 */
    uint64_t line_number; /* of `line`, from 1 */
    bool text_done;

    json_t *record;   /* the object of a JSON line */
    json_t *metadata; /* of the last document */
    struct buf id;    /* of the last document, where it must be made up from a number */

    struct csv csv;
    char **columns; /* (column_count) of the header */
    size_t column_count;
    size_t id_index, text_index; /* SIZE_MAX: no such column */
};

/* Checks text against UTF-8 as the options say. 1: take *text (which may now be the mended copy);
 * 0: pass it over (counted); ERR_INVALID: refused. `line` 0 leaves the line out of the message. */
int input_check_utf8(struct input *input, uint64_t line, const char **text, size_t *size,
                     struct err *err);

/* True, and counted, where a text has nothing but white space. */
bool input_is_empty(struct input *input, const char *text, size_t size);

/* Each gives the next document of its format as input_next does, or ret 2 where a record was
 * passed over. */
int input_next_jsonl(struct input *input, struct input_document *ret_document, struct err *err);
int input_next_csv(struct input *input, struct input_document *ret_document, struct err *err);

/* Reads the header and finds the columns that the options name. */
int input_start_csv(struct input *input, struct err *err);
void input_stop_csv(struct input *input);

enum { INPUT_PASSED_OVER = 2 };

#endif
