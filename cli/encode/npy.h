/* Writing a matrix of float32 as NumPy's .npy, rows as they come: the file appears under its name
 * when it is whole.
 * Source of the format: "NEP 1, a simple file format for NumPy arrays", version 1.0.
 */
#ifndef SBERT_CLI_ENCODE_NPY_H
#define SBERT_CLI_ENCODE_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

struct npy {
    struct file_replace replace;
    uint64_t rows;
    size_t columns;
};

/* Begins a file of rows of `columns` numbers. npy_commit or npy_abort must follow. */
int npy_begin(struct npy *ret_npy, const char *path, size_t columns, struct err *err);

/* Adds `rows` rows. A disk that is full shows here or at the commit. */
int npy_write(struct npy *npy, const float *numbers, size_t rows, struct err *err);

/* Writes how many rows it became, and puts the file in its place. */
int npy_commit(struct npy *npy, struct err *err);
void npy_abort(struct npy *npy);

#endif
