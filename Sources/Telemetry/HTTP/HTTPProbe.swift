import Glibc

/// Asks a status port, for containers that have no curl.
public enum HTTPProbe {
    /// Longest answer that is read, in bytes.
    private static let limit = 1 << 20

    /// Gets a path.
    ///
    /// - Returns: The status code, and the body as text.
    /// - Throws: ``HTTPServerError`` where nobody answers in time, or not in HTTP.
    public static func get(
        _ path: String, host: String, port: UInt16, within limit: Duration
    ) throws(HTTPServerError) -> (status: Int, body: String) {
        let deadline = ContinuousClock.now + limit
        let socket = try Socket.connect(host: host, port: port, before: deadline)
        func fail(_ problem: String) -> HTTPServerError { HTTPServerError(host: host, port: port, problem: problem) }
        var request = Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)[...]
        while !request.isEmpty {
            switch socket.write(request) {
            case .bytes(let count): request = request.dropFirst(count)
            case .ended: throw fail("the connection was closed")
            case .wouldBlock:
                guard socket.wait(for: POLLOUT, before: deadline) else { throw fail("no answer in time") }
            }
        }
        var answer: [UInt8] = []
        reading: while answer.count < Self.limit {
            switch socket.read(into: &answer, limit: 65_536) {
            case .bytes: continue
            case .ended: break reading
            case .wouldBlock:
                guard socket.wait(for: POLLIN, before: deadline) else { throw fail("no answer in time") }
            }
        }
        let text = String(decoding: answer, as: UTF8.self)
        let status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) }
        guard text.hasPrefix("HTTP/1."), let status, let head = text.firstRange(of: "\r\n\r\n") else {
            throw fail("no HTTP answer")
        }
        return (status, String(text[head.upperBound...]))
    }
}
