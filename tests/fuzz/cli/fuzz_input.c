/* Fuzzes the readers of documents: any bytes, read as any format, end after finitely many
 * documents, each valid UTF-8 with text in it; what is refused says why.
 *
 * Input: a byte that picks format and handling of invalid UTF-8, then the file.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/input/input.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static int file_of(const unsigned char *data, size_t size)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    require(fd >= 0);
    require(write(fd, data, size) == (ssize_t)size);
    require(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void check_document(const struct input_document *document, size_t size, bool whole)
{
    require(document->text_size > 0);
    require(utf8_valid(document->text, document->text_size, NULL));
    require(!document->id ||
            (*document->id && utf8_valid(document->id, strlen(document->id), NULL)));
    require(!document->metadata || json_is_object(document->metadata));
    require(whole == (document->line == 0));
    require(document->byte_start <= document->byte_end && document->byte_end <= size);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *columns[] = {(char *)"*", (char *)"lang"};
    struct input *input;
    struct err err = {0};
    if (size == 0)
        return 0;
    struct input_options options = {
        .format = (enum input_format)(INPUT_LINES + data[0] % 5),
        .invalid_utf8 = (enum input_utf8)(data[0] / 5 % 3),
        .metadata_columns = columns,
        .metadata_column_count = data[0] / 15 % 3,
    };
    data++;
    size--;
    if (input_open_fd(&input, file_of(data, size), "input", &options, &err) < 0) {
        require(err.code < 0 && err.message[0] != '\0');
        return 0;
    }
    uint64_t line = 0;
    for (;;) {
        struct input_document document;
        err = (struct err){0};
        int r = input_next(input, &document, &err);
        if (r == 0)
            break;
        if (r < 0) {
            require(err.code == r && err.message[0] != '\0');
            require(r == ERR_INVALID || r == ERR_LIMIT);
            continue;
        }
        check_document(&document, size, options.format == INPUT_TEXT);
        require(document.line > line || options.format == INPUT_TEXT);
        line = document.line;
    }
    require(input_position(input) == size);
    input_close(input);
    return 0;
}
