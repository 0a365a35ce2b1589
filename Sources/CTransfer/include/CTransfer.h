#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// HTTP exchanges through libcurl with everything bounded, and the two digests that sign them, through libcrypto.
//
// libcurl is set up by variadic functions, which Swift cannot call.

// Makes one exchange at a time and keeps the connection for the next.
typedef struct transfer_client transfer_client;

// NULL where there is no memory.
transfer_client *transfer_client_create(void);
void transfer_client_destroy(transfer_client *client);

// Ends the exchange under way, from another thread; the client makes no other until it is renewed.
void transfer_client_cancel(transfer_client *client);
void transfer_client_renew(transfer_client *client);

typedef enum { TRANSFER_GET, TRANSFER_PUT, TRANSFER_HEAD, TRANSFER_DELETE } transfer_method;

typedef struct {
    transfer_method method;
    // http:// or https://; sent as it is, without any change to the path.
    const char *url;
    // "Name: value" each.
    const char *const *headers;
    size_t header_count;
    // Of a PUT.
    const uint8_t *body;
    size_t body_count;
    // Most bytes of a successful reply's body.
    size_t limit;
    // The exchange fails when nothing moves for so long, and when it takes so long in all; in milliseconds.
    int64_t stall_time;
    int64_t time_limit;
    // PEM file of the authorities to trust; NULL for the system's.
    const char *authorities;
} transfer_request;

typedef enum {
    TRANSFER_OK = 0,      // there is a reply, whatever its status
    TRANSFER_TOO_LARGE,   // the body is larger than the limit; nothing of it is kept
    TRANSFER_TIMED_OUT,
    TRANSFER_UNREACHABLE, // no such host, nobody listens
    TRANSFER_UNTRUSTED,   // TLS: a certificate that is not trusted, or no TLS at all
    TRANSFER_INTERRUPTED, // the connection ended in the middle
    TRANSFER_CANCELLED,
    TRANSFER_NO_MEMORY,
    TRANSFER_FAILED,      // anything else
} transfer_outcome;

typedef struct {
    transfer_outcome outcome;
    // 0 where there was none.
    long status;
    // What the Content-Length header says, -1 where it is missing.
    int64_t content_length;
    // Belongs to the caller, who releases it with transfer_reply_release. Of a status other than 2xx at most 16 KiB.
    uint8_t *body;
    size_t body_count;
    // libcurl's own words where the outcome is a failure (may be empty).
    char message[256];
} transfer_reply;

// Blocks until the exchange is over.
transfer_reply transfer_perform(transfer_client *client, const transfer_request *request);
void transfer_reply_release(transfer_reply *reply);

enum { TRANSFER_DIGEST_SIZE = 32 };

// SHA-256. False where libcrypto fails.
bool transfer_sha256(const uint8_t *bytes, size_t count, uint8_t digest[TRANSFER_DIGEST_SIZE]);

// HMAC-SHA256 (RFC 2104). False where libcrypto fails.
bool transfer_hmac_sha256(const uint8_t *key, size_t key_count, const uint8_t *bytes, size_t count,
                          uint8_t digest[TRANSFER_DIGEST_SIZE]);
