/* Lists by the protocol's limit, after and next. */
#include "cli/index/pages.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json_text.h"
#include "daemon/wire_limits.h"

int pages_target(struct buf *target, const char *collection, const char *after)
{
    buf_clear(target);
    int r = buf_append_string(target, "/v1/collections/");
    if (r == 0)
        r = client_encode(target, collection);
    return r == 0 ? buf_append_string(target, after) : r;
}

static int append_filter(struct buf *target, const json_t *filter)
{
    struct buf text = {0};
    int r = json_text_append(&text, filter);
    if (r == 0)
        r = buf_append_string(target, "&filter=");
    if (r == 0)
        r = client_encode(target, text.data);
    buf_release(&text);
    return r;
}

static int page_target(struct buf *target, const char *collection,
                       const struct pages_wanted *wanted, const char *after, uint64_t limit)
{
    const char *source = wanted->source;
    int r = pages_target(target, collection, "/documents");
    if (r == 0)
        r = buf_printf(target, "?limit=%d", limit < LIMIT_LIST ? (int)limit : LIMIT_LIST);
    if (r == 0 && source)
        r = buf_append_string(target, "&source=");
    if (r == 0 && source)
        r = client_encode(target, source);
    if (r == 0 && wanted->filter)
        r = append_filter(target, wanted->filter);
    if (r == 0 && after)
        r = buf_append_string(target, "&after=");
    return r == 0 && after ? client_encode(target, after) : r;
}

int pages_each(struct client *client, const char *collection, const struct pages_wanted *wanted,
               int (*page)(void *argument, const json_t *documents, struct err *err),
               void *argument, struct err *err)
{
    struct buf target = {0};
    char *after = NULL;
    uint64_t left = wanted->limit ? wanted->limit : UINT64_MAX;
    int r = 0;
    do {
        json_t *answer = NULL;
        if (page_target(&target, collection, wanted, after, left) < 0) {
            r = err_memory(err, "the request");
            break;
        }
        r = client_call(client, "GET", target.data, NULL, &answer, err);
        free(after);
        after = NULL;
        if (r < 0)
            break;
        const json_t *documents = json_object_get(answer, "documents");
        const char *next = json_string_value(json_object_get(answer, "next"));
        size_t count = json_array_size(documents);
        if (next && !(after = strdup(next)))
            r = err_memory(err, "the list");
        else if (!json_is_array(documents))
            r = err_set(err, ERR_CORRUPT, "the daemon's answer has no documents");
        else if (count > 0)
            r = page(argument, documents, err);
        left = count < left ? left - count : 0;
        json_decref(answer);
    } while (r == 0 && after && left > 0);
    free(after);
    buf_release(&target);
    return r;
}
