/// Frames that wait for the socket to take them.
struct Outbox {
    enum Frame {
        case method(ClientMethod)
        case header(MessageProperties, bodySize: Int)
        /// The rest of a body, from an offset on.
        case body([UInt8], offset: Int)
    }

    private var frames = Fifo<(channel: UInt16, frame: Frame)>()

    var isEmpty: Bool { frames.isEmpty }
    var count: Int { frames.count }

    mutating func append(_ method: ClientMethod, on channel: UInt16) {
        frames.append((channel, .method(method)))
    }

    /// A message: method, header and body go out together, with no other frame of the channel between them.
    mutating func append(_ message: OutgoingMessage, by method: ClientMethod, on channel: UInt16) {
        frames.append((channel, .method(method)))
        frames.append((channel, .header(message.properties, bodySize: message.body.count)))
        if !message.body.isEmpty { frames.append((channel, .body(message.body, offset: 0))) }
    }

    /// Forgets the frames of a channel that the broker has closed.
    mutating func removeAll(on channel: UInt16) {
        frames.removeAll { $0.channel == channel }
    }

    mutating func removeAll() { frames.removeAll() }

    /// Bytes of one body frame.
    ///
    /// So few that a socket which poll(2) calls writable takes them without blocking: the kernel says so only while a
    /// third of the send buffer is free. A send that blocks would stop the heartbeats.
    static let bodyPiece = 8192

    /// Sends frames worth about ``bodyPiece`` bytes.
    mutating func send(through wire: WireConnection) throws(BrokerError) {
        var budget = Self.bodyPiece
        while budget > 0, let (channel, frame) = frames.first {
            switch frame {
            case .method(let method):
                try wire.send(method, on: channel)
                budget -= 128
            case .header(let properties, let bodySize):
                try wire.sendHeader(properties, bodySize: bodySize, on: channel)
                budget -= 256
            case .body(let bytes, let offset):
                let end = min(bytes.count, offset + min(Self.bodyPiece, wire.payloadLimit))
                try bytes.withUnsafeBytes { body in
                    Result { () throws(BrokerError) in
                        try wire.sendBody(UnsafeRawBufferPointer(rebasing: body[offset..<end]), on: channel)
                    }
                }.get()
                budget -= end - offset
                guard end == bytes.count else {
                    frames.first = (channel, .body(bytes, offset: end))
                    continue
                }
            }
            frames.removeFirst()
        }
    }
}
