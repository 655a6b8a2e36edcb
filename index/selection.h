/* A set of ids as the rows of segments: what a search that is restricted to it looks at.
 *
 * A selection remembers a bitmap for each segment that it met, by the segment's serial number. Rows
 * never change and are only ever appended, so a bitmap stays right and at most has to grow. Bitmaps
 * of segments that are gone are forgotten when new ones come. One lock, held while a bitmap is
 * made.
 */
#ifndef SBERT_INDEX_SELECTION_H
#define SBERT_INDEX_SELECTION_H

#include "index/index.h"
#include "index/view.h"

/* The selected ones of the rows that each part of the view has: ret_rows (view->count) gets a
 * reference to a bitmap for each, NULL where none is selected. 0 or ERR_MEMORY, and then there are
 * no references. */
int selection_find(struct index_selection *selection, const struct view *view,
                   struct bitmap **ret_rows);

#endif
