/* The .npy format: a header of fixed size, whose row count is written last, then the numbers. */
#include "cli/encode/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie here");

enum {
    HEADER_SIZE = 128, /* magic, version, length, and the text, padded to a multiple of 64 */
    PREAMBLE_SIZE = 10,
};

static int write_header(struct npy *npy, struct err *err)
{
    char header[HEADER_SIZE + 1];
    const int text_size = HEADER_SIZE - PREAMBLE_SIZE;

    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(text_size & 0xff);
    header[9] = (char)(text_size >> 8);
    int length = snprintf(header + PREAMBLE_SIZE, (size_t)text_size,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %zu), }",
                          npy->rows, npy->columns);
    memset(header + PREAMBLE_SIZE + length, ' ', (size_t)(text_size - length));
    header[HEADER_SIZE - 1] = '\n';
    if (fwrite(header, 1, HEADER_SIZE, npy->replace.stream) != HEADER_SIZE)
        return err_set_errno(err, errno, "cannot write %s", npy->replace.path);
    return 0;
}

int npy_begin(struct npy *ret_npy, const char *path, size_t columns, struct err *err)
{
    struct npy npy = {.columns = columns};
    int r = file_replace_begin(&npy.replace, path, 0644, err);
    if (r < 0)
        return r;
    r = write_header(&npy, err);
    if (r < 0) {
        npy_abort(&npy);
        return r;
    }
    *ret_npy = npy;
    return 0;
}

int npy_write(struct npy *npy, const float *numbers, size_t rows, struct err *err)
{
    if (fwrite(numbers, sizeof *numbers * npy->columns, rows, npy->replace.stream) != rows)
        return err_set_errno(err, errno, "cannot write %s", npy->replace.path);
    npy->rows += rows;
    return 0;
}

int npy_commit(struct npy *npy, struct err *err)
{
    int r = 0;
    if (fseek(npy->replace.stream, 0, SEEK_SET) != 0)
        r = err_set_errno(err, errno, "cannot write %s", npy->replace.path);
    if (r == 0)
        r = write_header(npy, err);
    if (r < 0) {
        npy_abort(npy);
        return r;
    }
    return file_replace_commit(&npy->replace, err);
}

void npy_abort(struct npy *npy)
{
    file_replace_abort(&npy->replace);
}
