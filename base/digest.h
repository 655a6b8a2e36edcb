/* SHA-256 (FIPS 180-4), through OpenSSL's libcrypto. */
#ifndef SBERT_BASE_DIGEST_H
#define SBERT_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 65 };

/* The digest of bytes in memory: raw, or as 64 lower-case hexadecimal digits and a NUL.
 * ERR_INTERNAL where libcrypto fails. Thread-safe. */
int digest_bytes(const void *data, size_t size, uint8_t ret_digest[DIGEST_SIZE], struct err *err);
int digest_bytes_hex(const void *data, size_t size, char ret_hex[DIGEST_HEX_SIZE], struct err *err);

/* The digest of a whole file. Errors as file_map. Thread-safe. */
int digest_file_hex(const char *path, char ret_hex[DIGEST_HEX_SIZE], struct err *err);

#endif
