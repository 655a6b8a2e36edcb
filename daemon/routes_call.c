/* A call's answer: the work done, or the one form that every error has. */
#include <string.h>

#include "daemon/routes.h"

int call_error_status(int code)
{
    switch (code) {
    case ERR_INVALID:
        return 400;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_LIMIT:
        return 413;
    case ERR_UNSUPPORTED:
        return 422;
    case ERR_BUSY:
    case ERR_MEMORY:
    case ERR_CANCELLED:
        return 503;
    case ERR_NO_SPACE:
        return 507;
    default:
        return 500;
    }
}

static void write_error(struct call *call, const char *code, const char *message, const char *param)
{
    struct json_writer writer = {.buf = &call->answer};

    buf_clear(&call->answer);
    call->lines = false;
    json_open(&writer, '{');
    json_key(&writer, "error");
    json_open(&writer, '{');
    json_member_string(&writer, "code", code);
    json_member_string(&writer, "message", message);
    if (*param) {
        json_member_string(&writer, "param", param);
    }
    json_close(&writer, '}');
    json_close(&writer, '}');
    json_line_end(&writer);
    if (writer.failed)
        buf_clear(&call->answer); /* the status has to do */
}

void call_fail(struct call *call)
{
    call->status = call_error_status(call->fault.err.code);
    write_error(call, err_code_name(call->fault.err.code), call->fault.err.message,
                call->fault.param);
}

void call_refuse(struct call *call, int status, const char *code, const char *param,
                 const char *message)
{
    call->status = status;
    write_error(call, code, message, param);
}

bool call_refuse_unready(struct call *call)
{
    switch (atomic_load(&call->service->state)) {
    case SERVICE_LOADING:
        call_refuse(call, 503, "loading", "", "the model is being loaded; try again shortly");
        return true;
    case SERVICE_STOPPING:
        call_refuse(call, 503, "stopping", "", "the service is stopping");
        return true;
    default:
        return false;
    }
}

void call_answer(struct call *call)
{
    call->status = 200;
    if (call->route->answer(call) < 0)
        call_fail(call);
}

int answer_done(struct call *call, const struct json_writer *writer)
{
    if (writer->failed)
        return wire_fail(&call->fault, ERR_MEMORY, "", "out of memory for the answer");
    return 0;
}

void call_release(struct call *call)
{
    arena_release(&call->arena);
    buf_release(&call->answer);
}
