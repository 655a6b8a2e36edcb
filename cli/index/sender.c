/* A ring of lanes, each a connection with a batch: one is filled, the others are under way. */
#include "cli/index/sender.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 3 };

struct lane {
    struct client *client;
    struct batch batch;
    struct buf body;
    bool busy;
};

struct sender {
    struct lane lanes[LANES];
    size_t current; /* the lane that is filled; the one after it is the oldest under way */
    struct sender_events events;
    struct buf target;
};

const char *sender_reason(const struct err *why)
{
    static const char prefix[] = "documents[";
    const char *end = strchr(why->message, ']');
    if (strncmp(why->message, prefix, strlen(prefix)) != 0 || !end)
        return why->message;
    end++;
    return end + strspn(end, ".: ");
}

int sender_open(struct sender **ret_sender, const struct client_options *options,
                const char *collection, const struct sender_events *events, struct err *err)
{
    struct sender *sender = calloc(1, sizeof *sender);
    if (!sender)
        return err_memory(err, "the connections");
    int r = 0;
    sender->events = *events;
    if (buf_append_string(&sender->target, "/v1/collections/") < 0 ||
        client_encode(&sender->target, collection) < 0 ||
        buf_append_string(&sender->target, "/documents") < 0)
        r = err_memory(err, "the connections");
    for (size_t i = 0; i < LANES && r == 0; i++)
        r = client_open(&sender->lanes[i].client, options, err);
    if (r < 0)
        sender_close(sender);
    else
        *ret_sender = sender;
    return r;
}

void sender_close(struct sender *sender)
{
    if (!sender)
        return;
    for (size_t i = 0; i < LANES; i++) {
        client_close(sender->lanes[i].client);
        batch_release(&sender->lanes[i].batch);
        buf_release(&sender->lanes[i].body);
    }
    buf_release(&sender->target);
    free(sender);
}

struct batch *sender_batch(struct sender *sender)
{
    return &sender->lanes[sender->current].batch;
}

static int send_range(struct sender *sender, struct lane *lane, size_t first, size_t last,
                      struct err *err)
{
    size_t count;
    int r = batch_body(&lane->batch, first, last, &lane->body, &count, err);
    if (r < 0)
        return r;
    return client_send(lane->client, "POST", sender->target.data, lane->body.data, lane->body.size,
                       err);
}

static uint64_t counted(const json_t *answer, const char *field)
{
    json_int_t value = json_integer_value(json_object_get(answer, field));
    return value > 0 ? (uint64_t)value : 0;
}

/* The daemon took the documents [first, last) that aren't refused. */
static int take_answer(struct sender *sender, const struct lane *lane, size_t first, size_t last,
                       const json_t *answer, struct err *err)
{
    const json_t *ids = json_object_get(answer, "ids");
    size_t next = 0;
    for (size_t i = first; i < last; i++) {
        const struct batch_document *document = &lane->batch.documents[i];
        if (document->refused)
            continue;
        const char *id = json_string_value(json_array_get(ids, next++));
        if (!id)
            return err_set(err, ERR_CORRUPT, "the daemon's answer has too few ids");
        int r = sender->events.taken(sender->events.argument, document, id, err);
        if (r < 0)
            return r;
    }
    struct sender_counts counts = {
        .added = counted(answer, "added"),
        .replaced = counted(answer, "replaced"),
        .unchanged = counted(answer, "unchanged"),
        .truncated = counted(answer, "truncated"),
    };
    sender->events.counted(sender->events.argument, &counts);
    return 0;
}

/* Which document the daemon's "documents[N]..." means; SIZE_MAX where it names none. */
static size_t named_document(const struct lane *lane, size_t first, size_t last)
{
    static const char prefix[] = "documents[";
    const char *param = client_error_param(lane->client);
    char *end;
    if (!param || strncmp(param, prefix, strlen(prefix)) != 0)
        return SIZE_MAX;
    unsigned long index = strtoul(param + strlen(prefix), &end, 10);
    if (end == param + strlen(prefix) || *end != ']')
        return SIZE_MAX;
    return batch_find(&lane->batch, first, last, index);
}

static int settle(struct sender *sender, struct lane *lane, size_t first, size_t last,
                  struct err *err);

/* Sends [first, last) again in two halves. */
static int halve(struct sender *sender, struct lane *lane, size_t first, size_t last,
                 struct err *err)
{
    size_t middle = first + (last - first) / 2;
    for (int half = 0; half < 2; half++) {
        size_t from = half ? middle : first, to = half ? last : middle;
        if (batch_find(&lane->batch, from, to, 0) == SIZE_MAX)
            continue;
        int r = send_range(sender, lane, from, to, err);
        if (r == 0)
            r = settle(sender, lane, from, to, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Waits for the answer to [first, last), which was sent, and leaves out what is refused. */
static int settle(struct sender *sender, struct lane *lane, size_t first, size_t last,
                  struct err *err)
{
    for (;;) {
        json_t *answer = NULL;
        struct err why = {0};
        int r = client_receive(lane->client, &answer, &why);
        if (r == 0)
            r = take_answer(sender, lane, first, last, answer, &why);
        json_decref(answer);
        int status = client_status(lane->client);
        if (r == 0 || (status != 400 && status != 413 && status != 422)) {
            if (r < 0 && err)
                *err = why;
            return r;
        }
        size_t culprit = named_document(lane, first, last);
        bool alone = batch_find(&lane->batch, first, last, 1) == SIZE_MAX;
        if (alone)
            culprit = batch_find(&lane->batch, first, last, 0);
        if (culprit == SIZE_MAX)
            return halve(sender, lane, first, last, err);
        lane->batch.documents[culprit].refused = true;
        r = sender->events.refused(sender->events.argument, &lane->batch.documents[culprit], &why,
                                   err);
        if (r < 0 || alone)
            return r;
        r = send_range(sender, lane, first, last, err);
        if (r < 0)
            return r;
    }
}

/* Takes the answer of a lane that is under way, and frees its batch. */
static int finish_lane(struct sender *sender, struct lane *lane, struct err *err)
{
    if (!lane->busy)
        return 0;
    lane->busy = false;
    int r = settle(sender, lane, 0, lane->batch.count, err);
    if (r == 0)
        sender->events.done(sender->events.argument, &lane->batch);
    batch_clear(&lane->batch);
    return r;
}

int sender_submit(struct sender *sender, struct err *err)
{
    struct lane *lane = &sender->lanes[sender->current];
    if (lane->batch.count == 0)
        return 0;
    int r = send_range(sender, lane, 0, lane->batch.count, err);
    if (r < 0)
        return r;
    lane->busy = true;
    sender->current = (sender->current + 1) % LANES;
    return finish_lane(sender, &sender->lanes[sender->current], err);
}

int sender_finish(struct sender *sender, struct err *err)
{
    for (size_t i = 0; i < LANES; i++) {
        int r = finish_lane(sender, &sender->lanes[(sender->current + i) % LANES], err);
        if (r < 0)
            return r;
    }
    return 0;
}
