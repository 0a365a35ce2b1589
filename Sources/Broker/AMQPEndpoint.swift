/// Where a broker is and who asks: an AMQP URL, `amqp://user:password@host:port/vhost` or `amqps://…`.
///
/// The nodes of a cluster are named with commas between them: `amqp://user:password@a:5672,b:5672,c/vhost`. A client uses
/// any of them that it can reach.
///
/// Follows the RabbitMQ URI specification: every part is percent-decoded; no path means the virtual host "/", an empty
/// path ("amqp://host/") the virtual host with the empty name, which RabbitMQ does not have, and is read as "/" too.
public struct AMQPEndpoint: Sendable, Equatable {
    /// A node's name or address, and its port.
    public struct Address: Sendable, Equatable {
        public var host: String
        public var port: UInt16

        public init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    public var host: String
    public var port: UInt16
    /// Further nodes of the same cluster, as good as the first.
    public var alternatives: [Address] = []
    public var virtualHost: String
    public var username: String
    public var password: String
    /// Whether the connection is encrypted (`amqps`).
    public var isEncrypted: Bool

    public init(
        host: String = "localhost", port: UInt16? = nil, virtualHost: String = "/", username: String = "guest",
        password: String = "guest", isEncrypted: Bool = false
    ) {
        self.host = host
        self.port = port ?? (isEncrypted ? 5671 : 5672)
        self.virtualHost = virtualHost
        self.username = username
        self.password = password
        self.isEncrypted = isEncrypted
    }

    /// Reads a URL.
    /// - Throws: ``BrokerError/invalid(_:)`` saying which part is wrong; never with the password in it.
    public init(url: String) throws(BrokerError) {
        guard let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://") else {
            throw .invalid("the AMQP URL has no scheme; write amqp://user:password@host:port/vhost")
        }
        self.init()
        switch url[..<colon].lowercased() {
        case "amqp": isEncrypted = false
        case "amqps": isEncrypted = true
        case let scheme: throw .invalid("the AMQP URL has the scheme '\(scheme)'; it must be amqp or amqps")
        }
        var rest = url[colon...].dropFirst(3)
        if let query = rest.firstIndex(where: { $0 == "?" || $0 == "#" }) { rest = rest[..<query] }
        if let slash = rest.firstIndex(of: "/") {
            let path = rest[rest.index(after: slash)...]
            guard !path.contains(",amqp") else {
                throw .invalid(
                    "several AMQP URLs; name the nodes of a cluster in one: amqp://user:password@host:port,host:port/vhost"
                )
            }
            guard !path.contains("/") else {
                throw .invalid("the virtual host in the AMQP URL contains '/'; write it as %2F")
            }
            if !path.isEmpty { virtualHost = try Self.decode(path, "virtual host") }
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            try readUser(rest[..<at])
            rest = rest[rest.index(after: at)...]
        }
        let addresses = rest.split(separator: ",", omittingEmptySubsequences: false)
        guard addresses.count == 1 || !addresses.contains("") else {
            throw .invalid("the AMQP URL has a comma without an address beside it")
        }
        let first = try address(addresses[0])
        (host, port) = (first.host, first.port)
        for text in addresses.dropFirst() { alternatives.append(try address(text)) }
    }

    /// This endpoint once for each of its nodes.
    var nodes: [AMQPEndpoint] {
        ([Address(host: host, port: port)] + alternatives).map { address in
            var node = self
            (node.host, node.port, node.alternatives) = (address.host, address.port, [])
            return node
        }
    }

    private mutating func readUser(_ text: Substring) throws(BrokerError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        username = try Self.decode(parts[0], "user name")
        password = parts.count > 1 ? try Self.decode(parts[1], "password") : ""
    }

    private func address(_ text: Substring) throws(BrokerError) -> Address {
        var name = text
        var portText: Substring?
        if text.first == "[" {
            guard let close = text.firstIndex(of: "]") else {
                throw .invalid("the IPv6 address in the AMQP URL has no closing ']'")
            }
            name = text[text.index(after: text.startIndex)..<close]
            let after = text[text.index(after: close)...]
            guard after.isEmpty || after.first == ":" else {
                throw .invalid("unexpected text after the IPv6 address in the AMQP URL")
            }
            if !after.isEmpty { portText = after.dropFirst() }
        } else if let colon = text.lastIndex(of: ":") {
            name = text[..<colon]
            portText = text[text.index(after: colon)...]
        }
        var address = Address(host: "localhost", port: isEncrypted ? 5671 : 5672)
        if !name.isEmpty { address.host = try Self.decode(name, "host") }
        if let portText, !portText.isEmpty {
            guard portText.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt16(portText), number > 0 else {
                throw .invalid("the port in the AMQP URL is not a number from 1 to 65535")
            }
            address.port = number
        }
        return address
    }

    /// Percent-decodes one part.
    private static func decode(_ text: Substring, _ part: String) throws(BrokerError) -> String {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(hexDigit), let low = iterator.next().flatMap(hexDigit) else {
                throw .invalid("the \(part) in the AMQP URL has a '%' without two hexadecimal digits; write '%' as %25")
            }
            bytes.append(high << 4 | low)
        }
        // A NUL would cut the string short in the C library.
        guard !bytes.contains(0), let decoded = String(validating: bytes, as: UTF8.self) else {
            throw .invalid("the \(part) in the AMQP URL is not UTF-8 text after percent-decoding")
        }
        return decoded
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension AMQPEndpoint: CustomStringConvertible {
    /// The URL without the password, for logs.
    public var description: String {
        let addresses = nodes.map { "\($0.host):\($0.port)" }.joined(separator: ",")
        return "\(isEncrypted ? "amqps" : "amqp")://\(username)@\(addresses)/\(virtualHost == "/" ? "" : virtualHost)"
    }
}
