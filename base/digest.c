/* SHA-256 through libcrypto's EVP interface, which uses the chip's SHA instructions. */
#include "base/digest.h"

#include <openssl/evp.h>

#include "base/file.h"

static void to_hex(const uint8_t digest[DIGEST_SIZE], char ret_hex[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_SIZE; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[2 * DIGEST_SIZE] = '\0';
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
