import Glibc
import Testing

@testable import Broker

/// Bytes in AMQP's encoding.
struct RawBytes {
    var bytes: [UInt8] = []

    mutating func number<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func shortString(_ text: String) {
        bytes.append(UInt8(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    mutating func longString(_ content: [UInt8]) {
        number(UInt32(content.count))
        bytes.append(contentsOf: content)
    }
}

/// An AMQP client that sends what no library would.
final class RawClient {
    private let socket: Int32

    /// Connects, logs in and opens channel 1.
    init(_ endpoint: AMQPEndpoint) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(socket >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = endpoint.port.bigEndian
        try #require(inet_pton(AF_INET, endpoint.host, &address.sin_addr) == 1)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
        try send(Array("AMQP".utf8) + [0, 0, 9, 1])
        try expect(10, 10)
        var start = RawBytes()
        start.number(UInt32(0))
        start.shortString("PLAIN")
        start.longString([0] + Array(endpoint.username.utf8) + [0] + Array(endpoint.password.utf8))
        start.shortString("en_US")
        try method(0, 10, 11, start)
        try expect(10, 30)
        var tune = RawBytes()
        tune.number(UInt16(10))
        tune.number(UInt32(131_072))
        tune.number(UInt16(0))
        try method(0, 10, 31, tune)
        var open = RawBytes()
        open.shortString(endpoint.virtualHost)
        open.bytes += [0, 0]
        try method(0, 10, 40, open)
        try expect(10, 41)
        try method(1, 20, 10, RawBytes(bytes: [0]))
        try expect(20, 11)
    }

    deinit { close(socket) }

    /// Publishes to a queue with a header table given as its encoded entries, and waits until the broker has read it.
    func publish(to queue: String, headers: RawBytes, body: [UInt8]) throws {
        var publish = RawBytes()
        publish.number(UInt16(0))
        publish.shortString("")
        publish.shortString(queue)
        publish.bytes.append(0)
        try method(1, 60, 40, publish)
        var header = RawBytes()
        header.number(UInt16(60))
        header.number(UInt16(0))
        header.number(UInt64(body.count))
        header.number(UInt16(1 << 13))
        header.longString(headers.bytes)
        try frame(2, 1, header.bytes)
        try frame(3, 1, body)
        var end = RawBytes()
        end.number(UInt16(200))
        end.shortString("")
        end.number(UInt32(0))
        try method(1, 20, 40, end)
        try expect(20, 41)
    }

    private func method(_ channel: UInt16, _ classID: UInt16, _ methodID: UInt16, _ arguments: RawBytes) throws {
        var payload = RawBytes()
        payload.number(classID)
        payload.number(methodID)
        try frame(1, channel, payload.bytes + arguments.bytes)
    }

    private func frame(_ type: UInt8, _ channel: UInt16, _ payload: [UInt8]) throws {
        var frame = RawBytes(bytes: [type])
        frame.number(channel)
        frame.longString(payload)
        try send(frame.bytes + [206])
    }

    private func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            try #require(count > 0)
            sent += count
        }
    }

    /// Reads frames until a method comes.
    private func expect(_ classID: UInt16, _ methodID: UInt16) throws {
        while true {
            let head = try read(7)
            let size = head[3...6].reduce(0) { $0 << 8 | Int($1) }
            let payload = try read(size + 1)
            guard head[0] == 1 else { continue }
            let method = payload[0..<4].map(UInt16.init)
            if method[0] << 8 | method[1] == classID, method[2] << 8 | method[3] == methodID { return }
            try #require(method[1] != 20 || method[3] != 40, "the broker closed the channel")
        }
    }

    private func read(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var piece = [UInt8](repeating: 0, count: count - bytes.count)
            let received = recv(socket, &piece, piece.count, 0)
            try #require(received > 0, "the broker closed the connection")
            bytes += piece[..<received]
        }
        return bytes
    }
}
