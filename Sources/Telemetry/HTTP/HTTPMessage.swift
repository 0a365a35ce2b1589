/// A request to the status port; its headers and body play no part.
public struct HTTPRequest: Sendable, Equatable {
    public var method: String
    /// Without the query.
    public var path: String
}

/// An answer of the status port.
public struct HTTPResponse: Sendable, Equatable {
    public enum Status: Int, Sendable {
        case ok = 200
        case badRequest = 400
        case notFound = 404
        case methodNotAllowed = 405
        case requestTimeout = 408
        case headerFieldsTooLarge = 431
        case serviceUnavailable = 503
        case versionNotSupported = 505

        var reason: String {
            switch self {
            case .ok: "OK"
            case .badRequest: "Bad Request"
            case .notFound: "Not Found"
            case .methodNotAllowed: "Method Not Allowed"
            case .requestTimeout: "Request Timeout"
            case .headerFieldsTooLarge: "Request Header Fields Too Large"
            case .serviceUnavailable: "Service Unavailable"
            case .versionNotSupported: "HTTP Version Not Supported"
            }
        }
    }

    public var status: Status
    public var contentType: String
    public var body: [UInt8]

    public init(_ status: Status, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// Plain text with a newline at its end.
    public init(_ status: Status, _ text: String) {
        self.init(status, contentType: "text/plain; charset=utf-8", body: Array((text + "\n").utf8))
    }

    /// The bytes to send; without the body where only the head was asked for.
    func encoded(headOnly: Bool) -> [UInt8] {
        var head = "HTTP/1.1 \(status.rawValue) \(status.reason)\r\n"
        head += "Content-Type: \(contentType)\r\nContent-Length: \(body.count)\r\n"
        head += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        if status == .methodNotAllowed { head += "Allow: GET, HEAD\r\n" }
        return Array((head + "Connection: close\r\n\r\n").utf8) + (headOnly ? [] : body)
    }
}

/// Reads the head of a request (RFC 9112), strictly: what is ambiguous is refused.
enum HTTPRequestHead {
    /// Bytes of request line and headers together.
    static let limit = 8192
    private static let headerCountLimit = 64

    enum Outcome: Equatable {
        /// The head is not complete.
        case more
        case request(HTTPRequest)
        case refused(HTTPResponse)
    }

    static func read(_ bytes: [UInt8]) -> Outcome {
        guard let end = endOfHead(bytes) else {
            guard bytes.count < limit else {
                return .refused(HTTPResponse(.headerFieldsTooLarge, "the head may have \(limit) bytes"))
            }
            return .more
        }
        guard end <= limit else {
            return .refused(HTTPResponse(.headerFieldsTooLarge, "the head may have \(limit) bytes"))
        }
        var lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
        // After the last line end, and the empty line.
        while lines.last?.isEmpty == true { lines.removeLast() }
        guard let first = lines.first, lines.count <= headerCountLimit + 1,
            lines.dropFirst().allSatisfy(isHeader)
        else { return .refused(HTTPResponse(.badRequest, "malformed headers")) }
        return requestLine(first)
    }

    /// Index after the empty line.
    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        var lineStart = 0
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            let length = index - lineStart
            if length == 0 || (length == 1 && bytes[lineStart] == UInt8(ascii: "\r")) { return index + 1 }
            lineStart = index + 1
        }
        return nil
    }

    private static func requestLine(_ line: ArraySlice<UInt8>) -> Outcome {
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].allSatisfy(isTokenByte), !parts[0].isEmpty,
            parts[1].allSatisfy({ (0x21...0x7E).contains($0) }), parts[1].first == UInt8(ascii: "/")
        else { return .refused(HTTPResponse(.badRequest, "malformed request line")) }
        guard parts[2].elementsEqual("HTTP/1.1".utf8) || parts[2].elementsEqual("HTTP/1.0".utf8) else {
            return .refused(HTTPResponse(.versionNotSupported, "this server speaks HTTP/1.1"))
        }
        let path = parts[1].prefix { $0 != UInt8(ascii: "?") }
        return .request(
            HTTPRequest(method: String(decoding: parts[0], as: UTF8.self), path: String(decoding: path, as: UTF8.self)))
    }

    /// Whether a line is `name: value` without control characters; folded lines are not.
    private static func isHeader(_ line: ArraySlice<UInt8>) -> Bool {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { return false }
        return line[..<colon].allSatisfy(isTokenByte)
            && line[(colon + 1)...].allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
