/* SHA-256 (FIPS 180-4), through OpenSSL's libcrypto. */
#ifndef SBERT_BASE_DIGEST_H
#define SBERT_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 65 };

/* A digest under way, for contents that come in parts. One owner at a time. */
struct digest;
int digest_open(struct digest **ret_digest, struct err *err);
int digest_update(struct digest *digest, const void *data, size_t size, struct err *err);
/* Finishes and frees it; `ret_hex` gets 64 lower-case hexadecimal digits and a NUL. */
int digest_finish(struct digest *digest, char ret_hex[DIGEST_HEX_SIZE], struct err *err);
void digest_abort(struct digest *digest); /* frees it unfinished; accepts NULL */

/* The digest of bytes in memory, raw and in hexadecimal. Thread-safe. */
int digest_bytes(const void *data, size_t size, uint8_t ret_digest[DIGEST_SIZE], struct err *err);
int digest_bytes_hex(const void *data, size_t size, char ret_hex[DIGEST_HEX_SIZE], struct err *err);

/* The digest of a whole file. Thread-safe. */
int digest_file_hex(const char *path, char ret_hex[DIGEST_HEX_SIZE], struct err *err);

#endif
