/* Declared fields of metadata, and the passages that a filter on them selects.
 *
 * A field is a path into documents' metadata ("year", "author.name") with a type. Its values stand
 * in an index of their own, one row a passage and value, so that a filter is resolved by reading
 * ranges of it, without looking at a document. A document whose field holds a list has each of its
 * elements. What is not of the field's type is not indexed: the document is as one without it.
 *
 * Threads: as store.h.
 */
#ifndef SBERT_STORAGE_FILTER_H
#define SBERT_STORAGE_FILTER_H

#include "storage/store.h"

enum field_type { FIELD_TEXT, FIELD_INTEGER, FIELD_REAL, FIELD_BOOLEAN };

enum {
    FIELD_NAME_MAX = 128,
    FIELDS_MAX = 64, /* of a collection */
};

struct store_field {
    char name[FIELD_NAME_MAX + 1];
    enum field_type type;
    bool ready; /* false while the documents that were there before it are being indexed */
};

/* "text", "integer", "real", "boolean"; false where the word is none of them. */
bool field_type_parse(const char *word, enum field_type *ret_type);
const char *field_type_name(enum field_type type);

/* True for 1 to FIELD_NAME_MAX bytes without control characters, in parts that are not empty. */
bool field_name_valid(const char *name);

/* Declares fields, all or none; one that is there with that type stays as it is. ERR_CONFLICT where
 * it is there with another, ERR_LIMIT beyond FIELDS_MAX. Documents put from now on are indexed;
 * store_fields_fill does those that are there. */
int store_fields_declare(struct store *store, int64_t collection, const struct store_field *fields,
                         size_t count, struct err *err);

/* Indexes the documents that were there before their fields, in short transactions between which
 * other writers have their turn; what a crash or a full disk cuts off goes on with the next call.
 * `cancel` (may be NULL) ends it early with ERR_CANCELLED. */
int store_fields_fill(struct store *store, int64_t collection, const volatile int *cancel,
                      struct err *err);

/* The fields of a collection, by name, from the arena. */
int store_fields_list(struct store *store, int64_t collection, struct arena *arena,
                      struct store_field **ret_fields, size_t *ret_count, struct err *err);

/* --- filters --- */

struct filter_value {
    enum field_type type;
    const char *text; /* of a text; UTF-8, not necessarily NUL-terminated */
    size_t text_size;
    int64_t integer; /* of an integer, or 0 or 1 of a boolean */
    double real;
};

enum filter_kind {
    FILTER_AND,    /* all of `children`; none: everything */
    FILTER_OR,     /* any of `children`; none: nothing */
    FILTER_NOT,    /* not the one child */
    FILTER_VALUES, /* the field has one of `values` */
    FILTER_EXCEPT, /* the field has a value that is none of `values` */
    FILTER_RANGE,  /* the field has a value within the bounds; without bounds: any value */
    FILTER_PREFIX, /* the field has a text that begins with values[0] */
};

struct filter_bound {
    bool given, open; /* open: the value itself is outside */
    struct filter_value value;
};

struct store_filter {
    enum filter_kind kind;
    const char *field; /* of the kinds about a field */
    const struct store_filter *children;
    const struct filter_value *values;
    size_t count; /* of children or of values */
    struct filter_bound lower, upper;
};

/* The passages of the documents that match, ascending, in fresh memory that the caller frees. Ids
 * that are no passage of the collection (any more) may be among them where much is excluded.
 * ERR_INVALID names a field that is not declared, or a value of another type than its field's, and
 * says what to do; ERR_BUSY a field that is not ready. */
int store_select(struct store *store, int64_t collection, const struct store_filter *filter,
                 int64_t **ret_passages, size_t *ret_count, struct err *err);

/* The number of documents that match. */
int store_count(struct store *store, int64_t collection, const struct store_filter *filter,
                size_t *ret_count, struct err *err);

/* As store_list, of the documents that match. */
int store_list_selected(struct store *store, int64_t collection, const struct store_filter *filter,
                        const char *after, size_t limit, struct arena *arena,
                        struct store_row **ret_rows, size_t *ret_count, struct err *err);

/* Deletes up to `limit` documents that match, as store_delete does. Fewer deleted than `limit`:
 * there were no more. */
int store_delete_selected(struct store *store, int64_t collection,
                          const struct store_filter *filter, size_t limit, size_t *ret_deleted,
                          struct arena *arena, struct store_changes *ret_changes, struct err *err);

#endif
