/* By POST documents/count and documents/delete. */
#include "cli/index/selected.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/filter.h"
#include "cli/index/pages.h"
#include "cli/numbers.h"

void selected_parse(struct argp_state *state, const char *text, json_t **filter)
{
    struct err err = {0};
    if (*filter)
        argp_error(state, "one --filter: join conditions with and");
    if (filter_parse(filter, text, strlen(text), &err) < 0)
        argp_error(state, "%s", err.message);
}

/* Asks for the number `name` of an answer. */
static int call(struct client *client, const char *collection, const char *path,
                const json_t *filter, const char *name, uint64_t *ret_number, struct err *err)
{
    struct buf target = {0};
    json_t *body = json_pack("{s:O}", "filter", filter), *answer = NULL;
    int r =
        body && pages_target(&target, collection, path) == 0 ? 0 : err_memory(err, "the request");
    if (r == 0)
        r = client_call(client, "POST", target.data, body, &answer, err);
    json_int_t number = json_integer_value(json_object_get(answer, name));
    if (r == 0)
        *ret_number = number > 0 ? (uint64_t)number : 0;
    json_decref(body);
    json_decref(answer);
    buf_release(&target);
    return r;
}

int selected_ask(const char *collection, uint64_t count, struct err *err)
{
    char number[NUMBER_SIZE], answer[16] = "";
    if (!isatty(STDIN_FILENO))
        return err_set(err, ERR_INVALID,
                       "%s documents of collection %s match: say --yes to delete them",
                       number_count(number, count), collection);
    fprintf(stderr, "Delete %s documents of collection %s? [y/N] ", number_count(number, count),
            collection);
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return err_set(err, ERR_CANCELLED, "nothing was deleted");
}

int selected_delete(struct client *client, const char *collection, const json_t *filter, bool sure,
                    uint64_t *ret_deleted, struct err *err)
{
    uint64_t count = 0;
    int r = 0;
    if (!sure)
        r = call(client, collection, "/documents/count", filter, "count", &count, err);
    if (r == 0 && !sure && count == 0) {
        *ret_deleted = 0;
        return 0;
    }
    if (r == 0 && !sure)
        r = selected_ask(collection, count, err);
    if (r == 0)
        r = call(client, collection, "/documents/delete", filter, "deleted", ret_deleted, err);
    return r;
}
