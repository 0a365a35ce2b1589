import CTransfer
import Glibc
import ObjectStores
import Synchronization

/// HTTP exchanges by libcurl, each on a thread that may block, over connections that are kept.
final class Transfers: Sendable {
    struct Request: Sendable {
        var method: transfer_method
        var url: String
        var headers: [(name: String, value: String)]
        var body: [UInt8] = []
        /// Most bytes of a successful reply's body.
        var limit: Int
        var stallTime: Duration
        var timeLimit: Duration
        var authorities: String?
    }

    struct Reply: Sendable {
        var status: Int
        var contentLength: Int?
        /// Of a status other than 2xx at most 16 KiB.
        var body: [UInt8]
    }

    /// Why there is no whole reply, in libcurl's words.
    struct Failure: Error, Sendable {
        var outcome: transfer_outcome
        var message: String
        /// Of the reply's header, where there was one.
        var contentLength: Int?
    }

    /// libcurl's handles; each is used by one exchange at a time, which the pool sees to.
    private struct Client: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let idle = Mutex<[Client]>([])
    private static let mostIdle = 8

    deinit { for client in idle.withLock({ $0 }) { transfer_client_destroy(client.pointer) } }

    /// Makes an exchange; ends it at once when the task is cancelled.
    func perform(_ request: Request) async throws(Failure) -> Reply {
        guard let client = take() else { throw Failure(outcome: TRANSFER_NO_MEMORY, message: "") }
        let result = await withTaskCancellationHandler {
            await BlockingThread.run("transfer") { Self.perform(request, client) }
        } onCancel: {
            transfer_client_cancel(client.pointer)
        }
        giveBack(client)
        return try result.get()
    }

    private func take() -> Client? {
        if let client = idle.withLock({ $0.popLast() }) {
            transfer_client_renew(client.pointer)
            return client
        }
        return transfer_client_create().map { Client(pointer: $0) }
    }

    private func giveBack(_ client: Client) {
        let isKept = idle.withLock { idle in
            if idle.count < Self.mostIdle { idle.append(client) }
            return idle.last?.pointer == client.pointer
        }
        if !isKept { transfer_client_destroy(client.pointer) }
    }

    private static func perform(_ request: Request, _ client: Client) -> Result<Reply, Failure> {
        let lines = request.headers.map { strdup("\($0.name): \($0.value)") }
        defer { for line in lines { free(line) } }
        var reply = request.url.withCString { url in
            lines.map { UnsafePointer($0) }.withUnsafeBufferPointer { headers in
                request.body.withUnsafeBufferPointer { body in
                    withOptionalCString(request.authorities) { authorities in
                        var exchange = transfer_request()
                        exchange.method = request.method
                        exchange.url = url
                        exchange.headers = headers.baseAddress
                        exchange.header_count = headers.count
                        exchange.body = body.baseAddress
                        exchange.body_count = body.count
                        exchange.limit = max(request.limit, 0)
                        exchange.stall_time = request.stallTime.inMilliseconds
                        exchange.time_limit = request.timeLimit.inMilliseconds
                        exchange.authorities = authorities
                        return transfer_perform(client.pointer, &exchange)
                    }
                }
            }
        }
        defer { transfer_reply_release(&reply) }
        let length = reply.content_length < 0 ? nil : Int(reply.content_length)
        guard reply.outcome == TRANSFER_OK else {
            let message = withUnsafeBytes(of: reply.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            return .failure(Failure(outcome: reply.outcome, message: message, contentLength: length))
        }
        let body = Array(UnsafeBufferPointer(start: reply.body, count: reply.body_count))
        return .success(Reply(status: reply.status, contentLength: length, body: body))
    }

    private static func withOptionalCString<R>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> R) -> R {
        guard let text else { return body(nil) }
        return text.withCString(body)
    }
}

extension Duration {
    /// At least 1, at most a day: 0 would be no limit to libcurl.
    fileprivate var inMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        guard seconds < 86_400 else { return 86_400_000 }
        return max(seconds * 1000 + attoseconds / 1_000_000_000_000_000, 1)
    }
}
