/* Answers about care of the data: a backup, a check. */
#include "daemon/engine_care.h"
#include "daemon/routes.h"
#include "daemon/wire_field.h"
#include "daemon/wire_limits.h"

int answer_backup(struct call *call)
{
    static const char *const known[] = {"path", NULL};
    struct json_writer writer = {.buf = &call->answer};
    const char *path = NULL;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_check_fields(body, "", known, &call->fault);
    if (r == 0)
        r = wire_name(wire_member(body, "path"), "path", LIMIT_PATH, &path, &call->fault);
    if (r == 0 && path[0] != '/')
        r = wire_fail(&call->fault, ERR_INVALID, "path", "must be an absolute path");
    if (r == 0)
        r = engine_backup(call->service->engine, path, &call->fault.err);
    if (r == 0) {
        json_open(&writer, '{');
        json_member_string(&writer, "path", path);
        json_close(&writer, '}');
        json_line_end(&writer);
        r = answer_done(call, &writer);
    }
    json_decref(body);
    return r;
}

static void put_list(struct json_writer *writer, const char *key, const char *const *list,
                     size_t count)
{
    json_key(writer, key);
    json_open(writer, '[');
    for (size_t i = 0; i < count; i++)
        json_put_string(writer, list[i]);
    json_close(writer, ']');
}

int answer_check(struct call *call)
{
    static const char *const known[] = {NULL};
    struct json_writer writer = {.buf = &call->answer};
    struct engine_check check;
    json_t *body;
    int r = wire_parse(&body, call->body, call->body_size, "the request", &call->fault);

    if (r < 0)
        return r;
    r = wire_check_fields(body, "", known, &call->fault);
    json_decref(body);
    if (r == 0)
        r = engine_check(call->service->engine, &call->arena, &check, &call->fault.err);
    if (r < 0)
        return r;
    json_open(&writer, '{');
    json_key(&writer, "ok");
    json_put_bool(&writer, check.problem_count == 0);
    put_list(&writer, "problems", check.problems, check.problem_count);
    put_list(&writer, "notes", check.notes, check.note_count);
    json_member_integer(&writer, "collections", (int64_t)check.collections);
    json_member_integer(&writer, "documents", check.documents);
    json_member_integer(&writer, "passages", check.passages);
    json_close(&writer, '}');
    json_line_end(&writer);
    return answer_done(call, &writer);
}
