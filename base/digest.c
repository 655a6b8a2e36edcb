/* SHA-256 through libcrypto's EVP interface, which uses the chip's SHA instructions. */
#include "base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/file.h"

struct digest; /* an EVP_MD_CTX under our own name */

static EVP_MD_CTX *context_of(struct digest *digest)
{
    return (EVP_MD_CTX *)(void *)digest;
}

int digest_open(struct digest **ret_digest, struct err *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return err_memory(err, "a SHA-256 digest");
    }
    *ret_digest = (struct digest *)(void *)context;
    return 0;
}

int digest_update(struct digest *digest, const void *data, size_t size, struct err *err)
{
    if (EVP_DigestUpdate(context_of(digest), data, size) != 1)
        return err_set(err, ERR_INTERNAL, "SHA-256 failed");
    return 0;
}

static void to_hex(const uint8_t digest[DIGEST_SIZE], char ret_hex[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_SIZE; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[2 * DIGEST_SIZE] = '\0';
}

int digest_finish(struct digest *digest, char ret_hex[DIGEST_HEX_SIZE], struct err *err)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    int ok = EVP_DigestFinal_ex(context_of(digest), bytes, NULL);
    digest_abort(digest);
    if (ok != 1)
        return err_set(err, ERR_INTERNAL, "SHA-256 failed");
    to_hex(bytes, ret_hex);
    return 0;
}

void digest_abort(struct digest *digest)
{
    EVP_MD_CTX_free(context_of(digest));
}

int digest_bytes(const void *data, size_t size, uint8_t ret_digest[DIGEST_SIZE], struct err *err)
{
    if (EVP_Digest(data, size, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        return err_set(err, ERR_INTERNAL, "SHA-256 failed");
    return 0;
}

int digest_bytes_hex(const void *data, size_t size, char ret_hex[DIGEST_HEX_SIZE], struct err *err)
{
    uint8_t bytes[DIGEST_SIZE];
    int r = digest_bytes(data, size, bytes, err);
    if (r == 0)
        to_hex(bytes, ret_hex);
    return r;
}

int digest_file_hex(const char *path, char ret_hex[DIGEST_HEX_SIZE], struct err *err)
{
    struct file_map map;
    int r = file_map(&map, path, err);
    if (r < 0)
        return r;
    r = digest_bytes_hex(map.data, map.size, ret_hex, err);
    file_unmap(&map);
    return r;
}
