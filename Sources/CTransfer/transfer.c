#include <curl/curl.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CTransfer.h"

// What is kept of a reply that is no success: enough for an error document.
static const size_t largest_refusal = 16 << 10;

struct transfer_client {
    CURLM *multi; // Keeps the connections.
    CURL *easy;
    atomic_bool is_cancelled;
};

// An exchange under way.
typedef struct {
    CURL *easy;
    const transfer_request *request;
    transfer_reply reply;
    size_t sent;
    size_t room;
    int64_t last_move; // When a byte last came or went, in milliseconds.
    bool is_too_large;
    bool is_out_of_memory;
} exchange;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void set_up(void) {
    // By default OpenSSL frees its tables when the process begins to exit, under threads that are still in an exchange.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

transfer_client *transfer_client_create(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    transfer_client *client = calloc(1, sizeof(transfer_client));
    if (client == NULL) return NULL;
    client->multi = curl_multi_init();
    client->easy = curl_easy_init();
    if (client->multi == NULL || client->easy == NULL) {
        transfer_client_destroy(client);
        return NULL;
    }
    return client;
}

void transfer_client_destroy(transfer_client *client) {
    if (client == NULL) return;
    if (client->easy != NULL) curl_easy_cleanup(client->easy);
    if (client->multi != NULL) curl_multi_cleanup(client->multi);
    free(client);
}

void transfer_client_cancel(transfer_client *client) {
    atomic_store(&client->is_cancelled, true);
    curl_multi_wakeup(client->multi);
}

void transfer_client_renew(transfer_client *client) { atomic_store(&client->is_cancelled, false); }

static bool is_success(CURL *easy, long *status) {
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status);
    return *status >= 200 && *status < 300;
}

// Makes room for so many bytes more, at most the limit in all.
static bool reserve(exchange *exchange, size_t count, size_t limit) {
    const size_t needed = exchange->reply.body_count + count;
    if (needed <= exchange->room) return true;
    curl_off_t announced = -1;
    curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    size_t room = exchange->room * 2;
    if (announced > 0 && (uint64_t)announced <= limit) room = (size_t)announced;
    if (room > limit) room = limit;
    if (room < needed) room = needed;
    uint8_t *body = realloc(exchange->reply.body, room);
    if (body == NULL) return false;
    exchange->reply.body = body;
    exchange->room = room;
    return true;
}

static size_t take(char *bytes, size_t size, size_t count, void *context) {
    exchange *exchange = context;
    exchange->last_move = now();
    count *= size;
    long status = 0;
    const bool succeeds = is_success(exchange->easy, &status);
    const size_t limit = succeeds ? exchange->request->limit : largest_refusal;
    size_t kept = count;
    curl_off_t announced = -1;
    curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (succeeds && ((announced >= 0 && (uint64_t)announced > limit) || count > limit - exchange->reply.body_count)) {
        exchange->is_too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (kept > limit - exchange->reply.body_count) kept = limit - exchange->reply.body_count;
    if (!reserve(exchange, kept, limit)) {
        exchange->is_out_of_memory = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (kept > 0) memcpy(exchange->reply.body + exchange->reply.body_count, bytes, kept);
    exchange->reply.body_count += kept;
    return count;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes;
    ((exchange *)context)->last_move = now();
    return size * count;
}

static size_t give(char *room, size_t size, size_t count, void *context) {
    exchange *exchange = context;
    exchange->last_move = now();
    const size_t left = exchange->request->body_count - exchange->sent;
    count = size * count < left ? size * count : left;
    if (count > 0) memcpy(room, exchange->request->body + exchange->sent, count);
    exchange->sent += count;
    return count;
}

// libcurl sends the body again where a kept connection turns out to be closed.
static int rewind_body(void *context, curl_off_t offset, int origin) {
    exchange *exchange = context;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > exchange->request->body_count) return CURL_SEEKFUNC_FAIL;
    exchange->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void configure_method(CURL *easy, exchange *exchange) {
    switch (exchange->request->method) {
    case TRANSFER_GET: curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); break;
    case TRANSFER_HEAD: curl_easy_setopt(easy, CURLOPT_NOBODY, 1L); break;
    case TRANSFER_DELETE: curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE"); break;
    case TRANSFER_PUT:
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)exchange->request->body_count);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
        break;
    }
}

static void configure(CURL *easy, exchange *exchange, struct curl_slist *headers) {
    const transfer_request *request = exchange->request;
    curl_easy_reset(easy); // Keeps connections.
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); // Another address would need another signature.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); // Threads.
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (request->authorities != NULL) curl_easy_setopt(easy, CURLOPT_CAINFO, request->authorities);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->stall_time);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->time_limit);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->reply.message);
    configure_method(easy, exchange);
}

static transfer_outcome outcome_of(CURLcode code, const exchange *exchange) {
    if (exchange->is_too_large) return TRANSFER_TOO_LARGE;
    if (exchange->is_out_of_memory) return TRANSFER_NO_MEMORY;
    switch (code) {
    case CURLE_OK: return TRANSFER_OK;
    case CURLE_OPERATION_TIMEDOUT: return TRANSFER_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT: return TRANSFER_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return TRANSFER_UNTRUSTED;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return TRANSFER_INTERRUPTED;
    case CURLE_OUT_OF_MEMORY: return TRANSFER_NO_MEMORY;
    default: return TRANSFER_FAILED;
    }
}

// Runs the exchange until it is over, has stalled or is cancelled.
static transfer_outcome drive(transfer_client *client, exchange *exchange) {
    int running = 1;
    while (true) {
        if (atomic_load(&client->is_cancelled)) return TRANSFER_CANCELLED;
        if (curl_multi_perform(client->multi, &running) != CURLM_OK) return TRANSFER_FAILED;
        if (running == 0) break;
        const int64_t left = exchange->request->stall_time - (now() - exchange->last_move);
        if (left <= 0) return TRANSFER_TIMED_OUT;
        if (curl_multi_poll(client->multi, NULL, 0, left < 1000 ? (int)left : 1000, NULL) != CURLM_OK)
            return TRANSFER_FAILED;
    }
    int waiting = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &waiting)) != NULL;) {
        if (message->msg == CURLMSG_DONE && message->easy_handle == client->easy)
            return outcome_of(message->data.result, exchange);
    }
    return TRANSFER_FAILED;
}

// TLS writes with write(2), whose signal would end the process where the server is gone.
static void block_broken_pipe(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

transfer_reply transfer_perform(transfer_client *client, const transfer_request *request) {
    block_broken_pipe();
    exchange exchange = {.easy = client->easy, .request = request, .last_move = now()};
    exchange.reply.content_length = -1;
    exchange.reply.outcome = TRANSFER_NO_MEMORY;
    struct curl_slist *headers = NULL;
    for (size_t index = 0; index < request->header_count; index++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[index]);
        if (longer == NULL) {
            curl_slist_free_all(headers);
            return exchange.reply;
        }
        headers = longer;
    }
    configure(client->easy, &exchange, headers);
    if (curl_multi_add_handle(client->multi, client->easy) == CURLM_OK) {
        exchange.reply.outcome = drive(client, &exchange);
        is_success(client->easy, &exchange.reply.status);
        curl_off_t announced = -1;
        curl_easy_getinfo(client->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
        exchange.reply.content_length = announced;
        // Also closes the connection of an exchange that is not complete.
        curl_multi_remove_handle(client->multi, client->easy);
    }
    curl_easy_reset(client->easy); // Forgets the pointers into this frame.
    curl_slist_free_all(headers);
    if (exchange.reply.outcome != TRANSFER_OK) transfer_reply_release(&exchange.reply);
    return exchange.reply;
}

void transfer_reply_release(transfer_reply *reply) {
    free(reply->body);
    reply->body = NULL;
    reply->body_count = 0;
}
