/* SHA-256 of large files, remembered from run to run in `<cache>/hashes.json`, where <cache> is
 * $XDG_CACHE_HOME/sbertd, else ~/.cache/sbertd.
 *
 * An entry counts only while path, device, inode, size and mtime are those of the file; a file that
 * changed in the last seconds is not remembered, since a second change could leave the same mtime.
 * The cache is replaced whole, so two writers can lose an entry of each other but never break it;
 * one that cannot be read or written is only slower.
 */
#ifndef SBERT_ENCODER_MODEL_HASH_CACHE_H
#define SBERT_ENCODER_MODEL_HASH_CACHE_H

#include "base/digest.h"
#include "base/err.h"

/* The SHA-256 of a file, 64 hexadecimal digits. Fails only where the file cannot be read.
 * Thread-safe, also between processes. */
int hash_cache_file(const char *path, char ret_hex[DIGEST_HEX_SIZE], struct err *err);

#endif
