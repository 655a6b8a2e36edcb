/* Pruning: the documents of a source are listed page by page, and those that aren't kept are
 * deleted page by page. Listing goes on behind the last id of a page, so deleting in between
 * disturbs nothing. */
#include "cli/index/prune.h"

#include "cli/index/pages.h"

int prune_ids(struct client *client, const char *collection, json_t *ids, const char *source,
              uint64_t *ret_deleted, struct err *err)
{
    struct buf target = {0};
    json_t *body = json_pack("{s:O, s:s*}", "ids", ids, "source", source);
    json_t *answer = NULL;
    int r = body ? pages_target(&target, collection, "/documents/delete") : ERR_MEMORY;
    if (r < 0)
        err_memory(err, "the request");
    else
        r = client_call(client, "POST", target.data, body, &answer, err);
    if (r == 0)
        *ret_deleted += (uint64_t)json_integer_value(json_object_get(answer, "deleted"));
    json_decref(answer);
    json_decref(body);
    buf_release(&target);
    return r;
}

struct prune {
    struct client *client;
    const char *collection, *source;
    const struct idset *keep;
    struct prune_counts *counts;
};

static int prune_page(void *argument, const json_t *documents, struct err *err)
{
    struct prune *prune = argument;
    json_t *ids = json_array();
    int r = ids ? 0 : ERR_MEMORY;
    for (size_t i = 0; i < json_array_size(documents) && r == 0; i++) {
        json_t *id = json_object_get(json_array_get(documents, i), "id");
        if (json_is_string(id) && !(prune->keep && idset_has(prune->keep, json_string_value(id))))
            r = json_array_append(ids, id);
    }
    uint64_t deleted = 0, count = json_array_size(ids);
    if (r < 0)
        r = err_memory(err, "the ids");
    else if (count > 0)
        r = prune_ids(prune->client, prune->collection, ids, prune->source, &deleted, err);
    if (r == 0) {
        prune->counts->deleted += deleted;
        prune->counts->kept += count > deleted ? count - deleted : 0;
    }
    json_decref(ids);
    return r;
}

int prune_source(struct client *client, const char *collection, const char *source,
                 const struct idset *keep, struct prune_counts *counts, struct err *err)
{
    struct prune prune = {client, collection, source, keep, counts};
    const struct pages_wanted wanted = {.source = source};
    return pages_each(client, collection, &wanted, prune_page, &prune, err);
}
