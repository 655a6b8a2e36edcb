/* Fuzzes what the client makes of an answer: the parser takes the same from any bytes, in one piece
 * or in many, and what comes out as JSON is rendered without harm to a terminal or a table.
 *
 * Input: a byte for the size of the pieces, then the answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "cli/http.h"
#include "cli/query/render.h"
#include "cli/terminal.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { LIMIT = 1 << 16, WIDTH = 80 };

static void require(int holds)
{
    if (!holds)
        abort();
}

/* Feeds all the bytes; *ret_taken says how many belonged to the answer. */
static int feed(struct http_answer *answer, const char *bytes, size_t size, size_t piece,
                size_t *ret_taken)
{
    struct err err = {0};
    int r = 0;
    http_answer_start(answer, LIMIT);
    *ret_taken = 0;
    while (*ret_taken < size && r == 0) {
        size_t part = size - *ret_taken < piece ? size - *ret_taken : piece, used = 0;
        r = http_answer_feed(answer, bytes + *ret_taken, part, &used, &err);
        require(r < 0 || used == part || r == 1);
        *ret_taken += used;
    }
    require(r >= 0 || (err.code == r && err.message[0] != '\0'));
    require(answer->body.size <= LIMIT);
    if (r == 0 && http_answer_end(answer, &err) == 0)
        r = 1;
    return r;
}

/* No control character but the line breaks, and no line wider than the terminal. */
static void check_table(const struct buf *out)
{
    const char *at = out->data, *end = out->data + out->size;
    require(utf8_valid(out->data, out->size, NULL));
    for (; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1) {
        size_t length = strcspn(at, "\n");
        require(terminal_columns(at, length) <= WIDTH);
        for (size_t i = 0; i < length; i++)
            require((unsigned char)at[i] >= 0x20 && at[i] != 0x7F);
    }
}

static void render(const char *text, size_t size)
{
    json_t *json;
    if (json_parse(&json, text, size, "the answer", NULL) < 0)
        return;
    for (int form = RENDER_TABLE; form <= RENDER_JSON; form++) {
        struct render how = {.form = (enum render_form)form, .width = WIDTH, .folder = "/home"};
        struct buf out = {0};
        struct err err = {0};
        size_t count = 0;
        int r = render_answer(&how, "query", 5, 1, json, &out, &count, &err);
        require(r == 0 || (r < 0 && err.message[0] != '\0'));
        if (r == 0 && form == RENDER_TABLE)
            check_table(&out);
        buf_release(&out);
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct http_answer whole = {0}, pieces = {0};
    size_t whole_taken, pieces_taken;
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    int r = feed(&whole, bytes, size - 1, size, &whole_taken);
    int same = feed(&pieces, bytes, size - 1, 1u + data[0] % 7, &pieces_taken);
    require(r == same);
    if (r == 1) {
        require(whole_taken == pieces_taken && whole.status == pieces.status);
        require(whole.keep_alive == pieces.keep_alive && whole.body.size == pieces.body.size);
        require(whole.body.size == 0 ||
                memcmp(whole.body.data, pieces.body.data, whole.body.size) == 0);
        render(whole.body.data ? whole.body.data : "", whole.body.size);
    }
    render(bytes, size - 1);
    http_answer_release(&whole);
    http_answer_release(&pieces);
    return 0;
}
