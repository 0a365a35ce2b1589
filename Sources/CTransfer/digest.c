#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "CTransfer.h"

bool transfer_sha256(const uint8_t *bytes, size_t count, uint8_t digest[TRANSFER_DIGEST_SIZE]) {
    return EVP_Digest(bytes, count, digest, NULL, EVP_sha256(), NULL) == 1;
}

bool transfer_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *bytes, size_t count,
                          uint8_t digest[TRANSFER_DIGEST_SIZE]) {
    if (key_count > INT_MAX) return false;
    // A key that is NULL would stand for the last one used.
    static const uint8_t none = 0;
    unsigned int size = TRANSFER_DIGEST_SIZE;
    return HMAC(EVP_sha256(), key_count == 0 ? &none : key, (int)key_count, bytes, count, digest, &size) != NULL;
}
