/* Fuzzing of an export's lines: what is taken for a header is whole, and what is written of it is
 * taken again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/index/exported.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void check_header(json_t *json)
{
    struct err err = {0};
    struct exported_header header = {0};
    if (exported_read_header(&header, json, "file:1", &err) < 0) {
        require(err.message[0] != '\0');
        return;
    }
    require(header.json == json && header.dimension > 0);
    require(!header.model == !header.fingerprint);
    require(!header.fields || json_is_object(header.fields));
}

/* A document's line is JSON of the same value. */
static void check_document(const json_t *json)
{
    struct err err = {0};
    struct buf line = {0};
    json_t *again = NULL;
    enum exported_kind kind;
    require(exported_write_document(&line, json) == 0);
    require(memchr(line.data, '\n', line.size) == line.data + line.size - 1);
    require(exported_parse(&again, &kind, line.data, line.size - 1, "again", &err) == 0);
    require(kind == EXPORTED_DOCUMENT && json_equal(json, again));
    json_decref(again);
    buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    json_t *json = NULL;
    enum exported_kind kind;
    uint64_t lines = 0;
    char *text =
        malloc(size ? size : 1); /* exactly as long, so that reading over the end is seen */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    int r = exported_parse(&json, &kind, text, size, "file:1", &err);
    if (r == 0 && kind == EXPORTED_HEADER)
        check_header(json);
    else if (r == 0 && kind == EXPORTED_END)
        require(exported_read_end(json, &lines, "file:9", &err) == 0 || err.message[0] != '\0');
    else if (r == 0)
        check_document(json);
    else
        require(err.message[0] != '\0');
    json_decref(json);
    free(text);
    return 0;
}
